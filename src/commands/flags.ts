import type { ArgsDef } from "citty";
import type { Flags } from "../getopt.ts";

/** citty's definition of a command's arguments, as the flags that getopt reads: one definition, also for the usage text. */
export function flagsOf(args: ArgsDef): Flags {
  const entries = Object.entries(args).flatMap(([name, arg]) => {
    if (arg.type === "positional") return [];
    const kind = arg.type === "boolean" ? "flag" : "argument";
    const aliases = "alias" in arg && arg.alias !== undefined ? [arg.alias].flat() : [];
    return [name, ...aliases].map((word) => [word, kind] as const);
  });
  return Object.fromEntries(entries);
}
