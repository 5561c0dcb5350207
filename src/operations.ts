import type { Awaitable } from "./awaitable.ts";
import type { Errno } from "./errno.ts";

/*
 * The operations of a file system: what a plugin implements and what the kernel, through the framework, asks of it.
 *
 * The vocabulary is that of NetBSD's puffs (puffs_ops(3)), which is the kernel's own VFS vocabulary, plus what
 * Linux has beyond it. The same operations serve every kernel door; what a door never asks is said at the operation.
 *
 * Rules that hold for all of them:
 *
 * - All are optional but `lookup`. Leaving one out is how a plugin says "not supported"; what the caller then sees is
 *   said at the operation.
 * - An operation answers with a value or a promise. A value is sent in the same turn, without a promise made. While
 *   a promise is pending other operations are called: an operation may run beside any other.
 * - An error is an Errno constant that is returned (`return ENOENT`, costs nothing), or anything thrown or rejected
 *   with an errno name in `.code`. Any other exception is a bug: it is logged with its stack, the request gets EIO.
 * - A value of the wrong shape (a size below zero, a name with a slash) is a bug too: logged, EIO.
 * - Nodes are the plugin's own objects, one object per file for as long as the kernel knows it: `lookup` of the same
 *   file must answer the same object until `reclaim` was called with it. The framework numbers them.
 * - Times are { sec, nsec } since 1970-01-01 UTC; sizes and offsets are bytes; modes are those of stat(2) in their
 *   Linux numbers, device numbers as `makeDevice` makes them.
 * - Unless the plugin has `access`, permissions were checked before the operation (mode, uid, gid, by the kernel's own
 *   rules); a read-only mount, cross-device links and names over 255 bytes never reach the plugin.
 */

/** The answer of an operation that has nothing to tell: nothing, or an error. */
// biome-ignore lint/suspicious/noConfusingVoidType: `undefined` would refuse functions that return nothing
export type Done = void | Errno;

/** A moment: seconds since 1970-01-01 UTC (may be negative) and nanoseconds, 0 to 999,999,999. */
export interface Time {
  readonly sec: number;
  readonly nsec: number;
}

/**
 * Who asks, and for what opened file. Valid until the operation has ended (its promise has settled): the framework
 * uses the object again for the next request.
 */
export interface Call {
  /** Effective user of the caller; for writes out of the page cache that of the file's opener. */
  readonly uid: number;
  /** Effective group of the caller. Supplementary groups are not told; the kernel has checked them. */
  readonly gid: number;
  /** Process (on Linux: thread) that asks; 0 when the kernel itself does, or from outside the pid namespace. */
  readonly pid: number;
  /**
   * File mode creation mask; already applied to the modes of create, mknod and mkdir. In `symlink` it is what the kernel takes from the
   * mode 0777 of a link: nothing on Linux, on NetBSD the caller's mask.
   */
  readonly umask: number;
  /**
   * In `read` and `write`: the kernel fills its cache, or writes back what it was given before; it keeps the times of that itself, and
   * brings them by `setattr`, maybe has already. So leave atime, or mtime and ctime, as they are.
   */
  readonly keepsTimes: boolean;
  /** What the request is made through, in operations on open files (read, write, fsync, readdir, poll, ...). */
  readonly file: File | undefined;
  /**
   * Fires when the caller was interrupted by a signal or the operation is past its deadline. Made when first asked
   * for. An operation that gives up because of it throws or returns EINTR.
   */
  readonly signal: AbortSignal;
}

/**
 * One open(2) of a file or directory, from `open` (or `create`) to `inactive`. The plugin may attach what it likes
 * and choose, during `open` or `create`, how the kernel caches. NetBSD's puffs has no handles: there all
 * openers of a node share one File, but for those who ask for more access than it has, who make another.
 */
export interface File {
  /** The flags of open(2), in Linux numbers, less O_CREAT, O_EXCL and O_NOCTTY. */
  readonly flags: number;
  /** The plugin's own; undefined until it sets it. */
  data: unknown;
  /** Bypass the page cache: every read(2) and write(2) reaches the plugin (FOPEN_DIRECT_IO). */
  directIo: boolean;
  /** Cached pages of an earlier open are still good (FOPEN_KEEP_CACHE). */
  keepCache: boolean;
  /** Like a pipe: no lseek(2) (FOPEN_NONSEEKABLE with FOPEN_STREAM). */
  stream: boolean;
  /** The kernel may keep the directory's entries (FOPEN_CACHE_DIR). */
  cacheDirectory: boolean;
  /** No FLUSH at close(2): `close` is not called for this file (FOPEN_NOFLUSH). */
  noFlush: boolean;
  /** Direct writes of several callers may run beside each other (FOPEN_PARALLEL_DIRECT_WRITES). */
  parallelWrites: boolean;
}

/** What stat(2) tells of a file. An object of the plugin's that has these fields will do: it is only read, at once. */
export interface Attributes {
  /** Kind and permissions: one of the S_IF constants | 07777. */
  readonly mode: number;
  /** Number of names. */
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes. */
  readonly size: number;
  readonly atime: Time;
  readonly mtime: Time;
  readonly ctime: Time;
  /** Of creation; told through statx(2). */
  readonly birthtime?: Time | undefined;
  /** Space used, in units of 512 bytes. Left out: size / 512, rounded up. */
  readonly blocks?: number | undefined;
  /** Preferred size of reads and writes. Left out: 4096. */
  readonly blksize?: number | undefined;
  /** Which device a character or block special file is (`makeDevice`). Left out: 0. */
  readonly rdev?: number | undefined;
  /** Inode number shown to users. Left out: the framework's number of the node, stable while the kernel knows it. */
  readonly ino?: number | undefined;
  /** Of a directory: the inode number that ".." shows. Left out: the one its lookup came from. */
  readonly parentIno?: number | undefined;
  /** Seconds for which the kernel may believe these attributes, instead of the mount's own setting. */
  readonly attrTimeout?: number | undefined;
  /** Seconds for which the kernel may believe that the name leads here, instead of the mount's own setting. */
  readonly entryTimeout?: number | undefined;
}

/** What `setattr` is asked to change; what is absent stays. */
export interface Changes {
  /** Permission bits 07777 only. */
  mode?: number;
  uid?: number;
  gid?: number;
  /** truncate(2), ftruncate(2), open(2) with O_TRUNC: shorter cuts, longer grows with zeros. */
  size?: number;
  /** Given explicitly or, for "now", with the server's clock already read. */
  atime?: Time;
  mtime?: Time;
  /** Only told by kernels that keep times themselves (write-back cache). */
  ctime?: Time;
  birthtime?: Time;
}

/** One name in a directory, as `readdir` yields it. */
export interface DirectoryEntry<N extends object> {
  readonly name: string;
  /** What it is: an S_IF constant (or a whole mode: the rest is dropped). Left out: not known (DT_UNKNOWN). */
  readonly mode?: number | undefined;
  /**
   * Inode number, as `getattr` tells it: getcwd(3) compares the two. Left out: what `getattr` tells of `node` if that is given and known,
   * on puffs of a known directory too; else an arbitrary one that is not 0.
   */
  readonly ino?: number | undefined;
  /**
   * The node itself, if it is at hand: the kernel is then told its attributes along with the name (READDIRPLUS), which
   * saves a `lookup`. Left out: the framework calls `lookup` when the kernel wants attributes.
   */
  readonly node?: N | undefined;
  /**
   * Where a scan goes on after this entry: a number above 0, the same for as long as the entry exists, growing along
   * the listing. Either all entries of a file system have cookies or none.
   */
  readonly cookie?: number | undefined;
}

/** What statvfs(3) tells. */
export interface FileSystemStatistics {
  /** Unit of the three counts that follow, in bytes. */
  readonly frsize: number;
  readonly blocks: number;
  readonly bfree: number;
  /** Free to ordinary users. */
  readonly bavail: number;
  /** Nodes there can be, and are free. */
  readonly files: number;
  readonly ffree: number;
  /** Preferred size of reads and writes. Left out: frsize. */
  readonly bsize?: number;
  /** Longest name in bytes. Left out: 255. */
  readonly namemax?: number;
}

/** A byte-range lock (fcntl(2)) or a whole-file one (flock(2)). */
export interface Lock {
  readonly type: "read" | "write" | "unlock";
  /** First byte, and last byte inclusive; `Infinity` is the end of the file wherever it comes to be. */
  readonly start: number;
  readonly end: number;
  /** The holder; only in the answer to "get". */
  readonly pid: number;
}

/** Who owns a lock: locks of one owner never conflict with each other. Compare with ===. */
export type LockOwner = bigint;

/** Bits of `rename`'s flags: renameat2(2). */
export const RENAME_NOREPLACE = 1;
export const RENAME_EXCHANGE = 2;
export const RENAME_WHITEOUT = 4;

/** Bits of `fallocate`'s mode: fallocate(2), in Linux numbers. Punching holes comes as `fdiscard`. */
export const FALLOC_KEEP_SIZE = 0x01;
export const FALLOC_COLLAPSE_RANGE = 0x08;
export const FALLOC_ZERO_RANGE = 0x10;
export const FALLOC_INSERT_RANGE = 0x20;
export const FALLOC_UNSHARE_RANGE = 0x40;

/** Namespaces of extended attributes: the part of a Linux name before the first dot. NetBSD has user and system. */
export type AttributeNamespace = "user" | "trusted" | "security" | "system";

/** Operations on the whole file system. */
export interface FileSystemOperations<N extends object> {
  /**
   * df(1). Called for statfs(2) and statvfs(3); nothing is cached.
   * Left out: all zero, with names up to 255 bytes.
   */
  statvfs?(call: Call): Awaitable<FileSystemStatistics | Errno>;

  /**
   * sync(2), syncfs(2) and the last thing before an unmount on puffs: make all that was written durable. Linux asks it
   * only of mounts over a block device (`fuseblk`). Left out: nothing to do.
   */
  sync?(call: Call): Awaitable<Done>;

  /**
   * The mount is going away: the last operation, called once however it ends (umount(8), a signal, the kernel's abort).
   * Close and flush here. Errors are logged; they can no longer be answered. On puffs they can, unless the mount ends whatever is said
   * (umount -f, a signal): umount(8) fails with them, the mount goes on, and this is called again at the next. `pid` is the process that
   * unmounted, as far as puffs tells it, else 0.
   */
  unmount?(pid?: number): Awaitable<Done>;

  /** A file handle for NFS to the node it was made for, or ESTALE. Only asked where `nodetofh` exists too. */
  fhtonode?(handle: Uint8Array, call: Call): Awaitable<N | Errno>;

  /** A handle that finds this node again, also after a restart: at most 28 bytes for NFSv2, 60 for NFSv3. */
  nodetofh?(node: N, call: Call): Awaitable<Uint8Array | Errno>;

  /** puffs only: the file system is being suspended (snapshots): "start", "suspended", "resume", "error". */
  suspend?(status: "start" | "suspended" | "resume" | "error"): Awaitable<Done>;

  /** puffs only: extattrctl(2), starting and stopping extended attributes. Left out: EOPNOTSUPP. */
  extattrctl?(
    command: number,
    node: N | undefined,
    namespace: AttributeNamespace,
    name: string,
    call: Call,
  ): Awaitable<Done>;
}

/** Operations on one node. In those that change a directory it comes first, with the name in it. */
export interface NodeOperations<N extends object> {
  /**
   * Which node is `name` in `directory`? Asked whenever the kernel does not know or no longer believes the name; never
   * for "." and "..", save by NFS. null: no such name (the kernel may remember that for `negative_timeout`); `new Absent(seconds)` says for how long. A node that is answered
   * is known to the kernel or, if the kernel is told an error after all, reclaimed.
   */
  lookup(directory: N, name: string, call: Call): Awaitable<N | null | Errno>;

  /**
   * open(2) with O_CREAT of a name that does not exist, and mknod(2) of a regular file: make the file and answer
   * its node. `mode` has S_IFREG and the permissions, umask applied. `open` follows, with `call.file` for it.
   * EEXIST if the name exists by now. Left out: EPERM, unless `mknod` is there, which is then used.
   */
  create?(directory: N, name: string, mode: number, call: Call): Awaitable<N | Errno>;

  /** mknod(2), mkfifo(3), bind(2) of a local socket. `mode` has the kind; `device` counts for S_IFCHR and S_IFBLK. Left out: EPERM. */
  mknod?(
    directory: N,
    name: string,
    mode: number,
    device: number,
    call: Call,
  ): Awaitable<N | Errno>;

  /**
   * open(2) of a file or opendir(3). Set `file.data` and the caching fields here. O_TRUNC comes as a `setattr`
   * before it. Left out: every open is granted; the kernel stops asking, if `close` and `inactive` are left out too.
   */
  open?(node: N, file: File, call: Call): Awaitable<Done>;

  /**
   * Once per close(2) of a descriptor, so several times for one open after dup(2) or fork(2): the last chance to report
   * a failed write. On puffs nobody waits for it: the failure is logged. Not the end of the open: see `inactive`. Left out: nothing to
   * do.
   */
  close?(node: N, file: File | undefined, call: Call): Awaitable<Done>;

  /** access(2), and every permission check: with this operation the plugin decides them all, the kernel none. `mask` is R_OK 4 | W_OK 2 | X_OK 1. */
  access?(node: N, mask: number, call: Call): Awaitable<Done>;

  /**
   * stat(2). Called after lookup, create and their like too, to fill the kernel's cache; afterwards when that is stale.
   * Left out: ENOSYS, and nothing works but names: only a test does without.
   */
  getattr?(node: N, call: Call): Awaitable<Attributes | Errno>;

  /**
   * chmod(2), chown(2), truncate(2), utimensat(2). Answer the new attributes if they are at hand, otherwise `getattr`
   * is called. chown and writes clear set-id bits: the framework or NetBSD's kernel asks for that in `changes.mode`. Left out: EPERM.
   */
  setattr?(node: N, changes: Changes, call: Call): Awaitable<Attributes | Done>;

  /**
   * poll(2), select(2), epoll(7): which of `events` (POLLIN, POLLOUT, ... in Linux numbers) hold now? Call `notify`, if given,
   * when more come to hold; it may be called late, twice or never. Left out: always readable and writable.
   */
  poll?(
    node: N,
    events: number,
    notify: (() => void) | undefined,
    call: Call,
  ): Awaitable<number | Errno>;

  /** puffs only: a file is mapped; told, not asked. */
  mmap?(node: N, protection: number, call: Call): Awaitable<Done>;

  /** fsync(2), and fdatasync(2) when `dataOnly`: return when it is durable. Left out: nothing to do. */
  fsync?(node: N, dataOnly: boolean, call: Call): Awaitable<Done>;

  /**
   * lseek(2) with SEEK_DATA or SEEK_HOLE: the next offset of that kind at or after `offset`; ENXIO past the end.
   * Left out: the whole file is data.
   */
  seek?(node: N, offset: number, whence: "data" | "hole", call: Call): Awaitable<number | Errno>;

  /** unlink(2): take the name away. Open files live on until `inactive` and `reclaim`. Left out: EPERM. */
  remove?(directory: N, name: string, call: Call): Awaitable<Done>;

  /** link(2): one more name for `node`; also gives a `tmpfile` its first. Left out: EPERM. */
  link?(directory: N, name: string, node: N, call: Call): Awaitable<Done>;

  /**
   * rename(2), renameat2(2). Replaces an existing target unless `flags` say otherwise (RENAME_NOREPLACE: EEXIST,
   * RENAME_EXCHANGE: both exist and swap). Directories into themselves never arrive. Left out: EPERM.
   */
  rename?(
    fromDirectory: N,
    fromName: string,
    toDirectory: N,
    toName: string,
    flags: number,
    call: Call,
  ): Awaitable<Done>;

  /** mkdir(2). `mode` has S_IFDIR and the permissions, umask applied. Left out: EPERM. */
  mkdir?(directory: N, name: string, mode: number, call: Call): Awaitable<N | Errno>;

  /** rmdir(2): ENOTEMPTY unless empty. Left out: EPERM. */
  rmdir?(directory: N, name: string, call: Call): Awaitable<Done>;

  /** symlink(2). `target` is any text of 1 to 4095 bytes (puffs: 0 to 1023). Left out: EPERM. */
  symlink?(directory: N, name: string, target: string, call: Call): Awaitable<N | Errno>;

  /**
   * The names in a directory, in any order, without "." and "..": an array, a generator, an async generator. The
   * framework does offsets and paging. If entries have cookies, `from` is the cookie to go on after (0: the beginning) and
   * the iterable is read lazily; otherwise `from` means nothing and the names are taken at once, when a scan begins,
   * and an iterator that is no array's is asked once more when who lists comes back at the end. Left out: the directory shows empty.
   */
  readdir?(
    directory: N,
    from: number,
    call: Call,
  ): Awaitable<Iterable<DirectoryEntry<N>> | AsyncIterable<DirectoryEntry<N>> | Errno>;

  /** readlink(2). Left out: EINVAL. */
  readlink?(node: N, call: Call): Awaitable<string | Errno>;

  /**
   * The kernel has forgotten the node: no name, opener or lookup of it is left in its caches. Free what hangs on
   * it; if its last name is gone too, the file itself. The object may be handed out again by a later lookup. No answer is awaited. `pid` is
   * the process that had the kernel forget it, as far as puffs tells it, else 0.
   */
  reclaim?(node: N, pid?: number): Awaitable<void>;

  /**
   * The last opener of `file` is gone (all descriptors closed, all maps unmapped). Each File gets it exactly once. No error can be
   * answered. Without a file: what `setback` asked for, when nothing was open. `pid` as in `reclaim`.
   */
  inactive?(node: N, file: File | undefined, pid?: number): Awaitable<void>;

  /** puffs only: a line for the kernel's debugger (VOP_PRINT). */
  print?(node: N): Awaitable<string>;

  /** puffs only: pathconf(2), by the number of the _PC_ name. Left out: what the framework knows (NAME_MAX, PATH_MAX, LINK_MAX), else EINVAL. */
  pathconf?(node: N, name: number, call: Call): Awaitable<number | Errno>;

  /**
   * fcntl(2) and flock(2) locks. "get": a lock that stands in the way, or one of type "unlock". "set": take or EAGAIN. "wait": answer when it
   * is taken, EINTR when the signal fires. Left out: the kernel keeps locks itself, for this mount alone.
   */
  advlock?(
    node: N,
    operation: "get" | "set" | "wait",
    lock: Lock,
    owner: LockOwner,
    kind: "posix" | "flock",
    call: Call,
  ): Awaitable<Lock | Done>;

  /**
   * Fill `into` from the file at `offset`; answer how many bytes, short only at the end of the file. `into` is part of
   * the reply itself and not zeroed: bytes up to the answer must all be written. Left out: EOPNOTSUPP.
   */
  read?(node: N, into: Uint8Array, offset: number, call: Call): Awaitable<number | Errno>;

  /**
   * Write `from` at `offset`; answer how many bytes were taken, normally all. `from` is a view of the request, valid
   * until the operation has ended. Growing the file and its times are the plugin's. Left out: EOPNOTSUPP.
   */
  write?(node: N, from: Uint8Array, offset: number, call: Call): Awaitable<number | Errno>;

  /** puffs only: a name looked up for create, remove or rename will not be used after all. */
  abortop?(directory: N, name: string): Awaitable<void>;

  /** getxattr(2). `name` is without its namespace. ENODATA: there is none. Left out: EOPNOTSUPP, once and for all. */
  getextattr?(
    node: N,
    namespace: AttributeNamespace,
    name: string,
    call: Call,
  ): Awaitable<Uint8Array | Errno>;

  /** setxattr(2). `existing`: "create" demands there is none (EEXIST), "replace" that there is one (ENODATA). `value` is valid until the operation has ended. Left out: EOPNOTSUPP. */
  setextattr?(
    node: N,
    namespace: AttributeNamespace,
    name: string,
    value: Uint8Array,
    existing: "any" | "create" | "replace",
    call: Call,
  ): Awaitable<Done>;

  /** listxattr(2), one namespace at a time: the names without it. Left out: EOPNOTSUPP. */
  listextattr?(
    node: N,
    namespace: AttributeNamespace,
    call: Call,
  ): Awaitable<Iterable<string> | Errno>;

  /** removexattr(2). ENODATA: there is none. Left out: EOPNOTSUPP. */
  deleteextattr?(node: N, namespace: AttributeNamespace, name: string, call: Call): Awaitable<Done>;

  /** fallocate(2) but for holes: reserve, or what the FALLOC_ bits of `mode` ask; EOPNOTSUPP for bits not known. Left out: EOPNOTSUPP. */
  fallocate?(node: N, offset: number, length: number, mode: number, call: Call): Awaitable<Done>;

  /** Punch a hole: the bytes read as zeros, their space is freed, the size stays. Left out: EOPNOTSUPP. */
  fdiscard?(node: N, offset: number, length: number, call: Call): Awaitable<Done>;

  /** Linux only: open(2) with O_TMPFILE: a file without a name, in the file system of `directory`. Left out: EOPNOTSUPP. */
  tmpfile?(directory: N, mode: number, call: Call): Awaitable<N | Errno>;

  /** Linux only: copy_file_range(2) within the mount: bytes copied, 0 at the end of `from`. Left out: the kernel copies by reading and writing. */
  copyRange?(
    from: N,
    fromOffset: number,
    to: N,
    toOffset: number,
    length: number,
    call: Call,
  ): Awaitable<number | Errno>;

  /**
   * Linux only: ioctl(2) of commands whose number tells size and direction (restricted ioctl). `input` is what the caller's
   * argument pointed at; the answer's `output` goes back there, at most `outputSize` bytes; `result` is what ioctl returns. Left out: ENOTTY.
   */
  ioctl?(
    node: N,
    command: number,
    input: Uint8Array,
    outputSize: number,
    call: Call,
  ): Awaitable<{ result: number; output?: Uint8Array } | Errno>;

  /** Linux only, mounts of block devices (`fuseblk`): which block of the device holds `block` of the file, in units of `blocksize`. Left out: EINVAL. */
  bmap?(node: N, block: number, blocksize: number, call: Call): Awaitable<number | Errno>;
}

/** The name of an operation, as statistics, traces and messages print it. */
export type NodeOperation = keyof NodeOperations<object>;
export type FileSystemOperation = keyof FileSystemOperations<object>;
