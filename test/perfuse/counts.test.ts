import { describe, expect, test } from "bun:test";
import type { PerfuseNode } from "../../src/perfuse/node.ts";
import { bytes, viewOf } from "../support/wire.ts";
import {
  type Asked,
  callOf,
  codeOf,
  DIRECTORY,
  dirent,
  entryOut,
  fileOf,
  initOut,
  openOut,
  stage,
} from "./scripted.ts";

/** FORGETs as "nodeid: count". */
function forgets(asked: readonly Asked[]): string[] {
  return asked.map(({ nodeid, body }) => `${nodeid}: ${viewOf(body).getBigUint64(0, true)}`);
}

const DONE = new Uint8Array(0);
const ENOENT = { errno: 2 };
const ABSENT = { code: "ENOENT" };

describe("each lookup that the daemon counts is forgotten, once", () => {
  test("three lookups of one file are one node, and three to forget", async () => {
    const { daemon, node, root, end } = await stage({ LOOKUP: () => entryOut(5) });
    const call = callOf();
    const found = await Promise.all(["a", "b", "a"].map((name) => node.lookup(root, name, call)));
    expect(new Set(found).size).toBe(1);
    await node.reclaim(found[0] as PerfuseNode);
    await end();
    expect(forgets(daemon.of("FORGET"))).toEqual(["5: 3"]);
  });

  test("a name that is not there counts none", async () => {
    for (const answer of [() => ENOENT, () => entryOut(0), () => entryOut(0, { valid: 0 })]) {
      const { daemon, node, root, end } = await stage({ LOOKUP: answer });
      expect((await node.lookup(root, "a", callOf())) ?? ABSENT).toMatchObject({ code: "ENOENT" });
      await end();
      expect(daemon.of("FORGET")).toEqual([]);
    }
  });

  test("what is made counts one: file, directory, link, device, and another name", async () => {
    let next = 10;
    const made = () => entryOut(next++);
    const { daemon, node, root, end } = await stage({
      CREATE: () => bytes(entryOut(next++), openOut(3)),
      MKNOD: made,
      MKDIR: () => entryOut(next++, DIRECTORY),
      SYMLINK: () => entryOut(next++, { mode: 0o120777 }),
      LINK: () => entryOut(10),
    });
    const call = callOf();
    const file = (await node.create(root, "f", 0o100644, call)) as PerfuseNode;
    await node.mknod(root, "p", 0o010644, 0, call);
    await node.mkdir(root, "d", 0o040755, call);
    await node.symlink(root, "s", "target", call);
    await node.link(root, "g", file, call);
    await end();
    expect(forgets(daemon.of("FORGET")).sort()).toEqual(["10: 2", "11: 1", "12: 1", "13: 1"]);
    expect(daemon.asked.at(-1)?.name).toBe("DESTROY");
  });

  test("another name that got a number of its own is given back at once, and is looked up again", async () => {
    const { daemon, node, root, end } = await stage({
      LOOKUP: () => entryOut(5),
      LINK: () => entryOut(6),
    });
    const call = callOf();
    const file = (await node.lookup(root, "a", call)) as PerfuseNode;
    await node.link(root, "b", file, call);
    expect(forgets(daemon.of("FORGET"))).toEqual([]);
    expect(file.known.entryTimeout).toBe(0);
    await daemon.until("FORGET");
    expect(forgets(daemon.of("FORGET"))).toEqual(["6: 1"]);
    await end();
    expect(forgets(daemon.of("FORGET"))).toEqual(["6: 1", "5: 1"]);
  });

  test("a directory that contains itself is refused and given back", async () => {
    let nodeid = 5;
    const { daemon, node, root, end } = await stage({ LOOKUP: () => entryOut(nodeid, DIRECTORY) });
    const call = callOf();
    const directory = (await node.lookup(root, "d", call)) as PerfuseNode;
    expect(await codeOf(node.lookup(directory, "d", call))).toBe("ESTALE");
    nodeid = 1;
    expect(await node.lookup(directory, "..", call)).toBe(root);
    await end();
    expect(forgets(daemon.of("FORGET"))).toEqual(["5: 1", "5: 1"]);
  });

  test("a number that is used again for another file is another node; each is forgotten by itself", async () => {
    let generation = 1;
    const { daemon, node, root, end } = await stage({
      LOOKUP: () => entryOut(5, { generation }),
    });
    const call = callOf();
    const first = (await node.lookup(root, "a", call)) as PerfuseNode;
    await node.lookup(root, "a", call);
    generation = 2;
    const second = (await node.lookup(root, "a", call)) as PerfuseNode;
    expect(second).not.toBe(first);
    await node.reclaim(first);
    await node.reclaim(second);
    await end();
    expect(forgets(daemon.of("FORGET"))).toEqual(["5: 2", "5: 1"]);
  });

  test("READDIRPLUS, where the daemon knows only that: what it counts is given back, the dots count nothing", async () => {
    const plus = (nodeid: number, name: string, off: number) =>
      bytes(entryOut(nodeid), dirent(name, off));
    const { daemon, node, root, end } = await stage({
      INIT: () => initOut({ flags: 1 << 13 }),
      READDIRPLUS: ({ body }) =>
        viewOf(body).getBigUint64(8, true) === 0n
          ? bytes(plus(1, ".", 1), plus(1, "..", 2), plus(20, "a", 3), plus(0, "b", 4))
          : DONE,
    });
    const names = (await node.readdir(root, 0, callOf())) as { name: string }[];
    expect(names.map(({ name }) => name)).toEqual(["a", "b"]);
    await node.readdir(root, 0, callOf());
    await end();
    expect(daemon.of("READDIR").length).toBe(1);
    expect(forgets(daemon.of("FORGET"))).toEqual(["20: 1", "20: 1"]);
  });

  test("the root is never forgotten", async () => {
    const { daemon, node, root, end } = await stage({ LOOKUP: () => entryOut(1, DIRECTORY) });
    await node.lookup(root, ".", callOf());
    await node.reclaim(root);
    await end();
    expect(daemon.of("FORGET")).toEqual([]);
  });

  test("a node is forgotten when its requests are answered and its handles released", async () => {
    const { daemon, node, root, end } = await stage({
      LOOKUP: () => entryOut(5),
      READ: () => undefined,
    });
    const call = callOf();
    const file = (await node.lookup(root, "a", call)) as PerfuseNode;
    await node.open(file, fileOf(0), call);
    const reading = Promise.resolve(node.read(file, new Uint8Array(9), 0, call));
    const read = await daemon.until("READ");
    const reclaiming = Promise.resolve(node.reclaim(file));
    await Bun.sleep(5);
    expect(daemon.of("FORGET").length + daemon.of("RELEASE").length).toBe(0);
    daemon.reply(read, DONE);
    await Promise.all([reading, reclaiming]);
    await end();
    expect(daemon.heard().slice(-3)).toEqual(["RELEASE 5", "FORGET 5", "DESTROY 0"]);
  });
});
