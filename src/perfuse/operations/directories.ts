import { EINTR, EIO } from "../../errno.ts";
import type { DirectoryEntry as Told } from "../../fuse/dirent.ts";
import { O } from "../../fuse/flags.ts";
import type { Caller } from "../../fuse/kernel.ts";
import type { DirectoryEntry, NodeOperations } from "../../operations.ts";
import { type Asker, type Context, callerOf, isCode, isPuffs } from "../context.ts";
import { Foresight } from "../foresight.ts";
import { inodeNumber } from "../known.ts";
import type { Handle, PerfuseNode } from "../node.ts";
import { find } from "./names.ts";
import { openFor } from "./open.ts";

/** What lists directories: whole, for the daemon's cookies may be any number, and the framework keeps the listing. */
export function directoryOperations(
  context: Context,
): Pick<NodeOperations<PerfuseNode>, "readdir"> {
  return {
    async readdir(directory, _from, call) {
      directory.foresight?.drop();
      directory.foresight = new Foresight(context, directory);
      const listing = new Listing(context, directory);
      const entries = await listing.rest(call);
      return isPuffs(call) ? goingOn(listing, entries, callerOf(call)) : entries;
    },
  };
}

type Entry = DirectoryEntry<PerfuseNode>;

/** One listing of a directory, as far as the daemon has told it. */
class Listing {
  readonly #context: Context;
  readonly #directory: PerfuseNode;
  #offset = 0n;

  constructor(context: Context, directory: PerfuseNode) {
    this.#context = context;
    this.#directory = directory;
  }

  /** All that the daemon has not told yet. */
  rest(asker: Asker): Promise<Entry[]> {
    return this.#directory.listing.during(() => this.#ask(asker));
  }

  /**
   * NetBSD finds the path of a directory by the inode numbers in its parent (getcwd(3)): where the daemon has none, each name is looked
   * up.
   */
  async numbered(entries: readonly Entry[], caller: Caller): Promise<Entry[]> {
    const context = this.#context;
    const numbers: Entry[] = [];
    for (const entry of entries) {
      if (entry.ino !== undefined) {
        numbers.push(entry);
        continue;
      }
      const found = await find(context, this.#directory, entry.name, caller).catch((cause) => {
        context.options.report(`"${entry.name}" could not be looked up`, cause);
        return null;
      });
      if (found) context.giveBack(found.nodeid);
      numbers.push({ ...entry, ino: inodeNumber(found?.attr.ino ?? 0) });
    }
    return numbers;
  }

  async #ask(asker: Asker): Promise<Entry[]> {
    const context = this.#context;
    const directory = this.#directory;
    const handle = directory.reader ?? (await openFor(context, directory, O.RDONLY, asker));
    const entries: Entry[] = [];
    for (;;) {
      const page = await part(context, directory, handle, this.#offset, asker);
      const last = page.at(-1);
      if (!last) return entries;
      for (const entry of page)
        if (entry.name !== "." && entry.name !== "..")
          entries.push({
            name: entry.name,
            mode: entry.type << 12 || undefined,
            ino: inoOf(entry),
          });
      // It would begin again, or never end.
      if (last.off === this.#offset || entries.length > MOST_ENTRIES) {
        context.options.report(`the listing of "${directory.name}" has no end`);
        throw EIO;
      }
      if ("signal" in asker && asker.signal.aborted) throw EINTR;
      this.#offset = last.off;
    }
  }
}

const MOST_ENTRIES = 2 ** 21;

/**
 * A listing for NetBSD's kernel, which comes back at the end of each: then the daemon is asked once more, as by perfused, and may have come
 * by others. The framework asks on behind the end.
 */
function goingOn(
  listing: Listing,
  entries: readonly Entry[],
  caller: Caller,
): AsyncIterable<Entry> {
  let there: Promise<readonly Entry[]> | undefined = listing.numbered(entries, caller);
  let told = 0;
  const next = async (): Promise<IteratorResult<Entry>> => {
    there ??= listing.rest(caller).then((more) => listing.numbered(more, caller));
    const value = (await there)[told++];
    if (value) return { value, done: false };
    there = undefined;
    told = 0;
    return { value, done: true };
  };
  return { [Symbol.asyncIterator]: () => ({ next }) };
}

/** What daemons say that have no inode number for an entry. */
const UNKNOWN = 0xffffffff;

function inoOf({ ino }: Told): number | undefined {
  return ino === UNKNOWN ? undefined : inodeNumber(ino);
}

/** READDIR, or READDIRPLUS for daemons that know only that; what the latter counts is given back at once. */
async function part(
  context: Context,
  directory: PerfuseNode,
  { fh, flags }: Handle,
  offset: bigint,
  asker: Asker,
): Promise<readonly Told[]> {
  const { nodeid } = directory;
  const { session } = context;
  const fields = { fh, flags, offset, size: session.directorySize };
  try {
    if (!context.lacks("readdir"))
      return await context.ask(directory, asker, (kernel, caller) =>
        kernel.readdir(nodeid, fields, caller),
      );
  } catch (error) {
    // What cannot be a listing is a fault of its storage to whoever lists.
    if (isCode(error, "EPROTO")) throw EIO;
    if (!(isCode(error, "ENOSYS") && session.kernel.agreed("DO_READDIRPLUS"))) throw error;
    session.lacks.add("readdir");
  }
  const page = await context.ask(directory, asker, (kernel, caller) =>
    kernel.readdirplus(nodeid, fields, caller),
  );
  for (const { name, entry } of page)
    if (entry.nodeid !== 0 && name !== "." && name !== "..") context.giveBack(entry.nodeid);
  return page;
}
