import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import type { Caller, Foreign, FuseKernel } from "../../../src/fuse/kernel.ts";
import { startDaemon } from "../../../src/perfuse/daemon.ts";
import { findProgram } from "../../../src/perfuse/routes/pick.ts";
import { greet } from "../support/greet.ts";
import { type Scratch, scratch, withPrograms } from "./support.ts";

/*
 * fuse-overlayfs insists on 7.14 and more, and then libfuse splices its replies. What comes of that on a socket, and what is done about it.
 */

const CALLER: Caller = { uid: 0, gid: 0, pid: 1 };

/** A lower layer with a file of 3 MB, and the daemon's command. */
async function layers(on: Scratch): Promise<string[]> {
  await on.sh("mkdir low up work && head -c 3000000 /dev/urandom > low/big");
  const options = `lowerdir=${on.at("low")},upperdir=${on.at("up")},workdir=${on.at("work")}`;
  return ["fuse-overlayfs", "-f", "-o", options, "{}"];
}

/** Asks for parts of the file as the kernel would; answers what came to each, and how long the messages were. */
async function parts(
  on: Scratch,
  wholeReplies: boolean,
  reads: readonly { offset: number; size: number }[],
): Promise<{ same: boolean[]; messages: number[] }> {
  const [word = "", ...args] = await layers(on);
  const daemon = await startDaemon({
    ...{ program: findProgram(word), args, directory: on.path, route: "fd", goFuse: false },
    wholeReplies,
    log: { info() {}, warn() {}, error() {} },
  });
  const messages: number[] = [];
  const { kernel, close } = await greet(daemon.socket, 31, (length) => messages.push(length));
  try {
    const { nodeid } = await kernel.lookup(1, "big", CALLER);
    const { fh } = await kernel.open(nodeid, { flags: 0 }, CALLER);
    const content = readFileSync(on.at("low/big"));
    messages.length = 0;
    const same: boolean[] = [];
    for (const { offset, size } of reads) {
      const read = await answer(kernel, nodeid, fh, offset, size);
      same.push(read !== undefined && content.subarray(offset, offset + size).equals(read));
    }
    return { same, messages };
  } finally {
    close();
    await daemon.stop();
  }
}

/** Undefined for an answer that is none. */
function answer(kernel: FuseKernel, nodeid: Foreign, fh: Foreign, offset: number, size: number) {
  return kernel.read(nodeid, { fh, offset, size }, CALLER).catch(() => undefined);
}

withPrograms(
  "left to itself it sends a reply of 128 KiB in pieces",
  ["fuse-overlayfs"],
  async () => {
    await using on = scratch();
    const { same, messages } = await parts(on, false, [{ offset: 0, size: 131072 }]);
    expect(same).toEqual([false]);
    expect(messages[0]).toBeLessThan(16 + 131072);
  },
);

withPrograms("without vmsplice(2) every reply is one message", ["fuse-overlayfs"], async () => {
  await using on = scratch();
  const reads = [
    { offset: 0, size: 131072 },
    { offset: 1, size: 131072 },
    { offset: 4095, size: 1 << 20 },
  ];
  const { same, messages } = await parts(on, true, reads);
  expect(same).toEqual([true, true, true]);
  expect(messages).toEqual(reads.map(({ size }) => 16 + size));
});

withPrograms(
  "what is as long as 14 pages comes whole in any case",
  ["fuse-overlayfs"],
  async () => {
    await using on = scratch();
    const reads = [0, 1, 4095, 57344, 123_457].map((offset) => ({ offset, size: 57344 }));
    const { same, messages } = await parts(on, false, reads);
    expect(same).toEqual(reads.map(() => true));
    expect(messages).toEqual(reads.map(() => 16 + 57344));
  },
);
