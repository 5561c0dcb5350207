/**
 * System calls that another process decides (SECCOMP_RET_USER_NOTIF, see seccomp(2) and
 * seccomp_unotify(2)): the filter on the one side, the listener on the other.
 */
import { FFIType, ptr } from "bun:ffi";
import { constants } from "node:os";
import { bind, check, errno, SystemError } from "./libc.ts";
import { setNoNewPrivileges } from "./process.ts";

/** A system call that waits for its answer. */
export interface Notification {
  /** Names it when it is answered. */
  readonly id: bigint;
  /** The thread that made it, as this process' PID namespace numbers it. */
  readonly pid: number;
  /** The system call's number, and the AUDIT_ARCH_* that it is one of. */
  readonly number: number;
  readonly arch: number;
  readonly args: readonly [bigint, bigint, bigint, bigint, bigint, bigint];
}

/**
 * Whether filters may be installed here; `listens`: such as leave calls to a listener. Old kernels cannot, and some
 * containers forbid it. It is no promise: there can be but one listener for a process and all that comes of it.
 */
export function canFilter({ listens }: { listens: boolean }): boolean {
  const number = SYS_SECCOMP[process.arch];
  const action = Uint32Array.of(listens ? SECCOMP_RET_USER_NOTIF : SECCOMP_RET_ERRNO);
  return number !== undefined && libc.syscall(number, SECCOMP_GET_ACTION_AVAIL, 0, action) === 0;
}

/**
 * From now on the calling thread, and every program and thread that comes of it, is subject to a
 * filter: `program` is an array of struct sock_filter. It can gain no privileges any more. `listens`:
 * answers the listener's descriptor, closed on exec; else -1. Throws SystemError: EINVAL for a filter
 * that is none, or where the kernel has none (CONFIG_SECCOMP_FILTER), EBUSY if there is a listener.
 */
export function installFilter(program: Uint8Array, { listens }: { listens: boolean }): number {
  const number = SYS_SECCOMP[process.arch];
  if (number === undefined) throw new SystemError("seccomp", constants.errno.ENOSYS, process.arch);
  setNoNewPrivileges();
  const header = new BigUint64Array(2);
  header[0] = BigInt(program.length / SOCK_FILTER);
  header[1] = BigInt(ptr(program));
  const flags = listens ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0;
  const result = libc.syscall(number, SECCOMP_SET_MODE_FILTER, flags, header);
  check(result, "seccomp");
  return listens ? result : -1;
}

/**
 * The next system call that waits; null if it is gone already. Waits for one, so look first whether
 * the listener can be read. Throws SystemError.
 */
export function receiveNotification(listener: number): Notification | null {
  const [bytes, notification] = structOf(NOTIF);
  for (;;) {
    if (libc.ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, bytes) === 0) break;
    const error = errno();
    if (error === constants.errno.ENOENT) return null;
    if (error !== constants.errno.EINTR) throw new SystemError("ioctl", error, "NOTIF_RECV");
  }
  const arg = (index: number) => notification.getBigUint64(32 + 8 * index, true);
  return {
    id: notification.getBigUint64(0, true),
    pid: notification.getUint32(8, true),
    number: notification.getInt32(16, true),
    arch: notification.getUint32(20, true),
    args: [arg(0), arg(1), arg(2), arg(3), arg(4), arg(5)],
  };
}

/**
 * Whether the system call still waits. What was read of its process before is that process' own only
 * if this says so afterwards: the number may have gone to another. Throws SystemError.
 */
export function isWaiting(listener: number, id: bigint): boolean {
  if (libc.ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, BigUint64Array.of(id)) === 0) return true;
  return gone(errno(), "NOTIF_ID_VALID");
}

/** Lets the kernel do it. All three answer whether it still waited, and throw SystemError. */
export function continueCall(listener: number, id: bigint): boolean {
  return respond(listener, id, 0n, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
}

/** It returns `value`, 0 or more, without having been done. */
export function returnFromCall(listener: number, id: bigint, value: number): boolean {
  return respond(listener, id, BigInt(value), 0, 0);
}

/** It returns a new descriptor of `descriptor`'s file, in the process that made it. */
export function returnDescriptor(
  listener: number,
  id: bigint,
  descriptor: number,
  { closeOnExec }: { closeOnExec: boolean },
): boolean {
  const [bytes, request] = structOf(24);
  request.setBigUint64(0, id, true);
  request.setUint32(8, SECCOMP_ADDFD_FLAG_SEND, true);
  request.setUint32(12, descriptor, true);
  request.setUint32(20, closeOnExec ? O_CLOEXEC : 0, true);
  if (libc.ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, bytes) >= 0) return true;
  return gone(errno(), "NOTIF_ADDFD");
}

function respond(listener: number, id: bigint, value: bigint, error: number, flags: number) {
  const [bytes, response] = structOf(24);
  response.setBigUint64(0, id, true);
  response.setBigInt64(8, value, true);
  response.setInt32(16, -error, true);
  response.setUint32(20, flags, true);
  if (libc.ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, bytes) === 0) return true;
  return gone(errno(), "NOTIF_SEND");
}

function structOf(size: number): [bytes: Uint8Array, view: DataView] {
  const bytes = new Uint8Array(new ArrayBuffer(size));
  return [bytes, new DataView(bytes.buffer)];
}

/** Its process was killed, or a signal interrupted it: false; anything else is thrown. */
function gone(error: number, request: string): boolean {
  if (error === constants.errno.ENOENT) return false;
  throw new SystemError("ioctl", error, request);
}

/** Bytes of a struct sock_filter, and of a struct seccomp_notif. */
const SOCK_FILTER = 8;
const NOTIF = 80;

// <asm/unistd.h>
const SYS_SECCOMP: Partial<Record<NodeJS.Architecture, number>> = { x64: 317, arm64: 277 };

// <linux/seccomp.h>
const SECCOMP_SET_MODE_FILTER = 1;
const SECCOMP_GET_ACTION_AVAIL = 2;
const SECCOMP_RET_ERRNO = 0x00050000;
const SECCOMP_RET_USER_NOTIF = 0x7fc00000;
const SECCOMP_FILTER_FLAG_NEW_LISTENER = 0x8;
const SECCOMP_USER_NOTIF_FLAG_CONTINUE = 0x1;
const SECCOMP_ADDFD_FLAG_SEND = 0x2;
const SECCOMP_IOCTL_NOTIF_RECV = 0xc0502100;
const SECCOMP_IOCTL_NOTIF_SEND = 0xc0182101;
const SECCOMP_IOCTL_NOTIF_ID_VALID = 0x40082102;
const SECCOMP_IOCTL_NOTIF_ADDFD = 0x40182103;

// <fcntl.h>
const O_CLOEXEC = 0o2000000;

const libc = bind({
  syscall: { args: [FFIType.i64_fast, FFIType.u64_fast, FFIType.u64_fast, "ptr"], returns: "i32" },
  ioctl: { args: ["i32", FFIType.u64_fast, "ptr"], returns: "i32" },
});
