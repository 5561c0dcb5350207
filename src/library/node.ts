import type { Attributes } from "../operations.ts";
import type { PathObject } from "./path.ts";

/**
 * A file as the library knows it (puffs_node(3)): the file system's own data, attributes, and what path it is known by. It can be the
 * node of the operations itself, or belong to one.
 */
export class PuffsNode<Data = unknown> {
  data: Data;
  /** For the file system to keep. */
  attributes: Attributes | undefined;
  /** Kept by the path framework: see path.ts. */
  path: PathObject | undefined;
  #removed = false;

  constructor(data: Data) {
    this.data = data;
  }

  /** Its last name is gone, but it is still in use. */
  get removed(): boolean {
    return this.#removed;
  }

  /** For `NodeList.remove`. */
  static remove(node: PuffsNode): void {
    node.#removed = true;
  }
}

/** All nodes of one mount. */
export class NodeList<Data = unknown> {
  readonly #nodes = new Set<PuffsNode<Data>>();

  /** How many there are, removed ones among them. */
  get size(): number {
    return this.#nodes.size;
  }

  /** A new node of this mount. */
  create(data: Data): PuffsNode<Data> {
    const node = new PuffsNode(data);
    this.#nodes.add(node);
    return node;
  }

  /**
   * Call `visit` for each node that is not removed until it answers something, which is the answer; undefined, null and false go on,
   * as NULL does in C. It may create nodes, which are not visited, remove them and put them.
   */
  walk<T>(visit: (node: PuffsNode<Data>) => T | undefined | null | false): T | undefined {
    let left = this.#nodes.size;
    for (const node of this.#nodes) {
      if (left-- === 0) break;
      const found = node.removed ? undefined : visit(node);
      if (found !== undefined && found !== null && found !== false) return found;
    }
    return undefined;
  }

  /** All of them, removed ones too. */
  all(): Iterable<PuffsNode<Data>> {
    return this.#nodes;
  }

  /** The file has no name any more; who has it open goes on. From `remove` and `rmdir`. */
  remove(node: PuffsNode<Data>): void {
    PuffsNode.remove(node);
  }

  /** Nobody knows the node any more. From `reclaim`. */
  put(node: PuffsNode<Data>): void {
    this.#nodes.delete(node);
  }
}
