import { passCredentials, peerCredentials, peerGroups, shutdown } from "../../ffi/seqpacket.ts";
import { Waiter } from "../../ffi/waiter.ts";
import { errnoOf } from "../errno.ts";
import { Failure, failureOf, messageOf, sysexits } from "../failure.ts";
import { doorOf, mount } from "../mount.ts";
import { unmountOnSignals } from "../signals.ts";
import { isReadOnly } from "../start.ts";
import type { Diagnostics } from "./diagnostics.ts";
import type { host } from "./host.ts";
import { Hosted, type HostedOptions } from "./hosted.ts";
import { mountOptions } from "./mount-options.ts";
import { type MountRequest, receiveMountRequest } from "./mount-request.ts";
import { becomeOwner, checkRight } from "./owner.ts";
import { makeRoom } from "./room.ts";
import { openTraceStore, type TraceStore } from "./trace-store.ts";

/** What perfused -i is given. */
export interface ServeOptions extends HostedOptions {
  /** -s: silent until SIGUSR2. */
  readonly silent: boolean;
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
    const room = makeRoom(socket, settings.bufferSize, (message) => diagnostics.warn(message));
    await serveRequest({ ...options, host: take }, await mountRequest(socket), room);
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

async function serveRequest(
  options: ServeOptions,
  { frame, owner }: MountRequest,
  room: number,
): Promise<void> {
  const { socket, diagnostics, silent } = options;
  const { target, source } = frame;
  const door = doorOf({ mount: {} });
  const wanted = mountOptions(frame, door, owner.uid === 0);
  // Only Linux mounts for ordinary users by itself: elsewhere it takes root to the end.
  if (door === "fuse" && process.geteuid?.() === 0 && owner.uid !== 0)
    becomeOwner(owner, peerCredentials(socket).uid === owner.uid ? peerGroups(socket) : []);
  await checkRight(owner, target, isReadOnly(wanted));

  const hosted = new Hosted(options, longestRead(wanted.mount.max_read, room));
  let store: TraceStore | undefined;
  process.on("SIGUSR1", () => hosted.toggleTrace((text) => store?.write(text)));
  process.on("SIGUSR2", () => {
    if (silent) diagnostics.swap();
  });
  // With -s the words are known, and hold later.
  const trace = diagnostics.has("puffs") ? tracer(diagnostics) : undefined;
  if (silent) diagnostics.swap();

  const live = await mount({
    plugin: hosted.plugin,
    special: source,
    directory: target,
    options: wanted,
    log: diagnostics,
    trace,
  });
  store = openTraceStore(live.directory, (message) => diagnostics.warn(message));
  unmountOnSignals(live, wanted.mount.grace ?? 0, diagnostics);
  if (diagnostics.has("misc"))
    diagnostics.info(`mounted on ${live.directory} for process ${owner.pid} of user ${owner.uid}`);
  hosted.whenGone(() => {
    diagnostics.warn(`${live.directory}: the daemon has gone; unmounting`);
    live.unmount(0).catch((error) => diagnostics.error(messageOf(error)));
  });
  const { reason, message } = await live.ended;
  store?.close();
  if (reason === "failed")
    throw failureOf(message ?? "the mount failed", live.directory, sysexits.osError);
}

/** A daemon's answer must pass through its socket, which is like ours: in whole pages, with a header. */
function longestRead(asked: number | undefined, room: number): number | undefined {
  const most = Math.max(PAGE, Math.floor(room / PAGE - 1) * PAGE);
  return most >= MOST_READ ? asked : Math.min(asked ?? most, most);
}

const PAGE = 4096;

/** No kernel asks for more at once: FUSE_MAX_MAX_PAGES of linux/fs/fuse. */
const MOST_READ = 256 * PAGE;

/** The requests of our own kernel, while they are asked for. */
function tracer(diagnostics: Diagnostics): (line: string) => void {
  return (line) => {
    if (diagnostics.has("puffs")) diagnostics.info(line);
  };
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
