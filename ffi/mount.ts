/** mount(2) and umount2(2). */
import { FFIType } from "bun:ffi";
import { constants } from "node:os";
import { bind, check, cstring, SystemError } from "./libc.ts";

/** Of `unmount`: abort the connection first, so that nothing waits for a server that is gone. */
export const MNT_FORCE = 0x1;
/** Of `unmount`: take it out of the tree at once, end it when its last user is done. */
export const MNT_DETACH = 0x2;
/** Of `unmount`: a symbolic link at the end of the path is refused (EINVAL), not followed. */
export const UMOUNT_NOFOLLOW = 0x8;

/** The flags of `mount`, as in <linux/mount.h>. */
export const mountFlags = {
  MS_RDONLY: 1 << 0,
  MS_NOSUID: 1 << 1,
  MS_NODEV: 1 << 2,
  MS_NOEXEC: 1 << 3,
  MS_SYNCHRONOUS: 1 << 4,
  MS_REMOUNT: 1 << 5,
  MS_MANDLOCK: 1 << 6,
  MS_DIRSYNC: 1 << 7,
  MS_NOSYMFOLLOW: 1 << 8,
  MS_NOATIME: 1 << 10,
  MS_NODIRATIME: 1 << 11,
  MS_BIND: 1 << 12,
  MS_MOVE: 1 << 13,
  MS_REC: 1 << 14,
  MS_SILENT: 1 << 15,
  MS_POSIXACL: 1 << 16,
  MS_UNBINDABLE: 1 << 17,
  MS_PRIVATE: 1 << 18,
  MS_SLAVE: 1 << 19,
  MS_SHARED: 1 << 20,
  MS_RELATIME: 1 << 21,
  MS_I_VERSION: 1 << 23,
  MS_STRICTATIME: 1 << 24,
  MS_LAZYTIME: 1 << 25,
} as const;

/**
 * Mounts `source` on `target`; `data` is the file system's own options, separated by commas. Throws
 * SystemError; EINVAL also for data of a page or more, which the kernel would cut short silently.
 */
export function mount(
  source: string,
  target: string,
  type: string,
  flags: number,
  data: string,
): void {
  const options = cstring(data);
  if (options.length > PAGE) throw new SystemError("mount", constants.errno.EINVAL, target);
  const result = libc.mount(cstring(source), cstring(target), cstring(type), flags, options);
  check(result, "mount", target);
}

/**
 * Ends the mount on `target`. Throws SystemError. May wait for the file system's server: a thread
 * that serves it must not call this.
 */
export function unmount(target: string, flags: number): void {
  check(libc.umount2(cstring(target), flags), "umount2", target);
}

// The smallest page of the supported machines; the kernel copies one page, its last byte made NUL.
const PAGE = 4096;

const libc = bind({
  mount: { args: ["ptr", "ptr", "ptr", FFIType.u64_fast, "ptr"], returns: "i32" },
  umount2: { args: ["ptr", "i32"], returns: "i32" },
});
