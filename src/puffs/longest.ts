import { Constants } from "./flags.ts";

/** What the kernel makes of a wish for the longest message, in bytes, 0 for none. */
export function longestMessage(wish: number): number {
  const whole = wish === 0 ? Constants.MSG_MAXSIZE : wish;
  return Math.min(Math.max(whole, Constants.MSG_MINSIZE), Constants.MSG_MAXSIZE);
}
