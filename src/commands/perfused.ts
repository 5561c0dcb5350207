import { fstatSync } from "node:fs";
import { type DaemonReporter, startDaemon } from "../daemon.ts";
import { exitCodes, Failure, failureOf, messageOf, sysexits } from "../failure.ts";
import { getopt, type Parsed } from "../getopt.ts";
import { createLog } from "../log.ts";
import { FUSE_DEVICE, perfusedAddress } from "../perfuse/address.ts";
import { DiagFlags, Diagnostics, diagFlags, type Outlets } from "../perfuse/diagnostics.ts";
import type { MountRequest } from "../perfuse/mount-request.ts";
import { settingsOf } from "../perfuse/settings.ts";
import { openSyslog } from "../perfuse/syslog.ts";
import { VERSION } from "../version.ts";
import { surviveBugs } from "./mount.ts";

/**
 * `perfused [-fs] [-d types] [-i fd] [-n mounts] [-p path]`: waits for FUSE daemons and serves each of them; with -i the one at that descriptor. Answers
 * the exit code; what goes wrong is a Failure with one of sysexits(3).
 */
export async function perfused(
  args: readonly string[],
  reporter: DaemonReporter | undefined,
): Promise<number> {
  const given = parse(args);
  if (given.count("version") > 0) return print(`${PROGRAM} ${VERSION}`);
  if (given.count("help") > 0) return print(HELP);
  const inherited = given.all("i").at(-1);
  const path = given.all("p").at(-1) ?? perfusedAddress();
  const foreground = given.count("f") > 0 || inherited !== undefined;
  if (!foreground && reporter === undefined) {
    await startDaemon(PROGRAM, args, undefined, createLog({ name: PROGRAM, verbose: false }));
    return exitCodes.ok;
  }
  const outlets = outletsOf(reporter);
  let flags = DiagFlags.syslog | (foreground ? DiagFlags.foreground : 0);
  if (given.count("f") > 0) flags |= DiagFlags.misc;
  for (const list of given.all("d")) flags |= diagFlags(list, outlets.err);
  const diagnostics = new Diagnostics(flags, outlets);
  if (inherited !== undefined) {
    const settings = settingsOf(process.env, (message) => diagnostics.warn(message));
    const [{ serveDaemon }, { host }] = await Promise.all([
      import("../perfuse/serve.ts"),
      import("../perfuse/host.ts"),
    ]);
    const silent = given.count("s") > 0;
    surviveBugs("perfuse", diagnostics);
    const socket = descriptor(inherited);
    try {
      await serveDaemon({ socket, settings, diagnostics, silent, host });
      return exitCodes.ok;
    } catch (error) {
      // Nobody may be looking at standard error: it is for the log too.
      const failure = failureOf(error, PROGRAM, sysexits.software);
      diagnostics.error(failure.message);
      return failure.exitCode;
    }
  }
  // Said once, here, and not by every serving process again.
  settingsOf(process.env, (message) => diagnostics.warn(message));
  const most = mostMounts(given.all("n").at(-1));
  return wait({ path, most, diagnostics, flags: childFlags(given), reporter });
}

interface Waiting {
  readonly path: string;
  readonly most: number;
  readonly diagnostics: Diagnostics;
  readonly flags: readonly string[];
  readonly reporter: DaemonReporter | undefined;
}

async function wait({ path, most, diagnostics, flags, reporter }: Waiting): Promise<number> {
  const [{ listen }, { startServing }] = await Promise.all([
    import("../perfuse/perfused.ts"),
    import("../perfuse/start-serving.ts"),
  ]);
  const start = (socket: number, { frame, owner }: MountRequest) => {
    if (diagnostics.has("misc"))
      diagnostics.info(
        `process ${owner.pid} of user ${owner.uid} asks for ${JSON.stringify(frame.target)}`,
      );
    // Behind the dashes for whoever reads ps(1). In a session of its own: signals from a terminal come through this process.
    return startServing([...flags, "--", frame.target], {
      stdio: ["ignore", "inherit", "inherit", socket],
      detached: true,
    });
  };
  // Before anybody can know that it is there.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => listening.stop(signal));
  for (const signal of ["SIGUSR1", "SIGUSR2"] as const)
    process.on(signal, () => listening.signal(signal));
  const listening = listen({ path, most, log: diagnostics, start });
  if (reporter !== undefined) {
    process.chdir("/");
    reporter.mounted(path);
  }
  await listening.ended;
  return exitCodes.ok;
}

function parse(args: readonly string[]): Parsed {
  try {
    return getopt(args, FLAGS);
  } catch (error) {
    throw new Failure(`${messageOf(error)}; ${USAGE}`, sysexits.usage);
  }
}

/** What a serving process is told of what this one was told. */
function childFlags(given: Parsed): string[] {
  return [
    ...(given.count("f") > 0 ? ["-f"] : []),
    ...(given.count("s") > 0 ? ["-s"] : []),
    ...given.all("d").flatMap((list) => ["-d", list]),
  ];
}

/** How many mounts a user may have at a time. */
function mostMounts(text = "64"): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new Failure(`-n ${text}: it is no number of mounts; ${USAGE}`, sysexits.usage);
}

function descriptor(text: string): number {
  try {
    if (!/^\d{1,9}$/.test(text)) throw new Error("it is no number");
    if (!fstatSync(Number(text)).isSocket()) throw new Error("it is no socket");
    return Number(text);
  } catch (error) {
    throw new Failure(`-i ${text}: ${messageOf(error)}; ${USAGE}`, sysexits.usage);
  }
}

const PROGRAM = "perfused";

/** A detached process has no streams: until it listens, the command that started it speaks for it. */
function outletsOf(reporter: DaemonReporter | undefined): Outlets {
  return {
    syslog: openSyslog(PROGRAM),
    out: (line) => process.stdout.write(`${line}\n`),
    err: (line) => {
      if (reporter === undefined) process.stderr.write(`${PROGRAM}: ${line}\n`);
      else reporter.warn(line);
    },
  };
}

const FLAGS = {
  f: "flag",
  s: "flag",
  d: "argument",
  i: "argument",
  n: "argument",
  p: "argument",
  help: "flag",
  version: "flag",
} as const;

const USAGE = "usage: perfused [-fs] [-d types] [-i fd] [-n mounts] [-p path]";

const HELP = `${PROGRAM} - serves FUSE daemons that ask for it over a socket

${USAGE}

  -f        stay in the foreground
  -s        say nothing until SIGUSR2 comes
  -d TYPES  say more: fuse dump puffs fh reclaim readdir requeue sync misc filename resize
  -i FD     serve the one daemon at this socket, in the foreground
  -n MOUNTS how many each ordinary user may have at a time; 64
  -p PATH   listen here; PERFUSED_SOCKET, ${FUSE_DEVICE} on NetBSD, /run/perfused.sock on Linux`;

function print(text: string): number {
  process.stdout.write(`${text}\n`);
  return exitCodes.ok;
}
