import { fstatSync, type Stats } from "node:fs";
import { realpath } from "node:fs/promises";
import { constants } from "node:os";
import { isAbsolute, resolve } from "node:path";
import { closeDescriptor, EAGAIN, EINTR, send } from "../../ffi/device.ts";
import { mountFlags } from "../../ffi/mount.ts";
import { mountPuffs, openPuffs, PUFFS_DEVICE, setPuffsBlocking } from "../../ffi/puffs.ts";
import { exitCodes, Failure, messageOf } from "../failure.ts";
import type { Protocol } from "../protocol.ts";
import type { Connection } from "../puffs/connection.ts";
import { errnoName } from "../puffs/errno.ts";
import { LibraryFlags, MountFlags } from "../puffs/flags.ts";
import { handshake, kargs } from "../puffs/mount.ts";
import type { Log } from "../session.ts";
import { COMFD, type Door, type Mounting } from "./door.ts";
import { PuffsProtocol } from "./puffs-protocol.ts";

/** The descriptor is in the environment: whoever reads the other end mounts, and is told how. */
export function comfdDoor(): Door {
  const descriptor = inheritedDescriptor();
  return {
    ...puffsProtocol((connection, mounting) => {
      const { source, type, flags } = namesOf(mounting);
      const args = kargs(connection, { source, type });
      const { libraryFlags = 0 } = connection.wishes.puffs ?? {};
      const library = (connection.flags | libraryFlags | LibraryFlags.PNCOOKIE) >>> 0;
      for (const item of handshake(mounting.directory, source, flags, args, library))
        writeAll(descriptor, item);
      return descriptor;
    }),
    // It is the other end's directory, which need not be one here.
    prepare: async (path, log) => (isAbsolute(path) ? path : absolute(path, resolve(path), log)),
  };
}

/** NetBSD, by /dev/puffs and mount(2). */
export function puffsDoor(): Door {
  return {
    ...puffsProtocol((connection, mounting) => {
      const descriptor = openDevice();
      const { directory, log } = mounting;
      if (descriptor <= 2)
        log.warn(`${PUFFS_DEVICE} is descriptor ${descriptor}, that of a standard stream`);
      const { source, type, flags } = namesOf(mounting);
      const args = kargs(connection, { source, type }, descriptor);
      const failed = mountPuffs(directory, flags, args) || setPuffsBlocking(descriptor, false);
      if (failed !== 0) {
        closeDescriptor(descriptor);
        throw new Failure(`${directory}: mount(2) failed with ${errnoName(failed) ?? failed}`);
      }
      return descriptor;
    }),
    async prepare(path, log) {
      const real = await realpath(path).catch((error) => {
        throw new Failure(`${path}: ${messageOf(error)}`);
      });
      return absolute(path, real, log);
    },
  };
}

/** The path to mount on, with a notice if it is not the one that was given, give or take slashes at its end. */
function absolute(path: string, real: string, log: Log): string {
  if (real !== (path.replace(/\/+$/, "") || "/"))
    log.warn(`${path} is a relative path; using ${real} instead`);
  return real;
}

/** What both have: the mount is made with what the connection asks for, and ended by asking the kernel. */
function puffsProtocol(
  attach: (connection: Connection, mounting: Mounting) => number,
): Pick<Door, "isLocal" | "protocol" | "attach" | "unmount"> {
  let protocol: PuffsProtocol | undefined;
  return {
    isLocal: false,
    protocol(directory): Protocol {
      protocol = new PuffsProtocol(directory);
      return protocol;
    },
    async attach(mounting) {
      const connection = protocol?.served;
      if (!connection) throw new Error("attach() before open()");
      return attach(connection, mounting);
    },
    async unmount() {
      await protocol?.usermount.unmount();
    },
  };
}

/** That of the variable, which the programs that a plugin starts are not to see. */
function inheritedDescriptor(): number {
  const text = process.env[COMFD] ?? "";
  delete process.env[COMFD];
  if (!/^\d+$/.test(text))
    throw new Failure(
      `${COMFD} is ${JSON.stringify(text)}, which is not a descriptor (EINVAL); set it to the number of an open one`,
      exitCodes.usage,
    );
  const descriptor = Number(text);
  let file: Stats;
  try {
    file = fstatSync(descriptor);
  } catch (error) {
    throw new Failure(
      `${COMFD} is ${text}, which is not open here: ${messageOf(error)}`,
      exitCodes.usage,
    );
  }
  // Anything else would be written to, and then be at its end.
  if (!file.isSocket() && !file.isCharacterDevice())
    throw new Failure(
      `${COMFD} is ${text}, which is not a socket or a device (EINVAL); set it to one end of a stream of two directions`,
      exitCodes.usage,
    );
  return descriptor;
}

function openDevice(): number {
  try {
    return openPuffs();
  } catch (error) {
    throw new Failure(
      `${PUFFS_DEVICE} cannot be opened (${messageOf(error)}): it is NetBSD's; on Linux mount with -o door=fuse, or set ${COMFD}`,
    );
  }
}

function namesOf({ fsname, subtype, options }: Mounting) {
  const { mount } = options;
  return {
    source: mount.fsname ?? fsname,
    type: mount.subtype ?? subtype,
    flags: netbsdFlags(options.flags),
  };
}

/** Flags of mount(2) in NetBSD's numbers. Only root may mount with set-id programs and devices. */
function netbsdFlags(linux: number): number {
  const flags = FLAGS.reduce(
    (all, [theirs, ours]) => ((linux & theirs) !== 0 ? all | ours : all),
    0,
  );
  return process.geteuid?.() === 0 ? flags : flags | MountFlags.NOSUID | MountFlags.NODEV;
}

const FLAGS: readonly (readonly [number, number])[] = [
  [mountFlags.MS_RDONLY, MountFlags.RDONLY],
  [mountFlags.MS_NOSUID, MountFlags.NOSUID],
  [mountFlags.MS_NODEV, MountFlags.NODEV],
  [mountFlags.MS_NOEXEC, MountFlags.NOEXEC],
  [mountFlags.MS_SYNCHRONOUS, MountFlags.SYNCHRONOUS],
  [mountFlags.MS_NOATIME, MountFlags.NOATIME],
];

/** Before it is served, the descriptor may be blocking or not. */
function writeAll(descriptor: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) {
    const part = bytes.subarray(done);
    const sent = send(descriptor, part, part.length);
    if (sent === -EINTR) continue;
    if (sent === -EAGAIN) Bun.sleepSync(1);
    else if (sent < 0)
      throw new Failure(`${COMFD}: the mount could not be announced (errno ${errnoText(-sent)})`);
    else done += sent;
  }
}

function errnoText(errno: number): string {
  const known = Object.entries(constants.errno).find(([, number]) => number === errno);
  return known?.[0] ?? String(errno);
}
