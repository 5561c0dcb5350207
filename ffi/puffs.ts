/** NetBSD's /dev/puffs and mount(2), bound to its C library when they are first used. */
import { dlopen, FFIType } from "bun:ffi";
import { constants } from "node:fs";
import { openDescriptor } from "./device.ts";
import { check, cstring } from "./libc.ts";

export const PUFFS_DEVICE = "/dev/puffs";

/** Opens the device: one descriptor is one mount. Throws SystemError. */
export function openPuffs(): number {
  return openDescriptor(PUFFS_DEVICE, constants.O_RDWR);
}

/**
 * Mounts on `target` for the process that opened the device last; `flags` are NetBSD's and `args` a
 * struct puffs_kargs. Throws SystemError.
 */
export function mountPuffs(target: string, flags: number, args: Uint8Array): void {
  const { symbols } = dlopen(NETBSD_LIBC, {
    // <sys/mount.h> renames mount() to this.
    __mount50: {
      args: ["ptr", "ptr", "i32", "ptr", FFIType.u64_fast],
      returns: "i32",
    },
  });
  const result = symbols.__mount50(cstring("puffs"), cstring(target), flags, args, args.length);
  check(result, "mount", target);
}

const NETBSD_LIBC = "libc.so.12";
