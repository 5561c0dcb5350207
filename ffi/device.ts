/**
 * Descriptors that are read and written message by message: /dev/fuse, /dev/puffs, a socket.
 *
 * What is called for every request neither throws nor allocates: it returns the number of bytes, or
 * the errno number negated.
 */
import { FFIType, ptr } from "bun:ffi";
import { constants } from "node:os";
import { bind, check, cstring, errno } from "./libc.ts";
import { MAP_ANONYMOUS, MAP_PRIVATE, map } from "./memory.ts";

/** The errno numbers of this machine that a reader or writer of messages decides by. */
export const { EAGAIN, EINTR, EINVAL, EIO, ENODEV, ENOENT, ENOTCONN, EPIPE } = constants.errno;

/**
 * read(2) into the whole buffer. Bytes read, 0 at the end, or a negated errno: -EAGAIN when there
 * is nothing yet.
 */
export function receive(fd: number, buffer: Uint8Array): number {
  const result = libc.read(fd, buffer, buffer.length);
  return result < 0 ? -errno() : result;
}

/** write(2) of the buffer's first `length` bytes. Bytes written or a negated errno. */
export function send(fd: number, buffer: Uint8Array, length: number): number {
  const result = libc.write(fd, buffer, length);
  return result < 0 ? -errno() : result;
}

/**
 * writev(2): one message out of two buffers, such as a header and the data. Bytes written or a
 * negated errno.
 */
export function sendParts(
  fd: number,
  first: Uint8Array,
  second: Uint8Array,
  firstLength: number = first.length,
  secondLength: number = second.length,
): number {
  point(0, first, firstLength);
  point(4, second, secondLength);
  const result = libc.writev(fd, vector, 2);
  return result < 0 ? -errno() : result;
}

/**
 * Sleeps in ppoll(2) until the descriptor can be read, has hung up or is in error, but at most that
 * many microseconds; 0 only looks. True if a read would not block. A signal ends it early with
 * false.
 */
export function waitReadable(fd: number, microseconds: number): boolean {
  pollfd[0] = fd;
  pollfd[1] = POLLIN;
  setTimespec(microseconds);
  return libc.ppoll(pollfd, 1, timespec, null) > 0;
}

/**
 * The same for two: bit 0 of the answer for the first, bit 1 for the second, which can be read or, if `writing`, written. `Infinity`
 * sets no limit.
 */
export function waitEither(
  first: number,
  second: number,
  writing: boolean,
  microseconds: number,
): number {
  pollfds[0] = first;
  pollfds[1] = POLLIN;
  pollfds[2] = second;
  pollfds[3] = writing ? POLLIN | POLLOUT : POLLIN;
  const limited = microseconds !== Infinity;
  if (limited) setTimespec(microseconds);
  if (libc.ppoll(pollfds, 2, limited ? timespec : null, null) <= 0) return 0;
  // The events that came are the upper half of the word.
  return (isReady(pollfds[1]) ? 1 : 0) | (isReady(pollfds[3]) ? 2 : 0);
}

function isReady(events: number | undefined): boolean {
  return (events ?? 0) >>> 16 !== 0;
}

function setTimespec(microseconds: number): void {
  const seconds = Math.floor(microseconds / 1e6);
  timespec[0] = seconds;
  timespec[2] = Math.floor((microseconds - seconds * 1e6) * 1e3);
}

/** Whether the other end is gone for good, or the descriptor is in error: nothing can be written. */
export function hasHungUp(fd: number): boolean {
  pollfd[0] = fd;
  pollfd[1] = 0;
  timespec.fill(0);
  return libc.ppoll(pollfd, 1, timespec, null) > 0;
}

/**
 * Lets reads answer -EAGAIN where they would wait. Of the open file, not of the descriptor: copies
 * share it.
 */
export function setNonBlocking(fd: number): void {
  const flags = check(libc.fcntl(fd, F_GETFL, 0), "fcntl");
  check(libc.fcntl(fd, F_SETFL, flags | O_NONBLOCK), "fcntl");
}

/** Lets reads wait again. */
export function setBlocking(fd: number): void {
  const flags = check(libc.fcntl(fd, F_GETFL, 0), "fcntl");
  check(libc.fcntl(fd, F_SETFL, flags & ~O_NONBLOCK), "fcntl");
}

/**
 * open(2) of what exists, with O_CLOEXEC added; `flags` from node:fs constants. Throws SystemError.
 */
export function openDescriptor(path: string, flags: number): number {
  return check(libc.open(cstring(path), flags | O_CLOEXEC, 0), "open", path);
}

/** close(2). Throws SystemError; the descriptor is gone even then, unless it never was (EBADF). */
export function closeDescriptor(fd: number): void {
  check(libc.close(fd), "close");
}

/**
 * Zeroed memory that begins on a page. It is never given back: for buffers that live as long as the
 * process.
 */
export function pageAligned(size: number): Uint8Array {
  return map(size, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

/**
 * Fills the half of `vector` at `index` with a struct iovec: address and length, 64 bits each, low
 * word first.
 */
function point(index: number, buffer: Uint8Array, length: number): void {
  const address = length === 0 ? 0 : ptr(buffer);
  vector[index] = address;
  vector[index + 1] = address / 2 ** 32;
  vector[index + 2] = length;
}

// <poll.h> and <fcntl.h>, the same on x86-64 and arm64
const POLLIN = 0x1;
const POLLOUT = 0x4;
const F_GETFL = 3;
const F_SETFL = 4;
const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;

const vector = new Uint32Array(8);
const pollfd = new Int32Array(2);
const pollfds = new Int32Array(4);
const timespec = new Uint32Array(4);

const libc = bind({
  // One call moves at most 0x7ffff000 bytes (read(2)), so the low word holds the whole result.
  read: { args: ["i32", "ptr", FFIType.u64_fast], returns: "i32" },
  write: { args: ["i32", "ptr", FFIType.u64_fast], returns: "i32" },
  writev: { args: ["i32", "ptr", "i32"], returns: "i32" },
  ppoll: { args: ["ptr", FFIType.u64_fast, "ptr", "ptr"], returns: "i32" },
  fcntl: { args: ["i32", "i32", "i32"], returns: "i32" },
  open: { args: ["ptr", "i32", "u32"], returns: "i32" },
  close: { args: ["i32"], returns: "i32" },
});
