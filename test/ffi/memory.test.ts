import { ptr } from "bun:ffi";
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { allocateHugePage, freeHugePage, HUGE_PAGE } from "../../ffi/memory.ts";

/** Bytes of this process that lie in memory. */
function resident(): number {
  const text = readFileSync("/proc/self/smaps_rollup", "utf8");
  return Number(/^Pss_Anon:\s+(\d+) kB/m.exec(text)?.[1]) * 1024;
}

test("a huge page begins on a multiple of its size and is all zeros", () => {
  const page = allocateHugePage();
  expect(page.byteLength).toBe(HUGE_PAGE);
  expect(ptr(page) % HUGE_PAGE).toBe(0);
  expect(new Uint8Array(page).every((byte) => byte === 0)).toBe(true);
  freeHugePage(page);
});

test("no two overlap, however many there are", () => {
  const pages = Array.from({ length: 70 }, allocateHugePage);
  const addresses = pages.map((page) => ptr(page) as number);
  expect(new Set(addresses).size).toBe(70);
  expect(addresses.every((address) => address % HUGE_PAGE === 0)).toBe(true);
  for (const [index, page] of pages.entries()) new Uint8Array(page).set([index], HUGE_PAGE - 1);
  expect(pages.map((page) => new Uint8Array(page)[HUGE_PAGE - 1])).toEqual(
    Array.from({ length: 70 }, (_, index) => index),
  );
  for (const page of pages) freeHugePage(page);
});

test("what is given back is the system's at once, and whoever looks at it sees nothing", () => {
  const pages = Array.from({ length: 64 }, allocateHugePage);
  const views = pages.map((page) => new Uint8Array(page).fill(7));
  const [kept, ...given] = pages as [ArrayBuffer, ...ArrayBuffer[]];
  const full = resident();
  for (const page of given) freeHugePage(page);
  // The runtime's own memory may have grown or shrunk meanwhile.
  expect(full - resident()).toBeGreaterThan(50 * HUGE_PAGE);
  expect([given[0]?.byteLength, views[1]?.length, views[1]?.[0]]).toEqual([0, 0, undefined]);
  expect(views[0]?.every((byte) => byte === 7)).toBe(true);
  freeHugePage(kept);
});

test("memory that was used before is zeros again", () => {
  const page = allocateHugePage();
  const address = ptr(page);
  new Uint8Array(page).fill(9);
  freeHugePage(page);
  const again = allocateHugePage();
  expect(ptr(again)).toBe(address);
  expect(new Uint8Array(again).every((byte) => byte === 0)).toBe(true);
  freeHugePage(again);
});

test("only a huge page can be given back, and only once", () => {
  const page = allocateHugePage();
  freeHugePage(page);
  expect(() => freeHugePage(page)).toThrow(TypeError);
  expect(() => freeHugePage(new ArrayBuffer(HUGE_PAGE))).toThrow(TypeError);
});

test("what is dropped comes back, and not while anything looks at it", async () => {
  const kept = new Uint8Array(allocateHugePage(), 4096, 100).fill(5);
  const address = ptr(kept) - 4096;
  const dropped = new Set<number>();
  (() => {
    for (let i = 0; i < 40; i++) dropped.add(ptr(allocateHugePage()));
  })();
  const later: ArrayBuffer[] = [];
  for (let turn = 0; turn < 20 && !later.some((page) => dropped.has(ptr(page))); turn++) {
    Bun.gc(true);
    await Bun.sleep(5);
    later.push(allocateHugePage());
  }
  expect(later.some((page) => dropped.has(ptr(page)))).toBe(true);
  expect(later.every((page) => ptr(page) !== address)).toBe(true);
  expect(kept.every((byte) => byte === 5)).toBe(true);
  for (const page of later) freeHugePage(page);
});
