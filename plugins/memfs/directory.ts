import type { DirectoryEntry, Time } from "puffs";
import { Inode } from "./inode.ts";

/** A name and what it leads to. */
export interface Entry {
  readonly name: string;
  node: Inode;
  /** Counted up through the life of the directory: where a scan goes on after this entry. */
  readonly cookie: number;
  /** Place in the order; changes when that is compacted. */
  position: number;
}

/**
 * A directory: its names by hash, and in the order they were made. Removed names leave their cookie behind in the order, so that
 * scans find their place by binary search, until there are more of those than names; then the order is compacted.
 */
export class Directory extends Inode {
  /** The directory this one is in; its own for the root. */
  parent: Directory;
  private readonly names = new Map<string, Entry>();
  private order: (Entry | number)[] = [];
  private lastCookie = 0;
  /** How often positions have changed. */
  private compactions = 0;

  constructor(
    ino: number,
    mode: number,
    uid: number,
    gid: number,
    time: Time,
    parent: Directory | undefined,
  ) {
    super(ino, mode, uid, gid, time);
    this.nlink = 2;
    this.parent = parent ?? this;
  }

  get parentIno(): number {
    return this.parent.ino;
  }

  get(name: string): Entry | undefined {
    return this.names.get(name);
  }

  isEmpty(): boolean {
    return this.names.size === 0;
  }

  /** Whether it was removed: then nothing can be made in it. */
  isDead(): boolean {
    return this.nlink === 0;
  }

  /** Adds a name that is not there. Link counts are the caller's business, here and below. */
  add(name: string, node: Inode): void {
    const position = this.order.length;
    const entry = { name, node, cookie: ++this.lastCookie, position };
    this.order.push(entry);
    this.names.set(name, entry);
    this.size += ENTRY_SIZE;
  }

  delete(entry: Entry): void {
    this.names.delete(entry.name);
    this.order[entry.position] = entry.cookie;
    this.size -= ENTRY_SIZE;
    if (this.order.length > 2 * this.names.size + SLACK) this.compact();
  }

  /** Whether this directory lies in `other`, however deep, or is it. */
  isWithin(other: Inode): boolean {
    let directory: Directory = this;
    while (directory !== other) {
      if (directory === directory.parent) return false;
      directory = directory.parent;
    }
    return true;
  }

  /** The entries after a cookie, read as the scan goes on: what comes or goes meanwhile disturbs no other. */
  *scan(from: number): Generator<DirectoryEntry<Inode>> {
    let cookie = from;
    let position = this.after(cookie);
    let compactions = this.compactions;
    for (;;) {
      if (compactions !== this.compactions) {
        position = this.after(cookie);
        compactions = this.compactions;
      }
      const entry = this.order[position++];
      if (entry === undefined) return;
      if (typeof entry === "number") continue;
      cookie = entry.cookie;
      yield new Listed(this, entry);
    }
  }

  /** The first position whose cookie is greater. */
  private after(cookie: number): number {
    let low = 0;
    let high = this.order.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const entry = this.order[middle] as Entry | number;
      if ((typeof entry === "number" ? entry : entry.cookie) <= cookie) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private compact(): void {
    const order = this.order.filter((entry) => typeof entry !== "number");
    for (let i = 0; i < order.length; i++) (order[i] as Entry).position = i;
    this.order = order;
    this.compactions++;
  }
}

/** An entry as it was listed; whoever listed it may hold it back while the name goes or comes to lead elsewhere. */
class Listed implements DirectoryEntry<Inode> {
  readonly name: string;
  readonly mode: number;
  readonly ino: number;
  readonly cookie: number;
  private readonly directory: Directory;

  constructor(directory: Directory, { name, node, cookie }: Entry) {
    this.name = name;
    this.mode = node.mode;
    this.ino = node.ino;
    this.cookie = cookie;
    this.directory = directory;
  }

  get node(): Inode | undefined {
    return this.directory.get(this.name)?.node;
  }
}

/** What an entry adds to the size shown, as on Linux's tmpfs. */
const ENTRY_SIZE = 20;
const SLACK = 64;
