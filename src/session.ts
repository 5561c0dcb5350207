import { closeDescriptor } from "../ffi/device.ts";
import { BlockingSender } from "../ffi/sender.ts";
import { DeviceEngine, type Engine } from "./engine.ts";
import { Errno } from "./errno.ts";
import { Connection, type Wishes } from "./fuse/connection.ts";
import { MESSAGE_ROOM } from "./fuse/init.ts";
import { FuseServer } from "./fuse/server.ts";
import { FuseUsermount } from "./fuse/usermount.ts";
import type { AnyFileSystem } from "./plugin.ts";
import { Statistics } from "./statistics.ts";
import type { Usermount } from "./usermount.ts";

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
  readonly readOnly: boolean;
  readonly log: Log;
}

/** Why a mount has ended. */
export type Ending = {
  /** "unmounted": by anyone, in order. "failed": the descriptor said something else. */
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
  readonly #usermount: FuseUsermount;
  readonly #ready = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<Ending>();
  #connection: Connection | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#usermount = new FuseUsermount(options.directory);
    // Nobody may be waiting for these when they fail.
    this.#ready.promise.catch(() => {});
  }

  get usermount(): Usermount {
    return this.#usermount;
  }

  /** What was served so far; empty before `open`. */
  get statistics(): Statistics {
    return this.#connection?.statistics ?? new Statistics([]);
  }

  /** INIT is agreed on; rejects if the mount ends before. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** The mount is gone, `fs.unmount` has run and the descriptor is closed. */
  get ended(): Promise<Ending> {
    return this.#ended.promise;
  }

  /** Take the file system that the plugin started. */
  open(fileSystem: AnyFileSystem): void {
    const { log } = this.#options;
    const report = (message: string, cause?: unknown) => log.error(message, cause);
    this.#connection = new Connection(fileSystem, this.#options, report);
  }

  /** The mount failed after `open`: let the file system close what it opened. */
  async abandon(): Promise<void> {
    const connection = this.#connection;
    if (connection) await connection.attempt("unmount", () => connection.fs.unmount?.());
  }

  /**
   * Serve the FUSE descriptor, which is the session's from now on, until the mount ends. `detach` unmounts, lazily if it must;
   * `usermount.unmount()` calls it.
   */
  serve(descriptor: number, detach: () => Promise<void>): void {
    const connection = this.#connection;
    if (!connection) throw new Error("serve() before open()");
    const { log } = this.#options;
    const server = new FuseServer(connection);
    const engine: Engine = new DeviceEngine(descriptor, server, MESSAGE_ROOM, (message) =>
      log.warn(message),
    );
    const sender = new BlockingSender(descriptor);
    connection.agreed = () => setImmediate(this.#ready.resolve);
    connection.notify = (message) => sender.send(message);
    this.#usermount.connect(connection, detach);
    engine.run().then((errno) => this.#close(connection, server, sender, descriptor, errno));
  }

  async #close(
    connection: Connection,
    server: FuseServer,
    sender: BlockingSender,
    descriptor: number,
    errno: number,
  ): Promise<void> {
    this.#ready.reject(new Errno("ENOTCONN", "the mount ended before it was ready"));
    this.#usermount.disconnect();
    connection.notify = undefined;
    server.abort();
    await settled(connection);
    await server.close();
    await connection.attempt("unmount", () => connection.fs.unmount?.());
    // Notifications to a mount that is gone fail at once, so the thread ends.
    await Promise.race([sender.close(), Bun.sleep(FAREWELL)]);
    closeDescriptor(descriptor);
    this.#ended.resolve(
      errno === ENODEV
        ? { reason: "unmounted" }
        : { reason: "failed", message: `reading the FUSE device failed with errno ${errno}` },
    );
  }
}

/** Operations that are still at work when the mount is gone get a moment to end: their signals have fired. */
async function settled(connection: Connection): Promise<void> {
  const deadline = Date.now() + FAREWELL;
  while (connection.pending.size > 0 && Date.now() < deadline) await Bun.sleep(5);
  if (connection.pending.size > 0)
    connection.report(
      `${connection.pending.size} operations had not ended when the mount was gone`,
    );
}

const ENODEV = 19;

/** Milliseconds. */
const FAREWELL = 2000;
