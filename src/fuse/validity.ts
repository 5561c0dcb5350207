/** Seconds and nanoseconds, as the kernel takes its time-outs. */
export interface Validity {
  readonly sec: number;
  readonly nsec: number;
}

/** Whole and fractional seconds; Infinity and what is beyond the kernel's counters are their end. */
export function validity(seconds: number): Validity {
  const capped = Math.min(Math.max(0, seconds), 0xffffffff);
  const sec = Math.floor(capped);
  return { sec, nsec: Math.floor((capped - sec) * 1e9) };
}
