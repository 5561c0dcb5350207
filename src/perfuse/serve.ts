import { passCredentials, peerCredentials, peerGroups, shutdown } from "../../ffi/seqpacket.ts";
import { Waiter } from "../../ffi/waiter.ts";
import { errnoOf } from "../errno.ts";
import { Failure, failureOf, messageOf, sysexits } from "../failure.ts";
import { doorOf, mount } from "../mount.ts";
import type { AnyPlugin } from "../plugin.ts";
import { unmountOnSignals } from "../signals.ts";
import { isReadOnly } from "../start.ts";
import { DiagnosticObserver } from "./diagnostic-observer.ts";
import { DiagFlags, type Diagnostics } from "./diagnostics.ts";
import type { Hosting, host, Observer } from "./host.ts";
import { mountOptions } from "./mount-options.ts";
import { type MountRequest, receiveMountRequest } from "./mount-request.ts";
import { becomeOwner, checkRight } from "./owner.ts";
import { makeRoom } from "./room.ts";
import type { Settings } from "./settings.ts";
import { Trace } from "./trace-file.ts";
import { openTraceStore, type TraceStore } from "./trace-store.ts";

/** What perfused -i is given. */
export interface ServeOptions {
  /** The connected socket of one daemon. */
  readonly socket: number;
  readonly settings: Settings;
  readonly diagnostics: Diagnostics;
  /** -s: silent until SIGUSR2. */
  readonly silent: boolean;
  /** Plays the kernel. */
  readonly host: typeof host;
}

/**
 * Serves one daemon from its mount frame to the end of its mount: when either goes, so does the other. Everything that may be refused is
 * refused before the mount. Resolves when all is over; rejects with a Failure that carries a code of sysexits(3).
 */
export async function serveDaemon(options: ServeOptions): Promise<void> {
  const { socket, settings, diagnostics } = options;
  let taken = false;
  const take: typeof host = (given) => {
    taken = true;
    return options.host(given);
  };
  try {
    passCredentials(socket);
    makeRoom(socket, settings.bufferSize, (message) => diagnostics.warn(message));
    await serveRequest({ ...options, host: take }, await mountRequest(socket));
  } catch (error) {
    // Whoever else holds the socket, its daemon reads the end. Once the host has it, it closes it.
    if (!taken) shutdown(socket);
    throw inSysexits(error, diagnostics);
  }
}

/** The framework's failures have the codes of mount(8). */
function inSysexits(error: unknown, diagnostics: Diagnostics): Failure {
  if (!(error instanceof Failure) && errnoOf(error) === undefined) {
    diagnostics.error("internal error", error);
    return failureOf(error, "internal error", sysexits.software);
  }
  const failure = failureOf(error, "the daemon's socket", sysexits.osError);
  const codes: readonly number[] = Object.values(sysexits);
  if (codes.includes(failure.exitCode)) return failure;
  return new Failure(failure.message, sysexits.osError);
}

async function serveRequest(options: ServeOptions, { frame, owner }: MountRequest): Promise<void> {
  const { socket, settings, diagnostics, silent, host } = options;
  const { target } = frame;
  const door = doorOf({ mount: {} });
  const wanted = mountOptions(frame, door, owner.uid === 0);
  // Only Linux mounts for ordinary users by itself: elsewhere it takes root to the end.
  if (door === "fuse" && process.geteuid?.() === 0 && owner.uid !== 0)
    becomeOwner(owner, peerCredentials(socket).uid === owner.uid ? peerGroups(socket) : []);
  await checkRight(owner, target, isReadOnly(wanted));

  const trace = new Trace();
  let hosting: Hosting | undefined;
  let leaving = false;
  let store: TraceStore | undefined;
  const dump = () => {
    if (hosting) store?.write(trace.text(hosting.counts));
  };
  onSignals(diagnostics, silent, trace, () => hosting !== undefined, dump);
  const speaks = diagnostics.flags & ~(DiagFlags.foreground | DiagFlags.syslog | DiagFlags.misc);
  const traced = diagnostics.has("puffs");
  if (silent) diagnostics.swap();

  const plugin: AnyPlugin = {
    name: "perfuse",
    description: "a FUSE daemon that perfused serves",
    async start({ usermount }) {
      hosting = await host({
        socket,
        usermount,
        access: settings.access,
        create: settings.create,
        maxRead: wanted.mount.max_read,
        report: (message, cause) => diagnostics.error(message, cause),
        observe: speaks === 0 ? trace : both(trace, new DiagnosticObserver(diagnostics)),
      });
      const { close, fileSystem } = hosting;
      const unmount = () => {
        leaving = true;
        return close();
      };
      return { ...fileSystem, fs: { ...fileSystem.fs, unmount } };
    },
  };
  const live = await mount({
    plugin,
    special: frame.source,
    directory: target,
    options: wanted,
    log: diagnostics,
    trace: traced
      ? (line) => {
          if (diagnostics.has("puffs")) diagnostics.info(line);
        }
      : undefined,
  });
  store = openTraceStore(live.directory, (message) => diagnostics.warn(message));
  unmountOnSignals(live, wanted.mount.grace ?? 0, diagnostics);
  if (diagnostics.has("misc"))
    diagnostics.info(`mounted on ${live.directory} for process ${owner.pid} of user ${owner.uid}`);

  hosting?.ended.then(() => {
    if (leaving) return;
    diagnostics.warn(`${live.directory}: the daemon has gone; unmounting`);
    live.unmount(0).catch((error) => diagnostics.error(messageOf(error)));
  });
  const { reason, message } = await live.ended;
  store?.close();
  if (reason === "failed")
    throw failureOf(message ?? "the mount failed", live.directory, sysexits.osError);
}

/** The frame, however long the daemon takes to send it. */
async function mountRequest(socket: number): Promise<MountRequest> {
  const waiter = new Waiter();
  // A thread that waits does not keep a process alive.
  const hold = setInterval(() => {}, 2 ** 30);
  try {
    for (;;) {
      const request = receiveMountRequest(socket);
      if (request !== null) return request;
      await new Promise<void>((resolve) => waiter.wait([socket], resolve));
    }
  } finally {
    clearInterval(hold);
    waiter.close();
  }
}

function onSignals(
  diagnostics: Diagnostics,
  silent: boolean,
  trace: Trace,
  ready: () => boolean,
  dump: () => void,
): void {
  process.on("SIGUSR1", () => {
    if (!ready()) return;
    trace.enabled = !trace.enabled;
    diagnostics.flags ^= DiagFlags.trace;
    if (!trace.enabled) dump();
    diagnostics.info(trace.enabled ? "trace enabled" : "trace dumped, trace disabled");
  });
  process.on("SIGUSR2", () => {
    if (silent) diagnostics.swap();
  });
}

function both(first: Observer, second: Observer): Observer {
  return {
    begin(exchange) {
      first.begin?.(exchange);
      second.begin?.(exchange);
    },
    end(exchange, error) {
      first.end?.(exchange, error);
      second.end?.(exchange, error);
    },
    message(direction, message) {
      first.message?.(direction, message);
      second.message?.(direction, message);
    },
  };
}
