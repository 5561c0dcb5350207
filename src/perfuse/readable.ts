import { Waiter } from "../../ffi/waiter.ts";

/** Resolves when a read would not wait, the other end is gone, or `otherwise` settles. */
export async function untilReadable(fd: number, otherwise: Promise<unknown>): Promise<void> {
  const waiter = new Waiter();
  try {
    const readable = new Promise<void>((resolve) => waiter.wait([fd], resolve));
    await Promise.race([readable, otherwise]);
  } finally {
    waiter.cancel();
    waiter.close();
  }
}
