import {
  majorOf,
  minorOf,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  S_ISGID,
  S_ISUID,
  S_ISVTX,
} from "../mode.ts";
import type { Attr } from "./client.ts";

/** What a kind of file is called, and its letter in `ls -l`. */
const KINDS: Readonly<Record<number, readonly [letter: string, name: string]>> = {
  [S_IFREG]: ["-", "regular file"],
  [S_IFDIR]: ["d", "directory"],
  [S_IFLNK]: ["l", "symbolic link"],
  [S_IFCHR]: ["c", "character device"],
  [S_IFBLK]: ["b", "block device"],
  [S_IFIFO]: ["p", "named pipe"],
  [S_IFSOCK]: ["s", "socket"],
};

/** The mode as ls(1) shows it: "drwxr-xr-t". */
export function modeText(mode: number): string {
  const [letter = "?"] = KINDS[mode & S_IFMT] ?? [];
  const three = (shift: number, special: boolean, mark: string) => {
    const bits = mode >> shift;
    const execute = bits & 1 ? (special ? mark : "x") : special ? mark.toUpperCase() : "-";
    return `${bits & 4 ? "r" : "-"}${bits & 2 ? "w" : "-"}${execute}`;
  };
  return [
    letter,
    three(6, (mode & S_ISUID) !== 0, "s"),
    three(3, (mode & S_ISGID) !== 0, "s"),
    three(0, (mode & S_ISVTX) !== 0, "t"),
  ].join("");
}

/** The columns of `ls -l` before the name. Owners are numbers: whose they are is another system's business. */
export function longColumns(attr: Attr): readonly string[] {
  const { mode, nlink, uid, gid, mtime } = attr;
  const size = isDevice(mode) ? deviceText(attr) : String(attr.size);
  return [modeText(mode), String(nlink), String(uid), String(gid), size, localTime(mtime)];
}

/** Lines of columns: text on the left of the first and the last, numbers on the right of what is between. */
export function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows.map((row) =>
    row
      .map((cell, column) =>
        column === 0 || column === row.length - 1
          ? cell.padEnd(widths[column] ?? 0)
          : cell.padStart(widths[column] ?? 0),
      )
      .join(" "),
  );
}

/** All that stat(2) tells, a line each: a word and a value. */
export function statLines(path: string, attr: Attr, target: string | undefined): string[] {
  const { mode, ino, nlink, uid, gid, size, blocks, blksize } = attr;
  const [, kind = "unknown"] = KINDS[mode & S_IFMT] ?? [];
  const octal = (mode & 0o7777).toString(8).padStart(4, "0");
  return lines({
    path,
    type: kind,
    ...(target !== undefined && { target }),
    ...(isDevice(mode) && { device: deviceText(attr) }),
    mode: `${octal} ${modeText(mode)}`,
    inode: ino,
    links: nlink,
    owner: `${uid}:${gid}`,
    size,
    blocks: `${blocks} of 512 bytes, best used in pieces of ${blksize}`,
    accessed: exactTime(attr.atime, attr.atimensec),
    modified: exactTime(attr.mtime, attr.mtimensec),
    changed: exactTime(attr.ctime, attr.ctimensec),
  });
}

export function lines(fields: Readonly<Record<string, string | number>>): string[] {
  return Object.entries(fields).map(([word, value]) => `${word.padEnd(10)}${value}`);
}

function isDevice(mode: number): boolean {
  return (mode & S_IFMT) === S_IFCHR || (mode & S_IFMT) === S_IFBLK;
}

function deviceText({ rdev }: Attr): string {
  return `${majorOf(rdev)},${minorOf(rdev)}`;
}

function localTime(seconds: number): string {
  const time = new Date(seconds * 1000);
  if (Number.isNaN(time.getTime())) return `@${seconds}`;
  const two = (value: number) => String(value).padStart(2, "0");
  const date = [time.getFullYear(), two(time.getMonth() + 1), two(time.getDate())].join("-");
  return `${date} ${two(time.getHours())}:${two(time.getMinutes())}`;
}

/** In UTC, to the nanosecond. Beyond what a Date can hold: the seconds. */
function exactTime(seconds: number, nanoseconds: number): string {
  const time = new Date(seconds * 1000);
  const fraction = String(nanoseconds).padStart(9, "0");
  if (Number.isNaN(time.getTime())) return `@${seconds}.${fraction}`;
  return `${time.toISOString().slice(0, -".000Z".length)}.${fraction}Z`;
}
