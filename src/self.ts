import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

/** Whether this is a compiled executable: its modules lie in a file system of Bun's own. */
export const compiled = import.meta.url.includes("/$bunfs/");

let answers = !compiled;

/** This is the program that knows its own commands, and not one that was compiled with the library. */
export function answerCommands(): void {
  answers = true;
}

/** Whether this very program can be started under any of its names. */
export function answersCommands(): boolean {
  return answers;
}

/** The program to start, and the arguments that come first, to have this very program again. */
export function selfCommand(): [program: string, ...args: string[]] {
  if (!answers) return ["false"];
  return compiled
    ? [process.execPath]
    : [process.execPath, fileURLToPath(new URL("./cli.ts", import.meta.url))];
}

/** Start the program that this process runs, whoever wrote it, again with the same arguments. */
export function spawnAgain(options: SpawnOptions): ChildProcess {
  const script = Bun.main.includes("/$bunfs/") ? [] : [Bun.main];
  return spawn(process.execPath, [...script, ...process.argv.slice(2)], options);
}

/** Start this very program again, called `name` (which decides what it does, see commands/personality.ts). */
export function spawnSelf(
  name: string,
  args: readonly string[],
  options: SpawnOptions,
): ChildProcess {
  const [program, ...first] = selfCommand();
  return spawn(program, [...first, ...args], { ...options, argv0: name });
}
