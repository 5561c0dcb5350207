import { FileMode, Nameiop, NO_VALUE_32, VattrFlags, Vtype } from "../../src/puffs/flags.ts";
import { type Caller, FSCRED, type PuffsKernel } from "../../src/puffs/kernel.ts";
import type { Vattr } from "../../src/puffs/structs.ts";
import type { Of } from "../../src/struct.ts";
import { fail, last, type Node, type Place, References, Walk } from "../support/puffs-walk.ts";
import { ROOT } from "./rig.ts";

type Attributes = Of<typeof Vattr>;
type Time = Attributes["atime"];

const PAGE = 4096;
const UMASK = 0o022;

/** The kernel's clock: coarse, and always a little ahead of what the server has. */
const AHEAD = 3600;

/**
 * The kernel that all processes share: what it keeps of files to bring it later (puffs_updatenode in puffs_node.c), and how long
 * the server knows them to be.
 */
export class Machine {
  readonly kernel: PuffsKernel;
  readonly readOnly: boolean;
  readonly references: References;
  readonly #kept = new Map<number, Partial<Attributes>>();
  readonly #serverSizes = new Map<number, number>();

  constructor(kernel: PuffsKernel, readOnly = false) {
    this.kernel = kernel;
    this.readOnly = readOnly;
    this.references = new Written(kernel, (cookie) => this.#flush(cookie));
  }

  process(caller: Caller = ROOT): Process {
    return new Process(this, caller);
  }

  now(): Time {
    const moment = Date.now() + AHEAD * 1000;
    return { sec: Math.floor(moment / 1000), nsec: (moment % 1000) * 1e6 };
  }

  /** puffs_updatenode: all at one moment. */
  update(cookie: number, what: readonly ("atime" | "mtime" | "ctime")[], size?: number): void {
    const now = this.now();
    const kept = this.#kept.get(cookie) ?? {};
    for (const time of what) kept[time] = now;
    if (size !== undefined) kept.size = size;
    this.#kept.set(cookie, kept);
  }

  /** VOP_GETATTR: what is kept hides what the server says. */
  async getattr(cookie: number, caller: Caller): Promise<Attributes> {
    const { va } = await this.kernel.getattr(cookie, caller);
    const kept = this.#kept.get(cookie);
    if (kept?.size === undefined) this.#serverSizes.set(cookie, va.size);
    return { ...va, ...kept };
  }

  /** dosetattr: what is kept goes along, where the caller does not say otherwise. */
  async setattr(cookie: number, changes: Partial<Attributes>, caller: Caller): Promise<void> {
    if (this.readOnly) fail("EROFS");
    const all = { ...this.#take(cookie), ...changes };
    await this.kernel.setattr(cookie, all, caller);
    if (all.size !== undefined) this.#serverSizes.set(cookie, all.size);
  }

  /** A mapped file's page was written to: only mtime is kept of it. */
  dirtied(cookie: number): void {
    this.update(cookie, ["mtime"]);
  }

  /** VOP_WRITE through the page cache, written through: whole pages, as far as the file goes, in the kernel's own name. */
  async write(cookie: number, offset: number, bytes: Uint8Array): Promise<void> {
    const { size } = await this.getattr(cookie, FSCRED);
    const end = offset + bytes.length;
    const start = offset - (offset % PAGE);
    const whole = new Uint8Array(
      Math.max(end, Math.min(size, Math.ceil(end / PAGE) * PAGE)) - start,
    );
    if (start < size) {
      const known = this.#serverSizes.get(cookie) ?? 0;
      if (start >= known) await this.setattr(cookie, { size }, FSCRED);
      const there = await this.kernel.read(
        cookie,
        start,
        Math.min(whole.length, size - start),
        FSCRED,
      );
      whole.set(there);
    }
    whole.set(bytes, offset - start);
    await this.kernel.write(cookie, start, whole, FSCRED);
    this.update(cookie, ["mtime", "ctime"], end > size ? end : undefined);
  }

  async read(cookie: number, offset: number, length: number): Promise<Uint8Array> {
    const { size } = await this.getattr(cookie, FSCRED);
    const count = Math.max(0, Math.min(length, size - offset));
    const bytes =
      count > 0 ? await this.kernel.read(cookie, offset, count, FSCRED) : new Uint8Array();
    if (!this.readOnly) this.update(cookie, ["atime"]);
    return bytes;
  }

  #take(cookie: number): Partial<Attributes> {
    const kept = this.#kept.get(cookie) ?? {};
    this.#kept.delete(cookie);
    return kept;
  }

  /** flushvncache, as the last reference goes: nobody waits for it. */
  #flush(cookie: number): void {
    const kept = this.#take(cookie);
    if (Object.keys(kept).length > 0 && !this.readOnly) this.kernel.flushAttributes(cookie, kept);
  }
}

/** What is kept of a node is brought before INACTIVE. */
class Written extends References {
  readonly #flush: (cookie: number) => void;

  constructor(kernel: PuffsKernel, flush: (cookie: number) => void) {
    super(kernel);
    this.#flush = flush;
  }

  override async drop(cookie: number, caller: Caller): Promise<void> {
    if (this.count(cookie) === 1) this.#flush(cookie);
    await super.drop(cookie, caller);
  }
}

interface OpenOptions {
  readonly creates?: boolean;
  readonly exclusive?: boolean;
  readonly truncates?: boolean;
  readonly reads?: boolean;
  readonly writes?: boolean;
  readonly mode?: number;
}

/**
 * The system calls of one process as NetBSD's kernel turns them into requests of a puffs server, with its errors: names are looked up one
 * by one and for what is to become of the last of them (vfs_syscalls.c, puffs_vnops.c). Nothing is checked here that the kernel
 * leaves to the server.
 */
export class Process {
  readonly #machine: Machine;
  readonly #caller: Caller;
  #cwd: readonly Node[] | undefined;
  #home: Walk | undefined;

  constructor(machine: Machine, caller: Caller) {
    this.#machine = machine;
    this.#caller = caller;
  }

  get #kernel(): PuffsKernel {
    return this.#machine.kernel;
  }

  async chdir(path: string): Promise<void> {
    const walk = this.#walk();
    const place = await walk.place(path, this.#cwd);
    const found = await this.#find(walk, place);
    const node = last(found);
    if (node.vtype !== Vtype.DIR) fail("ENOTDIR");
    await this.#kernel.access(node.cookie, 1, this.#caller);
    await this.#home?.end();
    this.#home = walk;
    this.#cwd = found;
  }

  stat(path: string): Promise<Attributes> {
    return this.#at(path, (node) => this.#machine.getattr(node.cookie, this.#caller));
  }

  lstat(path: string): Promise<Attributes> {
    return this.#at(path, (node) => this.#machine.getattr(node.cookie, this.#caller), false);
  }

  pathconf(path: string, name: number): Promise<number> {
    return this.#at(path, (node) => this.#kernel.pathconf(node.cookie, name));
  }

  access(path: string, mask: number): Promise<void> {
    return this.#at(path, (node) => this.#permit(node, mask));
  }

  readlink(path: string): Promise<string> {
    return this.#at(path, (node) => this.#kernel.readlink(node.cookie, this.#caller), false);
  }

  chmod(path: string, mode: number): Promise<void> {
    return this.#at(path, ({ cookie }) => this.#machine.setattr(cookie, { mode }, this.#caller));
  }

  /** change_owner: set-id bits go with the owner, asked for in the same request. */
  chown(path: string, uid: number, gid: number): Promise<void> {
    return this.#at(path, async ({ cookie }) => {
      const { mode } = await this.#machine.getattr(cookie, this.#caller);
      const left = mode & ~((uid === -1 ? 0 : 0o4000) | (gid === -1 ? 0 : 0o2000));
      const owner = { uid: uid === -1 ? NO_VALUE_32 : uid, gid: gid === -1 ? NO_VALUE_32 : gid };
      await this.#machine.setattr(
        cookie,
        { ...owner, mode: left === mode ? NO_VALUE_32 : left },
        this.#caller,
      );
    });
  }

  /** Without times: to now. A birth after the new mtime goes back to that. */
  utimes(path: string, times?: { atime: Time; mtime: Time }): Promise<void> {
    return this.#at(path, async ({ cookie }) => {
      const { birthtime } = await this.#machine.getattr(cookie, this.#caller);
      const now = this.#machine.now();
      const changes: Partial<Attributes> = times
        ? { ...times, ...(times.mtime.sec < birthtime.sec ? { birthtime: times.mtime } : {}) }
        : { atime: now, mtime: now, vaflags: VattrFlags.UTIMES_NULL };
      await this.#machine.setattr(cookie, changes, this.#caller);
    });
  }

  truncate(path: string, size: number): Promise<void> {
    return this.#at(path, async (node) => {
      if (node.vtype === Vtype.DIR) fail("EISDIR");
      await this.#permit(node, 2);
      await this.#machine.setattr(node.cookie, { size }, this.#caller);
    });
  }

  mkdir(path: string, mode = 0o777): Promise<void> {
    return this.#make(path, true, (directory, name) =>
      this.#kernel.mkdir(directory, name, mode & 0o777 & ~UMASK, this.#caller),
    );
  }

  /** mknod(2) of a regular file is CREATE. */
  mknod(path: string, type: number, mode = 0o666, rdev?: number): Promise<void> {
    const bits = mode & 0o7777 & ~UMASK;
    return this.#make(path, false, (directory, name) =>
      type === Vtype.REG
        ? this.#kernel.create(directory, name, bits, this.#caller)
        : this.#kernel.mknod(
            directory,
            name,
            { type, mode: bits, ...(rdev !== undefined && { rdev }) },
            this.#caller,
          ),
    );
  }

  async symlink(target: string, path: string): Promise<void> {
    if (target.length > 1023) fail("ENAMETOOLONG");
    return this.#make(path, false, (directory, name) =>
      this.#kernel.symlink(directory, name, target, 0o777 & ~UMASK, this.#caller),
    );
  }

  link(from: string, to: string): Promise<void> {
    return this.#at(from, async ({ cookie, vtype }) => {
      if (vtype === Vtype.DIR) fail("EPERM");
      const walk = this.#walk();
      try {
        const { directory, name } = await this.#vacant(walk, to, false);
        await this.#kernel.link(directory, name, cookie, this.#caller);
        this.#machine.update(cookie, ["ctime"]);
        this.#machine.update(directory, ["ctime", "mtime"]);
      } finally {
        await walk.end();
      }
    });
  }

  unlink(path: string): Promise<void> {
    return this.#remove(path, (directory, name, node) =>
      this.#kernel.remove(directory, name, node.cookie, this.#caller),
    );
  }

  rmdir(path: string): Promise<void> {
    return this.#remove(path, (directory, name, node) => {
      if (node.vtype !== Vtype.DIR) fail("ENOTDIR");
      return this.#kernel.rmdir(directory, name, node.cookie, this.#caller);
    });
  }

  /** do_sys_renameat. */
  async rename(from: string, to: string): Promise<void> {
    const walk = this.#walk();
    try {
      const source = await this.prepare(walk, from);
      const target = await walk.place(to, this.#cwd);
      await this.finish(walk, source, target);
    } finally {
      await walk.end();
    }
  }

  /** The first half of a rename: its source is looked up, and the directory let go. */
  async prepare(walk: Walk, from: string): Promise<{ place: Place; node: Node }> {
    const place = await walk.place(from, this.#cwd);
    const node = (await this.#look(walk, place, Nameiop.DELETE)) ?? fail("ENOENT");
    return { place, node };
  }

  async finish(
    walk: Walk,
    { place: source, node }: { place: Place; node: Node },
    target: Place,
  ): Promise<void> {
    if (target.name === ".") fail("EISDIR");
    const replaced = await this.#look(walk, target, Nameiop.RENAME, node.vtype === Vtype.DIR);
    for (const { name } of [source, target]) if (name === "." || name === "..") fail("EINVAL");
    if (replaced && node.vtype === Vtype.DIR && replaced.vtype !== Vtype.DIR) fail("ENOTDIR");
    if (replaced && node.vtype !== Vtype.DIR && replaced.vtype === Vtype.DIR) fail("EISDIR");
    const [above, below] = [last(source.above).cookie, last(target.above).cookie];
    if (node.cookie === below) fail("EINVAL");
    if (node.cookie === replaced?.cookie && above === below && source.name === target.name) return;
    await this.#kernel.rename(
      { directory: above, name: source.name, node: node.cookie },
      { directory: below, name: target.name, node: replaced?.cookie ?? 0 },
      this.#caller,
    );
    this.#machine.update(node.cookie, ["ctime"]);
    for (const directory of new Set([above, below]))
      this.#machine.update(directory, ["ctime", "mtime"]);
  }

  /** vn_open. */
  async open(path: string, options: OpenOptions = {}): Promise<Descriptor> {
    const { creates, exclusive, truncates, reads = true, writes = false, mode = 0o666 } = options;
    const walk = this.#walk();
    try {
      const place = await walk.place(path, this.#cwd);
      const found = await this.#look(walk, place, creates ? Nameiop.CREATE : Nameiop.LOOKUP);
      let node = found;
      if (!node) {
        if (!creates) fail("ENOENT");
        const directory = last(place.above).cookie;
        const bits = mode & 0o6777 & ~UMASK;
        const made = await this.#kernel.create(directory, place.name, bits, this.#caller);
        node = walk.held(made.newnode);
        this.#machine.update(directory, ["ctime", "mtime"]);
      } else {
        if (creates && exclusive) fail("EEXIST");
        if (node.vtype === Vtype.DIR && (writes || truncates)) fail("EISDIR");
        await this.#permit(node, (reads ? 4 : 0) | (writes || truncates ? 2 : 0));
        if (truncates) await this.#machine.setattr(node.cookie, { size: 0 }, this.#caller);
      }
      const access = (reads ? FileMode.READ : 0) | (writes ? FileMode.WRITE : 0);
      await this.#kernel.open(node.cookie, access, this.#caller);
      return new Descriptor(this.#machine, this.#caller, walk, node, access);
    } catch (error) {
      await walk.end();
      throw error;
    }
  }

  /** All that the process holds goes. */
  async exit(): Promise<void> {
    await this.#home?.end();
    this.#home = undefined;
    this.#cwd = undefined;
  }

  walk(): Walk {
    return this.#walk();
  }

  place(walk: Walk, path: string): Promise<Place> {
    return walk.place(path, this.#cwd);
  }

  #walk(): Walk {
    const { uid, gid, groups = [] } = this.#caller;
    return new Walk(this.#machine.references, { uid, gid, groups: [...groups], umask: UMASK });
  }

  /** VOP_ACCESS: what cannot be written is not the server's to say. */
  async #permit({ cookie, vtype }: Node, mask: number): Promise<void> {
    const kinds: readonly number[] = [Vtype.REG, Vtype.DIR, Vtype.LNK];
    if (this.#machine.readOnly && mask & 2 && kinds.includes(vtype)) fail("EROFS");
    await this.#kernel.access(cookie, mask, this.#caller);
  }

  /** puffs_vnop_lookup of the last name. */
  async #look(
    walk: Walk,
    place: Place,
    nameiop: number,
    isDirectory = false,
  ): Promise<Node | undefined> {
    const { readOnly } = this.#machine;
    const changes = nameiop === Nameiop.DELETE || nameiop === Nameiop.RENAME;
    if (readOnly && changes) fail("EROFS");
    const slash = place.slash || isDirectory;
    const node = await walk.peek({ ...place, slash }, nameiop);
    if (!node && readOnly && nameiop === Nameiop.CREATE) fail("EROFS");
    return node;
  }

  async #at<T>(path: string, run: (node: Node) => Promise<T>, follow = true): Promise<T> {
    const walk = this.#walk();
    try {
      const place = await walk.place(path, this.#cwd);
      return await run(last(await this.#find(walk, place, follow)));
    } finally {
      await walk.end();
    }
  }

  async #find(walk: Walk, place: Place, follow = true): Promise<readonly Node[]> {
    const { above, name } = place;
    const node = (await walk.peek(place)) ?? fail("ENOENT");
    if (name === "" || name === ".") return above;
    if (name === "..") return above.length > 1 ? above.slice(0, -1) : above;
    if (node.vtype !== Vtype.LNK || !follow) return [...above, node];
    return this.#find(walk, await walk.beyond(place, node));
  }

  async #vacant(walk: Walk, path: string, isDirectory: boolean) {
    const place = await walk.place(path, this.#cwd);
    if (place.name === "." || place.name === "") fail("EEXIST");
    if (await this.#look(walk, place, Nameiop.CREATE, isDirectory)) fail("EEXIST");
    return { directory: last(place.above).cookie, name: place.name };
  }

  async #make(
    path: string,
    isDirectory: boolean,
    run: (directory: number, name: string) => Promise<{ newnode: number }>,
  ): Promise<void> {
    const walk = this.#walk();
    try {
      const { directory, name } = await this.#vacant(walk, path, isDirectory);
      walk.held((await run(directory, name)).newnode);
      this.#machine.update(directory, ["ctime", "mtime"]);
    } finally {
      await walk.end();
    }
  }

  async #remove(
    path: string,
    run: (directory: number, name: string, node: Node) => Promise<void>,
  ): Promise<void> {
    const walk = this.#walk();
    try {
      const place = await walk.place(path, this.#cwd);
      if (place.name === ".") fail("EINVAL");
      const node = (await this.#look(walk, place, Nameiop.DELETE)) ?? fail("ENOENT");
      const directory = last(place.above).cookie;
      await run(directory, place.name, node);
      this.#machine.update(directory, ["ctime", "mtime"]);
    } finally {
      await walk.end();
    }
  }
}

/** An open file. */
export class Descriptor {
  readonly node: Node;
  readonly #machine: Machine;
  readonly #caller: Caller;
  readonly #walk: Walk;
  readonly #access: number;

  constructor(machine: Machine, caller: Caller, walk: Walk, node: Node, access: number) {
    this.#machine = machine;
    this.#caller = caller;
    this.#walk = walk;
    this.node = node;
    this.#access = access;
  }

  write(offset: number, bytes: Uint8Array): Promise<void> {
    return this.#machine.write(this.node.cookie, offset, bytes);
  }

  read(offset: number, length: number): Promise<Uint8Array> {
    if (this.node.vtype === Vtype.DIR)
      return this.#machine.kernel.read(this.node.cookie, offset, length, this.#caller);
    return this.#machine.read(this.node.cookie, offset, length);
  }

  stat(): Promise<Attributes> {
    return this.#machine.getattr(this.node.cookie, this.#caller);
  }

  truncate(size: number): Promise<void> {
    return this.#machine.setattr(this.node.cookie, { size }, this.#caller);
  }

  async close(): Promise<void> {
    this.#machine.kernel.close(this.node.cookie, this.#access, this.#caller);
    await this.#walk.end();
  }
}
