import { DIRECTORY, FILE } from "./everything.ts";

/* Answers that an operation must not give, and ways of failing, whichever door asks. */

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

/** Ways of failing: what is answered to each, and how many reports there are. */
export const FAILURES: readonly (readonly [
  way: string,
  fails: () => unknown,
  code: "EIO" | "EACCES",
  reports: number,
])[] = [
  ["an Error", () => fail(new TypeError("bug")), "EIO", 1],
  ["null", () => fail(null), "EIO", 1],
  ["undefined", () => fail(undefined), "EIO", 1],
  ["a string", () => fail("EACCES"), "EIO", 1],
  ["a number", () => fail(13), "EIO", 1],
  ["an unknown code", () => fail({ code: "EWRONG" }), "EIO", 1],
  ["a code that is no text", () => fail({ code: 13 }), "EIO", 1],
  ["a getter that throws", () => fail(trap("code")), "EIO", 1],
  ["a code", () => fail({ code: "EACCES" }), "EACCES", 0],
  ["an Error with a code", () => fail(Object.assign(new Error(), { code: "EACCES" })), "EACCES", 0],
  ["a rejection", () => Promise.reject(new TypeError("bug")), "EIO", 1],
  ["a rejection with null", () => Promise.reject(null), "EIO", 1],
  ["a rejection with a trap", () => Promise.reject(trap("code")), "EIO", 1],
  ["a rejection with a code", () => Promise.reject({ code: "EACCES" }), "EACCES", 0],
  ["an answer whose then throws", () => trap("then"), "EIO", 1],
  ["a thenable that throws", () => thenable(() => fail(new Error("bug"))), "EIO", 1],
  ["one that rejects twice", () => thenable((_, no) => [no(1), no(2)]), "EIO", 1],
];

/** Listings that fail. */
export const LISTINGS: readonly (readonly [string, () => unknown])[] = [
  ["at the first entry", () => broken(0, false)],
  ["in the middle, with cookies", () => broken(2, true)],
  ["in the middle, without", () => broken(2, false)],
  ["in the middle of a late one", () => brokenLate(2, true)],
  ["in the middle of a late one without cookies", () => brokenLate(2, false)],
  ["at its iterator", () => ({ [Symbol.iterator]: () => fail(new Error("bug")) })],
  ["at an entry's getter", () => [trap("name")]],
];

type Settle = (value: unknown) => void;

/** What may be answered like a promise, and is none. */
export function thenable(then: (yes: Settle, no: Settle) => unknown): object {
  return { then };
}

export function fail(thrown: unknown): never {
  throw thrown;
}

/** An object with a getter that throws. */
function trap(name: string): object {
  return Object.defineProperty({}, name, {
    get: () => fail(new Error("bug")),
    enumerable: true,
  });
}

function* broken(after: number, cookies: boolean) {
  for (let i = 1; i <= after; i++)
    yield { name: `n${i}`, node: { ...DIRECTORY }, ...(cookies && { cookie: i }) };
  fail(new Error("bug"));
}

async function* brokenLate(after: number, cookies: boolean) {
  yield* broken(after, cookies);
}
