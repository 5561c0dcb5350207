import { EACCES, EPERM, Errno } from "../errno.ts";
import { S_IFDIR, S_IFMT, S_ISGID, S_ISVTX } from "../mode.ts";
import type { Attributes, Changes } from "../operations.ts";

/*
 * The rules of NetBSD for who may do what, by mode, owner and group: puffs_access(3) and its like. Its kernel asks the file
 * server for all of them, search and write permission of directories included.
 */

/** Who asks. */
export interface Credentials {
  readonly uid: number;
  /** The superuser, or the kernel itself: refused almost nothing. */
  readonly privileged: boolean;
  /** The kernel itself, for no one: refused nothing. */
  readonly internal: boolean;
  /** Whether `gid` is the effective group or one of the supplementary ones. */
  inGroup(gid: number): boolean;
}

/** Bits of the masks here and of `node.access`. */
export const READ = 4;
export const WRITE = 2;
export const EXECUTE = 1;

/** What of a file's attributes the rules look at; `mode` with its kind. */
export type Owned = Pick<Attributes, "mode" | "uid" | "gid">;

/** access(2), and open(2), chdir(2), search: EACCES or nothing. */
export function refuseAccess(
  { mode, uid, gid }: Owned,
  mask: number,
  who: Credentials,
): Errno | undefined {
  if (who.internal) return undefined;
  if (who.privileged) {
    const isFile = (mode & S_IFMT) !== S_IFDIR;
    return (mask & EXECUTE) !== 0 && isFile && (mode & 0o111) === 0 ? EACCES : undefined;
  }
  const granted = who.uid === uid ? mode >> 6 : who.inGroup(gid) ? mode >> 3 : mode;
  return (granted & mask) === mask ? undefined : EACCES;
}

/**
 * Taking away or replacing a name of `node` in `directory`, which may be written: in a sticky directory only its owner's and the
 * node's owner's to do (sticky(7)).
 */
export function refuseRemoval(directory: Owned, node: Owned, who: Credentials): Errno | undefined {
  if (who.privileged || (directory.mode & S_ISVTX) === 0) return undefined;
  return who.uid === directory.uid || who.uid === node.uid ? undefined : EPERM;
}

/**
 * chown(2), chmod(2), utimes(2). `touching`: both times are to be now, which whoever may write may ask for. A new size is the kernel's
 * to permit: the file was opened for writing, or it asked for access.
 */
export function refuseChanges(
  attributes: Owned,
  changes: Changes,
  touching: boolean,
  who: Credentials,
): Errno | undefined {
  if (who.privileged) return undefined;
  const { mode, uid, gid = attributes.gid, atime, mtime } = changes;
  const owns = uid !== undefined || changes.gid !== undefined;
  return (
    (owns ? refuseChown(attributes, uid, changes.gid, who) : undefined) ??
    (mode === undefined ? undefined : refuseChmod({ ...attributes, gid }, mode, who)) ??
    (atime === undefined && mtime === undefined
      ? undefined
      : refuseTimes(attributes, touching, who))
  );
}

/** chown(2): the owner's, who may give the file to another of his groups. undefined: it stays as it is. */
export function refuseChown(
  { uid, gid }: Owned,
  newUid: number | undefined,
  newGid: number | undefined,
  who: Credentials,
): Errno | undefined {
  if (who.privileged) return undefined;
  if (who.uid !== uid || (newUid ?? uid) !== uid) return EPERM;
  return (newGid ?? gid) === gid || who.inGroup(newGid as number) ? undefined : EPERM;
}

/** chmod(2): the owner's to do, but for the sticky bit of files, and set-group-ID for a group that one is not in. */
export function refuseChmod(
  { mode, uid, gid }: Owned,
  newMode: number,
  who: Credentials,
): Errno | undefined {
  if (who.privileged) return undefined;
  if (who.uid !== uid) return EPERM;
  if ((newMode & S_ISVTX) !== 0 && (mode & S_IFMT) !== S_IFDIR) return EFTYPE;
  return (newMode & S_ISGID) !== 0 && !who.inGroup(gid) ? EPERM : undefined;
}

/** utimes(2): the owner's to do; `touching`, that is to now, also whoever's who may write. */
export function refuseTimes(owned: Owned, touching: boolean, who: Credentials): Errno | undefined {
  if (who.privileged || who.uid === owned.uid) return undefined;
  return touching ? refuseAccess(owned, WRITE, who) : EPERM;
}

const EFTYPE = new Errno("EFTYPE");
