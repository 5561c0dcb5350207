/** The flags and numbers of the FUSE protocol, 7.45, each family an object from name to number, less the prefix. */

export type Flags = Readonly<Record<string, number>>;

/**
 * A word of flags in words: "FH|SIZE|0x4000", what has no name in hexadecimal, "0" for none. Of two names for the same
 * bits the first of the family is said. Good for values below 2 ** 53 and for single bits above.
 */
export function flagNames(family: Flags, value: number): string {
  const said: string[] = [];
  let rest = value;
  for (const [name, flag] of Object.entries(family)) {
    if (!has(rest, flag)) continue;
    said.push(name);
    rest -= flag;
  }
  if (rest !== 0 || said.length === 0) said.push(rest === 0 ? "0" : `0x${rest.toString(16)}`);
  return said.join("|");
}

/** Whether all bits of `flag`, and at least one, are in `value`. For the words beyond 32 bits; else use `&`. */
export function has(value: number, flag: number): boolean {
  if (flag === 0 || value < flag) return false;
  return (
    covers(value % 2 ** 32, flag % 2 ** 32) &&
    covers(Math.floor(value / 2 ** 32), Math.floor(flag / 2 ** 32))
  );
}

function covers(word: number, flag: number): boolean {
  return ((word & flag) ^ flag) === 0;
}

/**
 * The set of flags in the two words of INIT, one number: `flags` and above it `flags2`. Bits from 53 on, which have no
 * meaning yet, are dropped.
 */
export function initFlags(flags: number, flags2: number): number {
  return (flags2 & 0x1fffff) * 2 ** 32 + (flags >>> 0);
}

/** The two words of a set of INIT flags. */
export function initWords(set: number): { flags: number; flags2: number } {
  return { flags: set % 2 ** 32, flags2: Math.floor(set / 2 ** 32) };
}

/** The INIT flags that are in both sets: what one side offers and the other wants. */
export function common(a: number, b: number): number {
  return initFlags(a & b, Math.floor(a / 2 ** 32) & Math.floor(b / 2 ** 32));
}

/** The INIT flags that are in either set. */
export function union(a: number, b: number): number {
  return initFlags(a | b, Math.floor(a / 2 ** 32) | Math.floor(b / 2 ** 32));
}

/**
 * Bit and first minor of each flag of INIT; from bit 32 on in `flags2`. The minor of some is that of the kernel's release,
 * and may be off by one: the header's changelog does not name them.
 */
const INIT = {
  ASYNC_READ: [0, 6],
  POSIX_LOCKS: [1, 7],
  FILE_OPS: [2, 9],
  ATOMIC_O_TRUNC: [3, 9],
  EXPORT_SUPPORT: [4, 10],
  BIG_WRITES: [5, 9],
  DONT_MASK: [6, 12],
  SPLICE_WRITE: [7, 14],
  SPLICE_MOVE: [8, 14],
  SPLICE_READ: [9, 14],
  FLOCK_LOCKS: [10, 17],
  HAS_IOCTL_DIR: [11, 18],
  AUTO_INVAL_DATA: [12, 20],
  DO_READDIRPLUS: [13, 21],
  READDIRPLUS_AUTO: [14, 21],
  ASYNC_DIO: [15, 22],
  WRITEBACK_CACHE: [16, 23],
  NO_OPEN_SUPPORT: [17, 23],
  PARALLEL_DIROPS: [18, 25],
  HANDLE_KILLPRIV: [19, 26],
  POSIX_ACL: [20, 26],
  ABORT_ERROR: [21, 27],
  MAX_PAGES: [22, 28],
  CACHE_SYMLINKS: [23, 28],
  NO_OPENDIR_SUPPORT: [24, 29],
  EXPLICIT_INVAL_DATA: [25, 30],
  MAP_ALIGNMENT: [26, 31],
  SUBMOUNTS: [27, 32],
  HANDLE_KILLPRIV_V2: [28, 33],
  SETXATTR_EXT: [29, 33],
  INIT_EXT: [30, 36],
  INIT_RESERVED: [31, 36],
  SECURITY_CTX: [32, 36],
  HAS_INODE_DAX: [33, 36],
  CREATE_SUPP_GROUP: [34, 38],
  HAS_EXPIRE_ONLY: [35, 38],
  DIRECT_IO_ALLOW_MMAP: [36, 39],
  PASSTHROUGH: [37, 40],
  NO_EXPORT_SUPPORT: [38, 40],
  HAS_RESEND: [39, 40],
  DIRECT_IO_RELAX: [36, 38],
  ALLOW_IDMAP: [40, 41],
  OVER_IO_URING: [41, 42],
  REQUEST_TIMEOUT: [42, 43],
} as const;

export type InitFlag = keyof typeof INIT;

/** `init_in` and `init_out`: numbers up to 2 ** 42, so not for `&` and `|`: see `has`, `common`, `union`. */
export const InitFlags = column(([bit]) => 2 ** bit);

/** Since which protocol minor a peer may know the flag. */
export const InitMinors = column(([, minor]) => minor);

function column(
  pick: (row: readonly [number, number]) => number,
): Readonly<Record<InitFlag, number>> {
  const pairs = Object.entries(INIT).map(([name, row]) => [name, pick(row)]);
  return Object.fromEntries(pairs);
}

/** `setattr_in.valid` (FATTR_*): which members count. */
export const FattrFlags = {
  MODE: 0x1,
  UID: 0x2,
  GID: 0x4,
  SIZE: 0x8,
  ATIME: 0x10,
  MTIME: 0x20,
  FH: 0x40,
  ATIME_NOW: 0x80,
  MTIME_NOW: 0x100,
  LOCKOWNER: 0x200,
  CTIME: 0x400,
  KILL_SUIDGID: 0x800,
} as const;

/** `open_out.open_flags` (FOPEN_*): how the kernel treats the open file. */
export const FopenFlags = {
  DIRECT_IO: 0x1,
  KEEP_CACHE: 0x2,
  NONSEEKABLE: 0x4,
  CACHE_DIR: 0x8,
  STREAM: 0x10,
  NOFLUSH: 0x20,
  PARALLEL_DIRECT_WRITES: 0x40,
  PASSTHROUGH: 0x80,
} as const;

/** `cuse_init_in.flags`, `cuse_init_out.flags`. */
export const CuseFlags = {
  UNRESTRICTED_IOCTL: 0x1,
} as const;

/** `release_in.release_flags`. */
export const ReleaseFlags = {
  FLUSH: 0x1,
  FLOCK_UNLOCK: 0x2,
} as const;

/** `getattr_in.getattr_flags`: `fh` counts. */
export const GetattrFlags = {
  FH: 0x1,
} as const;

/** `lk_in.lk_flags`: flock(2) and not fcntl(2). */
export const LkFlags = {
  FLOCK: 0x1,
} as const;

/** `write_in.write_flags`. KILL_PRIV is the older name of KILL_SUIDGID. */
export const WriteFlags = {
  CACHE: 0x1,
  LOCKOWNER: 0x2,
  KILL_SUIDGID: 0x4,
  KILL_PRIV: 0x4,
} as const;

/** `read_in.read_flags`. */
export const ReadFlags = {
  LOCKOWNER: 0x2,
} as const;

/** `ioctl_in.flags`, `ioctl_out.flags`. */
export const IoctlFlags = {
  COMPAT: 0x1,
  UNRESTRICTED: 0x2,
  RETRY: 0x4,
  "32BIT": 0x8,
  DIR: 0x10,
  COMPAT_X32: 0x20,
} as const;

/** `poll_in.flags`. */
export const PollFlags = {
  SCHEDULE_NOTIFY: 0x1,
} as const;

/** `fsync_in.fsync_flags`. */
export const FsyncFlags = {
  FDATASYNC: 0x1,
} as const;

/** `attr.flags`. */
export const AttrFlags = {
  SUBMOUNT: 0x1,
  DAX: 0x2,
} as const;

/** `open_in.open_flags`, `create_in.open_flags`; what open(2) was given is `O` below, in `flags`. */
export const OpenFlags = {
  KILL_SUIDGID: 0x1,
} as const;

/** `setxattr_in.setxattr_flags`; what setxattr(2) was given is `Xattr` below, in `flags`. */
export const SetxattrFlags = {
  ACL_KILL_SGID: 0x1,
} as const;

/** `notify_inval_entry_out.flags`. */
export const InvalEntryFlags = {
  EXPIRE_ONLY: 0x1,
} as const;

/** In `in_header.unique`: the top bit, of the last byte, of a request that NOTIFY_RESEND brought again. */
export const UniqueFlags = {
  RESEND: 2 ** 63,
} as const;

/** `setupmapping_in.flags`. */
export const SetupmappingFlags = {
  WRITE: 0x1,
  READ: 0x2,
} as const;

/** The code of a notification, in `out_header.error`. */
export const Notify = {
  POLL: 1,
  INVAL_INODE: 2,
  INVAL_ENTRY: 3,
  STORE: 4,
  RETRIEVE: 5,
  DELETE: 6,
  RESEND: 7,
  INC_EPOCH: 8,
  PRUNE: 9,
} as const;

/** The commands of FUSE over io_uring. */
export const UringCmd = {
  INVALID: 0,
  REGISTER: 1,
  COMMIT_AND_FETCH: 2,
} as const;

/** `ext_header.type`; up to MAX_NR_SECCTX it is the number of security contexts. */
export const ExtType = {
  MAX_NR_SECCTX: 31,
  GROUPS: 32,
} as const;

/** Versions (the newest that is spoken here), sizes and ioctl(2) numbers. COMPAT sizes are those of `S.at(minor)`. */
export const Constants = {
  KERNEL_VERSION: 7,
  KERNEL_MINOR_VERSION: 45,
  ROOT_ID: 1,
  IOCTL_MAX_IOV: 256,
  MIN_READ_BUFFER: 8192,
  COMPAT_ENTRY_OUT_SIZE: 120,
  COMPAT_ATTR_OUT_SIZE: 96,
  COMPAT_MKNOD_IN_SIZE: 8,
  COMPAT_WRITE_IN_SIZE: 24,
  COMPAT_STATFS_SIZE: 48,
  COMPAT_SETXATTR_IN_SIZE: 8,
  COMPAT_INIT_OUT_SIZE: 8,
  COMPAT_22_INIT_OUT_SIZE: 24,
  CUSE_INIT_INFO_MAX: 4096,
  INVALID_UIDGID: 0xffffffff,
  DEV_IOC_MAGIC: 0xe5,
  DEV_IOC_CLONE: 0x8004e500,
  DEV_IOC_BACKING_OPEN: 0x4010e501,
  DEV_IOC_BACKING_CLOSE: 0x4004e502,
  DEV_IOC_SYNC_INIT: 0xe503,
  URING_IN_OUT_HEADER_SZ: 128,
  URING_OP_IN_OUT_SZ: 128,
  NAME_OFFSET: 24,
  NAME_OFFSET_DIRENTPLUS: 152,
} as const;

// What follows is Linux' own and passes through the protocol as the kernel has it, uapi/asm-generic and uapi/linux.

/** arm64 has four of open(2)'s flags in other places (uapi/asm/fcntl.h), and the protocol carries the machine's. */
const arm64 = process.arch === "arm64";

const DIRECTORY = arm64 ? 0o40000 : 0o200000;

/**
 * `flags` of `open_in`, `create_in`, `release_in`, `read_in` and `write_in`. The access mode is `flags & O_ACCMODE`; the
 * kernel adds LARGEFILE, and EXEC when it opens for execve(2) (__FMODE_EXEC of linux/fs.h). What holds other flags in itself
 * comes first, for `flagNames`.
 */
export const O = {
  RDONLY: 0,
  WRONLY: 0o1,
  RDWR: 0o2,
  EXEC: 0o40,
  CREAT: 0o100,
  EXCL: 0o200,
  NOCTTY: 0o400,
  TRUNC: 0o1000,
  APPEND: 0o2000,
  NONBLOCK: 0o4000,
  SYNC: 0o4010000,
  DSYNC: 0o10000,
  ASYNC: 0o20000,
  DIRECT: arm64 ? 0o200000 : 0o40000,
  LARGEFILE: arm64 ? 0o400000 : 0o100000,
  TMPFILE: 0o20000000 | DIRECTORY,
  DIRECTORY,
  NOFOLLOW: arm64 ? 0o100000 : 0o400000,
  NOATIME: 0o1000000,
  CLOEXEC: 0o2000000,
  PATH: 0o10000000,
} as const;

export const O_ACCMODE = 0o3;

/** `file_lock.type`, fcntl(2). */
export const LockType = { RDLCK: 0, WRLCK: 1, UNLCK: 2 } as const;

/** `lseek_in.whence`: the kernel asks only for DATA and HOLE. */
export const Seek = { SET: 0, CUR: 1, END: 2, DATA: 3, HOLE: 4 } as const;

/** `rename2_in.flags`, renameat2(2). */
export const Rename = { NOREPLACE: 0x1, EXCHANGE: 0x2, WHITEOUT: 0x4 } as const;

/** `fallocate_in.mode`, fallocate(2). */
export const Fallocate = {
  KEEP_SIZE: 0x1,
  PUNCH_HOLE: 0x2,
  NO_HIDE_STALE: 0x4,
  COLLAPSE_RANGE: 0x8,
  ZERO_RANGE: 0x10,
  INSERT_RANGE: 0x20,
  UNSHARE_RANGE: 0x40,
} as const;

/** `setxattr_in.flags`, setxattr(2). */
export const Xattr = { CREATE: 0x1, REPLACE: 0x2 } as const;

/** `access_in.mask`, access(2). */
export const Access = { X: 0x1, W: 0x2, R: 0x4 } as const;

/** `poll_in.events`, `poll_out.revents`, poll(2). */
export const Poll = {
  IN: 0x1,
  PRI: 0x2,
  OUT: 0x4,
  ERR: 0x8,
  HUP: 0x10,
  NVAL: 0x20,
  RDNORM: 0x40,
  RDBAND: 0x80,
  WRNORM: 0x100,
  WRBAND: 0x200,
  MSG: 0x400,
  RDHUP: 0x2000,
} as const;

/** `dirent.type`, readdir(3): the file type of a mode, shifted right by 12. */
export const DirentType = {
  UNKNOWN: 0,
  FIFO: 1,
  CHR: 2,
  DIR: 4,
  BLK: 6,
  REG: 8,
  LNK: 10,
  SOCK: 12,
  WHT: 14,
} as const;

/** `statx_in.sx_mask`, `statx.mask`, statx(2). */
export const StatxMask = {
  TYPE: 0x1,
  MODE: 0x2,
  NLINK: 0x4,
  UID: 0x8,
  GID: 0x10,
  ATIME: 0x20,
  MTIME: 0x40,
  CTIME: 0x80,
  INO: 0x100,
  SIZE: 0x200,
  BLOCKS: 0x400,
  BTIME: 0x800,
  MNT_ID: 0x1000,
} as const;
