/**
 * A sparse array of numbers, by page: 0 where nothing was set. Pages may lie anywhere below 2^53; memory is used for the
 * neighbourhoods that have any, 4 bytes a page.
 */
export class PageTable {
  /** The first leaf, as long as needed: most files end in it. */
  private head = new Uint32Array(8);
  private readonly leaves = new Map<number, Uint32Array>();
  private lastKey = 0;
  private lastLeaf: Uint32Array | undefined;
  /** The keys of `leaves` in order; undefined when that has changed since. */
  private keys: number[] | undefined;

  get(page: number): number {
    if (page < this.head.length) return this.head[page] as number;
    if (page < LEAF) return 0;
    const key = Math.floor(page / LEAF);
    const leaf = key === this.lastKey ? this.lastLeaf : this.leafAt(key);
    return leaf === undefined ? 0 : (leaf[page % LEAF] as number);
  }

  set(page: number, value: number): void {
    if (page < LEAF) {
      if (page >= this.head.length) this.lengthen(page);
      this.head[page] = value;
      return;
    }
    const key = Math.floor(page / LEAF);
    let leaf = key === this.lastKey ? this.lastLeaf : this.leafAt(key);
    if (leaf === undefined) {
      leaf = new Uint32Array(LEAF);
      this.leaves.set(key, leaf);
      this.lastLeaf = leaf;
      this.keys = undefined;
    }
    leaf[page % LEAF] = value;
  }

  /** The first page at or after `start` and before `end` that has a number; `end` if there is none. */
  next(start: number, end: number): number {
    let page = start;
    for (; page < this.head.length && page < end; page++) if (this.head[page] !== 0) return page;
    if (end <= LEAF || this.leaves.size === 0) return end;

    this.keys ??= [...this.leaves.keys()].sort((a, b) => a - b);
    const wanted = Math.floor(Math.max(page, LEAF) / LEAF);
    for (let i = lowerBound(this.keys, wanted); i < this.keys.length; i++) {
      const key = this.keys[i] as number;
      const leaf = this.leaves.get(key) as Uint32Array;
      const first = key * LEAF;
      if (first >= end) break;
      for (let within = Math.max(0, start - first); within < LEAF; within++) {
        if (leaf[within] !== 0) return Math.min(first + within, end);
      }
    }
    return end;
  }

  /** Frees the memory of the neighbourhoods between two pages, all of whose numbers are 0 again. */
  forget(start: number, end: number): void {
    for (const key of this.leaves.keys()) {
      if (key * LEAF < start || (key + 1) * LEAF > end) continue;
      this.leaves.delete(key);
      this.keys = undefined;
    }
    this.lastKey = 0;
    this.lastLeaf = undefined;
  }

  private leafAt(key: number): Uint32Array | undefined {
    this.lastKey = key;
    this.lastLeaf = this.leaves.get(key);
    return this.lastLeaf;
  }

  private lengthen(page: number): void {
    let length = this.head.length;
    while (length <= page) length *= 2;
    const longer = new Uint32Array(length);
    longer.set(this.head);
    this.head = longer;
  }
}

function lowerBound(sorted: readonly number[], wanted: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] as number) < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Pages of a leaf: 2 MiB of content. */
const LEAF = 512;
