import { type Failure, usageFailure } from "../failure.ts";
import { nearest, suggestion } from "../nearest.ts";
import type { Option } from "../plugin.ts";
import type { MountOption } from "./table.ts";

type AnyOption = Option | MountOption;

/**
 * The value of `name=text` (or of `name` alone: text is undefined) as its definition types it. A Failure names the option
 * and says what it takes.
 */
export function readValue(
  name: string,
  option: AnyOption,
  text: string | undefined,
): string | number | boolean {
  if (option.type === "boolean" || option.type === "flag") {
    if (text !== undefined) throw usageFailure(`option ${name} takes no value, not ${quote(text)}`);
    return true;
  }
  if (option.type === "text") return true;
  if (text === undefined || (text === "" && option.type !== "string")) {
    throw usageFailure(`option ${name} needs a value: ${name}=${placeholder(option)}`);
  }
  switch (option.type) {
    case "string":
      return text;
    case "choice": {
      if (option.choices.includes(text)) return text;
      const meant = nearest(text, option.choices);
      const hint = meant === undefined ? "" : `; did you mean ${meant}?`;
      throw wrong(name, text, `one of ${option.choices.join(", ")}${hint}`);
    }
    case "words":
      for (const word of text.split("+")) {
        if (option.words.includes(word)) continue;
        const hint = suggestion(word, option.words, `there are ${option.words.join(", ")}`);
        throw wrong(name, text, `words joined by "+"; ${hint}`);
      }
      return text;
    case "mode":
      if (!/^0?[0-7]{1,4}$/.test(text)) throw wrong(name, text, "octal permissions, 0 to 7777");
      return Number.parseInt(text, 8);
    case "seconds":
      if (!/^(\d+(\.\d*)?|\.\d+)$/.test(text)) {
        throw wrong(name, text, "a number of seconds, such as 1 or 0.5");
      }
      return within(name, text, Number(text), { min: 0, max: 2 ** 32 });
    case "integer":
      if (!/^[+-]?\d+$/.test(text)) throw wrong(name, text, "a whole number");
      return within(name, text, Number(text), option);
    case "size":
      return within(name, text, sizeOf(name, text, option), { min: 0, ...option });
  }
}

/** What stands for the value in help and messages. */
export function placeholder(option: AnyOption): string {
  if (option.type === "words") return "FLAG[+FLAG...]";
  return option.type === "choice" ? option.choices.join("|") : option.type.toUpperCase();
}

/** A value as it would be given on the command line: for showing defaults. */
export function showValue(option: AnyOption, value: unknown): string {
  if (option.type === "mode" && typeof value === "number")
    return value.toString(8).padStart(4, "0");
  if (option.type === "size" && typeof value === "number") {
    const units = ["", "k", "m", "g", "t"];
    let [count, unit] = [value, 0];
    while (count > 0 && count % 1024 === 0 && unit < units.length - 1) {
      count /= 1024;
      unit++;
    }
    return `${count}${units[unit]}`;
  }
  return String(value);
}

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  k: 2 ** 10,
  m: 2 ** 20,
  g: 2 ** 30,
  t: 2 ** 40,
};

function sizeOf(name: string, text: string, option: { percentOf?: () => number }): number {
  const { percentOf } = option;
  const percent = /^(\d+)%$/.exec(text);
  if (percent !== null && percentOf !== undefined) {
    return Math.floor((percentOf() * Number(percent[1])) / 100);
  }
  const match = /^(\d+)([kmgt]?)$/i.exec(text);
  if (match === null) {
    const percentage = percentOf === undefined ? "" : ", or a percentage such as 50%";
    throw wrong(name, text, `a number with an optional k, m, g or t, such as 64m${percentage}`);
  }
  return Number(match[1]) * (UNITS[(match[2] ?? "").toLowerCase()] ?? 1);
}

function within(
  name: string,
  text: string,
  value: number,
  { min, max }: { min?: number | undefined; max?: number | undefined },
): number {
  const least = min ?? Number.MIN_SAFE_INTEGER;
  const most = max ?? Number.MAX_SAFE_INTEGER;
  if (value >= least && value <= most) return value;
  throw wrong(name, text, value < least ? `at least ${least}` : `at most ${most}`);
}

function wrong(name: string, text: string, wanted: string): Failure {
  return usageFailure(`option ${name} cannot be ${quote(text)}: it takes ${wanted}`);
}

function quote(text: string): string {
  return JSON.stringify(text);
}
