import { test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isMounted, mounted, mounting } from "../support/mounted.ts";

/** Seconds that mounting and unmounting may take on a busy machine. */
const MOUNTING = 60;

export interface RunOptions {
  /** Seconds until the command and all that it started are killed, and `run` fails. Default 20. */
  readonly timeout?: number;
  readonly env?: Readonly<Record<string, string>>;
}

export interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A directory on the file system under test, and programs run in it. Nothing here touches the mount itself. */
export interface Place {
  readonly path: string;
  /** What a shell script prints that is run here. Fails, with all that it said, unless each of its commands succeeds. */
  sh(script: string, options?: RunOptions): Promise<string>;
  /** A program that may fail: how it ended and what it said. */
  run(command: readonly string[], options?: RunOptions): Promise<Outcome>;
}

/**
 * A test on a mount of memfs of its own, with programs that come from elsewhere. Skipped, saying why, where nothing can be
 * mounted or a program is missing; there it fails if the environment has CI=true. It also fails if the server logged
 * anything or did not end by itself when it was unmounted.
 */
export function onMemfs(
  title: string,
  needs: { programs?: readonly string[]; options?: string; seconds?: number },
  work: (place: Place) => Promise<void>,
): void {
  const { programs = [], options = "allow_other", seconds = 60 } = needs;
  const missing = programs.filter((program) => Bun.which(program) === null);
  mounting(title, () => {
    if (missing.length > 0 && process.env.CI !== "true")
      test.skip(`${title}: missing ${missing.join(" ")}, which test/setup.ts installs`, () => {});
    else test(title, () => withMemfs(options, work), (seconds + MOUNTING) * 1000);
  });
}

/** Memfs on a new directory, unmounted whatever happens. */
export async function withMemfs(
  options: string,
  work: (place: Place) => Promise<void>,
): Promise<void> {
  const { directory, server, output, close } = await mounted("memfs", { options });
  try {
    await work(placeAt(directory));
  } finally {
    await close();
  }
  const surprises = output()
    .split("\n")
    .filter((line) => !/^(puffs: .* is (un)?mounted.*)?$/.test(line));
  if (server.exitCode !== 0 || surprises.length > 0)
    throw new Error(`the server ended with ${server.exitCode} and said: ${surprises.join("\n")}`);
}

/** The kernel's own file system in memory, as what memfs is compared with. */
export async function withTmpfs(
  options: string,
  work: (place: Place) => Promise<void>,
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "puffs-real-"));
  try {
    await succeed(["mount", "-t", "tmpfs", "-o", options, "tmpfs", directory], {});
    await work(placeAt(directory));
  } finally {
    await unmount(directory);
    rmdirSync(directory);
  }
}

/** A directory on the machine's own disk, removed afterwards: what is copied to or from a mount lies there. */
export async function withScratch(work: (place: Place) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "puffs-real-"));
  try {
    await work(placeAt(directory));
  } finally {
    await succeed(["rm", "-rf", directory], {});
  }
}

function placeAt(path: string): Place {
  return {
    path,
    sh: async (script, options = {}) =>
      (await succeed(["sh", "-euc", script], options, path)).stdout,
    run: (command, options = {}) => run(command, options, path),
  };
}

/** The path of a program made of a C source beside this file, for tests that call it by `place.run`. */
export async function compile(source: string, into: Place): Promise<string> {
  const program = join(into.path, source.replace(/\.c$/, ""));
  const path = fileURLToPath(new URL(source, import.meta.url));
  await succeed(["cc", "-O1", "-Wall", "-Werror", "-pthread", "-o", program, path], {});
  return program;
}

async function succeed(
  command: readonly string[],
  options: RunOptions,
  directory?: string,
): Promise<Outcome> {
  const outcome = await run(command, options, directory);
  if (outcome.status === 0) return outcome;
  const { status, stdout, stderr } = outcome;
  throw new Error(
    `${command.join(" ")}\nended with ${status}\n${stdout.slice(-4000)}\n${stderr.slice(-4000)}`,
  );
}

/** Runs a command in a process group of its own, and leaves nothing of the group behind. */
async function run(
  command: readonly string[],
  { timeout = 20, env = {} }: RunOptions,
  directory = "/",
): Promise<Outcome> {
  const [program, ...parameters] = command as [string, ...string[]];
  const child = spawn(program, parameters, {
    cwd: directory,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, LC_ALL: "C", ...env },
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text) => (stderr += text));
  let late = false;
  const alarm = setTimeout(() => {
    late = true;
    killGroup(child);
  }, timeout * 1000);
  try {
    const exit = once(child, "close");
    const left = once(child, "exit").then(() => killGroup(child));
    const [status, signal] = (await exit) as [number | null, string | null];
    await left;
    if (late) throw new Error(`${command.join(" ")}: not done after ${timeout} s\n${stderr}`);
    return { status: status ?? -1, stdout, stderr: signal ? `${stderr}${signal}\n` : stderr };
  } finally {
    clearTimeout(alarm);
  }
}

function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGKILL");
  } catch {}
}

async function unmount(directory: string): Promise<void> {
  if (isMounted(directory)) await run(["umount", directory], {});
  if (isMounted(directory)) await succeed(["umount", "--lazy", directory], {});
}
