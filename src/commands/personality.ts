import { basename } from "node:path";
import { builtins, type Load } from "../builtin.ts";
import { type DaemonReporter, daemonReporter } from "../daemon.ts";
import { exitCodes, Failure, failureOf, usageFailure } from "../failure.ts";
import { createLog } from "../log.ts";
import { suggestion } from "../nearest.ts";
import { FUSERMOUNT, LAUNCH, PERFUSED } from "../perfuse/routes/words.ts";
import { answerCommands } from "../self.ts";
import { mountHelper, mountProgram } from "./mount.ts";

/** What the program is, by the name it was called by: the first row that matches. */
const personalities: readonly {
  readonly name: RegExp;
  run(call: PersonalCall): Promise<number>;
}[] = [
  {
    name: /^puffs$/,
    run: ({ args, reporter }) => puffs(args, reporter),
  },
  {
    name: /^perfused$/,
    run: ({ args, reporter }) => perfused(args, reporter),
  },
  { name: /^mount_(.+)$/, run: (call) => mountProgram(call, loadBuiltin(call.match)) },
  {
    name: /^fusermount3?$/,
    run: async ({ args }) => {
      const { rendezvousBeside } = await import("./fusermount.ts");
      return askForSocket(args, rendezvousBeside(process.argv0));
    },
  },
  { name: /^mount\.(.+)$/, run: (call) => mountHelper(call, loadBuiltin(call.match)) },
];

async function becomeDaemon(args: readonly string[]): Promise<never> {
  const { launch } = await import("../perfuse/routes/launch.ts");
  return launch(args);
}

async function askForSocket(args: readonly string[], rendezvous: string): Promise<number> {
  const { fusermount } = await import("./fusermount.ts");
  return fusermount(args, rendezvous);
}

interface PersonalCall {
  readonly program: string;
  readonly args: readonly string[];
  readonly reporter: DaemonReporter | undefined;
  /** The part of the name that the row's parentheses hold. */
  readonly match: string;
}

/** Loaded when it is asked for: a mount program starts without it, and without citty. */
async function puffs(
  args: readonly string[],
  reporter: DaemonReporter | undefined,
): Promise<number> {
  const { puffs } = await import("./puffs.ts");
  return puffs(args, reporter);
}

async function perfused(
  args: readonly string[],
  reporter: DaemonReporter | undefined,
): Promise<number> {
  const { perfused } = await import("./perfused.ts");
  return perfused(args, reporter);
}

/** Run the program and end the process. `only` is the plugin of an executable that was built for one. */
export async function main(only?: string): Promise<never> {
  answerCommands();
  const reporter = daemonReporter();
  const program = basename(process.argv0);
  let code: number;
  try {
    code = await run(program, process.argv.slice(2), reporter, only);
  } catch (error) {
    const bug = error instanceof Failure ? undefined : error;
    const failure = failureOf(error, "internal error", exitCodes.internal);
    if (reporter === undefined) {
      createLog({ name: known(program) ? program : "puffs", verbose: false }).error(
        failure.message,
        bug,
      );
    } else {
      reporter.failed(failure);
    }
    code = failure.exitCode;
  }
  process.exit(code);
}

function run(
  program: string,
  args: readonly string[],
  reporter: DaemonReporter | undefined,
  only: string | undefined,
): Promise<number> {
  // Whatever the executable is called, this makes it the command for all plugins; its own helpers call it so.
  if (args[0] === "--puffs") return puffs(args.slice(1), reporter);
  if (args[0] === PERFUSED) return perfused(args.slice(1), reporter);
  if (args[0] === LAUNCH) return becomeDaemon(args.slice(1));
  if (args[0] === FUSERMOUNT) return askForSocket(args.slice(2), args[1] ?? "");
  for (const { name, run } of personalities) {
    const match = name.exec(program);
    if (match !== null) return run({ program, args, reporter, match: match[1] ?? "" });
  }
  if (only !== undefined) return mountProgram({ program, args, reporter }, loadBuiltin(only));
  return puffs(args, reporter);
}

function known(program: string): boolean {
  return personalities.some(({ name }) => name.test(program));
}

function loadBuiltin(name: string): Load {
  return () => {
    const load = builtins.get(name);
    if (load !== undefined) return load();
    const hint = suggestion(name, builtins.keys(), `it has ${[...builtins.keys()].join(", ")}`);
    throw usageFailure(`${name}: this program has no such plugin; ${hint}`);
  };
}
