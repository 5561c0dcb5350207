import { O, O_ACCMODE } from "../../src/fuse/flags.ts";

/**
 * A file system as a process sees it: the calls of POSIX and Linux on absolute paths ("/" is the root of the mount). The
 * conformance kit is written against it; one client runs on the core without a kernel, another on a real mount.
 *
 * Every call is asynchronous and fails with an object that has the error's name in `.code`. Bytes of names that are not
 * UTF-8 are the lone surrogates U+DC80 to U+DCFF. Flags, modes and commands are in Linux numbers.
 */
export interface Client {
  /** The same file system through the eyes of someone else: what is left out stays. */
  as(credentials: Partial<Credentials>): Client;

  stat(path: string): Promise<Stat>;
  lstat(path: string): Promise<Stat>;
  /** statvfs(3). */
  statvfs(path: string): Promise<StatVfs>;
  /** `mode` counts with O_CREAT and O_TMPFILE; the umask is applied to it. Default 0666. */
  open(path: string, flags: number, mode?: number): Promise<Descriptor>;
  /** Default 0777. */
  mkdir(path: string, mode?: number): Promise<void>;
  rmdir(path: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** `flags` of renameat2(2). */
  rename(from: string, to: string, flags?: number): Promise<void>;
  /** link(2): a symbolic link itself gets the name. */
  link(from: string, to: string): Promise<void>;
  /** linkat(2) with AT_EMPTY_PATH: the way to name a file opened with O_TMPFILE. */
  linkDescriptor(descriptor: Descriptor, to: string): Promise<void>;
  symlink(target: string, path: string): Promise<void>;
  readlink(path: string): Promise<string>;
  /** `mode` with its S_IF kind; `device` as makeDevice makes it. */
  mknod(path: string, mode: number, device?: number): Promise<void>;
  truncate(path: string, size: number): Promise<void>;
  chmod(path: string, mode: number): Promise<void>;
  /** -1 leaves that one alone. */
  chown(path: string, uid: number, gid: number): Promise<void>;
  lchown(path: string, uid: number, gid: number): Promise<void>;
  utimes(path: string, atime: NewTime, mtime: NewTime): Promise<void>;
  /** utimensat(2) with AT_SYMLINK_NOFOLLOW. */
  lutimes(path: string, atime: NewTime, mtime: NewTime): Promise<void>;
  /** access(2), with the credentials of the client. `mask` is R_OK 4 | W_OK 2 | X_OK 1, or 0: is it there? */
  access(path: string, mask: number): Promise<void>;
  /** All entries in the order they come, "." and ".." among them. */
  readdir(path: string): Promise<Entry[]>;
  /**
   * lgetxattr(2): these four do not follow a symbolic link at the end. `name` is whole: "user.comment". `room` is the
   * size of the caller's buffer: ERANGE if the value is longer; left out: enough for any.
   */
  getxattr(path: string, name: string, room?: number): Promise<Uint8Array>;
  /** `flags`: XATTR_CREATE 1, XATTR_REPLACE 2. */
  setxattr(path: string, name: string, value: Uint8Array, flags?: number): Promise<void>;
  listxattr(path: string, room?: number): Promise<string[]>;
  removexattr(path: string, name: string): Promise<void>;
}

/** An open file. Closing it twice is EBADF. */
export interface Descriptor {
  /** pread(2): what was there, shorter than `length` only at the end of the file. */
  read(length: number, offset: number): Promise<Uint8Array>;
  /** pwrite(2); without an offset, or opened with O_APPEND, at the end of the file. The number of bytes written. */
  write(bytes: Uint8Array, offset?: number): Promise<number>;
  stat(): Promise<Stat>;
  truncate(size: number): Promise<void>;
  /** fsync(2), or fdatasync(2) when `dataOnly`. */
  sync(dataOnly?: boolean): Promise<void>;
  /** lseek(2) with SEEK_DATA or SEEK_HOLE. */
  seek(offset: number, whence: "data" | "hole"): Promise<number>;
  /** fallocate(2). */
  allocate(mode: number, offset: number, length: number): Promise<void>;
  chmod(mode: number): Promise<void>;
  chown(uid: number, gid: number): Promise<void>;
  utimes(atime: NewTime, mtime: NewTime): Promise<void>;
  /** copy_file_range(2): how many bytes were copied. */
  copyTo(to: Descriptor, fromOffset: number, toOffset: number, length: number): Promise<number>;
  /**
   * Entries of an open directory from the beginning (rewinddir(3)), or after the entry whose `offset` is given (seekdir(3)):
   * all that follow, or the first `atMost`.
   */
  readdir(from?: number, atMost?: number): Promise<Entry[]>;
  /** fcntl(2) with F_OFD_SETLK: take or give back a lock of bytes, `length` 0 meaning to the end. Only on a real mount. */
  lock?(type: "read" | "write" | "unlock", start: number, length: number): Promise<void>;
  /** flock(2) with LOCK_NB. Only on a real mount. */
  flock?(type: "read" | "write" | "unlock"): Promise<void>;
  close(): Promise<void>;
}

export interface Credentials {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups. */
  readonly groups: readonly number[];
  readonly umask: number;
}

export interface Stat {
  readonly ino: number;
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev: number;
  readonly size: number;
  /** In units of 512 bytes. */
  readonly blocks: number;
  readonly atime: Moment;
  readonly mtime: Moment;
  readonly ctime: Moment;
}

export interface Moment {
  readonly sec: number;
  readonly nsec: number;
}

/** What utimensat(2) takes: a time, UTIME_NOW or UTIME_OMIT. */
export type NewTime = Moment | "now" | "omit";

export interface Entry {
  readonly name: string;
  readonly ino: number;
  /** DT_ number of readdir(3): the S_IF kind >> 12; 0 when it is not told. */
  readonly type: number;
  /** Where the scan goes on after this entry (telldir(3)). */
  readonly offset: number;
}

export interface StatVfs {
  readonly bsize: number;
  readonly frsize: number;
  readonly blocks: number;
  readonly bfree: number;
  readonly bavail: number;
  readonly files: number;
  readonly ffree: number;
  readonly namemax: number;
}

/** The flags of open(2) by the names that programs know. */
export const O_RDONLY = O.RDONLY;
export const O_WRONLY = O.WRONLY;
export const O_RDWR = O.RDWR;
export const O_CREAT = O.CREAT;
export const O_EXCL = O.EXCL;
export const O_NOCTTY = O.NOCTTY;
export const O_TRUNC = O.TRUNC;
export const O_APPEND = O.APPEND;
export const O_DIRECT = O.DIRECT;
export const O_DIRECTORY = O.DIRECTORY;
export const O_NOFOLLOW = O.NOFOLLOW;
export const O_TMPFILE = O.TMPFILE;
export const O_PATH = O.PATH;
export { O_ACCMODE };
