import { FILE } from "./everything.ts";

/* Answers that an operation must not give, whichever door asks. */

/** Not a number that counts bytes, nor one of an operation's other answers. */
export const NO_COUNT = [
  -1,
  1.5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  2 ** 53,
  "2",
  null,
  {},
  2n,
  true,
];
export const NO_NODE = [undefined, "node", 7, true, () => {}, Symbol("node"), 0];
const NO_TIME = [undefined, null, 5, {}, { sec: 1.5, nsec: 0 }, { sec: 0, nsec: 1e9 }];
export const NO_LISTING = [undefined, null, 7, {}, [null], [{}], [{ name: 7 }], [undefined], [7]];
export const NO_NAME = [
  "",
  "a/b",
  "/",
  "nul\0",
  ".",
  "..",
  "x".repeat(256),
  "é".repeat(128),
  "\ud800",
];

export const NO_ATTRIBUTES = [
  undefined,
  null,
  5,
  "attributes",
  {},
  ...[-1, 1.5, Number.NaN, 2 ** 53, "5", 5n].map((size) => ({ ...FILE, size })),
  ...[0, -1, 0o644, 0o030000, 0o2100644, Number.NaN].map((mode) => ({ ...FILE, mode })),
  ...[-1, 2 ** 32, 0.5].flatMap((n) => [
    { ...FILE, nlink: n },
    { ...FILE, uid: n },
    { ...FILE, gid: n },
    { ...FILE, rdev: n },
    { ...FILE, blksize: n },
  ]),
  ...[0, -1, 2 ** 53].map((ino) => ({ ...FILE, ino })),
  ...[-1, 0.5].map((blocks) => ({ ...FILE, blocks })),
  ...NO_TIME.flatMap((time) => [
    { ...FILE, atime: time },
    { ...FILE, mtime: time },
    { ...FILE, ctime: time },
  ]),
];

const RIGHT = { frsize: 4096, blocks: 9, bfree: 8, bavail: 7, files: 6, ffree: 5 };
export const NO_STATISTICS = [-1, 0.5, Number.NaN, 2 ** 53, "9"].flatMap((n) => [
  { ...RIGHT, blocks: n },
  { ...RIGHT, frsize: n },
  { ...RIGHT, namemax: n },
]);

const LOCK = { type: "read", start: 0, end: 9, pid: 1 };
export const NO_LOCK = [
  ...[null, 5, "read", { type: "read" }, { ...LOCK, type: "toString" }],
  ...[-1, 0.5, Number.NaN].map((start) => ({ ...LOCK, start })),
  ...[-1, 0.5, Number.NaN].map((end) => ({ ...LOCK, end })),
];
