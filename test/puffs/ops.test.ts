import { expect, test } from "bun:test";
import { NETBSD } from "../../src/puffs/errno.ts";
import { Vfs, Vn } from "../../src/puffs/flags.ts";
import { OPS, type Row, rowOf } from "../../src/puffs/ops.ts";
import { checkFileSystem } from "../../src/validate.ts";

const ROWS = OPS.filter((row): row is Row => row !== undefined);

test("every request of the kernel has a row, found by its class and number", () => {
  // What sys/fs/puffs sends; the others have numbers only.
  const onNodes = [
    "LOOKUP CREATE MKNOD OPEN CLOSE ACCESS GETATTR SETATTR READ WRITE POLL MMAP FSYNC SEEK REMOVE LINK RENAME MKDIR RMDIR",
    "SYMLINK READDIR READLINK ABORTOP INACTIVE RECLAIM PRINT PATHCONF ADVLOCK GETEXTATTR LISTEXTATTR DELETEEXTATTR",
    "SETEXTATTR FALLOCATE FDISCARD",
  ]
    .join(" ")
    .split(" ") as (keyof typeof Vn)[];
  const onTheWhole = "UNMOUNT STATVFS SYNC FHTOVP VPTOFH EXTATTRCTL SUSPEND".split(
    " ",
  ) as (keyof typeof Vfs)[];
  for (const name of onNodes) expect(rowOf(false, Vn[name])?.name).toBe(name);
  for (const name of onTheWhole) expect(rowOf(true, Vfs[name])?.name).toBe(`VFS_${name}`);
  expect(ROWS.length).toBe(onNodes.length + onTheWhole.length);
});

test("numbers without a row, and beyond all, lead nowhere", () => {
  for (const number of [Vn.LOCK, Vn.BMAP, 49, 63, 64, 65535])
    expect(rowOf(false, number)).toBeUndefined();
  for (const number of [Vfs.MOUNT, 15, 63, 64, 65535]) expect(rowOf(true, number)).toBeUndefined();
});

test("what a row needs are operations that there are", () => {
  const all = (group: "fs" | "node") =>
    Object.fromEntries(
      ROWS.flatMap(({ needs = [], asked = [] }) => [...needs, ...(asked === "never" ? [] : asked)])
        .filter((need) => need.startsWith(`${group}.`))
        .map((need) => [need.slice(group.length + 1), () => undefined]),
    );
  const fileSystem = { root: {}, node: all("node"), fs: all("fs") };
  expect(checkFileSystem(fileSystem, "rows").root).toBe(fileSystem.root);
});

test("names and credentials are where the header of the protocol has them", () => {
  const places = (name: string) => {
    const row = ROWS.find((one) => one.name === name);
    return [row?.names, row?.credential];
  };
  expect(places("LOOKUP")).toEqual([[56], 1104]);
  expect(places("RENAME")).toEqual([[56, 1192], 1104]);
  expect(places("READ")).toEqual([[], 56]);
  expect(places("MMAP")).toEqual([[], 60]);
  expect(places("GETEXTATTR")).toEqual([[], 316]);
  expect(places("INACTIVE")).toEqual([[], 0]);
});

test("what answers in place of an operation is a number that the kernel takes", () => {
  for (const { absent } of ROWS) expect([0, NETBSD.EOPNOTSUPP]).toContain(absent);
});
