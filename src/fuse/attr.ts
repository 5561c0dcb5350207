import { checkAttributes, checkedTimeout, seconds } from "../attributes.ts";
import type { Vnode } from "../nodes.ts";
import type { Attributes, Changes, Time } from "../operations.ts";
import type { Of } from "../struct.ts";
import type { FuseCall } from "./call.ts";
import { FattrFlags } from "./flags.ts";
import type * as wire from "./structs.ts";
import { type Validity, validity } from "./validity.ts";

type Attr = Of<typeof wire.Attr>;

/** What a plugin tells of a node, checked and in the kernel's struct. */
export function fillAttr(target: Attr, attributes: Attributes, vnode: Vnode): void {
  const { mode, nlink, uid, gid, size, atime, mtime, ctime } = attributes;
  const ino = attributes.ino ?? vnode.id;
  checkAttributes(attributes, ino);
  target.ino = ino;
  target.size = size;
  target.blocks = attributes.blocks ?? Math.ceil(size / 512);
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
  target.rdev = attributes.rdev ?? 0;
  target.blksize = attributes.blksize ?? 4096;
}

/** For how long attributes may be believed: the answer's own word, else the mount's. */
export function attributeValidity(call: FuseCall, attributes: Attributes): Validity {
  const own = attributes.attrTimeout;
  return own === undefined ? call.connection.attributeValidity : validity(checkedTimeout(own));
}

/** For how long a name may be believed. */
export function entryValidity(call: FuseCall, attributes: Attributes): Validity {
  const own = attributes.entryTimeout;
  const { entryValidity: mounts, wishes } = call.connection;
  return own === undefined || wishes.noNames ? mounts : validity(checkedTimeout(own));
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
