/** Writes that may block for long, made off the main thread. */
import { constants } from "node:os";
import { library } from "./libc.ts";
import * as program from "./sender.worker.ts" with { type: "text" };
import type { Order } from "./sender.worker.ts";
import { startThread } from "./thread.ts";

/**
 * A thread that writes messages to one descriptor in the order they were sent. For FUSE
 * notifications: the kernel may hold their write(2) until the server has answered a request, which
 * the server could not do from in there.
 */
export class BlockingSender {
  readonly #fd: number;
  readonly #unanswered: ((result: number) => void)[] = [];
  readonly #ended = Promise.withResolvers<void>();
  #worker: Worker | null = null;
  #closed = false;

  /** The thread starts with the first message. The descriptor stays the caller's. */
  constructor(fd: number) {
    this.#fd = fd;
  }

  /**
   * Writes all of a message; the bytes are copied at once. Resolves with their number or a negated
   * errno, -EBADF after `close`. Keeps the process alive until then.
   */
  send(bytes: Uint8Array): Promise<number> {
    if (this.#closed) return Promise.resolve(-constants.errno.EBADF);
    this.#worker ??= this.#start();
    const { promise, resolve } = Promise.withResolvers<number>();
    this.#unanswered.push(resolve);
    this.#worker.ref();
    // A copy of its own: of a view, all the buffer under it would be copied to the thread.
    const copy = bytes.slice();
    this.#worker.postMessage({ bytes: copy } satisfies Order, [copy.buffer]);
    return promise;
  }

  /** Resolves when all that was sent is written and the thread has ended. */
  close(): Promise<void> {
    if (this.#closed) return this.#ended.promise;
    this.#closed = true;
    if (this.#worker === null) {
      this.#ended.resolve();
    } else {
      this.#worker.ref();
      this.#worker.postMessage({ end: true } satisfies Order);
    }
    return this.#ended.promise;
  }

  #start(): Worker {
    const worker = startThread(program);
    worker.addEventListener("message", ({ data: result }: MessageEvent<number>) => {
      this.#unanswered.shift()?.(result);
      if (this.#unanswered.length === 0 && !this.#closed) worker.unref();
    });
    worker.addEventListener("close", () => {
      this.#closed = true;
      for (const resolve of this.#unanswered.splice(0)) resolve(-constants.errno.EIO);
      this.#ended.resolve();
    });
    worker.postMessage({ library, fd: this.#fd } satisfies Order);
    return worker;
  }
}
