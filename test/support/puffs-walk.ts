import { Errno, type ErrnoName } from "../../src/errno.ts";
import { nameLength } from "../../src/name.ts";
import { CnFlags, Limits, Nameiop, Vtype } from "../../src/puffs/flags.ts";
import type { Caller, PuffsKernel } from "../../src/puffs/kernel.ts";
import type { Credentials } from "./client.ts";

const MOST_LINKS = 32;

/** A vnode that is held, by its cookie. */
export interface Node {
  readonly cookie: number;
  readonly vtype: number;
}

/** A name in a directory, before anybody asked whether it is there. */
export interface Place {
  /** From the root down to the directory that holds the name. */
  readonly above: readonly Node[];
  /** "" is the root itself; "." and ".." are possible. */
  readonly name: string;
  /** The path ended in a slash: only a directory will do. */
  readonly slash: boolean;
}

/** References to nodes: the last one that goes is INACTIVE, and RECLAIM where the server says so. */
export class References {
  readonly kernel: PuffsKernel;
  readonly #counts = new Map<number, number>();

  constructor(kernel: PuffsKernel) {
    this.kernel = kernel;
  }

  count(cookie: number): number {
    return this.#counts.get(cookie) ?? 0;
  }

  hold(cookie: number): void {
    this.#counts.set(cookie, (this.#counts.get(cookie) ?? 0) + 1);
  }

  async drop(cookie: number, caller: Caller): Promise<void> {
    const left = (this.#counts.get(cookie) ?? 0) - 1;
    if (left > 0) {
      this.#counts.set(cookie, left);
      return;
    }
    this.#counts.delete(cookie);
    await this.kernel.release(cookie, caller, () => !this.#counts.has(cookie));
  }

  /** Forget every node that nobody holds, as when memory is short. */
  reclaimAll(): void {
    for (const cookie of [...this.kernel.nodes.keys()])
      if (!this.#counts.has(cookie)) this.kernel.reclaim(cookie);
  }
}

/**
 * Finds files by path as namei(9) does without a name cache, one LOOKUP for each name, in the name of one caller. Whether a directory
 * may be searched is the server's to say. What it finds is held until `end`.
 */
export class Walk {
  readonly kernel: PuffsKernel;
  readonly who: Credentials;
  readonly caller: Caller;
  readonly #references: References;
  readonly #held: number[] = [];
  #links = 0;

  constructor(references: References, who: Credentials) {
    this.#references = references;
    this.kernel = references.kernel;
    this.who = who;
    const { uid, gid, groups } = who;
    this.caller = { uid, gid, groups, pid: process.pid, lid: 1 };
  }

  get root(): Node {
    return { cookie: this.kernel.root, vtype: Vtype.DIR };
  }

  /** Let go of all that was found. */
  async end(): Promise<void> {
    for (const cookie of this.#held.splice(0).reverse())
      await this.#references.drop(cookie, this.caller);
  }

  /** A node that the server has just told of. */
  held(cookie: number): Node {
    this.#references.hold(cookie);
    this.#held.push(cookie);
    return { cookie, vtype: this.kernel.nodes.get(cookie)?.vtype ?? Vtype.NON };
  }

  /** Where the path's last name is, the directories above it searched. */
  async place(path: string, start?: readonly Node[]): Promise<Place> {
    if (path === "") fail("ENOENT");
    if (nameLength(path) >= Limits.MAXPATHLEN) fail("ENAMETOOLONG");
    const names = path.split("/").filter((name) => name !== "");
    const name = names.pop() ?? "";
    const slash = path.endsWith("/");
    const from = path.startsWith("/") || !start ? [this.root] : start;
    return { above: await this.#descend(from, names), name, slash };
  }

  /**
   * What is at the place; undefined if nothing is. A symbolic link is not followed. `nameiop` says what is to become of it: then the
   * server checks that too.
   */
  async peek(place: Place, nameiop: number = Nameiop.LOOKUP): Promise<Node | undefined> {
    const { above, name, slash } = place;
    const directory = last(above);
    if (directory.vtype !== Vtype.DIR) fail("ENOTDIR");
    if (nameLength(name) > Limits.KERNEL_NAME_MAX) fail("ENAMETOOLONG");
    if (name === "") return directory;
    if (name === ".") {
      await this.kernel.access(directory.cookie, 1, this.caller);
      return directory;
    }
    if (name === ".." && above.length === 1) return directory;
    const flags = place.slash ? CnFlags.REQUIREDIR : 0;
    const ends = nameiop === Nameiop.LOOKUP ? 0 : CnFlags.ISLASTCN | CnFlags.LOCKPARENT;
    const creates = slash && nameiop === Nameiop.CREATE ? CnFlags.CREATEDIR : 0;
    const cn = { name, nameiop, flags: flags | ends | creates };
    const found = await this.kernel
      .lookup(directory.cookie, cn, this.caller)
      .catch((error: { code?: string }) => {
        if (error.code === "ENOENT") return undefined;
        throw error;
      });
    return found && this.held(found.newnode);
  }

  /** The file that the path leads to: ENOENT if there is none. */
  async find(path: string, follow = true): Promise<Node> {
    const place = await this.place(path);
    return last(await this.#arrive(place, follow || place.slash));
  }

  /** Where a symbolic link at `place` points to. */
  async beyond(place: Place, link: Node): Promise<Place> {
    if (++this.#links > MOST_LINKS) fail("ELOOP");
    const target = await this.kernel.readlink(link.cookie, this.caller);
    const beyond = await this.place(target, place.above);
    return { ...beyond, slash: beyond.slash || place.slash };
  }

  async #descend(from: readonly Node[], names: readonly string[]): Promise<readonly Node[]> {
    let above = from;
    for (const name of names) above = await this.#arrive({ above, name, slash: true }, true);
    return above;
  }

  /** The directories down to the file at the place, and that file. */
  async #arrive(place: Place, follow: boolean): Promise<readonly Node[]> {
    const { above, name, slash } = place;
    const node = await this.peek(place);
    if (!node) fail("ENOENT");
    if (name === "" || name === ".") return above;
    if (name === "..") return above.length > 1 ? above.slice(0, -1) : above;
    if (follow && node.vtype === Vtype.LNK)
      return this.#arrive(await this.beyond(place, node), true);
    if (slash && node.vtype !== Vtype.DIR) fail("ENOTDIR");
    return [...above, node];
  }
}

export function last(nodes: readonly Node[]): Node {
  return nodes.at(-1) as Node;
}

export function fail(code: ErrnoName): never {
  throw new Errno(code);
}
