/**
 * Sleeping until one of several descriptors has something to read, with the main thread free
 * meanwhile.
 */
import { closeDescriptor, receive, send, waitEither } from "./device.ts";
import { interruptible } from "./interrupt.ts";
import { bind, check, library } from "./libc.ts";
import { startThread } from "./thread.ts";
import * as program from "./waiter.worker.ts" with { type: "text" };
import type { Orders } from "./waiter.worker.ts";

/**
 * A thread that sits in poll(2) and wakes the main thread. Nobody uses the CPU while it waits, and
 * a process with nothing else to do ends all the same.
 */
export class Waiter {
  readonly #worker: Worker;
  /** An eventfd in every poll set: written to make the thread look at its orders again. */
  readonly #bell: number;
  readonly #request = shared(1);
  readonly #answer = shared(1);
  readonly #count = shared(1);
  readonly #set = shared(2 * CAPACITY);
  #requested = 0;
  #answered = 0;
  #listening = false;
  #closed = false;
  #ready: (() => void) | null = null;

  /**
   * Starts the thread. `reads`: `read` and `either` will be called, by this thread. `hurries`: when a descriptor is ready these calls
   * are ended at once, of whichever waiter they are, so that `ready` is called soon. Throws SystemError if there is no descriptor left.
   */
  constructor({ reads = false, hurries = false } = {}) {
    this.#bell = check(libc.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd");
    this.#worker = startThread(program);
    this.#worker.addEventListener("close", () => closeDescriptor(this.#bell));
    const orders: Orders = {
      library,
      bell: this.#bell,
      request: this.#request,
      answer: this.#answer,
      count: this.#count,
      set: this.#set,
      phase,
      reader: reads ? interruptible() : undefined,
      hurried: hurries ? interruptible() : undefined,
    };
    this.#worker.postMessage(orders);
  }

  /**
   * Calls `ready` once, on this thread and never from within this call, when any descriptor can be
   * read (or, the one that `writing` names, written), has hung up, is in error or is not open.
   * Takes the place of a wait that is not over, whose `ready` is then never called. At most 64
   * descriptors.
   */
  wait(fds: readonly number[], ready: () => void, writing?: number): void {
    if (fds.length > CAPACITY)
      throw new RangeError(`More than ${CAPACITY} descriptors to wait for`);
    if (this.#closed) throw new Error("The waiter is closed");
    for (const [index, fd] of fds.entries()) {
      this.#set[2 * index] = fd;
      this.#set[2 * index + 1] = fd === writing ? POLLIN | POLLOUT : POLLIN;
    }
    this.#ready = ready;
    this.#order(fds.length);
    this.#listen();
  }

  /**
   * read(2), as `receive`, of a descriptor on which it waits; but after 1 to 2 milliseconds it answers -EINTR. Cheaper than to look
   * and then sleep. To be called between a `ready` and the next `wait`: at other times nobody ends it.
   */
  read(fd: number, buffer: Uint8Array): number {
    turnPhase();
    const result = receive(fd, buffer);
    turnPhase();
    return result;
  }

  /** The same for `waitEither`: 0 when it was ended. */
  either(first: number, second: number, writing: boolean): number {
    turnPhase();
    const result = waitEither(first, second, writing, Infinity);
    turnPhase();
    return result;
  }

  /**
   * Ends a wait without calling its `ready`. Call this before closing a descriptor that is waited
   * for: poll(2) keeps its file open (a FUSE connection alive) until the thread has left it, which
   * it does soon after.
   */
  cancel(): void {
    if (this.#ready === null) return;
    this.#ready = null;
    this.#order(0);
  }

  /** Ends the thread, and with it a wait. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#ready = null;
    this.#order(-1);
  }

  #order(count: number): void {
    const idle = Atomics.load(this.#answer, 0) === this.#requested;
    this.#requested = (this.#requested + 1) | 0;
    Atomics.store(this.#count, 0, count);
    Atomics.store(this.#request, 0, this.#requested);
    Atomics.notify(this.#request, 0);
    if (!idle) send(this.#bell, ONE, ONE.length);
  }

  #listen(): void {
    if (this.#listening) return;
    this.#listening = true;
    const change = Atomics.waitAsync(this.#answer, 0, this.#answered);
    if (change.async) change.value.then(() => this.#hear());
    else setImmediate(() => this.#hear());
  }

  #hear(): void {
    this.#listening = false;
    this.#answered = Atomics.load(this.#answer, 0);
    const ready = this.#ready;
    if (ready === null) return;
    if (this.#answered === this.#requested) {
      this.#ready = null;
      ready();
    } else {
      this.#listen();
    }
  }
}

const CAPACITY = 64;

/** Of this thread: odd while it is in a call that may wait, another number each time. */
const phase = shared(1);
let calls = 0;

function turnPhase(): void {
  calls = (calls + 1) | 0;
  Atomics.store(phase, 0, calls);
}

// <sys/eventfd.h> and <poll.h>, the same on x86-64 and arm64
const EFD_CLOEXEC = 0o2000000;
const EFD_NONBLOCK = 0o4000;
const POLLIN = 0x1;
const POLLOUT = 0x4;

/** What an eventfd wants written: a 64-bit number to add. */
const ONE = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0);

const libc = bind({ eventfd: { args: ["u32", "i32"], returns: "i32" } });

function shared(length: number): Int32Array<SharedArrayBuffer> {
  return new Int32Array(new SharedArrayBuffer(4 * length));
}
