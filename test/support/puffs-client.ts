import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFMT, S_IFREG, S_IFSOCK } from "../../src/mode.ts";
import { decodeName, nameLength } from "../../src/name.ts";
import { Access, ExtattrNamespace, Limits, Nameiop, Vtype } from "../../src/puffs/flags.ts";
import type { PuffsKernel } from "../../src/puffs/kernel.ts";
import {
  type Client,
  type Credentials,
  type Entry,
  type NewTime,
  O_ACCMODE,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  O_TMPFILE,
  O_TRUNC,
  O_WRONLY,
  type Stat,
  type StatVfs,
} from "./client.ts";
import {
  changeMode,
  changeOwner,
  changeSize,
  changeTimes,
  permit,
  statOf,
} from "./puffs-attributes.ts";
import { PuffsDescriptor } from "./puffs-descriptor.ts";
import { fail, last, type Node, type Place, References, Walk } from "./puffs-walk.ts";

const ROOT: Credentials = { uid: 0, gid: 0, groups: [], umask: 0o022 };

/** Flags of renameat2(2), of which puffs knows none: what can be seen beforehand is. */
const NOREPLACE = 1;

/**
 * The calls of a process, carried out as NetBSD's VFS does on a puffs mount without name and page cache, told in Linux' words: it walks
 * paths and keeps references, and leaves permissions to the server.
 */
export class PuffsClient implements Client {
  readonly kernel: PuffsKernel;
  readonly #references: References;
  readonly #who: Credentials;

  readonly #isWhole: (name: string) => boolean;

  /** `wholeNames`: extended attributes keep the prefix of Linux, also that of users, as for servers that are Linux programs. */
  constructor(
    kernel: PuffsKernel,
    who: Credentials = ROOT,
    references = new References(kernel),
    wholeNames = false,
  ) {
    this.kernel = kernel;
    this.#who = who;
    this.#references = references;
    this.#isWhole = (name) => wholeNames || isWhole(name);
  }

  as(credentials: Partial<Credentials>): PuffsClient {
    const who = { ...this.#who, ...credentials };
    return new PuffsClient(this.kernel, who, this.#references, this.#isWhole("user."));
  }

  /** Forget all nodes that are not open. */
  reclaimAll(): void {
    this.#references.reclaimAll();
  }

  stat(path: string): Promise<Stat> {
    return this.#during(async (walk) => statOf(walk, await walk.find(path)));
  }

  lstat(path: string): Promise<Stat> {
    return this.#during(async (walk) => statOf(walk, await walk.find(path, false)));
  }

  statvfs(path: string): Promise<StatVfs> {
    return this.#during(async (walk) => {
      await walk.find(path);
      const { bsize, frsize, blocks, bfree, bavail, files, ffree, namemax } =
        await this.kernel.statvfs(walk.caller);
      return { bsize, frsize, blocks, bfree, bavail, files, ffree, namemax };
    });
  }

  async open(path: string, flags: number, mode = 0o666): Promise<PuffsDescriptor> {
    if (has(flags, O_TMPFILE)) fail("EOPNOTSUPP");
    // Belongs to the descriptor in the end, which lets go of all at once.
    const walk = new Walk(this.#references, this.#who);
    try {
      return await this.#open(walk, path, flags, mode);
    } catch (error) {
      await walk.end();
      throw error;
    }
  }

  mkdir(path: string, mode = 0o777): Promise<void> {
    return this.#during(async (walk) => {
      const { directory, name } = await this.#vacant(walk, path, true);
      const made = await this.kernel.mkdir(directory, name, this.#mode(mode, 0o1777), walk.caller);
      walk.held(made.newnode);
    });
  }

  rmdir(path: string): Promise<void> {
    return this.#during(async (walk) => {
      const place = await walk.place(path);
      if (place.name === "." || place.name === "..")
        fail(place.name === "." ? "EINVAL" : "ENOTEMPTY");
      if (place.name === "") fail("EBUSY");
      const node = (await walk.peek(place, Nameiop.DELETE)) ?? fail("ENOENT");
      if (node.vtype !== Vtype.DIR) fail("ENOTDIR");
      await this.kernel.rmdir(last(place.above).cookie, place.name, node.cookie, walk.caller);
    });
  }

  unlink(path: string): Promise<void> {
    return this.#during(async (walk) => {
      const place = await walk.place(path);
      if (isSpecial(place.name)) fail("EISDIR");
      const node = (await walk.peek(place, Nameiop.DELETE)) ?? fail("ENOENT");
      if (node.vtype === Vtype.DIR) fail("EISDIR");
      if (place.slash) fail("ENOTDIR");
      await this.kernel.remove(last(place.above).cookie, place.name, node.cookie, walk.caller);
    });
  }

  rename(from: string, to: string, flags = 0): Promise<void> {
    return this.#during(async (walk) => {
      if ((flags & ~NOREPLACE) !== 0) fail("EINVAL");
      const source = await walk.place(from);
      const target = await walk.place(to);
      if (isSpecial(source.name)) fail("EBUSY");
      if (isSpecial(target.name)) fail(flags === NOREPLACE ? "EEXIST" : "EBUSY");
      const moved = (await walk.peek(source, Nameiop.DELETE)) ?? fail("ENOENT");
      const isDirectory = moved.vtype === Vtype.DIR;
      const replaced = await this.#replaced(walk, target, flags, isDirectory);
      if (!isDirectory && (source.slash || target.slash)) fail("ENOTDIR");
      if (target.above.some(({ cookie }) => cookie === moved.cookie)) fail("EINVAL");
      if (source.above.some(({ cookie }) => cookie === replaced?.cookie)) fail("ENOTEMPTY");
      if (moved.cookie === replaced?.cookie) return;
      if (replaced && isDirectory && replaced.vtype !== Vtype.DIR) fail("ENOTDIR");
      if (replaced && !isDirectory && replaced.vtype === Vtype.DIR) fail("EISDIR");
      await this.kernel.rename(
        { directory: last(source.above).cookie, name: source.name, node: moved.cookie },
        {
          directory: last(target.above).cookie,
          name: target.name,
          node: replaced?.cookie ?? 0,
        },
        walk.caller,
      );
    });
  }

  link(from: string, to: string): Promise<void> {
    return this.#during(async (walk) => this.#link(walk, await walk.find(from, false), to));
  }

  linkDescriptor(descriptor: PuffsDescriptor, to: string): Promise<void> {
    return this.#during((walk) => this.#link(walk, descriptor.node, to));
  }

  symlink(target: string, path: string): Promise<void> {
    return this.#during(async (walk) => {
      if (target === "") fail("ENOENT");
      if (nameLength(target) >= Limits.MAXPATHLEN) fail("ENAMETOOLONG");
      const { directory, name } = await this.#vacant(walk, path);
      const made = await this.kernel.symlink(directory, name, target, 0o777, walk.caller);
      walk.held(made.newnode);
    });
  }

  readlink(path: string): Promise<string> {
    return this.#during(async (walk) => {
      const { vtype, cookie } = await walk.find(path, false);
      if (vtype !== Vtype.LNK) fail("EINVAL");
      return this.kernel.readlink(cookie, walk.caller);
    });
  }

  mknod(path: string, mode: number, device = 0): Promise<void> {
    return this.#during(async (walk) => {
      const kind = mode & S_IFMT || S_IFREG;
      if (kind === S_IFDIR) fail("EPERM");
      const type = TYPES[kind] ?? fail("EINVAL");
      const { directory, name } = await this.#vacant(walk, path);
      const isDevice = type === Vtype.CHR || type === Vtype.BLK;
      if (isDevice && this.#who.uid !== 0) fail("EPERM");
      const permissions = this.#mode(mode, 0o7777);
      const made =
        type === Vtype.REG || type === Vtype.SOCK
          ? await this.kernel.create(directory, name, permissions, walk.caller, type)
          : await this.kernel.mknod(
              directory,
              name,
              { type, mode: permissions, ...(isDevice ? { rdev: device } : {}) },
              walk.caller,
            );
      walk.held(made.newnode);
    });
  }

  truncate(path: string, size: number): Promise<void> {
    return this.#during(async (walk) => {
      if (size < 0) fail("EINVAL");
      const node = await walk.find(path);
      if (node.vtype === Vtype.DIR) fail("EISDIR");
      if (node.vtype !== Vtype.REG) fail("EINVAL");
      await permit(walk, node, Access.WRITE);
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
    return this.#change(path, true, async (walk, node) => {
      if (mask !== 0) await permit(walk, node, mask);
    });
  }

  async readdir(path: string): Promise<Entry[]> {
    const directory = await this.open(path, O_RDONLY | O_DIRECTORY);
    try {
      return await directory.readdir();
    } finally {
      await directory.close();
    }
  }

  getxattr(path: string, name: string, room?: number): Promise<Uint8Array> {
    return this.#xattr(path, name, async ({ kernel, caller }, { cookie }, namespace, plain) => {
      const size = room ?? (await kernel.extattrSize(cookie, namespace, plain, caller));
      const whole = await kernel.extattrSize(cookie, namespace, plain, caller);
      if (size === 0) return new Uint8Array();
      if (whole > size) fail("ERANGE");
      return kernel.getextattr(cookie, namespace, plain, size, caller);
    });
  }

  setxattr(path: string, name: string, value: Uint8Array, flags = 0): Promise<void> {
    return this.#xattr(path, name, async ({ kernel, caller }, { cookie }, namespace, plain) => {
      if ((flags & ~3) !== 0) fail("EINVAL");
      if (value.length > 65536) fail("E2BIG");
      const isThere = await kernel.extattrSize(cookie, namespace, plain, caller).then(
        () => true,
        () => false,
      );
      if (flags === 1 && isThere) fail("EEXIST");
      if (flags === 2 && !isThere) fail("ENODATA");
      await kernel.setextattr(cookie, namespace, plain, value, caller);
    });
  }

  listxattr(path: string, room?: number): Promise<string[]> {
    return this.#during(async (walk) => {
      const { cookie } = await walk.find(path, false);
      const { USER } = ExtattrNamespace;
      const bytes = await this.kernel.listextattr(cookie, USER, 65536, walk.caller);
      const plain = decodeName(bytes, 0, bytes.length).split("\0").slice(0, -1);
      const names = plain.map((name) => (this.#isWhole(name) ? name : `user.${name}`));
      const size = names.reduce((sum, name) => sum + nameLength(name) + 1, 0);
      if (room !== undefined && room !== 0 && size > room) fail("ERANGE");
      return names;
    });
  }

  removexattr(path: string, name: string): Promise<void> {
    return this.#xattr(path, name, ({ kernel, caller }, { cookie }, namespace, plain) =>
      kernel.deleteextattr(cookie, namespace, plain, caller),
    );
  }

  async #during<T>(call: (walk: Walk) => Promise<T>): Promise<T> {
    const walk = new Walk(this.#references, this.#who);
    try {
      return await call(walk);
    } finally {
      await walk.end();
    }
  }

  #change(
    path: string,
    follow: boolean,
    change: (walk: Walk, node: Node) => Promise<void>,
  ): Promise<void> {
    return this.#during(async (walk) => change(walk, await walk.find(path, follow)));
  }

  /** vn_open(9). */
  async #open(walk: Walk, path: string, flags: number, mode: number): Promise<PuffsDescriptor> {
    const creates = has(flags, O_CREAT);
    const writing = (flags & O_ACCMODE) !== O_RDONLY;
    let place = await walk.place(path);
    for (;;) {
      const node = await walk.peek(place, creates ? Nameiop.CREATE : Nameiop.LOOKUP);
      if (!node) {
        if (!creates) fail("ENOENT");
        if (place.slash) fail("EISDIR");
        const directory = last(place.above).cookie;
        const bits = this.#mode(mode, 0o7777);
        const made = await this.kernel.create(directory, place.name, bits, walk.caller);
        return PuffsDescriptor.open(walk, walk.held(made.newnode), flags);
      }
      if (creates && has(flags, O_EXCL)) fail("EEXIST");
      if (node.vtype === Vtype.LNK && (place.slash || !has(flags, O_NOFOLLOW))) {
        place = await walk.beyond(place, node);
        continue;
      }
      const isDirectory = node.vtype === Vtype.DIR;
      if (place.slash && !isDirectory) fail("ENOTDIR");
      if (has(flags, O_PATH)) return PuffsDescriptor.open(walk, node, flags);
      if (node.vtype === Vtype.LNK) fail("ELOOP");
      if (isDirectory && (writing || creates)) fail("EISDIR");
      if (!isDirectory && has(flags, O_DIRECTORY)) fail("ENOTDIR");
      const reads = (flags & O_ACCMODE) !== O_WRONLY ? Access.READ : 0;
      await permit(walk, node, reads | (writing || has(flags, O_TRUNC) ? Access.WRITE : 0));
      if (has(flags, O_TRUNC) && node.vtype === Vtype.REG) await changeSize(walk, node, 0);
      return PuffsDescriptor.open(walk, node, flags);
    }
  }

  /** Where a new name may be made: EEXIST if it is there. */
  async #vacant(
    walk: Walk,
    path: string,
    forDirectory = false,
  ): Promise<{ directory: number; name: string }> {
    const place = await walk.place(path);
    if (isSpecial(place.name)) fail("EEXIST");
    if (await walk.peek(place, Nameiop.CREATE)) fail("EEXIST");
    if (place.slash && !forDirectory) fail("ENOENT");
    return { directory: last(place.above).cookie, name: place.name };
  }

  async #replaced(
    walk: Walk,
    target: Place,
    flags: number,
    isDirectory: boolean,
  ): Promise<Node | undefined> {
    const replaced = await walk.peek(
      { ...target, slash: target.slash && isDirectory },
      Nameiop.RENAME,
    );
    if (replaced && flags === NOREPLACE) fail("EEXIST");
    return replaced;
  }

  async #link(walk: Walk, node: Node, to: string): Promise<void> {
    const { directory, name } = await this.#vacant(walk, to);
    if (node.vtype === Vtype.DIR) fail("EPERM");
    await this.kernel.link(directory, name, node.cookie, walk.caller);
  }

  /** All in the namespace of users, Linux' other ones by their whole names: the one of the system need not be there. */
  #xattr<T>(
    path: string,
    name: string,
    run: (walk: Walk, node: Node, namespace: number, name: string) => Promise<T>,
  ): Promise<T> {
    return this.#during(async (walk) => {
      const length = nameLength(name);
      if (length === 0 || length > 254) fail("ERANGE");
      const node = await walk.find(path, false);
      const plain = this.#isWhole(name) ? name : name.replace(/^user\./, "");
      if (plain === "" || plain.endsWith(".")) fail("EINVAL");
      if (plain === name && !this.#isWhole(name)) fail("EOPNOTSUPP");
      return run(walk, node, ExtattrNamespace.USER, plain).catch((error: { code?: string }) => {
        if (error.code === "ENOATTR") fail("ENODATA");
        throw error;
      });
    });
  }

  #mode(mode: number, mask: number): number {
    return mode & mask & ~this.#who.umask;
  }
}

/** What can be made, by the kind of a mode. */
const TYPES: Readonly<Record<number, number>> = {
  [S_IFREG]: Vtype.REG,
  [S_IFCHR]: Vtype.CHR,
  [S_IFBLK]: Vtype.BLK,
  [S_IFIFO]: Vtype.FIFO,
  [S_IFSOCK]: Vtype.SOCK,
};

function has(flags: number, wanted: number): boolean {
  return (flags & wanted) === wanted;
}

/** Names that no file can be made or removed by. */
function isSpecial(name: string): boolean {
  return name === "" || name === "." || name === "..";
}

/** An extended attribute's name that is kept with its prefix. */
function isWhole(name: string): boolean {
  return name.startsWith("trusted.") || name.startsWith("security.");
}
