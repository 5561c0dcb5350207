import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { closeDescriptor } from "../ffi/device.ts";
import { receiveDescriptor, socketPair } from "../ffi/socket.ts";
import { Failure, failureOf } from "./failure.ts";

/** The set-user-ID helper through which ordinary users mount; a Failure says how to get it. */
export function fusermount(): string {
  for (const folder of (process.env.PATH || DEFAULT_PATH).split(":")) {
    for (const name of ["fusermount3", "fusermount"]) {
      const path = join(folder || ".", name);
      try {
        accessSync(path, constants.X_OK);
        return path;
      } catch {}
    }
  }
  throw new Failure(
    "fusermount3 is missing, through which ordinary users mount: install the package fuse3, or mount as root",
  );
}

/**
 * Mount by fusermount3, which sends the descriptor of /dev/fuse over the socket that _FUSE_COMMFD names (fusermount3(1), libfuse
 * lib/mount.c). `options` are those it knows, separated by commas.
 */
export async function mountByFusermount(directory: string, options: string): Promise<number> {
  const program = fusermount();
  const [ours, theirs] = socketPair("stream");
  let open = true;
  try {
    const child = spawn(program, ["-o", options, "--", directory], {
      stdio: ["ignore", "ignore", "pipe", theirs],
      env: { ...process.env, _FUSE_COMMFD: "3" },
    });
    // Its end is its own now: with ours open too, a missing message would never be the end of the stream.
    closeDescriptor(theirs);
    open = false;
    const ended = new Promise<number | null>((resolve, reject) => {
      child.on("error", reject);
      child.on("close", resolve);
    });
    const [said, code] = await Promise.all([text(child.stderr as Readable), ended]);
    const descriptor = code === 0 ? receiveDescriptor(ours) : null;
    if (descriptor !== null) return descriptor;
    throw new Failure(explain(said, directory));
  } catch (error) {
    throw failureOf(error, `${directory}: ${program}`);
  } finally {
    closeDescriptor(ours);
    if (open) closeDescriptor(theirs);
  }
}

const DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin";

function explain(said: string, directory: string): string {
  const line =
    said.trim().replace(/^\S*fusermount3?: /, "") || "fusermount3 refused and does not say why";
  const advice = ADVICE.find(([sign]) => line.includes(sign))?.[1];
  return `${directory}: ${line}${advice === undefined ? "" : `; ${advice}`}`;
}

/** By what its messages say (libfuse util/fusermount.c). */
const ADVICE = [
  ["user_allow_other", "root must write user_allow_other there, or leave allow_other out"],
  ["has no write access", "mount on a directory of your own"],
  ["/dev/fuse: Permission denied", "root must let users open it (chmod 666 /dev/fuse)"],
  ["/dev/fuse", "the kernel's FUSE must be loaded (modprobe fuse)"],
  ["Operation not permitted", "in a container it takes CAP_SYS_ADMIN (--cap-add SYS_ADMIN)"],
] as const;
