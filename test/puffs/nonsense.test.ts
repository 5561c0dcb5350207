import { describe, expect, test } from "bun:test";
import type { Attributes } from "../../src/operations.ts";
import { KernelFlags } from "../../src/puffs/flags.ts";
import { OPS } from "../../src/puffs/ops.ts";
import { FILE } from "../support/everything.ts";
import {
  FAILURES,
  fail,
  LISTINGS,
  NO_ATTRIBUTES,
  NO_COUNT,
  NO_LISTING,
  NO_LOCK,
  NO_NAME,
  NO_NODE,
  NO_STATISTICS,
} from "../support/nonsense.ts";
import { counted, REQUESTS, type Request, rightAnswer, whole } from "./requests.ts";
import { codeOf, find, ROOT, rig } from "./rig.ts";

/*
 * Operations that answer what they must not: EIO and one report for each, never a crash, a second reply or one that the kernel would
 * refuse, and the kernel is believed to know no node but those it was told of.
 */

/** By row, and the operation of it: answers that it must not give. */
const WRONG: readonly (readonly [row: string, operation: string, answers: readonly unknown[]])[] = [
  ["LOOKUP", "node.lookup", NO_NODE],
  ["LOOKUP", "node.getattr", NO_ATTRIBUTES],
  ["CREATE", "node.create", [null, ...NO_NODE]],
  ["MKNOD", "node.mknod", [null, ...NO_NODE]],
  ["MKDIR", "node.mkdir", [null, ...NO_NODE]],
  ["SYMLINK", "node.symlink", [null, ...NO_NODE]],
  ["GETATTR", "node.getattr", NO_ATTRIBUTES],
  ["READ", "node.read", [...NO_COUNT, undefined, 4]],
  ["WRITE", "node.write", [...NO_COUNT, undefined, 3]],
  ["POLL", "node.poll", [undefined, null, -1, 0.5, 2 ** 32, "1", {}]],
  ["READDIR", "node.readdir", [...NO_LISTING, ...NO_NAME.map((name) => [{ name }])]],
  [
    "READDIR",
    "node.readdir",
    [0, -1, 1.5, Number.NaN, 2 ** 53].map((cookie) => [{ name: "a", cookie }]),
  ],
  ["READDIR", "node.readdir", [0, -1, 1.5, 2 ** 53].map((ino) => [{ name: "a", ino }])],
  ["READDIR", "node.getattr", [undefined, null]],
  ["READLINK", "node.readlink", [undefined, null, 7, "nul\0", new Uint8Array(3)]],
  ["PRINT", "node.print", [undefined, null, 7, {}, Symbol("line")]],
  ["PATHCONF", "node.pathconf", [undefined, ...NO_COUNT]],
  ["ADVLOCK", "node.advlock", [undefined, ...NO_LOCK]],
  ["GETEXTATTR", "node.getextattr", [undefined, null, "value", 5, [1, 2]]],
  [
    "LISTEXTATTR",
    "node.listextattr",
    [undefined, null, 5, {}, [5], [""], ["nul\0"], ["x".repeat(256)]],
  ],
  ["VFS_STATVFS", "fs.statvfs", [undefined, null, 7, {}, ...NO_STATISTICS]],
  ["VFS_FHTOVP", "fs.fhtonode", [null, ...NO_NODE]],
  ["VFS_FHTOVP", "node.getattr", NO_ATTRIBUTES.slice(0, 20)],
  ["VFS_VPTOFH", "fs.nodetofh", [undefined, null, "handle", 5, [1, 2], { length: 4 }]],
];

/** Operations that answer nothing: whatever they say, it is as good as that. */
const SILENT = [
  ...["ACCESS", "OPEN", "CLOSE", "SETATTR", "MMAP", "FSYNC", "REMOVE", "LINK", "RENAME", "RMDIR"],
  ...["ABORTOP", "INACTIVE", "RECLAIM", "SETEXTATTR", "DELETEEXTATTR", "FALLOCATE", "FDISCARD"],
  ...["VFS_SYNC", "VFS_EXTATTRCTL", "VFS_SUSPEND", "VFS_UNMOUNT", "SEEK"],
];

/** The ways of saying something. */
const MANNERS: readonly (readonly [string, (answer: unknown) => unknown])[] = [
  ["at once", (answer) => answer],
  ["later", (answer) => Promise.resolve(answer)],
];

const requestOf = (row: string): Request => {
  // The last of a row: that of a lock asks for it, and is told.
  const request = REQUESTS.findLast((one) => one.row === row && !one.faf);
  return request ?? (REQUESTS.find((one) => one.row === row) as Request);
};

/** Ask once while the operation misbehaves, then once more: what the first got, and that nothing is left of it. */
async function misbehave(row: string, operation: string, act: () => unknown, puffsFlags = 0) {
  let misbehaves = false;
  const right = rightAnswer(operation);
  const fileSystem = whole({
    [operation]: (...parameters: unknown[]) => (misbehaves ? act() : right(...parameters)),
  });
  const { kernel, connection, reports, faults, answered } = rig(fileSystem, { puffsFlags });
  const file = (await find(kernel, "one")).newnode;
  const known = { root: kernel.root, file };
  const before = counted(connection);
  const request = requestOf(row);
  misbehaves = true;
  const code = await codeOf(request.drive(kernel, known));
  if (request.faf) await Bun.sleep(1);
  misbehaves = false;
  const outcome = [code, reports.length, counted(connection) === before];
  const isGone = row === "RECLAIM";
  if (!isGone) expect(await codeOf(request.drive(kernel, known))).toBe("OK");
  expect((await kernel.getattr(kernel.root, ROOT)).va.type).toBe(2);
  expect([connection.pending.size, kernel.waiting]).toEqual([0, 0]);
  expect(faults).toEqual([]);
  expect(new Set(answered).size).toBe(answered.length);
  expect(answered.length).toBe(kernel.lastId + 1);
  return outcome;
}

const shown = (answer: unknown) => Bun.inspect(answer, { depth: 1 }).slice(0, 80);

describe.each(MANNERS)("a wrong answer given %s is EIO with one report, and no more", (_, give) => {
  test.each(WRONG)("%s, by %s", async (row, operation, answers) => {
    for (const answer of answers) {
      const outcome = await misbehave(row, operation, () => give(answer));
      expect([shown(answer), ...outcome]).toEqual([shown(answer), "EIO", 1, true]);
    }
  });
});

describe("a wrong time to live", () => {
  const ttl = KernelFlags.CACHE_FS_TTL;
  const wrong = [-1, Number.NaN, "1"];

  test.each([
    ["LOOKUP", "node.getattr"],
    ["CREATE", "node.getattr"],
    ["GETATTR", "node.getattr"],
    ["SETATTR", "node.setattr"],
  ])("of attributes, by %s", async (row, operation) => {
    for (const attrTimeout of wrong) {
      const act = (...[node]: unknown[]) => ({ ...(node as object), ...FILE, attrTimeout });
      // Where replies do not tell it nobody looks.
      expect((await misbehave(row, operation, act))[0]).toBe("OK");
      expect(await misbehave(row, operation, act, ttl)).toEqual(["EIO", 1, true]);
    }
  });

  test("of a name", async () => {
    for (const entryTimeout of wrong) {
      const attributes = { ...FILE, mode: 0o040755, entryTimeout } as Attributes;
      const { kernel, connection, reports } = rig(
        whole({ "node.getattr": () => attributes }, ["node.access"]),
        { puffsFlags: ttl },
      );
      expect(await codeOf(find(kernel, "one"))).toBe("EIO");
      expect([reports.length, connection.vnodes.size]).toEqual([1, 1]);
    }
  });
});

describe("what an operation says that has nothing to say", () => {
  test.each(SILENT)("%s", async (row) => {
    const request = requestOf(row);
    for (const operation of request.calls) {
      if (operation === "node.getattr") continue;
      for (const answer of [null, 7, Number.NaN, "no", {}, [], 5n, Symbol("no")]) {
        const outcome = await misbehave(row, operation, () => answer);
        const isGone = row === "RECLAIM";
        expect([operation, shown(answer), ...outcome]).toEqual([
          ...[operation, shown(answer)],
          ...["OK", 0, !isGone],
        ]);
      }
    }
  });
});

describe("whatever an operation throws", () => {
  test.each(FAILURES)("%s", async (_, act, code, reports) => {
    for (const { row, calls, faf } of REQUESTS) {
      const operation = calls.at(-1);
      // What nobody is told, and what no error can be answered by, is in failing.test.ts.
      if (!operation || faf || row === "INACTIVE") continue;
      // Its attributes are asked for to see whether it is gone.
      if (row === "REMOVE") continue;
      expect([row, operation, ...(await misbehave(row, operation, act))]).toEqual([
        ...[row, operation],
        ...[code, reports, true],
      ]);
    }
  });
});

describe("an iterator that fails", () => {
  test.each(LISTINGS)("%s: EIO, one report", async (_, listing) => {
    expect(await misbehave("READDIR", "node.readdir", listing)).toEqual(["EIO", 1, true]);
  });

  test("of the names of attributes too", async () => {
    function* names() {
      yield "one";
      fail(new Error("bug"));
    }
    const outcome = await misbehave("LISTEXTATTR", "node.listextattr", names);
    expect(outcome).toEqual(["EIO", 1, true]);
  });
});

test("every row is among those", () => {
  const known = new Set([...WRONG.map(([row]) => row), ...SILENT]);
  expect(OPS.flatMap((row) => row?.name ?? []).filter((row) => !known.has(row))).toEqual([]);
});
