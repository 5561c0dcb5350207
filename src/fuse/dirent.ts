import { viewOf } from "../frame.ts";
import { decodeName } from "../name.ts";
import { type Of, opaque64, struct } from "../struct.ts";
import { EntryOut } from "./foreign.ts";
import { type Layout, Refusal } from "./parts.ts";
import { Dirent } from "./structs.ts";

/** An entry in the answer to READDIR. */
export interface DirectoryEntry {
  readonly ino: number;
  /** Where the listing goes on after it. Any 64 bits: foreign servers pass on hashes. */
  readonly off: bigint;
  /** DT_ number of readdir(3). */
  readonly type: number;
  readonly name: string;
}

/** An entry in the answer to READDIRPLUS; `nodeid` 0 in `entry`: nothing told, no lookup counted. */
export interface DirectoryEntryPlus extends DirectoryEntry {
  readonly entry: Of<typeof EntryOut>;
}

/** The answer to READDIR. A record that is cut off ends it, as in the kernel. Throws if names are none. */
export function decodeDirents(body: Uint8Array): DirectoryEntry[] {
  return [...records(body, 0)].map(({ dirent }) => dirent);
}

/** The answer to READDIRPLUS; `layout` is the negotiated one of EntryOut. */
export function decodeDirentsPlus(
  body: Uint8Array,
  layout: Layout<Of<typeof EntryOut>> = EntryOut,
): DirectoryEntryPlus[] {
  const view = viewOf(body);
  return [...records(body, layout.size)].map(({ dirent, at }) => ({
    ...dirent,
    entry: layout.read(view, at),
  }));
}

const ForeignDirent = struct({ ...Dirent.fields, off: opaque64 });

/** Linux refuses longer names in a directory (FUSE_NAME_MAX of fs/fuse/fuse_i.h, PATH_MAX - 1 in its latest form). */
const LONGEST = 4095;

/** Records at `at`, each with `before` bytes in front of the dirent. */
function* records(
  body: Uint8Array,
  before: number,
): Iterable<{ dirent: DirectoryEntry; at: number }> {
  const view = viewOf(body);
  for (let at = 0; at + before + Dirent.size <= body.length; ) {
    const { namelen, ...fields } = ForeignDirent.read(view, at + before);
    const start = at + before + Dirent.size;
    const end = start + namelen;
    if (namelen === 0 || namelen > LONGEST)
      throw new Refusal(`an entry with a name of ${namelen} bytes`);
    if (end > body.length) return;
    const name = decodeName(body, start, end);
    if (name.includes("/") || name.includes("\0"))
      throw new Refusal("an entry whose name has a slash or NUL");
    yield { dirent: { ...fields, name }, at };
    at += Math.ceil((before + Dirent.size + namelen) / 8) * 8;
  }
}
