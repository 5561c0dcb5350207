import { EINTR, EIO } from "../../errno.ts";
import type { DirectoryEntry as Told } from "../../fuse/dirent.ts";
import { O } from "../../fuse/flags.ts";
import type { Call, DirectoryEntry, NodeOperations } from "../../operations.ts";
import { type Context, isCode, isPuffs } from "../context.ts";
import { inodeNumber } from "../known.ts";
import type { Handle, PerfuseNode } from "../node.ts";
import { find } from "./names.ts";
import { openFor } from "./open.ts";

/** What lists directories: whole, for the daemon's cookies may be any number, and the framework keeps the listing. */
export function directoryOperations(
  context: Context,
): Pick<NodeOperations<PerfuseNode>, "readdir"> {
  return {
    readdir: (directory, _from, call) =>
      directory.listing.during(() => list(context, directory, call)),
  };
}

async function list(
  context: Context,
  directory: PerfuseNode,
  call: Call,
): Promise<DirectoryEntry<PerfuseNode>[]> {
  const handle = directory.reader ?? (await openFor(context, directory, O.RDONLY, call));
  const entries: DirectoryEntry<PerfuseNode>[] = [];
  for (let offset = 0n; ; ) {
    const page = await part(context, directory, handle, offset, call);
    const last = page.at(-1);
    if (!last) break;
    for (const entry of page)
      if (entry.name !== "." && entry.name !== "..")
        entries.push({ name: entry.name, mode: entry.type << 12 || undefined, ino: inoOf(entry) });
    // It would begin again, or never end.
    if (last.off === offset || entries.length > MOST_ENTRIES) {
      context.options.report(`the listing of "${directory.name}" has no end`);
      throw EIO;
    }
    if (call.signal.aborted) throw EINTR;
    offset = last.off;
  }
  return isPuffs(call) ? numbered(context, directory, entries, call) : entries;
}

const MOST_ENTRIES = 2 ** 21;

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
  call: Call,
): Promise<readonly Told[]> {
  const { nodeid } = directory;
  const { session } = context;
  const fields = { fh, flags, offset, size: session.directorySize };
  try {
    if (!context.lacks("readdir"))
      return await context.ask(directory, call, (kernel, caller) =>
        kernel.readdir(nodeid, fields, caller),
      );
  } catch (error) {
    // What cannot be a listing is a fault of its storage to whoever lists.
    if (isCode(error, "EPROTO")) throw EIO;
    if (!(isCode(error, "ENOSYS") && session.kernel.agreed("DO_READDIRPLUS"))) throw error;
    session.lacks.add("readdir");
  }
  const page = await context.ask(directory, call, (kernel, caller) =>
    kernel.readdirplus(nodeid, fields, caller),
  );
  for (const { name, entry } of page)
    if (entry.nodeid !== 0 && name !== "." && name !== "..") context.giveBack(entry.nodeid);
  return page;
}

/**
 * NetBSD finds the path of a directory by the inode numbers in its parent (getcwd(3)): where the daemon has none, each name is looked up.
 */
async function numbered(
  context: Context,
  directory: PerfuseNode,
  entries: DirectoryEntry<PerfuseNode>[],
  call: Call,
): Promise<DirectoryEntry<PerfuseNode>[]> {
  const numbers: DirectoryEntry<PerfuseNode>[] = [];
  for (const entry of entries) {
    if (entry.ino !== undefined) {
      numbers.push(entry);
      continue;
    }
    const found = await find(context, directory, entry.name, call).catch((cause) => {
      context.options.report(`"${entry.name}" could not be looked up`, cause);
      return null;
    });
    if (found) context.giveBack(found.nodeid);
    numbers.push({ ...entry, ino: inodeNumber(found?.attr.ino ?? 0) });
  }
  return numbers;
}
