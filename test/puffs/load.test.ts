import { expect, test } from "bun:test";
import { createUsermount } from "../../src/library/server.ts";
import type { Call } from "../../src/operations.ts";
import type { ProtocolFault } from "../../src/puffs/exchange.ts";
import { FileMode, FlushOp, FsyncFlags } from "../../src/puffs/flags.ts";
import type { PuffsKernel } from "../../src/puffs/kernel.ts";
import { CALLER, DIRECTORY, FILE, onComfd } from "../library/comfd.ts";
import { Random } from "../support/random.ts";

/*
 * Our server over a socket pair, by its own door and engine, with more to do than it can at once.
 */

const ROOT = {};
const node = { lookup: () => FILE, getattr: (one: object) => (one === ROOT ? DIRECTORY : FILE) };

/** One directory, one file, and whatever operations. */
function server(operations: Parameters<typeof createUsermount>[0]["node"] | object, fs = {}) {
  const made = createUsermount<object>({
    name: "busy",
    node: { ...node, ...operations },
    fs,
    keepsContent: true,
  });
  made.setRoot(ROOT);
  return made;
}

/**
 * Ask many times without awaiting the answers; both ends are of this thread, so the other one must read now and then, or the socket is full.
 */
async function many<T>(
  kernel: PuffsKernel,
  count: number,
  ask: (index: number) => Promise<T>,
): Promise<Promise<T>[]> {
  const asked: Promise<T>[] = [];
  for (let index = 0; index < count; index++) {
    asked.push(ask(index));
    if (index % 50 === 49) await kernel.getattr(kernel.root, CALLER);
  }
  return asked;
}

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "OK",
    (error) => error.code as string,
  );

test("10,000 requests at work, answered in any order, each with its own", async () => {
  const waiting: (() => void)[] = [];
  const busy = server({
    read: (_: object, into: Uint8Array, offset: number) =>
      new Promise((resolve) => {
        waiting.push(() => resolve(into.fill(offset % 251).length));
      }),
  });
  await onComfd(busy, async ({ kernel }) => {
    const { newnode } = await kernel.lookup(kernel.root, { name: "file" }, CALLER);
    const reads = await many(kernel, 10_000, (offset) => kernel.read(newnode, offset, 3, CALLER));
    // What waits keeps nobody else waiting.
    expect((await kernel.getattr(newnode, CALLER)).va.type).toBe(1);
    expect(waiting.length).toBe(10_000);
    const random = new Random(7);
    for (let left = waiting.length; left > 0; left--) {
      const [answer] = waiting.splice(random.below(left), 1);
      answer?.();
    }
    const all = await Promise.all(reads);
    expect(all.every((bytes, offset) => bytes.every((byte) => byte === offset % 251))).toBe(true);
    expect(all.every(({ length }) => length === 3)).toBe(true);
  });
}, 60_000);

test("what nobody waits for is never answered, however it ends", async () => {
  const faults: ProtocolFault[] = [];
  const called: string[] = [];
  const fails = (name: string, how: () => unknown) => () => {
    called.push(name);
    return how();
  };
  const refused = () => Object.assign(new Error("no"), { code: "ENOSPC" });
  const busy = server({
    open: () => undefined,
    close: fails("close", () => Promise.reject(refused())),
    setattr: fails("setattr", () => Bun.sleep(1)),
    fsync: fails("fsync", () => {
      throw new TypeError("a bug");
    }),
    write: fails("write", () => Promise.reject(refused())),
    inactive: fails("inactive", () => undefined),
    reclaim: fails("reclaim", () => undefined),
  });
  const events = { onFault: (fault: ProtocolFault) => faults.push(fault) };
  await onComfd(
    busy,
    async ({ kernel }) => {
      const { newnode } = await kernel.lookup(kernel.root, { name: "file" }, CALLER);
      await kernel.open(newnode, FileMode.READ | FileMode.WRITE, CALLER);
      kernel.close(newnode, FileMode.READ, CALLER);
      kernel.flushAttributes(newnode, { size: 1 });
      await kernel.fsync(newnode, FsyncFlags.LAZY);
      kernel.writeBack(newnode, 0, new Uint8Array(10));
      kernel.reclaim(newnode);
      while (called.length < 6) await Bun.sleep(1);
      // Of a node that is long gone, too.
      await Bun.sleep(20);
      kernel.flushAttributes(newnode, { size: 2 });
      await kernel.statvfs(CALLER);
      expect(called.sort()).toEqual(["close", "fsync", "inactive", "reclaim", "setattr", "write"]);
    },
    { events },
  );
  expect(faults).toEqual([]);
}, 60_000);

test("what is to be written can be asked for while a write of the same node is at work", async () => {
  const first = Promise.withResolvers<void>();
  const offsets: number[] = [];
  const flushes: number[] = [];
  const busy = server({
    async write(file: object, from: Uint8Array, offset: number) {
      offsets.push(offset);
      if (offset === 0) {
        await busy.usermount.flushNode(file, 4096, 4096);
        await busy.usermount.invalidateNode(file, 8192, 4096);
        first.resolve();
      }
      return from.length;
    },
  });
  let writeMore = () => {};
  const events = {
    onFlush: ({ op }: { op: number }) => {
      flushes.push(op);
      writeMore();
    },
  };
  await onComfd(
    busy,
    async ({ kernel }) => {
      const { newnode } = await kernel.lookup(kernel.root, { name: "file" }, CALLER);
      const file = kernel.nodes.get(newnode);
      if (file) file.size = 65536;
      // The kernel brings what it has before it answers.
      writeMore = () => kernel.writeBack(newnode, 4096, new Uint8Array(4096));
      const writing = kernel.write(newnode, 0, new Uint8Array(4096), CALLER);
      await first.promise;
      expect(await writing).toBe(4096);
    },
    { events },
  );
  const { FLUSH_PAGECACHE_NODE_RANGE, INVAL_PAGECACHE_NODE_RANGE } = FlushOp;
  expect(flushes).toEqual([FLUSH_PAGECACHE_NODE_RANGE, INVAL_PAGECACHE_NODE_RANGE]);
  expect(offsets).toEqual([0, 4096, 4096]);
}, 60_000);

test.each([
  // The mount is gone before anybody can be told more.
  ["by force", true, "ENXIO"],
  ["that is asked for", false, "EINTR"],
] as const)(
  "an unmount %s under load is answered; what is at work is told to give up, and all is let go",
  async (_, force, code) => {
    let aborted = 0;
    let unmounts = 0;
    const reclaimed = new Set<object>();
    const busy = server(
      {
        lookup: (_: object, name: string) => ({ name }),
        read: (_: object, __: Uint8Array, ___: number, { signal }: Call) =>
          new Promise((_, reject) => {
            signal.addEventListener("abort", () => {
              aborted++;
              reject(Object.assign(new Error("given up"), { code: "EINTR" }));
            });
          }),
        reclaim: (file: object) => void reclaimed.add(file),
      },
      { unmount: () => void unmounts++ },
    );
    await onComfd(busy, async ({ kernel }) => {
      const nodes = await Promise.all(
        await many(kernel, 100, (i) => kernel.lookup(kernel.root, { name: `${i}` }, CALLER)),
      );
      const reads = await many(kernel, 1000, (i) =>
        codeOf(kernel.read(nodes[i % 100]?.newnode ?? 0, i, 100, CALLER)),
      );
      await kernel.getattr(kernel.root, CALLER);
      await kernel.detach(force);
      expect(new Set(await Promise.all(reads))).toEqual(new Set([code]));
    });
    expect([aborted, unmounts, reclaimed.size]).toEqual([1000, 1, 101]);
  },
  60_000,
);
