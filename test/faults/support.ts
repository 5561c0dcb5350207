import { expect } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { processesOf } from "../support/program.ts";

/** The plugin that misbehaves on demand. */
export const FAULTY = fileURLToPath(new URL("faulty.ts", import.meta.url));

/** How a process ends: its exit code, or the signal. */
export async function exited(child: ChildProcess): Promise<number | NodeJS.Signals | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  return child.signalCode ?? child.exitCode;
}

/** Programs that use a mount without a pause until that fails, and then end with this code. */
export const FAILED = 7;

const LOADS = {
  reading: `while dd if="$1/endless" of=/dev/null bs=64k count=64; do :; done`,
  "reading one open file": `dd if="$1/endless" of=/dev/null bs=64k`,
  writing: `while dd if=/dev/zero of="$1/endless" bs=64k count=64 conv=notrunc,nocreat; do :; done`,
  asking: `while stat "$1/file" "$1/read.slow"; do :; done`,
  "writing slowly": `while dd if=/dev/zero of="$1/write.slow" bs=4k count=4 conv=notrunc,nocreat; do :; done`,
  "reading slowly": `while cat "$1/read.slow"; do :; done`,
} as const;

/** A client under load, in a process group of its own; `using` ends it. */
export interface Client extends AsyncDisposable {
  readonly kind: string;
  /** Its exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals | null>;
}

/** Start clients of all kinds, or of those named, and wait until each has done something. */
export async function load(directory: string, kinds = Object.keys(LOADS)): Promise<Client[]> {
  return Promise.all(
    kinds.map(async (kind) => {
      const program = `dd if="$1/endless" of=/dev/null count=1 && echo begun >&3; exec 3>&-; ${LOADS[kind as keyof typeof LOADS]}; exit ${FAILED}`;
      const child = spawn("sh", ["-c", program, "sh", directory], {
        detached: true,
        stdio: ["ignore", "ignore", "ignore", "pipe"],
      });
      const ended = exited(child);
      await once(child.stdio[3] as Readable, "data");
      return {
        kind,
        ended,
        async [Symbol.asyncDispose]() {
          try {
            process.kill(-(child.pid as number), "SIGKILL");
          } catch {}
          await ended;
        },
      };
    }),
  );
}

/** Every client has ended by an error of its own. */
export async function expectErrors(clients: readonly Client[]): Promise<void> {
  const ends = await Promise.all(clients.map(async ({ kind, ended }) => [kind, await ended]));
  expect(ends).toEqual(clients.map(({ kind }) => [kind, FAILED]));
}

export function isRunning(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2)[0] !== "Z";
  } catch {
    return false;
  }
}

/** The shell that outlives the server of this mount. */
export function guardOf(directory: string): number {
  const found = processesOf(directory).find((pid) => {
    const command = `/proc/${pid}/cmdline`;
    return existsSync(command) && readFileSync(command, "utf8").includes("puffs-guard");
  });
  if (found === undefined) throw new Error("there is no guard");
  return found;
}
