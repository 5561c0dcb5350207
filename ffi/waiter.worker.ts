/**
 * The thread of a Waiter. Embedded as text: it can import types and Bun's own modules, nothing
 * else.
 */
import { dlopen, FFIType, type Pointer } from "bun:ffi";
import { parentPort } from "node:worker_threads";
import type { Interruptible } from "./interrupt.ts";

/** What the thread is told once; from then on it shares memory with its Waiter. */
export interface Orders {
  library: string;
  bell: number;
  /** Counts the requests; the thread sleeps on it when it has answered. */
  request: Int32Array;
  /** The last request of which a descriptor was ready; the Waiter sleeps on it. */
  answer: Int32Array;
  /** How many descriptors to wait for: 0 to wait for the bell only, -1 to end. */
  count: Int32Array;
  /** A struct pollfd each. */
  set: Int32Array;
  /** Odd while the main thread is in a call that may wait; another number each time. */
  phase: Int32Array;
  /** How such a call is ended; undefined if there are none. */
  reader: Interruptible | undefined;
  /** Likewise, if it is to be ended as soon as a descriptor is ready. */
  hurried: Interruptible | undefined;
}

parentPort?.once("message", (orders: Orders) => {
  const { library, bell, request, answer, count, set, phase, reader, hurried } = orders;
  const libc = dlopen(library, {
    poll: { args: ["ptr", FFIType.u64_fast, "i32"], returns: "i32" },
    read: { args: ["i32", "ptr", FFIType.u64_fast], returns: "i32" },
    pthread_kill: { args: ["ptr", "i32"], returns: "i32" },
  });
  const { poll, read, pthread_kill } = libc.symbols;
  const polled = new Int32Array(2 + set.length);
  const rung = new Uint8Array(8);

  /** Sleep until the next order; meanwhile no call of the main thread waits for long. */
  const attend = (answered: number, { thread, signal }: Interruptible) => {
    for (let seen = 0; Atomics.wait(request, 0, answered, LOOK) === "timed-out"; ) {
      const now = Atomics.load(phase, 0);
      if (now === seen && now % 2 !== 0) pthread_kill(thread as Pointer, signal);
      seen = now;
    }
  };

  /** Until the main thread has heard, or for a moment, no call of it waits: it hears between calls. */
  const hurry = (answered: number, { thread, signal }: Interruptible) => {
    for (let tries = 0; tries < TRIES; tries++) {
      if (Atomics.load(phase, 0) % 2 !== 0) pthread_kill(thread as Pointer, signal);
      if (Atomics.wait(request, 0, answered, SOON) !== "timed-out") return;
    }
  };

  for (let answered = 0; ; ) {
    // Before it was woken the main thread makes no such call.
    if (reader && answered !== 0) attend(answered, reader);
    else Atomics.wait(request, 0, answered);
    const current = Atomics.load(request, 0);
    const descriptors = Atomics.load(count, 0);
    if (descriptors < 0) break;

    // If the set changes meanwhile the bell rings; answers to old requests are not heard.
    polled[0] = bell;
    polled[1] = POLLIN;
    polled.set(set.subarray(0, 2 * descriptors), 2);
    let ready = poll(polled, 1 + descriptors, -1);
    if (polled[1] !== POLLIN) {
      read(bell, rung, rung.length);
      ready -= 1;
    }
    if (ready <= 0) continue;

    answered = current;
    Atomics.store(answer, 0, current);
    Atomics.notify(answer, 0);
    if (hurried) hurry(answered, hurried);
  }
  libc.close();
});

const POLLIN = 0x1;
/** Milliseconds between two looks at the main thread: all that it does besides reading waits for up to two of them. */
const LOOK = 1;
/** Milliseconds between two tries to end a call, and how many there are. */
const SOON = 0.1;
const TRIES = 20;
