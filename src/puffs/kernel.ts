import { Errno, type ErrnoName } from "../errno.ts";
import { viewOf } from "../frame.ts";
import { decodeName, nameLength } from "../name.ts";
import type { Of } from "../struct.ts";
import { type DirectoryEntry, decodeDirents } from "./dirent.ts";
import { type Decode, nameOf } from "./exchange.ts";
import {
  Access,
  CnFlags,
  Constants,
  Err,
  ExtattrList,
  FileMode,
  FsyncFlags,
  KernelFlags,
  Nameiop,
  NO_VALUE,
  Opclass,
  Vn,
  Vtype,
} from "./flags.ts";
import {
  data,
  KernelMount,
  nothing,
  readAll,
  type WithCred,
  type WithName,
  withCred,
  withName,
} from "./kernel-mount.ts";
import {
  type Caller,
  type ComponentName,
  compose,
  FSCRED,
  NOCRED,
  putComponentName,
  putCred,
  putText,
  Refusal,
  vattrOf,
} from "./message.ts";
import { mostData } from "./mounted.ts";
import * as wire from "./structs.ts";

export type { KernelEvents, KernelNode } from "./kernel-nodes.ts";
export { type Caller, FSCRED, NOCRED } from "./message.ts";

type Attributes = Of<typeof wire.Vattr>;
type Time = Of<typeof wire.Timespec>;

/** What a reply tells of a node that it names. The TTLs count where the mount is by CACHE_FS_TTL. */
export interface Named {
  readonly newnode: number;
  readonly va: Attributes;
  readonly vaTtl: Time;
  readonly cnTtl: Time;
}

export interface Found extends Named {
  readonly vtype: number;
  readonly size: number;
  readonly rdev: number;
  /** How many bytes of the path behind the name the server took. */
  readonly consume: number;
}

export interface Listed {
  readonly entries: readonly DirectoryEntry[];
  /** Where the listing goes on. */
  readonly offset: number;
  readonly eof: boolean;
  /** One for each entry, where they were asked for. */
  readonly cookies: readonly bigint[];
}

type Making<T> = WithName<T> & { readonly offsets: { readonly va: number } };

/** The address of an owner of locks, where it does not matter. */
const NOBODY = 0n;

/**
 * The kernel's part in the puffs protocol: asks a server, whoever wrote it. It asks what it is told to and caches nothing but which nodes
 * there are; the order of calls and the references to nodes are its user's. A request is a method of its operation's name; it
 * answers what the reply tells or rejects with an Errno: that of the server, EPROTO for a reply that is none, ENXIO after `end`. What
 * the server lacks by the mount's arguments is dealt with as the real kernel does, without asking.
 */
export class PuffsKernel extends KernelMount {
  /** Rejects with ENOENT for a name that is not there, whatever is to become of it. */
  lookup(directory: number, cn: ComponentName, caller: Caller): Promise<Found> {
    const { VnmsgLookup: layout } = wire;
    const dotdot = cn.name === ".." ? CnFlags.ISDOTDOT : 0;
    const { flags = CnFlags.ISLASTCN } = cn;
    const message = withName(layout, {}, { ...cn, flags: flags | dotdot }, caller);
    const rest = nameLength(cn.rest ?? "");
    let told = 0;
    const found = this.vn(Vn.LOOKUP, directory, caller, message, (bytes) => {
      const { cn, newnode, vtype, size, rdev, va, vaTtl, cnTtl } = readAll(layout, bytes);
      if (newnode === directory) throw new Refusal("the directory is in itself", Err.LOOKUP);
      told = newnode;
      this.found(newnode, vtype, size);
      const consume = Math.min(cn.consume, rest);
      return { newnode, vtype, size, rdev, va, vaTtl, cnTtl, consume };
    });
    return found.catch(async (error) => {
      if (told !== 0) await this.abandon(told);
      throw error;
    });
  }

  /** A regular file, or the socket of bind(2), which is not made by MKNOD. */
  create(
    directory: number,
    name: string,
    mode: number,
    caller: Caller,
    type: typeof Vtype.REG | typeof Vtype.SOCK = Vtype.REG,
  ): Promise<Named> {
    const va = vattrOf({ type, mode });
    return this.#make(Vn.CREATE, wire.VnmsgCreate, directory, name, va, caller);
  }

  mkdir(directory: number, name: string, mode: number, caller: Caller): Promise<Named> {
    const va = vattrOf({ type: Vtype.DIR, mode });
    return this.#make(Vn.MKDIR, wire.VnmsgMkdir, directory, name, va, caller);
  }

  mknod(
    directory: number,
    name: string,
    { type, mode, rdev = NO_VALUE }: { type: number; mode: number; rdev?: number },
    caller: Caller,
  ): Promise<Named> {
    const va = vattrOf({ type, mode, rdev });
    return this.#make(Vn.MKNOD, wire.VnmsgMknod, directory, name, va, caller);
  }

  symlink(
    directory: number,
    name: string,
    target: string,
    mode: number,
    caller: Caller,
  ): Promise<Named> {
    const { VnmsgSymlink: layout } = wire;
    const va = vattrOf({ type: Vtype.LNK, mode });
    return this.#make(Vn.SYMLINK, layout, directory, name, va, caller, (message) =>
      putText(message, layout.offsets.link, target, Constants.NAMELEN + 1),
    );
  }

  /** `mode`: FileMode, with what else open(2) was given. The answer is what the server makes of it (OpenReply). */
  async open(cookie: number, mode: number, caller: Caller): Promise<number> {
    this.#requireWrite(cookie, mode & FileMode.WRITE, [Vtype.REG]);
    if (!this.has(Vn.OPEN)) return 0;
    const { VnmsgOpen: layout } = wire;
    const message = withCred(layout, { mode }, caller);
    return this.vn(Vn.OPEN, cookie, caller, message, (bytes) => readAll(layout, bytes).oflags);
  }

  /** Nobody learns how it went. */
  close(cookie: number, fflag: number, caller: Caller): void {
    if (!this.has(Vn.CLOSE)) return;
    const message = withCred(wire.VnmsgClose, { fflag }, caller);
    this.tell(Opclass.VN, Vn.CLOSE, cookie, message, caller);
  }

  async access(cookie: number, mode: number, caller: Caller): Promise<void> {
    this.#requireWrite(cookie, mode & Access.WRITE, [Vtype.REG, Vtype.DIR, Vtype.LNK]);
    if (!this.has(Vn.ACCESS)) return;
    const message = withCred(wire.VnmsgAccess, { mode }, caller);
    return this.vn(Vn.ACCESS, cookie, caller, message, nothing);
  }

  async getattr(cookie: number, caller: Caller): Promise<{ va: Attributes; vaTtl: Time }> {
    this.require(Vn.GETATTR);
    const { VnmsgSetgetattr: layout } = wire;
    const message = withCred(layout, { va: vattrOf() }, caller);
    return this.vn(Vn.GETATTR, cookie, caller, message, (bytes) => {
      const { va, vaTtl } = readAll(layout, bytes);
      const node = this.nodes.get(cookie);
      if (node) node.size = va.size;
      return { va, vaTtl };
    });
  }

  /** Fields left out stay. The answer has what the server wrote back, where the mount is by CACHE_FS_TTL. */
  async setattr(
    cookie: number,
    changes: Partial<Attributes>,
    caller: Caller,
  ): Promise<{ va: Attributes; vaTtl: Time }> {
    this.require(Vn.SETATTR);
    const { VnmsgSetgetattr: layout } = wire;
    const message = withCred(layout, { va: vattrOf(changes) }, caller);
    return this.vn(Vn.SETATTR, cookie, caller, message, (bytes) => {
      const { va, vaTtl } = readAll(layout, bytes);
      const node = this.nodes.get(cookie);
      if (node && changes.size !== undefined) node.size = changes.size;
      return { va, vaTtl };
    });
  }

  /** SETATTR as it is sent when a node's cached times and size are written back: not answered. */
  flushAttributes(cookie: number, changes: Partial<Attributes>): void {
    if (!this.has(Vn.SETATTR)) return;
    const message = withCred(wire.VnmsgSetgetattr, { va: vattrOf(changes) }, FSCRED);
    this.tell(Opclass.VN, Vn.SETATTR, cookie, message);
  }

  /** One request: at most `mostData` bytes. */
  async read(
    cookie: number,
    offset: number,
    length: number,
    caller: Caller,
    ioflag = 0,
  ): Promise<Uint8Array> {
    this.require(Vn.READ);
    const { VnmsgRw: layout } = wire;
    const resid = Math.min(length, mostData(this.mount));
    const message = withCred(layout, { offset, resid, ioflag }, caller);
    const take: Decode<Uint8Array> = (bytes, length) => {
      const got = resid - readAll(layout, bytes).resid;
      return data(bytes, length, layout.offsets.data, got, resid, Err.READ);
    };
    return this.vn(Vn.READ, cookie, caller, message, take, { more: resid });
  }

  /** One request: at most `mostData` bytes, and how many they were. EIO if the server took fewer. */
  async write(
    cookie: number,
    offset: number,
    content: Uint8Array,
    caller: Caller,
    ioflag = 0,
  ): Promise<number> {
    this.require(Vn.WRITE);
    const { message, resid } = this.#writing(offset, content, caller, ioflag);
    return this.vn(Vn.WRITE, cookie, caller, message, (bytes) => {
      const left = readAll(wire.VnmsgRw, bytes).resid;
      if (left > resid) throw new Refusal("resid grew", Err.WRITE, "E2BIG");
      if (left !== 0) throw new Errno("EIO");
      this.grown(cookie, offset + resid);
      return resid;
    });
  }

  /** WRITE of a page that nobody waits for. */
  writeBack(cookie: number, offset: number, content: Uint8Array): void {
    const { message } = this.#writing(offset, content, FSCRED, 0);
    if (this.has(Vn.WRITE)) this.tell(Opclass.VN, Vn.WRITE, cookie, message);
  }

  /**
   * The answer comes when the server sees fit. The kernel of 2016 and later hands `events` on only if there was an error, and
   * tells the caller POLLERR if there was none.
   */
  async poll(
    cookie: number,
    events: number,
    caller: Caller,
  ): Promise<{ error: ErrnoName | undefined; events: number }> {
    if (!this.has(Vn.POLL)) return { error: undefined, events };
    const { VnmsgPoll: layout } = wire;
    const take: Decode<{ error: ErrnoName | undefined; events: number }> = (bytes) => {
      const rv = viewOf(bytes).getInt32(wire.PuffsReq.offsets.rv, true);
      return { error: rv === 0 ? undefined : nameOf(rv), ...readAll(layout, bytes) };
    };
    const message = compose(layout, { events });
    return this.vn(Vn.POLL, cookie, caller, message, take, { always: true });
  }

  /** `prot`: Protection. */
  async mmap(cookie: number, prot: number, caller: Caller): Promise<void> {
    if ((this.mount.args.flags & KernelFlags.NOCACHE_PAGE) !== 0) throw new Errno("EOPNOTSUPP");
    if (!this.has(Vn.MMAP)) return;
    const message = withCred(wire.VnmsgMmap, { prot }, caller);
    return this.vn(Vn.MMAP, cookie, caller, message, nothing);
  }

  /** `flags`: FsyncFlags; without WAIT, or with RECLAIM, for a node that is on its way out, nobody waits for it. */
  async fsync(
    cookie: number,
    flags: number = FsyncFlags.WAIT,
    caller: Caller = NOCRED,
  ): Promise<void> {
    if (!this.has(Vn.FSYNC)) return;
    const message = withCred(wire.VnmsgFsync, { flags }, caller);
    if ((flags & FsyncFlags.WAIT) === 0 || (flags & FsyncFlags.RECLAIM) !== 0)
      return this.tell(Opclass.VN, Vn.FSYNC, cookie, message, caller);
    return this.vn(Vn.FSYNC, cookie, caller, message, nothing);
  }

  async seek(cookie: number, oldoff: number, newoff: number, caller: Caller): Promise<void> {
    if (!this.has(Vn.SEEK)) return;
    const message = withCred(wire.VnmsgSeek, { oldoff, newoff }, caller);
    return this.vn(Vn.SEEK, cookie, caller, message, nothing);
  }

  remove(directory: number, name: string, target: number, caller: Caller): Promise<void> {
    return this.#name(Vn.REMOVE, wire.VnmsgRemove, directory, name, target, caller);
  }

  rmdir(directory: number, name: string, target: number, caller: Caller): Promise<void> {
    return this.#name(Vn.RMDIR, wire.VnmsgRmdir, directory, name, target, caller);
  }

  /** `target` is the file that gets another name. */
  link(directory: number, name: string, target: number, caller: Caller): Promise<void> {
    return this.#name(Vn.LINK, wire.VnmsgLink, directory, name, target, caller);
  }

  /** `to.node` is what is at the new name, 0 for nothing. */
  async rename(
    from: { directory: number; name: string; node: number },
    to: { directory: number; name: string; node: number },
    caller: Caller,
  ): Promise<void> {
    this.require(Vn.RENAME);
    const { VnmsgRename: layout } = wire;
    const { cnSrc, cnSrcCred, cnTarg, cnTargCred } = layout.offsets;
    const message = compose(layout, {
      cookieSrc: from.node,
      cookieTarg: to.node,
      cookieTargdir: to.directory,
    });
    const flags = CnFlags.ISLASTCN | CnFlags.LOCKPARENT;
    putComponentName(message, cnSrc, { name: from.name, nameiop: Nameiop.DELETE, flags });
    putComponentName(message, cnTarg, { name: to.name, nameiop: Nameiop.RENAME, flags });
    putCred(message, cnSrcCred, caller);
    putCred(message, cnTargCred, caller);
    return this.vn(Vn.RENAME, from.directory, caller, message, nothing);
  }

  /** `room` bytes of records; `ncookies`: how many cookies for NFS there is room for. */
  async readdir(
    cookie: number,
    { offset, room, ncookies = 0 }: { offset: number; room: number; ncookies?: number },
    caller: Caller,
  ): Promise<Listed> {
    this.require(Vn.READDIR);
    const { VnmsgReaddir: layout } = wire;
    const resid = Math.min(room, mostData(this.mount));
    const dentoff = 8 * ncookies;
    const message = withCred(layout, { offset, resid, ncookies, dentoff }, caller);
    const take: Decode<Listed> = (bytes, length) => {
      const out = readAll(layout, bytes);
      const used = resid - out.resid;
      const start = layout.offsets.data + dentoff;
      if (used < 0) throw new Refusal("resid grew", Err.READDIR, "E2BIG");
      if (out.ncookies > ncookies) throw new Refusal("too many cookies", Err.READDIR, "E2BIG");
      if (start + used > length && used > 0) throw new Refusal("records are missing", Err.READDIR);
      const view = viewOf(bytes);
      const cookies = Array.from({ length: out.ncookies }, (_, i) =>
        view.getBigUint64(layout.offsets.data + 8 * i, true),
      );
      const entries = decodeDirents(bytes, start, start + used);
      return { entries, offset: out.offset, eof: out.eofflag !== 0, cookies };
    };
    return this.vn(Vn.READDIR, cookie, caller, message, take, { more: dentoff + resid });
  }

  async readlink(cookie: number, caller: Caller): Promise<string> {
    this.require(Vn.READLINK);
    const { VnmsgReadlink: layout } = wire;
    const most = Constants.NAMELEN + 1;
    const message = withCred(layout, { linklen: most }, caller);
    return this.vn(Vn.READLINK, cookie, caller, message, (bytes, length) => {
      const { linklen } = readAll(layout, bytes);
      const text = data(bytes, length, layout.offsets.link, linklen, most, Err.READLINK);
      if (text.includes(0)) throw new Refusal("a link with a NUL", Err.READLINK);
      return decodeName(text, 0, text.length);
    });
  }

  /** What was looked up to be made, removed or renamed is left as it is. */
  abortop(directory: number, cn: ComponentName, caller: Caller): void {
    if (!this.has(Vn.ABORTOP)) return;
    const message = withName(wire.VnmsgAbortop, {}, cn, caller);
    this.tell(Opclass.VN, Vn.ABORTOP, directory, message, caller);
  }

  async print(cookie: number): Promise<void> {
    this.require(Vn.PRINT);
    return this.vn(Vn.PRINT, cookie, NOCRED, compose(wire.VnmsgPrint), nothing);
  }

  async pathconf(cookie: number, name: number): Promise<number> {
    this.require(Vn.PATHCONF);
    const { VnmsgPathconf: layout } = wire;
    const take: Decode<number> = (bytes) => readAll(layout, bytes).retval;
    return this.vn(Vn.PATHCONF, cookie, NOCRED, compose(layout, { name }), take);
  }

  /** EOPNOTSUPP where the kernel's own lock manager would do it. */
  async advlock(
    cookie: number,
    lock: Partial<Of<typeof wire.VnmsgAdvlock>>,
    caller: Caller,
  ): Promise<void> {
    this.require(Vn.ADVLOCK);
    const message = compose(wire.VnmsgAdvlock, { id: NOBODY, ...lock });
    return this.vn(Vn.ADVLOCK, cookie, caller, message, nothing);
  }

  async getextattr(
    cookie: number,
    attrnamespace: number,
    name: string,
    room: number,
    caller: Caller,
  ): Promise<Uint8Array> {
    const { VnmsgGetextattr: layout } = wire;
    const resid = this.#whole(room);
    const message = this.#extattr(Vn.GETEXTATTR, layout, { attrnamespace, resid }, name, caller);
    const take: Decode<Uint8Array> = (bytes, length) => {
      const got = resid - readAll(layout, bytes).resid;
      return data(bytes, length, layout.offsets.data, got, resid, Err.GETEXTATTR);
    };
    return this.vn(Vn.GETEXTATTR, cookie, caller, message, take, { more: resid });
  }

  /** How long the value is. */
  async extattrSize(
    cookie: number,
    attrnamespace: number,
    name: string,
    caller: Caller,
  ): Promise<number> {
    const { VnmsgGetextattr: layout } = wire;
    const fields = { attrnamespace, datasize: 1 };
    const message = this.#extattr(Vn.GETEXTATTR, layout, fields, name, caller);
    const take: Decode<number> = (bytes) => readAll(layout, bytes).datasize;
    return this.vn(Vn.GETEXTATTR, cookie, caller, message, take);
  }

  async setextattr(
    cookie: number,
    attrnamespace: number,
    name: string,
    value: Uint8Array,
    caller: Caller,
  ): Promise<void> {
    const { VnmsgSetextattr: layout } = wire;
    const length = this.#whole(value.length);
    const fields = { attrnamespace, resid: length };
    const message = this.#extattr(Vn.SETEXTATTR, layout, fields, name, caller, length);
    message.set(value, layout.offsets.data);
    return this.vn(Vn.SETEXTATTR, cookie, caller, message, (bytes) => {
      if (readAll(layout, bytes).resid !== 0) throw new Errno("EIO");
    });
  }

  /** The names, each before a NUL, or behind its length with `prefixed`. */
  async listextattr(
    cookie: number,
    attrnamespace: number,
    room: number,
    caller: Caller,
    prefixed = false,
  ): Promise<Uint8Array> {
    this.require(Vn.LISTEXTATTR);
    const { VnmsgListextattr: layout } = wire;
    const resid = this.#whole(room);
    const flag = prefixed ? ExtattrList.LENPREFIX : 0;
    const message = withCred(layout, { attrnamespace, resid, flag }, caller);
    const take: Decode<Uint8Array> = (bytes, length) => {
      const got = resid - readAll(layout, bytes).resid;
      return data(bytes, length, layout.offsets.data, got, resid, Err.LISTEXTATTR);
    };
    return this.vn(Vn.LISTEXTATTR, cookie, caller, message, take, { more: resid });
  }

  async extattrListSize(cookie: number, attrnamespace: number, caller: Caller): Promise<number> {
    this.require(Vn.LISTEXTATTR);
    const { VnmsgListextattr: layout } = wire;
    const message = withCred(layout, { attrnamespace, datasize: 1 }, caller);
    const take: Decode<number> = (bytes) => readAll(layout, bytes).datasize;
    return this.vn(Vn.LISTEXTATTR, cookie, caller, message, take);
  }

  async deleteextattr(
    cookie: number,
    attrnamespace: number,
    name: string,
    caller: Caller,
  ): Promise<void> {
    const layout = wire.VnmsgDeleteextattr;
    const message = this.#extattr(Vn.DELETEEXTATTR, layout, { attrnamespace }, name, caller);
    return this.vn(Vn.DELETEEXTATTR, cookie, caller, message, nothing);
  }

  fallocate(cookie: number, off: number, len: number, caller: Caller = NOCRED): Promise<void> {
    const message = compose(wire.VnmsgFallocate, { off, len });
    return this.vn(Vn.FALLOCATE, cookie, caller, message, nothing);
  }

  /** The kernel of 2016 sends it as FALLOCATE, and so does this one. */
  fdiscard(cookie: number, off: number, len: number, caller: Caller = NOCRED): Promise<void> {
    const message = compose(wire.VnmsgFdiscard, { off, len });
    return this.vn(Vn.FALLOCATE, cookie, caller, message, nothing);
  }

  /** Any request about a node, its body as it is: for tests and fuzzers. The answer is the whole reply. */
  request(
    optype: number,
    cookie: number,
    message: Uint8Array,
    more = 0,
  ): { id: number; reply: Promise<Uint8Array> } {
    const take: Decode<Uint8Array> = (bytes, length) => bytes.slice(0, length);
    const reply = this.vn(optype, cookie, NOCRED, message, take, { more });
    return { id: this.lastId, reply };
  }

  async #make<T extends { newnode: number; va: Attributes; vaTtl: Time; cnTtl: Time }>(
    optype: number,
    layout: Making<T>,
    directory: number,
    name: string,
    va: Attributes,
    caller: Caller,
    fill: (message: Uint8Array) => void = () => {},
  ): Promise<Named> {
    this.require(optype);
    const cn = { name, nameiop: Nameiop.CREATE, flags: CnFlags.ISLASTCN | CnFlags.LOCKPARENT };
    const message = withName(layout, {}, cn, caller);
    wire.Vattr.write(viewOf(message), layout.offsets.va, va);
    fill(message);
    let made: number | undefined;
    try {
      return await this.vn(optype, directory, caller, message, (bytes) => {
        const { newnode, va: told, vaTtl, cnTtl } = readAll(layout, bytes);
        made = newnode;
        if (newnode === 0) throw new Errno("EOPNOTSUPP");
        this.made(newnode, va.type);
        return { newnode, va: told, vaTtl, cnTtl };
      });
    } catch (error) {
      if (made !== undefined) await this.#unmake(optype, directory, name, made, caller);
      throw error;
    }
  }

  /** What was made cannot be: it is taken away again. */
  async #unmake(
    optype: number,
    directory: number,
    name: string,
    cookie: number,
    caller: Caller,
  ): Promise<void> {
    const cn = { name, nameiop: Nameiop.CREATE, flags: CnFlags.ISLASTCN | CnFlags.LOCKPARENT };
    const [away, layout] =
      optype === Vn.MKDIR ? [Vn.RMDIR, wire.VnmsgRmdir] : [Vn.REMOVE, wire.VnmsgRemove];
    const message = withName(layout, { cookieTarg: cookie }, cn, caller);
    await this.vn(away, directory, caller, message, nothing).catch(() => {});
    await this.abandon(cookie);
  }

  /** A size that goes in one message, or E2BIG. */
  #whole(length: number): number {
    if (length > mostData(this.mount)) throw new Errno("E2BIG");
    return length;
  }

  /** What cannot be written is as on a mount that is only read. */
  #requireWrite(cookie: number, writes: number, types: readonly number[]): void {
    const vtype = this.nodes.get(cookie)?.vtype ?? Vtype.NON;
    if (writes !== 0 && !this.has(Vn.WRITE) && types.includes(vtype)) throw new Errno("EROFS");
  }

  async #name<T extends { cookieTarg: number }>(
    optype: number,
    layout: WithName<T>,
    directory: number,
    name: string,
    target: number,
    caller: Caller,
  ): Promise<void> {
    this.require(optype);
    const nameiop = optype === Vn.LINK ? Nameiop.CREATE : Nameiop.DELETE;
    const cn = { name, nameiop, flags: CnFlags.ISLASTCN | CnFlags.LOCKPARENT };
    const message = withName(layout, { cookieTarg: target } as Partial<T>, cn, caller);
    return this.vn(optype, directory, caller, message, nothing, { second: target });
  }

  #extattr<T extends object>(
    optype: number,
    layout: WithCred<T> & { readonly offsets: { readonly attrname: number } },
    fields: Partial<T>,
    name: string,
    caller: Caller,
    more = 0,
  ): Uint8Array {
    this.require(optype);
    const message = withCred(layout, fields, caller, more);
    putText(message, layout.offsets.attrname, name, Constants.EXTNAMELEN);
    return message;
  }

  #writing(offset: number, content: Uint8Array, caller: Caller, ioflag: number) {
    const { VnmsgRw: layout } = wire;
    const resid = Math.min(content.length, mostData(this.mount));
    const message = withCred(layout, { offset, resid, ioflag }, caller, resid);
    message.set(content.subarray(0, resid), layout.offsets.data);
    return { message, resid };
  }
}
