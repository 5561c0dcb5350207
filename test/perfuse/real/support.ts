import { test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Mounted, type MountOptions, mounted, mounting } from "../../support/mounted.ts";
import { processesOf, run } from "../../support/program.ts";

/** A directory of the machine's own, for images and what daemons serve. For `await using`; what the daemons left in it goes too. */
export interface Scratch extends AsyncDisposable {
  readonly path: string;
  /** The path of a name in it. */
  at(name: string): string;
  /** What a script prints that is run in it; fails, with all that it said, unless each of its commands succeeds. */
  sh(script: string, ...parameters: string[]): Promise<string>;
}

export function scratch(): Scratch {
  const path = mkdtempSync(join(tmpdir(), "puffs-perfuse-real-"));
  chmodSync(path, 0o755);
  return {
    path,
    at: (name) => join(path, name),
    sh: (script, ...parameters) => sh(path, script, ...parameters),
    async [Symbol.asyncDispose]() {
      rmSync(path, { recursive: true, force: true });
    },
  };
}

/** Makes a directory. */
export function folder(path: string, mode = 0o755): string {
  mkdirSync(path);
  chmodSync(path, mode);
  return path;
}

/** Runs a script in a directory, in processes of its own. */
export async function sh(cwd: string, script: string, ...parameters: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(
    ["sh", "-euc", 'cd "$1"; shift; eval "$0"', script, cwd, ...parameters],
    { cwd: "/" },
  );
  if (code === 0) return stdout;
  throw new Error(`${script}\nended with ${code}\n${stdout.slice(-2000)}\n${stderr.slice(-4000)}`);
}

/** A daemon's file system on a mount. */
export function hosted(command: readonly string[], options: MountOptions = {}): Promise<Mounted> {
  return mounted("perfuse", { ...options, command });
}

/** A test that mounts and needs programs; where one is missing it is skipped, saying so, or fails with CI=true. */
export function withPrograms(
  title: string,
  programs: readonly string[],
  work: () => Promise<void>,
  seconds = 60,
): void {
  const missing = programs.filter((program) => Bun.which(program) === null);
  mounting(title, () => {
    if (missing.length > 0 && process.env.CI !== "true")
      test.skip(`${title}: missing ${missing.join(" ")}, which test/setup.ts installs`, () => {});
    else test(title, work, seconds * 1000);
  });
}

/** Fails if a process that has the path among its arguments outlives the mount by more than a moment. */
export async function nobodyLeft(path: string): Promise<void> {
  const until = Date.now() + 10_000;
  while (processesOf(path).length > 0) {
    if (Date.now() > until) throw new Error(`left running: ${processesOf(path).join(" ")}`);
    await Bun.sleep(20);
  }
}
