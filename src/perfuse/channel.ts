import { monotonic } from "../../ffi/clock.ts";
import {
  closeDescriptor,
  EAGAIN,
  EINTR,
  hasHungUp,
  receive,
  send,
  setNonBlocking,
} from "../../ffi/device.ts";
import { Waiter } from "../../ffi/waiter.ts";
import type { Companion } from "../companion.ts";
import { ENOTCONN, Errno } from "../errno.ts";
import { Span, viewOf } from "../frame.ts";

/** What a channel is made for. */
export interface ChannelParts {
  /** A connected SOCK_SEQPACKET socket; the channel closes it. */
  readonly descriptor: number;
  /** Bytes of the longest message that may come; of what is longer the rest is cut off. */
  readonly room: number;
  /** Takes each message, which is valid during the call. */
  readonly receive: (message: Span) => void;
  /** The other end is gone. Called once, not by `close`. */
  readonly ended: () => void;
  /** How many answers are waited for: while there are any, the channel stays close. */
  readonly waiting?: () => number;
}

/**
 * Whole messages in and out of a SOCK_SEQPACKET socket. Nothing here blocks: what the socket does not take at once is queued,
 * and what has come is taken whenever there is a look, so that two ends which both write never wait for each other.
 *
 * It waits by itself: for a short time by turns of the event loop, then with a thread. Who waits for its descriptor anyway calls
 * `readable` and leaves that to `selfless`.
 */
export class Channel implements Companion {
  readonly #fd: number;
  readonly #parts: ChannelParts;
  readonly #buffer: Uint8Array;
  readonly #view: DataView;
  readonly #unsent: Uint8Array[] = [];
  #waiter: Waiter | undefined;
  #asleep = false;
  /** A turn of the event loop is arranged for. */
  #awake = false;
  #selfless = false;
  #closed = false;
  #lastUse = 0;

  constructor(parts: ChannelParts) {
    this.#fd = parts.descriptor;
    this.#parts = parts;
    this.#buffer = new Uint8Array(parts.room);
    this.#view = viewOf(this.#buffer);
    setNonBlocking(this.#fd);
    this.#stayClose();
  }

  get descriptor(): number {
    return this.#closed ? -1 : this.#fd;
  }

  /** How many answers are waited for. */
  get waiting(): number {
    return this.#parts.waiting?.() ?? 0;
  }

  /** Somebody else waits for the descriptor from now on and calls `readable`. True: that is so; a channel starts by waiting itself. */
  get selfless(): boolean {
    return this.#selfless;
  }

  set selfless(value: boolean) {
    this.#selfless = value;
    if (!value) this.#stayClose();
    else if (this.#asleep) {
      this.#asleep = false;
      this.#waiter?.cancel();
    }
  }

  /** Whether something is queued: who waits for the descriptor waits until it can be written, too. */
  get queued(): boolean {
    return this.#unsent.length > 0;
  }

  /** Sends a message, of which nothing is kept. Throws ENOTCONN if the other end is gone, EIO if the message is too long for the socket. */
  send(message: Uint8Array): void {
    if (this.#closed) throw ENOTCONN;
    if (this.#unsent.length > 0) this.#unsent.push(message.slice());
    else {
      const result = this.#write(message);
      if (result === -EMSGSIZE) throw new Errno("EIO", `a message of ${message.length} bytes`);
      if (RETRIED.has(-result)) this.#unsent.push(message.slice());
      // Reading will say so too, once all that the other end said is read.
      else if (result < 0) throw ENOTCONN;
    }
    this.#stayClose();
  }

  /** Takes all that is there now, and writes what is queued; whether there was anything. */
  readable(): boolean {
    let found = this.#flush();
    for (let count = 0; count < MOST_AT_ONCE && !this.#closed; count++) {
      const length = receive(this.#fd, this.#buffer);
      if (length === -EINTR) continue;
      if (length === -EAGAIN) break;
      // A message of no bytes looks like the end.
      if (length === 0 && !hasHungUp(this.#fd)) continue;
      if (length <= 0) {
        this.close();
        this.#parts.ended();
        return true;
      }
      found = true;
      this.#parts.receive(new Span(this.#buffer, this.#view, 0, length));
      // What comes unasked is there at the next look, too.
      if (this.waiting === 0) break;
    }
    if (found && !this.#selfless) this.#lastUse = monotonic();
    return found;
  }

  /** Nothing more is read or sent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#waiter?.close();
    this.#unsent.length = 0;
    closeDescriptor(this.#fd);
  }

  #write(message: Uint8Array): number {
    for (;;) {
      const result = send(this.#fd, message, message.length);
      if (result !== -EINTR) return result;
    }
  }

  /** Whether something was written. */
  #flush(): boolean {
    let written = false;
    for (let first = this.#unsent[0]; first; first = this.#unsent[0]) {
      const result = this.#write(first);
      if (RETRIED.has(-result)) return written;
      this.#unsent.shift();
      written = true;
    }
    return written;
  }

  #stayClose(): void {
    if (this.#selfless) return;
    this.#lastUse = monotonic();
    if (this.#awake || this.#closed) return;
    if (this.#asleep) this.#waiter?.cancel();
    this.#asleep = false;
    this.#awake = true;
    setImmediate(this.#turn);
  }

  readonly #turn = (): void => {
    this.#awake = false;
    if (this.#closed || this.#selfless) return;
    this.readable();
    if (this.#closed || this.#selfless || this.#awake) return;
    const quiet = monotonic() - this.#lastUse;
    if (quiet > PATIENCE) {
      this.#sleep();
      return;
    }
    this.#awake = true;
    setImmediate(this.#turn);
  };

  #sleep(): void {
    this.#waiter ??= new Waiter();
    this.#asleep = true;
    this.#waiter.wait(
      [this.#fd],
      () => {
        this.#asleep = false;
        this.#stayClose();
      },
      this.queued ? this.#fd : undefined,
    );
  }
}

/** Nanoseconds that a quiet socket is stayed close to before the process sleeps. */
const PATIENCE = 2_000_000;
/** Messages that are taken in one look, so that a flood leaves a turn to others. */
const MOST_AT_ONCE = 256;

// Linux' numbers; of local sockets none but these say "later" (unix(7)).
const ENOBUFS = 105;
const EMSGSIZE = 90;
const RETRIED: ReadonlySet<number> = new Set([EAGAIN, ENOBUFS]);
