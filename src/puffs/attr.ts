import { checkAttributes, checkedTimeout, seconds } from "../attributes.ts";
import { S_IFBLK, S_IFCHR, S_IFMT } from "../mode.ts";
import type { Vnode } from "../nodes.ts";
import { Nonsense } from "../nonsense.ts";
import type { Attributes, Changes, Time } from "../operations.ts";
import type { Of } from "../struct.ts";
import { NO_VALUE, NO_VALUE_32, Vtype } from "./flags.ts";
import type { Timespec, Vattr } from "./structs.ts";

/** What a plugin tells of a node, checked and in the kernel's struct. The file system's id is the kernel's to fill in. */
export function fillVattr(target: Of<typeof Vattr>, attributes: Attributes, vnode: Vnode): void {
  const { mode, size, atime, mtime, ctime, birthtime } = attributes;
  const ino = attributes.ino ?? vnode.id;
  checkAttributes(attributes, ino);
  target.type = vtypeOf(mode);
  target.mode = mode & 0o7777;
  target.nlink = attributes.nlink;
  target.uid = attributes.uid;
  target.gid = attributes.gid;
  target.fsid = NO_VALUE;
  target.fileid = ino;
  target.size = size;
  target.blocksize = attributes.blksize ?? 4096;
  setTime(target.atime, atime);
  setTime(target.mtime, mtime);
  setTime(target.ctime, ctime);
  setTime(target.birthtime, birthtime ?? UNKNOWN);
  target.gen = vnode.generation;
  target.flags = 0;
  target.rdev = deviceOf(attributes);
  target.bytes = (attributes.blocks ?? Math.ceil(size / 512)) * 512;
  target.filerev = 0;
  target.vaflags = 0;
}

const UNKNOWN: Time = { sec: 0, nsec: 0 };

function setTime(target: Of<typeof Timespec>, time: Time): void {
  target.sec = seconds(time);
  target.nsec = time.nsec;
}

/** Which device it is, for those that are one. */
export function deviceOf({ mode, rdev = 0 }: Attributes): number {
  const kind = mode & S_IFMT;
  return kind === S_IFCHR || kind === S_IFBLK ? rdev : NO_VALUE;
}

/** What SETATTR asks for: the fields that have a value. */
export function changesOf(va: Of<typeof Vattr>): Changes {
  const changes: Changes = {};
  if (va.mode !== NO_VALUE_32) changes.mode = va.mode & 0o7777;
  if (va.uid !== NO_VALUE_32) changes.uid = va.uid;
  if (va.gid !== NO_VALUE_32) changes.gid = va.gid;
  if (va.size !== NO_VALUE) changes.size = va.size;
  if (isTime(va.atime)) changes.atime = timeOf(va.atime);
  if (isTime(va.mtime)) changes.mtime = timeOf(va.mtime);
  if (isTime(va.ctime)) changes.ctime = timeOf(va.ctime);
  if (isTime(va.birthtime)) changes.birthtime = timeOf(va.birthtime);
  return changes;
}

/** A second before 1970 is a time like any other: only the nanoseconds tell. */
function isTime({ nsec }: Of<typeof Timespec>): boolean {
  return nsec >= 0 && nsec < 1e9;
}

function timeOf({ sec, nsec }: Of<typeof Timespec>): Time {
  return { sec, nsec };
}

/** The kernel's word (enum vtype) for the kind of a mode that was checked. */
export function vtypeOf(mode: number): number {
  const type = VTYPES[(mode & S_IFMT) >>> 12];
  if (type === undefined) throw new Nonsense(`mode is ${mode}`);
  return type;
}

/** By mode >> 12. */
const VTYPES: readonly (number | undefined)[] = Object.assign([] as number[], {
  1: Vtype.FIFO,
  2: Vtype.CHR,
  4: Vtype.DIR,
  6: Vtype.BLK,
  8: Vtype.REG,
  10: Vtype.LNK,
  12: Vtype.SOCK,
});

/** Fill in for how long the kernel may believe something: whole and fractional seconds, to the end of time at most. */
export function setTtl(target: Of<typeof Timespec>, seconds: number): void {
  const capped = Math.min(checkedTimeout(seconds), LONGEST);
  target.sec = Math.floor(capped);
  target.nsec = Math.floor((capped - target.sec) * 1e9);
}

/** The kernel turns it into ticks of a clock, 100 a second, in 32 bits with a sign. */
const LONGEST = 2 ** 24;
