/** The 64 bits at `at` as a number; what is beyond 2^53 is rounded. */
export function read64(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
}

/** A whole number, with no more than 53 bits, in 64 bits at `at`. */
export function write64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, value >= 0 && value < 2 ** 32 ? 0 : Math.floor(value / 2 ** 32), true);
}
