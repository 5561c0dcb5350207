/** A node as the kernel knows it: the plugin's object with the number it was given, and what still refers to it. */
export class Vnode<N extends object = object> {
  /** The cookie: a small number, used again after `reclaim` with another generation. */
  readonly id: number;
  /** Together with the id never the same twice in the life of a mount: NFS handles are made of it. */
  readonly generation: number;
  readonly node: N;
  /** The directory that the node was found in last: what ".." is, where the plugin does not say. */
  parent: Vnode<N> | undefined = undefined;
  /** How often the kernel was told of it and has not forgotten. */
  lookups = 0;
  /** Opens of it that have not ended. */
  opens = 0;
  /** Requests at work on it. */
  pending = 0;
  /** Directories that were adopted by it. */
  children = 0;
  /** `parent` is one of those that count it among their children. */
  adopted = false;
  /** Of an adopted one, its name there as it was told last. */
  name = "";
  /** Its last name is gone. */
  removed = false;
  /** A file handle led to it, which puffs does not count as a lookup: kept until it is reclaimed. */
  byHandle = false;

  constructor(id: number, generation: number, node: N) {
    this.id = id;
    this.generation = generation;
    this.node = node;
  }
}

/** The number of the mount point's node, in FUSE (FUSE_ROOT_ID) and here for every door. */
export const ROOT_ID = 1;

/**
 * All nodes that the kernel knows. A node is numbered when it is handed out first and keeps its number until nothing
 * refers to it: no lookup, no open, no request at work, no child. Then `reclaim` is called with it.
 */
export class Vnodes<N extends object = object> {
  readonly #byId: (Vnode<N> | undefined)[] = [undefined];
  readonly #byNode = new Map<N, Vnode<N>>();
  readonly #free: number[] = [];
  readonly #reclaim: (node: N) => void;
  #generation = 1;

  /** `root` is held for as long as the table lives. */
  constructor(root: N, reclaim: (node: N) => void) {
    this.#reclaim = reclaim;
    this.#number(root).lookups = 1;
  }

  /** How many the kernel knows, the root among them. */
  get size(): number {
    return this.#byNode.size;
  }

  /** The vnode of a number that came from the kernel; undefined if it was never given out or is reclaimed. */
  at(id: number): Vnode<N> | undefined {
    return this.#byId[id];
  }

  /** The vnode of a node if the kernel knows it. */
  of(node: N): Vnode<N> | undefined {
    return this.#byNode.get(node);
  }

  /** The node is about to be told to the kernel, which counts: one more lookup. */
  handOut(node: N): Vnode<N> {
    const vnode = this.#byNode.get(node) ?? this.#number(node);
    vnode.lookups++;
    return vnode;
  }

  /** The kernel has dropped `count` of its lookups. More than there were is a kernel's bug, taken as all there were. */
  forget(vnode: Vnode<N>, count: number): void {
    if (vnode.id !== ROOT_ID) vnode.lookups = Math.max(0, vnode.lookups - count);
    this.release(vnode);
  }

  /**
   * `parent` is where `child`'s ".." leads from now on, and is kept for as long as the child: where ".." is asked of the server,
   * the kernel may have forgotten the parent by then. One that `parent` is in, as where a name leads up again, stays where it is.
   */
  adopt(child: Vnode<N>, parent: Vnode<N>, name = ""): void {
    if (child.adopted && child.parent === parent) {
      child.name = name;
      return;
    }
    if (child.id === ROOT_ID || isWithin(parent, child)) return;
    child.name = name;
    this.#disown(child);
    child.parent = parent;
    child.adopted = true;
    parent.children++;
  }

  #disown(child: Vnode<N>): void {
    const { parent } = child;
    if (!(child.adopted && parent)) return;
    child.adopted = false;
    child.parent = undefined;
    parent.children--;
    this.release(parent);
  }

  /** Something that held the vnode has let go (an open or a request, already counted down): reclaim it if nothing else does. */
  release(vnode: Vnode<N>): void {
    if (vnode.lookups > 0 || vnode.opens > 0 || vnode.pending > 0 || vnode.children > 0) return;
    if (vnode.byHandle) return;
    if (this.#byId[vnode.id] !== vnode) return;
    this.#byId[vnode.id] = undefined;
    this.#byNode.delete(vnode.node);
    this.#free.push(vnode.id);
    this.#reclaim(vnode.node);
    this.#disown(vnode);
  }

  /** Every vnode there is: for the end of the mount. */
  *all(): Iterable<Vnode<N>> {
    yield* this.#byNode.values();
  }

  #number(node: N): Vnode<N> {
    const reused = this.#free.pop();
    const id = reused ?? this.#byId.length;
    if (reused !== undefined) this.#generation++;
    const vnode = new Vnode(id, this.#generation, node);
    this.#byId[id] = vnode;
    this.#byNode.set(node, vnode);
    return vnode;
  }
}

/** Whether a directory is `other`, or somewhere in it. */
export function isWithin(directory: Vnode, other: Vnode): boolean {
  for (let above: Vnode | undefined = directory; above; above = above.parent)
    if (above === other) return true;
  return false;
}
