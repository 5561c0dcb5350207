/** A signal whose only purpose is to end a system call that waits: the call answers EINTR. */
import { type Pointer, ptr } from "bun:ffi";
import { bind, check } from "./libc.ts";

/** What another thread calls pthread_kill(3) with. */
export interface Interruptible {
  /** The thread that asked, a pthread_t. */
  readonly thread: number;
  readonly signal: number;
}

/**
 * From now on this thread's calls that wait can be ended from another thread. One that is not waiting does not notice, so the other
 * must look, and try again. Throws SystemError.
 */
export function interruptible(): Interruptible {
  // Any function that does nothing with a number will do: it runs in place of the signal's default.
  const handler = libc.dlsym(null, ptr(NOTHING)) as Pointer;
  // A struct sigaction: the handler, 128 bytes of mask, flags, a restorer that the library sets. No SA_RESTART: calls must end.
  const action = new BigUint64Array(19);
  action[0] = BigInt(handler);
  check(libc.sigaction(SIGNAL, action, null), "sigaction");
  return { thread: Number(libc.pthread_self()), signal: SIGNAL };
}

/** A real-time signal: the runtime's and JavaScript's own handlers are for those with names. */
const SIGNAL = 60;

const NOTHING = new TextEncoder().encode("abs\0");

const libc = bind({
  dlsym: { args: ["ptr", "ptr"], returns: "ptr" },
  sigaction: { args: ["i32", "ptr", "ptr"], returns: "i32" },
  pthread_self: { args: [], returns: "ptr" },
});
