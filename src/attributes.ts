import { S_IFMT } from "./mode.ts";
import { Nonsense } from "./nonsense.ts";
import type { Attributes, Time } from "./operations.ts";

/** Throws if what a plugin tells of a node cannot be; `ino` is what stands for its inode number. */
export function checkAttributes(attributes: Attributes, ino: number): void {
  const { mode, nlink, uid, gid, size, blocks = 0, blksize = 0, rdev = 0 } = attributes;
  if (!(Number.isSafeInteger(size) && size >= 0)) throw new Nonsense(`size is ${text(size)}`);
  if (!isMode(mode)) throw new Nonsense(`mode is ${text(mode)}`);
  if (!(isWord(nlink) && isWord(uid) && isWord(gid)))
    throw new Nonsense(`nlink, uid, gid are ${text(nlink)}, ${text(uid)}, ${text(gid)}`);
  if (!(Number.isSafeInteger(ino) && ino > 0 && Number.isSafeInteger(blocks) && blocks >= 0))
    throw new Nonsense(`ino, blocks are ${text(ino)}, ${text(blocks)}`);
  if (!(isWord(blksize) && isWord(rdev)))
    throw new Nonsense(`blksize, rdev are ${text(blksize)}, ${text(rdev)}`);
}

/** The seconds of a time; throws if it is none. */
export function seconds(time: Time): number {
  if (!(Number.isSafeInteger(time?.sec) && time.nsec >>> 0 === time.nsec && time.nsec < 1e9))
    throw new Nonsense(`a time is ${text(time)}`);
  return time.sec;
}

/** Seconds that a plugin promises. */
export function checkedTimeout(timeout: number): number {
  if (!(typeof timeout === "number" && timeout >= 0))
    throw new Nonsense(`a time-out is ${text(timeout)}`);
  return timeout;
}

/** A mode of a kind that there is, with whatever permissions. */
export function isMode(mode: number): boolean {
  return isWord(mode) && KINDS[mode >>> 12] === true;
}

/** The type of a directory entry: DT_DIR and so on are the kind bits of the mode, in all systems. */
export function direntType(mode: number | undefined): number {
  return mode === undefined ? 0 : (mode & S_IFMT) >>> 12;
}

/** Which kinds there are, by mode >> 12. */
const KINDS = [0o01, 0o02, 0o04, 0o06, 0o10, 0o12, 0o14].reduce<boolean[]>((kinds, kind) => {
  kinds[kind] = true;
  return kinds;
}, new Array(16).fill(false));

function isWord(value: number): boolean {
  return value >>> 0 === value;
}

function text(value: unknown): string {
  return Bun.inspect(value, { depth: 1 }).slice(0, 100);
}
