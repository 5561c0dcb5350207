import { expect, test } from "bun:test";
import { monotonic, now } from "../../ffi/clock.ts";

test("now is the time of day, between two readings of Date", () => {
  const before = Date.now();
  const { sec, nsec } = now();
  const after = Date.now();
  expect(Number.isInteger(sec) && Number.isInteger(nsec)).toBe(true);
  expect(nsec).toBeWithin(0, 1_000_000_000);
  const milliseconds = sec * 1000 + Math.floor(nsec / 1e6);
  expect(milliseconds).toBeGreaterThanOrEqual(before);
  expect(milliseconds).toBeLessThanOrEqual(after);
});

test("every time is an object of its own", () => {
  const first = now();
  const copy = { ...first };
  while (now().nsec === first.nsec);
  expect(first).toEqual(copy);
});

test("monotonic is a number that never goes back", () => {
  let last = monotonic();
  for (let i = 0; i < 1000; i++) {
    const next = monotonic();
    expect(next).toBeGreaterThanOrEqual(last);
    last = next;
  }
});
