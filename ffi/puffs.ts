/** NetBSD's /dev/puffs and mount(2), bound to its C library when they are first used. */
import { dlopen, FFIType, type Pointer, read } from "bun:ffi";
import { constants } from "node:fs";
import { openDescriptor } from "./device.ts";
import { cstring } from "./libc.ts";

export const PUFFS_DEVICE = "/dev/puffs";

/** Opens the device: one descriptor is one mount. Throws SystemError. */
export function openPuffs(): number {
  return openDescriptor(PUFFS_DEVICE, constants.O_RDWR);
}

/**
 * Mounts on `target` for the process that opened the device last; `flags` are NetBSD's and `args` a
 * struct puffs_kargs. Answers 0 or NetBSD's number of the error.
 */
export function mountPuffs(target: string, flags: number, args: Uint8Array): number {
  const { __mount50, __errno } = netbsd();
  const result = __mount50(cstring("puffs"), cstring(target), flags, args, args.length);
  return result === -1 ? read.i32(__errno() as Pointer, 0) : 0;
}

/** Lets reads of the device wait, or not (FIONBIO). Answers 0 or NetBSD's number of the error. */
export function setPuffsBlocking(fd: number, blocking: boolean): number {
  const { ioctl, __errno } = netbsd();
  const result = ioctl(fd, FIONBIO, Int32Array.of(blocking ? 0 : 1));
  return result === -1 ? read.i32(__errno() as Pointer, 0) : 0;
}

/** <sys/filio.h>: _IOW('f', 126, int). */
const FIONBIO = 0x8004667e;

const NETBSD_LIBC = "libc.so.12";

type Functions = ReturnType<typeof bindNetbsd>;
let bound: Functions | undefined;

function netbsd(): Functions {
  bound ??= bindNetbsd();
  return bound;
}

function bindNetbsd() {
  return dlopen(NETBSD_LIBC, {
    // <sys/mount.h> renames mount() to this: int (const char *, const char *, int, void *, size_t).
    __mount50: {
      args: ["ptr", "ptr", "i32", "ptr", FFIType.u64_fast],
      returns: "i32",
    },
    ioctl: { args: ["i32", FFIType.u64_fast, "ptr"], returns: "i32" },
    // <errno.h>: what errno is a name for.
    __errno: { args: [], returns: "ptr" },
  }).symbols;
}
