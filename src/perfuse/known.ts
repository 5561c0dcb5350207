import { monotonic } from "../../ffi/clock.ts";
import type * as wire from "../fuse/structs.ts";
import { S_IFDIR, S_IFMT } from "../mode.ts";
import type { Attributes } from "../operations.ts";
import type { Of } from "../struct.ts";

type Attr = Of<typeof wire.Attr>;

/** What a daemon told of a file last. One object for as long as the node is known, for those who read it at once. */
export class Known implements Attributes {
  mode: number;
  nlink = 1;
  uid = 0;
  gid = 0;
  size = 0;
  readonly atime = { sec: 0, nsec: 0 };
  readonly mtime = { sec: 0, nsec: 0 };
  readonly ctime = { sec: 0, nsec: 0 };
  blocks = 0;
  blksize = SMALLEST_BLOCK;
  rdev = 0;
  ino: number | undefined;
  parentIno: number | undefined;
  attrTimeout = 0;
  entryTimeout = 0;
  /** Nanoseconds of `monotonic` when it was told. */
  told = Number.NEGATIVE_INFINITY;

  constructor(mode: number) {
    this.mode = mode;
  }

  get isDirectory(): boolean {
    return (this.mode & S_IFMT) === S_IFDIR;
  }

  /** Whether it may be believed without asking again, by what the daemon said or because it has just been told. */
  get fresh(): boolean {
    return monotonic() - this.told < 1e9 * Math.max(this.attrTimeout, JUST);
  }

  /** The daemon told of attributes, good for `seconds`. */
  take(attr: Attr, seconds: number, keepsSize: boolean): void {
    this.mode = attr.mode;
    this.nlink = attr.nlink;
    this.uid = attr.uid;
    this.gid = attr.gid;
    if (!keepsSize) this.size = attr.size;
    this.blocks = attr.blocks;
    this.blksize = attr.blksize || SMALLEST_BLOCK;
    this.rdev = attr.rdev;
    this.ino = inodeNumber(attr.ino);
    moment(this.atime, attr.atime, attr.atimensec);
    moment(this.mtime, attr.mtime, attr.mtimensec);
    moment(this.ctime, attr.ctime, attr.ctimensec);
    this.attrTimeout = seconds;
    this.told = monotonic();
  }
}

/**
 * An inode number, undefined where there is none. Some daemons make them of hashes, of all 64 bits: beyond what can be told
 * they are cut down to it, everywhere alike.
 */
export function inodeNumber(ino: number): number | undefined {
  return (ino > Number.MAX_SAFE_INTEGER ? ino % 2 ** 53 : ino) || undefined;
}

/** A time-out as the protocol has it, in seconds. */
export function secondsOf(sec: number, nsec: number): number {
  return sec >= 2 ** 32 ? Number.POSITIVE_INFINITY : sec + nsec / 1e9;
}

function moment(time: { sec: number; nsec: number }, sec: number, nsec: number): void {
  time.sec = sec;
  time.nsec = nsec < 1e9 ? nsec : 0;
}

const SMALLEST_BLOCK = 512;
/** Seconds for which anything may be believed that is for the framework's own use: one request asks for it several times. */
const JUST = 1;
