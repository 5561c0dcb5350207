import type { SpawnOptions } from "node:child_process";
import { closeSync, openSync, writeSync } from "node:fs";
import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { type ExitCode, exitCodes, Failure, messageOf } from "./failure.ts";
import { spawnSelf } from "./self.ts";
import type { Log } from "./session.ts";

/** What the detached server says to the command that started it, a line of JSON each: warnings, then one of the others. */
type Report =
  | { readonly warning: string }
  | { readonly mounted: string }
  | { readonly failure: string; readonly exitCode: ExitCode };

/**
 * Start this program again with the same arguments as a server of its own: own session, standard streams closed or to `logFile`.
 * Resolves to the mount's directory when the kernel's first request has been answered; rejects with the server's Failure.
 */
export async function startDaemon(
  name: string,
  args: readonly string[],
  logFile: string | undefined,
  log: Log,
  start = (options: SpawnOptions) => spawnSelf(name, args, options),
): Promise<string> {
  const output = logFile === undefined ? "ignore" : openLog(logFile);
  const child = start({
    detached: true,
    stdio: ["ignore", output, output, "pipe"],
    env: { ...process.env, [MARK]: "1" },
  });
  if (typeof output === "number") closeSync(output);
  const ended = new Promise<string>((resolve) => {
    child.on("error", (error) => resolve(`cannot be started: ${messageOf(error)}`));
    child.on("exit", (code, signal) => resolve(`ended (${signal ?? `exit code ${code}`})`));
  });
  const interrupt = () => {
    child.kill("SIGTERM");
    process.exit(exitCodes.interrupted);
  };
  process.on("SIGINT", interrupt).on("SIGTERM", interrupt);
  try {
    // A process that could not be started has no streams.
    const report = child.stdio?.[REPORT] as Readable | undefined;
    const said = report === undefined ? "" : await text(report);
    let mounted: string | undefined;
    for (const line of said.split("\n").filter((line) => line !== "")) {
      const report: Report = JSON.parse(line);
      if ("failure" in report) {
        // It has nothing more to do: leave no process behind.
        await ended;
        throw new Failure(report.failure, report.exitCode);
      }
      if ("warning" in report) log.warn(report.warning);
      else mounted = report.mounted;
    }
    if (mounted === undefined) {
      throw new Failure(`the server ${await ended} before anything was mounted; try -f`);
    }
    await answers(mounted, async () => {
      child.kill("SIGTERM");
      await ended;
    });
    return mounted;
  } finally {
    process.off("SIGINT", interrupt).off("SIGTERM", interrupt);
    child.unref();
  }
}

/** The detached server's side of it: undefined in a process that is not one. Ask once, at the start. */
export function daemonReporter(): DaemonReporter | undefined {
  if (process.env[MARK] === undefined) return undefined;
  // Not for the programs that a plugin starts.
  delete process.env[MARK];
  let open = true;
  const say = (report: Report) => {
    try {
      if (open) writeSync(REPORT, `${JSON.stringify(report)}\n`);
    } catch {
      // The command was interrupted: nobody listens.
    }
  };
  const end = () => {
    if (open) closeSync(REPORT);
    open = false;
  };
  return {
    warn: (warning) => say({ warning }),
    mounted: (directory) => {
      say({ mounted: directory });
      end();
    },
    failed: ({ message, exitCode }) => {
      say({ failure: message, exitCode });
      end();
    },
  };
}

export interface DaemonReporter {
  /** Before the end of the start only; afterwards it is dropped. */
  warn(message: string): void;
  mounted(directory: string): void;
  failed(failure: Failure): void;
}

const MARK = "PUFFS_DAEMON";
const REPORT = 3;
const PATIENCE = 60_000;

function openLog(path: string): number {
  try {
    return openSync(resolve(path), "a", 0o600);
  } catch (error) {
    throw new Failure(`the log cannot be written: ${messageOf(error)}`, exitCodes.usage);
  }
}

/** The first request from outside. Any answer will do, an error too, but not that nobody is there. */
async function answers(directory: string, end: () => Promise<void>): Promise<void> {
  let timer: Timer | undefined;
  const late = new Promise<"late">((resolve) => {
    timer = setTimeout(() => resolve("late"), PATIENCE);
  });
  const asked = stat(directory).then(
    () => "there",
    (error) => (error.code === "ENOTCONN" ? "gone" : "there"),
  );
  const outcome = await Promise.race([asked, late]);
  clearTimeout(timer);
  if (outcome === "there") return;
  await end();
  throw new Failure(
    outcome === "gone"
      ? `${directory}: the server ended as soon as it was mounted; try -f`
      : `${directory}: mounted, but does not answer; it is unmounted again, try -d`,
  );
}
