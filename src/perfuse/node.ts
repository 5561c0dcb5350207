import type { EntryOut, Foreign } from "../fuse/foreign.ts";
import type { AttrOut } from "../fuse/structs.ts";
import { S_IFDIR } from "../mode.ts";
import type { Of } from "../struct.ts";
import type { Foresight } from "./foresight.ts";
import { Known, secondsOf } from "./known.ts";
import { Busy, Turn } from "./queue.ts";
import type { Session } from "./session.ts";

/** The root's number in FUSE. */
export const ROOT = 1;

/** What a daemon answered to OPEN, OPENDIR or CREATE. */
export interface Handle {
  readonly fh: Foreign;
  /** As open(2) has them: sent along with all that is done through the handle. */
  readonly flags: number;
  /** FOPEN_ bits. */
  readonly openFlags: number;
  /** The daemon wants to hear of the end. */
  readonly kept: boolean;
}

/**
 * A file of a daemon's. What is open of it is one handle for reading and one for writing, which all its openers share; the second can
 * read as well.
 */
export class PerfuseNode {
  /** The daemon's number of it. */
  readonly nodeid: Foreign;
  readonly generation: Foreign;
  /** Whose it is: after another daemon has taken over it is stale. */
  session: Session;
  /** Where it was found last, and by what name; "" for the root and what was found through "..". */
  parent: PerfuseNode | undefined;
  name = "";
  /** What was found here and is known, by name. */
  children: Map<string, PerfuseNode> | undefined;
  /** How often the daemon counted it. */
  nlookup = 0;
  read: Handle | undefined;
  write: Handle | undefined;
  /** Opens that have not ended. */
  opens = 0;
  /** The owner of the lock that was taken last; 0 for none. */
  lockOwner = 0n;
  /** All who may have locks. */
  lockOwners: Set<bigint> | undefined;
  readonly known = new Known(S_IFDIR | 0o755);
  /** The session's count when the size was changed last: an answer that was under way then is not believed for it. */
  sizes = 0;
  /** Of a directory that is being listed: what is about to be asked of it. */
  foresight: Foresight | undefined;
  /** Written to, or a directory changed, and not synced since. */
  dirty = false;
  /** Likewise its attributes. */
  changed = false;
  /** Its last name is gone. */
  removed = false;
  /** Forgotten above. */
  reclaimed = false;
  /** Requests about it that the daemon has not answered. */
  readonly exchanges = new Busy();
  #opening: Turn | undefined;
  #writing: Turn | undefined;
  #resizing: Turn | undefined;
  #listing: Turn | undefined;

  constructor(session: Session, nodeid: Foreign, generation: Foreign) {
    this.session = session;
    this.nodeid = nodeid;
    this.generation = generation;
  }

  /** For opens, and for the end of the last. */
  get opening(): Turn {
    this.#opening ??= new Turn();
    return this.#opening;
  }

  get writing(): Turn {
    this.#writing ??= new Turn();
    return this.#writing;
  }

  /** For what changes the size. */
  get resizing(): Turn {
    this.#resizing ??= new Turn();
    return this.#resizing;
  }

  get listing(): Turn {
    this.#listing ??= new Turn();
    return this.#listing;
  }

  get isOpen(): boolean {
    return this.read !== undefined || this.write !== undefined;
  }

  get isDirectory(): boolean {
    return this.known.isDirectory;
  }

  /** What to read through: a handle that was opened for writing can do so too. */
  get reader(): Handle | undefined {
    return this.read ?? this.write;
  }

  /** The daemon told of it; `since` is what the session had counted when that was asked for. */
  learn(out: Of<typeof AttrOut>, since = this.sizes): Known {
    this.known.take(out.attr, secondsOf(out.attrValid, out.attrValidNsec), this.sizes > since);
    this.known.parentIno = this.parent?.known.ino;
    return this.known;
  }

  /** The same from what a name brings along. */
  learnEntry(entry: Of<typeof EntryOut>, since = this.sizes): Known {
    this.known.entryTimeout = secondsOf(entry.entryValid, entry.entryValidNsec);
    return this.learn(entry, since);
  }

  /** A root: another daemon's from now on, which knows nothing of what was open. */
  renew(session: Session): void {
    this.session = session;
    this.children = undefined;
    this.foresight = undefined;
    this.sizes = 0;
    this.read = undefined;
    this.write = undefined;
    this.lockOwner = 0n;
    this.lockOwners = undefined;
    this.dirty = false;
    this.changed = false;
    this.known.told = Number.NEGATIVE_INFINITY;
  }

  /** It was made at least so long. */
  grow(size: number): void {
    this.resized();
    this.known.size = Math.max(this.known.size, size);
  }

  /** Its size has changed, or is about to. */
  resized(): void {
    this.sizes = ++this.session.sizes;
  }

  /** Whether its size is being changed. */
  get isResizing(): boolean {
    return this.#resizing?.busy ?? false;
  }

  /** When nobody writes, nor waits to. */
  async written(): Promise<void> {
    await this.#writing?.idle();
  }
}
