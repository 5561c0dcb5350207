import { closeDescriptor } from "../ffi/device.ts";
import type { EngineMaker } from "./engine.ts";
import { Errno } from "./errno.ts";
import type { AnyFileSystem } from "./plugin.ts";
import type { Protocol, Served } from "./protocol.ts";
import { Statistics } from "./statistics.ts";
import type { Usermount } from "./usermount.ts";
import type { Wishes } from "./wishes.ts";

/** Where messages for people go. The library never prints. */
export interface Log {
  info(message: string): void;
  warn(message: string): void;
  error(message: string, cause?: unknown): void;
}

/** What a mount is served with, all of it from the options of the command. */
export interface SessionOptions extends Wishes {
  /** The mount point: an absolute path. */
  readonly directory: string;
  readonly log: Log;
}

/** Why a mount has ended. */
export type Ending = {
  /** "unmounted": by anyone, in order. "failed": the descriptor said something else, or the plugin that it cannot go on. */
  readonly reason: "unmounted" | "failed";
  readonly message?: string;
};

/**
 * One mount from start to end: the file system behind the protocol, the engine that moves the bytes, the plugin's
 * hold on its mount.
 *
 * In order: `new Session`, the plugin's `start` (which gets `usermount`), `open`, the mount itself, `serve`.
 */
export class Session {
  readonly #options: SessionOptions;
  readonly #protocol: Protocol;
  readonly #ready = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<Ending>();

  constructor(options: SessionOptions, protocol: Protocol) {
    this.#options = options;
    this.#protocol = protocol;
    // Nobody may be waiting for these when they fail.
    this.#ready.promise.catch(() => {});
  }

  get usermount(): Usermount {
    return this.#protocol.usermount;
  }

  /** What was served so far; empty before `open`. */
  get statistics(): Statistics {
    return this.#protocol.served?.statistics ?? new Statistics([]);
  }

  /** The kernel and we have come to terms; rejects if the mount ends before. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** The mount is gone, `fs.unmount` has run and the descriptor is closed. */
  get ended(): Promise<Ending> {
    return this.#ended.promise;
  }

  /** Take the file system that the plugin started. */
  open(fileSystem: AnyFileSystem): void {
    const { log, readOnly } = this.#options;
    const report = (message: string, cause?: unknown) => log.error(message, cause);
    const wishes = { ...this.#options, readOnly: readOnly || fileSystem.readOnly };
    this.#protocol.open(fileSystem, wishes, report);
  }

  /** The mount failed after `open`: let the file system close what it opened. */
  async abandon(): Promise<void> {
    const { served } = this.#protocol;
    if (served) await served.attempt("unmount", () => served.unmount());
  }

  /**
   * Serve the mount's descriptor, which is the session's from now on, until the mount ends. `detach` unmounts, lazily if it must;
   * `usermount.unmount()` calls it where the protocol has no message for that. `engine`: who moves the bytes, if not the protocol's own.
   */
  serve(descriptor: number, detach: () => Promise<void>, engine?: EngineMaker): void {
    const { log } = this.#options;
    const surroundings = {
      ready: this.#ready.resolve,
      warn: (message: string) => log.warn(message),
      detach,
      engine,
    };
    this.#protocol.serve(descriptor, surroundings).then((errno) => this.#close(descriptor, errno));
  }

  async #close(descriptor: number, errno: number): Promise<void> {
    const { name, served } = this.#protocol;
    this.#ready.reject(new Errno("ENOTCONN", "the mount ended before it was ready"));
    this.#protocol.abort();
    if (served) await settled(served);
    await this.#protocol.close();
    await this.abandon();
    const patience = Promise.withResolvers<void>();
    const timer = setTimeout(patience.resolve, FAREWELL);
    await Promise.race([this.#protocol.release(), patience.promise]);
    // A timer would keep a program alive that has nothing else to do.
    clearTimeout(timer);
    closeDescriptor(descriptor);
    const message =
      errno === ENODEV
        ? this.#protocol.usermount.failure
        : `reading ${name} requests failed with errno ${errno}`;
    this.#ended.resolve(
      message === undefined ? { reason: "unmounted" } : { reason: "failed", message },
    );
  }
}

/** Operations that are still at work when the mount is gone get a moment to end: their signals have fired. */
async function settled({ pending, report }: Served): Promise<void> {
  const deadline = Date.now() + FAREWELL;
  while (pending.size > 0 && Date.now() < deadline) await Bun.sleep(5);
  if (pending.size > 0) report(`${pending.size} operations had not ended when the mount was gone`);
}

const ENODEV = 19;

/** Milliseconds. */
const FAREWELL = 2000;
