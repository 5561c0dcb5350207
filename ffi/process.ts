/** What node's `process` lacks. */
import { FFIType } from "bun:ffi";
import { closeSync, constants as files, fstatSync, ftruncateSync, openSync } from "node:fs";
import { constants } from "node:os";
import { bind, check } from "./libc.ts";
import { MAP_SHARED, map } from "./memory.ts";

/**
 * Asks for a signal when the parent dies: the thread that started this process, says prctl(2), and
 * in Bun that is the main thread. Kept over exec. A parent that was dead already is not noticed:
 * compare process.ppid after.
 */
export function setParentDeathSignal(signal: NodeJS.Signals): void {
  check(libc.prctl(PR_SET_PDEATHSIG, constants.signals[signal], 0, 0, 0), "prctl", signal);
}

/**
 * No program started from this thread can gain privileges (set-user-ID, capabilities) any more. For
 * good.
 */
export function setNoNewPrivileges(): void {
  check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl");
}

/**
 * Makes this process the leader of a new session without a terminal. EPERM if it leads a process
 * group.
 */
export function setsid(): number {
  return check(libc.setsid(), "setsid");
}

/**
 * Raises the number of descriptors this process may have to all it may ask for, and returns that.
 */
export function raiseFileLimit(): number {
  const limit = new BigUint64Array(2);
  check(libc.getrlimit(RLIMIT_NOFILE, limit), "getrlimit");
  const [, hard = 0n] = limit;
  limit[0] = hard;
  check(libc.setrlimit(RLIMIT_NOFILE, limit), "setrlimit");
  return Number(hard);
}

/**
 * The first `length` bytes of a file as memory shared with every process that maps or reads it. The
 * file, given by path or by a descriptor open for reading and writing, is made (mode 0600) or
 * lengthened as needed, since memory beyond its end kills who touches it (SIGBUS). Never unmapped.
 */
export function mapShared(file: string | number, length: number): Uint8Array {
  const fd = typeof file === "number" ? file : openSync(file, files.O_RDWR | files.O_CREAT, 0o600);
  try {
    if (fstatSync(fd).size < length) ftruncateSync(fd, length);
    return map(length, MAP_SHARED, fd);
  } finally {
    if (fd !== file) closeSync(fd);
  }
}

// <linux/prctl.h> and <asm-generic/resource.h>
const PR_SET_PDEATHSIG = 1;
const PR_SET_NO_NEW_PRIVS = 38;
const RLIMIT_NOFILE = 7;

const libc = bind({
  prctl: {
    args: ["i32", FFIType.u64_fast, FFIType.u64_fast, FFIType.u64_fast, FFIType.u64_fast],
    returns: "i32",
  },
  setsid: { args: [], returns: "i32" },
  getrlimit: { args: ["i32", "ptr"], returns: "i32" },
  setrlimit: { args: ["i32", "ptr"], returns: "i32" },
});
