import type { Option, Options } from "../plugin.ts";
import { MOUNT_OPTIONS, type MountOption } from "./table.ts";
import { placeholder, showValue } from "./value.ts";

/** Lines of help for a plugin's own options, or for those of every mount: `name=VALUE  what it does (default)`. */
export function helpLines(options: Options): string[] {
  return columns(
    Object.entries(options).map(([name, option]) => [form(name, option), about(option)]),
  );
}

export function mountHelpLines(group: MountOption["for"]): string[] {
  return columns(rows(group).map(([name, row]) => [form(name, row), about(row)]));
}

/** A table in Markdown of a plugin's own options. */
export function markdownTable(options: Options): string {
  return table(Object.entries(options));
}

export function mountMarkdownTable(group: MountOption["for"]): string {
  return table(rows(group));
}

/** Two columns, the first as wide as its longest entry. */
export function columns(lines: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(0, ...lines.map(([first]) => first.length));
  return lines.map(([first, second]) => `${first.padEnd(width)}  ${second}`.trimEnd());
}

function rows(group: MountOption["for"]): [string, MountOption][] {
  return Object.entries<MountOption>(MOUNT_OPTIONS).filter(([, row]) => row.for === group);
}

function table(entries: readonly (readonly [string, Option | MountOption])[]): string {
  const lines = entries.map(
    ([name, option]) => `| \`${form(name, option).replaceAll("|", "\\|")}\` | ${about(option)} |`,
  );
  return ["| option | what it does |", "| --- | --- |", ...lines].join("\n");
}

function form(name: string, option: Option | MountOption): string {
  if (option.type === "boolean") return `[no]${name}`;
  if (option.type === "flag" || option.type === "text") return name;
  return `${name}=${placeholder(option)}`;
}

function about(option: Option | MountOption): string {
  const remarks: string[] = [];
  if ("min" in option && option.min !== undefined && option.min !== 0) {
    remarks.push(`at least ${showValue(option, option.min)}`);
  }
  if ("max" in option && option.max !== undefined) {
    remarks.push(`at most ${showValue(option, option.max)}`);
  }
  if ("required" in option && option.required) remarks.push("required");
  if ("default" in option && option.default !== undefined && option.default !== false) {
    remarks.push(`default ${showValue(option, option.default)}`);
  }
  return remarks.length === 0
    ? option.description
    : `${option.description} (${remarks.join(", ")})`;
}
