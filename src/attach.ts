import { constants } from "node:fs";
import { closeDescriptor, openDescriptor } from "../ffi/device.ts";
import { mount as mount2, mountFlags } from "../ffi/mount.ts";
import { exitCodes, Failure, messageOf } from "./failure.ts";
import { mountByFusermount } from "./fusermount.ts";
import type { ParsedOptions } from "./options/parse.ts";

export interface Attachment {
  /** Absolute, without symbolic links. */
  readonly directory: string;
  /** Shown as the source unless `fsname` says otherwise, and as the type after "fuse.". */
  readonly fsname: string;
  readonly subtype: string;
  /** Whether the kernel checks modes and owners. */
  readonly checksPermissions: boolean;
  readonly options: ParsedOptions;
}

/**
 * Put a FUSE mount on a directory and answer its descriptor, which is closed on exec: by mount(2) as root, else through
 * fusermount3. The kernel waits for its INIT to be answered. Rejects with a Failure; then nothing is mounted.
 */
export function attach(attachment: Attachment): Promise<number> {
  return process.geteuid?.() === 0 ? attachAsRoot(attachment) : attachAsUser(attachment);
}

async function attachAsRoot({ directory, options, ...rest }: Attachment): Promise<number> {
  const { blkdev, max_read, blksize, fsname = rest.fsname, subtype = rest.subtype } = options.mount;
  if (blksize !== undefined && !blkdev) {
    throw new Failure("option blksize needs the option blkdev: it is about block devices", 1);
  }
  const descriptor = openDevice();
  try {
    const data = [
      `fd=${descriptor}`,
      `rootmode=${constants.S_IFDIR.toString(8)}`,
      `user_id=${process.geteuid?.() ?? 0}`,
      `group_id=${process.getegid?.() ?? 0}`,
      ...shared({ directory, options, ...rest }),
      ...(max_read === undefined ? [] : [`max_read=${max_read}`]),
      ...(blksize === undefined ? [] : [`blksize=${blksize}`]),
    ];
    const type = `${blkdev ? "fuseblk" : "fuse"}.${subtype}`;
    mount2(fsname, directory, type, options.flags, data.join(","));
    return descriptor;
  } catch (error) {
    closeDescriptor(descriptor);
    const { code } = error as { code?: string };
    if (code !== "EPERM" && code !== "EACCES")
      throw new Failure(`${directory}: ${messageOf(error)}`);
    throw new Failure(
      `${directory}: the kernel does not permit mounting here (${code}); in a container it takes CAP_SYS_ADMIN (--cap-add SYS_ADMIN)`,
    );
  }
}

function openDevice(): number {
  try {
    return openDescriptor(DEVICE, constants.O_RDWR | O_CLOEXEC);
  } catch (error) {
    const { code } = error as { code?: string };
    const advice =
      code === "EPERM" || code === "EACCES"
        ? "may not be opened; a container must be given it (--device /dev/fuse)"
        : "is not there; load the kernel's FUSE (modprobe fuse), or give it to the container (--device /dev/fuse)";
    throw new Failure(`${DEVICE} ${advice} (${code})`);
  }
}

async function attachAsUser({ directory, options, ...rest }: Attachment): Promise<number> {
  const { mount, flags } = options;
  for (const [name, bit] of Object.entries(FOR_ROOT)) {
    if ((flags & bit) !== 0) throw forRoot(name);
  }
  if ((flags & mountFlags.MS_NOSUID) === 0) throw forRoot("suid");
  if ((flags & mountFlags.MS_NODEV) === 0) throw forRoot("dev");
  if (mount.blkdev) throw forRoot("blkdev");
  const { fsname = rest.fsname, subtype = rest.subtype, max_read } = mount;
  const list = [
    `fsname=${escaped(fsname)}`,
    `subtype=${escaped(subtype)}`,
    ...Object.entries(FOR_ALL).flatMap(([name, bit]) => ((flags & bit) === 0 ? [] : [name])),
    ...shared({ directory, options, ...rest }),
    ...(max_read === undefined ? [] : [`max_read=${max_read}`]),
  ];
  return mountByFusermount(directory, list.join(","));
}

/** What both ways say alike. Root among the allowed is checked by the session: to the kernel it is `allow_other`. */
function shared({ options, checksPermissions }: Attachment): string[] {
  const { allow_other, allow_root, default_permissions } = options.mount;
  return [
    ...(checksPermissions || default_permissions ? ["default_permissions"] : []),
    ...(allow_other || allow_root ? ["allow_other"] : []),
  ];
}

const DEVICE = "/dev/fuse";
// <asm-generic/fcntl.h>; node has no name for it.
const O_CLOEXEC = 0o2000000;

// Which flags fusermount3 passes on (libfuse util/fusermount.c), and which it does not know.
const FOR_ALL = {
  ro: mountFlags.MS_RDONLY,
  noexec: mountFlags.MS_NOEXEC,
  sync: mountFlags.MS_SYNCHRONOUS,
  dirsync: mountFlags.MS_DIRSYNC,
  noatime: mountFlags.MS_NOATIME,
  nodiratime: mountFlags.MS_NODIRATIME,
};
const FOR_ROOT = {
  nosymfollow: mountFlags.MS_NOSYMFOLLOW,
  strictatime: mountFlags.MS_STRICTATIME,
  lazytime: mountFlags.MS_LAZYTIME,
};

function forRoot(name: string): Failure {
  return new Failure(`option ${name} is for root only; leave it out`, exitCodes.usage);
}

/** fusermount3 takes a comma after a backslash as part of the value. */
function escaped(value: string): string {
  return value.replace(/[\\,]/g, "\\$&");
}
