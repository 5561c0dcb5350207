import type { Awaitable } from "./awaitable.ts";
import type { EngineMaker } from "./engine.ts";
import type { Done } from "./operations.ts";
import type { AnyFileSystem } from "./plugin.ts";
import type { Statistics } from "./statistics.ts";
import type { Usermount } from "./usermount.ts";
import type { Report, Wishes } from "./wishes.ts";

/** What of a mount all protocols have. */
export interface Served {
  readonly statistics: Statistics;
  readonly report: Report;
  /** The process whose request was served last, where the protocol tells of all; else 0. */
  readonly by: number;
  /** Calls whose operation has not ended. */
  readonly pending: { readonly size: number };
  /** Do what no request waits for: what goes wrong is logged. */
  attempt<T>(operation: string, action: () => Awaitable<T>): Awaitable<T | undefined>;
  /** `fs.unmount`, unless it has been called. */
  unmount(): Awaitable<Done>;
}

/** What a protocol tells the session that it serves for, and asks of it. */
export interface Surroundings {
  /** The kernel and we have come to terms. */
  ready(): void;
  warn(message: string): void;
  /** Unmount, lazily if it must be, where the protocol itself has no message for it. */
  detach(): Promise<void>;
  /** What moves the bytes. Left out: the protocol's own engine. */
  readonly engine?: EngineMaker | undefined;
}

/**
 * How a session and a kernel talk: FUSE or puffs. In order: `open`, `serve`, and when that has ended `abort`, `close`, `release`.
 */
export interface Protocol {
  /** For messages to people. */
  readonly name: string;
  /** The plugin's hold on the mount, from the beginning. */
  readonly usermount: Usermount & { readonly failure: string | undefined };
  /** Undefined before `open`. */
  readonly served: Served | undefined;
  /** Take the file system that the plugin started. */
  open(fileSystem: AnyFileSystem, wishes: Wishes, report: Report): void;
  /** Serve a descriptor. Resolves when its other end is gone, with the errno that said so: ENODEV for the end of a mount. */
  serve(descriptor: number, surroundings: Surroundings): Promise<number>;
  /** What is still at work is told to give up, and the kernel is told nothing any more. */
  abort(): void;
  /** What the end of the mount leaves open is ended, and all nodes are reclaimed. */
  close(): Promise<void>;
  /** Let go of the descriptor, which is then closed. */
  release(): Promise<void>;
}
