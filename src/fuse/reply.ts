import { type Awaitable, isPromise } from "../awaitable.ts";
import { ERANGE, Errno } from "../errno.ts";
import { OpenFile } from "../files.ts";
import { S_IFDIR, S_IFMT } from "../mode.ts";
import { encodeName, nameLength } from "../name.ts";
import type { Vnode } from "../nodes.ts";
import { Nonsense } from "../nonsense.ts";
import type { Attributes, FileSystemStatistics, Lock } from "../operations.ts";
import { after, attempt, NO_REPLY, type Outcome } from "../outcome.ts";
import type { Of, Struct } from "../struct.ts";
import { attributeValidity, entryValidity, fillAttr } from "./attr.ts";
import { type FuseCall, PAYLOAD } from "./call.ts";
import { FopenFlags, LockType } from "./flags.ts";
import * as wire from "./structs.ts";
import type { Validity } from "./validity.ts";

/*
 * From what an operation answered to the payload of the reply. Each function writes into the call's frame and
 * answers how many bytes it wrote, or an error.
 */

export { after, attempt, NO_REPLY, type Outcome };

/** An operation that answers nothing. */
export function empty(): number {
  return 0;
}

/** LOOKUP: a node or null. */
export function found(call: FuseCall, node: object | null): Outcome {
  if (node !== null) return entry(call, node);
  return absent(call, call.connection.negativeValidity);
}

/** There is no such name, and for how long that may be believed. */
export function absent(call: FuseCall, { sec, nsec }: Validity): number | Errno {
  if (sec === 0 && nsec === 0) return NOT_FOUND;
  const { entry: out } = call.scratch;
  out.nodeid = 0;
  out.generation = 0;
  out.entryValid = sec;
  out.entryValidNsec = nsec;
  out.attrValid = 0;
  out.attrValidNsec = 0;
  return put(call, wire.EntryOut, out);
}

const NOT_FOUND = new Errno("ENOENT");

/** A node that is handed to the kernel under a name. */
export function entry(call: FuseCall, node: object): Outcome {
  checkNode(node);
  // Before anything can fail: a node that the plugin answered is either known to the kernel or reclaimed.
  const vnode = handOut(call, node);
  const attributes = attributesOf(call, node);
  if (isPromise(attributes))
    return Promise.resolve(attributes).then((late) => entryWith(call, vnode, late));
  return entryWith(call, vnode, attributes as Attributes | Errno);
}

/** The kernel has one more lookup of the node from here on, if the reply goes out. */
function handOut(call: FuseCall, node: object): Vnode {
  const vnode = call.connection.vnodes.handOut(node);
  call.handedOut.push(vnode);
  return vnode;
}

/** Nodes are objects. */
export function checkNode(node: object): void {
  if (typeof node !== "object" || node === null)
    throw new Nonsense(`a node is ${Bun.inspect(node)}`);
}

function entryWith(call: FuseCall, vnode: Vnode, attributes: Attributes | Errno): number | Errno {
  if (attributes instanceof Errno) return attributes;
  return writeEntry(call, vnode, attributes, PAYLOAD);
}

/** EntryOut at `at` of the reply, of a node that is handed out with it. */
export function fillEntry(
  call: FuseCall,
  node: object,
  attributes: Attributes,
  at: number,
): number {
  return writeEntry(call, handOut(call, node), attributes, at);
}

function writeEntry(call: FuseCall, vnode: Vnode, attributes: Attributes, at: number): number {
  const { entry: out } = call.scratch;
  fillAttr(out.attr, attributes, vnode);
  if (isDirectory(attributes)) vnode.parent = call.vnode;
  const name = entryValidity(call, attributes);
  const attr = attributeValidity(call, attributes);
  out.nodeid = vnode.id;
  out.generation = vnode.generation;
  out.entryValid = name.sec;
  out.entryValidNsec = name.nsec;
  out.attrValid = attr.sec;
  out.attrValidNsec = attr.nsec;
  const struct = wire.EntryOut.at(minorOf(call));
  struct.write(call.frame.replyView, at, out);
  return struct.size;
}

/** What the plugin tells of a node, asked through the call. */
export function attributesOf(call: FuseCall, node: object): Awaitable<Attributes | Errno> {
  const { node: operations } = call.connection;
  return operations.getattr ? operations.getattr(node, call) : NO_ATTRIBUTES;
}

const NO_ATTRIBUTES = new Errno("ENOSYS");

/** GETATTR, and SETATTR where the plugin answered attributes. */
export function attributes(call: FuseCall, value: Attributes): number {
  const { attr: out } = call.scratch;
  fillAttr(out.attr, value, call.vnode);
  const { sec, nsec } = attributeValidity(call, value);
  out.attrValid = sec;
  out.attrValidNsec = nsec;
  return put(call, wire.AttrOut, out);
}

/** STATX: the same attributes, with the time of birth where it is known. */
export function statx(call: FuseCall, value: Attributes): number {
  const { attr } = call.scratch.attr;
  fillAttr(attr, value, call.vnode);
  const { sec, nsec } = attributeValidity(call, value);
  const { birthtime } = value;
  const time = (tvSec: number, tvNsec: number) => ({ tvSec, tvNsec });
  return put(call, wire.StatxOut, {
    attrValid: sec,
    attrValidNsec: nsec,
    flags: 0,
    stat: {
      mask: birthtime ? STATX_BASIC_STATS | STATX_BTIME : STATX_BASIC_STATS,
      blksize: attr.blksize,
      attributes: 0,
      nlink: attr.nlink,
      uid: attr.uid,
      gid: attr.gid,
      mode: attr.mode,
      ino: attr.ino,
      size: attr.size,
      blocks: attr.blocks,
      attributesMask: 0,
      atime: time(attr.atime, attr.atimensec),
      btime: birthtime ? time(birthtime.sec, birthtime.nsec) : time(0, 0),
      ctime: time(attr.ctime, attr.ctimensec),
      mtime: time(attr.mtime, attr.mtimensec),
      rdevMajor: (attr.rdev >>> 8) & 0xfff,
      rdevMinor: (attr.rdev & 0xff) | ((attr.rdev >>> 12) & 0xfff00),
      devMajor: 0,
      devMinor: 0,
    },
  });
}

/** statx(2): which fields of struct statx count. */
const STATX_BASIC_STATS = 0x7ff;
const STATX_BTIME = 0x800;

/** OPEN, OPENDIR: the file becomes known to the kernel. */
export function opened(call: FuseCall): number {
  return openOut(call, PAYLOAD);
}

/** OpenOut at `at`, for the call's file. */
export function openOut(call: FuseCall, at: number): number {
  const { open: out } = call.scratch;
  const { file, connection } = call;
  if (file && keeps(call, file)) connection.files.add(file);
  call.opened = true;
  out.fh = file?.handle ?? 0;
  out.openFlags = file ? fopen(file) : 0;
  out.backingId = 0;
  wire.OpenOut.write(call.frame.replyView, at, out);
  return wire.OpenOut.size;
}

/** Whether anything is to be remembered of an open until it ends. */
function keeps(call: FuseCall, file: OpenFile): boolean {
  const { node } = call.connection;
  return Boolean(file.scan || file.data !== undefined || node.open || node.close || node.inactive);
}

function fopen(file: OpenFile): number {
  return (
    (file.directIo ? FopenFlags.DIRECT_IO : 0) |
    (file.keepCache ? FopenFlags.KEEP_CACHE : 0) |
    (file.stream ? FopenFlags.STREAM | FopenFlags.NONSEEKABLE : 0) |
    (file.cacheDirectory ? FopenFlags.CACHE_DIR | FopenFlags.KEEP_CACHE : 0) |
    (file.noFlush ? FopenFlags.NOFLUSH : 0) |
    (file.parallelWrites ? FopenFlags.PARALLEL_DIRECT_WRITES : 0)
  );
}

/** A file about to be opened, cached as the mount says. */
export function newFile(call: FuseCall, node: object, flags: number): OpenFile {
  const { connection } = call;
  const { wishes, fileSystem } = connection;
  const vnode = connection.vnodes.of(node) ?? call.vnode;
  const keep = Boolean(wishes.kernelCache || fileSystem.keepsContent);
  return new OpenFile(vnode, flags, Boolean(wishes.directIo), keep);
}

/** READ: the operation says how many bytes it wrote in place. */
export function readCount(call: FuseCall, count: number): number {
  return checkedCount(call, count, "read");
}

/** WRITE, COPY_FILE_RANGE. */
export function written(call: FuseCall, count: number): number {
  const size = checkedCount(call, count, "write");
  const view = call.frame.replyView;
  view.setUint32(PAYLOAD, size, true);
  view.setUint32(PAYLOAD + 4, 0, true);
  return wire.WriteOut.size;
}

/** An operation's count of bytes, at most `call.limit`. */
function checkedCount(call: FuseCall, count: number, what: string): number {
  if (count >>> 0 !== count || count > call.limit)
    throw new Nonsense(`${what} answered ${Bun.inspect(count)} of ${call.limit} bytes`);
  return count;
}

/** READLINK. */
export function target(call: FuseCall, text: string): number {
  if (typeof text !== "string") throw new Nonsense(`a link's target is ${Bun.inspect(text)}`);
  const length = nameLength(text);
  if (length === 0 || length > 4095 || text.includes("\0"))
    throw new Nonsense(`a link's target is ${Bun.inspect(text.slice(0, 100))}, ${length} bytes`);
  return encodeName(text, call.frame.reply, PAYLOAD);
}

/** STATFS. */
export function statistics(call: FuseCall, value: FileSystemStatistics): number {
  const st = {
    blocks: value.blocks,
    bfree: value.bfree,
    bavail: value.bavail,
    files: value.files,
    ffree: value.ffree,
    bsize: value.bsize ?? value.frsize,
    namelen: value.namemax ?? 255,
    frsize: value.frsize,
  };
  for (const [name, number] of Object.entries(st))
    if (!(Number.isSafeInteger(number) && number >= 0 && (number < 2 ** 32 || COUNTS.has(name))))
      throw new Nonsense(`statvfs: ${name} is ${Bun.inspect(number)}`);
  return put(call, wire.StatfsOut, { st });
}

/** Fields of StatfsOut that have 64 bits. */
const COUNTS: ReadonlySet<string> = new Set(["blocks", "bfree", "bavail", "files", "ffree"]);

/** GETXATTR, LISTXATTR: the bytes, or with no room asked for (`call.limit` 0) their number. */
export function attributeBytes(call: FuseCall, value: Uint8Array): number | Errno {
  if (!(value instanceof Uint8Array))
    throw new Nonsense(`an extended attribute is ${Bun.inspect(value)}`);
  if (call.limit === 0) return put(call, wire.GetxattrOut, { size: value.length });
  if (value.length > call.limit) return ERANGE;
  call.frame.reply.set(value, PAYLOAD);
  return value.length;
}

/** GETLK: the lock in the way, or none. */
export function lock(call: FuseCall, value: Lock): number {
  const type = LOCK_TYPES.get(value?.type);
  const { start, end, pid } = value ?? {};
  const isRange = Number.isSafeInteger(start) && start >= 0 && end >= start;
  const isWhole = Number.isSafeInteger(end) || end === Number.POSITIVE_INFINITY;
  if (type === undefined || !isRange || !isWhole || pid >>> 0 !== pid)
    throw new Nonsense(`a lock is ${Bun.inspect(value)}`);
  return put(call, wire.LkOut, { lk: { start, end, type, pid } });
}

const LOCK_TYPES: ReadonlyMap<Lock["type"], number> = new Map([
  ["read", LockType.RDLCK],
  ["write", LockType.WRLCK],
  ["unlock", LockType.UNLCK],
]);

/** LSEEK. */
export function position(call: FuseCall, offset: number): number {
  if (!(Number.isSafeInteger(offset) && offset >= 0))
    throw new Nonsense(`seek answered ${Bun.inspect(offset)}`);
  return put(call, wire.LseekOut, { offset });
}

/** BMAP. */
export function block(call: FuseCall, number: number): number {
  if (!(Number.isSafeInteger(number) && number >= 0))
    throw new Nonsense(`bmap answered ${Bun.inspect(number)}`);
  return put(call, wire.BmapOut, { block: number });
}

/** POLL. */
export function events(call: FuseCall, revents: number): number {
  if (revents >>> 0 !== revents) throw new Nonsense(`poll answered ${Bun.inspect(revents)}`);
  return put(call, wire.PollOut, { revents });
}

/** IOCTL: the result and what goes back to the caller's memory. */
export function ioctlResult(
  call: FuseCall,
  value: { result: number; output?: Uint8Array },
): number {
  const output = value?.output ?? NOTHING;
  const isResult = (value?.result | 0) === value?.result;
  if (!isResult || !(output instanceof Uint8Array && output.length <= call.limit))
    throw new Nonsense(`ioctl answered ${Bun.inspect(value)}, room was ${call.limit} bytes`);
  const size = put(call, wire.IoctlOut, { result: value.result, flags: 0, inIovs: 0, outIovs: 0 });
  call.frame.reply.set(output, PAYLOAD + size);
  return size + output.length;
}

const NOTHING = new Uint8Array(0);

/** Write one struct as the whole payload. */
// biome-ignore lint/suspicious/noExplicitAny: a struct of any fields, and a value of its type
export function put<S extends Struct<any>>(call: FuseCall, struct: S, value: Of<S>): number {
  const layout = struct.at(minorOf(call));
  layout.write(call.frame.replyView, PAYLOAD, value);
  return layout.size;
}

function minorOf(call: FuseCall): number {
  return call.connection.agreement?.minor ?? 0;
}

function isDirectory(attributes: Attributes): boolean {
  return (attributes.mode & S_IFMT) === S_IFDIR;
}
