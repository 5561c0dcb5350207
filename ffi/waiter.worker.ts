/**
 * The thread of a Waiter. Embedded as text: it can import types and Bun's own modules, nothing
 * else.
 */
import { dlopen, FFIType } from "bun:ffi";
import { parentPort } from "node:worker_threads";

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
}

parentPort?.once("message", ({ library, bell, request, answer, count, set }: Orders) => {
  const libc = dlopen(library, {
    poll: { args: ["ptr", FFIType.u64_fast, "i32"], returns: "i32" },
    read: { args: ["i32", "ptr", FFIType.u64_fast], returns: "i32" },
  });
  const { poll, read } = libc.symbols;
  const polled = new Int32Array(2 + set.length);
  const rung = new Uint8Array(8);

  for (let answered = 0; ; ) {
    Atomics.wait(request, 0, answered);
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
  }
  libc.close();
});

const POLLIN = 0x1;
