import { canFilter } from "../../ffi/seccomp.ts";
import { exitCodes, Failure, messageOf, usageFailure } from "../failure.ts";
import type { FileSystem } from "../plugin.ts";
import { type Daemon, type DaemonOptions, PLACE, startDaemon } from "./daemon.ts";
import { type Hosting, host } from "./host.ts";
import type { HostedCommand } from "./hosted-command.ts";
import type { PerfuseNode } from "./node.ts";
import { findProgram, pickRoute } from "./routes/pick.ts";

/** See `hostCommand`. */
export async function superviseCommand(options: HostedCommand): Promise<FileSystem<PerfuseNode>> {
  const plan = planOf(options);
  const daemon = await startDaemon(plan.daemon);
  const hosting = await greeted(daemon, () =>
    host({
      socket: daemon.socket,
      usermount: options.usermount,
      access: options.access,
      create: options.create,
      minor: plan.minor,
      maxRead: plan.maxRead,
      patience: options.patience,
      report: (message, cause) => options.log.error(`${daemon.name}: ${message}`, cause),
    }),
  );
  const watch = new Watch(options, plan.daemon, hosting, daemon);
  void watch.run();
  const { fileSystem } = hosting;
  return {
    ...fileSystem,
    fs: { ...fileSystem.fs, unmount: (pid) => watch.end(pid) },
    readOnly: wantsReadOnly(plan.daemon.args),
  };
}

/** Sees to it that the mount ends with its daemon, or that the daemon is started again. */
class Watch {
  readonly #options: HostedCommand;
  readonly #start: DaemonOptions;
  readonly #hosting: Hosting;
  #daemon: Daemon;
  #born = performance.now();
  #leaving = false;
  /** Deaths in a row of daemons that did not live for long. */
  #deaths = 0;

  constructor(options: HostedCommand, start: DaemonOptions, hosting: Hosting, daemon: Daemon) {
    this.#options = options;
    this.#start = start;
    this.#hosting = hosting;
    this.#daemon = daemon;
  }

  async run(): Promise<void> {
    const { log, restart, usermount } = this.#options;
    let failure: string | undefined;
    for (let alive = true; alive; ) {
      await this.#hosting.ended;
      if (this.#leaving) return;
      const { line, isOrderly } = await obituary(this.#daemon);
      const last = !restart || !this.#mayTryAgain();
      log.error(`${line}; ${usermount.directory} ${last ? "is unmounted" : "waits for it"}`);
      failure = isOrderly ? undefined : line;
      alive = !last && (await this.#again());
    }
    if (this.#leaving) return;
    await usermount.unmount(failure).catch((error) => log.error(messageOf(error)));
  }

  /** The mount is over. */
  async end(pid: number | undefined): Promise<void> {
    this.#leaving = true;
    await this.#hosting.fileSystem.fs?.unmount?.(pid);
    await this.#daemon.stop();
  }

  #mayTryAgain(): boolean {
    const lived = performance.now() - this.#born;
    this.#deaths = lived > LONG ? 1 : this.#deaths + 1;
    return this.#deaths <= MOST_DEATHS;
  }

  /** Whether a new daemon serves the mount. */
  async #again(): Promise<boolean> {
    const { log, usermount } = this.#options;
    await this.#daemon.stop();
    for (;;) {
      await Bun.sleep((this.#deaths - 1) * PAUSE);
      if (this.#leaving) return false;
      try {
        this.#born = performance.now();
        const daemon = await startDaemon({ ...this.#start, successorOn: usermount.directory });
        this.#daemon = daemon;
        await greeted(daemon, () => this.#hosting.resume(daemon.socket));
        if (this.#leaving) await daemon.stop();
        log.info(`${daemon.name} serves ${usermount.directory} again`);
        return true;
      } catch (error) {
        log.error(`${usermount.directory}: ${messageOf(error)}`);
        if (!this.#mayTryAgain()) return false;
      }
    }
  }
}

/** How often it is started again, and after how many milliseconds of life it counts as well; the pause grows by that much each time. */
const MOST_DEATHS = 5;
const LONG = 60_000;
const PAUSE = 1000;

/** The daemon has its greeting; a Failure says how it ended instead, and nothing is left of it. */
async function greeted<T>(daemon: Daemon, greet: () => Promise<T>): Promise<T> {
  try {
    return await greet();
  } catch (error) {
    const { code } = error as { code?: string };
    const reason =
      code === "ENOTCONN"
        ? (await obituary(daemon)).line
        : code === "ETIMEDOUT"
          ? `${daemon.name} does not begin to serve; does it mount on ${PLACE}? -o patience gives it longer`
          : `${daemon.name} does not serve: ${messageOf(error)}`;
    await daemon.stop();
    throw new Failure(reason);
  }
}

/** How it ended, in one line, and whether it meant to (exit code 0). One in the background is nobody's child, and so nobody knows. */
async function obituary({ name, exit }: Daemon): Promise<{ line: string; isOrderly: boolean }> {
  const ended = await Promise.race([exit, Bun.sleep(SOON)]);
  if (!ended) return { line: `${name} has closed its connection`, isOrderly: false };
  const { code, how, lastWords } = ended;
  const isOrderly = code === 0;
  const said = lastWords === "" ? "" : `: ${lastWords}`;
  return { line: `${name} has ended${isOrderly ? "" : ` (${how})`}${said}`, isOrderly };
}

/** Milliseconds that a process takes to end after its socket is closed. */
const SOON = 1000;

interface Plan {
  readonly daemon: DaemonOptions;
  readonly minor: number | undefined;
  readonly maxRead: number | undefined;
}

function planOf({ command, route, minor, maxRead, log }: HostedCommand): Plan {
  const [word, ...args] = command;
  if (word === undefined)
    throw usageFailure(
      `there is no daemon: name it after --, with ${PLACE} where it takes its mount point`,
    );
  if (!args.some((arg) => arg.includes(PLACE))) {
    throw usageFailure(
      `the command has no ${PLACE}: write ${PLACE} where ${word} takes its mount point`,
    );
  }
  const program = findProgram(word);
  const filters = canFilter({ listens: false });
  const listeners = filters && canFilter({ listens: true });
  const picked = pickRoute(program, args, { listeners });
  const taken = route ?? picked.route;
  if (taken === "seccomp" && !listeners) {
    throw new Failure(
      `${word}: system calls cannot be passed on here; try -o route=fd or -o route=fusermount`,
      exitCodes.system,
    );
  }
  const spoken = minor ?? picked.minor;
  const splices = spoken !== undefined && spoken >= (picked.goFuse ? GO_SPLICES : SPLICES);
  const kept = splices && filters && !picked.goFuse;
  return {
    daemon: {
      program,
      args,
      directory: process.cwd(),
      route: taken,
      goFuse: picked.goFuse,
      wholeReplies: kept,
      log,
    },
    minor: spoken,
    maxRead: splices && !kept ? Math.min(maxRead ?? PIPE, PIPE) : maxRead,
  };
}

/** As the libraries of FUSE take their options, which leave it to the kernel to refuse writing. */
function wantsReadOnly(args: readonly string[]): boolean {
  const lists = args.flatMap((arg, index) => {
    if (args[index - 1] === "-o") return [arg];
    return arg.startsWith("-o") ? [arg.slice(2)] : [];
  });
  return lists.some((list) => list.split(",").includes("ro"));
}

/**
 * The minor from which libfuse 3 believes that replies may be spliced: then it is kept from vmsplice(2). go-fuse splices from 13 on, with
 * calls that other daemons cannot do without (fuse/server.go, setSplice).
 */
const SPLICES = 14;
const GO_SPLICES = 13;
/** What of a READ's answer comes in one message through a pipe of 16 pages, the first of which is the header's. */
const PIPE = 57344;
