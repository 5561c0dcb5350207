import { type ChildProcess, spawn } from "node:child_process";
import { fstatSync } from "node:fs";
import { basename } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { closeDescriptor } from "../../ffi/device.ts";
import { setReceiveBuffer, setSendBuffer } from "../../ffi/seqpacket.ts";
import { receiveDescriptor, socketPair } from "../../ffi/socket.ts";
import { exitCodes, Failure, messageOf } from "../failure.ts";
import { selfCommand } from "../self.ts";
import type { Log } from "../session.ts";
import { holdersOf } from "./holders.ts";
import { untilReadable } from "./readable.ts";
import { devFdPassage } from "./routes/dev-fd.ts";
import { fusermountPassage } from "./routes/fusermount.ts";
import type { Launch } from "./routes/launch.ts";
import type { Passage, PassageContext } from "./routes/passage.ts";
import type { RouteName } from "./routes/pick.ts";
import { seccompPassage } from "./routes/seccomp.ts";
import { LAUNCH } from "./routes/words.ts";

export interface DaemonOptions {
  /** The daemon's program, a path, and its arguments; `{}` in these stands for where it mounts. */
  readonly program: string;
  readonly args: readonly string[];
  /** Where it is started: what relative paths among its arguments begin at. */
  readonly directory: string;
  readonly route: RouteName;
  /** See PassageContext. */
  readonly goFuse: boolean;
  /** See PassageContext. */
  readonly successorOn?: string | undefined;
  /** Its replies may not come in pieces. */
  readonly wholeReplies: boolean;
  readonly log: Log;
}

/** A daemon that was started, with a socket in the place of /dev/fuse. */
export interface Daemon {
  /** What it is called in messages. */
  readonly name: string;
  /** Our end of the connection: whoever plays the kernel closes it. It ends when the daemon does. */
  readonly socket: number;
  /** Resolves when the process that was started has ended, with how and with what it said last; a daemon that goes to the background goes on. */
  readonly exit: Promise<Exit>;
  /** To be called once `socket` is closed, which ends most: wait, ask by SIGTERM, end by SIGKILL. Resolves when nobody is left. */
  stop(): Promise<void>;
}

export interface Exit {
  readonly code: number | null;
  /** Such as "exit code 1" or "SIGKILL". */
  readonly how: string;
  /** What came on its standard error with its end, if that was not much, else the last line of it; empty if there was none. */
  readonly lastWords: string;
}

/** What stands for the mount point in a daemon's command. */
export const PLACE = "{}";

/** Start a daemon. It must then be greeted (INIT): only its answer shows that it works. Rejects with a Failure. */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const { program, args, directory, route, goFuse, successorOn, wholeReplies, log } = options;
  const name = basename(program);
  const warn = (message: string) => log.warn(`${name}: ${message}`);
  const [ours, theirs] = socketPair("seqpacket");
  for (const socket of [ours, theirs]) {
    setSendBuffer(socket, BUFFER);
    setReceiveBuffer(socket, BUFFER);
  }
  const inode = fstatSync(theirs).ino;
  const [report, reporter] = socketPair("stream");
  const passage = PASSAGES[route]({ socket: theirs, goFuse, successorOn, warn });
  const { before = [], inherits, filter } = passage;
  const own = [program, ...args.map((arg) => arg.replaceAll(PLACE, passage.mountpoint))];
  const order: Launch = {
    program: before[0] ?? program,
    parent: process.pid,
    report: 4,
    descriptors: inherits ? 4 : 3,
    asks: filter.asks,
    wholeReplies,
  };
  const [self = "", ...first] = selfCommand();
  const child = spawn(self, [...first, LAUNCH, JSON.stringify(order), ...before, ...own], {
    cwd: directory,
    env: { ...process.env, ...passage.environment },
    stdio: ["ignore", "pipe", "pipe", inherits ? theirs : "ignore", reporter],
    // Ctrl-C is for us: we unmount, and the daemon ends with that.
    detached: true,
  });
  closeDescriptor(reporter);
  const exit = watch(child, (line) => log.info(`${name}: ${line}`));
  const abandon = () => {
    endGroup(child, "SIGTERM");
    passage.close();
  };
  running.add(abandon);
  exit.then(async ({ code }) => {
    // It may have left one in the background that is about to come.
    if (code === 0) await Bun.sleep(FORSAKEN);
    passage.forsaken?.();
  });
  try {
    let listener: number | undefined;
    if (filter.asks) {
      await untilReadable(report, exit);
      listener = receiveDescriptor(report) ?? undefined;
    }
    passage.started?.(listener);
  } catch (error) {
    running.delete(abandon);
    endGroup(child, "SIGKILL");
    passage.close();
    closeDescriptor(ours);
    throw new Failure(`${name} cannot be started: ${messageOf(error)}`, exitCodes.system);
  } finally {
    closeDescriptor(report);
  }
  return {
    name,
    socket: ours,
    exit,
    async stop() {
      await end(child, exit, inode);
      running.delete(abandon);
      passage.close();
    },
  };
}

/** What is to be done for each daemon if this process exits before it was stopped. */
const running = new Set<() => void>();
process.on("exit", () => {
  for (const abandon of running) abandon();
});

const PASSAGES: Readonly<Record<RouteName, (context: PassageContext) => Passage>> = {
  fd: devFdPassage,
  fusermount: fusermountPassage,
  seccomp: seccompPassage,
};

/** Both ends get room for messages of 1 MiB and more: what does not fit is never answered. */
const BUFFER = 1 << 21;

function watch(child: ChildProcess, say: (line: string) => void): Promise<Exit> {
  const words: { readonly line: string; readonly at: number }[] = [];
  for (const stream of [child.stdout, child.stderr] as (Readable | null | undefined)[]) {
    if (!stream) continue;
    createInterface({ input: stream }).on("line", (line) => {
      if (stream === child.stderr && line.trim() !== "") {
        words.push({ line: line.trim(), at: performance.now() });
        if (words.length > MOST_WORDS + 1) words.shift();
      }
      say(line);
    });
  }
  return new Promise((resolve) => {
    child.on("error", (error) => resolve({ code: null, how: messageOf(error), lastWords: "" }));
    child.on("exit", async (code, signal) => {
      const ended = performance.now();
      // What it wrote may still be on its way; one in the background keeps the pipe open.
      const closed = new Promise((resolve) => child.on("close", resolve));
      await Promise.race([closed, Bun.sleep(MOMENT)]);
      // Who is killed has not said why.
      const last = words.filter(({ at }) => signal !== "SIGKILL" && at > ended - DYING);
      const told = last.length > MOST_WORDS ? last.slice(-1) : last;
      const lastWords = told.map(({ line }) => line).join("; ");
      resolve({ code, how: signal ?? `exit code ${code}`, lastWords });
    });
  });
}

async function end(child: ChildProcess, exit: Promise<unknown>, inode: number): Promise<void> {
  let ended = child.pid === undefined;
  exit.then(() => {
    ended = true;
  });
  // Until a daemon has opened it, its end of the connection is held by this process.
  const holders = () => holdersOf(inode).filter((pid) => pid !== process.pid);
  const left = () => !ended || holders().length > 0;
  for (const { signal, patience } of INSISTENCE) {
    // One that was stopped hears nothing but the second.
    if (signal !== undefined)
      for (const each of [signal, "SIGCONT"] as const) {
        endGroup(child, each);
        for (const pid of holders()) send(pid, each);
      }
    const until = performance.now() + patience;
    while (left() && performance.now() < until) {
      await Promise.race([exit, Bun.sleep(MOMENT)]);
      if (ended) await Bun.sleep(MOMENT / 10);
    }
    if (!left()) break;
  }
}

/** How a daemon is brought to its end, and for how many milliseconds each step is given time. */
const INSISTENCE: readonly { readonly signal?: NodeJS.Signals; readonly patience: number }[] = [
  { patience: 2000 },
  { signal: "SIGTERM", patience: 3000 },
  { signal: "SIGKILL", patience: 2000 },
];

/** Milliseconds: between looks; before its end, in which a process says why; until nobody is expected any more. */
const MOMENT = 200;
const DYING = 1000;
const FORSAKEN = 5000;

/** Lines with which a daemon says why it ends. More is a manual, or a stack. */
const MOST_WORDS = 6;

/** What was started, and what that has started and kept with it: it leads a group, see setsid(2). Once it has ended its number may be another's. */
function endGroup({ pid, exitCode, signalCode }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid !== undefined && exitCode === null && signalCode === null) send(-pid, signal);
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended meanwhile.
  }
}
