import { describe, expect, test } from "bun:test";
import type { PerfuseNode } from "../../src/perfuse/node.ts";
import { viewOf } from "../support/wire.ts";
import {
  callOf,
  codeOf,
  DIRECTORY,
  dirent,
  entryOut,
  fileOf,
  type Shape,
  stage,
} from "./scripted.ts";

/* What is known of a daemon's files: by which name, which of them are one, and what they are like. */

describe("a name", () => {
  test('is that by which the file was found last, but for ".."', async () => {
    const { daemon, node, root, end } = await stage({
      LOOKUP: ({ text, nodeid }) => {
        if (text(0) === "..") return entryOut(5, DIRECTORY);
        return nodeid === 1 ? entryOut(5, DIRECTORY) : entryOut(6, DIRECTORY);
      },
    });
    const call = callOf();
    const outer = (await node.lookup(root, "a", call)) as PerfuseNode;
    expect(await node.lookup(root, "b", call)).toBe(outer);
    expect([outer.name, outer.parent]).toEqual(["b", root]);
    const inner = (await node.lookup(outer, "c", call)) as PerfuseNode;
    expect(await node.lookup(inner, "..", call)).toBe(outer);
    expect([outer.name, outer.parent]).toEqual(["b", root]);
    expect(inner.parent).toBe(outer);
    // Under the name it had before nothing is known.
    await node.rmdir(root, "a", call);
    expect(outer.removed).toBe(false);
    await node.rmdir(root, "b", call);
    expect(outer.removed).toBe(true);
    expect(daemon.of("RMDIR").length).toBe(2);
    await end();
  });

  test("of a directory that holds the one it is taken from is not taken: ENOTEMPTY, and nobody is asked", async () => {
    const { daemon, node, root, end } = await stage({
      LOOKUP: ({ nodeid }) => entryOut(nodeid + 4, DIRECTORY),
    });
    const call = callOf();
    const outer = (await node.lookup(root, "a", call)) as PerfuseNode;
    const inner = (await node.lookup(outer, "b", call)) as PerfuseNode;
    // A loop that only a broken daemon has: the outer one is found in the inner, too.
    inner.children = new Map([["up", outer]]);
    expect(await codeOf(node.rmdir(inner, "up", call))).toBe("ENOTEMPTY");
    expect(daemon.of("RMDIR")).toEqual([]);
    await end();
  });

  test("of a link that the daemon ends with a NUL comes without", async () => {
    const { node, root, end } = await stage({
      LOOKUP: () => entryOut(5, { mode: 0o120777 }),
      READLINK: () => new TextEncoder().encode("target\0\0"),
    });
    const link = (await node.lookup(root, "s", callOf())) as PerfuseNode;
    expect(await node.readlink(link, callOf())).toBe("target");
    await end();
  });
});

describe("a number", () => {
  test("of a removed or forgotten file that comes again is another file", async () => {
    const { daemon, node, root, end } = await stage({ LOOKUP: () => entryOut(5) });
    const call = callOf();
    const first = (await node.lookup(root, "a", call)) as PerfuseNode;
    await node.remove(root, "a", call);
    const second = (await node.lookup(root, "a", call)) as PerfuseNode;
    expect(second).not.toBe(first);
    expect([first.removed, second.removed]).toEqual([true, false]);
    await node.reclaim(first);
    await node.reclaim(second);
    const third = (await node.lookup(root, "a", call)) as PerfuseNode;
    expect(third).not.toBe(second);
    await end();
    const counts = daemon.of("FORGET").map(({ body }) => viewOf(body).getBigUint64(0, true));
    expect(counts).toEqual([1n, 1n, 1n]);
  });
});

describe("attributes", () => {
  const told: readonly [string, Shape, object][] = [
    [
      "as they are",
      { mode: 0o104755, size: 9, ino: 31, nlink: 2 },
      { mode: 0o104755, size: 9, ino: 31 },
    ],
    ["without an inode number", { ino: 0 }, { ino: undefined }],
  ];
  for (const [what, shape, expected] of told)
    test(what, async () => {
      const { node, root, end } = await stage({ LOOKUP: () => entryOut(5, shape) });
      const file = (await node.lookup(root, "a", callOf())) as PerfuseNode;
      expect(file.known).toMatchObject({
        ...{ atime: { sec: 1000, nsec: 1 }, mtime: { sec: 2000, nsec: 2 }, blksize: 4096 },
        ...{ ctime: { sec: 3000, nsec: 3 }, blocks: 1, uid: 0, gid: 0, ...expected },
      });
      await end();
    });

  test("without a block size have the smallest, and nanoseconds that are none are none", async () => {
    const entry = entryOut(5);
    // In fuse_attr, which begins at 40: the nanoseconds of atime, blksize.
    viewOf(entry).setUint32(40 + 48, 1_000_000_000, true);
    viewOf(entry).setUint32(40 + 80, 0, true);
    const { node, root, end } = await stage({ LOOKUP: () => entry });
    const file = (await node.lookup(root, "a", callOf())) as PerfuseNode;
    expect(file.known).toMatchObject({ blksize: 512, atime: { sec: 1000, nsec: 0 } });
    await end();
  });

  test("of directories, and of files that are not open, are asked for without a handle", async () => {
    const { daemon, node, root, end } = await stage({ LOOKUP: () => entryOut(5) });
    const call = callOf();
    const file = (await node.lookup(root, "a", call)) as PerfuseNode;
    await node.open(root, fileOf(0), call);
    for (const one of [root, file]) await node.getattr(one, call);
    const asked = daemon.of("GETATTR").map(({ body }) => viewOf(body).getUint32(0, true));
    expect(asked).toEqual([0, 0]);
    await end();
  });
});

test("NetBSD's kernel is told inode numbers of entries that have none, by a lookup each that is given back", async () => {
  const pages = [
    [
      dirent("a", 1, 0xffffffff),
      dirent("b", 2, 44),
      dirent("gone", 3, 0xffffffff),
      dirent("no", 4, 0xffffffff),
    ],
    [],
    [dirent("late", 5, 55)],
    [],
  ];
  const { daemon, node, root, reports, end } = await stage({
    READDIR: () => Buffer.concat(pages.shift() ?? []),
    LOOKUP: ({ text }) =>
      text(0) === "a" ? entryOut(5, { ino: 33 }) : { errno: text(0) === "no" ? 13 : 2 },
  });
  const call = Object.assign(callOf(), { lwp: 1 });
  const listing = (await node.readdir(root, 0, call)) as AsyncIterable<{
    name: string;
    ino?: number;
  }>;
  const entries = listing[Symbol.asyncIterator]();
  const all = async () => {
    const told: unknown[] = [];
    for (let step = await entries.next(); !step.done; step = await entries.next())
      told.push([step.value.name, step.value.ino]);
    return told;
  };
  expect(await all()).toEqual([
    ["a", 33],
    ["b", 44],
    ["gone", undefined],
    ["no", undefined],
  ]);
  expect(reports).toEqual(['"no" could not be looked up']);
  // It comes back at the end, and the daemon is asked there.
  expect(await all()).toEqual([["late", 55]]);
  const offsets = daemon
    .of("READDIR")
    .map(({ body }) => Number(viewOf(body).getBigUint64(8, true)));
  expect(offsets).toEqual([0, 4, 4, 5]);
  await end();
  expect(daemon.of("FORGET").length).toBe(1);
});
