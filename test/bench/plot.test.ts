import { expect, test } from "bun:test";
import { plot } from "../../bench/plot.ts";
import { type Report, summarize } from "../../bench/report.ts";

function row(name: string, ours: number, target?: number) {
  return summarize({
    workload: "w",
    row: name,
    clients: 1,
    unit: "ops/s",
    ours: "a",
    other: "b",
    target,
    samples: { a: [ours], b: [100] },
  });
}

const report: Report = {
  date: "2031-02-03",
  machine: { kernel: "6.99", processor: "Zilog", processors: 2, memory: 4e9, bun: "1.4.5" },
  quick: false,
  rounds: 1,
  rows: [row("fast", 200, 1), row("slow", 50, 1), row("x < y & z", 100)],
  curves: [
    {
      operation: "stat",
      points: [
        { files: 1000, cost: 4000 },
        { files: 1_000_000, cost: 8000 },
      ],
    },
  ],
  figures: [],
};

/** The attributes of every element of a name, as they are written. */
function elements(svg: string, name: string): Record<string, string>[] {
  return [...svg.matchAll(new RegExp(`<${name} ([^>]*?)/?>`, "g"))].map(([, attributes = ""]) =>
    Object.fromEntries(
      [...attributes.matchAll(/([\w-]+)="([^"]*)"/g)].map(([, key, value]) => [key, value]),
    ),
  );
}

test("twice as fast is as long a bar as half as fast, to the other side", () => {
  const [, fast, slow, same] = elements(plot(report), "rect");
  expect(fast?.width).toBe(slow?.width as string);
  expect(Number(fast?.width)).toBeGreaterThan(50);
  expect(Number(slow?.x) + Number(slow?.width)).toBeCloseTo(Number(fast?.x), 0);
  expect(Number(same?.width)).toBe(0);
  expect(new Set([fast?.fill, slow?.fill, same?.fill]).size).toBe(3);
});

test("twice the cost is twice as high", () => {
  const svg = plot(report);
  const [, , , bottom] = elements(svg, "path").at(-1)?.d?.match(/\d+/g) ?? [];
  expect(bottom).toBeDefined();
  const axis = /M100 30V(\d+)H/.exec(svg)?.[1];
  const [first, last] = (elements(svg, "polyline")[0]?.points ?? "")
    .split(" ")
    .map((point) => Number(axis) - Number(point.split(",")[1]));
  expect((last as number) / (first as number)).toBeCloseTo(2, 1);
});

test("labels are escaped, and nothing is not a number", () => {
  const svg = plot(report);
  expect(svg).toContain("x &lt; y &amp; z");
  expect(svg).not.toMatch(/NaN|Infinity|undefined/);
  expect(elements(svg, "svg")[0]?.xmlns).toBe("http://www.w3.org/2000/svg");
});

test("without rows and curves it is still a picture", () => {
  const svg = plot({ ...report, rows: [], curves: [] });
  expect(svg).toStartWith("<svg ");
  expect(svg).not.toMatch(/NaN|Infinity|undefined/);
});

test("a row that could not be measured has no bar", () => {
  const broken = { ...row("broken", 1), ratio: Number.NaN };
  expect(plot({ ...report, rows: [broken, ...report.rows] })).toBe(plot(report));
});
