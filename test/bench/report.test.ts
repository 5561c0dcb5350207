import { expect, test } from "bun:test";
import {
  type Figure,
  growth,
  median,
  number,
  print,
  type Report,
  ratio,
  reached,
  type Samples,
  summarize,
} from "../../bench/report.ts";

const samples: Samples = {
  workload: "memfs, names",
  row: "unlink",
  clients: 4,
  unit: "ops/s",
  ours: "memfs",
  other: "passthrough_ll",
  target: 1,
  // The machine was at half its speed in the second round.
  samples: { memfs: [30_000, 15_000, 33_000], passthrough_ll: [20_000, 10_000, 30_000] },
};

const report: Report = {
  date: "2031-02-03T04:05:06.789Z",
  machine: { kernel: "6.99", processor: "Zilog", processors: 2, memory: 4e9, bun: "1.4.5" },
  quick: false,
  rounds: 3,
  rows: [summarize(samples)],
  curves: [
    {
      operation: "stat",
      points: [
        { files: 1000, cost: 4000 },
        { files: 10_000, cost: 5000 },
      ],
    },
  ],
  figures: [{ figure: "idle", value: 20, unit: "ms", atMost: 0 }],
};

test("the median is the middle, or between the two in the middle, in whatever order", () => {
  expect(median([9, 1, 5])).toBe(5);
  expect(median([10, 1, 2, 100])).toBe(6);
  expect(median([7])).toBe(7);
  expect(median([])).toBeNaN();
});

test("ratios are taken round by round", () => {
  expect(ratio([30, 15, 33], [20, 10, 30])).toBe(1.5);
  expect(ratio([4, 6], [2])).toBe(2);
  expect(ratio([], [])).toBeNaN();
});

test("a row has the medians of its peers, and knows whether it is good enough", () => {
  const row = summarize(samples);
  expect(row.medians).toEqual({ memfs: 30_000, passthrough_ll: 20_000 });
  expect(row.ratio).toBe(1.5);
  expect(row.reached).toBe(true);
  expect(summarize({ ...samples, target: 1.6 }).reached).toBe(false);
  expect(summarize({ ...samples, target: undefined }).reached).toBeUndefined();
});

test("a row that could not be measured is not good enough", () => {
  expect(summarize({ ...samples, samples: { memfs: [1], passthrough_ll: [] } }).reached).toBe(
    false,
  );
});

test("a figure is good enough within its limits", () => {
  const figure: Figure = { figure: "x", value: 5, unit: "ms" };
  expect(reached(figure)).toBeUndefined();
  expect(reached({ ...figure, atMost: 5 })).toBe(true);
  expect(reached({ ...figure, atMost: 4 })).toBe(false);
  expect(reached({ ...figure, atLeast: 6 })).toBe(false);
  expect(reached({ ...figure, value: Number.NaN, atMost: 5 })).toBe(false);
});

test("growth is from the smallest directory to the largest", () => {
  expect(growth(report.curves[0] as Report["curves"][number])).toBe(1.25);
  expect(growth({ operation: "stat", points: [] })).toBeNaN();
});

test("numbers have the digits that say something", () => {
  expect([1234567, 123.4, 12.34, 1.234, 0, Number.NaN].map(number)).toEqual([
    "1,234,567",
    "123",
    "12.3",
    "1.23",
    "0.00",
    "-",
  ]);
});

test("what is printed has each peer in a column, and says what is not reached", () => {
  const lines = print(report).split("\n");
  const line = (start: string) => lines.find((line) => line.startsWith(start))?.split(/ {2,}/);
  expect(lines).toContain("memfs, names, 4 clients");
  expect(line("unlink")).toEqual(["unlink", "ops/s", "30,000", "20,000", "1.50", "1.00"]);
  expect(line("stat")).toEqual(["stat", "ns", "4,000", "5,000"]);
  expect(line("idle")).toEqual(["idle", "ms", "20.0", "<= 0", "NOT REACHED"]);
  expect(lines.at(-1)).toBe("targets not reached: 1");
});

test("a run without misses says so; a quick one, that it is no reference", () => {
  const text = print({ ...report, quick: true, figures: [] });
  expect(text).toEndWith("every target is reached");
  expect(text).toContain("quick run, not to be quoted");
});
