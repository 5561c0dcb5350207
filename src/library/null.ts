import { Buffer } from "node:buffer";
import * as fs from "node:fs";
import { constants } from "node:fs";
import { promisify } from "node:util";
import { makeNode, setTimes } from "../../ffi/node.ts";
import { EEXIST, EINVAL, ELOOP, EOPNOTSUPP, ESTALE } from "../errno.ts";
import { S_IFDIR, S_IFLNK, S_IFMT, S_ISGID } from "../mode.ts";
import { decodeName } from "../name.ts";
import {
  type Attributes,
  type Call,
  type Changes,
  type DirectoryEntry,
  type File,
  RENAME_NOREPLACE,
  type Time,
} from "../operations.ts";
import type { FileSystem } from "../plugin.ts";
import type { Usermount } from "../usermount.ts";
import { bytesOf, keyOf, type NullNode, NullNodes, type Way } from "./null-node.ts";

/** See null-layer.ts. */
export async function makeNullLayer(
  directory: string,
  usermount?: Pick<Usermount, "directory">,
): Promise<FileSystem<NullNode>> {
  const top = await realpath(directory);
  const stats = await lstat(top, BIG);
  if (!stats.isDirectory())
    throw Object.assign(new Error(`${directory} is no directory`), { code: "ENOTDIR" });
  const nodes = new NullNodes(top === "/" ? "" : top, stats);

  /** The mount's own device, as soon as it can be known. */
  let own: Promise<bigint | undefined> | undefined;
  const isOwn = async (device: bigint): Promise<boolean> => {
    if (device === stats.dev || !usermount) return false;
    own ??= lstat(usermount.directory, BIG).then(
      ({ dev }) => (dev === stats.dev ? undefined : dev),
      () => undefined,
    );
    return (await own) === device;
  };

  const find = async (parent: NullNode, name: string): Promise<NullNode> => {
    const found = await lstat(nodes.child(parent, name), BIG);
    if (await isOwn(found.dev)) throw ELOOP;
    return nodes.found(parent, name, found);
  };

  const look = async (node: NullNode): Promise<fs.BigIntStats> => {
    const [descriptor] = node.open;
    if (descriptor !== undefined) return fstat(descriptor, BIG);
    const { path, follow } = nodes.way(node);
    const found = follow ? await stat(path, BIG) : await lstat(path, BIG);
    // Somebody has put another file there.
    if (keyOf(found) !== node.key) throw ESTALE;
    return found;
  };

  /** What was made belongs to the caller, and has the mode that was asked for, whatever the server's umask. */
  const made = async (parent: NullNode, name: string, mode: number, call: Call) => {
    const path = nodes.child(parent, name);
    const inherits = (Number((await look(parent)).mode) & S_ISGID) !== 0;
    const is = await lstat(path, BIG);
    const gid = inherits ? Number(is.gid) : call.gid;
    const isOther = Number(is.uid) !== call.uid || Number(is.gid) !== gid;
    if (isOther && process.geteuid?.() === 0) await lchown(path, call.uid, gid);
    const kind = mode & S_IFMT;
    const bits = (inherits && kind === S_IFDIR ? mode | S_ISGID : mode) & 0o7777;
    // Each change would be one of the new file's ctime.
    if (kind !== S_IFLNK && (isOther || (Number(is.mode) & 0o7777) !== bits))
      await chmod(path, bits);
    return find(parent, name);
  };

  const opened = async (node: NullNode, flags: number): Promise<number> => {
    const { path } = nodes.way(node);
    const access = flags & 3;
    const rest = flags & KEPT;
    if (access === constants.O_RDONLY) return open(path, rest);
    // The kernel may read what is around a write.
    const both = await open(path, constants.O_RDWR | rest).catch(() => undefined);
    if (both !== undefined) return both;
    return open(path, access | rest).catch((error) => {
      if (error.code !== "EACCES") throw error;
      return openUnwritable(path, constants.O_RDWR | rest, error);
    });
  };

  /** Do something through the call's descriptor, or one of its own if the kernel has nothing open. */
  const through = async <T>(
    node: NullNode,
    file: File | undefined,
    flags: number,
    action: (descriptor: number) => Promise<T>,
  ): Promise<T> => {
    if (typeof file?.data === "number") return action(file.data);
    const descriptor = await opened(node, flags);
    try {
      return await action(descriptor);
    } finally {
      await close(descriptor);
    }
  };

  const change = async ({ path, follow }: Way, isLink: boolean, changes: Changes) => {
    const { size, uid, gid, mode, atime, mtime } = changes;
    if (size !== undefined) await truncate(path, size);
    if (uid !== undefined || gid !== undefined)
      await (follow ? chown : lchown)(path, uid ?? UNCHANGED, gid ?? UNCHANGED);
    if (mode !== undefined) {
      // chmod(2) would change what the link leads to.
      if (isLink) throw EOPNOTSUPP;
      await chmod(path, mode);
    }
    if (atime || mtime) setTimes(terminated(path), atime, mtime, follow);
  };

  return {
    root: nodes.root,
    fs: {
      async statvfs() {
        const { bsize, blocks, bfree, bavail, files, ffree } = await statfs(
          nodes.way(nodes.root).path,
        );
        return { frsize: bsize, bsize, blocks, bfree, bavail, files, ffree };
      },
      nodetofh: ({ handle }) => handle,
      fhtonode: (handle) => nodes.byHandle(handle) ?? ESTALE,
    },
    node: {
      lookup: (parent, name) =>
        find(parent, name).catch((error) => {
          if (error.code !== "ENOENT") throw error;
          nodes.lost(parent, name);
          return null;
        }),
      getattr: async (node) => attributesOf(await look(node), node.links.at(-1)?.directory),
      async setattr(node, changes) {
        const isLink = (await look(node)).isSymbolicLink();
        await change(nodes.way(node), isLink, changes);
      },
      async create(parent, name, mode, call) {
        const flags = constants.O_CREAT | constants.O_EXCL | constants.O_RDWR;
        await close(await open(nodes.child(parent, name), flags, mode & 0o777));
        return made(parent, name, mode, call);
      },
      async mknod(parent, name, mode, device, call) {
        makeNode(terminated(nodes.child(parent, name)), mode, device);
        return made(parent, name, mode, call);
      },
      async mkdir(parent, name, mode, call) {
        await mkdir(nodes.child(parent, name), mode & 0o777);
        return made(parent, name, mode, call);
      },
      async symlink(parent, name, target, call) {
        await symlink(bytesOf(target), nodes.child(parent, name));
        return made(parent, name, S_IFLNK | 0o777, call);
      },
      async link(parent, name, node) {
        await link(nodes.way(node).path, nodes.child(parent, name));
        nodes.link(parent, name, node);
      },
      async remove(parent, name) {
        await unlink(nodes.child(parent, name));
        nodes.lost(parent, name);
      },
      async rmdir(parent, name) {
        await rmdir(nodes.child(parent, name));
        nodes.lost(parent, name);
      },
      async rename(from, name, to, newName, flags) {
        if (flags & ~RENAME_NOREPLACE) throw EINVAL;
        const target = nodes.child(to, newName);
        if (flags && (await lstat(target).catch(() => undefined))) throw EEXIST;
        await rename(nodes.child(from, name), target);
        const node = nodes.lost(from, name);
        nodes.lost(to, newName);
        if (node) nodes.link(to, newName, node);
      },
      async readlink(node) {
        const target = await readlink(nodes.way(node).path, { encoding: "buffer" });
        return decodeName(target, 0, target.length);
      },
      async readdir(node) {
        // With "buffer" Bun leaves out the types.
        const asBytes = { withFileTypes: true, encoding: "latin1" as "utf8" } as const;
        const { path } = nodes.way(node);
        const entries: DirectoryEntry<NullNode>[] = [];
        const all = await readdir(path, asBytes);
        for (let at = 0; at < all.length; at += AT_ONCE)
          entries.push(...(await Promise.all(all.slice(at, at + AT_ONCE).map(entryIn(path)))));
        return entries;
      },
      async open(node, file) {
        const descriptor = await opened(node, file.flags);
        file.data = descriptor;
        node.open.add(descriptor);
      },
      async inactive(node, file) {
        const descriptor = file?.data;
        if (typeof descriptor !== "number") return;
        node.open.delete(descriptor);
        await close(descriptor);
      },
      read: (node, into, offset, { file }) =>
        through(node, file, constants.O_RDONLY, async (descriptor) => {
          const { bytesRead } = await read(descriptor, into, 0, into.length, offset);
          return bytesRead;
        }),
      write: (node, from, offset, { file }) =>
        through(node, file, constants.O_WRONLY, async (descriptor) => {
          const { bytesWritten } = await write(descriptor, from, 0, from.length, offset);
          return bytesWritten;
        }),
      fsync: (node, dataOnly, { file }) =>
        through(node, file, constants.O_RDONLY, dataOnly ? fdatasync : fsync),
      reclaim: (node) => nodes.forget(node),
    },
  };
}

/**
 * Open for writing what its mode forbids to write: the file was made so and is open for writing still, or what was written before comes
 * out of the kernel's cache. Who may open it at all was asked before. To the superuser modes say nothing; others can do this with
 * their own files.
 */
async function openUnwritable(path: Buffer, flags: number, refusal: unknown): Promise<number> {
  const { mode } = await stat(path);
  await chmod(path, (mode & 0o7777) | 0o600).catch(() => {
    throw refusal;
  });
  try {
    return await open(path, flags);
  } finally {
    await chmod(path, mode & 0o7777);
  }
}

function attributesOf(stats: fs.BigIntStats, parent: NullNode | undefined): Attributes {
  return {
    mode: Number(stats.mode),
    nlink: Number(stats.nlink),
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    size: Number(stats.size),
    blocks: Number(stats.blocks),
    blksize: Number(stats.blksize),
    rdev: Number(stats.rdev),
    ino: numberOf(stats.ino),
    parentIno: parent && numberOf(parent.ino),
    atime: timeOf(stats.atimeNs),
    mtime: timeOf(stats.mtimeNs),
    ctime: timeOf(stats.ctimeNs),
    birthtime: timeOf(stats.birthtimeNs),
  };
}

function timeOf(nanoseconds: bigint): Time {
  const nsec = Number(((nanoseconds % SECOND) + SECOND) % SECOND);
  return { sec: Number((nanoseconds - BigInt(nsec)) / SECOND), nsec };
}

const SECOND = 1_000_000_000n;

/** What is told of a name: node:fs leaves out the number, so each is looked at. */
function entryIn(directory: Buffer): (entry: fs.Dirent) => Promise<DirectoryEntry<NullNode>> {
  return async (entry) => {
    const name = Buffer.from(entry.name, "latin1");
    const path = Buffer.concat([directory, SLASH, name]);
    // It may be gone by now.
    const { ino = 0n } = (await lstat(path, BIG).catch(() => undefined)) ?? {};
    const kind = KINDS.find(([is]) => entry[is]());
    return { name: decodeName(name, 0, name.length), mode: kind?.[1], ino: numberOf(ino) };
  };
}

/** Undefined if it is more than can be told. */
function numberOf(ino: bigint): number | undefined {
  return ino > 0n && ino <= Number.MAX_SAFE_INTEGER ? Number(ino) : undefined;
}

/** How many entries of a directory are looked at at a time. */
const AT_ONCE = 64;

const SLASH = Buffer.from("/");

const KINDS = [
  ["isFile", constants.S_IFREG],
  ["isDirectory", constants.S_IFDIR],
  ["isSymbolicLink", constants.S_IFLNK],
  ["isFIFO", constants.S_IFIFO],
  ["isSocket", constants.S_IFSOCK],
  ["isCharacterDevice", constants.S_IFCHR],
  ["isBlockDevice", constants.S_IFBLK],
] as const;

function terminated(path: Buffer): Buffer {
  return Buffer.concat([path, Buffer.alloc(1)]);
}

const BIG = { bigint: true } as const;

/** For chown(2): leave it. */
const UNCHANGED = 0xffffffff;

/** Flags of open(2) that mean something below: the kernel says where to write, so O_APPEND is not among them. */
const KEPT = constants.O_SYNC | constants.O_DSYNC | constants.O_NOFOLLOW | constants.O_NOATIME;

const { realpath, lstat, stat, statfs, truncate, chmod, chown, lchown } = fs.promises;
const { mkdir, symlink, link, unlink, rmdir, rename, readlink, readdir } = fs.promises;
const [open, close, fstat] = [promisify(fs.open), promisify(fs.close), promisify(fs.fstat)];
const [fsync, fdatasync] = [promisify(fs.fsync), promisify(fs.fdatasync)];
const [read, write] = [promisify(fs.read), promisify(fs.write)];
