import { now } from "../../ffi/clock.ts";
import { NO_VALUE, NO_VALUE_32, VattrFlags, Vtype } from "../../src/puffs/flags.ts";
import type { Moment, NewTime, Stat } from "./client.ts";
import type { Node, Walk } from "./puffs-walk.ts";

/*
 * What the system calls of NetBSD make of chmod, chown, truncate and utimes: the server checks who may.
 */

/** By vtype, the kind of a mode. */
const KINDS: Readonly<Record<number, number>> = {
  [Vtype.REG]: 0o100000,
  [Vtype.DIR]: 0o040000,
  [Vtype.BLK]: 0o060000,
  [Vtype.CHR]: 0o020000,
  [Vtype.LNK]: 0o120000,
  [Vtype.SOCK]: 0o140000,
  [Vtype.FIFO]: 0o010000,
};

/** The attributes as stat(2) tells them. */
export async function statOf({ kernel, caller }: Walk, { cookie }: Node): Promise<Stat> {
  const { va } = await kernel.getattr(cookie, caller);
  const { type, nlink, uid, gid, size, atime, mtime, ctime } = va;
  const mode = (KINDS[type] ?? 0) | va.mode;
  const numbers = { ino: va.fileid, rdev: va.rdev, blocks: va.bytes / 512 };
  return {
    ...{ mode, nlink, uid, gid, size, ...numbers },
    ...{ atime: { ...atime }, mtime: { ...mtime }, ctime: { ...ctime } },
  };
}

/** EACCES unless the server says that the caller may: bits of `Access`. */
export async function permit(
  { kernel, caller }: Walk,
  { cookie }: Node,
  mask: number,
): Promise<void> {
  await kernel.access(cookie, mask, caller);
}

export async function changeMode(walk: Walk, { cookie }: Node, mode: number): Promise<void> {
  await walk.kernel.setattr(cookie, { mode: mode & 0o7777 }, walk.caller);
}

/** -1 leaves that one alone, and both is nothing to do. The kernel takes the set-id bits away, in the same request; here by Linux' rule. */
export async function changeOwner(
  walk: Walk,
  { cookie, vtype }: Node,
  uid: number,
  gid: number,
): Promise<void> {
  if (uid === NO_VALUE && gid === NO_VALUE) return;
  const owner = { uid: uid === -1 ? NO_VALUE_32 : uid, gid: gid === -1 ? NO_VALUE_32 : gid };
  const { mode } = (await walk.kernel.getattr(cookie, walk.caller)).va;
  const left = vtype === Vtype.DIR ? mode : mode & ~(0o4000 | (mode & 0o010 ? 0o2000 : 0));
  const changes = { ...owner, mode: left === mode ? NO_VALUE_32 : left };
  await walk.kernel.setattr(cookie, changes, walk.caller);
}

export async function changeSize(walk: Walk, { cookie }: Node, size: number): Promise<void> {
  await walk.kernel.setattr(cookie, { size }, walk.caller);
}

export async function changeTimes(
  walk: Walk,
  { cookie }: Node,
  atime: NewTime,
  mtime: NewTime,
): Promise<void> {
  if (atime === "omit" && mtime === "omit") return;
  const instant = now();
  const vaflags = atime === "now" && mtime === "now" ? VattrFlags.UTIMES_NULL : 0;
  const times = { atime: timeOf(atime, instant), mtime: timeOf(mtime, instant), vaflags };
  await walk.kernel.setattr(cookie, times, walk.caller);
}

function timeOf(time: NewTime, instant: Moment): Moment {
  if (time === "omit") return { sec: NO_VALUE, nsec: NO_VALUE };
  return time === "now" ? instant : time;
}
