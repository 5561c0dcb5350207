import { describe, expect, test } from "bun:test";
import { EACCES, ENOENT } from "../../src/errno.ts";
import type { Attributes, DirectoryEntry } from "../../src/operations.ts";
import { DIRECTORY, everything, FILE, type Operations } from "../support/everything.ts";
import { Random } from "../support/random.ts";
import { bytes, errorOf, reply, request, viewOf, Wire } from "../support/wire.ts";

type Entry = DirectoryEntry<Attributes>;

const READDIR = 28;
const READDIRPLUS = 44;

/** A server with its root open. */
async function served(changed: Partial<Operations>) {
  const wire = new Wire(everything({ open: () => {}, ...changed }));
  wire.init();
  const fh = viewOf(await wire.ask(27, 1, 0, 0)).getBigUint64(16, true);
  return { wire, fh };
}

interface Told {
  readonly name: string;
  readonly ino: bigint;
  readonly next: bigint;
  readonly type: number;
  readonly nodeid: bigint;
}

/** A page, taken apart as fs/fuse/readdir.c does. */
async function page(wire: Wire, fh: bigint, opcode: number, offset: bigint, size: number) {
  const answer = await wire.ask(opcode, 1, fh, offset, size, 0, 0n, 0, 0);
  if (errorOf(answer) !== 0) throw new Error(`error ${errorOf(answer)}`);
  expect(answer.length - 16).toBeLessThanOrEqual(size);
  const view = viewOf(answer);
  const told: Told[] = [];
  for (let at = 16; at < answer.length; ) {
    const dirent = opcode === READDIRPLUS ? at + 128 : at;
    const namelen = view.getUint32(dirent + 16, true);
    told.push({
      nodeid: opcode === READDIRPLUS ? view.getBigUint64(at, true) : 0n,
      ino: view.getBigUint64(dirent, true),
      next: view.getBigUint64(dirent + 8, true),
      type: view.getUint32(dirent + 20, true),
      name: new TextDecoder().decode(answer.subarray(dirent + 24, dirent + 24 + namelen)),
    });
    at = dirent + Math.ceil((24 + namelen) / 8) * 8;
    // Padding is zeros, and the last entry's is there too.
    expect(at).toBeLessThanOrEqual(answer.length);
    expect(answer.subarray(dirent + 24 + namelen, at).every((byte) => byte === 0)).toBe(true);
  }
  return told;
}

async function all(wire: Wire, fh: bigint, opcode: number, size: number): Promise<Told[]> {
  const told: Told[] = [];
  for (let offset = 0n; ; offset = told.at(-1)?.next as bigint) {
    const some = await page(wire, fh, opcode, offset, size);
    if (some.length === 0) return told;
    told.push(...some);
  }
}

/** Lookups that the server believes the kernel has, by node number, less the root's own. */
function lookups(wire: Wire): Map<bigint, number> {
  const counts = [...wire.connection.vnodes.all()].map(({ id, lookups }): [bigint, number] => [
    BigInt(id),
    lookups,
  ]);
  return new Map(counts.filter(([id]) => id !== 1n));
}

test("READDIR by hand: dots, inode numbers, offsets, kinds, padding", async () => {
  const node = { ...FILE };
  const entries: Entry[] = [
    { name: "one", mode: 0o100644, ino: 77 },
    { name: "seventeen letters", cookie: undefined },
    { name: "é", mode: 0o120777, node },
  ];
  const { wire, fh } = await served({ readdir: () => entries, lookup: () => node });
  await wire.lookup(1, "é");
  const unique = wire.next();
  const answer = await wire.serve(request(READDIR, unique, 1n, fh, 0n, 4096, 0, 0n, 0, 0));
  expect(answer).toEqual(
    reply(
      unique,
      // inode, offset behind it, length of the name, kind, name
      ...[1n, 1n, 1, 4, ".\0\0\0\0\0\0\0"],
      ...[1n, 2n, 2, 4, "..\0\0\0\0\0\0"],
      ...[77n, 3n, 3, 8, "one\0\0\0\0\0"],
      ...[0xffffffffn, 4n, 17, 0, "seventeen letters\0\0\0\0\0\0\0"],
      ...[2n, 5n, 2, 10, "é\0\0\0\0\0\0"],
    ),
  );
});

test("an entry without a number has the one that stat(2) shows of its node, where that is known", async () => {
  const known = { ...FILE, ino: 99 };
  const late = { ...FILE, ino: 98 };
  const entries: Entry[] = [
    { name: "known", node: known },
    { name: "late", node: late },
    { name: "unknown", node: { ...FILE, ino: 97 } },
  ];
  const { wire, fh } = await served({
    readdir: () => entries,
    lookup: (_, name) => (name === "known" ? known : late),
    getattr: async (node) => node,
  });
  for (const name of ["known", "late"]) await wire.lookup(1, name);
  const told = await all(wire, fh, READDIR, 4096);
  expect(told.slice(2).map(({ name, ino }) => [name, ino])).toEqual([
    ["known", 99n],
    ["late", 98n],
    ["unknown", 0xffffffffn],
  ]);
});

test("READDIRPLUS by hand: an entry with its node, dots without", async () => {
  const { wire, fh } = await served({
    readdir: () => [{ name: "one", node: { ...FILE, ino: 99 } }],
    getattr: (node) => node,
  });
  const answer = await wire.ask(READDIRPLUS, 1, fh, 0n, 4096, 0, 0n, 0, 0);
  expect(answer.slice(16 + 2 * 160) as Uint8Array).toEqual(
    bytes(
      // node, generation, validity of name and attributes
      ...[2n, 1n, 1n, 1n, 0, 0],
      // ino, size, blocks, times, nanoseconds, mode, nlink, uid, gid, rdev, blksize, flags
      ...[99n, 5n, 1n, 1n, 1n, 1n, 2, 2, 2, 0o100644, 1, 0, 0, 0, 4096, 0],
      // the dirent
      ...[99n, 3n, 3, 8, "one\0\0\0\0\0"],
    ),
  );
  expect(answer.slice(16, 16 + 128)).toEqual(new Uint8Array(128));
});

test("`..` is the directory that a lookup came from, or what the plugin says", async () => {
  const sub: Attributes = { ...DIRECTORY };
  const wire = new Wire(
    everything({
      lookup: (_directory, name) => (name === "told" ? { ...sub, parentIno: 55 } : { ...sub }),
      getattr: (node) => node,
    }),
  );
  wire.init();
  for (const [name, parent] of [
    ["sub", 1n],
    ["told", 55n],
  ] as const) {
    const node = await wire.lookup(1, name);
    const opened = await wire.ask(27, node, 0, 0);
    const fh = viewOf(opened).getBigUint64(16, true);
    const answer = await wire.ask(READDIR, node, fh, 0n, 4096, 0, 0n, 0, 0);
    const view = viewOf(answer);
    expect([view.getBigUint64(16, true), view.getBigUint64(16 + 32, true)]).toEqual([
      BigInt(node),
      parent,
    ]);
  }
});

test("`..` has the number that the plugin tells of the directory above", async () => {
  const sub: Attributes = { ...DIRECTORY, ino: 71 };
  const system = everything({ lookup: () => sub, getattr: (node) => node });
  const wire = new Wire({ ...system, root: { ...DIRECTORY, ino: 70 } });
  wire.init();
  const node = await wire.lookup(1, "sub");
  const fh = viewOf(await wire.ask(27, node, 0, 0)).getBigUint64(16, true);
  const view = viewOf(await wire.ask(READDIR, node, fh, 0n, 4096, 0, 0n, 0, 0));
  expect([view.getBigUint64(16, true), view.getBigUint64(16 + 32, true)]).toEqual([71n, 70n]);
});

const LATE: readonly (readonly [
  string,
  (entries: Entry[]) => ReturnType<Operations["readdir"]>,
])[] = [
  ["at once", (entries) => entries],
  ["later", async (entries) => entries],
  ["one by one", (entries) => each(entries)],
];

async function* each(entries: Entry[]) {
  yield* entries;
}

describe.each(LATE)("entries given %s", (_name, give) => {
  for (const cookies of [true, false])
    test(`${cookies ? "with" : "without"} cookies: pages of any size tell each once, and count what they tell`, async () => {
      const nodes = new Map<string, Attributes>();
      const entries = Array.from({ length: 12 }, (_, i): Entry => {
        const node = { ...FILE };
        const name = "x".repeat(1 + ((i * 37) % 200)) + i;
        nodes.set(name, node);
        return { name, ...(cookies && { cookie: 5 * i + 1 }), ...(i % 2 === 0 && { node }) };
      });
      for (const opcode of [READDIR, READDIRPLUS])
        for (const size of [400, 401, 500, 1000, 4096]) {
          const { wire, fh } = await served({
            readdir: (_directory, from) =>
              give(entries.filter(({ cookie = 1 + from }) => cookie > from)),
            lookup: (_directory, name) => nodes.get(name) ?? null,
          });
          const told = await all(wire, fh, opcode, size);
          expect(told.map(({ name }) => name)).toEqual([
            ".",
            "..",
            ...entries.map(({ name }) => name),
          ]);
          const counted = lookups(wire);
          const plus = told.filter(({ nodeid }) => nodeid !== 0n);
          expect(plus.length).toBe(opcode === READDIRPLUS ? entries.length : 0);
          expect([...counted.values()]).toEqual(plus.map(() => 1));
          expect(new Set(plus.map(({ nodeid }) => nodeid))).toEqual(new Set(counted.keys()));
          expect(wire.reports).toEqual([]);
        }
    });
});

test("offsets are told within the dots, and a page too small for one entry is empty", async () => {
  const { wire, fh } = await served({ readdir: () => [{ name: "one" }] });
  expect(await page(wire, fh, READDIR, 0n, 31)).toEqual([]);
  const names = async (offset: bigint, size: number) =>
    (await page(wire, fh, READDIR, offset, size)).map(({ name }) => name);
  expect(await names(0n, 32)).toEqual(["."]);
  expect(await names(1n, 32)).toEqual([".."]);
  expect(await names(2n, 32)).toEqual(["one"]);
  expect(await names(3n, 32)).toEqual([]);
  expect(await names(1n, 4096)).toEqual(["..", "one"]);
});

test("READDIRPLUS: lookups are counted exactly, whatever comes, goes, fails and does not fit", async () => {
  const random = new Random(3);
  const folder = new Map<string, Attributes>();
  const fails = new Set<string>();
  const { wire, fh } = await served({
    readdir: () => [...folder].map(([name, node]) => (random.oneIn(2) ? { name, node } : { name })),
    lookup: (_directory, name) => (fails.has(name) ? EACCES : (folder.get(name) ?? null)),
    getattr: (node) => (node.nlink === 0 ? ENOENT : node),
  });
  const kernel = new Map<bigint, number>();
  for (let round = 0, offset = 0n; round < 800; round++) {
    const name = `f${random.below(60)}`;
    const node = folder.get(name);
    if (!node) folder.set(name, { ...FILE });
    else if (random.oneIn(3)) {
      folder.delete(name);
      Object.assign(node, { nlink: 0 });
    }
    if (random.oneIn(5)) fails.add(name);
    else fails.delete(name);
    const told = await page(wire, fh, READDIRPLUS, offset, random.between(200, 1200));
    for (const { nodeid } of told)
      if (nodeid !== 0n) kernel.set(nodeid, (kernel.get(nodeid) ?? 0) + 1);
    offset = told.at(-1)?.next ?? 0n;
    if (random.oneIn(3) && kernel.size > 0) {
      const [id, count] = random.pick([...kernel]);
      wire.ask(2, Number(id), BigInt(count));
      kernel.delete(id);
    }
    expect(lookups(wire)).toEqual(kernel);
  }
  expect(wire.reports).toEqual([]);
});

describe("an entry of READDIRPLUS", () => {
  const listing = { readdir: () => [{ name: "a" }, { name: "b", mode: 0o100000 }, { name: "c" }] };
  const thrown = () => {
    throw EACCES;
  };
  test.each([
    ["that is gone by now is left out", () => null, [".", "..", "a", "c"]],
    ["that is gone, says ENOENT, is left out", () => ENOENT, [".", "..", "a", "c"]],
    ["that may not be looked at is told by name alone", () => EACCES, [".", "..", "a", "b", "c"]],
    ["the same, thrown", thrown, [".", "..", "a", "b", "c"]],
    ["the same, later", async () => thrown(), [".", "..", "a", "b", "c"]],
  ])("%s", async (title, answer, expected) => {
    for (const failing of ["lookup", "getattr"] as const) {
      if (failing === "getattr" && title.includes("gone by now")) continue;
      const b = { ...FILE };
      const { wire, fh } = await served({
        ...listing,
        lookup: (_directory, name) =>
          name !== "b" ? { ...FILE } : failing === "lookup" ? (answer() as never) : b,
        getattr: (node) => (node === b && failing === "getattr" ? (answer() as never) : node),
      });
      const told = await all(wire, fh, READDIRPLUS, 4096);
      expect(told.map(({ name }) => name)).toEqual(expected);
      expect(told.find(({ name }) => name === "b")?.nodeid ?? 0n).toBe(0n);
      expect([lookups(wire).size, wire.reports.length]).toEqual([2, 0]);
    }
  });
});

test("a bad entry is EIO with one report, and what its page had told does not count", async () => {
  for (const bad of [{ name: "a/b" }, { name: ".." }, { name: "" }, { name: "ok", ino: 0 }]) {
    const { wire, fh } = await served({ readdir: () => [{ name: "good" }, bad] });
    const answer = await wire.ask(READDIRPLUS, 1, fh, 0n, 4096, 0, 0n, 0, 0);
    expect([errorOf(answer), wire.reports.length, lookups(wire).size]).toEqual([5, 1, 0]);
  }
});

test("without a handle of the directory it is EBADF", async () => {
  const { wire } = await served({});
  for (const fh of [0n, 99n])
    expect(errorOf(await wire.ask(READDIR, 1, fh, 0n, 4096, 0, 0n, 0, 0))).toBe(9);
});
