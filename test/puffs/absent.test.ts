import { describe, expect, test } from "bun:test";
import { KernelFlags, Vn, Vtype } from "../../src/puffs/flags.ts";
import { OPS } from "../../src/puffs/ops.ts";
import { REQUESTS, type Request, whole } from "./requests.ts";
import { codeOf, find, ROOT, rig } from "./rig.ts";

/*
 * What becomes of a request whose operation the file system lacks: of what NetBSD's kernel asks then at all (sys/fs/puffs), and of
 * what is sent nevertheless, which with ALLOPS is everything, beside what NetBSD's library answers it (lib/libpuffs/dispatcher.c).
 */

interface Absence {
  readonly row: string;
  /** What is lacking. */
  readonly lacks: readonly string[];
  /** What the caller sees, and how many messages the server: most are not sent. */
  readonly kernel: readonly [code: string, asked: number];
  /** What the caller sees if it is sent. */
  readonly sent: string;
  /** What he would see with NetBSD's library, and why that is no good. Left out: the same; null: it cannot do without. */
  readonly library?: readonly [code: string, because: string] | null;
  /** Another request than that of the row in REQUESTS. */
  readonly drive?: Request["drive"];
}

const NO = "EOPNOTSUPP";
const NOTHING = "nothing was done";

const refused = (row: string, ...lacks: string[]): Absence => ({
  row,
  lacks,
  kernel: [NO, 0],
  sent: NO,
});
const granted = (row: string, ...lacks: string[]): Absence => ({
  row,
  lacks,
  kernel: ["OK", 0],
  sent: "OK",
});
/** Always asked for: the framework serves it alone. */
const served = (row: string, ...lacks: string[]): Absence => ({
  row,
  lacks,
  kernel: ["OK", 1],
  sent: "OK",
});

const ABSENT: readonly Absence[] = [
  refused("CREATE", "node.create", "node.mknod"),
  refused("MKNOD", "node.create", "node.mknod"),
  granted("OPEN", "node.open", "node.close", "node.inactive", "node.setattr"),
  // Something is to be told of it.
  served("OPEN", "node.open"),
  granted("CLOSE", "node.close"),
  served("ACCESS", "node.access"),
  refused("GETATTR", "node.getattr"),
  refused("SETATTR", "node.setattr"),
  { ...refused("READ", "node.read"), library: ["EIO", "the kernel itself has another word"] },
  { ...refused("WRITE", "node.write"), library: ["EIO", "the kernel itself has another word"] },
  {
    row: "POLL",
    lacks: ["node.poll"],
    kernel: ["ready for 65", 0],
    sent: "ready for 65",
    library: ["ready for 8", "this kernel takes no error for one"],
    async drive(kernel, { file }) {
      const { events } = await kernel.poll(file, 65, ROOT);
      throw Object.assign(new Error(), { code: `ready for ${events}` });
    },
  },
  granted("MMAP", "node.mmap"),
  granted("FSYNC", "node.fsync"),
  { ...granted("SEEK"), drive: (kernel, { file }) => kernel.seek(file, 0, 1, ROOT) },
  { ...refused("REMOVE", "node.remove"), library: ["OK", NOTHING] },
  { ...refused("LINK", "node.link"), library: ["OK", NOTHING] },
  { ...refused("RENAME", "node.rename"), library: ["OK", NOTHING] },
  refused("MKDIR", "node.mkdir"),
  { ...refused("RMDIR", "node.rmdir"), library: ["OK", NOTHING] },
  refused("SYMLINK", "node.symlink"),
  {
    ...served("READDIR", "node.readdir"),
    drive: async (kernel, { root }) => {
      const { entries, eof } = await kernel.readdir(root, { offset: 0, room: 4096 }, ROOT);
      expect([entries.map(({ name }) => name), eof]).toEqual([[".", ".."], true]);
    },
  },
  refused("READLINK", "node.readlink"),
  granted("ABORTOP", "node.abortop"),
  {
    ...granted("INACTIVE", "node.inactive", "node.rename"),
    library: [NO, "nobody looks at it, and there is nothing wrong"],
    drive: (kernel, { file }) => kernel.release(file),
  },
  {
    ...served("RECLAIM", "node.reclaim"),
    drive: async (kernel, { file }) => kernel.reclaim(file),
  },
  { ...refused("PRINT", "node.print"), library: ["OK", NOTHING] },
  {
    ...served("PATHCONF", "node.pathconf"),
    drive: async (kernel, { file }) => expect(await kernel.pathconf(file, 4)).toBe(255),
  },
  {
    row: "PATHCONF",
    lacks: ["node.pathconf"],
    kernel: ["EINVAL", 1],
    sent: "EINVAL",
    library: ["OK", "the value is what was in the message"],
    drive: (kernel, { file }) => kernel.pathconf(file, 99),
  },
  // The kernel keeps locks itself then, which its role leaves to whoever plays it.
  { ...refused("ADVLOCK", "node.advlock"), library: ["OK", "no lock was taken"] },
  refused("GETEXTATTR", "node.getextattr"),
  refused("LISTEXTATTR", "node.listextattr"),
  refused("DELETEEXTATTR", "node.deleteextattr"),
  refused("SETEXTATTR", "node.setextattr"),
  // The kernel has no mask for these.
  { ...refused("FALLOCATE", "node.fallocate"), kernel: [NO, 1] },
  { ...refused("FDISCARD", "node.fdiscard"), kernel: [NO, 1] },
  { ...served("VFS_UNMOUNT", "fs.unmount"), library: null },
  {
    ...served("VFS_STATVFS", "fs.statvfs"),
    library: null,
    drive: async (kernel) => {
      const { blocks, bfree, files } = await kernel.statvfs();
      expect([blocks, bfree, files]).toEqual([0, 0, 0]);
    },
  },
  { ...served("VFS_SYNC", "fs.sync"), library: null },
  { ...refused("VFS_FHTOVP", "fs.fhtonode"), kernel: [NO, 1], library: null },
  { ...refused("VFS_VPTOFH", "fs.nodetofh"), kernel: [NO, 1], library: null },
  { ...refused("VFS_EXTATTRCTL", "fs.extattrctl"), kernel: [NO, 1] },
  { ...served("VFS_SUSPEND", "fs.suspend"), library: null },
];

const CASES = ABSENT.map((absence) => {
  const { row, lacks } = absence;
  return [`${row} without ${lacks.join(", ") || "an operation"}`, absence] as const;
});

async function ask({ row, lacks, drive }: Absence, flags: number) {
  const served = rig(whole({}, lacks), { puffsFlags: flags });
  const { kernel } = served;
  const file = lacks.includes("node.getattr") ? kernel.root : (await find(kernel, "one")).newnode;
  const before = served.asked();
  const ask = drive ?? (REQUESTS.find((request) => request.row === row) as Request).drive;
  const code = await codeOf(Promise.try(() => ask(kernel, { root: kernel.root, file })));
  return { ...served, code, messages: served.asked() - before };
}

describe.each(CASES)("%s", (_, absence) => {
  test("is what the kernel makes of it by the mount's mask", async () => {
    const { code, messages, reports, faults } = await ask(absence, 0);
    expect([code, messages]).toEqual([...absence.kernel]);
    expect([...reports, ...faults]).toEqual([]);
  });

  test("is what the server answers if it is sent all the same", async () => {
    const { code, messages, kernel, connection, reports, faults } = await ask(
      absence,
      KernelFlags.ALLOPS,
    );
    expect([code, messages]).toEqual([absence.sent, 1]);
    expect([...reports, ...faults]).toEqual([]);
    expect([kernel.waiting, connection.pending.size]).toEqual([0, 0]);
  });
});

test("the answers differ from those of NetBSD's library only for a reason", () => {
  for (const { row, sent, library } of ABSENT)
    if (library) expect([row, sent !== library[0], library[1] !== ""]).toEqual([row, true, true]);
});

test("every row is among those, but LOOKUP, which there must be", () => {
  const rows = OPS.flatMap((row) => row?.name ?? []);
  const known = new Set(ABSENT.map(({ row }) => row));
  expect(rows.filter((row) => !known.has(row))).toEqual(["LOOKUP"]);
  expect([...known].filter((row) => !rows.includes(row))).toEqual([]);
});

describe("one operation for another", () => {
  test("a file is made by mknod where there is no create", async () => {
    const made: unknown[] = [];
    const { kernel } = rig(
      whole(
        {
          "node.mknod": (_: object, name: string, mode: number, device: number) => {
            made.push([name, mode, device]);
            return whole().root;
          },
        },
        ["node.create"],
      ),
    );
    await kernel.create(kernel.root, "a", 0o644, ROOT);
    expect(made).toEqual([["a", 0o100644, 0]]);
  });

  test("a file that mknod(2) asks for by create, and nothing else is", async () => {
    const made: unknown[] = [];
    const { kernel } = rig(
      whole(
        {
          "node.create": (_: object, name: string, mode: number) => {
            made.push([name, mode]);
            return whole().root;
          },
        },
        ["node.mknod"],
      ),
    );
    await kernel.mknod(kernel.root, "a", { type: Vtype.REG, mode: 0o600 }, ROOT);
    const fifo = kernel.mknod(kernel.root, "b", { type: Vtype.FIFO, mode: 0o600 }, ROOT);
    expect(await codeOf(fifo)).toBe(NO);
    expect(made).toEqual([["a", 0o100600]]);
  });
});

test("a file cannot be opened for writing where nothing can be written: EROFS, and nobody is asked", async () => {
  const { kernel, asked } = rig(whole({}, ["node.write"]));
  const { newnode } = await find(kernel, "one");
  const before = asked();
  expect(await codeOf(kernel.open(newnode, 3, ROOT))).toBe("EROFS");
  expect(await codeOf(kernel.open(kernel.root, 2, ROOT))).toBe("OK");
  expect(await codeOf(kernel.open(newnode, 1, ROOT))).toBe("OK");
  expect(asked() - before).toBe(2);
  expect(kernel.has(Vn.WRITE)).toBe(false);
});
