import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Daemon, startDaemon } from "../../../src/perfuse/daemon.ts";
import { findProgram, type RouteName } from "../../../src/perfuse/routes/pick.ts";
import type { Log } from "../../../src/session.ts";
import { until } from "../../support/mounted.ts";
import { processesOf, run } from "../../support/program.ts";

/*
 * Daemons of a few lines, started by a route, in a folder of their own. Nothing is mounted.
 */

export const PYTHON = "/usr/bin/python3";

/** A daemon that runs. */
export interface Started {
  readonly daemon: Daemon;
  /** Its folder, whose path is among its arguments, and its log. */
  readonly folder: string;
  readonly said: readonly string[];
  /** Ends it and sees that nothing is left of it, no process and no folder; answers how many milliseconds that took. */
  end(): Promise<number>;
}

/** What each of those in Python has: the calls that need a library, and an answer to INIT of 7.12. */
const PRELUDE = `
import ctypes, os, signal, struct, sys, time
libc = ctypes.CDLL(None, use_errno=True)
def mount(target):
    if libc.mount(b"x", target.encode(), b"fuse", 0, b"fd=3") == 0: return 0
    return ctypes.get_errno()
def serve(fd):
    while True:
        message = os.read(fd, 1 << 20)
        if not message: return
        unique = message[8:16]
        out = struct.pack("<IIIIHHI", 7, 12, 0, 0, 0, 0, 4096)
        os.write(fd, struct.pack("<Ii", 16 + len(out), 0) + unique + out)
`;

/** One in Python. */
export function startScript(
  script: string,
  route: RouteName,
  { wholeReplies = false } = {},
): Promise<Started> {
  return start(route, wholeReplies, async (folder) => {
    const path = join(folder, "daemon.py");
    writeFileSync(path, PRELUDE + script);
    return [findProgram(PYTHON), path];
  });
}

/** One in C, compiled with these flags. */
export function startCompiled(
  source: string,
  flags: readonly string[],
  route: RouteName,
): Promise<Started> {
  return start(route, false, async (folder) => {
    const [file, program] = [join(folder, "daemon.c"), join(folder, "daemon")];
    writeFileSync(file, source);
    const { code, stderr } = await run(["cc", "-O1", ...flags, "-o", program, file]);
    if (code !== 0) throw new Error(stderr);
    return [program];
  });
}

async function start(
  route: RouteName,
  wholeReplies: boolean,
  make: (folder: string) => Promise<string[]>,
): Promise<Started> {
  const folder = mkdtempSync(join(tmpdir(), "puffs-starting-"));
  const said: string[] = [];
  const log: Log = {
    info: (message) => said.push(message),
    warn: (message) => said.push(`warning: ${message}`),
    error: (message) => said.push(`error: ${message}`),
  };
  const [program = "", ...args] = await make(folder);
  const daemon = await startDaemon({
    program,
    args: [...args, "{}"],
    directory: folder,
    route,
    goFuse: false,
    wholeReplies,
    log,
  });
  return {
    daemon,
    folder,
    said,
    async end() {
      const began = performance.now();
      await daemon.stop();
      await until(() => processesOf(folder).length === 0, "the end of all processes");
      rmSync(folder, { recursive: true });
      return performance.now() - began;
    },
  };
}

/** The folders that routes have made and not taken away. */
export function privateDirectories(): string[] {
  return readdirSync(tmpdir()).filter(
    (name) => name.startsWith("puffs-perfuse-") && !name.includes("real"),
  );
}
