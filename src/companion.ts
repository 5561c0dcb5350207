import { waitEither, waitReadable } from "../ffi/device.ts";
import type { Waiter } from "../ffi/waiter.ts";

/**
 * Where operations get their answers from, if that is one descriptor of messages: whoever waits for requests then waits for both, where a
 * promise alone would have to be waited for by turns of the event loop.
 */
export interface Companion {
  /** -1 when there is nothing to wait for any more. */
  readonly descriptor: number;
  /** How many answers are waited for. */
  readonly waiting: number;
  /** Whether something is to be written as soon as that is possible. */
  readonly queued: boolean;
  /** Take what has come, and write what is queued, without waiting: the promises that hang on it settle. */
  readable(): boolean;
  /** True: the descriptor is waited for by others, who call `readable`. Else the companion waits for itself. */
  selfless: boolean;
}

/** What an engine has of a companion, which may be another one each time, or none. */
export class Beside {
  readonly #companion: () => Companion | undefined;

  constructor(companion: () => Companion | undefined = () => undefined) {
    this.#companion = companion;
  }

  /** A turn of the event loop begins: take what has come. */
  turn(): void {
    this.#joined()?.readable();
  }

  /**
   * Requests are outstanding: has `fd` one more? If some wait for the companion it is waited for both, for a moment; otherwise this only
   * looks, for what is outstanding needs the event loop. "settled" says that the companion has settled promises. With a waiter that
   * attends, the wait needs no timer.
   */
  look(fd: number, waiter?: Waiter): "request" | "settled" | "nothing" {
    const companion = this.#joined();
    if (!companion || companion.waiting === 0) return waitReadable(fd, 0) ? "request" : "nothing";
    const { descriptor, queued } = companion;
    const which = waiter
      ? waiter.either(fd, descriptor, queued)
      : waitEither(fd, descriptor, queued, NAP);
    if ((which & 2) !== 0 && companion.readable()) return "settled";
    return (which & 1) !== 0 ? "request" : "nothing";
  }

  /** What to sleep on beside `fd`, and which of it is waited for to be written. */
  sleepers(fd: number): { readonly fds: readonly number[]; readonly writing: number | undefined } {
    const companion = this.#joined();
    if (!companion) return { fds: [fd], writing: undefined };
    const { descriptor, queued } = companion;
    return { fds: [fd, descriptor], writing: queued ? descriptor : undefined };
  }

  /** The engine has ended: the companion waits for itself again. */
  end(): void {
    const companion = this.#companion();
    if (companion) companion.selfless = false;
  }

  /** The companion, which from now on need not wait for itself. */
  #joined(): Companion | undefined {
    const companion = this.#companion();
    if (companion && !companion.selfless) companion.selfless = true;
    return companion;
  }
}

/** Microseconds of sleep in the kernel between two turns of the event loop. */
const NAP = 1000;
