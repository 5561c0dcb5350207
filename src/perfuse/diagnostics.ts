import { suggestion } from "../nearest.ts";
import type { Log } from "../session.ts";
import type { Severity } from "./syslog.ts";

/** perfused's diagnostic flags, its -d: PDF_* of perfuse_if.h, with the words that name them. */
export const DiagFlags = {
  foreground: 0x1,
  fuse: 0x2,
  dump: 0x4,
  puffs: 0x8,
  fh: 0x10,
  reclaim: 0x20,
  readdir: 0x40,
  requeue: 0x80,
  sync: 0x100,
  misc: 0x200,
  syslog: 0x400,
  filename: 0x800,
  resize: 0x1000,
} as const;

export type DiagFlag = keyof typeof DiagFlags;

/** The flags of a list such as "fuse,dump". A word that is none is a warning. */
export function diagFlags(list: string, warn: (message: string) => void): number {
  let flags = 0;
  for (const word of list.split(",")) {
    const flag = WORDS.get(word);
    if (flag === undefined) warn(`-d ${word}: ${suggestion(word, WORDS.keys(), KNOWN)}`);
    else flags |= flag;
  }
  return flags;
}

/** Where messages go, besides who they are from. */
export interface Outlets {
  readonly syslog: (severity: Severity, message: string) => void;
  readonly out: (line: string) => void;
  readonly err: (line: string) => void;
}

/**
 * What perfused has to say. "info" goes to the system's log and in the foreground to standard output; "warn" to the log and
 * always to standard error; "error" always to both. `flags` says what else is said, and may change at any time.
 */
export class Diagnostics implements Log {
  flags: number;
  /** Those that the next `swap` brings. */
  #others = 0;
  readonly #outlets: Outlets;

  constructor(flags: number, outlets: Outlets) {
    this.flags = flags;
    this.#outlets = outlets;
  }

  has(flag: DiagFlag): boolean {
    return (this.flags & DiagFlags[flag]) !== 0;
  }

  info(message: string): void {
    this.#log("info", message);
    if (this.has("foreground")) this.#outlets.out(message);
  }

  warn(message: string): void {
    this.#log("warning", message);
    this.#outlets.err(message);
  }

  error(message: string, cause?: unknown): void {
    const detail = cause instanceof Error ? `: ${cause.stack ?? cause.message}` : "";
    this.#outlets.syslog("error", message + detail);
    this.#outlets.err(message + detail);
  }

  /** -s: all flags off, and what they were comes back with the next call (SIGINFO on NetBSD). */
  swap(): void {
    const before = this.flags;
    this.flags = this.#others;
    this.#others = before;
    // Whichever way it goes, one of the two sets knows where messages go.
    const words = this.flags === 0 ? "debug disabled" : "debug enabled";
    this.#outlets.syslog("info", words);
    if (((this.flags | before) & DiagFlags.foreground) !== 0) this.#outlets.out(words);
  }

  #log(severity: Severity, message: string): void {
    if (this.has("syslog")) this.#outlets.syslog(severity, message);
  }
}

/** Words that -d takes. "reize" is what perfused has taken for "resize" ever since. */
const WORDS: ReadonlyMap<string, number> = new Map([
  ...Object.entries(DiagFlags).filter(([word]) => !["foreground", "syslog"].includes(word)),
  ["reize", DiagFlags.resize],
]);

const KNOWN = `there is no such type; they are ${[...WORDS.keys()].filter((word) => word !== "reize").join(" ")}`;
