import { setSendBuffer } from "../../ffi/seqpacket.ts";
import type { Span } from "../frame.ts";
import { InitFlags, InitMinors, union } from "../fuse/flags.ts";
import { FuseKernel, type KernelEvents } from "../fuse/kernel.ts";
import type { Notification } from "../fuse/notification.ts";
import { Channel } from "./channel.ts";
import type { HostOptions } from "./host.ts";
import { observing } from "./observing.ts";
import type { Table } from "./table.ts";

/** What a daemon may not know: it is asked once, and then done without. */
export type Feature =
  | "access"
  | "create"
  | "flush"
  | "open"
  | "opendir"
  | "fsync"
  | "fsyncdir"
  | "readdir"
  | "readdirplus"
  | "poll"
  | "fallocate"
  | "lseek"
  | "copy"
  | "rename2"
  | "getxattr"
  | "setxattr"
  | "listxattr"
  | "removexattr";

/** Hears what a daemon says unasked; what is in it is valid during the call. */
export type Notified = (notification: Notification, session: Session) => void;

/** One daemon, from INIT to its end. */
export class Session {
  readonly kernel: FuseKernel;
  readonly channel: Channel;
  /** Settles when the daemon has gone: all that waited was answered ENOTCONN. */
  readonly ended: Promise<void>;
  /** What it answered ENOSYS to. */
  readonly lacks = new Set<Feature>();
  readonly options: HostOptions;
  /** The nodes of it that are known; whoever opened the session gives it one. */
  table!: Table;
  /** The minor of the protocol that it was offered. What it agreed on is the kernel's. */
  readonly offered: number;
  /** Counts what changes sizes of files. */
  sizes = 0;
  /** Nothing more is asked. */
  over = false;
  /** Bytes of a READ, of a WRITE, of a READDIR at most. */
  readSize = PAGE;
  writeSize = PAGE;
  directorySize = PAGE;
  readonly #gone = Promise.withResolvers<void>();
  readonly #pollers = new Map<bigint, (() => void)[]>();

  private constructor(options: HostOptions, socket: number, onNotify: Notified) {
    this.options = options;
    this.offered = options.minor ?? DEFAULT_MINOR;
    this.ended = this.#gone.promise;
    const { report, observe } = options;
    const events: KernelEvents = {
      onNotify: (notification) => onNotify(notification, this),
      onFault: (fault) => report(`the daemon broke the protocol: ${fault.message}`),
      ...(observe && observing(observe, (nodeid) => this.table?.at(nodeid)?.name ?? "")),
    };
    this.kernel = new FuseKernel((message) => this.channel.send(message), events);
    this.channel = new Channel({
      descriptor: socket,
      room: MESSAGE_ROOM,
      receive: (message) => {
        observe?.message?.("received", message.part());
        if (isPart(message)) this.#broken();
        else this.kernel.receive(message);
      },
      ended: () => this.end(),
      waiting: () => this.kernel.waiting,
    });
  }

  /** Settle the protocol with the daemon at `socket`, which is closed if that fails. */
  static async open(options: HostOptions, socket: number, onNotify: Notified): Promise<Session> {
    const session = new Session(options, socket, onNotify);
    try {
      await session.#settle();
    } catch (error) {
      session.end();
      throw error;
    }
    return session;
  }

  /** `notify` is called when the daemon says that the events of a file may have changed: by the handle that it was given. */
  poll(handle: bigint, notify: () => void): void {
    const pollers = this.#pollers.get(handle) ?? [];
    this.#pollers.set(handle, pollers);
    pollers.push(notify);
    // Who is woken too early looks again.
    if (pollers.length > MOST_POLLERS) pollers.shift()?.();
  }

  /** Whoever waits for a file's events looks again. */
  wake(handle: bigint): void {
    const pollers = this.#pollers.get(handle) ?? [];
    this.#pollers.delete(handle);
    for (const notify of pollers) notify();
  }

  /** The daemon asks again for what it has not answered. Whether that is known between the two. */
  resend(): boolean {
    if (!this.kernel.agreed("HAS_RESEND")) return false;
    // What it has not taken of the last time is on its way.
    if (!this.channel.queued) this.kernel.resend();
    return true;
  }

  /** The daemon has gone, or is to. */
  end(): void {
    if (this.over) return;
    this.over = true;
    this.channel.close();
    this.kernel.end("ENOTCONN");
    for (const handle of [...this.#pollers.keys()]) this.wake(handle);
    this.#gone.resolve();
  }

  /** What follows has no header, may be of several replies by turns, and could be taken for any reply: nothing is believed any more. */
  #broken(): void {
    this.options.report(
      "a reply came in pieces, which cannot be put together again: offer it a lower -o minor, or ask for less by -o maxread",
    );
    this.end();
  }

  async #settle(): Promise<void> {
    const { kernel, options, offered: minor } = this;
    const { maxRead = MAX_WRITE, patience = 30_000 } = options;
    const room = sendRoom(this.channel.descriptor, options);
    const flags = [
      ...OFFERED,
      ...(room >= MESSAGE_ROOM ? (["MAX_PAGES"] as const) : []),
      ...(minor >= InitMinors.HAS_RESEND ? (["INIT_EXT", "HAS_RESEND"] as const) : []),
    ].reduce((set, flag) => union(set, InitFlags[flag]), 0);
    const late = setTimeout(() => kernel.end("ETIMEDOUT"), patience);
    try {
      await kernel.init({ minor, flags, maxReadahead: READAHEAD });
    } finally {
      clearTimeout(late);
    }
    const { maxReadahead = 0, maxWrite = PAGE } = kernel.settled ?? {};
    const most = kernel.agreed("MAX_PAGES") ? Math.max(maxWrite, PAGES) : PAGES;
    this.writeSize = Math.min(maxWrite, most, room - PAGE);
    const ahead = maxReadahead >= PAGE && maxReadahead < READAHEAD ? maxReadahead : most;
    this.readSize = Math.min(ahead, maxRead, MAX_WRITE);
    this.directorySize = Math.min(this.readSize, PAGES);
  }
}

/** Whether a message of pages is but the beginning of what its header announces: that of a daemon that splices, of a pipe's pages. */
function isPart({ view, start, length }: Span): boolean {
  return length > PAGE && length < MESSAGE_ROOM && view.getUint32(start, true) > length;
}

/** Our end takes messages of the longest kind, if that is permitted; how long they may be. */
function sendRoom(descriptor: number, { report }: HostOptions): number {
  try {
    return setSendBuffer(descriptor, 2 * MESSAGE_ROOM) - OVERHEAD;
  } catch (cause) {
    report("the socket's buffer keeps its size", cause);
    return 2 * PAGES - OVERHEAD;
  }
}

/** The last minor that libfuse answers in whole messages at, whatever it is asked. */
const DEFAULT_MINOR = 13;
const PAGE = 4096;
/** Of one message where the two sides did not agree on more (fs/fuse/fuse_i.h, FUSE_DEFAULT_MAX_PAGES_PER_REQ). */
const PAGES = 32 * PAGE;
/** That wait for events of one file. */
const MOST_POLLERS = 64;
const READAHEAD = 32 * PAGE;
const MAX_WRITE = 1 << 20;
const MESSAGE_ROOM = MAX_WRITE + PAGE;
/** What the kernel counts for itself of a local socket's buffer. */
const OVERHEAD = 32;

const OFFERED = [
  "ASYNC_READ",
  "POSIX_LOCKS",
  "ATOMIC_O_TRUNC",
  "BIG_WRITES",
  "DONT_MASK",
  "FLOCK_LOCKS",
  "DO_READDIRPLUS",
] as const;
