import { KernelFlags, LibraryFlags } from "../puffs/flags.ts";
import type { Wishes } from "../wishes.ts";

/** The flags of puffs_init(3), less PUFFS_KFLAG_ and PUFFS_FLAG_. What each means at which door is in docs/puffs.md. */
export type PuffsFlag =
  | Exclude<keyof typeof KernelFlags, "NOCACHE_ATTR">
  | keyof typeof LibraryFlags;

/** What flags ask of a mount, at either door. */
export function wishesOf(flags: ReadonlySet<PuffsFlag>): Wishes {
  const uncached = (what: PuffsFlag) => flags.has(what) || flags.has("NOCACHE");
  return {
    puffsFlags: union(KernelFlags, flags),
    puffs: { libraryFlags: union(LibraryFlags, flags) },
    ...(uncached("NOCACHE_NAME") && { entryTimeout: 0, negativeTimeout: 0, noNames: true }),
    ...(uncached("NOCACHE_PAGE") && { directIo: true }),
    ...(flags.has("WTCACHE") && { writeback: false }),
  };
}

function union(table: Readonly<Record<string, number>>, flags: ReadonlySet<string>): number {
  return Object.entries(table)
    .filter(([name]) => flags.has(name))
    .reduce((all, [, bits]) => (all | bits) >>> 0, 0);
}
