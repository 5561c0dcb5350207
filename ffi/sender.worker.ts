/**
 * The thread of a BlockingSender. Embedded as text: it can import types and Bun's own modules,
 * nothing else.
 */
import { dlopen, FFIType, type Pointer, read } from "bun:ffi";
import { constants } from "node:os";
import { parentPort } from "node:worker_threads";

/** In this order: where to write, what to write (any number of times), and that it is over. */
export type Order = { library: string; fd: number } | { bytes: Uint8Array } | { end: true };

let write: (bytes: Uint8Array) => number;

parentPort?.on("message", (order: Order) => {
  if ("library" in order) write = writer(order.library, order.fd);
  else if ("bytes" in order) parentPort?.postMessage(write(order.bytes));
  else parentPort?.removeAllListeners("message");
});

/**
 * Writes of whole messages, however long they take. They return the number of bytes or a negated
 * errno.
 */
function writer(library: string, fd: number): (bytes: Uint8Array) => number {
  const libc = dlopen(library, {
    write: { args: ["i32", "ptr", FFIType.u64_fast], returns: "i32" },
    poll: { args: ["ptr", FFIType.u64_fast, "i32"], returns: "i32" },
    __errno_location: { args: [], returns: "ptr" },
  }).symbols;
  const location = libc.__errno_location() as Pointer;
  const { EAGAIN, EINTR } = constants.errno;

  return (bytes) => {
    let written = 0;
    do {
      const result = libc.write(fd, bytes.subarray(written), bytes.length - written);
      const errno = result < 0 ? read.i32(location, 0) : 0;
      if (errno === EAGAIN) libc.poll(new Int32Array([fd, POLLOUT]), 1, -1);
      else if (errno !== 0 && errno !== EINTR) return -errno;
      written += Math.max(result, 0);
    } while (written < bytes.length);
    return written;
  };
}

const POLLOUT = 0x4;
