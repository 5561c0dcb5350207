import { type Awaitable, isPromise, then } from "./awaitable.ts";
import { Errno } from "./errno.ts";
import { isName } from "./name.ts";
import { Nonsense } from "./nonsense.ts";
import type { Call, DirectoryEntry } from "./operations.ts";

/** A listing as a plugin gives it. */
export type Listing = Iterable<DirectoryEntry<object>> | AsyncIterable<DirectoryEntry<object>>;

/** Begins a listing after a cookie: `node.readdir`, for one directory. */
export type Lister = (from: number, call: Call) => Awaitable<Listing | Errno>;

/** An entry with the offset after it. */
export interface Place {
  readonly entry: DirectoryEntry<object>;
  readonly next: number;
}

/**
 * readdir(3) of one opened directory: turns what a plugin lists into entries with offsets, and goes on where the kernel left off.
 *
 * Entries with cookies are read lazily, and the cookie is the offset. Entries without are taken all at once when a scan begins
 * at 0, and the offset is their number: what is created or removed meanwhile changes nothing, so that every
 * entry that stays is told exactly once. Who comes back at their end has the listing asked once more.
 *
 * Offsets 0 to 2 are the beginning, after "." and after "..": those of the plugin's entries are moved up by 2.
 */
export class Scan {
  readonly #list: Lister;
  /** Taken entries, where there are no cookies. */
  #snapshot: DirectoryEntry<object>[] | undefined;
  /** What they were taken from, unless it was an array. */
  #source: Iteration | undefined;
  /** Other requests have come since they were taken. */
  #stale = false;
  #lazy: Iteration | undefined;
  /** The offset that `#lazy` stands at. */
  #at = 0;
  /** Read from `#lazy` but not taken by the caller: comes first next time. */
  #held: DirectoryEntry<object> | undefined;

  constructor(list: Lister) {
    this.#list = list;
  }

  /** The offset that it goes on at. */
  get offset(): number {
    return this.#at + DOTS;
  }

  /**
   * Stand at `offset` (which came from the kernel: 0 to 2, or the `next` of a place told before), so that `next` goes on there. Behind the
   * dots is the beginning too, but where nothing else was told.
   */
  seek(offset: number, call: Call): Awaitable<undefined | Errno> {
    const from = Math.max(0, offset - DOTS);
    const goesOn = offset > DOTS || (offset === DOTS && this.#snapshot?.length === 0);
    if (goesOn && this.#snapshot) {
      this.#stale = true;
      this.#at = from;
      return this.#source && from >= this.#snapshot.length
        ? this.#more(this.#source, this.#snapshot)
        : undefined;
    }
    if (offset > DOTS && this.#lazy && this.#at === from) {
      if (this.#held) this.#held = nameOnly(this.#held);
      return undefined;
    }
    this.end();
    this.#stale = false;
    return then(this.#list(from, call), (listing) => this.#begin(listing, from));
  }

  /** The next entry; undefined at the end. */
  next(): Awaitable<Place | undefined> {
    if (this.#snapshot) {
      if (this.#at >= this.#snapshot.length) return undefined;
      const entry = this.#snapshot[this.#at] as DirectoryEntry<object>;
      return { entry: this.#stale ? nameOnly(entry) : entry, next: this.#at + 1 + DOTS };
    }
    const held = this.#held;
    if (held) return { entry: held, next: (held.cookie as number) + DOTS };
    if (!this.#lazy) return undefined;
    return then(this.#step(this.#lazy), (step) => this.#place(step));
  }

  /** The place that `next` told was taken: go on behind it. Otherwise the next `next` tells it again. */
  take(place: Place): void {
    this.#at = place.next - DOTS;
    this.#held = undefined;
  }

  /** The directory is closed or rewound: let the plugin's generator clean up. */
  end(): void {
    const lazy = this.#lazy;
    this.#lazy = undefined;
    this.#snapshot = undefined;
    this.#source = undefined;
    this.#held = undefined;
    try {
      const returned = lazy?.return?.();
      if (isPromise(returned)) returned.then(undefined, () => {});
    } catch {
      // A generator that fails while it is given up has nothing left to tell anyone.
    }
  }

  /** Goes on with the listing where it ended: one that has come by more since tells it now. */
  #more(source: Iteration, taken: DirectoryEntry<object>[]): Awaitable<undefined> {
    return then(this.#step(source), (step) => this.#drain(source, step, taken));
  }

  #begin(listing: Listing | Errno, from: number): Awaitable<undefined | Errno> {
    if (listing instanceof Errno) return listing;
    if (Array.isArray(listing) && listing.length > 0 && listing[0]?.cookie === undefined) {
      this.#snapshot = listing.slice();
      this.#at = from;
      return undefined;
    }
    const iterator = iteratorOf(listing);
    return then(this.#step(iterator), (first) => this.#look(iterator, first, from));
  }

  /** One that fails is done with: asked again it would say that it is at its end, and the rest would be missing. */
  #step(iterator: Iteration): Awaitable<IteratorResult<DirectoryEntry<object>>> {
    const failed = (cause: unknown): never => {
      this.end();
      throw cause;
    };
    try {
      const step = iterator.next();
      return isPromise(step) ? Promise.resolve(step).then(undefined, failed) : step;
    } catch (cause) {
      return failed(cause);
    }
  }

  /**
   * The first entry tells whether there are cookies; without them all others are taken now. Where there is none, behind a
   * cookie is the end, not the whole.
   */
  #look(
    iterator: Iteration,
    first: IteratorResult<DirectoryEntry<object>>,
    from: number,
  ): Awaitable<undefined> {
    if (first.done ? from > 0 : first.value?.cookie !== undefined) {
      this.#lazy = iterator;
      this.#at = from;
      this.#held = first.value;
      return undefined;
    }
    this.#source = iterator;
    this.#at = from;
    return this.#drain(iterator, first, []);
  }

  /** Take the rest of a listing, from `first` on, behind what is `taken`. */
  #drain(
    iterator: Iteration,
    first: IteratorResult<DirectoryEntry<object>>,
    taken: DirectoryEntry<object>[],
  ): Awaitable<undefined> {
    const done = () => {
      this.#snapshot = taken;
      return undefined;
    };
    let step: Awaitable<IteratorResult<DirectoryEntry<object>>> = first;
    for (;;) {
      if (isPromise(step))
        return rest(iterator as AsyncIterator<DirectoryEntry<object>>, step, taken).then(done);
      const result = step as IteratorResult<DirectoryEntry<object>>;
      if (result.done) return done();
      taken.push(result.value);
      step = this.#step(iterator);
    }
  }

  #place(step: IteratorResult<DirectoryEntry<object>>): Place | undefined {
    if (step.done) return undefined;
    this.#held = step.value;
    return { entry: step.value, next: (step.value.cookie as number) + DOTS };
  }
}

/** "." and "..", which the framework tells itself. */
export const DOTS = 2;

type Iteration = Iterator<DirectoryEntry<object>> | AsyncIterator<DirectoryEntry<object>>;

function iteratorOf(listing: Listing): Iteration {
  return Symbol.asyncIterator in listing
    ? listing[Symbol.asyncIterator]()
    : listing[Symbol.iterator]();
}

/** What was listed a while ago may be gone by now, and its node with it: only a lookup can tell. */
function nameOnly({ name, mode, ino, cookie }: DirectoryEntry<object>): DirectoryEntry<object> {
  return { name, mode, ino, cookie };
}

async function rest(
  iterator: AsyncIterator<DirectoryEntry<object>>,
  step: Promise<IteratorResult<DirectoryEntry<object>>>,
  taken: DirectoryEntry<object>[],
): Promise<void> {
  for (let result = await step; !result.done; result = await iterator.next())
    taken.push(result.value);
}

/** Throws if an entry of a plugin's cannot be; `next` is the offset after it. */
export function checkEntry(entry: DirectoryEntry<object>, next: number): void {
  if (!(typeof entry?.name === "string" && isName(entry.name)))
    throw new Nonsense(`readdir told ${Bun.inspect(entry, { depth: 1 }).slice(0, 200)}`);
  if (entry.name === "." || entry.name === "..")
    throw new Nonsense(`readdir told "${entry.name}", which the framework adds`);
  if (!(Number.isSafeInteger(next) && next > DOTS))
    throw new Nonsense(`readdir told the cookie ${Bun.inspect(entry.cookie)}`);
  const ino = entry.ino;
  if (ino !== undefined && !(Number.isSafeInteger(ino) && ino > 0))
    throw new Nonsense(`readdir told the inode number ${Bun.inspect(ino)}`);
}
