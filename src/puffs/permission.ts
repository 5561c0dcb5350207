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
  /** Whether `gid` is the effective group or one of the supplementary ones. */
  inGroup(gid: number): boolean;
}

/** Bits of the masks here and of `node.access`. */
export const READ = 4;
export const WRITE = 2;
export const EXECUTE = 1;

/** access(2), and open(2), chdir(2), search: EACCES or nothing. */
export function refuseAccess(
  { mode, uid, gid }: Attributes,
  mask: number,
  who: Credentials,
): Errno | undefined {
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
export function refuseRemoval(
  directory: Attributes,
  node: Attributes,
  who: Credentials,
): Errno | undefined {
  if (who.privileged || (directory.mode & S_ISVTX) === 0) return undefined;
  return who.uid === directory.uid || who.uid === node.uid ? undefined : EPERM;
}

/**
 * chown(2), chmod(2), utimes(2). `touching`: both times are to be now, which whoever may write may ask for. A new size is the kernel's
 * to permit: the file was opened for writing, or it asked for access.
 */
export function refuseChanges(
  attributes: Attributes,
  changes: Changes,
  touching: boolean,
  who: Credentials,
): Errno | undefined {
  if (who.privileged) return undefined;
  const isOwner = who.uid === attributes.uid;
  const { mode, uid = attributes.uid, gid = attributes.gid } = changes;
  if (uid !== attributes.uid || gid !== attributes.gid) {
    if (!isOwner || uid !== attributes.uid || !who.inGroup(gid)) return EPERM;
  }
  if (mode !== undefined) {
    if (!isOwner) return EPERM;
    // chmod(2): the sticky bit of files, and set-group-ID for a group that one is not in, are the superuser's.
    if ((mode & S_ISVTX) !== 0 && (attributes.mode & S_IFMT) !== S_IFDIR) return EFTYPE;
    if ((mode & S_ISGID) !== 0 && !who.inGroup(gid)) return EPERM;
  }
  if (changes.atime === undefined && changes.mtime === undefined) return undefined;
  if (isOwner) return undefined;
  return touching ? refuseAccess(attributes, WRITE, who) : EPERM;
}

const EFTYPE = new Errno("EFTYPE");
