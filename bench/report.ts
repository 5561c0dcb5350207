/** From samples to medians, ratios, a table to read and a file to keep. */
import type { Machine } from "./machine.ts";

/** What was measured of one row: by peer, a sample per round, more is better. */
export interface Samples {
  readonly workload: string;
  readonly row: string;
  readonly clients: number;
  readonly unit: string;
  readonly ours: string;
  readonly other: string;
  /** Least ratio of ours to the other. */
  readonly target: number | undefined;
  readonly samples: Readonly<Record<string, readonly number[]>>;
}

export interface Row extends Samples {
  readonly medians: Readonly<Record<string, number>>;
  /** Of ours to the other: the median of the rounds' ratios, so that what slows a whole round does not count. */
  readonly ratio: number;
  /** Undefined without a target. */
  readonly reached: boolean | undefined;
}

/** A number that is not compared with a peer. */
export interface Figure {
  readonly figure: string;
  readonly value: number;
  readonly unit: string;
  readonly atMost?: number;
  readonly atLeast?: number;
}

/** Cost of one kind of operation by the number of files in the directory, in nanoseconds. */
export interface Curve {
  readonly operation: string;
  readonly points: readonly { readonly files: number; readonly cost: number }[];
}

export interface Report {
  /** ISO 8601. */
  readonly date: string;
  readonly machine: Machine;
  readonly quick: boolean;
  readonly rounds: number;
  readonly rows: readonly Row[];
  readonly curves: readonly Curve[];
  readonly figures: readonly Figure[];
}

/** NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}

/** Median of the ratios of pairs; what has no partner is left out. */
export function ratio(ours: readonly number[], other: readonly number[]): number {
  const pairs = Math.min(ours.length, other.length);
  return median(ours.slice(0, pairs).map((value, round) => value / (other[round] ?? Number.NaN)));
}

export function summarize(samples: Samples): Row {
  const medians = Object.fromEntries(
    Object.entries(samples.samples).map(([peer, values]) => [peer, median(values)]),
  );
  const { ours, other, target } = samples;
  const found = ratio(samples.samples[ours] ?? [], samples.samples[other] ?? []);
  return {
    ...samples,
    medians,
    ratio: found,
    reached: target === undefined ? undefined : found >= target,
  };
}

/** Cost at the last point in terms of the first. NaN without points. */
export function growth({ points }: Curve): number {
  return (points.at(-1)?.cost ?? Number.NaN) / (points[0]?.cost ?? Number.NaN);
}

/** Whether a figure is what it should be; undefined if nothing is asked of it. */
export function reached({ value, atMost, atLeast }: Figure): boolean | undefined {
  if (atMost === undefined && atLeast === undefined) return undefined;
  return value <= (atMost ?? Infinity) && value >= (atLeast ?? -Infinity);
}

/** The whole report as text. */
export function print(report: Report): string {
  const { machine: m } = report;
  const misses =
    report.rows.filter((row) => row.reached === false).length +
    report.figures.filter((figure) => reached(figure) === false).length;
  return [
    `${report.date}, Linux ${m.kernel}, ${m.processors} x ${m.processor}, Bun ${m.bun}`,
    `${report.quick ? "a quick run, not to be quoted: " : ""}medians of at most ${report.rounds} rounds`,
    ...tables(report.rows),
    ...curveTable(report.curves),
    ...figureTable(report.figures),
    "",
    misses === 0 ? "every target is reached" : `targets not reached: ${misses}`,
  ].join("\n");
}

const MISSED = "NOT REACHED";

function tables(rows: readonly Row[]): string[] {
  const groups = Map.groupBy(rows, ({ workload, clients }) => `${workload}, ${plural(clients)}`);
  return [...groups].flatMap(([title, group]) => {
    const peers = Object.keys(group[0]?.medians ?? {});
    const head = ["", "unit", ...peers, `${group[0]?.ours} / ${group[0]?.other}`, "target", ""];
    const lines = group.map((row) => [
      row.row,
      row.unit,
      ...peers.map((peer) => number(row.medians[peer])),
      row.ratio.toFixed(2),
      row.target?.toFixed(2) ?? "",
      row.reached === false ? MISSED : "",
    ]);
    return ["", title, ...align([head, ...lines])];
  });
}

function curveTable(curves: readonly Curve[]): string[] {
  if (curves.length === 0) return [];
  const sizes = curves[0]?.points.map(({ files }) => files.toLocaleString("en")) ?? [];
  const lines = curves.map((curve) => [
    curve.operation,
    "ns",
    ...curve.points.map(({ cost }) => number(cost)),
  ]);
  return [
    "",
    "memfs, cost of an operation by files in the directory",
    ...align([["", "unit", ...sizes], ...lines]),
  ];
}

function figureTable(figures: readonly Figure[]): string[] {
  if (figures.length === 0) return [];
  const lines = figures.map((figure) => [
    figure.figure,
    figure.unit,
    number(figure.value),
    figure.atMost !== undefined ? `<= ${figure.atMost}` : "",
    figure.atLeast !== undefined ? `>= ${figure.atLeast}` : "",
    reached(figure) === false ? MISSED : "",
  ]);
  return ["", "memfs alone", ...align(lines)];
}

/** Three digits at least, none that say nothing. */
export function number(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return "-";
  const size = Math.abs(value);
  if (size >= 100) return Math.round(value).toLocaleString("en");
  return value.toFixed(size >= 10 ? 1 : 2);
}

/** Words to the left, from the third column on numbers to the right. */
function align(lines: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const line of lines) {
    line.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    });
  }
  return lines.map((line) =>
    line
      .map((cell, column) =>
        column < 2 || cell === MISSED
          ? cell.padEnd(widths[column] ?? 0)
          : cell.padStart(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd(),
  );
}

function plural(clients: number): string {
  return clients === 1 ? "1 client" : `${clients} clients`;
}
