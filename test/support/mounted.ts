import { test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, chmodSync, constants, mkdtempSync, readFileSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type PosixClient, posixClient } from "./posix-client.ts";

/** How long a mount, an unmount or a server's end may take on a busy machine. Milliseconds. */
const PATIENCE = 30_000;

const PROGRAM = fileURLToPath(new URL("../../src/cli.ts", import.meta.url));

/** A plugin on a real mount, served by the real program in a process of its own. For `await using`. */
export interface Mounted extends AsyncDisposable {
  /** The mount point. Nothing in the test's own process may look into it: see `client`. */
  readonly directory: string;
  /** The server, and its number. */
  readonly server: ChildProcess;
  readonly pid: number;
  /** Makes system calls on the mount, in processes of its own. */
  readonly client: PosixClient;
  /** What the server has written so far. */
  output(): string;
  /** Unmounts, waits for the server's end, leaves nothing behind. May be called twice. */
  close(): Promise<void>;
}

/** What `mount` takes besides the plugin. */
export interface MountOptions {
  /** As given to -o. Default: "allow_other", without which only root may look. */
  readonly options?: string;
  /** The plugin's source. */
  readonly special?: string;
  /** The plugin's command, and where it is started. */
  readonly command?: readonly string[];
  readonly cwd?: string;
  /** What the server is started by: a command that becomes it. */
  readonly under?: readonly string[];
}

/** Mounts a plugin, a built-in one by name or any by its path, on a new directory and waits until it answers. */
export async function mounted(
  plugin: string,
  { options = "allow_other", special, command, cwd, under = [] }: MountOptions = {},
): Promise<Mounted> {
  const directory = mkdtempSync(join(tmpdir(), "puffs-mount-"));
  chmodSync(directory, 0o755);
  const operands = [
    ...(special === undefined ? [directory] : [special, directory]),
    ...(command === undefined ? [] : ["--", ...command]),
  ];
  const list = options === "" ? [] : ["-o", options];
  const [program = "", ...args] = [...under, process.execPath, PROGRAM];
  const server = spawn(program, [...args, "mount", plugin, "-f", ...list, ...operands], {
    ...(cwd !== undefined && { cwd }),
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [server.stdout, server.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  await once(server, "spawn");
  try {
    await until(() => isMounted(directory) || hasEnded(server), "the mount");
    if (hasEnded(server)) throw new Error(`the server ended: ${output.trim()}`);
  } catch (error) {
    await end(directory, server);
    throw error;
  }
  const client = posixClient(directory);
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= client.close().then(() => end(directory, server));
    return closing;
  };
  try {
    await client.stat("/");
  } catch (error) {
    await close();
    throw new Error(`the mount does not answer: ${String(error)}\n${output}`);
  }
  return {
    directory,
    server,
    pid: server.pid as number,
    client,
    output: () => output,
    close,
    [Symbol.asyncDispose]: close,
  };
}

/**
 * Registers tests that mount. Where that cannot be, one skipped test says why instead; with CI=true it fails, so that a
 * missing device does not look like success.
 */
export function mounting(name: string, register: () => void): void {
  const reason = hindrance();
  if (reason === undefined) register();
  else if (process.env.CI === "true") {
    test(`${name}: ${reason}`, () => {
      throw new Error(reason);
    });
  } else test.skip(`${name}: ${reason}`, () => {});
}

/** Why nothing can be mounted here. */
function hindrance(): string | undefined {
  if (process.geteuid?.() !== 0) return "only root can mount and become other users";
  try {
    accessSync("/dev/fuse", constants.R_OK | constants.W_OK);
    return undefined;
  } catch {
    return "there is no /dev/fuse";
  }
}

/** Whether something is mounted there, by the kernel's own list: asking costs the mount nothing. */
export function isMounted(directory: string): boolean {
  const mounts = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  return mounts.some((line) => line.split(" ")[4] === directory);
}

async function end(directory: string, server: ChildProcess): Promise<void> {
  if (isMounted(directory)) await run("umount", directory);
  while (isMounted(directory)) await run("umount", "--lazy", directory);
  try {
    await until(() => hasEnded(server), "the server's end");
  } catch (error) {
    server.kill("SIGKILL");
    await until(() => hasEnded(server), "the killed server's end");
    throw error;
  } finally {
    rmdirSync(directory);
  }
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

async function run(program: string, ...parameters: string[]): Promise<void> {
  const child = spawn(program, parameters, { stdio: "ignore", timeout: PATIENCE });
  await once(child, "exit");
}

/** Waits until something holds, looking again and again. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const end = Date.now() + PATIENCE;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`waited for ${what} in vain`);
    await Bun.sleep(5);
  }
}
