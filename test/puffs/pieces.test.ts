import { expect, test } from "bun:test";
import { waitReadable } from "../../ffi/device.ts";
import { setSendBuffer } from "../../ffi/seqpacket.ts";
import { createUsermount } from "../../src/library/server.ts";
import type { ProtocolFault } from "../../src/puffs/exchange.ts";
import { ExtattrNamespace, Vtype } from "../../src/puffs/flags.ts";
import type { PuffsKernel } from "../../src/puffs/kernel.ts";
import { CALLER, onComfd } from "../library/comfd.ts";
import type { Wire } from "../support/kernel-end.ts";
import { Random } from "../support/random.ts";
import { codeOf, memory } from "./rig.ts";

/*
 * A whole session with memfs, by its own door and engine over a socket pair, the kernel's bytes cut in every way that a stream may.
 */

/** Memfs, and a poll that never has anything to tell. */
async function server() {
  const { root, node, fs = {} } = await memory();
  const made = createUsermount<object>({ name: "memfs", node: { ...node, poll: () => 0 }, fs });
  made.setRoot(root);
  return made;
}

/** No two pieces of it are the same; more than the least that a socket has room for. */
const CONTENT = new Random(4).bytes(12_000);

/** Some of that which follows. */
async function short(kernel: PuffsKernel): Promise<void> {
  const { root } = kernel;
  const { newnode: file } = await kernel.create(root, "file", 0o640, CALLER);
  await kernel.write(file, 0, CONTENT.subarray(0, 100), CALLER);
  expect(await kernel.read(file, 90, 100, CALLER)).toEqual(CONTENT.slice(90, 100));
  expect((await kernel.lookup(root, { name: "file" }, CALLER)).newnode).toBe(file);
  const { entries } = await kernel.readdir(root, { offset: 0, room: 300 }, CALLER);
  expect(entries.map(({ name }) => name)).toEqual([".", "..", "file"]);
}

/** Creating, writing, reading, listing, renaming, removing, one after the other and several at a time. */
async function session(kernel: PuffsKernel): Promise<void> {
  const { root } = kernel;
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  const { newnode: file } = await kernel.create(root, "file", 0o640, CALLER);
  expect(await kernel.write(file, 0, CONTENT, CALLER)).toBe(12_000);
  expect(await kernel.read(file, 0, 20_000, CALLER)).toEqual(CONTENT);
  expect(await kernel.read(file, 1234, 99, CALLER)).toEqual(CONTENT.slice(1234, 1333));
  const { newnode: folder } = await kernel.mkdir(root, "folder", 0o755, CALLER);
  const { newnode: link } = await kernel.symlink(root, "link", "a/target", 0o777, CALLER);
  expect(await kernel.readlink(link, CALLER)).toBe("a/target");
  await kernel.link(folder, "again", file, CALLER);
  const from = { directory: root, name: "file", node: file };
  await kernel.rename(from, { directory: root, name: "x".repeat(255), node: 0 }, CALLER);
  await kernel.setattr(file, { size: 2000 }, CALLER);
  const { va } = await kernel.getattr(file, CALLER);
  expect([va.type, va.mode, va.size, va.nlink]).toEqual([Vtype.REG, 0o640, 2000, 2]);
  const { USER } = ExtattrNamespace;
  await kernel.setextattr(file, USER, "name", new TextEncoder().encode("value"), CALLER);
  expect(text(await kernel.getextattr(file, USER, "name", 64, CALLER))).toBe("value");
  const names: string[] = [];
  for (let offset = 0, eof = false; !eof; ) {
    const page = await kernel.readdir(root, { offset, room: 300 }, CALLER);
    names.push(...page.entries.map(({ name }) => name));
    ({ offset, eof } = page);
  }
  expect(names.sort()).toEqual([".", "..", "folder", "link", "x".repeat(255)]);
  const all = await Promise.all([
    ...[0, 1, 2, 3].map((i) => kernel.read(file, i * 500, 500, CALLER)),
    ...[0, 1, 2, 3].map((i) => kernel.write(file, 2000 + i, Uint8Array.of(i), CALLER)),
    ...["folder", "link", "none"].map((name) => codeOf(kernel.lookup(root, { name }, CALLER))),
    codeOf(kernel.rmdir(root, "folder", folder, CALLER)),
  ]);
  expect(all).toEqual([
    ...[0, 1, 2, 3].map((i) => CONTENT.slice(i * 500, i * 500 + 500)),
    ...[1, 1, 1, 1],
    ...["OK", "OK", "ENOENT"],
    "ENOTEMPTY",
  ]);
  expect(await kernel.read(file, 2000, 9, CALLER)).toEqual(Uint8Array.of(0, 1, 2, 3));
  await kernel.remove(folder, "again", file, CALLER);
  await kernel.rmdir(root, "folder", folder, CALLER);
  expect((await kernel.statvfs()).bsize).toBe(4096);
  await kernel.sync();
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

function* bytewise(bytes: Uint8Array) {
  for (let at = 0; at < bytes.length; at++) yield bytes.subarray(at, at + 1);
}

const randomly = (random: Random, most: number) =>
  function* (bytes: Uint8Array) {
    for (let at = 0; at < bytes.length; ) {
      const size = random.between(1, most);
      yield bytes.subarray(at, at + size);
      at += size;
    }
  };

/** Now and then for so long that the engine goes to sleep over it. */
const pauses = (random: Random, rate: number) => () => (random.oneIn(rate) ? Bun.sleep(4) : turn());

/** Each piece is read by itself. */
const apart = (theirs: number) => () => !waitReadable(theirs, 0);

const WIRES: readonly (readonly [string, typeof session, (theirs: number) => Wire])[] = [
  ["a frame at a time", session, () => ({})],
  ["several frames at a time", session, () => ({ cut: (bytes) => [bytes] })],
  [
    "a byte at a time, each read by itself",
    short,
    (theirs) => ({ cut: bytewise, pause: pauses(new Random(1), 500), taken: apart(theirs) }),
  ],
  ["a byte at a time, and answers read so", session, () => ({ cut: bytewise, most: 1 })],
  [
    "cut at random, with pauses, each piece read by itself",
    session,
    (theirs) => ({
      cut: randomly(new Random(2), 700),
      pause: pauses(new Random(3), 50),
      taken: apart(theirs),
    }),
  ],
  [
    "answers that find hardly any room, and are read slowly",
    session,
    (theirs) => {
      setSendBuffer(theirs, 1);
      return { cut: (bytes) => [bytes], most: 100 };
    },
  ],
  ["cut at random", session, () => ({ cut: randomly(new Random(4), 3000), most: 1000 })],
];

test.each(WIRES)(
  "%s",
  async (_, session, wire) => {
    const faults: ProtocolFault[] = [];
    const events = { onFault: (fault: ProtocolFault) => faults.push(fault) };
    await onComfd(
      await server(),
      async ({ kernel }) => {
        // With something at work the engine looks, and does not nap in the kernel.
        const parked = kernel.poll(kernel.root, 1, CALLER);
        await session(kernel);
        expect(kernel.waiting).toBe(1);
        await kernel.detach();
        expect((await parked).error).toBe("EINTR");
      },
      { wire, events },
    );
    expect(faults).toEqual([]);
  },
  60_000,
);

test("several frames in one write, the last one cut off: those before are served, and it when the rest has come", async () => {
  const random = new Random(2);
  /** All but the last bytes at once. */
  const cut = (bytes: Uint8Array) => {
    const at = bytes.length - random.between(1, 100);
    return [bytes.subarray(0, at), bytes.subarray(at)];
  };
  await onComfd(
    await server(),
    async ({ kernel }) => {
      for (let round = 0; round < 20; round++) {
        const order: number[] = [];
        await Promise.all(
          [1, 2, 3, 4, 5].map((i) => kernel.getattr(kernel.root, CALLER).then(() => order.push(i))),
        );
        expect(order).toEqual([1, 2, 3, 4, 5]);
      }
    },
    { wire: () => ({ cut, pause: () => Bun.sleep(4) }) },
  );
});
