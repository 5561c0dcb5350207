import { ENOENT } from "../errno.ts";
import type { NodeList, PuffsNode } from "./node.ts";

/** What paths can be made of: a string, numbers, bytes. */
export type Pathlike = ArrayLike<string | number>;

/** A path with what is kept along to find it quickly. */
export interface PathObject<P extends Pathlike = Pathlike> {
  readonly path: P;
  /** Of 32 bits; 0 where paths are not hashed. */
  readonly hash: number;
}

/** What paths are in a file system: for the usual kind, with slashes, see `standardPaths`. What they throw fails the operation. */
export interface PathRules<P extends Pathlike> {
  /** The path of `component` in `directory`; of `component` only what begins at `offset` is meant. */
  build(directory: P, component: P, offset: number): P;
  /** What a name becomes in a path. Left out: it is that already, so paths are strings. */
  transform?(directory: P, name: string): P;
  /** Whether all `length` units of `path` are the first of `other`; with `prefix` a component must end there, and more follow. */
  compare(path: P, other: P, length: number, prefix: boolean): boolean;
  /** A path is not used any more. Each that `build` and `transform` made gets here once. */
  free?(path: P): void;
}

/** Names, a slash before each but the first: what most file systems' servers take. ".." is the path without its last name. */
export const standardPaths: PathRules<string> = {
  build(directory, component, offset) {
    const rest = component.slice(offset).replace(/^\/+/, "");
    if (rest === "..") return directory.slice(0, Math.max(1, directory.lastIndexOf("/")));
    return `${directory.replace(/\/+$/, "")}/${rest}`;
  },
  compare: (path, other, length, prefix) =>
    other.startsWith(path) && (prefix ? other[length] === "/" : other.length === length),
};

/**
 * Which path each node is known by (puffs_path(3)): for file systems whose server wants whole paths. A node has the path that it was
 * found by first, until that name is taken away; a node that has lost it gets another when it is next looked up. When a directory is
 * renamed all below go with it.
 */
export class Paths<P extends Pathlike = string> {
  readonly #nodes: NodeList;
  readonly #rules: PathRules<P>;
  readonly #hashes: boolean;
  readonly #released = new WeakSet<object>();

  /** `hash`: compare hashes before paths (PUFFS_FLAG_HASHPATH). */
  constructor(nodes: NodeList, rules: PathRules<P>, { hash = false } = {}) {
    this.#nodes = nodes;
    this.#rules = rules;
    this.#hashes = hash;
  }

  /** What node is known by. The root's is given with `assign` before all others. */
  of(node: PuffsNode): PathObject<P> | undefined {
    return node.path as PathObject<P> | undefined;
  }

  /** A path by itself, such as the root's. */
  object(path: P): PathObject<P> {
    return { path, hash: this.#hashes ? hashOf(path) : 0 };
  }

  /**
   * The path of a name. `original` is the name as it came, for a transformation that is not to see what became of it. Throws ENOENT for a
   * directory that has no path any more.
   */
  child(directory: PuffsNode, name: string, original = name): PathObject<P> {
    const above = this.of(directory);
    if (!above) throw ENOENT;
    const { transform, free } = this.#rules;
    if (!transform) return this.object(this.#rules.build(above.path, name as unknown as P, 0));
    const component = transform.call(this.#rules, above.path, original);
    try {
      return this.object(this.#rules.build(above.path, component, 0));
    } finally {
      free?.call(this.#rules, component);
    }
  }

  /** From now on the node is known by this. */
  assign(node: PuffsNode, path: PathObject<P> | undefined): void {
    const old = this.of(node);
    node.path = path;
    if (old && old !== path) this.release(old);
  }

  /** The node that has this path. */
  find(path: PathObject<P>): PuffsNode | undefined {
    return this.#nodes.walk((node) => (this.matches(node, path) ? node : undefined));
  }

  /** Whether the node is known by this path. */
  matches(node: PuffsNode, path: PathObject<P>): boolean {
    const own = this.of(node);
    if (!own || own.hash !== path.hash || own.path.length !== path.path.length) return false;
    return this.#rules.compare(path.path, own.path, path.path.length, false);
  }

  /** What had the path `from` has `to` now, and all below have moved along. What had `to` has lost its name. Both paths are used up. */
  move(from: PathObject<P>, to: PathObject<P>): void {
    this.lose(to);
    const node = this.find(from);
    for (const [below, path] of this.#moved(from, to)) this.assign(below, path);
    this.#hand(to, node);
    this.release(from);
  }

  /** What had one path has the other, with all below. Both are used up. */
  exchange(one: PathObject<P>, other: PathObject<P>): void {
    const first = this.find(one);
    const second = this.find(other);
    const below = [...this.#moved(one, other), ...this.#moved(other, one)];
    for (const [node, path] of below) this.assign(node, path);
    this.#hand(other, first);
    this.#hand(one, second);
  }

  /** Where all below a directory go when it is called `to`. */
  #moved(from: PathObject<P>, to: PathObject<P>): [PuffsNode, PathObject<P>][] {
    const moved: [PuffsNode, PathObject<P>][] = [];
    const { length } = from.path;
    this.#nodes.walk((node) => {
      const own = this.of(node)?.path;
      if (own && this.#rules.compare(from.path, own, length, true))
        moved.push([node, this.object(this.#rules.build(to.path, own, length))]);
    });
    return moved;
  }

  #hand(path: PathObject<P>, node: PuffsNode | undefined): void {
    if (node) this.assign(node, path);
    else this.release(path);
  }

  /** The name is gone: what had the path has none, whether or not the file system has said already that it is removed. */
  lose(path: PathObject<P>): void {
    for (const node of this.#nodes.all())
      if (this.matches(node, path)) this.assign(node, undefined);
  }

  /** A path that `child` made is not used any more. Twice is once. */
  release(path: PathObject<P>): void {
    if (this.#released.has(path)) return;
    this.#released.add(path);
    this.#rules.free?.(path.path);
  }
}

function hashOf(path: Pathlike): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < path.length; index++) {
    const unit = path[index] ?? 0;
    hash = Math.imul(hash ^ (typeof unit === "number" ? unit : unit.charCodeAt(0)), 0x01000193);
  }
  return hash >>> 0;
}
