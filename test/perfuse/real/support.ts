import { expect, test } from "bun:test";
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

/** The options of most: what root mounts, others may use. */
export const ROOT_ROUTE = "allow_other";

/** A mounted daemon, looked at, and gone without a trace. */
export async function through(
  on: Scratch,
  command: readonly string[],
  options: string,
  look: (mount: Mounted) => Promise<void>,
): Promise<void> {
  const mount = await hosted(command, { options, cwd: on.path });
  try {
    await look(mount);
  } finally {
    await mount.close();
  }
  await nobodyLeft(on.path);
  expect(mount.server.exitCode).toBe(0);
}

/** Everything a file system that can be written to is asked in passing. */
export async function readWrite({ directory }: Pick<Mounted, "directory">): Promise<void> {
  const said = await sh(
    directory,
    `mkdir d && echo one > d/a && cp d/a d/b && mv d/b d/c && cat d/a d/c && echo two >> d/a && cat d/a
     head -c 300000 /dev/urandom > big && cksum < big > sum && cp big again && cksum < again | cmp - sum
     truncate -s 1000 big && stat -c %s big && rm again big sum && ls d && rm -r d && ls -A`,
  );
  expect(said.replace("lost+found\n", "")).toBe("one\none\none\ntwo\n1000\na\nc\n");
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
