/*
 * The process that makes the system calls of a PosixClient, so that a file system that hangs takes nothing with it:
 * `bun child.ts '{"directory": ..., "credentials": ...}'`. Each line of standard input is a request in JSON, [name, ...parameters];
 * each line of standard output its answer, [value] or [null, code, call]. Bytes go as base64. Ends with its input.
 */
import { dlopen, type FFIFunction, FFIType, type Library, read } from "bun:ffi";
import { constants } from "node:os";
import type { Credentials, Entry, NewTime, Stat, StatVfs } from "./client.ts";

const { i32, u32, ptr: pointer, i64_fast: i64, u64_fast: u64 } = FFIType;

function define<const Functions extends Record<string, FFIFunction>>(
  functions: Functions,
): Library<Functions>["symbols"] {
  return dlopen("libc.so.6", functions).symbols;
}

const libc = define({
  __errno_location: { args: [], returns: pointer },
  chdir: { args: [pointer], returns: i32 },
  close: { args: [i32], returns: i32 },
  copy_file_range: { args: [i32, pointer, i32, pointer, u64, u32], returns: i64 },
  faccessat: { args: [i32, pointer, i32, i32], returns: i32 },
  fallocate: { args: [i32, i32, i64, i64], returns: i32 },
  fchmod: { args: [i32, u32], returns: i32 },
  fchmodat: { args: [i32, pointer, u32, i32], returns: i32 },
  fchown: { args: [i32, u32, u32], returns: i32 },
  fchownat: { args: [i32, pointer, u32, u32, i32], returns: i32 },
  fcntl: { args: [i32, i32, pointer], returns: i32 },
  fdatasync: { args: [i32], returns: i32 },
  flock: { args: [i32, i32], returns: i32 },
  fsync: { args: [i32], returns: i32 },
  ftruncate: { args: [i32, i64], returns: i32 },
  futimens: { args: [i32, pointer], returns: i32 },
  getdents64: { args: [i32, pointer, u64], returns: i64 },
  lgetxattr: { args: [pointer, pointer, pointer, u64], returns: i64 },
  linkat: { args: [i32, pointer, i32, pointer, i32], returns: i32 },
  llistxattr: { args: [pointer, pointer, u64], returns: i64 },
  lremovexattr: { args: [pointer, pointer], returns: i32 },
  lseek: { args: [i32, i64, i32], returns: i64 },
  lsetxattr: { args: [pointer, pointer, pointer, u64, i32], returns: i32 },
  mkdirat: { args: [i32, pointer, u32], returns: i32 },
  mknodat: { args: [i32, pointer, u32, u64], returns: i32 },
  openat: { args: [i32, pointer, i32, u32], returns: i32 },
  prctl: { args: [i32, u64, u64, u64, u64], returns: i32 },
  pread: { args: [i32, pointer, u64, i64], returns: i64 },
  pwrite: { args: [i32, pointer, u64, i64], returns: i64 },
  read: { args: [i32, pointer, u64], returns: i64 },
  readlinkat: { args: [i32, pointer, pointer, u64], returns: i64 },
  renameat2: { args: [i32, pointer, i32, pointer, u32], returns: i32 },
  setgroups: { args: [u64, pointer], returns: i32 },
  setresgid: { args: [u32, u32, u32], returns: i32 },
  setresuid: { args: [u32, u32, u32], returns: i32 },
  statvfs: { args: [pointer, pointer], returns: i32 },
  statx: { args: [i32, pointer, i32, u32, pointer], returns: i32 },
  symlinkat: { args: [pointer, i32, pointer], returns: i32 },
  truncate: { args: [pointer, i64], returns: i32 },
  umask: { args: [u32], returns: u32 },
  unlinkat: { args: [i32, pointer, i32], returns: i32 },
  utimensat: { args: [i32, pointer, pointer, i32], returns: i32 },
  write: { args: [i32, pointer, u64], returns: i64 },
});

const location = libc.__errno_location();
if (location === null) throw new Error("no errno");

const errnoNames = new Map(Object.entries(constants.errno).map(([name, value]) => [value, name]));
errnoNames.set(constants.errno.EOPNOTSUPP, "EOPNOTSUPP").set(constants.errno.EAGAIN, "EAGAIN");

/** What a system call failed with. */
class Failure {
  readonly code: string;

  constructor(code: string) {
    this.code = code;
  }
}

/** The call's result, or its failure. To be given the result straight from the call, while errno is that of the call. */
function check(result: number | bigint): number {
  if (result >= 0) return Number(result);
  const errno = read.i32(location as NonNullable<typeof location>, 0);
  throw new Failure(errnoNames.get(errno) ?? `errno ${errno}`);
}

const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_REMOVEDIR = 0x200;
const AT_SYMLINK_FOLLOW = 0x400;
const AT_EMPTY_PATH = 0x1000;
const PR_SET_DUMPABLE = 4;
const STATX_BASIC_STATS = 0x7ff;
const UTIME_NOW = 0x3fffffff;
const UTIME_OMIT = 0x3ffffffe;
const F_OFD_SETLK = 37;
const LOCKS = { read: 0, write: 1, unlock: 2 };
const FLOCKS = { read: 1 | 4, write: 2 | 4, unlock: 8 };

/** Every request: the calls of Client and Descriptor, in the same order of parameters, with numbers for descriptors. */
const requests: Record<string, (...parameters: never[]) => unknown> = {
  stat: (path: string) => stat(AT_FDCWD, inside(path), 0),
  lstat: (path: string) => stat(AT_FDCWD, inside(path), AT_SYMLINK_NOFOLLOW),
  statvfs,
  open: (path: string, flags: number, mode: number) =>
    check(libc.openat(AT_FDCWD, inside(path), flags, mode)),
  mkdir: (path: string, mode: number) => check(libc.mkdirat(AT_FDCWD, inside(path), mode)),
  rmdir: (path: string) => check(libc.unlinkat(AT_FDCWD, inside(path), AT_REMOVEDIR)),
  unlink: (path: string) => check(libc.unlinkat(AT_FDCWD, inside(path), 0)),
  rename: (from: string, to: string, flags: number) =>
    check(libc.renameat2(AT_FDCWD, inside(from), AT_FDCWD, inside(to), flags)),
  link: (from: string, to: string) =>
    check(libc.linkat(AT_FDCWD, inside(from), AT_FDCWD, inside(to), 0)),
  linkDescriptor: (descriptor: number, to: string) =>
    check(
      libc.linkat(
        AT_FDCWD,
        cstring(`/proc/self/fd/${descriptor}`),
        AT_FDCWD,
        inside(to),
        AT_SYMLINK_FOLLOW,
      ),
    ),
  symlink: (target: string, path: string) =>
    check(libc.symlinkat(cstring(target), AT_FDCWD, inside(path))),
  readlink(path: string) {
    const target = new Uint8Array(8192);
    const length = check(libc.readlinkat(AT_FDCWD, inside(path), target, target.length));
    return nameOf(target.subarray(0, length));
  },
  mknod: (path: string, mode: number, device: number) =>
    check(libc.mknodat(AT_FDCWD, inside(path), mode, device)),
  truncate: (path: string, size: number) => check(libc.truncate(inside(path), size)),
  chmod: (path: string, mode: number) => check(libc.fchmodat(AT_FDCWD, inside(path), mode, 0)),
  chown: (path: string, uid: number, gid: number) =>
    check(libc.fchownat(AT_FDCWD, inside(path), uid >>> 0, gid >>> 0, 0)),
  lchown: (path: string, uid: number, gid: number) =>
    check(libc.fchownat(AT_FDCWD, inside(path), uid >>> 0, gid >>> 0, AT_SYMLINK_NOFOLLOW)),
  utimes: (path: string, atime: NewTime, mtime: NewTime) =>
    check(libc.utimensat(AT_FDCWD, inside(path), times(atime, mtime), 0)),
  lutimes: (path: string, atime: NewTime, mtime: NewTime) =>
    check(libc.utimensat(AT_FDCWD, inside(path), times(atime, mtime), AT_SYMLINK_NOFOLLOW)),
  access: (path: string, mask: number) => check(libc.faccessat(AT_FDCWD, inside(path), mask, 0)),
  getxattr(path: string, name: string, room: number) {
    const value = new Uint8Array(Math.max(room, 1));
    const length = check(libc.lgetxattr(inside(path), cstring(name), value, room));
    return base64(value.subarray(0, Math.min(length, room)));
  },
  setxattr: (path: string, name: string, value: string, flags: number) => {
    const bytes = Buffer.from(value, "base64");
    const some = bytes.length > 0 ? bytes : new Uint8Array(1);
    return check(libc.lsetxattr(inside(path), cstring(name), some, bytes.length, flags));
  },
  listxattr(path: string, room: number) {
    const names = new Uint8Array(Math.max(room, 1));
    const length = check(libc.llistxattr(inside(path), names, room));
    return nameOf(names.subarray(0, Math.min(length, room)))
      .split("\0")
      .slice(0, -1);
  },
  removexattr: (path: string, name: string) =>
    check(libc.lremovexattr(inside(path), cstring(name))),

  read(descriptor: number, length: number, offset: number) {
    const into = new Uint8Array(Math.max(length, 1));
    return base64(into.subarray(0, check(libc.pread(descriptor, into, length, offset))));
  },
  write(descriptor: number, content: string, offset: number | null) {
    const bytes = Buffer.from(content, "base64");
    const some = bytes.length > 0 ? bytes : new Uint8Array(1);
    const at = offset ?? check(libc.lseek(descriptor, 0, 2));
    return check(libc.pwrite(descriptor, some, bytes.length, at));
  },
  fstat: (descriptor: number) => stat(descriptor, cstring(""), AT_EMPTY_PATH),
  ftruncate: (descriptor: number, size: number) => check(libc.ftruncate(descriptor, size)),
  sync: (descriptor: number, dataOnly: boolean) =>
    check(dataOnly ? libc.fdatasync(descriptor) : libc.fsync(descriptor)),
  seek: (descriptor: number, offset: number, whence: "data" | "hole") =>
    check(libc.lseek(descriptor, offset, whence === "data" ? 3 : 4)),
  allocate: (descriptor: number, mode: number, offset: number, length: number) =>
    check(libc.fallocate(descriptor, mode, offset, length)),
  fchmod: (descriptor: number, mode: number) => check(libc.fchmod(descriptor, mode)),
  fchown: (descriptor: number, uid: number, gid: number) =>
    check(libc.fchown(descriptor, uid >>> 0, gid >>> 0)),
  futimes: (descriptor: number, atime: NewTime, mtime: NewTime) =>
    check(libc.futimens(descriptor, times(atime, mtime))),
  copy: (from: number, to: number, fromOffset: number, toOffset: number, length: number) =>
    check(
      libc.copy_file_range(
        from,
        BigInt64Array.of(BigInt(fromOffset)),
        to,
        BigInt64Array.of(BigInt(toOffset)),
        length,
        0,
      ),
    ),
  entries,
  lock(descriptor: number, type: keyof typeof LOCKS, start: number, length: number) {
    const lock = new DataView(new ArrayBuffer(32));
    lock.setInt16(0, LOCKS[type], true);
    lock.setBigInt64(8, BigInt(start), true);
    lock.setBigInt64(16, BigInt(length), true);
    return check(libc.fcntl(descriptor, F_OFD_SETLK, new Uint8Array(lock.buffer)));
  },
  flock: (descriptor: number, type: keyof typeof FLOCKS) =>
    check(libc.flock(descriptor, FLOCKS[type])),
  close: (descriptor: number) => check(libc.close(descriptor)),
};

/** struct statx of statx(2), which is the same on every machine. */
function stat(directory: number, path: Uint8Array, flags: number): Stat {
  const buffer = new Uint8Array(256);
  check(libc.statx(directory, path, flags, STATX_BASIC_STATS, buffer));
  const view = new DataView(buffer.buffer);
  const moment = (offset: number) => ({
    sec: Number(view.getBigInt64(offset, true)),
    nsec: view.getUint32(offset + 8, true),
  });
  const [major, minor] = [view.getUint32(128, true), view.getUint32(132, true)];
  return {
    nlink: view.getUint32(16, true),
    uid: view.getUint32(20, true),
    gid: view.getUint32(24, true),
    mode: view.getUint16(28, true),
    ino: Number(view.getBigUint64(32, true)),
    size: Number(view.getBigUint64(40, true)),
    blocks: Number(view.getBigUint64(48, true)),
    atime: moment(64),
    ctime: moment(96),
    mtime: moment(112),
    rdev: ((minor & 0xff) | ((major & 0xfff) << 8) | ((minor & 0xfff00) << 12)) >>> 0,
  };
}

/** struct statvfs of the C library on 64-bit machines: longs all the way. */
function statvfs(path: string): StatVfs {
  const counts = new BigUint64Array(16);
  check(libc.statvfs(inside(path), counts));
  const [bsize, frsize, blocks, bfree, bavail, files, ffree, , , , namemax] = Array.from(
    counts,
    Number,
  ) as [number, number, number, number, number, number, number, 0, 0, 0, number];
  return { bsize, frsize, blocks, bfree, bavail, files, ffree, namemax };
}

/** struct linux_dirent64 of getdents(2): inode, offset, length, type, name. */
function entries(descriptor: number, from: number, atMost: number | null): Entry[] {
  const limit = atMost ?? Number.POSITIVE_INFINITY;
  const buffer = new Uint8Array(32_768);
  const view = new DataView(buffer.buffer);
  const found: Entry[] = [];
  check(libc.lseek(descriptor, from, 0));
  for (;;) {
    const length = check(libc.getdents64(descriptor, buffer, buffer.length));
    if (length === 0) return found;
    for (let at = 0; at < length; at += view.getUint16(at + 16, true)) {
      if (found.length >= limit) return found;
      found.push({
        ino: Number(view.getBigUint64(at, true)),
        offset: Number(view.getBigInt64(at + 8, true)),
        type: view.getUint8(at + 18),
        name: nameOf(buffer.subarray(at + 19, buffer.indexOf(0, at + 19))),
      });
    }
  }
}

/** Two struct timespec. */
function times(...both: NewTime[]): BigInt64Array {
  return BigInt64Array.from(
    both.flatMap((time) => {
      if (time === "now") return [0, UTIME_NOW];
      if (time === "omit") return [0, UTIME_OMIT];
      return [time.sec, time.nsec];
    }),
    BigInt,
  );
}

/** A path of the mount, whose root is this process's working directory. */
function inside(path: string): Uint8Array {
  return cstring(path === "" ? "" : path.replace(/^\/+/, "") || ".");
}

/** A name in bytes, with the NUL that ends it. U+DC80 to U+DCFF, when alone, stand for the bytes 0x80 to 0xff. */
function cstring(name: string): Uint8Array {
  const parts: Buffer[] = [];
  for (const [part] of name.matchAll(/[\udc80-\udcff]|[^\udc80-\udcff]+/gu)) {
    const lone = part.length === 1 && /[\udc80-\udcff]/.test(part);
    parts.push(lone ? Buffer.of(part.charCodeAt(0) - 0xdc00) : Buffer.from(part));
  }
  return Buffer.concat([...parts, Buffer.of(0)]);
}

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The reverse: bytes that are no UTF-8 become lone surrogates one by one. */
function nameOf(bytes: Uint8Array): string {
  try {
    return strict.decode(bytes);
  } catch {
    let name = "";
    for (let at = 0; at < bytes.length; ) {
      const length = sequenceLength(bytes, at);
      name +=
        length > 0
          ? strict.decode(bytes.subarray(at, at + length))
          : String.fromCharCode(0xdc00 + (bytes[at] as number));
      at += Math.max(length, 1);
    }
    return name;
  }
}

/** How many bytes of valid UTF-8 make up the character at `at`; 0: none does. */
function sequenceLength(bytes: Uint8Array, at: number): number {
  for (let length = 1; length <= 4 && at + length <= bytes.length; length++) {
    try {
      strict.decode(bytes.subarray(at, at + length));
      return length;
    } catch {}
  }
  return 0;
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}

/** Enter the mount, then become who is asked for. Reading /proc/self/fd needs to be "dumpable" again after that. */
function become(directory: string, { uid, gid, groups, umask }: Credentials): void {
  check(libc.chdir(cstring(directory)));
  libc.umask(umask);
  const self = process.geteuid?.() ?? 0;
  if (self !== 0 && self === uid) return;
  const list = Uint32Array.from(groups.length > 0 ? groups : [0]);
  check(libc.setgroups(groups.length, list));
  check(libc.setresgid(gid, gid, gid));
  check(libc.setresuid(uid, uid, uid));
  check(libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
}

function answer(request: string): string {
  const [name, ...parameters] = JSON.parse(request) as [string, ...never[]];
  try {
    const run = requests[name];
    if (run === undefined) throw new Error(`no request ${name}`);
    return JSON.stringify([run(...parameters) ?? null]);
  } catch (error) {
    const code = error instanceof Failure ? error.code : String(error);
    return JSON.stringify([null, code, name]);
  }
}

/** Everything here is synchronous: a request is a system call and nothing else happens meanwhile. */
function serve(): void {
  const chunk = new Uint8Array(1 << 20);
  let pending = Buffer.alloc(0);
  for (;;) {
    const length = check(libc.read(0, chunk, chunk.length));
    if (length === 0) return;
    pending = Buffer.concat([pending, chunk.subarray(0, length)]);
    const end = pending.lastIndexOf(10);
    if (end === -1) continue;
    const lines = pending.toString("utf8", 0, end).split("\n");
    pending = pending.subarray(end + 1);
    for (const line of lines) send(Buffer.from(`${answer(line)}\n`));
  }
}

function send(bytes: Uint8Array): void {
  for (let sent = 0; sent < bytes.length; ) {
    sent += check(libc.write(1, bytes.subarray(sent), bytes.length - sent));
  }
}

const { directory, credentials } = JSON.parse(process.argv[2] ?? "{}") as {
  directory: string;
  credentials: Credentials;
};
try {
  become(directory, credentials);
  send(Buffer.from("[null]\n"));
  serve();
} catch (error) {
  process.stderr.write(`${error instanceof Failure ? error.code : String(error)}\n`);
  process.exitCode = 1;
}
