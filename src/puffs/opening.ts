import type { OpenFile } from "../files.ts";
import type { Vnode } from "../nodes.ts";
import { DOTS, type Lister, Scan } from "../scan.ts";

/** What is open of one node. */
interface Opening {
  readonly files: OpenFile[];
  readonly scans: Scan[];
}

/**
 * The open files and directories of a mount. The kernel tells of every open(2), but not which of them a request is made
 * through: all openers of a node share one File, until one asks for more access than it has, who then makes another. All
 * end together, when the node is inactive.
 */
export class Openings {
  readonly #byNode = new Map<object, Opening>();

  /** The file to ask for `access` (bits of FREAD and FWRITE) through. */
  file(vnode: Vnode, access: number): OpenFile | undefined {
    return this.#byNode.get(vnode.node)?.files.find(({ flags }) => covers(flags, access));
  }

  add(file: OpenFile): void {
    this.#of(file.vnode).files.push(file);
  }

  /**
   * A listing that stands at `offset`, else the one that came past it last, or a fresh one; it is the caller's until `keepScan`. Several
   * may be read at a time; the kernel only says where it has come to, which is in the midst of what it was told after a seek.
   */
  takeScan({ node }: Vnode, offset: number, list: Lister): Scan {
    const scans = this.#byNode.get(node)?.scans;
    if (offset < DOTS || !scans) return new Scan(list);
    const there = scans.findLastIndex((scan) => scan.offset === offset);
    // One that has come past the beginning is somebody else's.
    const past = offset === DOTS ? -1 : scans.findLastIndex((scan) => scan.offset > offset);
    const at = there >= 0 ? there : past;
    return (at >= 0 && scans.splice(at, 1)[0]) || new Scan(list);
  }

  /** A listing is to be gone on with. */
  keepScan(vnode: Vnode, scan: Scan): void {
    const { scans } = this.#of(vnode);
    if (scans.push(scan) > MOST_SCANS) scans.shift()?.end();
  }

  /** Nothing is open of the node any more: the files that were, for `inactive`. */
  end(node: object): readonly OpenFile[] {
    const opening = this.#byNode.get(node);
    if (!opening) return NONE;
    this.#byNode.delete(node);
    for (const scan of opening.scans) scan.end();
    return opening.files;
  }

  #of({ node }: Vnode): Opening {
    const known = this.#byNode.get(node);
    if (known) return known;
    const opening = { files: [], scans: [] };
    this.#byNode.set(node, opening);
    return opening;
  }
}

/** Whether a file opened with `flags` (in Linux numbers) may be read and written as `access` says. */
function covers(flags: number, access: number): boolean {
  const has = (flags + 1) & 3;
  return (has & access) === access;
}

const NONE: readonly OpenFile[] = [];

/** Listings of one directory that are kept at a time; who comes back to another begins it anew. */
const MOST_SCANS = 8;
