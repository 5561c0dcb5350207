/** Stream sockets that block: reads that wait for a limited time, writes that never do. */
import { FFIType } from "bun:ffi";
import { constants } from "node:os";
import { bind, check, errno } from "./libc.ts";

/**
 * Lets a read of a blocking socket wait that many microseconds and no longer (SO_RCVTIMEO), to a
 * tick of the kernel's clock. False if the descriptor is no socket.
 */
export function limitReceive(fd: number, microseconds: number): boolean {
  const seconds = Math.floor(microseconds / 1e6);
  const timeval = new BigInt64Array([BigInt(seconds), BigInt(microseconds - seconds * 1e6)]);
  const result = libc.setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, timeval, timeval.byteLength);
  if (result === -1 && errno() === constants.errno.ENOTSOCK) return false;
  check(result, "setsockopt");
  return true;
}

/**
 * recv(2) into the whole buffer, of a socket that blocks. Bytes read, 0 at the end, or a negated
 * errno: -EAGAIN when nothing is there, or has come within the time of `limitReceive` if it `waits`.
 */
export function receiveOf(fd: number, buffer: Uint8Array, waits: boolean): number {
  const result = libc.recv(fd, buffer, buffer.length, waits ? 0 : MSG_DONTWAIT);
  return result < 0 ? -errno() : result;
}

/**
 * send(2) of the buffer's first `length` bytes, of a socket that blocks, without waiting. Bytes sent
 * or a negated errno.
 */
export function sendNow(fd: number, buffer: Uint8Array, length: number): number {
  const result = libc.send(fd, buffer, length, MSG_DONTWAIT | MSG_NOSIGNAL);
  return result < 0 ? -errno() : result;
}

// <sys/socket.h>, the same on x86-64 and arm64
const SOL_SOCKET = 1;
const SO_RCVTIMEO = 20;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;

const libc = bind({
  setsockopt: { args: ["i32", "i32", "i32", "ptr", "u32"], returns: "i32" },
  // One call moves less than 2 GiB, so the low word holds the whole result.
  recv: { args: ["i32", "ptr", FFIType.u64_fast, "i32"], returns: "i32" },
  send: { args: ["i32", "ptr", FFIType.u64_fast, "i32"], returns: "i32" },
});
