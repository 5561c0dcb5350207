import type { Attributes, Changes, Time } from "../operations.ts";

/*
 * The kernel sends along with a change what it keeps of the file itself: size, mtime and ctime of writes, atime of reads (dosetattr in
 * puffs_vnops.c). The caller has not asked for those, and need not be allowed to. They are told by this: one call sets either a mode or
 * an owner (`owned`), or a size, or times; none sets ctime; and a write sets that and mtime to the same moment.
 */

/** Takes away what the change itself makes new; answers whether the caller asked for times. */
export function withoutKept(changes: Changes, owned: boolean): boolean {
  const { atime, mtime, ctime, size } = changes;
  const written = isSame(mtime, ctime);
  delete changes.ctime;
  if (owned) return false;
  if (written && size !== undefined) delete changes.mtime;
  return (mtime !== undefined && !written) || (atime !== undefined && size === undefined);
}

/** What of it is surely the kernel's own. */
export function keptOf({ size, atime, mtime, ctime }: Changes, owned: boolean): Changes {
  const kept: Changes = {};
  if (size !== undefined) kept.size = size;
  if (ctime !== undefined) kept.ctime = ctime;
  if (mtime !== undefined && (owned || isSame(mtime, ctime))) kept.mtime = mtime;
  if (atime !== undefined && owned) kept.atime = atime;
  return kept;
}

/** A size that the kernel kept is how far it has written, and not the end of what is not its own alone. */
export function withoutShorter(kept: Changes, { size }: Attributes): void {
  if (kept.size !== undefined && kept.size <= size) delete kept.size;
}

/**
 * Whether a size and an mtime are a truncation of a file that was written to through a mapping, which sets mtime alone, rather than
 * utimes(2) of one that was written to: then the size would be no news, or ctime the later.
 */
export function truncates(
  { size, mtime }: Changes,
  value: Attributes,
  { ctime }: Changes,
): boolean {
  if (size === undefined || size === value.size || mtime === undefined) return false;
  return ctime === undefined || isAfter(mtime, ctime);
}

function isSame(one: Time | undefined, other: Time | undefined): boolean {
  return one !== undefined && one.sec === other?.sec && one.nsec === other.nsec;
}

function isAfter(one: Time, other: Time): boolean {
  return one.sec > other.sec || (one.sec === other.sec && one.nsec > other.nsec);
}
