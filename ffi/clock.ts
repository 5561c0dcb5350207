/** Clocks cheap enough for every request: no BigInt and no string on the way. */
import { bind } from "./libc.ts";

/** A point in time as the kernel's `struct timespec` has it. */
export interface Time {
  /** Whole seconds since 1970 (negative before). */
  sec: number;
  /** Nanoseconds into that second, 0 to 999,999,999. */
  nsec: number;
}

/** The time of day with its nanoseconds, in a new object that the caller may keep. */
export function now(): Time {
  libc.clock_gettime(CLOCK_REALTIME, timespec);
  return {
    sec: view.getInt32(4, true) * 2 ** 32 + view.getUint32(0, true),
    nsec: view.getUint32(8, true),
  };
}

/** Nanoseconds since the process began; never goes back. For deadlines and durations. */
export function monotonic(): number {
  return Bun.nanoseconds();
}

// <linux/time.h>
const CLOCK_REALTIME = 0;

const timespec = new Uint8Array(new ArrayBuffer(16));
const view = new DataView(timespec.buffer);

const libc = bind({ clock_gettime: { args: ["i32", "ptr"], returns: "i32" } });
