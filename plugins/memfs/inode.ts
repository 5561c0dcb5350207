import { type Attributes, now, type Time } from "puffs";
import type { Content } from "./content.ts";

/**
 * A file: what stat(2) tells of it, and the content of a regular one. FIFOs and sockets are nothing more; directories, symbolic
 * links and devices add to it.
 *
 * There may be millions: twelve fields make 112 bytes, a thirteenth (or an accessor, which the engine counts as one) 160.
 * What few files have is kept elsewhere. Times are replaced, never changed in place, so they may be shared.
 */
export class Inode implements Attributes {
  readonly ino: number;
  mode: number;
  nlink: number;
  uid: number;
  gid: number;
  size = 0;
  blocks = 0;
  atime: Time;
  mtime: Time;
  ctime: Time;
  birthtime: Time;
  /** Of a regular file that ever had any. */
  content: Content | undefined = undefined;

  constructor(ino: number, mode: number, uid: number, gid: number, time: Time) {
    this.ino = ino;
    this.mode = mode;
    this.nlink = 1;
    this.uid = uid;
    this.gid = gid;
    this.atime = time;
    this.mtime = time;
    this.ctime = time;
    this.birthtime = time;
  }

  /** The content was changed, or a directory's names. */
  modified(time: Time): void {
    this.mtime = time;
    this.ctime = time;
  }

  /** The content was read: moves atime by the rule of the mount option `relatime`, see mount(8). */
  accessed(): void {
    const { atime } = this;
    if (
      isAfter(atime, this.mtime) &&
      isAfter(atime, this.ctime) &&
      Date.now() / 1000 - atime.sec < DAY
    )
      return;
    this.atime = now();
  }
}

export class Symlink extends Inode {
  readonly target: string;

  constructor(ino: number, mode: number, uid: number, gid: number, time: Time, target: string) {
    super(ino, mode, uid, gid, time);
    this.target = target;
    this.size = Buffer.byteLength(target.replace(ESCAPED, "?"));
  }
}

/** A character or block special file. */
export class Device extends Inode {
  readonly rdev: number;

  constructor(ino: number, mode: number, uid: number, gid: number, time: Time, rdev: number) {
    super(ino, mode, uid, gid, time);
    this.rdev = rdev;
  }
}

function isAfter(a: Time, b: Time): boolean {
  return a.sec > b.sec || (a.sec === b.sec && a.nsec > b.nsec);
}

/** What stands for a byte that is not UTF-8: a lone surrogate. */
const ESCAPED = /[\udc80-\udcff]/gu;
const DAY = 24 * 60 * 60;
