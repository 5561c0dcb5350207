import { openSync, writeSync } from "node:fs";
import { resolve } from "node:path";
import { exitCodes, Failure, messageOf } from "./failure.ts";

/**
 * A file to which lines are added, each with the time before it. What is opened lies below a mount that comes later, so that writing to
 * it never waits for that mount. Throws a Failure.
 */
export function openTrace(path: string): (line: string) => void {
  let file: number;
  try {
    file = openSync(resolve(path), "a", 0o600);
  } catch (error) {
    throw new Failure(`the trace cannot be written: ${messageOf(error)}`, exitCodes.usage);
  }
  return (line) => {
    try {
      writeSync(file, `${new Date().toISOString()} ${line}\n`);
    } catch {
      // A full disk does not end a mount.
    }
  };
}
