import { Buffer } from "node:buffer";
import type { BigIntStats } from "node:fs";
import { ESTALE } from "../errno.ts";

import { encodeName, nameLength } from "../name.ts";

/** A file of the tree below: which it is, and by which names it was found. */
export class NullNode {
  readonly key: string;
  readonly dev: bigint;
  readonly ino: bigint;
  /** Names that lead here; the last one is used. */
  readonly links: { readonly directory: NullNode; readonly name: string }[] = [];
  /** Of a directory: what was found in it. */
  readonly children = new Map<string, NullNode>();
  /** Descriptors that are open on it. */
  readonly open = new Set<number>();

  constructor(stats: BigIntStats) {
    this.key = keyOf(stats);
    this.dev = stats.dev;
    this.ino = stats.ino;
  }

  /** For NFS: good for as long as the node is known. */
  get handle(): Uint8Array {
    const view = new DataView(new ArrayBuffer(HANDLE_SIZE));
    view.setBigUint64(0, this.dev);
    view.setBigUint64(8, this.ino);
    return new Uint8Array(view.buffer);
  }
}

/** Bytes of two numbers; NFS version 2 leaves 28. */
const HANDLE_SIZE = 16;

/** What tells files apart. */
export function keyOf({ dev, ino }: Pick<BigIntStats, "dev" | "ino">): string {
  return `${dev}:${ino}`;
}

/** How to get at a node. */
export interface Way {
  readonly path: Buffer;
  /** The path is a link to the file, which has no name any more. */
  readonly follow: boolean;
}

/** All nodes of one tree that are known. */
export class NullNodes {
  readonly root: NullNode;
  readonly #directory: string;
  readonly #byKey = new Map<string, NullNode>();

  constructor(directory: string, stats: BigIntStats) {
    this.#directory = directory;
    this.root = new NullNode(stats);
    this.#byKey.set(this.root.key, this.root);
  }

  /** A node that is still known. */
  byHandle(handle: Uint8Array): NullNode | undefined {
    if (handle.length !== HANDLE_SIZE) return undefined;
    const view = new DataView(handle.buffer, handle.byteOffset, HANDLE_SIZE);
    const [dev, ino] = [view.getBigUint64(0), view.getBigUint64(8)];
    return this.#byKey.get(keyOf({ dev, ino }));
  }

  /** What was found by a name. */
  found(directory: NullNode, name: string, stats: BigIntStats): NullNode {
    const key = keyOf(stats);
    const known = this.#byKey.get(key);
    // A number is used again once its file is gone, but a kind never changes.
    const node = known ?? new NullNode(stats);
    this.#byKey.set(key, node);
    const before = directory.children.get(name);
    if (before !== node) {
      this.lost(directory, name);
      this.link(directory, name, node);
    }
    return node;
  }

  link(directory: NullNode, name: string, node: NullNode): void {
    node.links.push({ directory, name });
    directory.children.set(name, node);
  }

  /** The name does not lead to what it did. */
  lost(directory: NullNode, name: string): NullNode | undefined {
    const node = directory.children.get(name);
    if (!node) return undefined;
    directory.children.delete(name);
    const at = node.links.findIndex((l) => l.directory === directory && l.name === name);
    if (at >= 0) node.links.splice(at, 1);
    return node;
  }

  /** Nobody knows it any more. */
  forget(node: NullNode): void {
    for (const { directory, name } of [...node.links]) this.lost(directory, name);
    if (this.#byKey.get(node.key) === node) this.#byKey.delete(node.key);
  }

  /** Throws ESTALE if no name is known and nothing is open. */
  way(node: NullNode): Way {
    const path = this.#text(node);
    if (path !== undefined) return { path: bytesOf(path), follow: false };
    const [descriptor] = node.open;
    if (descriptor === undefined) throw ESTALE;
    return { path: bytesOf(`/proc/self/fd/${descriptor}`), follow: true };
  }

  /** The path of a name in a directory. */
  child(directory: NullNode, name: string): Buffer {
    const path = this.#text(directory);
    if (path === undefined) throw ESTALE;
    return bytesOf(`${path}/${name}`);
  }

  #text(node: NullNode): string | undefined {
    if (node === this.root) return this.#directory;
    const link = node.links.at(-1);
    const above = link && this.#text(link.directory);
    return above === undefined ? undefined : `${above}/${link?.name}`;
  }
}

/** Names are any bytes: see name.ts. */
export function bytesOf(text: string): Buffer {
  const bytes = Buffer.alloc(nameLength(text));
  encodeName(text, bytes, 0);
  return bytes;
}
