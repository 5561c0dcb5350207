import { expect, test } from "bun:test";
import { Statistics } from "../src/statistics.ts";
import { Random } from "./support/random.ts";

const names = [undefined, "LOOKUP", "FORGET"];
names[4096] = "CUSE_INIT";

test("percentiles are within a quarter power of two above those of a sorted list", () => {
  const random = new Random(1);
  for (const count of [1, 2, 3, 99, 100, 101, 5000]) {
    const statistics = new Statistics(names);
    const durations = Array.from({ length: count }, () => 2 ** (1 + random.below(300) / 10));
    for (const duration of durations) statistics.count(1, duration, false);
    durations.sort((a, b) => a - b);
    const [row] = statistics.rows();
    for (const [share, told] of [
      [0.5, row?.p50],
      [0.99, row?.p99],
    ] as const) {
      const exact = durations[Math.ceil(count * share) - 1] as number;
      expect(told).toBeGreaterThanOrEqual(Math.floor(exact));
      expect(told).toBeLessThanOrEqual(exact * 2 ** 0.25 + 1);
    }
  }
});

test("durations that no bucket is made for are counted: none, a day, for ever", () => {
  const statistics = new Statistics(names);
  for (const duration of [0, 0.5, 1, 86_400e9, Number.POSITIVE_INFINITY])
    statistics.count(2, duration, false);
  expect(statistics.rows()).toMatchObject([{ name: "FORGET", count: 5, errors: 0 }]);
});

test("operations are told in the order of their numbers, with failures; what was not asked for is left out", () => {
  const statistics = new Statistics(names);
  statistics.count(4096, 3000, true);
  statistics.count(1, 100, false);
  statistics.count(1, 100, true);
  expect(statistics.served).toBe(3);
  expect(statistics.rows()).toMatchObject([
    { name: "LOOKUP", count: 2, errors: 1 },
    { name: "CUSE_INIT", count: 1, errors: 1 },
  ]);
  const [heading, ...lines] = statistics.lines();
  expect(heading).toMatch(/^operation +count +errors +p50 +p99$/);
  expect(lines[0]).toMatch(/^LOOKUP +2 +1 +\d+ ns +\d+ ns$/);
  expect(lines[1]).toMatch(/^CUSE_INIT +1 +1 +3\.\d us +3\.\d us$/);
  expect(lines.length).toBe(2);
});

test("what was not timed counts, and does not move a percentile", () => {
  const statistics = new Statistics(names);
  statistics.count(1, 1000, false);
  for (let i = 0; i < 100; i++) statistics.count(1, -1, false);
  const [row] = statistics.rows();
  expect(row?.count).toBe(101);
  expect(row?.p50).toBe(row?.p99 as number);
  expect(row?.p50).toBeGreaterThanOrEqual(1000);
});
