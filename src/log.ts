import { styleText } from "node:util";
// All of consola takes 30 ms to load, which every mount would wait for.
import { type ConsolaReporter, createConsola } from "consola/core";
import type { Log } from "./session.ts";

export interface LogOptions {
  /** Whose messages they are: the name of the program. */
  readonly name: string;
  /** Say also what is no warning. */
  readonly verbose: boolean;
  /** Begin lines with the time: for log files. */
  readonly timestamps?: boolean;
}

/**
 * Messages for people, on standard error, a line each: `name: message`, coloured on a terminal. The cause of an error follows with
 * its stack.
 */
export function createLog({ name, verbose, timestamps = false }: LogOptions): Log {
  const colours = process.stderr.isTTY === true && !timestamps;
  const reporter: ConsolaReporter = {
    log({ type, args }) {
      const time = timestamps ? `${new Date().toISOString()} ` : "";
      const kind = type === "warn" ? "warning: " : "";
      const text = `${kind}${args.join(" ")}`;
      const colour = COLOURS[type];
      const shown = colours && colour ? styleText(colour, text) : text;
      process.stderr.write(`${time}${name}: ${shown}\n`);
    },
  };
  const consola = createConsola({
    level: verbose ? LEVEL_INFO : LEVEL_WARN,
    reporters: [reporter],
  });
  return {
    info: (message) => consola.info(message),
    warn: (message) => consola.warn(message),
    error: (message, cause) => {
      const detail = cause instanceof Error ? (cause.stack ?? cause.message) : cause;
      consola.error(detail === undefined ? message : `${message}\n${detail}`);
    },
  };
}

const COLOURS: Readonly<Record<string, "red" | "yellow">> = { error: "red", warn: "yellow" };
const LEVEL_WARN = 1;
const LEVEL_INFO = 3;
