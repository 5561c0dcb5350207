import { createConsola } from "consola";
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
 * Messages for people, on standard error: consola's own look on a terminal, else a line each, `name: message`. The cause of
 * an error follows with its stack.
 */
export function createLog({ name, verbose, timestamps = false }: LogOptions): Log {
  const terminal = process.stderr.isTTY === true && !timestamps;
  const plain = {
    log: ({ type, args }: { type: string; args: unknown[] }) => {
      const time = timestamps ? `${new Date().toISOString()} ` : "";
      const kind = type === "warn" ? "warning: " : "";
      process.stderr.write(`${time}${name}: ${kind}${args.join(" ")}\n`);
    },
  };
  const consola = createConsola({
    level: verbose ? LEVEL_INFO : LEVEL_WARN,
    stdout: process.stderr,
    stderr: process.stderr,
    ...(terminal ? { fancy: true } : { reporters: [plain] }),
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

const LEVEL_WARN = 1;
const LEVEL_INFO = 3;
