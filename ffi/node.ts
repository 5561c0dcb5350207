/** Calls on files by path that node:fs lacks. */
import { FFIType } from "bun:ffi";
import { bind, check } from "./libc.ts";

/** mknod(2): a device (by its number), a FIFO, a socket. `path` ends with a NUL. Throws SystemError. */
export function makeNode(path: Uint8Array, mode: number, device: number): void {
  check(libc.mknod(path, mode, device), "mknod");
}

/** A time for `setTimes`. */
export interface Moment {
  readonly sec: number;
  readonly nsec: number;
}

/**
 * utimensat(2), of a symbolic link itself unless it is to be followed; what is undefined stays. `path` ends with a NUL. Throws
 * SystemError.
 */
export function setTimes(
  path: Uint8Array,
  atime: Moment | undefined,
  mtime: Moment | undefined,
  follow: boolean,
): void {
  const times = new BigInt64Array(4);
  for (const [index, time] of [atime, mtime].entries()) {
    times[2 * index] = BigInt(time?.sec ?? 0);
    times[2 * index + 1] = time ? BigInt(time.nsec) : UTIME_OMIT;
  }
  check(libc.utimensat(AT_FDCWD, path, times, follow ? 0 : AT_SYMLINK_NOFOLLOW), "utimensat");
}

// <fcntl.h> and <sys/stat.h>, the same on x86-64 and arm64
const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const UTIME_OMIT = (1n << 30n) - 2n;

const libc = bind({
  mknod: { args: ["ptr", "u32", FFIType.u64_fast], returns: "i32" },
  utimensat: { args: ["i32", "ptr", "ptr", "i32"], returns: "i32" },
});
