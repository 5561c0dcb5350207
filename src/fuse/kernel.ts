import { Errno } from "../errno.ts";
import { Span } from "../frame.ts";
import { S_IFMT } from "../mode.ts";
import { decodeName } from "../name.ts";
import type { Of } from "../struct.ts";
import {
  type DirectoryEntry,
  type DirectoryEntryPlus,
  decodeDirents,
  decodeDirentsPlus,
} from "./dirent.ts";
import { type Caller, type Decode, Exchange, KERNEL } from "./exchange.ts";
import { Constants, common, has, InitFlags, initFlags, initWords } from "./flags.ts";
import type { Foreign } from "./foreign.ts";
import * as foreign from "./foreign.ts";
import { Opcode } from "./opcodes.ts";
import {
  dataPart,
  decodeHead,
  decodeWhole,
  type Layout,
  namesPart,
  type Part,
  Refusal,
  structPart,
} from "./parts.ts";
import * as wire from "./structs.ts";

export {
  type Caller,
  KERNEL,
  type KernelEvents,
  ProtocolFault,
  type SentRequest,
} from "./exchange.ts";
export type { Foreign } from "./foreign.ts";

/** Members of an in-struct; those left out are zero. */
type In<S> = Partial<Of<S>>;
type Entry = Of<typeof foreign.EntryOut>;
type Attr = Of<typeof wire.AttrOut>;
type Open = Of<typeof foreign.OpenOut>;
export type Created = Entry & { readonly open: Open };

/** What is offered in INIT. */
export interface Offer {
  /** 8 to 45. Left out: 45. */
  readonly minor?: number;
  /** A set of `InitFlags`. Left out: none. */
  readonly flags?: number;
  readonly maxReadahead?: number;
}

/** What the two sides settled on: `flags` are those that both know. */
export interface Settled extends Of<typeof wire.InitOut> {
  readonly set: number;
}

/**
 * The kernel's part in the FUSE protocol, 7.8 to 7.45: asks a server, whoever wrote it. It asks what it is told to and
 * caches nothing; the order of calls, permissions and lookup counts are its user's. A request is a method of its opcode's name, with the
 * members of its in-struct under the header's names; it answers the out-struct or rejects with an Errno: that of the
 * server, EPROTO for an answer that is none, ENOTCONN after `end`.
 */
export class FuseKernel extends Exchange {
  /** What INIT brought; undefined before. */
  settled: Settled | undefined;

  /** The first request. Rejects with EPROTO if the server speaks another major version. */
  async init(offer: Offer = {}): Promise<Settled> {
    const { minor = Constants.KERNEL_MINOR_VERSION, flags: offered = 0, maxReadahead = 0 } = offer;
    const major = Constants.KERNEL_VERSION;
    this.minor = minor;
    const fields = { major, minor, maxReadahead, ...initWords(offered) };
    const body = structPart(wire.InitIn.at(minor), fields);
    const out = await this.ask(Opcode.INIT, 0, KERNEL, initOut, body);
    if (out.major !== major)
      throw new Errno("EPROTO", `the server speaks ${out.major}.${out.minor}`);
    this.minor = Math.min(minor, out.minor);
    const extended = has(out.flags, InitFlags.INIT_EXT);
    const set = common(offered, initFlags(out.flags, extended ? out.flags2 : 0));
    // fs/fuse/inode.c, process_init_reply: never less than a page.
    const maxWrite = Math.max(4096, out.maxWrite);
    this.settled = { ...out, maxWrite, set };
    this.keeps = this.agreed("HAS_RESEND");
    return this.settled;
  }

  /** Whether both sides have a flag of INIT. */
  agreed(flag: keyof typeof InitFlags): boolean {
    return has(this.settled?.set ?? 0, InitFlags[flag]);
  }

  /** `nodeid` 0 in the answer: there is no such name, and that may be believed for `entryValid`. */
  lookup(parent: Foreign, name: string, caller: Caller): Promise<Entry> {
    return this.ask(Opcode.LOOKUP, parent, caller, this.#entry, namesPart(name));
  }

  /** Takes back lookups: each answer that brought a node counted one. */
  forget(nodeid: Foreign, nlookup: number, caller = KERNEL): void {
    this.tell(Opcode.FORGET, nodeid, caller, structPart(wire.ForgetIn, { nlookup }));
  }

  /** 7.16. */
  batchForget(forgets: readonly Of<typeof foreign.ForgetOne>[]): void {
    const head = structPart(wire.BatchForgetIn, { count: forgets.length });
    const each = forgets.map((one) => structPart(foreign.ForgetOne, one));
    this.tell(Opcode.BATCH_FORGET, 0, KERNEL, head, ...each);
  }

  getattr(nodeid: Foreign, fields: In<typeof foreign.GetattrIn>, caller: Caller): Promise<Attr> {
    return this.ask(
      Opcode.GETATTR,
      nodeid,
      caller,
      this.#attr,
      this.#in(foreign.GetattrIn, fields),
    );
  }

  /** 7.39. */
  statx(nodeid: Foreign, fields: In<typeof foreign.StatxIn>, caller: Caller) {
    const body = this.#in(foreign.StatxIn, fields);
    return this.ask(Opcode.STATX, nodeid, caller, this.#out(wire.StatxOut), body);
  }

  setattr(nodeid: Foreign, fields: In<typeof foreign.SetattrIn>, caller: Caller): Promise<Attr> {
    return this.ask(
      Opcode.SETATTR,
      nodeid,
      caller,
      this.#attr,
      this.#in(foreign.SetattrIn, fields),
    );
  }

  readlink(nodeid: Foreign, caller: Caller): Promise<string> {
    return this.ask(Opcode.READLINK, nodeid, caller, target);
  }

  symlink(parent: Foreign, name: string, text: string, caller: Caller): Promise<Entry> {
    return this.ask(Opcode.SYMLINK, parent, caller, this.#child, namesPart(name, text));
  }

  mknod(
    parent: Foreign,
    name: string,
    fields: In<typeof wire.MknodIn>,
    caller: Caller,
  ): Promise<Entry> {
    const body = this.#in(wire.MknodIn, this.#masked(fields, caller));
    return this.ask(Opcode.MKNOD, parent, caller, this.#child, body, namesPart(name));
  }

  mkdir(
    parent: Foreign,
    name: string,
    fields: In<typeof wire.MkdirIn>,
    caller: Caller,
  ): Promise<Entry> {
    const body = this.#in(wire.MkdirIn, this.#masked(fields, caller));
    return this.ask(Opcode.MKDIR, parent, caller, this.#child, body, namesPart(name));
  }

  unlink(parent: Foreign, name: string, caller: Caller): Promise<void> {
    return this.ask(Opcode.UNLINK, parent, caller, nothing, namesPart(name));
  }

  rmdir(parent: Foreign, name: string, caller: Caller): Promise<void> {
    return this.ask(Opcode.RMDIR, parent, caller, nothing, namesPart(name));
  }

  rename(
    parent: Foreign,
    name: string,
    newdir: Foreign,
    newName: string,
    caller: Caller,
  ): Promise<void> {
    const body = this.#in(foreign.RenameIn, { newdir });
    return this.ask(Opcode.RENAME, parent, caller, nothing, body, namesPart(name, newName));
  }

  /** 7.23. */
  rename2(
    parent: Foreign,
    name: string,
    newdir: Foreign,
    newName: string,
    flags: number,
    caller: Caller,
  ): Promise<void> {
    const body = this.#in(foreign.Rename2In, { newdir, flags });
    return this.ask(Opcode.RENAME2, parent, caller, nothing, body, namesPart(name, newName));
  }

  link(oldnodeid: Foreign, parent: Foreign, name: string, caller: Caller): Promise<Entry> {
    const body = this.#in(foreign.LinkIn, { oldnodeid });
    return this.ask(Opcode.LINK, parent, caller, this.#child, body, namesPart(name));
  }

  open(nodeid: Foreign, fields: In<typeof wire.OpenIn>, caller: Caller): Promise<Open> {
    const body = this.#in(wire.OpenIn, fields);
    return this.ask(Opcode.OPEN, nodeid, caller, this.#out(foreign.OpenOut), body);
  }

  opendir(nodeid: Foreign, fields: In<typeof wire.OpenIn>, caller: Caller): Promise<Open> {
    const body = this.#in(wire.OpenIn, fields);
    return this.ask(Opcode.OPENDIR, nodeid, caller, this.#out(foreign.OpenOut), body);
  }

  create(
    parent: Foreign,
    name: string,
    fields: In<typeof wire.CreateIn>,
    caller: Caller,
  ): Promise<Created> {
    const body = this.#in(wire.CreateIn, this.#masked(fields, caller));
    return this.ask(Opcode.CREATE, parent, caller, this.#created, body, namesPart(name));
  }

  /** 7.37. The name is one that Linux makes up; servers have no use for it. */
  tmpfile(parent: Foreign, fields: In<typeof wire.CreateIn>, caller: Caller): Promise<Created> {
    const body = this.#in(wire.CreateIn, this.#masked(fields, caller));
    return this.ask(Opcode.TMPFILE, parent, caller, this.#created, body, namesPart("#tmp"));
  }

  /** At most `size` bytes, as a copy. */
  read(nodeid: Foreign, fields: In<typeof foreign.ReadIn>, caller: Caller): Promise<Uint8Array> {
    const body = this.#in(foreign.ReadIn, fields);
    return this.ask(Opcode.READ, nodeid, caller, upTo(fields.size ?? 0), body);
  }

  /** Likewise, `into.length` bytes at most, written there; answers how many. `into` is written to when the reply comes. */
  readInto(
    nodeid: Foreign,
    fields: In<typeof foreign.ReadIn>,
    into: Uint8Array,
    caller: Caller,
  ): Promise<number> {
    const body = this.#in(foreign.ReadIn, { ...fields, size: into.length });
    const decode = (out: Span) => {
      if (out.length > into.length)
        throw new Refusal(`${out.length} bytes where ${into.length} were asked for`);
      into.set(out.part());
      return out.length;
    };
    return this.ask(Opcode.READ, nodeid, caller, decode, body);
  }

  /** How many bytes of `data` were taken. */
  write(
    nodeid: Foreign,
    fields: In<typeof foreign.WriteIn>,
    data: Uint8Array,
    caller: Caller,
  ): Promise<number> {
    const body = this.#in(foreign.WriteIn, { ...fields, size: data.length });
    return this.ask(Opcode.WRITE, nodeid, caller, this.#written(data.length), body, dataPart(data));
  }

  release(nodeid: Foreign, fields: In<typeof foreign.ReleaseIn>, caller: Caller): Promise<void> {
    return this.ask(Opcode.RELEASE, nodeid, caller, nothing, this.#in(foreign.ReleaseIn, fields));
  }

  releasedir(nodeid: Foreign, fields: In<typeof foreign.ReleaseIn>, caller: Caller): Promise<void> {
    return this.ask(
      Opcode.RELEASEDIR,
      nodeid,
      caller,
      nothing,
      this.#in(foreign.ReleaseIn, fields),
    );
  }

  flush(nodeid: Foreign, fields: In<typeof foreign.FlushIn>, caller: Caller): Promise<void> {
    return this.ask(Opcode.FLUSH, nodeid, caller, nothing, this.#in(foreign.FlushIn, fields));
  }

  fsync(nodeid: Foreign, fields: In<typeof foreign.FsyncIn>, caller: Caller): Promise<void> {
    return this.ask(Opcode.FSYNC, nodeid, caller, nothing, this.#in(foreign.FsyncIn, fields));
  }

  fsyncdir(nodeid: Foreign, fields: In<typeof foreign.FsyncIn>, caller: Caller): Promise<void> {
    return this.ask(Opcode.FSYNCDIR, nodeid, caller, nothing, this.#in(foreign.FsyncIn, fields));
  }

  async statfs(nodeid: Foreign, caller: Caller): Promise<Of<typeof wire.Kstatfs>> {
    const { st } = await this.ask(Opcode.STATFS, nodeid, caller, this.#out(wire.StatfsOut));
    return st;
  }

  setxattr(
    nodeid: Foreign,
    name: string,
    value: Uint8Array,
    fields: In<typeof wire.SetxattrIn>,
    caller: Caller,
  ): Promise<void> {
    const layout = wire.SetxattrIn.at(this.agreed("SETXATTR_EXT") ? this.minor : 32);
    const body = structPart(layout, { ...fields, size: value.length });
    const names = namesPart(name);
    return this.ask(Opcode.SETXATTR, nodeid, caller, nothing, body, names, dataPart(value));
  }

  /** The value, at most `size` (above 0) bytes; ERANGE if it is longer. */
  getxattr(nodeid: Foreign, name: string, size: number, caller: Caller): Promise<Uint8Array> {
    const body = this.#in(wire.GetxattrIn, { size });
    return this.ask(Opcode.GETXATTR, nodeid, caller, upTo(size), body, namesPart(name));
  }

  /** How long the value is. */
  getxattrSize(nodeid: Foreign, name: string, caller: Caller): Promise<number> {
    const body = this.#in(wire.GetxattrIn, { size: 0 });
    return this.ask(Opcode.GETXATTR, nodeid, caller, this.#xattrSize, body, namesPart(name));
  }

  /** The names, each with a NUL, at most `size` (above 0) bytes; ERANGE if there is more. */
  listxattr(nodeid: Foreign, size: number, caller: Caller): Promise<Uint8Array> {
    const body = this.#in(wire.GetxattrIn, { size });
    return this.ask(Opcode.LISTXATTR, nodeid, caller, upTo(size), body);
  }

  /** How many bytes the names take. */
  listxattrSize(nodeid: Foreign, caller: Caller): Promise<number> {
    const body = this.#in(wire.GetxattrIn, { size: 0 });
    return this.ask(Opcode.LISTXATTR, nodeid, caller, this.#xattrSize, body);
  }

  removexattr(nodeid: Foreign, name: string, caller: Caller): Promise<void> {
    return this.ask(Opcode.REMOVEXATTR, nodeid, caller, nothing, namesPart(name));
  }

  access(nodeid: Foreign, mask: number, caller: Caller): Promise<void> {
    const body = this.#in(wire.AccessIn, { mask });
    return this.ask(Opcode.ACCESS, nodeid, caller, nothing, body);
  }

  async getlk(nodeid: Foreign, fields: In<typeof foreign.LkIn>, caller: Caller) {
    const body = this.#in(foreign.LkIn, fields);
    const { lk } = await this.ask(Opcode.GETLK, nodeid, caller, this.#out(wire.LkOut), body);
    return lk;
  }

  setlk(nodeid: Foreign, fields: In<typeof foreign.LkIn>, caller: Caller): Promise<void> {
    return this.ask(Opcode.SETLK, nodeid, caller, nothing, this.#in(foreign.LkIn, fields));
  }

  setlkw(nodeid: Foreign, fields: In<typeof foreign.LkIn>, caller: Caller): Promise<void> {
    return this.ask(Opcode.SETLKW, nodeid, caller, nothing, this.#in(foreign.LkIn, fields));
  }

  async bmap(nodeid: Foreign, fields: In<typeof wire.BmapIn>, caller: Caller): Promise<number> {
    const body = this.#in(wire.BmapIn, fields);
    const { block } = await this.ask(Opcode.BMAP, nodeid, caller, this.#out(wire.BmapOut), body);
    return block;
  }

  /** 7.11. `data` of the answer is what the command returned, at most `outSize` bytes. */
  ioctl(
    nodeid: Foreign,
    fields: In<typeof foreign.IoctlIn>,
    data: Uint8Array,
    caller: Caller,
  ): Promise<Of<typeof wire.IoctlOut> & { readonly data: Uint8Array }> {
    const body = this.#in(foreign.IoctlIn, { ...fields, inSize: data.length });
    const decode = (out: Span) => {
      const head = decodeHead(wire.IoctlOut, out);
      return { ...head, data: upTo(fields.outSize ?? 0)(out.after(wire.IoctlOut.size)) };
    };
    return this.ask(Opcode.IOCTL, nodeid, caller, decode, body, dataPart(data));
  }

  /** 7.11. Which events hold. */
  async poll(nodeid: Foreign, fields: In<typeof foreign.PollIn>, caller: Caller): Promise<number> {
    const body = this.#in(foreign.PollIn, fields);
    const { revents } = await this.ask(Opcode.POLL, nodeid, caller, this.#out(wire.PollOut), body);
    return revents;
  }

  /** 7.19. */
  fallocate(
    nodeid: Foreign,
    fields: In<typeof foreign.FallocateIn>,
    caller: Caller,
  ): Promise<void> {
    const body = this.#in(foreign.FallocateIn, fields);
    return this.ask(Opcode.FALLOCATE, nodeid, caller, nothing, body);
  }

  /** An empty answer is the end of the directory. */
  readdir(
    nodeid: Foreign,
    fields: In<typeof foreign.ReaddirIn>,
    caller: Caller,
  ): Promise<DirectoryEntry[]> {
    const bounded = upTo(fields.size ?? 0);
    const decode = (out: Span) => someOf(decodeDirents(bounded(out)), out);
    return this.ask(Opcode.READDIR, nodeid, caller, decode, this.#in(foreign.ReaddirIn, fields));
  }

  /** 7.21. Each entry with a node counts one lookup, save "." and "..". */
  readdirplus(
    nodeid: Foreign,
    fields: In<typeof foreign.ReaddirIn>,
    caller: Caller,
  ): Promise<DirectoryEntryPlus[]> {
    const bounded = upTo(fields.size ?? 0);
    const decode = (out: Span) =>
      someOf(decodeDirentsPlus(bounded(out), foreign.EntryOut.at(this.minor)), out);
    return this.ask(
      Opcode.READDIRPLUS,
      nodeid,
      caller,
      decode,
      this.#in(foreign.ReaddirIn, fields),
    );
  }

  /** 7.24. */
  async lseek(
    nodeid: Foreign,
    fields: In<typeof foreign.LseekIn>,
    caller: Caller,
  ): Promise<number> {
    const body = this.#in(foreign.LseekIn, fields);
    const out = await this.ask(Opcode.LSEEK, nodeid, caller, this.#out(wire.LseekOut), body);
    return out.offset;
  }

  /** 7.28. How many bytes were copied; below 2^32. */
  copyFileRange(
    nodeid: Foreign,
    fields: In<typeof foreign.CopyFileRangeIn>,
    caller: Caller,
  ): Promise<number> {
    const body = this.#in(foreign.CopyFileRangeIn, fields);
    const decode = this.#written(fields.len ?? 0);
    return this.ask(Opcode.COPY_FILE_RANGE, nodeid, caller, decode, body);
  }

  /** 7.45. How many bytes were copied. */
  async copyFileRange64(
    nodeid: Foreign,
    fields: In<typeof foreign.CopyFileRangeIn>,
    caller: Caller,
  ): Promise<number> {
    const body = this.#in(foreign.CopyFileRangeIn, fields);
    const decode = this.#out(wire.CopyFileRangeOut);
    const out = await this.ask(Opcode.COPY_FILE_RANGE_64, nodeid, caller, decode, body);
    return out.bytesCopied;
  }

  /** 7.34. */
  syncfs(nodeid: Foreign, caller: Caller): Promise<void> {
    return this.ask(Opcode.SYNCFS, nodeid, caller, nothing, this.#in(wire.SyncfsIn, {}));
  }

  /** The last request; the server's transport may be closed after it. */
  destroy(caller = KERNEL): Promise<void> {
    return this.ask(Opcode.DESTROY, 0, caller, nothing);
  }

  /** The answer to the notification "retrieve", 7.15. */
  notifyReply(notifyUnique: Foreign, nodeid: Foreign, offset: number, data: Uint8Array): void {
    const body = this.#in(wire.NotifyRetrieveIn, { offset, size: data.length });
    this.tellAs(notifyUnique, Opcode.NOTIFY_REPLY, nodeid, KERNEL, body, dataPart(data));
  }

  #in<T extends object>(layout: Versioned<T>, fields: Partial<T>): Part {
    return structPart(layout.at(this.minor), fields);
  }

  #out<T>(layout: Versioned<T>): Decode<T> {
    return (out) => decodeWhole(layout.at(this.minor), out);
  }

  /** The umask goes along, and is applied unless the server said DONT_MASK. */
  #masked<T extends { mode: number }>(fields: Partial<T>, { umask = 0 }: Caller): Partial<T> {
    const { mode = 0 } = fields;
    return { ...fields, mode: this.agreed("DONT_MASK") ? mode : mode & ~umask, umask };
  }

  #attr: Decode<Attr> = (out) => {
    const fields = decodeWhole(wire.AttrOut.at(this.minor), out);
    checkKind(fields.attr.mode);
    return fields;
  };

  #entry: Decode<Entry> = (out) => {
    const entry = decodeWhole(foreign.EntryOut.at(this.minor), out);
    if (entry.nodeid !== 0) this.#checkKept(entry);
    return entry;
  };

  /** Of what was just made: it has a node, and not the root's. */
  #child: Decode<Entry> = (out) => {
    const entry = decodeWhole(foreign.EntryOut.at(this.minor), out);
    if (entry.nodeid === 0 || entry.nodeid === Constants.ROOT_ID)
      throw new Refusal(`node ${entry.nodeid} for what was made`);
    this.#checkKept(entry);
    return entry;
  };

  #created: Decode<Created> = (out) => {
    const { size } = foreign.EntryOut.at(this.minor);
    const open = this.#out(foreign.OpenOut)(out.after(Math.min(size, out.length)));
    return { ...this.#child(new Span(out.bytes, out.view, out.start, size)), open };
  };

  /** A node that we refuse was counted all the same. */
  #checkKept({ nodeid, attr }: Entry): void {
    try {
      checkKind(attr.mode);
    } catch (error) {
      this.forget(nodeid, 1);
      throw error;
    }
  }

  #written(length: number): Decode<number> {
    return (out) => {
      const { size } = decodeWhole(wire.WriteOut, out);
      if (size > length) throw new Refusal(`${size} bytes taken of ${length}`);
      return size;
    };
  }

  #xattrSize: Decode<number> = (out) => this.#out(wire.GetxattrOut)(out).size;
}

interface Versioned<T> extends Layout<T> {
  at(minor: number): Layout<T>;
}

/** The reply to INIT is as long as its server likes: what is missing is zero (fs/fuse/inode.c: out_argvar). */
function initOut(out: Span): Of<typeof wire.InitOut> {
  const least = wire.InitOut.at(4).size;
  if (out.length < least) throw new Refusal(`INIT answered with ${out.length} bytes`);
  const whole = new Uint8Array(wire.InitOut.size);
  whole.set(out.part().subarray(0, whole.length));
  return decodeWhole(wire.InitOut, new Span(whole));
}

function nothing({ length }: Span): void {
  if (length > 0) throw new Refusal(`${length} bytes where none are due`);
}

function upTo(size: number): Decode<Uint8Array> {
  return (out) => {
    if (out.length > size) throw new Refusal(`${out.length} bytes where ${size} were asked for`);
    return out.part().slice();
  };
}

/** Bytes that hold no entry would look like the end of the directory. */
function someOf<Entry>(entries: Entry[], { length }: Span): Entry[] {
  if (entries.length === 0 && length > 0) throw new Refusal(`${length} bytes without an entry`);
  return entries;
}

function target({ bytes, start, length }: Span): string {
  return decodeName(bytes, start, start + length);
}

const KINDS: ReadonlySet<number> = new Set([
  0o010000, 0o020000, 0o040000, 0o060000, 0o100000, 0o120000, 0o140000,
]);

function checkKind(mode: number): void {
  if (!KINDS.has(mode & S_IFMT)) throw new Refusal(`mode 0${mode.toString(8)} has no kind`);
}
