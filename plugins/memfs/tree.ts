import {
  type Call,
  type Done,
  EEXIST,
  EINVAL,
  EISDIR,
  EMLINK,
  ENOENT,
  ENOSPC,
  ENOTDIR,
  ENOTEMPTY,
  type Errno,
  type NodeOperations,
  now,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  RENAME_WHITEOUT,
  S_IFBLK,
  S_IFCHR,
  S_IFLNK,
  S_IFMT,
  S_ISGID,
  type Time,
} from "puffs";
import { Directory, type Entry } from "./directory.ts";
import { Device, Inode, Symlink } from "./inode.ts";
import type { Volume } from "./volume.ts";

type TreeOperations = Required<
  Pick<
    NodeOperations<Inode>,
    | "lookup"
    | "create"
    | "mknod"
    | "mkdir"
    | "symlink"
    | "tmpfile"
    | "link"
    | "remove"
    | "rmdir"
    | "rename"
    | "readdir"
    | "readlink"
  >
>;

/** The operations on names. Those on directories that were removed meanwhile find nothing: ENOENT. */
export function tree(volume: Volume): TreeOperations {
  /** Files made without a name, which alone may get their first one later. */
  const nameless = new WeakSet<Inode>();

  /** The directory, if `name` can be made there; an inode is then counted for it. */
  function begin(directory: Inode, name: string): Directory | Errno {
    if (!(directory instanceof Directory)) return ENOTDIR;
    if (directory.isDead()) return ENOENT;
    if (directory.get(name) !== undefined) return EEXIST;
    return volume.takeInode() ? directory : ENOSPC;
  }

  function make(mode: number, device: number, gid: number, call: Call, time: Time): Inode {
    const ino = volume.nextIno();
    const kind = mode & S_IFMT;
    return kind === S_IFCHR || kind === S_IFBLK
      ? new Device(ino, mode, call.uid, gid, time, device)
      : new Inode(ino, mode, call.uid, gid, time);
  }

  function mknod(
    directory: Inode,
    name: string,
    mode: number,
    device: number,
    call: Call,
  ): Inode | Errno {
    const parent = begin(directory, name);
    if (!(parent instanceof Directory)) return parent;
    const time = now();
    const node = make(mode, device, groupIn(parent, call), call, time);
    parent.add(name, node);
    parent.modified(time);
    return node;
  }

  /** One name of `node` less. */
  function drop(parent: Directory, node: Inode, time: Time): void {
    if (node instanceof Directory) {
      node.nlink = 0;
      parent.nlink--;
    } else {
      node.nlink--;
    }
    node.ctime = time;
  }

  function exchange(from: Directory, source: Entry, to: Directory, target: Entry): Done {
    const moved = source.node;
    const other = target.node;
    if (other instanceof Directory && from.isWithin(other)) return EINVAL;
    const time = now();
    source.node = other;
    target.node = moved;
    move(moved, from, to, time);
    move(other, to, from, time);
    from.modified(time);
    to.modified(time);
  }

  return {
    lookup(directory, name) {
      if (!(directory instanceof Directory)) return ENOTDIR;
      const entry = directory.get(name);
      if (entry !== undefined) return entry.node;
      if (name === "..") return directory.parent;
      return name === "." ? directory : null;
    },

    create: (directory, name, mode, call) => mknod(directory, name, mode, 0, call),

    mknod,

    mkdir(directory, name, mode, call) {
      const parent = begin(directory, name);
      if (!(parent instanceof Directory)) return parent;
      const time = now();
      const gid = groupIn(parent, call);
      const inherited = mode | (parent.mode & S_ISGID);
      const node = new Directory(volume.nextIno(), inherited, call.uid, gid, time, parent);
      parent.add(name, node);
      parent.nlink++;
      parent.modified(time);
      return node;
    },

    symlink(directory, name, target, call) {
      const parent = begin(directory, name);
      if (!(parent instanceof Directory)) return parent;
      const time = now();
      const gid = groupIn(parent, call);
      const mode = S_IFLNK | (0o777 & ~call.umask);
      const node = new Symlink(volume.nextIno(), mode, call.uid, gid, time, target);
      parent.add(name, node);
      parent.modified(time);
      return node;
    },

    tmpfile(directory, mode, call) {
      if (!(directory instanceof Directory)) return ENOTDIR;
      if (!volume.takeInode()) return ENOSPC;
      const node = make(mode, 0, groupIn(directory, call), call, now());
      node.nlink = 0;
      nameless.add(node);
      return node;
    },

    link(directory, name, node): Done {
      if (!(directory instanceof Directory)) return ENOTDIR;
      if (directory.isDead()) return ENOENT;
      if (directory.get(name) !== undefined) return EEXIST;
      if (node.nlink === 0 && !nameless.delete(node)) return ENOENT;
      if (node.nlink === LINK_MAX) return EMLINK;
      const time = now();
      directory.add(name, node);
      directory.modified(time);
      node.nlink++;
      node.ctime = time;
    },

    remove(directory, name): Done {
      if (!(directory instanceof Directory)) return ENOTDIR;
      const entry = directory.get(name);
      if (entry === undefined) return ENOENT;
      if (entry.node instanceof Directory) return EISDIR;
      const time = now();
      directory.delete(entry);
      directory.modified(time);
      drop(directory, entry.node, time);
    },

    rmdir(directory, name): Done {
      if (!(directory instanceof Directory)) return ENOTDIR;
      const entry = directory.get(name);
      if (entry === undefined) return ENOENT;
      if (!(entry.node instanceof Directory)) return ENOTDIR;
      if (!entry.node.isEmpty()) return ENOTEMPTY;
      const time = now();
      directory.delete(entry);
      directory.modified(time);
      drop(directory, entry.node, time);
    },

    rename(from, fromName, to, toName, flags, call): Done {
      if (!(from instanceof Directory && to instanceof Directory)) return ENOTDIR;
      if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT)) !== 0) return EINVAL;
      const whiteout = (flags & RENAME_WHITEOUT) !== 0;
      const exchanging = (flags & RENAME_EXCHANGE) !== 0;
      if (exchanging && flags !== RENAME_EXCHANGE) return EINVAL;

      const source = from.get(fromName);
      const target = to.get(toName);
      if (source === undefined || to.isDead()) return ENOENT;
      const { node } = source;
      const replaced = target?.node;
      if (replaced !== undefined && (flags & RENAME_NOREPLACE) !== 0) return EEXIST;
      if (replaced === undefined && exchanging) return ENOENT;
      if (replaced === node) return;
      if (node instanceof Directory && to.isWithin(node)) return EINVAL;
      if (target !== undefined && exchanging) return exchange(from, source, to, target);

      if (replaced !== undefined) {
        const refused = replaces(node, replaced);
        if (refused !== undefined) return refused;
      }
      if (whiteout && !volume.takeInode()) return ENOSPC;

      const time = now();
      if (target === undefined) {
        to.add(toName, node);
      } else {
        drop(to, target.node, time);
        target.node = node;
      }
      move(node, from, to, time);
      if (whiteout) source.node = make(S_IFCHR, 0, groupIn(from, call), call, time);
      else from.delete(source);
      from.modified(time);
      to.modified(time);
    },

    readdir(directory, from) {
      if (!(directory instanceof Directory)) return ENOTDIR;
      directory.accessed();
      return directory.scan(from);
    },

    readlink(node) {
      if (!(node instanceof Symlink)) return EINVAL;
      node.accessed();
      return node.target;
    },
  };
}

/** The group of what is made in `directory`: see S_ISGID in inode(7). */
function groupIn(directory: Directory, call: Call): number {
  return (directory.mode & S_ISGID) !== 0 ? directory.gid : call.gid;
}

/** Why `node` cannot take the name of `target`: see rename(2). */
function replaces(node: Inode, target: Inode): Errno | undefined {
  if (!(node instanceof Directory)) return target instanceof Directory ? EISDIR : undefined;
  if (!(target instanceof Directory)) return ENOTDIR;
  return target.isEmpty() ? undefined : ENOTEMPTY;
}

/** A node changes directories: the link counts of both, its "..", its ctime. */
function move(node: Inode, from: Directory, to: Directory, time: Time): void {
  node.ctime = time;
  if (!(node instanceof Directory) || from === to) return;
  from.nlink--;
  to.nlink++;
  node.parent = to;
}

/** As the system allows elsewhere: the count is 32 bits wide in stat(2). */
const LINK_MAX = 2 ** 31 - 1;
