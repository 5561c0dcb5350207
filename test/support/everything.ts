import type { Attributes, FileSystemOperations, NodeOperations } from "../../src/operations.ts";
import type { FileSystem } from "../../src/plugin.ts";
import { bytes, type Part } from "./wire.ts";

/*
 * A plugin that has all operations and remembers nothing, and one valid request for each opcode.
 */

const time = { sec: 1, nsec: 2 };

export const DIRECTORY: Attributes = {
  mode: 0o040755,
  nlink: 2,
  uid: 0,
  gid: 0,
  size: 0,
  atime: time,
  mtime: time,
  ctime: time,
};
export const FILE: Attributes = { ...DIRECTORY, mode: 0o100644, nlink: 1, size: 5 };

export type Operations = Required<NodeOperations<Attributes>>;

/** Every operation, each with a right answer; `changed` in their place. */
export function everything(
  changed: Partial<Operations> = {},
  fs: FileSystemOperations<Attributes> = {},
): FileSystem<Attributes> & { readonly node: Operations } {
  const child = () => ({ ...FILE });
  return {
    root: { ...DIRECTORY },
    fs: {
      statvfs: () => ({ frsize: 4096, blocks: 9, bfree: 8, bavail: 7, files: 6, ffree: 5 }),
      sync: () => {},
      unmount: () => {},
      ...fs,
    },
    node: {
      lookup: (_directory, name) => (name === "none" ? null : child()),
      create: child,
      mknod: child,
      open: () => {},
      close: () => {},
      access: () => {},
      getattr: (node) => node,
      setattr: () => {},
      poll: (_node, events) => events,
      mmap: () => {},
      fsync: () => {},
      seek: (_node, offset) => offset,
      remove: () => {},
      link: () => {},
      rename: () => {},
      mkdir: () => ({ ...DIRECTORY }),
      rmdir: () => {},
      symlink: () => ({ ...FILE, mode: 0o120777 }),
      readdir: () => [{ name: "one", mode: 0o100000 }, { name: "two" }],
      readlink: () => "target",
      reclaim: () => {},
      inactive: () => {},
      print: () => "",
      pathconf: () => 0,
      advlock: (_node, operation, lock) => (operation === "get" ? lock : undefined),
      read: (_node, into) => into.fill(7).length,
      write: (_node, from) => from.length,
      abortop: () => {},
      getextattr: () => bytes("value"),
      setextattr: () => {},
      listextattr: () => ["one", "two"],
      deleteextattr: () => {},
      fallocate: () => {},
      fdiscard: () => {},
      tmpfile: child,
      copyRange: (_from, _at, _to, _there, length) => Math.min(length, 5),
      ioctl: (_node, _command, _input, room) => ({ result: 0, output: new Uint8Array(room) }),
      bmap: (_node, block) => block,
      ...changed,
    },
  };
}

/** What a request is about: node numbers and handles that the server gave. */
export interface Ids {
  readonly directory: number;
  readonly file: number;
  readonly openDirectory: number;
  readonly openFile: number;
}

/** About which node each request is. */
type About = "directory" | "file" | "mount";

/** By opcode: about what, and the bytes behind the header. */
export const REQUESTS: Readonly<
  Record<number, readonly [name: string, about: About, body: (ids: Ids) => Part[]]>
> = {
  1: ["LOOKUP", "directory", () => ["one\0"]],
  2: ["FORGET", "file", () => [1n]],
  3: ["GETATTR", "file", () => [0, 0, 0n]],
  4: ["SETATTR", "file", ({ openFile: fh }) => setattr(0x49, BigInt(fh), 3n, 0o600)],
  5: ["READLINK", "file", () => []],
  6: ["SYMLINK", "directory", () => ["link\0target\0"]],
  8: ["MKNOD", "directory", () => [0o010644, 0, 0o22, 0, "fifo\0"]],
  9: ["MKDIR", "directory", () => [0o755, 0o22, "sub\0"]],
  10: ["UNLINK", "directory", () => ["one\0"]],
  11: ["RMDIR", "directory", () => ["sub\0"]],
  12: ["RENAME", "directory", ({ directory }) => [BigInt(directory), "one\0two\0"]],
  13: ["LINK", "directory", ({ file }) => [BigInt(file), "again\0"]],
  14: ["OPEN", "file", () => [2, 0]],
  15: ["READ", "file", ({ openFile }) => [BigInt(openFile), 0n, 4096, 0, 0n, 0, 0]],
  16: ["WRITE", "file", ({ openFile }) => [BigInt(openFile), 0n, 5, 0, 0n, 0, 0, "hello"]],
  17: ["STATFS", "directory", () => []],
  18: ["RELEASE", "file", ({ openFile }) => [BigInt(openFile), 2, 0, 0n]],
  20: ["FSYNC", "file", ({ openFile }) => [BigInt(openFile), 1, 0]],
  21: ["SETXATTR", "file", () => [5, 0, "user.a\0value"]],
  22: ["GETXATTR", "file", () => [100, 0, "user.a\0"]],
  23: ["LISTXATTR", "file", () => [100, 0]],
  24: ["REMOVEXATTR", "file", () => ["user.a\0"]],
  25: ["FLUSH", "file", ({ openFile }) => [BigInt(openFile), 0, 0, 77n]],
  26: ["INIT", "mount", () => [7, 45, 131072, 0xffffffff, 0xffffffff, new Uint8Array(44)]],
  27: ["OPENDIR", "directory", () => [0, 0]],
  28: ["READDIR", "directory", ({ openDirectory: fh }) => [BigInt(fh), 0n, 4096, 0, 0n, 0, 0]],
  29: ["RELEASEDIR", "directory", ({ openDirectory: fh }) => [BigInt(fh), 0, 0, 0n]],
  30: ["FSYNCDIR", "directory", ({ openDirectory: fh }) => [BigInt(fh), 0, 0]],
  31: ["GETLK", "file", ({ openFile }) => lock(openFile)],
  32: ["SETLK", "file", ({ openFile }) => lock(openFile)],
  33: ["SETLKW", "file", ({ openFile }) => lock(openFile)],
  34: ["ACCESS", "file", () => [4, 0]],
  35: ["CREATE", "directory", () => [2, 0o644, 0o22, 0, "new\0"]],
  36: ["INTERRUPT", "mount", () => [4n]],
  37: ["BMAP", "file", () => [3n, 512, 0]],
  38: ["DESTROY", "mount", () => []],
  39: ["IOCTL", "file", ({ openFile }) => [BigInt(openFile), 0, 0x5401, 0n, 4, 8, "data"]],
  40: ["POLL", "file", ({ openFile }) => [BigInt(openFile), 88n, 1, 5]],
  41: ["NOTIFY_REPLY", "mount", () => [0n, 0n, 4, 0, 0n, 0n, "page"]],
  42: ["BATCH_FORGET", "mount", ({ file }) => [2, 0, BigInt(file), 1n, 99n, 1n]],
  43: ["FALLOCATE", "file", ({ openFile }) => [BigInt(openFile), 0n, 100n, 0, 0]],
  44: ["READDIRPLUS", "directory", ({ openDirectory: fh }) => [BigInt(fh), 0n, 4096, 0, 0n, 0, 0]],
  45: ["RENAME2", "directory", ({ directory }) => [BigInt(directory), 1, 0, "one\0two\0"]],
  46: ["LSEEK", "file", ({ openFile }) => [BigInt(openFile), 0n, 3, 0]],
  47: ["COPY_FILE_RANGE", "file", copy],
  48: ["SETUPMAPPING", "file", () => [0n, 0n, 4096n, 1n, 0n]],
  49: ["REMOVEMAPPING", "file", () => [1, 0n, 4096n]],
  50: ["SYNCFS", "directory", () => [0n]],
  51: ["TMPFILE", "directory", () => [2, 0o600, 0o22, 0, "#1\0"]],
  52: ["STATX", "file", () => [0, 0, 0n, 0, 0xfff]],
  53: ["COPY_FILE_RANGE_64", "file", copy],
  4096: ["CUSE_INIT", "mount", () => [7, 45, 0, 0]],
};

/** The node that a request is about. */
export function subject(opcode: number, { directory, file }: Ids): number {
  const about = REQUESTS[opcode]?.[1];
  return about === "directory" ? directory : about === "file" ? file : 0;
}

function setattr(valid: number, fh: bigint, size: bigint, mode: number): Part[] {
  return [valid, 0, fh, size, 0n, 0n, 0n, 0n, 0, 0, 0, mode, 0, 0, 0, 0];
}

function lock(fh: number): Part[] {
  return [BigInt(fh), 77n, 0n, 9n, 1, 1003, 0, 0];
}

function copy({ file, openFile }: Ids): Part[] {
  return [BigInt(openFile), 0n, BigInt(file), BigInt(openFile), 0n, 5n, 0n];
}
