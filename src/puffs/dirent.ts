import { viewOf } from "../frame.ts";
import { decodeName } from "../name.ts";
import { Err, Limits } from "./flags.ts";
import { Refusal } from "./message.ts";
import { Dirent } from "./structs.ts";

/** An entry in the answer to READDIR. */
export interface DirectoryEntry {
  readonly ino: number;
  /** DT_ number of readdir(3). */
  readonly type: number;
  readonly name: string;
}

/** The length of a record: its head, the name, its NUL, and up to a multiple of 8. */
export function direntLength(namlen: number): number {
  return Math.ceil((Dirent.offsets.name + namlen + 1) / 8) * 8;
}

/** The records in bytes[start, end); holes, whose inode number is 0, are left out. Throws a Refusal. */
export function decodeDirents(bytes: Uint8Array, start: number, end: number): DirectoryEntry[] {
  const view = viewOf(bytes);
  const entries: DirectoryEntry[] = [];
  for (let at = start; at < end; ) {
    if (end - at < direntLength(0)) throw refused("a record is cut off");
    const { fileno, reclen, namlen, type } = Dirent.read(view, at);
    if (reclen < direntLength(namlen) || reclen % 8 !== 0 || at + reclen > end)
      throw refused(`a record of ${reclen} bytes for a name of ${namlen}`);
    const from = at + Dirent.offsets.name;
    const name = decodeName(bytes, from, from + namlen);
    if (fileno !== 0) {
      if (namlen === 0 || namlen > Limits.MAXNAMLEN || name.includes("/") || name.includes("\0"))
        throw refused(`an entry with the name "${name}"`);
      if (bytes[from + namlen] !== 0) throw refused("a name without a NUL");
      entries.push({ ino: fileno, type, name });
    }
    at += reclen;
  }
  return entries;
}

function refused(message: string): Refusal {
  return new Refusal(message, Err.READDIR);
}
