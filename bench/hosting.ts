/**
 * Asks a FUSE daemon through the operations that perfuse serves its mounts with, in this process and without a mount: what hosting costs
 * by itself. Used like bench/daemon.c, which does the same with nothing but the socket:
 *
 *     hosting.ts getattr|read COUNT SIZE WINDOW PROGRAM [ARGUMENT]...
 */
import { drainMicrotasks } from "bun:jsc";
import { spawn } from "node:child_process";
import { readSync } from "node:fs";
import { monotonic } from "../ffi/clock.ts";
import { closeDescriptor, waitEither } from "../ffi/device.ts";
import { setSendBuffer } from "../ffi/seqpacket.ts";
import { socketPair } from "../ffi/socket.ts";
import type { Companion } from "../src/companion.ts";
import type { Call, File } from "../src/operations.ts";
import { host } from "../src/perfuse/host.ts";
import type { Usermount } from "../src/usermount.ts";

const [kind, count = 0, size = 0, window = 1] = process.argv
  .slice(2, 6)
  .map((word, index) => (index === 0 ? word : Number(word))) as [string, ...number[]];
const [program = "", ...args] = process.argv.slice(6);

const ROOM = 2 << 20;
const FILE_SIZE = 1 << 30;
const READ_WRITE = 2;

const [near, far] = socketPair("seqpacket");
for (const end of [near, far]) setSendBuffer(end, ROOM);
const daemon = spawn("setpriv", ["--pdeathsig", "KILL", program, ...args], {
  stdio: ["ignore", "ignore", "inherit", far],
});
closeDescriptor(far);

// Nothing is cached here that the daemon could declare out of date.
const usermount = new Proxy({} as Usermount, { get: () => () => Promise.resolve() });
const { fileSystem, close } = await host({ socket: near, usermount, report: console.error });
const { node: operations, root } = fileSystem;
const companion = fileSystem.companion?.() as Companion;
const call: Call = {
  ...{ uid: 0, gid: 0, pid: process.pid, umask: 0, file: undefined, keepsTimes: false },
  signal: new AbortController().signal,
};
const node = await operations.lookup?.(root, "f", call);
if (!node || "code" in node) throw new Error("the daemon has no file f");
await operations.open?.(node, { flags: READ_WRITE } as File, call);

let sent = 0;
let answered = 0;
companion.selfless = true;
// Servers run for long: what is measured is what they have become after a while.
measure();
console.log("ready");
readSync(0, new Uint8Array(1));
console.log(`${measure()} ${count}`);
companion.selfless = false;
await close();
daemon.kill();

/** When it began, and when it ended. */
function measure(): string {
  sent = 0;
  answered = 0;
  const begun = monotonic();
  for (let asker = 0; asker < window; asker++) void askOn();
  while (answered < count) {
    // Without a time limit, as a mount waits: arming a timer is dear. Of the two there is but one.
    waitEither(companion.descriptor, -1, false, Infinity);
    companion.readable();
    drainMicrotasks();
  }
  return `${begun} ${monotonic()}`;
}

/** One of `window` that ask one thing after the other. */
async function askOn(): Promise<void> {
  const into = new Uint8Array(size);
  while (sent < count) {
    const offset = (sent++ * size) % FILE_SIZE;
    if (kind === "getattr") await operations.getattr?.(node as never, call);
    else if ((await operations.read?.(node as never, into, offset, call)) !== size)
      throw new Error("a short read");
    answered++;
  }
}
