import { afterAll, expect, test } from "bun:test";
import { lstatSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeNode, setTimes } from "../../ffi/node.ts";

const directory = mkdtempSync(join(tmpdir(), "puffs-node-"));
afterAll(() => rmSync(directory, { recursive: true }));

const path = (name: string) => join(directory, name);
const bytes = (name: string) => new TextEncoder().encode(`${path(name)}\0`);
const big = { bigint: true } as const;

test("a FIFO is made, once", () => {
  makeNode(bytes("fifo"), 0o010600, 0);
  expect(statSync(path("fifo")).isFIFO()).toBe(true);
  expect(() => makeNode(bytes("fifo"), 0o010600, 0)).toThrow(
    expect.objectContaining({ code: "EEXIST", syscall: "mknod" }),
  );
});

test("times are set to the nanosecond, one by one, before 1970 too", () => {
  writeFileSync(path("file"), "");
  setTimes(bytes("file"), { sec: 1, nsec: 123456789 }, { sec: -2, nsec: 5 }, false);
  setTimes(bytes("file"), undefined, undefined, false);
  const both = statSync(path("file"), big);
  expect([both.atimeNs, both.mtimeNs]).toEqual([1_123456789n, -1_999999995n]);
  setTimes(bytes("file"), undefined, { sec: 7, nsec: 8 }, false);
  const one = statSync(path("file"), big);
  expect([one.atimeNs, one.mtimeNs]).toEqual([1_123456789n, 7_000000008n]);
});

test("a symbolic link is followed or not", () => {
  writeFileSync(path("target"), "");
  symlinkSync(path("target"), path("link"));
  setTimes(bytes("link"), undefined, { sec: 11, nsec: 0 }, false);
  setTimes(bytes("link"), undefined, { sec: 22, nsec: 0 }, true);
  expect(lstatSync(path("link"), big).mtimeNs).toBe(11_000000000n);
  expect(statSync(path("target"), big).mtimeNs).toBe(22_000000000n);
});
