import { describe, expect, test } from "bun:test";
import type { PerfuseNode } from "../../src/perfuse/node.ts";
import { bytes, viewOf } from "../support/wire.ts";
import { attrOut, callOf, codeOf, entryOut, fileOf, initOut, openOut, stage } from "./scripted.ts";

/* Who waits for whom on one node. */

const DONE = new Uint8Array(0);
const BOTH = 2;

type Handlers = Parameters<typeof stage>[0];

async function withFile(handlers: Handlers = {}, options: Parameters<typeof stage>[1] = {}) {
  const made = await stage({ LOOKUP: () => entryOut(5, { size: 100 }), ...handlers }, options);
  const file = (await made.node.lookup(made.root, "a", callOf())) as PerfuseNode;
  return { ...made, file };
}

/** A signal that nobody may go on listening to. */
function heard(): { signal: AbortSignal; listeners: () => number } {
  const { signal } = new AbortController();
  let count = 0;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...all: Parameters<typeof add>) => {
    count++;
    add(...all);
  };
  signal.removeEventListener = (...all: Parameters<typeof remove>) => {
    count--;
    remove(...all);
  };
  return { signal, listeners: () => count };
}

test("a question that is answered, or refused, listens to its call's signal no more", async () => {
  let answers: (() => Uint8Array | { errno: number })[] = [];
  const { node, file, end } = await withFile({ GETATTR: () => answers.shift()?.() });
  answers = [() => attrOut(), () => ({ errno: 5 })];
  const { signal, listeners } = heard();
  const asking = node.getattr(file, callOf(0, signal));
  expect(listeners()).toBe(1);
  await asking;
  expect(listeners()).toBe(0);
  expect(await codeOf(node.getattr(file, callOf(0, signal)))).toBe("EIO");
  expect(listeners()).toBe(0);
  await end();
});

/** Time in which what does not wait would have come. */
const moment = () => Bun.sleep(5);

describe("a rename", () => {
  test("waits for requests about what it overwrites; else for those about what it moves", async () => {
    let nodeid = 5;
    const { daemon, node, root, end } = await stage({
      LOOKUP: () => entryOut(nodeid++),
      GETATTR: () => undefined,
    });
    const call = callOf();
    const [a, b] = [await node.lookup(root, "a", call), await node.lookup(root, "b", call)];
    for (const [busy, from, to] of [
      [b, "a", "b"],
      [a, "b", "c"],
    ] as const) {
      const asking = Promise.resolve(node.getattr(busy as PerfuseNode, call));
      const asked = await daemon.until("GETATTR", daemon.of("GETATTR").length + 1);
      const before = daemon.of("RENAME").length;
      const renaming = Promise.resolve(node.rename(root, from, root, to, 0, call));
      await moment();
      expect(daemon.of("RENAME").length).toBe(before);
      daemon.reply(asked, attrOut());
      await Promise.all([asking, renaming]);
      expect(daemon.of("RENAME").length).toBe(before + 1);
    }
    await end();
  });

  test("that is refused before anything is asked keeps nobody waiting", async () => {
    const { node, root, end } = await stage({
      LOOKUP: () => entryOut(5, { mode: 0o40755 }),
      RMDIR: () => DONE,
    });
    const call = callOf();
    const directory = (await node.lookup(root, "d", call)) as PerfuseNode;
    // Below 7.23 there are no flags.
    expect(await codeOf(node.rename(directory, "a", root, "b", 1, call))).toBe("EINVAL");
    await node.rmdir(root, "d", call);
    await end();
  });

  test("does not wait for what it moves where it overwrites something", async () => {
    let nodeid = 5;
    const { daemon, node, root, end } = await stage({
      LOOKUP: () => entryOut(nodeid++),
      GETATTR: () => undefined,
    });
    const call = callOf();
    const a = (await node.lookup(root, "a", call)) as PerfuseNode;
    await node.lookup(root, "b", call);
    const asking = Promise.resolve(node.getattr(a, call));
    const asked = await daemon.until("GETATTR");
    await node.rename(root, "a", root, "b", 0, call);
    daemon.reply(asked, attrOut());
    await asking;
    await end();
  });
});

describe("opens of a file", () => {
  test("come one after the other, and the second finds the handle of the first", async () => {
    const { daemon, node, file, end } = await withFile({ OPEN: () => undefined });
    const opening = [0, 1].map(() => Promise.resolve(node.open(file, fileOf(BOTH), callOf())));
    const asked = await daemon.until("OPEN");
    await moment();
    daemon.reply(asked, openOut(50));
    await Promise.all(opening);
    expect(daemon.of("OPEN").length).toBe(1);
    await end();
  });

  test("that fail do not keep the next from asking", async () => {
    const { daemon, node, file, end } = await withFile({ OPEN: () => undefined });
    const opening = [0, 1].map(() => codeOf(node.open(file, fileOf(BOTH), callOf())));
    daemon.reply(await daemon.until("OPEN"), { errno: 23 });
    daemon.reply(await daemon.until("OPEN", 2), openOut(50));
    expect(await Promise.all(opening)).toEqual(["ENFILE", "answered"]);
    await end();
  });
});

describe("a change of size", () => {
  test("keeps others from changing it and from looking at it; other changes go on", async () => {
    const { daemon, node, file, end } = await withFile({
      SETATTR: ({ body }) => (viewOf(body).getUint32(0, true) & 8 ? undefined : attrOut()),
      GETATTR: () => attrOut({ size: 7 }),
      WRITE: () => bytes(3, 0),
    });
    const call = callOf();
    await node.open(file, fileOf(BOTH), call);
    const all = [
      node.setattr(file, { size: 50 }, call),
      node.setattr(file, { size: 60 }, call),
      node.getattr(file, call),
      // Makes it longer.
      node.write(file, new Uint8Array(3), 200, call),
    ].map((answer) => Promise.resolve(answer));
    await node.setattr(file, { mode: 0o600 }, call);
    const first = await daemon.until("SETATTR");
    await moment();
    const names = () => daemon.asked.slice(3).map(({ name }) => name);
    expect(names()).toEqual(["SETATTR", "SETATTR"]);
    daemon.reply(first, attrOut({ size: 50 }));
    daemon.reply(await daemon.until("SETATTR", 3), attrOut({ size: 60 }));
    await Promise.all(all);
    expect(names().sort()).toEqual(["GETATTR", "SETATTR", "SETATTR", "SETATTR", "WRITE"]);
    await end();
  });

  test("is not waited for by a write within the file, nor by a read", async () => {
    const { daemon, node, file, end } = await withFile({
      SETATTR: () => undefined,
      WRITE: () => bytes(3, 0),
      READ: () => DONE,
    });
    const call = callOf();
    await node.open(file, fileOf(BOTH), call);
    const changing = Promise.resolve(node.setattr(file, { size: 50 }, call));
    const asked = await daemon.until("SETATTR");
    await node.write(file, new Uint8Array(3), 0, call);
    await node.read(file, new Uint8Array(3), 0, call);
    daemon.reply(asked, attrOut({ size: 50 }));
    await changing;
    await end();
  });
});

describe("the end of the last open", () => {
  test("syncs what was written, where close(2) does not flush; an error of that is reported, and the handle is released", async () => {
    const { daemon, node, file, reports, end } = await withFile(
      { WRITE: () => bytes(3, 0), FSYNC: () => ({ errno: 28 }) },
      { flush: false },
    );
    const one = fileOf(BOTH);
    await node.open(file, one, callOf());
    await node.write(file, new Uint8Array(3), 0, callOf());
    await node.inactive(file, one);
    expect(reports).toEqual(['"a" could not be synced']);
    expect(daemon.heard().slice(-2)).toEqual(["FSYNC 5", "RELEASE 5"]);
    await end();
  });

  test("has nothing to do where nothing is open", async () => {
    const { daemon, node, file, end } = await withFile();
    await node.inactive(file, undefined);
    expect(daemon.heard()).toEqual(["LOOKUP 1"]);
    await end();
  });
});

describe("fsync(2)", () => {
  test("is asked of what is open and was changed since the last one, and again if that failed", async () => {
    let answer: Uint8Array | { errno: number } = DONE;
    const { daemon, node, file, end } = await withFile({
      WRITE: () => bytes(3, 0),
      FSYNC: () => answer,
    });
    const call = callOf();
    const count = async () => [
      await codeOf(node.fsync(file, false, call)),
      daemon.of("FSYNC").length,
    ];
    expect(await count()).toEqual(["answered", 0]);
    const one = fileOf(BOTH);
    await node.open(file, one, call);
    expect(await count()).toEqual(["answered", 0]);
    await node.write(file, new Uint8Array(3), 0, call);
    answer = { errno: 5 };
    expect(await count()).toEqual(["EIO", 1]);
    answer = DONE;
    expect(await count()).toEqual(["answered", 2]);
    expect(await count()).toEqual(["answered", 2]);
    // fsync_flags: all of it, and through the handle to write.
    const [, asked] = daemon.of("FSYNC");
    expect([0, 8].map((at) => viewOf(asked?.body ?? DONE).getUint32(at, true))).toEqual([50, 0]);
    await end();
  });
});

test("the owner of the lock goes along with changes, and FLOCK says which kind of lock it is", async () => {
  const { daemon, node, file, end } = await withFile({
    INIT: () => initOut({ flags: 2 | (1 << 10) }),
    SETLK: () => DONE,
    SETLKW: () => DONE,
    SETATTR: () => attrOut(),
  });
  const call = callOf();
  await node.open(file, fileOf(BOTH), call);
  const all = { start: 0, end: Number.POSITIVE_INFINITY, pid: 7 };
  await node.advlock(file, "wait", { ...all, type: "read" }, 77n, "flock", call);
  await node.setattr(file, { mode: 0o600 }, call);
  const lock = viewOf(daemon.of("SETLKW")[0]?.body ?? DONE);
  // The last byte of all, F_RDLCK, FLOCK.
  expect(lock.getBigUint64(24, true)).toBe(0x7fff_ffff_ffff_ffffn);
  expect([32, 40].map((at) => lock.getUint32(at, true))).toEqual([0, 1]);
  const change = viewOf(daemon.of("SETATTR")[0]?.body ?? DONE);
  // valid: MODE, FH, LOCKOWNER; lock_owner
  expect([change.getUint32(0, true), change.getBigUint64(24, true)]).toEqual([0x241, 77n]);
  await node.advlock(file, "set", { ...all, type: "unlock" }, 77n, "flock", call);
  await node.setattr(file, { mode: 0o644 }, call);
  expect(viewOf(daemon.of("SETATTR")[1]?.body ?? DONE).getUint32(0, true)).toBe(0x41);
  await end();
});
