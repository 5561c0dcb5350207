import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { isMounted, until } from "./mounted.ts";

/** The program as the source tree has it: what to start, and its first argument. */
export const PROGRAM = [
  process.execPath,
  fileURLToPath(new URL("../../src/cli.ts", import.meta.url)),
] as const;

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs any command to its end. One that hangs is killed: its code is null. */
export async function run(
  command: readonly string[],
  options: { argv0?: string; env?: Record<string, string>; cwd?: string } = {},
): Promise<Outcome> {
  const [program = "", ...args] = command;
  const { env, ...rest } = options;
  const child = spawn(program, args, {
    ...rest,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: PATIENCE,
    killSignal: "SIGKILL",
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { code, stdout, stderr };
}

/** Runs `puffs ARGS`. */
export function puffs(...args: string[]): Promise<Outcome> {
  return run([...PROGRAM, ...args]);
}

/** Runs the program by another of its names, such as mount_hello. */
export function calledAs(name: string, ...args: string[]): Promise<Outcome> {
  return run([...PROGRAM, ...args], { argv0: name });
}

/** A place to mount, for `await using`: whatever was mounted in it is gone at the end, and the processes that served it. */
export interface Place extends AsyncDisposable {
  readonly directory: string;
  /** Fails unless nothing is mounted there and nobody runs with its name among the arguments. */
  nothingLeft(): Promise<void>;
}

export function place(): Place {
  const directory = mkdtempSync(join(tmpdir(), "puffs-place-"));
  const clean = () => !isMounted(directory) && processesOf(directory).length === 0;
  return {
    directory,
    nothingLeft: () => until(clean, `the end of everything on ${directory}`),
    async [Symbol.asyncDispose]() {
      while (isMounted(directory)) {
        const { code } = await run(["umount", "--lazy", directory]);
        if (code !== 0) break;
      }
      for (const pid of processesOf(directory)) {
        try {
          process.kill(pid, "SIGKILL");
        } catch {}
      }
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Live processes that have this path, or one below it, among their arguments. */
export function processesOf(path: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const args = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
        return args.some((arg) => arg === path || arg.startsWith(`${path}/`));
      } catch {
        return false;
      }
    });
}

/** The server of a live mount, as `puffs list` knows it. */
export async function serverOf(directory: string): Promise<number> {
  const { stdout } = await puffs("list", "--json");
  const mounts = JSON.parse(stdout) as { directory: string; pid: number }[];
  const found = mounts.find((mount) => mount.directory === directory);
  if (found === undefined) throw new Error(`puffs list does not know ${directory}: ${stdout}`);
  return found.pid;
}

const PATIENCE = 60_000;
