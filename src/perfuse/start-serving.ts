import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { withSignalsHeld } from "../../ffi/process.ts";
import { answersCommands, selfCommand } from "../self.ts";
import { PERFUSED } from "./routes/words.ts";

/**
 * Starts a perfused that serves one daemon, whose socket is the fourth of `stdio`. Signals that it will know, and that would end it until
 * then, are ignored from its first instruction on: a shell, which begins with them held back, sees to that and is then replaced by it.
 */
export function startServing(args: readonly string[], options: SpawnOptions): ChildProcess {
  // A program that was compiled with the library has not all of it: then it is the one that is installed.
  const program = answersCommands() ? [...selfCommand(), PERFUSED] : ["perfused"];
  return withSignalsHeld(["SIGUSR1", "SIGUSR2"], () =>
    spawn("/bin/sh", ["-c", DEAF, "sh", ...program, "-i", "3", ...args], options),
  );
}

const DEAF = 'trap "" USR1 USR2; exec "$@"';
