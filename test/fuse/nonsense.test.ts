import { describe, expect, test } from "bun:test";
import { OPS } from "../../src/fuse/ops.ts";
import { everything, FILE, type Ids, REQUESTS, subject } from "../support/everything.ts";
import {
  FAILURES,
  LISTINGS,
  NO_COUNT,
  NO_LISTING,
  NO_LOCK,
  NO_NAME,
  NO_NODE,
  NO_ATTRIBUTES as NO_OWN_ATTRIBUTES,
  NO_STATISTICS,
  thenable,
} from "../support/nonsense.ts";
import { errorOf, type Part, viewOf, Wire } from "../support/wire.ts";

const EIO = 5;
const EACCES = 13;

const NO_ATTRIBUTES = [
  ...NO_OWN_ATTRIBUTES,
  ...[-1, Number.NaN, "1"].map((attrTimeout) => ({ ...FILE, attrTimeout })),
];

/** By opcode: the operation, and answers that it must not give. */
const WRONG: readonly (readonly [
  opcode: number,
  operation: string,
  answers: readonly unknown[],
])[] = [
  [1, "lookup", NO_NODE],
  [1, "getattr", [...NO_ATTRIBUTES, { ...FILE, entryTimeout: -1 }]],
  [3, "getattr", NO_ATTRIBUTES],
  [4, "setattr", NO_ATTRIBUTES.slice(1)],
  [5, "readlink", [undefined, null, 7, "", "nul\0", "x".repeat(4096), new Uint8Array(3)]],
  [6, "symlink", [null, ...NO_NODE]],
  [8, "mknod", [null, ...NO_NODE]],
  [9, "mkdir", [null, ...NO_NODE]],
  [15, "read", [...NO_COUNT, undefined, 4097]],
  [16, "write", [...NO_COUNT, undefined, 6]],
  [17, "fs.statvfs", [undefined, null, 7, {}, ...NO_STATISTICS]],
  [22, "getextattr", [undefined, null, "value", 5, [1, 2]]],
  [23, "listextattr", [undefined, null, 5, {}, [5], [""], ["nul\0"]]],
  [28, "readdir", [...NO_LISTING, ...NO_NAME.map((name) => [{ name }])]],
  [28, "readdir", [0, -1, 1.5, Number.NaN, 2 ** 53].map((cookie) => [{ name: "a", cookie }])],
  [28, "readdir", [0, -1, 1.5].map((ino) => [{ name: "a", ino }])],
  [44, "readdir", [...NO_LISTING, [{ name: "a", node: 7 }], [{ name: "a", node: "b" }]]],
  [44, "lookup", NO_NODE],
  [31, "advlock", [undefined, ...NO_LOCK]],
  [35, "create", [null, ...NO_NODE]],
  [37, "bmap", [...NO_COUNT, undefined]],
  [39, "ioctl", [undefined, null, 0, {}, { result: 1.5 }, { result: 2 ** 31 }]],
  [39, "ioctl", ["text", 5, new Uint8Array(9)].map((output) => ({ result: 0, output }))],
  [40, "poll", [undefined, null, -1, 0.5, 2 ** 32, "1"]],
  [46, "seek", [undefined, ...NO_COUNT]],
  [47, "copyRange", [undefined, ...NO_COUNT, 6]],
  [51, "tmpfile", [null, ...NO_NODE]],
  [52, "getattr", NO_ATTRIBUTES],
  [53, "copyRange", [undefined, ...NO_COUNT, 6]],
];

/** The ways of saying something. A promise's nonsense comes later. */
const MANNERS: readonly (readonly [string, (answer: unknown) => unknown])[] = [
  ["at once", (answer) => answer],
  ["later", (answer) => Promise.resolve(answer)],
];

describe.each(MANNERS)("a wrong answer given %s is EIO with one report, and no more", (_, give) => {
  test.each(WRONG)("%d %s", async (opcode, operation, answers) => {
    for (const answer of answers) await misbehave(opcode, operation, () => give(answer), answer);
  });
});

const failures: typeof FAILURES = [
  ...FAILURES,
  ["one that answers nonsense twice", () => thenable((yes) => [yes(-7), yes(-8)]), "EIO", 1],
];

describe("whatever an operation throws", () => {
  const rows = OPS.filter((row) => row?.needs?.some((need) => need.startsWith("node.")));
  test.each(failures)("%s", async (_name, act, code, reports) => {
    for (const row of rows) {
      // Of operations that answer nothing, nonsense is no wrong answer.
      const silent = [
        "fallocate",
        "setattr",
        "access",
        "fsync",
        "remove",
        "rmdir",
        "link",
        "rename",
      ];
      for (const need of row?.needs ?? []) {
        const operation = need.slice("node.".length);
        const isQuiet =
          silent.includes(operation) ||
          ["advlock", "setextattr", "deleteextattr"].includes(operation);
        if (isQuiet && _name.includes("nonsense")) continue;
        // Where one of several is needed: which one these requests become.
        const used = { MKNOD: "mknod", CREATE: "create", FALLOCATE: "fallocate" }[row?.name ?? ""];
        if (used && used !== operation) continue;
        await misbehave(
          row?.opcode as number,
          operation,
          act,
          _name,
          code === "EIO" ? EIO : EACCES,
          reports,
        );
      }
    }
  });
});

test("a foreign thenable is as good as a promise", async () => {
  // It answers nothing itself, and calls back at once: what a promise never does.
  const slow = (value: unknown) => thenable((yes) => yes(value));
  const node = { ...FILE };
  const wire = new Wire(
    everything({ lookup: () => slow(node) as never, getattr: (one) => slow(one) as never }),
  );
  wire.init();
  expect(await wire.lookup(1, "one")).toBe(2);
  expect(errorOf(await wire.ask(3, 2, 0, 0, 0n))).toBe(0);
  expect(wire.reports).toEqual([]);
});

describe("an iterator that fails", () => {
  test.each(LISTINGS)("%s: EIO, one report, and no entry counts", async (_name, readdir) => {
    for (const opcode of [28, 44])
      await misbehave(opcode, "readdir", readdir as () => unknown, _name);
  });
});

/**
 * One request whose operation misbehaves, then one that is right: the first is EIO with one report, the second is served, and no
 * node but those the kernel was told of is counted.
 */
async function misbehave(
  opcode: number,
  operation: string,
  act: () => unknown,
  what: unknown,
  expected = EIO,
  reports = 1,
): Promise<void> {
  let misbehaves = false;
  const good = everything();
  const [group, name] = operation.startsWith("fs.")
    ? ["fs", operation.slice(3)]
    : ["node", operation];
  const right = (group === "fs" ? good.fs : good.node) as Record<
    string,
    (...p: unknown[]) => unknown
  >;
  const act1 = (...parameters: unknown[]) =>
    misbehaves ? act() : right[name as string]?.(...parameters);
  // Names are told with their nodes counted: before the failure.
  const listing = { readdir: () => [{ name: "one" }, { name: "two" }] };
  const wire = new Wire(
    group === "fs"
      ? everything(listing, { [name as string]: act1 })
      : everything({ ...listing, [name as string]: act1 }),
  );
  wire.init(45, 0xffffffff & ~(1 << 17));
  const file = await wire.lookup(1, "one");
  const handle = async (code: number, node: number) =>
    Number(viewOf(await wire.ask(code, node, 0, 0)).getBigUint64(16, true));
  const ids: Ids = {
    directory: 1,
    file,
    openFile: await handle(14, file),
    openDirectory: await handle(27, 1),
  };
  const body: Part[] = REQUESTS[opcode]?.[2](ids) ?? [];
  const about = subject(opcode, ids);
  const before = counted(wire);

  misbehaves = true;
  const answer = await wire.ask(opcode, about, ...body);
  misbehaves = false;
  const shown = [opcode, operation, Bun.inspect(what, { depth: 1 }).slice(0, 80)];
  expect([...shown, errorOf(answer), wire.reports.length]).toEqual([...shown, expected, reports]);
  expect([...shown, counted(wire)]).toEqual([...shown, before]);
  expect(wire.connection.pending.size).toBe(0);
  const again = await wire.ask(opcode, about, ...body);
  expect([...shown, errorOf(again)]).toEqual([...shown, 0]);
}

/** What the kernel is believed to know of: lookups of each node, and requests at work. */
function counted({ connection }: Wire): string {
  return [...connection.vnodes.all()]
    .map(({ id, lookups, opens, pending }) => [id, lookups, opens, pending].join(" "))
    .join(", ");
}
