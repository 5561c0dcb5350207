import { existsSync } from "node:fs";
import { looksLikePath } from "../load.ts";

/** PLUGIN[:SPECIAL] of a command line. */
export interface Target {
  /** A built-in plugin's name, or the path of a file or folder. */
  readonly plugin: string;
  readonly special: string | undefined;
}

/**
 * Split at the first colon; a plugin's path may itself have colons, if it exists up to a later one or to the end.
 * Nothing after the colon is no special.
 */
export function targetOf(word: string): Target {
  const parts = word.split(":");
  const prefixes = parts.map((_, index) => parts.slice(0, index + 1).join(":"));
  const [first = word] = prefixes;
  const plugin = looksLikePath(first)
    ? (prefixes.find((prefix) => existsSync(prefix)) ?? first)
    : first;
  return { plugin, special: word.slice(plugin.length + 1) || undefined };
}
