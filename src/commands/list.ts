import { defineCommand } from "citty";
import { exitCodes } from "../failure.ts";
import { getopt } from "../getopt.ts";
import { type ListedMount, listMounts } from "../registry.ts";
import { flagsOf } from "./flags.ts";

const ARGS = {
  json: { type: "boolean", description: "as JSON, for programs" },
} as const;

export const listCommand = defineCommand({
  meta: { name: "list", description: "the live mounts of this program" },
  args: ARGS,
  run: ({ rawArgs }) => {
    const given = getopt(rawArgs, flagsOf(ARGS));
    const mounts = listMounts();
    const text = given.count("json") > 0 ? JSON.stringify(mounts, undefined, 2) : table(mounts);
    process.stdout.write(`${text}\n`);
    return exitCodes.ok;
  },
});

function table(mounts: readonly ListedMount[]): string {
  if (mounts.length === 0) return "nothing is mounted";
  const rows = [
    ["DIRECTORY", "PLUGIN", "PID", "SINCE", "REQUESTS"],
    ...mounts.map(({ directory, plugin, pid, since, served }) => [
      printable(directory),
      plugin,
      String(pid),
      localTime(since),
      String(served),
    ]),
  ];
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** A line stays a line whatever the directory is called. */
function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not reach the terminal
  return text.replace(/[\u0000-\u001f\u007f]/g, (character) =>
    JSON.stringify(character).slice(1, -1),
  );
}

function localTime(milliseconds: number): string {
  const time = new Date(milliseconds);
  const two = (value: number) => String(value).padStart(2, "0");
  const date = [time.getFullYear(), two(time.getMonth() + 1), two(time.getDate())].join("-");
  return `${date} ${[time.getHours(), time.getMinutes(), time.getSeconds()].map(two).join(":")}`;
}
