/** What node's `process` lacks. */
import { FFIType, ptr } from "bun:ffi";
import { closeSync, constants as files, fstatSync, ftruncateSync, openSync } from "node:fs";
import { constants } from "node:os";
import { bind, check, cstring, errno, SystemError } from "./libc.ts";
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
 * Makes this process another program's (execve(2)): same number, same parent, same credentials; of the
 * descriptors those below `descriptors`, the rest are closed. What the runtime does about signals is
 * undone. Does not return; throws SystemError.
 */
export function replaceProgram(
  path: string,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  { descriptors }: { readonly descriptors: number },
): never {
  const variables = Object.entries(env).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${value}`],
  );
  const program = cstring(path);
  const [argv, envp] = [args, variables].map(stringArray) as [StringArray, StringArray];
  // A signal that is ignored, or blocked, stays so in the next program.
  libc.signal(constants.signals.SIGPIPE, SIG_DFL);
  libc.sigprocmask(SIG_SETMASK, new BigUint64Array(16), null);
  libc.close_range(descriptors, LAST_DESCRIPTOR, CLOSE_RANGE_CLOEXEC);
  libc.execve(program, argv.pointers, envp.pointers);
  throw new SystemError("execve", errno(), path);
}

/**
 * Does something with signals held back from this thread. What it starts begins with them held back, until it says otherwise; a
 * JavaScript runtime does, at once.
 */
export function withSignalsHeld<T>(signals: readonly NodeJS.Signals[], action: () => T): T {
  const held = new BigUint64Array(16);
  for (const signal of signals)
    held[0] = (held[0] ?? 0n) | (1n << BigInt(constants.signals[signal] - 1));
  const before = new BigUint64Array(16);
  libc.sigprocmask(SIG_BLOCK, held, before);
  try {
    return action();
  } finally {
    libc.sigprocmask(SIG_SETMASK, before, null);
  }
}

/** Texts in C: their addresses and a NULL. The texts must live as long. */
interface StringArray {
  readonly pointers: BigUint64Array;
  readonly texts: readonly Uint8Array[];
}

function stringArray(strings: readonly string[]): StringArray {
  const texts = strings.map(cstring);
  const pointers = new BigUint64Array(texts.length + 1);
  for (const [index, text] of texts.entries()) pointers[index] = BigInt(ptr(text));
  return { pointers, texts };
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

// <signal.h> and <linux/close_range.h>
const SIG_DFL = null;
const SIG_BLOCK = process.platform === "linux" ? 0 : 1;
const SIG_SETMASK = process.platform === "linux" ? 2 : 3;
const CLOSE_RANGE_CLOEXEC = 4;
const LAST_DESCRIPTOR = 0xffffffff;

const libc = bind({
  prctl: {
    args: ["i32", FFIType.u64_fast, FFIType.u64_fast, FFIType.u64_fast, FFIType.u64_fast],
    returns: "i32",
  },
  setsid: { args: [], returns: "i32" },
  signal: { args: ["i32", "ptr"], returns: "ptr" },
  sigprocmask: { args: ["i32", "ptr", "ptr"], returns: "i32" },
  close_range: { args: ["u32", "u32", "i32"], returns: "i32" },
  execve: { args: ["ptr", "ptr", "ptr"], returns: "i32" },
  getrlimit: { args: ["i32", "ptr"], returns: "i32" },
  setrlimit: { args: ["i32", "ptr"], returns: "i32" },
});
