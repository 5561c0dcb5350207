import type { Serving } from "../../src/frame.ts";
import { Access, O, O_ACCMODE, Rename } from "../../src/fuse/flags.ts";
import type { Foreign } from "../../src/fuse/kernel.ts";
import {
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  S_ISVTX,
} from "../../src/mode.ts";
import { decodeName, nameLength } from "../../src/name.ts";
import type { Client, Credentials, Entry, NewTime, Stat, StatVfs } from "./client.ts";
import { changeMode, changeOwner, changeSize, changeTimes, statOf } from "./core-attributes.ts";
import { CoreDescriptor } from "./core-descriptor.ts";
import { CoreMount, type CoreOptions, fail, isDirectory, kindOf, type Node } from "./core-mount.ts";
import { checkSticky, isOwner, mayAccess } from "./core-rights.ts";
import { last, type Place, Walk } from "./core-walk.ts";

const ROOT: Credentials = { uid: 0, gid: 0, groups: [], umask: 0o022 };

const XATTR_SIZE_MAX = 65536;
const XATTR_NAME_MAX = 255;

/**
 * The calls of a process, carried out as the Linux VFS does on a FUSE mount without any caching: it walks paths, checks
 * permissions and keeps lookup counts; every step asks the server.
 */
export class CoreClient implements Client {
  readonly mount: CoreMount;
  readonly #who: Credentials;

  constructor(mount: CoreMount, who: Credentials = ROOT) {
    this.mount = mount;
    this.#who = who;
  }

  /** A client of root's, after the handshake with the server. */
  static async make(serving: Serving, options?: CoreOptions): Promise<CoreClient> {
    return new CoreClient(await CoreMount.make(serving, options));
  }

  as(credentials: Partial<Credentials>): CoreClient {
    return new CoreClient(this.mount, { ...this.#who, ...credentials });
  }

  /** Forget all nodes that are not open. */
  forgetAll(): void {
    this.mount.forgetAll();
  }

  /** Lookups that the server must have counted, by node id. */
  outstanding(): ReadonlyMap<Foreign, number> {
    return this.mount.outstanding();
  }

  stat(path: string): Promise<Stat> {
    return this.#during(async (walk) => statOf(walk, await walk.find(path)));
  }

  lstat(path: string): Promise<Stat> {
    return this.#during(async (walk) => statOf(walk, await walk.find(path, false)));
  }

  statvfs(path: string): Promise<StatVfs> {
    return this.#during(async (walk) => {
      const { nodeid } = await walk.find(path);
      const { namelen, ...counts } = await this.mount.kernel.statfs(nodeid, walk.caller);
      return { ...counts, namemax: namelen };
    });
  }

  open(path: string, flags: number, mode = 0o666): Promise<CoreDescriptor> {
    return this.#during(async (walk) => {
      const writing = (flags & O_ACCMODE) !== O.RDONLY;
      if (has(flags, O.TMPFILE)) return this.#openUnnamed(walk, path, flags, mode);
      let place = await walk.place(path);
      for (;;) {
        const node = await walk.peek(place);
        const exclusive = has(flags, O.CREAT | O.EXCL);
        if (!node) {
          if (!has(flags, O.CREAT)) fail("ENOENT");
          if (place.slash) fail("EISDIR");
          return this.#openNew(walk, place, flags, mode);
        }
        if (exclusive) fail("EEXIST");
        if (kindOf(node) === S_IFLNK && (place.slash || !has(flags, O.NOFOLLOW))) {
          place = await walk.beyond(place, node);
          continue;
        }
        if (place.slash && !isDirectory(node)) fail("ENOTDIR");
        if (has(flags, O.PATH)) return CoreDescriptor.pathOnly(walk, node, flags);
        if (kindOf(node) === S_IFLNK) fail("ELOOP");
        if (isDirectory(node)) {
          if (writing || has(flags, O.CREAT)) fail("EISDIR");
        } else if (has(flags, O.DIRECTORY)) fail("ENOTDIR");
        const changes = writing || has(flags, O.TRUNC);
        const reads = (flags & O_ACCMODE) !== O.WRONLY;
        walk.permit(node, (reads ? Access.R : 0) | (changes ? Access.W : 0));
        if (changes) this.#writable();
        if (has(flags, O.NOATIME) && !isOwner(node.attr, this.#who)) fail("EPERM");
        return CoreDescriptor.open(walk, node, flags);
      }
    });
  }

  mkdir(path: string, mode = 0o777): Promise<void> {
    return this.#during(async (walk) => {
      const { directory, name } = await this.#vacant(walk, path, true);
      const fields = { mode: mode & 0o1777 };
      this.mount.keep(await this.mount.kernel.mkdir(directory, name, fields, walk.caller));
    });
  }

  rmdir(path: string): Promise<void> {
    return this.#during(async (walk) => {
      const place = await walk.place(path);
      if (place.name === "." || place.name === "..")
        fail(place.name === "." ? "EINVAL" : "ENOTEMPTY");
      if (place.name === "") fail("EBUSY");
      const node = await this.#victim(walk, place);
      if (!isDirectory(node)) fail("ENOTDIR");
      await this.mount.kernel.rmdir(last(place.above).nodeid, place.name, walk.caller);
      this.mount.doom(node.nodeid);
    });
  }

  unlink(path: string): Promise<void> {
    return this.#during(async (walk) => {
      const place = await walk.place(path);
      if (isSpecial(place.name)) fail("EISDIR");
      const node = await this.#victim(walk, place);
      if (isDirectory(node)) fail("EISDIR");
      if (place.slash) fail("ENOTDIR");
      await this.mount.kernel.unlink(last(place.above).nodeid, place.name, walk.caller);
      this.mount.doom(node.nodeid);
    });
  }

  rename(from: string, to: string, flags = 0): Promise<void> {
    return this.#during(async (walk) => {
      const exchange = has(flags, Rename.EXCHANGE);
      if (exchange && (flags & (Rename.NOREPLACE | Rename.WHITEOUT)) !== 0) fail("EINVAL");
      const source = await walk.place(from);
      const target = await walk.place(to);
      if (isSpecial(source.name)) fail("EBUSY");
      if (isSpecial(target.name)) fail(has(flags, Rename.NOREPLACE) ? "EEXIST" : "EBUSY");
      const moved = (await walk.peek(source)) ?? fail("ENOENT");
      const replaced = await walk.peek(target);
      if (replaced && has(flags, Rename.NOREPLACE)) fail("EEXIST");
      if (!replaced && exchange) fail("ENOENT");
      if (!isDirectory(moved) && (source.slash || (target.slash && !exchange))) fail("ENOTDIR");
      if (exchange && target.slash && replaced && !isDirectory(replaced)) fail("ENOTDIR");
      if (target.above.some(({ nodeid }) => nodeid === moved.nodeid)) fail("EINVAL");
      if (source.above.some(({ nodeid }) => nodeid === replaced?.nodeid))
        fail(exchange ? "EINVAL" : "ENOTEMPTY");
      if (moved.nodeid === replaced?.nodeid) return;
      this.#writable();
      this.#mayRemove(walk, source, moved);
      if (replaced) this.#mayRemove(walk, target, replaced);
      else this.#mayAdd(walk, target);
      if (replaced && !exchange && isDirectory(moved) && !isDirectory(replaced)) fail("ENOTDIR");
      if (replaced && !exchange && !isDirectory(moved) && isDirectory(replaced)) fail("EISDIR");
      const here = last(source.above).nodeid;
      const there = last(target.above).nodeid;
      // A directory that moves gets another "..".
      if (here !== there) {
        if (isDirectory(moved)) walk.permit(moved, Access.W);
        if (exchange && replaced && isDirectory(replaced)) walk.permit(replaced, Access.W);
      }
      await this.#rename(walk, here, source.name, there, target.name, flags);
      if (replaced && !exchange) this.mount.doom(replaced.nodeid);
    });
  }

  link(from: string, to: string): Promise<void> {
    return this.#during(async (walk) => {
      const node = await walk.find(from, false);
      await this.#link(walk, node, to);
    });
  }

  linkDescriptor(descriptor: CoreDescriptor, to: string): Promise<void> {
    return this.#during((walk) => this.#link(walk, descriptor.node, to));
  }

  symlink(target: string, path: string): Promise<void> {
    return this.#during(async (walk) => {
      if (target === "") fail("ENOENT");
      if (nameLength(target) > 4095) fail("ENAMETOOLONG");
      const { directory, name } = await this.#vacant(walk, path);
      this.mount.keep(await this.mount.kernel.symlink(directory, name, target, walk.caller));
    });
  }

  readlink(path: string): Promise<string> {
    return this.#during(async (walk) => {
      const node = await walk.find(path, false);
      if (kindOf(node) !== S_IFLNK) fail("EINVAL");
      return this.mount.kernel.readlink(node.nodeid, walk.caller);
    });
  }

  mknod(path: string, mode: number, device = 0): Promise<void> {
    return this.#during(async (walk) => {
      const kind = mode & S_IFMT || S_IFREG;
      if (kind === S_IFDIR) fail("EPERM");
      if (![S_IFREG, S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK].includes(kind)) fail("EINVAL");
      const { directory, name } = await this.#vacant(walk, path);
      const special = kind === S_IFCHR || kind === S_IFBLK;
      if (special && this.#who.uid !== 0) fail("EPERM");
      const fields = { mode: kind | (mode & 0o7777), rdev: special ? device : 0 };
      this.mount.keep(await this.mount.kernel.mknod(directory, name, fields, walk.caller));
    });
  }

  truncate(path: string, size: number): Promise<void> {
    return this.#during(async (walk) => {
      if (size < 0) fail("EINVAL");
      const node = await walk.find(path);
      if (isDirectory(node)) fail("EISDIR");
      if (kindOf(node) !== S_IFREG) fail("EINVAL");
      this.#writable();
      walk.permit(node, Access.W);
      await changeSize(walk, node, size);
    });
  }

  chmod(path: string, mode: number): Promise<void> {
    return this.#change(path, true, (walk, node) => changeMode(walk, node, mode));
  }

  chown(path: string, uid: number, gid: number): Promise<void> {
    return this.#change(path, true, (walk, node) => changeOwner(walk, node, uid, gid));
  }

  lchown(path: string, uid: number, gid: number): Promise<void> {
    return this.#change(path, false, (walk, node) => changeOwner(walk, node, uid, gid));
  }

  utimes(path: string, atime: NewTime, mtime: NewTime): Promise<void> {
    return this.#change(path, true, (walk, node) => changeTimes(walk, node, atime, mtime));
  }

  lutimes(path: string, atime: NewTime, mtime: NewTime): Promise<void> {
    return this.#change(path, false, (walk, node) => changeTimes(walk, node, atime, mtime));
  }

  access(path: string, mask: number): Promise<void> {
    return this.#during(async (walk) => {
      const node = await walk.find(path);
      if (has(mask, Access.W) && kindOf(node) !== S_IFIFO) this.#writable();
      if (mask === 0) return;
      if (this.mount.defaultPermissions) {
        if (!mayAccess(node.attr, mask, this.#who)) fail("EACCES");
        return;
      }
      const ask = () => this.mount.kernel.access(node.nodeid, mask, walk.caller);
      await this.mount.optional("ACCESS", ask, () => undefined);
    });
  }

  async readdir(path: string): Promise<Entry[]> {
    const directory = await this.open(path, O.RDONLY | O.DIRECTORY);
    try {
      return await directory.readdir();
    } finally {
      await directory.close();
    }
  }

  getxattr(path: string, name: string, room?: number): Promise<Uint8Array> {
    return this.#during(async (walk) => {
      const node = await walk.find(path, false);
      const { nodeid } = node;
      this.#mayUseXattr(walk, node, name, Access.R);
      const { kernel } = this.mount;
      const ask = async () => {
        const size = room ?? (await kernel.getxattrSize(nodeid, name, walk.caller));
        return size === 0 ? new Uint8Array() : kernel.getxattr(nodeid, name, size, walk.caller);
      };
      return this.mount.optional("GETXATTR", ask, () => fail("EOPNOTSUPP"));
    });
  }

  setxattr(path: string, name: string, value: Uint8Array, flags = 0): Promise<void> {
    return this.#during(async (walk) => {
      if ((flags & ~3) !== 0) fail("EINVAL");
      if (value.length > XATTR_SIZE_MAX) fail("E2BIG");
      const node = await walk.find(path, false);
      this.#writable();
      this.#mayUseXattr(walk, node, name, Access.W);
      const { kernel } = this.mount;
      const ask = () => kernel.setxattr(node.nodeid, name, value, { flags }, walk.caller);
      await this.mount.optional("SETXATTR", ask, () => fail("EOPNOTSUPP"));
    });
  }

  listxattr(path: string, room?: number): Promise<string[]> {
    return this.#during(async (walk) => {
      const { nodeid } = await walk.find(path, false);
      const { kernel } = this.mount;
      const ask = async () => {
        const size = room ?? (await kernel.listxattrSize(nodeid, walk.caller));
        if (size === 0) return [];
        const bytes = await kernel.listxattr(nodeid, size, walk.caller);
        if (bytes.length > 0 && bytes.at(-1) !== 0) fail("EIO");
        return decodeName(bytes, 0, bytes.length).split("\0").slice(0, -1);
      };
      return this.mount.optional("LISTXATTR", ask, () => fail("EOPNOTSUPP"));
    });
  }

  removexattr(path: string, name: string): Promise<void> {
    return this.#during(async (walk) => {
      const node = await walk.find(path, false);
      this.#writable();
      this.#mayUseXattr(walk, node, name, Access.W);
      const ask = () => this.mount.kernel.removexattr(node.nodeid, name, walk.caller);
      await this.mount.optional("REMOVEXATTR", ask, () => fail("EOPNOTSUPP"));
    });
  }

  #during<T>(call: (walk: Walk) => Promise<T>): Promise<T> {
    return this.mount.during(() => call(new Walk(this.mount, this.#who)));
  }

  #change(
    path: string,
    follow: boolean,
    change: (walk: Walk, node: Node) => Promise<void>,
  ): Promise<void> {
    return this.#during(async (walk) => {
      const node = await walk.find(path, follow);
      this.#writable();
      await change(walk, node);
    });
  }

  #writable(): void {
    if (this.mount.readOnly) fail("EROFS");
  }

  /** Where a new name may be made: EEXIST if it is there. */
  async #vacant(
    walk: Walk,
    path: string,
    forDirectory = false,
  ): Promise<{ directory: Foreign; name: string }> {
    const place = await walk.place(path);
    if (isSpecial(place.name)) fail("EEXIST");
    if (await walk.peek(place)) fail("EEXIST");
    if (place.slash && !forDirectory) fail("ENOENT");
    this.#writable();
    this.#mayAdd(walk, place);
    return { directory: last(place.above).nodeid, name: place.name };
  }

  #mayAdd(walk: Walk, { above }: Place): void {
    walk.permit(last(above), Access.W | Access.X);
  }

  async #victim(walk: Walk, place: Place): Promise<Node> {
    this.#writable();
    const node = (await walk.peek(place)) ?? fail("ENOENT");
    this.#mayRemove(walk, place, node);
    return node;
  }

  #mayRemove(walk: Walk, { above }: Place, node: Node): void {
    const directory = last(above);
    walk.permit(directory, Access.W | Access.X);
    if (this.mount.defaultPermissions) checkSticky(directory.attr, node.attr, this.#who);
  }

  async #rename(
    walk: Walk,
    parent: Foreign,
    name: string,
    newParent: Foreign,
    newName: string,
    flags: number,
  ): Promise<void> {
    const { kernel } = this.mount;
    if (flags === 0) return kernel.rename(parent, name, newParent, newName, walk.caller);
    if (kernel.minor < 23) fail("EINVAL");
    const ask = () => kernel.rename2(parent, name, newParent, newName, flags, walk.caller);
    return this.mount.optional("RENAME2", ask, () => fail("EINVAL"));
  }

  async #link(walk: Walk, node: Node, to: string): Promise<void> {
    const { directory, name } = await this.#vacant(walk, to);
    if (isDirectory(node)) fail("EPERM");
    this.mount.keep(await this.mount.kernel.link(node.nodeid, directory, name, walk.caller));
  }

  async #openNew(walk: Walk, place: Place, flags: number, mode: number): Promise<CoreDescriptor> {
    this.#writable();
    this.#mayAdd(walk, place);
    const { kernel } = this.mount;
    const directory = last(place.above).nodeid;
    const permissions = S_IFREG | (mode & 0o7777);
    const create = async () => {
      const fields = { flags: (flags & ~O.NOCTTY) | O.LARGEFILE, mode: permissions };
      const made = await kernel.create(directory, place.name, fields, walk.caller);
      return CoreDescriptor.made(walk, this.mount.keep(made), made.open, flags);
    };
    return this.mount.optional("CREATE", create, async () => {
      const made = await kernel.mknod(directory, place.name, { mode: permissions }, walk.caller);
      return CoreDescriptor.open(walk, this.mount.keep(made), flags & ~O.TRUNC);
    });
  }

  async #openUnnamed(
    walk: Walk,
    path: string,
    flags: number,
    mode: number,
  ): Promise<CoreDescriptor> {
    if ((flags & O_ACCMODE) === O.RDONLY) fail("EINVAL");
    const directory = await walk.find(path);
    if (!isDirectory(directory)) fail("ENOTDIR");
    this.#writable();
    walk.permit(directory, Access.W | Access.X);
    const { kernel } = this.mount;
    if (kernel.minor < 37) fail("EOPNOTSUPP");
    const fields = { flags: flags | O.LARGEFILE, mode: S_IFREG | (mode & 0o7777) };
    const ask = () => kernel.tmpfile(directory.nodeid, fields, walk.caller);
    const made = await this.mount.optional("TMPFILE", ask, () => fail("EOPNOTSUPP"));
    const descriptor = CoreDescriptor.made(walk, this.mount.keep(made), made.open, flags);
    this.mount.doom(made.nodeid);
    return descriptor;
  }

  /** xattr(7) and xattr_permission of fs/xattr.c. */
  #mayUseXattr(walk: Walk, node: Node, name: string, mask: number): void {
    const length = nameLength(name);
    if (length === 0 || length > XATTR_NAME_MAX) fail("ERANGE");
    if (!this.mount.defaultPermissions) return;
    const writes = mask === Access.W;
    if (name.startsWith("trusted.")) {
      if (this.#who.uid !== 0) fail(writes ? "EPERM" : "ENODATA");
      return;
    }
    if (name.startsWith("security.") || name.startsWith("system.")) return;
    if (name.startsWith("user.")) {
      const kind = kindOf(node);
      if (kind !== S_IFREG && kind !== S_IFDIR) fail(writes ? "EPERM" : "ENODATA");
      const sticky = kind === S_IFDIR && (node.attr.mode & S_ISVTX) !== 0;
      if (sticky && writes && !isOwner(node.attr, this.#who)) fail("EPERM");
    }
    walk.permit(node, mask);
  }
}

function has(flags: number, wanted: number): boolean {
  return (flags & wanted) === wanted;
}

/** Names that no file can be made or removed by. */
function isSpecial(name: string): boolean {
  return name === "" || name === "." || name === "..";
}
