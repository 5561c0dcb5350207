import { usageFailure } from "./failure.ts";
import { suggestion } from "./nearest.ts";

/** The flags of a command: a letter or a word, and whether an argument follows. */
export type Flags = Readonly<Record<string, "flag" | "argument">>;

export interface Parsed {
  /** How often each flag was given. */
  count(name: string): number;
  /** The arguments of a flag, in the order given. */
  all(name: string): string[];
  /** What is neither flag nor argument of one. */
  readonly rest: readonly string[];
  /** How many of `rest` came after `--`. */
  readonly after: number;
}

/**
 * Parse a command line as getopt(3) does with its arguments permuted: `-fd`, `-o x`, `-ox`, `--word`, `--word=x`, `--`. An
 * unknown flag is a Failure that names it. (citty's parser takes any flag and keeps but one `-o`.)
 */
export function getopt(args: readonly string[], flags: Flags): Parsed {
  const given = new Map<string, string[]>();
  const rest: string[] = [];
  let after = 0;
  const take = (name: string, value: string) =>
    given.set(name, [...(given.get(name) ?? []), value]);

  for (let index = 0; index < args.length; index++) {
    const arg = args[index] ?? "";
    const following = (name: string): string => {
      const value = args[++index];
      if (value === undefined) throw usageFailure(`${name} needs an argument`);
      return value;
    };
    if (arg === "--") {
      rest.push(...args.slice(index + 1));
      after = args.length - index - 1;
      break;
    }
    if (arg.startsWith("--")) {
      const [name = "", ...values] = arg.slice(2).split("=");
      const kind = name.length > 1 ? flags[name] : undefined;
      if (kind === undefined) throw unknown(`--${name}`, flags);
      if (kind === "flag" && values.length > 0) throw usageFailure(`--${name} takes no argument`);
      take(name, kind === "flag" ? "" : values.length > 0 ? values.join("=") : following(arg));
    } else if (arg.startsWith("-") && arg !== "-") {
      for (let at = 1; at < arg.length; at++) {
        const letter = arg[at] ?? "";
        const kind = flags[letter];
        if (kind === undefined) throw unknown(`-${letter}`, flags);
        if (kind === "flag") {
          take(letter, "");
        } else {
          take(letter, at + 1 < arg.length ? arg.slice(at + 1) : following(`-${letter}`));
          break;
        }
      }
    } else {
      rest.push(arg);
    }
  }
  return {
    count: (name) => given.get(name)?.length ?? 0,
    all: (name) => given.get(name) ?? [],
    rest,
    after,
  };
}

function unknown(flag: string, flags: Flags) {
  const words = Object.keys(flags)
    .filter((name) => name.length > 1)
    .map((name) => `--${name}`);
  return usageFailure(`${flag}: there is no such flag; ${suggestion(flag, words, "see --help")}`);
}
