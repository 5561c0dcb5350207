import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { isMounted, until } from "../support/mounted.ts";
import { PROGRAM } from "../support/program.ts";

/*
 * perfused, and daemon.ts, which is a FUSE daemon for it.
 */

/** A program that runs. For `await using`: killed at the end if it has not ended by itself. */
export interface Running extends AsyncDisposable {
  readonly child: ChildProcess;
  /** What it has written so far, on both streams. */
  output(): string;
  /** Waits until it has written that. */
  said(text: string): Promise<void>;
  /** Its exit code, or null if a signal ended it. */
  readonly ended: Promise<number | null>;
}

/** `perfused ARGS`. */
export function perfused(args: readonly string[], env: Environment = {}): Running {
  const [program, script] = PROGRAM;
  return running(program, [script, ...args], { argv0: "perfused", env: environment(env) });
}

/** daemon.ts on a directory: memfs with the name "memory" for its source and "memfs" for its type, unless `mounting` has others. */
export function daemon(
  directory: string,
  env: Environment,
  mounting: Readonly<Record<string, unknown>> = {},
): Running {
  const asked = { source: "memory", type: "memfs", ...mounting };
  const args = [join(import.meta.dir, "daemon.ts"), directory, JSON.stringify(asked)];
  return running(process.execPath, args, { env: environment(env) });
}

/** Waits until a daemon is mounted, as the kernel has it. */
export async function mountedBy(program: Running, directory: string): Promise<void> {
  await program.said("settled");
  await until(() => isMounted(directory), `the mount: ${program.output()}`);
}

type Environment = Readonly<Record<string, string>>;

/** Nothing of this process' own that is about perfused. */
function environment(env: Environment): NodeJS.ProcessEnv {
  const { PERFUSED_SOCKET, PERFUSE_OPTIONS, PERFUSE_BUFSIZE, ...rest } = process.env;
  return { ...rest, ...env };
}

function running(program: string, args: readonly string[], options: SpawnOptions): Running {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const ended = once(child, "close").then(([code]) => code as number | null);
  return {
    child,
    output: () => output,
    said: async (text) => {
      let over = false;
      ended.then(() => {
        over = true;
      });
      await until(() => over || output.includes(text), `"${text}" in: ${output}`);
      if (!output.includes(text)) throw new Error(`it ended without "${text}": ${output}`);
    },
    ended,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}
