import { expect, test } from "bun:test";
import { Pool } from "../../../plugins/memfs/pool.ts";
import { Random } from "../../support/random.ts";

/** Block numbers that mean something else. */
const SPECIAL = 2;
const MiB = 2 ** 20;

test("blocks never overlap, hold what was asked for, and are zero where it was asked", () => {
  const seed = Date.now() % 2 ** 31;
  const random = new Random(seed);
  const pool = new Pool();
  const live = new Map<number, { size: number; mark: number }>();
  for (let step = 0; step < 6000; step++) {
    if (random.below(100) < 55) {
      const size = 1 + random.below(4096);
      const start = random.below(size);
      const end = start + random.below(size - start + 1);
      const block = pool.allocate(size, start, end);
      expect(block).toBeGreaterThanOrEqual(SPECIAL);
      expect(live.has(block)).toBe(false);
      const slab = pool.slab(block);
      const at = slab.at(block);
      expect(slab.unit).toBeGreaterThanOrEqual(size);
      expect(slab.unit - size).toBeLessThan(64);
      const outside = [
        slab.bytes.subarray(at, at + start),
        slab.bytes.subarray(at + end, at + slab.unit),
      ];
      expect({
        seed,
        step,
        zero: outside.every((part) => part.every((byte) => byte === 0)),
      }).toEqual({
        seed,
        step,
        zero: true,
      });
      const mark = 1 + random.below(255);
      slab.bytes.fill(mark, at, at + slab.unit);
      live.set(block, { size: slab.unit, mark });
    } else if (live.size > 0) {
      const block = random.pick([...live.keys()].slice(0, 50));
      const { size, mark } = live.get(block) as { size: number; mark: number };
      const slab = pool.slab(block);
      const at = slab.at(block);
      const whole = slab.bytes.subarray(at, at + size).every((byte) => byte === mark);
      expect({ seed, step, whole }).toEqual({ seed, step, whole: true });
      live.delete(block);
      pool.free(block);
    }
  }
});

test("pages taken in turn lie beside each other, also in memory used before", () => {
  const pool = new Pool();
  for (let round = 0; round < 3; round++) {
    const pages = Array.from({ length: 256 }, () => pool.allocate(4096, 0, 4096));
    const first = pages[0] as number;
    expect(pages).toEqual(Array.from({ length: 256 }, (_, i) => first + i));
    for (const page of pages) pool.free(page);
  }
  expect(pool.held).toBe(MiB);
});

test("all slabs but a few go back once they are empty", () => {
  const pool = new Pool();
  const pages = Array.from({ length: 100 * 256 }, () => pool.allocate(4096, 0, 4096));
  expect(pool.held).toBe(100 * MiB);
  for (let i = 0; i < pages.length; i += 2) pool.free(pages[i] as number);
  expect(pool.held).toBe(100 * MiB);
  // The freed half is used again before anything new is taken.
  for (let i = 0; i < pages.length; i += 2) pages[i] = pool.allocate(4096, 0, 4096);
  expect(pool.held).toBe(100 * MiB);
  expect(new Set(pages).size).toBe(pages.length);
  for (const page of pages) pool.free(page);
  expect(pool.held).toBe(32 * MiB);
});

test("a small file system stays small, a big one is had from the system in larger pieces", () => {
  const pool = new Pool();
  for (let page = 0; page < 8 * 256; page++) pool.allocate(4096, 0, 4096);
  expect(pool.held).toBe(8 * MiB);
  pool.allocate(4096, 0, 4096);
  expect(pool.held).toBe(10 * MiB);
  // What is not whole pages never needs two mebibytes.
  pool.allocate(64, 0, 64);
  expect(pool.held).toBe(11 * MiB);
});

test("memory that is kept serves files of any size", () => {
  const pool = new Pool();
  const fill = (size: number) =>
    Array.from({ length: (16 * MiB) / size }, () => pool.allocate(size, 0, size));
  for (const block of fill(1024)) pool.free(block);
  expect(pool.held).toBe(16 * MiB);
  const pages = fill(4096);
  expect(pool.held).toBe(16 * MiB);
  for (const page of pages) pool.free(page);
  expect(pool.held).toBe(16 * MiB);
});

test("pages of either kind of memory hold what is written to them, to their last byte", () => {
  const pool = new Pool();
  const pages = Array.from({ length: 12 * 256 }, () => pool.allocate(4096, 0, 4096));
  const bytesOf = (page: number) => {
    const slab = pool.slab(page);
    return slab.bytes.subarray(slab.at(page), slab.at(page) + 4096);
  };
  for (const [index, page] of pages.entries()) bytesOf(page).fill(index % 251);
  const wrong = pages.filter((page, index) => bytesOf(page).some((byte) => byte !== index % 251));
  expect(wrong).toEqual([]);
});
