import { Access } from "../../src/fuse/flags.ts";
import { S_IFDIR, S_IFMT, S_ISGID, S_ISUID, S_ISVTX } from "../../src/mode.ts";
import type { Credentials } from "./client.ts";
import { type Attr, fail } from "./core-mount.ts";

/** The rules of Linux' generic_permission and its kin, for a user with these credentials; uid 0 has all capabilities. */
export function mayAccess(attr: Attr, mask: number, who: Credentials): boolean {
  const { mode } = attr;
  if (who.uid === 0) {
    const executable = (mode & 0o111) !== 0 || (mode & S_IFMT) === S_IFDIR;
    return (mask & Access.X) === 0 || executable;
  }
  const shift = who.uid === attr.uid ? 6 : isMember(attr.gid, who) ? 3 : 0;
  return ((mode >> shift) & mask) === mask;
}

export function isMember(gid: number, who: Credentials): boolean {
  return who.gid === gid || who.groups.includes(gid);
}

export function isOwner(attr: Attr, who: Credentials): boolean {
  return who.uid === 0 || who.uid === attr.uid;
}

/** In a sticky directory names belong to the owners of their files, and to that of the directory. */
export function checkSticky(directory: Attr, victim: Attr, who: Credentials): void {
  if ((directory.mode & S_ISVTX) === 0) return;
  if (!isOwner(directory, who) && !isOwner(victim, who)) fail("EPERM");
}

/** The mode less the set-id bits that chown, write and truncate take away; the same number if there are none. */
export function withoutSetId(mode: number): number {
  const group = (mode & (S_ISGID | 0o010)) === (S_ISGID | 0o010) ? S_ISGID : 0;
  return mode & ~(S_ISUID | group);
}
