import { expect, test } from "bun:test";
import type { Call } from "../../src/operations.ts";
import type { PerfuseNode } from "../../src/perfuse/node.ts";
import { bytes, viewOf } from "../support/wire.ts";
import {
  callOf,
  dirent,
  entryOut,
  fileOf,
  initOut,
  type Shape,
  type Stage,
  stage,
} from "./scripted.ts";

/*
 * A listing with attributes (READDIRPLUS of our own kernel): what the daemon tells by READDIRPLUS is not looked up, and each lookup that it
 * counted so is forgotten, once, whether it was of use or not.
 */

const DONE = new Uint8Array(0);
const PLUS = 1 << 13;

/** A call of our own kernel's READDIRPLUS. */
function listing(): Call {
  return Object.assign(callOf(), { row: { name: "READDIRPLUS" }, limit: 32768 });
}

function plus(nodeid: number, name: string, off: number, shape: Shape = {}): Uint8Array {
  return bytes(entryOut(nodeid, shape), dirent(name, off));
}

/** Names "a", "b" and so on, with the numbers 10, 11 and so on. */
const NAMES = ["a", "b", "c", "d", "e"];

type Handlers = Parameters<typeof stage>[0];

/** A daemon that lists NAMES, three at a time, and knows READDIRPLUS. */
async function begun(handlers: Handlers = {}, usermount?: Parameters<typeof stage>[2]) {
  const page = (body: Uint8Array, entry: (name: string, at: number) => Uint8Array) => {
    const from = Number(viewOf(body).getBigUint64(8, true));
    return bytes(...NAMES.map(entry).slice(from, from + 3));
  };
  const made = await stage(
    {
      INIT: () => initOut({ flags: PLUS }),
      READDIR: ({ body }) => page(body, (name, at) => dirent(name, at + 1)),
      READDIRPLUS: ({ body }) => page(body, (name, at) => plus(at + 10, name, at + 1)),
      LOOKUP: ({ text }) => entryOut(NAMES.indexOf(text(0)) + 10),
      ...handlers,
    },
    {},
    usermount,
  );
  const directory = fileOf(0o200000);
  await made.node.open(made.root, directory, callOf());
  expect(await made.node.readdir(made.root, 0, listing())).toHaveLength(5);
  const look = (name: string) =>
    Promise.resolve(made.node.lookup(made.root, name, listing())) as Promise<PerfuseNode>;
  return { ...made, directory, look };
}

/** FORGETs as "nodeid: count". */
function forgets({ daemon }: Pick<Stage, "daemon">): string[] {
  const all = daemon.of("FORGET");
  return all.map(({ nodeid, body }) => `${nodeid}: ${viewOf(body).getBigUint64(0, true)}`).sort();
}

const ONCE_EACH = ["10: 1", "11: 1", "12: 1", "13: 1", "14: 1"];

test("names in their order need no LOOKUP, and are forgotten as they are reclaimed", async () => {
  const made = await begun();
  const nodes: PerfuseNode[] = [];
  for (const name of NAMES) nodes.push(await made.look(name));
  expect(nodes.map(({ nodeid }) => nodeid)).toEqual([10, 11, 12, 13, 14]);
  expect(made.daemon.of("LOOKUP")).toEqual([]);
  // The pages, at the offset behind the last.
  const offsets = made.daemon.of("READDIRPLUS").map(({ body }) => viewOf(body).getUint32(8, true));
  expect(offsets).toEqual([0, 3]);
  await made.node.inactive(made.root, made.directory);
  expect(forgets(made)).toEqual([]);
  for (const node of nodes) await made.node.reclaim(node);
  await made.end();
  expect(forgets(made)).toEqual(ONCE_EACH);
});

test("what is passed over, and what is left at the end of the listing, is given back", async () => {
  const made = await begun();
  const b = await made.look("b");
  await made.daemon.until("FORGET");
  expect(forgets(made)).toEqual(["10: 1"]);
  await made.node.inactive(made.root, made.directory);
  await made.daemon.until("FORGET", 2);
  expect(forgets(made)).toEqual(["10: 1", "12: 1"]);
  await made.node.reclaim(b);
  await made.end();
  expect(forgets(made)).toEqual(["10: 1", "11: 1", "12: 1"]);
});

test("what was told a while ago is looked up, and given back", async () => {
  const made = await begun();
  await made.look("a");
  expect(made.daemon.of("LOOKUP")).toHaveLength(0);
  await Bun.sleep(150);
  const b = await made.look("b");
  expect(made.daemon.of("LOOKUP").map(({ text }) => text(0))).toEqual(["b"]);
  await made.node.reclaim(b);
  await made.end();
  // Once by the listing and once by the lookup.
  const of11 = forgets(made).filter((line) => line.startsWith("11: "));
  expect(of11.reduce((sum, line) => sum + Number(line.slice(4)), 0)).toBe(2);
});

test("at the end of the mount, too, and when the listing begins anew", async () => {
  const made = await begun();
  await made.look("a");
  await made.node.readdir(made.root, 0, listing());
  await made.daemon.until("FORGET", 2);
  expect(forgets(made)).toEqual(["11: 1", "12: 1"]);
  await made.look("a");
  await made.end();
  expect(forgets(made)).toEqual(["10: 2", "11: 1", "11: 1", "12: 1", "12: 1"]);
});

test("a file that is known by another lookup is the same, and keeps its own count", async () => {
  const made = await begun();
  const known = (await made.node.lookup(made.root, "b", callOf())) as PerfuseNode;
  await made.look("a");
  expect(await made.look("b")).toBe(known);
  await made.look("c");
  await made.node.reclaim(known);
  await made.end();
  expect(forgets(made)).toEqual(["10: 1", "11: 2", "12: 1"]);
});

test("one that was reclaimed before it is asked for is looked up, and was forgotten whole", async () => {
  const made = await begun();
  const known = (await made.node.lookup(made.root, "b", callOf())) as PerfuseNode;
  await made.look("a");
  await made.node.reclaim(known);
  expect(await made.look("b")).not.toBe(known);
  await made.end();
  expect(forgets(made)).toEqual(["10: 1", "11: 1", "11: 2", "12: 1"]);
});

test("what was removed or renamed, or what the daemon says is not true any more, is looked up", async () => {
  const made = await begun();
  await made.look("a");
  await made.node.remove(made.root, "b", callOf());
  await made.node.rename(made.root, "c", made.root, "z", 0, callOf());
  await made.look("b");
  await made.look("c");
  await made.look("d");
  made.daemon.notify(3, 1n, 1, 0, "e\0"); // INVAL_ENTRY
  await made.node.getattr(made.root, callOf());
  // The page is gone with it, and there is no other.
  await made.look("e");
  expect(made.daemon.of("LOOKUP").map(({ text }) => text(0))).toEqual(["b", "c", "e"]);
  await made.end();
  expect(forgets(made).join()).toBe(
    ["10: 1", "11: 1", "11: 1", "12: 1", "12: 1", "13: 1", "14: 1", "14: 1"].join(),
  );
});

test("a size that was asked for before a write is not believed after it", async () => {
  const { daemon, node, root, look, end } = await begun({
    READDIRPLUS: () => undefined,
    LOOKUP: () => entryOut(10, { size: 5 }),
    WRITE: () => bytes(3, 0),
  });
  const file = (await node.lookup(root, "a", callOf())) as PerfuseNode;
  await node.open(file, fileOf(2), callOf());
  const looking = look("a");
  const asked = await daemon.until("READDIRPLUS");
  await node.write(file, new Uint8Array(3), 200, callOf());
  daemon.reply(asked, plus(10, "a", 1, { size: 5 }));
  expect(await looking).toBe(file);
  expect(file.known.size).toBe(203);
  await end();
});

test("a daemon that tells nothing that way, or does not know it, is asked once", async () => {
  const answers = [() => plus(0, "a", 1), () => ({ errno: 38 })] as const;
  for (const answer of answers) {
    const made = await begun({ READDIRPLUS: answer });
    for (const name of NAMES) await made.look(name);
    await made.node.readdir(made.root, 0, listing());
    for (const name of NAMES) await made.look(name);
    expect(made.daemon.of("READDIRPLUS").length).toBe(1);
    expect(made.daemon.of("LOOKUP").length).toBe(10);
    await made.end();
    expect(forgets(made)).toEqual(["10: 2", "11: 2", "12: 2", "13: 2", "14: 2"]);
  }
});

test("a name that comes twice counts twice", async () => {
  const made = await begun({
    READDIRPLUS: ({ body }) =>
      viewOf(body).getUint32(8, true) === 0
        ? bytes(plus(20, "a", 1), plus(21, "a", 2), plus(21, "b", 3))
        : DONE,
  });
  expect((await made.look("a")).nodeid).toBe(10);
  await made.end();
  expect(forgets(made)).toEqual(["10: 1", "20: 1", "21: 1", "21: 1"]);
});

test("without a listing of that kind, and of a daemon that has not agreed, it is not asked", async () => {
  const made = await begun();
  await made.node.lookup(made.root, "a", callOf());
  expect(made.daemon.of("READDIRPLUS")).toEqual([]);
  await made.end();
  const other = await begun({ INIT: () => initOut() });
  await other.look("a");
  expect(other.daemon.of("READDIRPLUS")).toEqual([]);
  await other.end();
});
