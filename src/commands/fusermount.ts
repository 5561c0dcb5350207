import { dirname, join } from "node:path";
import { closeDescriptor, receive, send } from "../../ffi/device.ts";
import { connectSeqpacket } from "../../ffi/seqpacket.ts";
import { receiveDescriptor, sendDescriptor } from "../../ffi/socket.ts";
import { exitCodes, Failure, failureOf, usageFailure } from "../failure.ts";
import { getopt } from "../getopt.ts";
import { splitOptions } from "../options/parse.ts";
import { VERSION } from "../version.ts";

/**
 * `fusermount3 [--sync-init] [-o options] [--] directory`, `fusermount3 --auto-unmount [--] directory`, `fusermount3 -u [-q] [-z] [--] directory`,
 * `fusermount3 -V`: what a daemon that may not mount calls (libfuse util/fusermount.c). It gets a socket in the place of /dev/fuse, over the
 * descriptor that _FUSE_COMMFD names; nothing is mounted, so nothing is unmounted. `rendezvous` is where that socket is to be had. Answers the
 * exit code.
 */
export async function fusermount(args: readonly string[], rendezvous: string): Promise<number> {
  const given = getopt(args, FLAGS);
  const has = (...names: readonly string[]) => names.some((name) => given.count(name) > 0);
  if (has("V", "version")) {
    process.stdout.write(`fusermount3 version: ${VERSION} (puffs)\n`);
    return exitCodes.ok;
  }
  if (given.rest.length !== 1) throw usageFailure("usage: fusermount3 [-o options] [--] directory");
  if (has("u", "unmount")) return exitCodes.ok;
  const channel = commandDescriptor(given.all("c").at(-1) ?? given.all("comm-fd").at(-1));
  const watches = has("U", "auto-unmount");
  if (!watches) handOver(channel, rendezvous);
  if (has("sync-init")) proceed(channel);
  const options = given.all("o").flatMap(splitOptions);
  // The daemon takes its end for the sign that it would be unmounted when it dies.
  if (watches || options.some(({ name }) => name === "auto_unmount"))
    receive(channel, new Uint8Array(1));
  return exitCodes.ok;
}

function handOver(channel: number, rendezvous: string): void {
  let socket: number | null;
  try {
    const host = connectSeqpacket(rendezvous);
    socket = receiveDescriptor(host);
    closeDescriptor(host);
  } catch (error) {
    throw failureOf(error, "whoever started the daemon does not answer");
  }
  if (socket === null) throw new Failure("the daemon has its socket already");
  sendDescriptor(channel, socket);
  closeDescriptor(socket);
}

/** The daemon says by a byte that it is ready for INIT, and is told by an int of 0 that it is mounted. It may go instead. */
function proceed(channel: number): void {
  if (receive(channel, new Uint8Array(1)) === 1) send(channel, new Uint8Array(4), 4);
}

/** Where it is called by its name, the socket to connect to lies beside it. */
export function rendezvousBeside(argv0: string): string {
  const { PUFFS_FUSERMOUNT } = process.env;
  if (PUFFS_FUSERMOUNT) return PUFFS_FUSERMOUNT;
  if (argv0.includes("/")) return join(dirname(argv0), "socket");
  throw usageFailure("PUFFS_FUSERMOUNT must name the socket of whoever started the daemon");
}

const FLAGS = {
  o: "argument",
  u: "flag",
  q: "flag",
  z: "flag",
  V: "flag",
  U: "flag",
  c: "argument",
  unmount: "flag",
  quiet: "flag",
  lazy: "flag",
  version: "flag",
  "auto-unmount": "flag",
  "sync-init": "flag",
  "comm-fd": "argument",
} as const;

function commandDescriptor(argument: string | undefined): number {
  const text = argument ?? process.env._FUSE_COMMFD ?? "";
  if (/^\d+$/.test(text)) return Number(text);
  throw usageFailure("_FUSE_COMMFD must name a descriptor: a daemon calls this, not a person");
}
