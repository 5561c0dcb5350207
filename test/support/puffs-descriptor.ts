import { FileMode, FsyncFlags, IoFlags, O as N, Vtype } from "../../src/puffs/flags.ts";
import { mostData } from "../../src/puffs/mounted.ts";
import {
  type Descriptor,
  type Entry,
  type NewTime,
  O_ACCMODE,
  O_APPEND,
  O_DIRECTORY,
  O_PATH,
  O_RDONLY,
  O_WRONLY,
  type Stat,
} from "./client.ts";
import { changeMode, changeOwner, changeSize, changeTimes, statOf } from "./puffs-attributes.ts";
import { fail, type Node, type Walk } from "./puffs-walk.ts";

/** What a C library reads of a directory at a time. */
const DIRECTORY_BUFFER = 4096;

/** The shortest record of a directory. */
const SHORTEST = 16;

/** An open file of a PuffsClient, without a page cache: reads and writes go to the server one by one. */
export class PuffsDescriptor implements Descriptor {
  readonly node: Node;
  readonly #walk: Walk;
  readonly #flags: number;
  #closed = false;

  private constructor(walk: Walk, node: Node, flags: number) {
    this.#walk = walk;
    this.node = node;
    this.#flags = flags;
  }

  /** OPEN, once all checks are done. `walk` is the descriptor's from here on: it holds the node until `close`. */
  static async open(walk: Walk, node: Node, flags: number): Promise<PuffsDescriptor> {
    const { vtype } = node;
    const descriptor = new PuffsDescriptor(walk, node, flags);
    if ((flags & O_PATH) !== 0) return descriptor;
    // Devices, pipes and sockets never reach the server.
    if (vtype !== Vtype.REG && vtype !== Vtype.DIR) fail(vtype === Vtype.SOCK ? "ENXIO" : "ENODEV");
    await walk.kernel.open(node.cookie, descriptor.#mode, walk.caller);
    return descriptor;
  }

  async read(length: number, offset: number): Promise<Uint8Array> {
    this.#check();
    if (!this.#reads) fail("EBADF");
    if (this.#isDirectory) fail("EISDIR");
    if (offset < 0) fail("EINVAL");
    const { kernel, caller } = this.#walk;
    const parts: Uint8Array[] = [];
    for (let done = 0; done < length; ) {
      const size = Math.min(length - done, mostData(kernel.mount));
      const part = await kernel.read(this.node.cookie, offset + done, size, caller);
      parts.push(part);
      done += part.length;
      if (part.length < size) break;
    }
    return new Uint8Array(Buffer.concat(parts));
  }

  async write(bytes: Uint8Array, offset?: number): Promise<number> {
    this.#check();
    if (!this.#writes) fail("EBADF");
    const append = offset === undefined || (this.#flags & O_APPEND) !== 0;
    if (!append && offset < 0) fail("EINVAL");
    const { kernel, caller } = this.#walk;
    const ioflag = IoFlags.UNIT | (append ? IoFlags.APPEND : 0);
    let done = 0;
    while (done < bytes.length) {
      const at = append ? 0 : offset + done;
      const part = bytes.subarray(done, done + mostData(kernel.mount));
      done += await kernel.write(this.node.cookie, at, part, caller, ioflag);
    }
    return done;
  }

  stat(): Promise<Stat> {
    if (this.#closed) fail("EBADF");
    return statOf(this.#walk, this.node);
  }

  async truncate(size: number): Promise<void> {
    this.#check();
    if (!this.#writes || size < 0) fail("EINVAL");
    await changeSize(this.#walk, this.node, size);
  }

  async sync(dataOnly = false): Promise<void> {
    this.#check();
    const { kernel, caller } = this.#walk;
    const flags = FsyncFlags.WAIT | (dataOnly ? FsyncFlags.DATAONLY : 0);
    await kernel.fsync(this.node.cookie, flags, caller);
  }

  /** puffs does not tell: all is data, and one hole is at the end. */
  async seek(offset: number, whence: "data" | "hole"): Promise<number> {
    this.#check();
    const { size } = await this.stat();
    if (offset < 0 || offset >= size) fail("ENXIO");
    return whence === "data" ? offset : size;
  }

  async allocate(mode: number, offset: number, length: number): Promise<void> {
    this.#check();
    if (offset < 0 || length <= 0) fail("EINVAL");
    if (!this.#writes) fail("EBADF");
    if (mode !== 0) fail("EOPNOTSUPP");
    const { kernel, caller } = this.#walk;
    await kernel.fallocate(this.node.cookie, offset, length, caller);
  }

  async chmod(mode: number): Promise<void> {
    this.#check();
    await changeMode(this.#walk, this.node, mode);
  }

  async chown(uid: number, gid: number): Promise<void> {
    this.#check();
    await changeOwner(this.#walk, this.node, uid, gid);
  }

  async utimes(atime: NewTime, mtime: NewTime): Promise<void> {
    this.#check();
    await changeTimes(this.#walk, this.node, atime, mtime);
  }

  async copyTo(
    to: PuffsDescriptor,
    fromOffset: number,
    toOffset: number,
    length: number,
  ): Promise<number> {
    return to.write(await this.read(length, fromOffset), toOffset);
  }

  async readdir(from = 0, atMost = Number.POSITIVE_INFINITY): Promise<Entry[]> {
    this.#check();
    if (!this.#isDirectory) fail("ENOTDIR");
    const { kernel, caller } = this.#walk;
    const entries: Entry[] = [];
    for (let offset = from; entries.length < atMost; ) {
      const page = { offset, room: DIRECTORY_BUFFER, ncookies: DIRECTORY_BUFFER / SHORTEST };
      const listed = await kernel.readdir(this.node.cookie, page, caller);
      listed.entries.forEach((entry, i) => {
        entries.push({ ...entry, offset: Number(listed.cookies[i]) });
      });
      offset = listed.offset;
      if (listed.eof || listed.entries.length === 0) break;
    }
    return entries.slice(0, atMost);
  }

  async close(): Promise<void> {
    if (this.#closed) fail("EBADF");
    this.#closed = true;
    const { kernel, caller } = this.#walk;
    if ((this.#flags & O_PATH) === 0) kernel.close(this.node.cookie, this.#mode, caller);
    await this.#walk.end();
  }

  get #isDirectory(): boolean {
    return this.node.vtype === Vtype.DIR;
  }

  get #reads(): boolean {
    return (this.#flags & O_ACCMODE) !== O_WRONLY;
  }

  get #writes(): boolean {
    return (this.#flags & O_ACCMODE) !== O_RDONLY;
  }

  /** As the kernel keeps it of an open file: FREAD and FWRITE, and flags in NetBSD's numbers. */
  get #mode(): number {
    const access = (this.#reads ? FileMode.READ : 0) | (this.#writes ? FileMode.WRITE : 0);
    const append = (this.#flags & O_APPEND) === 0 ? 0 : N.APPEND;
    return access | append | ((this.#flags & O_DIRECTORY) === 0 ? 0 : N.DIRECTORY);
  }

  #check(): void {
    if (this.#closed || (this.#flags & O_PATH) !== 0) fail("EBADF");
  }
}
