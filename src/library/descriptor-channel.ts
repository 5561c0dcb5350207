import {
  closeDescriptor,
  EAGAIN,
  EINTR,
  hasHungUp,
  receive,
  send,
  setNonBlocking,
  waitReadable,
} from "../../ffi/device.ts";
import { errorName } from "../../ffi/libc.ts";
import { Waiter } from "../../ffi/waiter.ts";
import { Errno, errnoOf } from "../errno.ts";
import type { Channel } from "./channel.ts";

/** A channel over a descriptor, which a thread waits for. */
export class DescriptorChannel implements Channel {
  readonly #fd: number;
  readonly #waiter = new Waiter();
  #readable: (() => void) | undefined;
  #writable: (() => void) | undefined;
  /** A waiting thread does not keep the process alive; who waits for an answer must. */
  #hold: ReturnType<typeof setInterval> | undefined;
  #open = true;

  constructor(fd: number) {
    this.#fd = fd;
    setNonBlocking(fd);
  }

  get closed(): boolean {
    return !this.#open || hasHungUp(this.#fd);
  }

  read(into: Uint8Array): number | null {
    const count = this.#try(() => receive(this.#fd, into));
    return count === 0 ? null : Math.max(0, count);
  }

  write(from: Uint8Array): number {
    return Math.max(
      0,
      this.#try(() => send(this.#fd, from, from.length)),
    );
  }

  whenReadable(tell: (() => void) | undefined): void {
    this.#readable = tell;
    this.#wait();
  }

  whenWritable(tell: (() => void) | undefined): void {
    this.#writable = tell;
    this.#wait();
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#readable = undefined;
    this.#writable = undefined;
    this.#wait();
    this.#waiter.close();
    closeDescriptor(this.#fd);
  }

  /** What a call moved; -1: nothing now. */
  #try(call: () => number): number {
    if (!this.#open) throw new Errno("EBADF");
    for (;;) {
      const result = call();
      if (result === -EINTR) continue;
      if (result >= 0) return result;
      if (result === -EAGAIN) return -1;
      throw new Errno(errnoOf({ code: errorName(-result) }) ?? "EIO");
    }
  }

  #wait(): void {
    const waits = this.#readable !== undefined || this.#writable !== undefined;
    if (waits) this.#hold ??= setInterval(() => {}, 2 ** 30);
    else {
      clearInterval(this.#hold);
      this.#hold = undefined;
    }
    if (!this.#open) return;
    if (waits) this.#waiter.wait([this.#fd], this.#woken, this.#writable && this.#fd);
    else this.#waiter.cancel();
  }

  /** The thread does not say what for, and a wish to read is always among its own. */
  readonly #woken = (): void => {
    const hasInput = waitReadable(this.#fd, 0);
    if (hasInput && this.#readable) {
      const tell = this.#readable;
      this.whenReadable(undefined);
      tell();
    } else if (hasInput && !hasHungUp(this.#fd)) {
      // Nobody reads, and poll(2) would not wait: whoever writes tries again in a while.
      setTimeout(() => this.#tellWritable(), 1);
    } else this.#tellWritable();
  };

  #tellWritable(): void {
    const tell = this.#writable;
    this.whenWritable(undefined);
    tell?.();
  }
}
