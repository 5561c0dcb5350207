import { monotonic } from "../../ffi/clock.ts";
import { type Asker, type Context, isCode } from "./context.ts";
import type { PerfuseNode } from "./node.ts";
import { openFor } from "./operations/open.ts";

/**
 * What READDIRPLUS told of the names of a directory, a page at a time, before they are asked for: our own kernel is about to. The daemon has
 * counted a lookup of each, and nobody above has been told of it: what is not taken is given back.
 */
export class Foresight {
  readonly #context: Context;
  readonly #directory: PerfuseNode;
  readonly #nodes = new Map<string, PerfuseNode>();
  /** Where the next page begins. */
  #offset = 0n;
  #isOver = false;
  /** Nanoseconds of `monotonic` when the page came. */
  #told = 0;

  constructor(context: Context, directory: PerfuseNode) {
    this.#context = context;
    this.#directory = directory;
  }

  /**
   * The node of a name, with a lookup that is the caller's from now on, from this page or, of at most `room` bytes, the next: they are asked
   * for in the order of the directory. undefined: it must be looked up.
   */
  async find(name: string, room: number, asker: Asker): Promise<PerfuseNode | undefined> {
    if (this.#nodes.size === 0 && !this.#isOver && this.#isKnown)
      await this.#directory.listing.during(async () => {
        if (this.#nodes.size === 0) await this.#turn(room, asker);
      });
    return this.#nodes.has(name) ? this.#take(name) : undefined;
  }

  /** Whether the daemon lists that way, as far as is known. */
  get #isKnown(): boolean {
    return (
      this.#directory.session.kernel.agreed("DO_READDIRPLUS") && !this.#context.lacks("readdirplus")
    );
  }

  /** What was not taken is given back. */
  drop(): void {
    for (const node of this.#nodes.values()) this.#giveBack(node);
    this.#nodes.clear();
  }

  #take(name: string): PerfuseNode | undefined {
    for (const [passed, node] of this.#nodes) {
      this.#nodes.delete(passed);
      if (passed === name) return this.#isGood(name, node) ? node : this.#giveBack(node);
      // Whoever lists does not come back to it.
      this.#giveBack(node);
    }
    return undefined;
  }

  #isGood(name: string, node: PerfuseNode): boolean {
    const isStill = node.parent === this.#directory && node.name === name && !node.removed;
    const isYoung = monotonic() - this.#told < YOUNG && node.known.fresh;
    return isStill && isYoung && !node.reclaimed && !this.#context.gone(node);
  }

  /** A node that is forgotten above by now was given back whole. */
  #giveBack(node: PerfuseNode): undefined {
    if (node.reclaimed || this.#context.gone(node)) return;
    node.nlookup--;
    this.#context.giveBack(node.nodeid);
    if (node.nlookup > 0) return;
    node.reclaimed = true;
    node.session.table.drop(node);
  }

  /** The next page. */
  async #turn(room: number, asker: Asker): Promise<void> {
    const context = this.#context;
    const directory = this.#directory;
    const { session } = directory;
    const since = session.sizes;
    try {
      const { fh, flags } = directory.reader ?? (await openFor(context, directory, 0, asker));
      const size = Math.min(room, session.directorySize);
      const fields = { fh, flags, offset: this.#offset, size };
      const page = await context.ask(directory, asker, (kernel, caller) =>
        kernel.readdirplus(directory.nodeid, fields, caller),
      );
      this.#told = monotonic();
      const names = page.filter(({ name }) => name !== "." && name !== "..");
      for (const { name, entry } of names) {
        if (entry.nodeid === 0) continue;
        const twice = this.#nodes.get(name);
        if (twice) this.#giveBack(twice);
        this.#nodes.set(name, session.table.keep(entry, directory, name, since));
      }
      const end = page.at(-1)?.off;
      this.#isOver = end === undefined || end === this.#offset;
      this.#offset = end ?? this.#offset;
      // Some list that way, and tell nothing with it.
      if (names.length > 0 && this.#nodes.size === 0) session.lacks.add("readdirplus");
    } catch (error) {
      // Who asks looks the name up, and hears what is wrong.
      this.#isOver = true;
      if (isCode(error, "ENOSYS")) session.lacks.add("readdirplus");
    }
  }
}

/** Nanoseconds for which what was told in advance may be told on. */
const YOUNG = 100_000_000;
