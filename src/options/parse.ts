import { usageFailure } from "../failure.ts";
import { suggestion } from "../nearest.ts";
import type { Options } from "../plugin.ts";
import {
  COMMENT_PREFIXES,
  DEFAULT_FLAGS,
  MOUNT_OPTIONS,
  type MountOption,
  type MountValues,
  REFUSED,
} from "./table.ts";
import { readValue } from "./value.ts";

/** All options of one mount, read and checked. */
export interface ParsedOptions {
  /** The flags of mount(2). */
  readonly flags: number;
  readonly mount: MountValues;
  /** What the plugin's `start` gets: its own options, defaults filled in. */
  readonly plugin: Readonly<Record<string, unknown>>;
}

export interface Manner {
  /** Unknown options are passed over (mount(8)'s -s). */
  readonly sloppy?: boolean;
  /** Of two that contradict each other the later holds, as mount(8) adds the command line's to fstab's; else refused. */
  readonly lastWins?: boolean;
}

/** Read the values of all `-o`, in order, for a plugin with these options. A Failure names the first wrong one. */
export function parseOptions(
  lists: readonly string[],
  own: Options = {},
  { sloppy = false, lastWins = false }: Manner = {},
): ParsedOptions {
  const given = new Map<string, Given>();
  for (const { name, text } of lists.flatMap(splitOptions)) {
    const option = find(name, own);
    if (option === undefined) {
      if (sloppy) continue;
      throw unknown(name, own);
    }
    const value = option.negated && text === undefined ? false : readValue(name, option.row, text);
    for (const [other, before] of given) {
      if (!contradict(name, option.key, value, other, before)) continue;
      if (!lastWins) throw contradiction(name, text, before);
      given.delete(other);
    }
    given.set(option.key, { name, text, value });
  }

  let flags = DEFAULT_FLAGS;
  const mount: Record<string, unknown> = {};
  const plugin: Record<string, unknown> = {};
  for (const [name, option] of Object.entries(own)) {
    const fallback = option.default ?? (option.type === "boolean" ? false : undefined);
    plugin[name] = given.get(name)?.value ?? fallback;
    if (option.required && plugin[name] === undefined) {
      throw usageFailure(`option ${name} is required: -o ${name}=... (${option.description})`);
    }
  }
  for (const [name, row] of Object.entries<MountOption>(MOUNT_OPTIONS)) {
    const value = given.get(name)?.value ?? ("default" in row ? row.default : undefined);
    if (value === undefined || Object.hasOwn(own, name)) continue;
    flags = (flags | (row.sets ?? 0)) & ~(row.clears ?? 0);
    if (row.for === "fuse" || row.for === "session") mount[name] = value;
  }
  return { flags, mount: mount as MountValues, plugin };
}

/**
 * The `name` and `name=text` of one `-o`, which commas separate. A backslash takes the next character as it is, so that a
 * value may hold commas: `-o source=a\,b`.
 */
export function splitOptions(list: string): { name: string; text: string | undefined }[] {
  const parts: { name: string; text: string | undefined }[] = [];
  let name = "";
  let text: string | undefined;
  const add = (character: string) => {
    if (text === undefined) name += character;
    else text += character;
  };
  const end = () => {
    if (name !== "" || text !== undefined) parts.push({ name, text });
    name = "";
    text = undefined;
  };
  for (let index = 0; index < list.length; index++) {
    const character = list[index] ?? "";
    if (character === "\\" && index + 1 < list.length) add(list[++index] ?? "");
    else if (character === ",") end();
    else if (character === "=" && text === undefined) text = "";
    else add(character);
  }
  end();
  return parts;
}

interface Given {
  /** As the user wrote it. */
  readonly name: string;
  readonly text: string | undefined;
  readonly value: string | number | boolean;
}

/** The row of a name; `key` is what its value is kept under, `negated` that it is the `no` form of a plugin's boolean. */
function find(name: string, own: Options) {
  const option = Object.hasOwn(own, name) ? own[name] : undefined;
  if (option !== undefined) return { key: name, row: option, negated: false };
  if (Object.hasOwn(MOUNT_OPTIONS, name)) {
    return { key: name, row: rowOf(name), negated: false };
  }
  const positive = name.startsWith("no") ? name.slice(2) : "";
  const boolean = Object.hasOwn(own, positive) ? own[positive] : undefined;
  if (boolean?.type === "boolean") return { key: positive, row: boolean, negated: true };
  if (COMMENT_PREFIXES.some((prefix) => name.startsWith(prefix))) {
    return { key: name, row: MOUNT_OPTIONS.comment, negated: false };
  }
  return undefined;
}

function rowOf(name: string): MountOption {
  return (MOUNT_OPTIONS as Readonly<Record<string, MountOption>>)[name] ?? MOUNT_OPTIONS.comment;
}

function contradict(
  name: string,
  key: string,
  value: unknown,
  otherKey: string,
  other: Given,
): boolean {
  if (key === otherKey) return other.value !== value;
  return (
    (rowOf(name).against?.includes(other.name) || rowOf(other.name).against?.includes(name)) ??
    false
  );
}

function contradiction(name: string, text: string | undefined, before: Given) {
  const show = (word: string, value: string | undefined) =>
    value === undefined ? word : `${word}=${value}`;
  return usageFailure(
    `options ${show(before.name, before.text)} and ${show(name, text)} contradict each other; leave one out`,
  );
}

function unknown(name: string, own: Options) {
  if (Object.hasOwn(REFUSED, name)) return usageFailure(`option ${name}: ${REFUSED[name]}`);
  const known = [
    ...Object.keys(own),
    ...Object.entries(own).flatMap(([word, { type }]) => (type === "boolean" ? [`no${word}`] : [])),
    ...Object.keys(MOUNT_OPTIONS),
  ];
  const hint = suggestion(name, known, "--help lists what there is");
  return usageFailure(`option ${name}: there is no such option; ${hint}`);
}
