/**
 * The C library: how the other files of this folder declare its functions and report its errors.
 */
import { dlopen, type FFIFunction, type Library, type Pointer, read } from "bun:ffi";
import { constants } from "node:os";

/** What the C library is called for the dynamic linker of this system. */
export const library = find("libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1");

/** Links functions of the C library. `FFIType.i64_fast` and `u64_fast` spare a BigInt per call. */
export function bind<const Functions extends Record<string, FFIFunction>>(
  functions: Functions,
): Library<Functions>["symbols"] {
  return dlopen(library, functions).symbols;
}

/** A system call's failure. Like the errors of node:fs it is told by its `code`. */
export class SystemError extends Error {
  override readonly name = "SystemError";
  /** The errno's name, such as "ENOENT"; "UNKNOWN" if it has none. */
  readonly code: string;
  /** The errno's number on this machine, positive. */
  readonly errno: number;
  /** The function that failed, such as "umount2". */
  readonly syscall: string;

  /** `subject` is what the call was about, usually a path; it ends the message. */
  constructor(syscall: string, errno: number, subject?: string) {
    const code = errorName(errno);
    const about = subject === undefined ? "" : ` ${subject}`;
    super(`${syscall}: ${libc.strerror(errno)} (${code})${about}`);
    this.code = code;
    this.errno = errno;
    this.syscall = syscall;
  }
}

/**
 * Passes a result on, or throws what errno says if it is -1. Must get the result straight from the
 * call.
 */
export function check(result: number, syscall: string, subject?: string): number {
  if (result === -1) throw new SystemError(syscall, errno(), subject);
  return result;
}

/** The calling thread's errno. Means something only straight after a call that failed. */
export function errno(): number {
  return read.i32(location, 0);
}

/**
 * The name of an errno number; of two names for one number the one POSIX lists as an error of its
 * own.
 */
export function errorName(errno: number): string {
  return names.get(errno) ?? "UNKNOWN";
}

/** UTF-8 with the NUL that ends it. A NUL inside would cut the string short, so it is EINVAL. */
export function cstring(text: string): Uint8Array {
  if (text.includes("\0")) {
    throw new SystemError("cstring", constants.errno.EINVAL, JSON.stringify(text));
  }
  return encoder.encode(`${text}\0`);
}

const encoder = new TextEncoder();

const names = new Map(
  Object.entries(constants.errno)
    .filter(([name]) => name !== "EWOULDBLOCK" && name !== "ENOTSUP")
    .map(([name, number]) => [number, name]),
);

const libc = bind({
  __errno_location: { args: [], returns: "ptr" },
  strerror: { args: ["i32"], returns: "cstring" },
});

// Every thread has its own errno, and its own copy of this module with this pointer.
const location = libc.__errno_location() as Pointer;

function find(...candidates: string[]): string {
  for (const candidate of candidates) {
    try {
      dlopen(candidate, { getpid: { args: [], returns: "i32" } }).close();
      return candidate;
    } catch {}
  }
  throw new Error(`No C library found; looked for ${candidates.join(", ")}`);
}
