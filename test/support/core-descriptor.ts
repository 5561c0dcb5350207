import { Errno } from "../../src/errno.ts";
import {
  Fallocate,
  FopenFlags,
  FsyncFlags,
  O,
  O_ACCMODE,
  OpenFlags,
  Seek,
  WriteFlags,
} from "../../src/fuse/flags.ts";
import { KERNEL } from "../../src/fuse/kernel.ts";
import { S_IFREG, S_IFSOCK } from "../../src/mode.ts";
import type { Descriptor, Entry, NewTime, Stat } from "./client.ts";
import {
  changeMode,
  changeOwner,
  changeSize,
  changeTimes,
  removePrivileges,
  statOf,
} from "./core-attributes.ts";
import { type CoreMount, fail, isDirectory, kindOf, type Node } from "./core-mount.ts";
import type { Walk } from "./core-walk.ts";

/** What Linux reads of a directory at a time. */
const DIRECTORY_BUFFER = 4096;

/** The kernel's answer to OPEN; `kept` is false where the server does without OPEN and RELEASE. */
interface Handle {
  readonly fh: number | bigint;
  readonly openFlags: number;
  readonly kept: boolean;
}

const NO_HANDLE: Handle = { fh: 0, openFlags: 0, kept: false };

/** An open file of a CoreClient: the operations of its handle, without a page cache. */
export class CoreDescriptor implements Descriptor {
  readonly node: Node;
  readonly #walk: Walk;
  readonly #mount: CoreMount;
  readonly #flags: number;
  readonly #handle: Handle;
  #closed = false;

  private constructor(walk: Walk, node: Node, handle: Handle, flags: number) {
    this.#walk = walk;
    this.#mount = walk.mount;
    this.node = node;
    this.#handle = handle;
    this.#flags = flags & ~(O.CREAT | O.EXCL | O.NOCTTY | O.TRUNC);
    this.#mount.opened(node.nodeid);
  }

  /** OPEN or OPENDIR, once all checks are done; O_TRUNC too. */
  static async open(walk: Walk, node: Node, flags: number): Promise<CoreDescriptor> {
    const { mount } = walk;
    const { kernel } = mount;
    const directory = isDirectory(node);
    // Devices, pipes and sockets never reach the server.
    if (!directory && kindOf(node) !== S_IFREG)
      fail(kindOf(node) === S_IFSOCK ? "ENXIO" : "ENODEV");
    const truncates = (flags & O.TRUNC) !== 0;
    const atomic = truncates && kernel.agreed("ATOMIC_O_TRUNC");
    const dropped = O.CREAT | O.EXCL | O.NOCTTY | (atomic ? 0 : O.TRUNC);
    const kills = atomic && walk.who.uid !== 0 && kernel.agreed("HANDLE_KILLPRIV_V2");
    const fields = {
      flags: (flags & ~dropped) | O.LARGEFILE,
      openFlags: kills ? OpenFlags.KILL_SUIDGID : 0,
    };
    const ask = async (): Promise<Handle> => {
      const open = directory
        ? await kernel.opendir(node.nodeid, fields, walk.caller)
        : await kernel.open(node.nodeid, fields, walk.caller);
      return { ...open, kept: true };
    };
    // fs/fuse/file.c: without OPEN_SUPPORT the kernel goes on with handle 0, and truncates by itself.
    const handle = await mount.optional(directory ? "OPENDIR" : "OPEN", ask, () => NO_HANDLE);
    const descriptor = new CoreDescriptor(walk, node, handle, flags);
    if (!truncates || (atomic && handle.kept)) return descriptor;
    try {
      await changeSize(walk, node, 0, handle.kept ? handle.fh : undefined);
    } catch (error) {
      await descriptor.close();
      throw error;
    }
    return descriptor;
  }

  /** What CREATE or TMPFILE opened. */
  static made(
    walk: Walk,
    node: Node,
    open: { fh: number | bigint; openFlags: number },
    flags: number,
  ): CoreDescriptor {
    return new CoreDescriptor(walk, node, { ...open, kept: true }, flags);
  }

  /** O_PATH: the server is not told. */
  static pathOnly(walk: Walk, node: Node, flags: number): CoreDescriptor {
    return new CoreDescriptor(walk, node, NO_HANDLE, flags);
  }

  read(length: number, offset: number): Promise<Uint8Array> {
    return this.#during(async (kernel) => {
      if (!this.#reads) fail("EBADF");
      if (isDirectory(this.node)) fail("EISDIR");
      if (offset < 0) fail("EINVAL");
      // fs/fuse/inode.c, process_init_reply: 32 pages unless told otherwise, and at least one.
      const told = kernel.agreed("MAX_PAGES") ? kernel.settled?.maxPages : undefined;
      const most = Math.max(1, told ?? 32) * 4096;
      const parts: Uint8Array[] = [];
      for (let done = 0; done < length; ) {
        const size = Math.min(length - done, most);
        const fields = { fh: this.#fh, offset: offset + done, size, flags: this.#flags };
        const part = await kernel.read(this.node.nodeid, fields, this.#walk.caller);
        parts.push(part);
        done += part.length;
        if (part.length < size) break;
      }
      return new Uint8Array(Buffer.concat(parts));
    });
  }

  write(bytes: Uint8Array, offset?: number): Promise<number> {
    return this.#during(async (kernel) => {
      if (!this.#writes) fail("EBADF");
      const append = offset === undefined || (this.#flags & O.APPEND) !== 0;
      if (!append && offset < 0) fail("EINVAL");
      if (bytes.length === 0) return 0;
      const start = append ? (await statOf(this.#walk, this.node, this.#known)).size : offset;
      const kills = this.#walk.who.uid !== 0 && kernel.agreed("HANDLE_KILLPRIV_V2");
      if (!kills) await removePrivileges(this.#walk, this.node);
      const common = { writeFlags: kills ? WriteFlags.KILL_SUIDGID : 0, flags: this.#flags };
      const most = kernel.settled?.maxWrite ?? 4096;
      let done = 0;
      while (done < bytes.length) {
        const part = bytes.subarray(done, done + most);
        const fields = { ...common, fh: this.#fh, offset: start + done };
        const taken = await kernel.write(this.node.nodeid, fields, part, this.#walk.caller);
        if (taken === 0) throw new Errno("EIO", "the server took none of the bytes");
        done += taken;
        if (taken < part.length) break;
      }
      return done;
    });
  }

  stat(): Promise<Stat> {
    return this.#during(() => statOf(this.#walk, this.node, this.#known), true);
  }

  truncate(size: number): Promise<void> {
    return this.#during(async () => {
      if (!this.#writes || size < 0) fail("EINVAL");
      await changeSize(this.#walk, await this.#fresh(), size, this.#known);
    });
  }

  sync(dataOnly = false): Promise<void> {
    return this.#during(async (kernel) => {
      const fields = { fh: this.#fh, fsyncFlags: dataOnly ? FsyncFlags.FDATASYNC : 0 };
      const { nodeid } = this.node;
      const { caller } = this.#walk;
      const ask = isDirectory(this.node)
        ? () => kernel.fsyncdir(nodeid, fields, caller)
        : () => kernel.fsync(nodeid, fields, caller);
      await this.#mount.optional(isDirectory(this.node) ? "FSYNCDIR" : "FSYNC", ask, () => {});
    });
  }

  seek(offset: number, whence: "data" | "hole"): Promise<number> {
    return this.#during(async (kernel) => {
      const fields = { fh: this.#fh, offset, whence: whence === "data" ? Seek.DATA : Seek.HOLE };
      // fs/fuse/file.c: without LSEEK all is data, and one hole is at the end.
      const instead = async () => {
        const { size } = await statOf(this.#walk, this.node, this.#known);
        if (offset < 0 || offset >= size) fail("ENXIO");
        return whence === "data" ? offset : size;
      };
      if (offset < 0) fail("ENXIO");
      if (kernel.minor < 24) return instead();
      const ask = () => kernel.lseek(this.node.nodeid, fields, this.#walk.caller);
      return this.#mount.optional("LSEEK", ask, instead);
    });
  }

  allocate(mode: number, offset: number, length: number): Promise<void> {
    return this.#during(async (kernel) => {
      const known = Fallocate.KEEP_SIZE | Fallocate.PUNCH_HOLE | Fallocate.ZERO_RANGE;
      if (offset < 0 || length <= 0) fail("EINVAL");
      if ((mode & Fallocate.PUNCH_HOLE) !== 0 && (mode & Fallocate.KEEP_SIZE) === 0)
        fail("EOPNOTSUPP");
      if (!this.#writes) fail("EBADF");
      if ((mode & ~known) !== 0 || kernel.minor < 19) fail("EOPNOTSUPP");
      await removePrivileges(this.#walk, this.node);
      const fields = { fh: this.#fh, offset, length, mode };
      const ask = () => kernel.fallocate(this.node.nodeid, fields, this.#walk.caller);
      await this.#mount.optional("FALLOCATE", ask, () => fail("EOPNOTSUPP"));
    });
  }

  chmod(mode: number): Promise<void> {
    return this.#during(async () => changeMode(this.#walk, await this.#fresh(), mode, this.#known));
  }

  chown(uid: number, gid: number): Promise<void> {
    return this.#during(async () =>
      changeOwner(this.#walk, await this.#fresh(), uid, gid, this.#known),
    );
  }

  utimes(atime: NewTime, mtime: NewTime): Promise<void> {
    return this.#during(async () =>
      changeTimes(this.#walk, await this.#fresh(), atime, mtime, this.#known),
    );
  }

  copyTo(
    to: CoreDescriptor,
    fromOffset: number,
    toOffset: number,
    length: number,
  ): Promise<number> {
    return this.#during(async (kernel) => {
      if (!this.#reads || !to.#writes || (to.#flags & O.APPEND) !== 0) fail("EBADF");
      if (isDirectory(this.node) || isDirectory(to.node)) fail("EISDIR");
      const { size } = await statOf(this.#walk, this.node, this.#known);
      const most = Math.max(0, Math.min(length, size - fromOffset));
      const same = this.node.nodeid === to.node.nodeid;
      if (same && fromOffset + most > toOffset && toOffset + most > fromOffset) fail("EINVAL");
      if (most === 0) return 0;
      const fields = {
        ...{ fhIn: this.#fh, offIn: fromOffset },
        ...{ nodeidOut: to.node.nodeid, fhOut: to.#fh, offOut: toOffset },
      };
      const instead = async () => to.write(await this.read(most, fromOffset), toOffset);
      if (kernel.minor < 28) return instead();
      await removePrivileges(this.#walk, to.node);
      const wide = kernel.minor >= 45;
      const whole = { ...fields, len: wide ? most : Math.min(most, 0xfffff000) };
      const { nodeid } = this.node;
      const ask = () =>
        wide
          ? kernel.copyFileRange64(nodeid, whole, this.#walk.caller)
          : kernel.copyFileRange(nodeid, whole, this.#walk.caller);
      try {
        return await this.#mount.optional("COPY_FILE_RANGE", ask, instead);
      } catch (error) {
        if (["EOPNOTSUPP", "EXDEV"].includes((error as Errno).code)) return instead();
        throw error;
      }
    });
  }

  readdir(from = 0, atMost = Number.POSITIVE_INFINITY): Promise<Entry[]> {
    return this.#during(async (kernel) => {
      if (!isDirectory(this.node)) fail("ENOTDIR");
      const { nodeid } = this.node;
      const entries: Entry[] = [];
      for (let offset = BigInt(from); entries.length < atMost; ) {
        const fields = { fh: this.#fh, offset, size: DIRECTORY_BUFFER, flags: this.#flags };
        const plain = () => kernel.readdir(nodeid, fields, this.#walk.caller);
        const page = kernel.agreed("DO_READDIRPLUS") ? await this.#plus(fields) : await plain();
        for (const { name, ino, type, off } of page)
          entries.push({ name, ino, type, offset: Number(off) });
        const end = page.at(-1);
        if (!end) break;
        offset = end.off;
      }
      return entries.slice(0, atMost);
    });
  }

  async close(): Promise<void> {
    const { kernel } = this.#mount;
    const { kept, openFlags } = this.#handle;
    const { nodeid } = this.node;
    await this.#during(async () => {
      this.#closed = true;
      try {
        const silent = isDirectory(this.node) || (openFlags & FopenFlags.NOFLUSH) !== 0;
        const ask = () => kernel.flush(nodeid, { fh: this.#fh }, this.#walk.caller);
        if (!silent && !this.#pathOnly) await this.#mount.optional("FLUSH", ask, () => {});
      } finally {
        const fields = { fh: this.#fh, flags: this.#flags };
        const release = isDirectory(this.node)
          ? () => kernel.releasedir(nodeid, fields, KERNEL)
          : () => kernel.release(nodeid, fields, KERNEL);
        // Nobody is told what RELEASE says.
        if (kept) await release().catch(() => {});
        this.#mount.closed(nodeid);
      }
    }, true);
  }

  /** The handle, if the server gave one: for requests that say whether they have one. */
  get #known(): number | bigint | undefined {
    return this.#handle.kept ? this.#fh : undefined;
  }

  get #fh(): number | bigint {
    return this.#handle.fh;
  }

  get #reads(): boolean {
    return (this.#flags & O_ACCMODE) !== O.WRONLY;
  }

  get #writes(): boolean {
    return (this.#flags & O_ACCMODE) !== O.RDONLY;
  }

  get #pathOnly(): boolean {
    return (this.#flags & O.PATH) !== 0;
  }

  async #plus(fields: { fh: number | bigint; offset: bigint; size: number; flags: number }) {
    const page = await this.#mount.kernel.readdirplus(this.node.nodeid, fields, this.#walk.caller);
    for (const { name, entry } of page)
      if (entry.nodeid !== 0 && name !== "." && name !== "..") this.#mount.keep(entry);
    return page;
  }

  /** The node with attributes of now: what permission checks look at. */
  async #fresh(): Promise<Node> {
    const fields = this.#known === undefined ? {} : { getattrFlags: 1, fh: this.#fh };
    const { nodeid } = this.node;
    const { attr } = await this.#mount.kernel.getattr(nodeid, fields, this.#walk.caller);
    return { nodeid, attr };
  }

  #during<T>(call: (kernel: CoreMount["kernel"]) => Promise<T>, anyway = false): Promise<T> {
    return this.#mount.during(async () => {
      if (this.#closed || (this.#pathOnly && !anyway)) fail("EBADF");
      return call(this.#mount.kernel);
    });
  }
}
