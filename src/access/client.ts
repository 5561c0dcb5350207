import { Errno, type ErrnoName } from "../errno.ts";
import { FattrFlags, FopenFlags, O } from "../fuse/flags.ts";
import { type Caller, type Foreign, type FuseKernel, KERNEL } from "../fuse/kernel.ts";
import type * as wire from "../fuse/structs.ts";
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from "../mode.ts";
import { nameLength } from "../name.ts";
import type { Time } from "../operations.ts";
import type { Of } from "../struct.ts";

export type Attr = Of<typeof wire.Attr>;

/** A name in a directory. */
export interface Entry {
  readonly name: string;
  /** An S_IF constant; 0: the file system does not say. */
  readonly kind: number;
}

/** A name that something is made at or taken away from: `using` lets go of the directory. */
export interface Place extends Disposable {
  readonly directory: Node;
  readonly name: string;
  /** The path ended in a slash: only a directory will do. */
  readonly slash: boolean;
}

/** A file that a lookup brought. `using` forgets it: until then the file system keeps it. */
export class Node implements Disposable {
  readonly id: Foreign;
  /** As of the lookup. */
  readonly attr: Attr;
  #forget: (() => void) | undefined;

  constructor(id: Foreign, attr: Attr, forget?: () => void) {
    this.id = id;
    this.attr = attr;
    this.#forget = forget;
  }

  /** One of the S_IF constants. */
  get kind(): number {
    return this.attr.mode & S_IFMT;
  }

  [Symbol.dispose](): void {
    this.#forget?.();
    this.#forget = undefined;
  }
}

/**
 * The calls of a process on a file system that is not mounted: paths are walked here, everything else is asked of the server,
 * nothing is cached. "/" is the file system's root, also in the targets of symbolic links that begin with it. Modes and owners are not
 * checked: who runs the server may do all that it can. Calls reject with an Errno.
 */
export class Client {
  readonly #kernel: FuseKernel;
  readonly #readOnly: boolean;
  readonly #caller: Caller;

  constructor(kernel: FuseKernel, readOnly: boolean) {
    this.#kernel = kernel;
    this.#readOnly = readOnly;
    const { pid } = process;
    this.#caller = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0, pid };
  }

  /** The file that a path leads to. `follow` is for a symbolic link at its end; those before it always are, and with a slash after it. */
  async find(path: string, follow = true): Promise<Node> {
    if (path === "") fail("ENOENT");
    if (nameLength(path) >= PATH_MAX) fail("ENAMETOOLONG");
    const above: Node[] = [await this.#root()];
    const names = path.split("/");
    let links = 0;
    try {
      for (let name = names.shift(); name !== undefined; name = names.shift()) {
        const directory = above.at(-1) as Node;
        if (directory.kind !== S_IFDIR) fail("ENOTDIR");
        if (name === "" || name === ".") continue;
        if (name === "..") {
          if (above.length > 1) above.pop()?.[Symbol.dispose]();
          continue;
        }
        const node = await this.lookup(directory, name);
        above.push(node);
        if (node.kind !== S_IFLNK || (!follow && names.length === 0)) continue;
        if (++links > MOST_LINKS) fail("ELOOP");
        const target = await this.readlink(node);
        for (const left of above.splice(target.startsWith("/") ? 1 : -1)) left[Symbol.dispose]();
        names.unshift(...target.split("/"));
      }
      return above.pop() as Node;
    } finally {
      for (const node of above) node[Symbol.dispose]();
    }
  }

  /** Where the last name of a path is, whether there is such a file or not. EBUSY for the root, EINVAL for "." and "..". */
  async place(path: string): Promise<Place> {
    const names = path.split("/").filter((name) => name !== "");
    const name = names.pop();
    if (name === undefined) fail(path === "" ? "ENOENT" : "EBUSY");
    if (name === "." || name === "..") fail("EINVAL");
    const directory = await this.find(`/${names.join("/")}`);
    const letGo = () => directory[Symbol.dispose]();
    if (directory.kind !== S_IFDIR) {
      letGo();
      fail("ENOTDIR");
    }
    return { directory, name, slash: path.endsWith("/"), [Symbol.dispose]: letGo };
  }

  /** A name in a directory; a symbolic link is not followed. ENOENT if there is none. */
  async lookup(directory: Node, name: string): Promise<Node> {
    const entry = await this.#kernel.lookup(directory.id, name, this.#caller);
    return entry.nodeid === 0 ? fail("ENOENT") : this.#node(entry);
  }

  /** The same, with undefined where there is none. */
  async peek(directory: Node, name: string): Promise<Node | undefined> {
    try {
      return await this.lookup(directory, name);
    } catch (error) {
      if ((error as Errno).code === "ENOENT") return undefined;
      throw error;
    }
  }

  /** The names in a directory in its own order, without "." and "..". */
  async *list(directory: Node): AsyncGenerator<Entry> {
    if (directory.kind !== S_IFDIR) fail("ENOTDIR");
    const { id } = directory;
    const flags = O.RDONLY | O.DIRECTORY | O.LARGEFILE;
    const { fh } = await this.#kernel.opendir(id, { flags }, this.#caller);
    try {
      for (let offset = 0n; ; ) {
        const fields = { fh, offset, size: DIRECTORY_BUFFER, flags };
        const page = await this.#kernel.readdir(id, fields, this.#caller);
        for (const { name, type } of page)
          if (name !== "." && name !== "..") yield { name, kind: type << 12 };
        const last = page.at(-1);
        if (!last) return;
        offset = last.off;
      }
    } finally {
      // Nobody is told what RELEASEDIR says.
      await this.#kernel.releasedir(id, { fh, flags }, KERNEL).catch(() => {});
    }
  }

  readlink(link: Node): Promise<string> {
    return this.#kernel.readlink(link.id, this.#caller);
  }

  /** The bytes of a regular file, in pieces of at most 1 MiB: to its size, or to the end of a stream where it is read directly. */
  async *read(file: Node): AsyncGenerator<Uint8Array> {
    regular(file);
    const { id, attr } = file;
    const flags = O.RDONLY | O.LARGEFILE;
    const { fh, openFlags } = await this.#kernel.open(id, { flags }, this.#caller);
    try {
      const end = openFlags & FopenFlags.DIRECT_IO ? Number.POSITIVE_INFINITY : attr.size;
      for (let offset = 0; offset < end; ) {
        const fields = { fh, offset, size: Math.min(PIECE, end - offset), flags };
        const piece = await this.#kernel.read(id, fields, this.#caller);
        if (piece.length === 0) break;
        yield piece;
        offset += piece.length;
      }
      await this.#flush(id, fh, openFlags);
    } finally {
      await this.#release(id, fh, flags);
    }
  }

  /** Replace the content of a regular file. */
  async write(file: Node, content: AsyncIterable<Uint8Array>): Promise<void> {
    regular(file);
    this.#writable();
    const { id } = file;
    // As the kernel does for O_TRUNC where it is not claimed (ATOMIC_O_TRUNC): open, then cut.
    const flags = O.WRONLY | O.LARGEFILE;
    const { fh, openFlags } = await this.#kernel.open(id, { flags }, this.#caller);
    await this.#fill(id, fh, openFlags, content, true);
  }

  /** Make a file with these permissions (07777) and this content. */
  async create(
    directory: Node,
    name: string,
    mode: number,
    content: AsyncIterable<Uint8Array>,
  ): Promise<Node> {
    this.#writable();
    const fields = { flags: O.WRONLY | O.CREAT | O.EXCL | O.LARGEFILE, mode: S_IFREG | mode };
    const made = await this.#kernel.create(directory.id, name, fields, this.#caller);
    const node = this.#node(made);
    try {
      await this.#fill(node.id, made.open.fh, made.open.openFlags, content, false);
      return node;
    } catch (error) {
      node[Symbol.dispose]();
      throw error;
    }
  }

  async mkdir(directory: Node, name: string, mode: number): Promise<Node> {
    this.#writable();
    return this.#node(await this.#kernel.mkdir(directory.id, name, { mode }, this.#caller));
  }

  async symlink(directory: Node, name: string, target: string): Promise<Node> {
    this.#writable();
    return this.#node(await this.#kernel.symlink(directory.id, name, target, this.#caller));
  }

  async unlink(directory: Node, name: string): Promise<void> {
    this.#writable();
    await this.#kernel.unlink(directory.id, name, this.#caller);
  }

  async rmdir(directory: Node, name: string): Promise<void> {
    this.#writable();
    await this.#kernel.rmdir(directory.id, name, this.#caller);
  }

  /** Set permissions (07777), or when the content was last changed. */
  async change(node: Node, { mode, mtime }: { mode?: number; mtime?: Time }): Promise<void> {
    this.#writable();
    const fields = {
      valid: (mode === undefined ? 0 : FattrFlags.MODE) | (mtime ? FattrFlags.MTIME : 0),
      mode: node.kind | (mode ?? 0),
      mtime: mtime?.sec ?? 0,
      mtimensec: mtime?.nsec ?? 0,
    };
    await this.#kernel.setattr(node.id, fields, this.#caller);
  }

  /** What statvfs(3) tells of the file system. */
  statfs(node: Node): Promise<Of<typeof wire.Kstatfs>> {
    return this.#kernel.statfs(node.id, this.#caller);
  }

  async #root(): Promise<Node> {
    const { attr } = await this.#kernel.getattr(ROOT_ID, {}, KERNEL);
    return new Node(ROOT_ID, attr);
  }

  #node({ nodeid, attr }: { nodeid: Foreign; attr: Attr }): Node {
    // After the end there is nobody to be told.
    const forget = () => {
      try {
        this.#kernel.forget(nodeid, 1);
      } catch {}
    };
    return new Node(nodeid, attr, forget);
  }

  #writable(): void {
    if (this.#readOnly) fail("EROFS");
  }

  async #fill(
    id: Foreign,
    fh: Foreign,
    openFlags: number,
    content: AsyncIterable<Uint8Array>,
    truncate: boolean,
  ): Promise<void> {
    const flags = O.WRONLY | O.LARGEFILE;
    try {
      if (truncate) {
        const valid = FattrFlags.SIZE | FattrFlags.FH;
        await this.#kernel.setattr(id, { valid, fh, size: 0 }, this.#caller);
      }
      const most = this.#kernel.settled?.maxWrite ?? PIECE;
      let offset = 0;
      for await (const bytes of content) {
        for (let done = 0; done < bytes.length; ) {
          const part = bytes.subarray(done, done + most);
          const fields = { fh, offset, flags };
          const taken = await this.#kernel.write(id, fields, part, this.#caller);
          if (taken === 0) throw new Errno("EIO", "the file system took none of the bytes");
          done += taken;
          offset += taken;
        }
      }
      await this.#flush(id, fh, openFlags);
    } finally {
      await this.#release(id, fh, flags);
    }
  }

  /** What close(2) answers: ENOSYS is a server that has nothing to say. */
  async #flush(id: Foreign, fh: Foreign, openFlags: number): Promise<void> {
    if (openFlags & FopenFlags.NOFLUSH) return;
    await this.#kernel.flush(id, { fh }, this.#caller).catch((error: Errno) => {
      if (error.code !== "ENOSYS") throw error;
    });
  }

  async #release(id: Foreign, fh: Foreign, flags: number): Promise<void> {
    // Nobody is told what RELEASE says.
    await this.#kernel.release(id, { fh, flags }, KERNEL).catch(() => {});
  }
}

function regular({ kind }: Node): void {
  if (kind === S_IFDIR) fail("EISDIR");
  // Devices, pipes and sockets are the kernel's: a file system never sees them opened.
  if (kind !== S_IFREG) fail("EOPNOTSUPP");
}

function fail(code: ErrnoName): never {
  throw new Errno(code);
}

const ROOT_ID = 1;
/** As Linux has them: MAXSYMLINKS, and PATH_MAX with the NUL. */
const MOST_LINKS = 40;
const PATH_MAX = 4096;
const PIECE = 2 ** 20;
const DIRECTORY_BUFFER = 2 ** 15;
