/** The report as a picture: a bar for each ratio, a line for each cost by size of directory. */
import { type Curve, number, type Report, type Row } from "./report.ts";

/** SVG, readable without a program of ours. */
export function plot(report: Report): string {
  const bars = barChart(report.rows);
  const lines = lineChart(report.curves);
  const height = MARGIN + bars.height + lines.height;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${height}" fill="white"/>`,
    text(MARGIN, MARGIN - 6, `${report.date}, Linux ${report.machine.kernel}`, "start"),
    `<g transform="translate(0 ${MARGIN})">`,
    ...bars.shapes,
    "</g>",
    `<g transform="translate(0 ${MARGIN + bars.height})">`,
    ...lines.shapes,
    "</g>",
    "</svg>",
    "",
  ].join("\n");
}

interface Chart {
  readonly height: number;
  readonly shapes: readonly string[];
}

const WIDTH = 960;
const MARGIN = 30;
const LABELS = 380;
const BAR = 18;
const GOOD = "#2b7a4b";
const BAD = "#c0392b";
const PLAIN = "#7f8c8d";
const COLOURS = ["#1f77b4", "#d35400", "#2b7a4b", "#8e44ad", "#7f8c8d"] as const;

/** Logarithmic: half as fast is as far to the left of 1 as twice as fast is to the right. */
function barChart(rows: readonly Row[]): Chart {
  const shown = rows.filter(({ ratio }) => Number.isFinite(ratio) && ratio > 0);
  if (shown.length === 0) return { height: 0, shapes: [] };
  const ratios = shown.map(({ ratio }) => ratio);
  const scale = logarithmic(
    Math.min(0.5, ...ratios),
    Math.max(2, ...ratios),
    LABELS + 40,
    WIDTH - 2 * MARGIN - 30,
  );
  const height = (shown.length + 2) * BAR;
  const one = scale(1);
  const shapes = shown.flatMap((row, index) => {
    const top = (index + 1) * BAR;
    const x = scale(row.ratio);
    const colour = row.reached === undefined ? PLAIN : row.reached ? GOOD : BAD;
    const label = `${row.row}, ${row.ours} / ${row.other}, clients: ${row.clients}`;
    const target = row.target === undefined ? [] : [line(scale(row.target), top, BAR, "black")];
    return [
      text(LABELS - 10, top + 13, label, "end"),
      `<rect x="${round(Math.min(x, one))}" y="${top + 2}" width="${round(Math.abs(x - one))}" height="${BAR - 4}" fill="${colour}"/>`,
      ...target,
      text(x >= one ? x + 4 : x - 4, top + 13, number(row.ratio), x >= one ? "start" : "end"),
    ];
  });
  return { height, shapes: [line(one, BAR, height - 2 * BAR, PLAIN), ...shapes] };
}

function lineChart(curves: readonly Curve[]): Chart {
  const points = curves.flatMap((curve) => curve.points);
  if (points.length === 0) return { height: 0, shapes: [] };
  const height = 320;
  const sizes = [...new Set(points.map(({ files }) => files))].sort((a, b) => a - b);
  const most = Math.max(...points.map(({ cost }) => cost)) * 1.1;
  const across = logarithmic(sizes[0] ?? 1, sizes.at(-1) ?? 1, 100, WIDTH - 200);
  const up = (cost: number) => height - 50 - (cost / most) * (height - 80);
  const axis = [
    `<path d="M100 30V${height - 50}H${WIDTH - 200}" fill="none" stroke="${PLAIN}"/>`,
    ...sizes.map((files) => text(across(files), height - 34, files.toLocaleString("en"), "middle")),
    ...[0, most / 2, most].map((cost) => text(94, up(cost) + 4, `${number(cost)} ns`, "end")),
    text((WIDTH - 100) / 2, height - 14, "files in the directory", "middle"),
  ];
  const shapes = curves.flatMap((curve, index) => {
    const colour = COLOURS[index % COLOURS.length] ?? PLAIN;
    const path = curve.points.map(
      ({ files, cost }) => `${round(across(files))},${round(up(cost))}`,
    );
    return [
      `<polyline points="${path.join(" ")}" fill="none" stroke="${colour}" stroke-width="2"/>`,
      `<rect x="${WIDTH - 180}" y="${30 + index * 20}" width="12" height="12" fill="${colour}"/>`,
      text(WIDTH - 162, 41 + index * 20, curve.operation, "start"),
    ];
  });
  return { height, shapes: [...axis, ...shapes] };
}

function logarithmic(least: number, most: number, from: number, to: number) {
  const span = Math.log(most / least) || 1;
  return (value: number) => from + (Math.log(value / least) / span) * (to - from);
}

function line(x: number, top: number, height: number, colour: string): string {
  return `<path d="M${round(x)} ${top}v${height}" stroke="${colour}"/>`;
}

function text(x: number, y: number, words: string, anchor: "start" | "middle" | "end"): string {
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}">${Bun.escapeHTML(words)}</text>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
