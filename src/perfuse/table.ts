import type { EntryOut, Foreign } from "../fuse/foreign.ts";
import { S_IFMT } from "../mode.ts";
import type { Of } from "../struct.ts";
import { PerfuseNode, ROOT } from "./node.ts";
import type { Session } from "./session.ts";

type Entry = Of<typeof EntryOut>;

/** The nodes of one daemon that are known, by its numbers. */
export class Table {
  readonly #nodes = new Map<Foreign, PerfuseNode>();
  readonly #session: Session;

  constructor(session: Session, root: PerfuseNode) {
    this.#session = session;
    this.#nodes.set(ROOT, root);
  }

  get size(): number {
    return this.#nodes.size;
  }

  at(nodeid: Foreign): PerfuseNode | undefined {
    return this.#nodes.get(nodeid);
  }

  all(): Iterable<PerfuseNode> {
    return this.#nodes.values();
  }

  /**
   * The node that an answer tells of, which counted one lookup: the one that is known by its number, if it is the same file. `name` is
   * what it was found by in `parent`; `since` as for `learn`.
   */
  keep(entry: Entry, parent: PerfuseNode, name: string, since?: number): PerfuseNode {
    const known = this.#nodes.get(entry.nodeid);
    const node =
      known && isSame(known, entry)
        ? known
        : new PerfuseNode(this.#session, entry.nodeid, entry.generation);
    this.#nodes.set(entry.nodeid, node);
    if (entry.nodeid !== ROOT) node.nlookup++;
    if (name !== "..") this.place(node, parent, name);
    node.learnEntry(entry, since);
    return node;
  }

  /** `node` is found as `name` in `parent` from now on. */
  place(node: PerfuseNode, parent: PerfuseNode, name: string): void {
    if (node.nodeid === ROOT) return;
    this.#unplace(node);
    node.parent = parent;
    node.name = name;
    parent.children ??= new Map();
    parent.children.set(name, node);
  }

  /** It is not found by its number any more: removed, or forgotten above. */
  drop(node: PerfuseNode): void {
    if (this.#nodes.get(node.nodeid) === node) this.#nodes.delete(node.nodeid);
    this.#unplace(node);
  }

  #unplace(node: PerfuseNode): void {
    const siblings = node.parent?.children;
    if (siblings?.get(node.name) === node) siblings.delete(node.name);
  }
}

/** A number that is used again for another file has another generation, or at least another kind. */
function isSame({ generation, known, nodeid }: PerfuseNode, entry: Entry): boolean {
  if (nodeid === ROOT) return true;
  return generation === entry.generation && ((known.mode ^ entry.attr.mode) & S_IFMT) === 0;
}
