import { S_IFMT } from "../mode.ts";
import type { Vnode } from "../nodes.ts";
import type { Attributes, Changes, Time } from "../operations.ts";
import type { Of } from "../struct.ts";
import type { FuseCall } from "./call.ts";
import { FattrFlags } from "./flags.ts";
import type * as wire from "./structs.ts";
import { type Validity, validity } from "./validity.ts";

type Attr = Of<typeof wire.Attr>;

/** A value from a plugin that cannot be: a bug, logged with its stack and answered EIO. */
export class Nonsense extends Error {
  override readonly name = "Nonsense";
}

/** What a plugin tells of a node, checked and in the kernel's struct. */
export function fillAttr(target: Attr, attributes: Attributes, vnode: Vnode): void {
  const { mode, nlink, uid, gid, size, atime, mtime, ctime } = attributes;
  if (!(Number.isSafeInteger(size) && size >= 0)) throw new Nonsense(`size is ${text(size)}`);
  if (!(isWord(mode) && KINDS[mode >>> 12])) throw new Nonsense(`mode is ${text(mode)}`);
  if (!(isWord(nlink) && isWord(uid) && isWord(gid)))
    throw new Nonsense(`nlink, uid, gid are ${text(nlink)}, ${text(uid)}, ${text(gid)}`);
  const ino = attributes.ino ?? vnode.id;
  const blocks = attributes.blocks ?? Math.ceil(size / 512);
  const blksize = attributes.blksize ?? 4096;
  const rdev = attributes.rdev ?? 0;
  if (!(Number.isSafeInteger(ino) && ino > 0 && Number.isSafeInteger(blocks) && blocks >= 0))
    throw new Nonsense(`ino, blocks are ${text(ino)}, ${text(blocks)}`);
  if (!(isWord(blksize) && isWord(rdev)))
    throw new Nonsense(`blksize, rdev are ${text(blksize)}, ${text(rdev)}`);
  target.ino = ino;
  target.size = size;
  target.blocks = blocks;
  target.atime = seconds(atime);
  target.atimensec = atime.nsec;
  target.mtime = seconds(mtime);
  target.mtimensec = mtime.nsec;
  target.ctime = seconds(ctime);
  target.ctimensec = ctime.nsec;
  target.mode = mode;
  target.nlink = nlink;
  target.uid = uid;
  target.gid = gid;
  target.rdev = rdev;
  target.blksize = blksize;
}

/** For how long attributes may be believed: the answer's own word, else the mount's. */
export function attributeValidity(call: FuseCall, attributes: Attributes): Validity {
  const own = attributes.attrTimeout;
  return own === undefined ? call.connection.attributeValidity : validity(checked(own));
}

/** For how long a name may be believed. */
export function entryValidity(call: FuseCall, attributes: Attributes): Validity {
  const own = attributes.entryTimeout;
  return own === undefined ? call.connection.entryValidity : validity(checked(own));
}

/** SETATTR's valid mask as changes. `now` is read once if the kernel leaves a time to us. */
export function changesOf(a: Of<typeof wire.SetattrIn>, now: () => Time): Changes {
  const { valid } = a;
  const changes: Changes = {};
  if (valid & FattrFlags.MODE) changes.mode = a.mode & 0o7777;
  if (valid & FattrFlags.UID) changes.uid = a.uid;
  if (valid & FattrFlags.GID) changes.gid = a.gid;
  if (valid & FattrFlags.SIZE) changes.size = a.size;
  const present = valid & (FattrFlags.ATIME_NOW | FattrFlags.MTIME_NOW) ? now() : undefined;
  if (valid & FattrFlags.ATIME_NOW) changes.atime = present as Time;
  else if (valid & FattrFlags.ATIME) changes.atime = { sec: a.atime, nsec: a.atimensec };
  if (valid & FattrFlags.MTIME_NOW) changes.mtime = present as Time;
  else if (valid & FattrFlags.MTIME) changes.mtime = { sec: a.mtime, nsec: a.mtimensec };
  if (valid & FattrFlags.CTIME) changes.ctime = { sec: a.ctime, nsec: a.ctimensec };
  return changes;
}

/** Which kinds there are, by mode >> 12. */
const KINDS = [0o01, 0o02, 0o04, 0o06, 0o10, 0o12, 0o14].reduce<boolean[]>((kinds, kind) => {
  kinds[kind] = true;
  return kinds;
}, new Array(16).fill(false));

/** The type of a directory entry: DT_DIR and so on are the kind bits of the mode. */
export function direntType(mode: number | undefined): number {
  return mode === undefined ? 0 : (mode & S_IFMT) >>> 12;
}

function isWord(value: number): boolean {
  return value >>> 0 === value;
}

function seconds(time: Time): number {
  if (!(Number.isSafeInteger(time?.sec) && time.nsec >>> 0 === time.nsec && time.nsec < 1e9))
    throw new Nonsense(`a time is ${text(time)}`);
  return time.sec;
}

function checked(timeout: number): number {
  if (!(timeout >= 0)) throw new Nonsense(`a time-out is ${text(timeout)}`);
  return timeout;
}

function text(value: unknown): string {
  return Bun.inspect(value, { depth: 1 }).slice(0, 100);
}
