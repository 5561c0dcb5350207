import { PageTable } from "./page-table.ts";
import { HOLE, PAGE, RESERVED } from "./pool.ts";
import { pagesFor, type Volume } from "./volume.ts";

/**
 * The bytes of a regular file, by pages. A page is a hole, a reserved one, or a block of the pool; a block shorter than the
 * page is followed by zeros. Nothing here knows the file's size: bytes past it are always zero or not there.
 */
export class Content {
  /** Counted against the volume: in blocks and reserved. */
  pages = 0;
  private readonly volume: Volume;
  /** The block of page 0, so that a small file needs no table; those of the others. */
  private first = HOLE;
  private table: PageTable | undefined = undefined;

  constructor(volume: Volume) {
    this.volume = volume;
  }

  /** Fills `into` up to `length` with what lies at `offset`. */
  read(into: Uint8Array, offset: number, length: number): void {
    const { pool } = this.volume;
    for (let done = 0; done < length; ) {
      const within = (offset + done) & WITHIN;
      let page = (offset + done - within) / PAGE;
      const block = this.get(page);
      let count = Math.min(PAGE - within, length - done);
      if (block <= RESERVED) {
        into.fill(0, done, done + count);
      } else {
        const slab = pool.slab(block);
        const at = slab.at(block) + within;
        if (slab.unit === PAGE) {
          for (let next = block + 1; done + count < length && this.get(++page) === next; next++) {
            count = Math.min(count + PAGE, length - done);
          }
          slab.bytes.copy(into, done, at, at + count);
        } else {
          const there = Math.min(count, Math.max(0, slab.unit - within));
          slab.bytes.copy(into, done, at, at + there);
          into.fill(0, done + there, done + count);
        }
      }
      done += count;
    }
  }

  /**
   * Takes the first `length` bytes of `from` for `offset`, page by page for as long as there is space; answers how many.
   * `fit` asks for blocks no longer than what is in them, which small files want.
   */
  write(from: Uint8Array, offset: number, length: number, fit: boolean): number {
    const { pool } = this.volume;
    let done = 0;
    while (done < length) {
      const within = (offset + done) & WITHIN;
      let page = (offset + done - within) / PAGE;
      let count = Math.min(PAGE - within, length - done);
      const block = this.prepare(page, within, within + count, fit);
      if (block === HOLE) break;
      const slab = pool.slab(block);
      const at = slab.at(block) + within;
      for (let next = block + 1; slab.unit === PAGE && done + count < length; next++) {
        const more = Math.min(PAGE, length - done - count);
        if (this.prepare(++page, 0, more, fit) !== next) break;
        count += more;
      }
      copy.call(from, slab.bytes, at, done, done + count);
      done += count;
    }
    return done;
  }

  /** Makes a hole from `start` to `end` (which may be Infinity): pages wholly in it are freed. */
  punch(start: number, end: number): void {
    const first = pagesFor(start);
    const last = Math.floor(end / PAGE);
    if (first > last) {
      this.zero(last, start & WITHIN, end & WITHIN);
      return;
    }
    if ((start & WITHIN) > 0) this.zero(first - 1, start & WITHIN, PAGE);
    if ((end & WITHIN) > 0) this.zero(last, 0, end & WITHIN);
    for (let page = this.next(first, last); page < last; page = this.next(page + 1, last)) {
      this.free(this.get(page));
      this.set(page, HOLE);
      this.pages--;
      this.volume.givePages(1);
    }
    this.table?.forget(first, last);
  }

  /** Promises space from `start` to `end`, so that writes there cannot lack it; all of it, or answers false. */
  reserve(start: number, end: number): boolean {
    const first = Math.floor(start / PAGE);
    const last = pagesFor(end);
    let missing = last - first;
    for (let page = this.next(first, last); page < last; page = this.next(page + 1, last)) {
      missing--;
    }
    if (!this.volume.takePages(missing)) return false;
    this.pages += missing;
    for (let page = first; page < last; page++) {
      if (this.get(page) === HOLE) this.set(page, RESERVED);
    }
    return true;
  }

  /** Makes the bytes from `start` to `end` zeros and promises their space; or answers false. */
  clear(start: number, end: number): boolean {
    if (!this.reserve(start, end)) return false;
    for (let page = Math.floor(start / PAGE); page * PAGE < end; page++) {
      const from = Math.max(0, start - page * PAGE);
      const to = Math.min(PAGE, end - page * PAGE);
      if (to - from < PAGE) {
        this.zero(page, from, to);
      } else {
        this.free(this.get(page));
        this.set(page, RESERVED);
      }
    }
    return true;
  }

  /** The first offset at or after `offset` and before `size` that lies in a block; `size` if there is none. */
  nextData(offset: number, size: number): number {
    const last = pagesFor(size);
    let page = this.next(Math.floor(offset / PAGE), last);
    while (page < last && this.get(page) === RESERVED) page = this.next(page + 1, last);
    return Math.min(size, Math.max(offset, page * PAGE));
  }

  /** The first offset at or after `offset` and before `size` that does not; `size` if there is none. */
  nextHole(offset: number, size: number): number {
    let page = Math.floor(offset / PAGE);
    while (page * PAGE < size && this.get(page) > RESERVED) page++;
    return Math.min(size, Math.max(offset, page * PAGE));
  }

  private get(page: number): number {
    if (page === 0) return this.first;
    return this.table === undefined ? HOLE : this.table.get(page);
  }

  private set(page: number, block: number): void {
    if (page === 0) {
      this.first = block;
    } else {
      this.table ??= new PageTable();
      this.table.set(page, block);
    }
  }

  /** The first page at or after `start` and before `end` that is not a hole; `end` if there is none. */
  private next(start: number, end: number): number {
    if (start === 0 && end > 0 && this.first !== HOLE) return 0;
    return this.table === undefined ? end : this.table.next(start, end);
  }

  /** The block of a page, made ready for the bytes from `start` to `end` to be written; HOLE if there is no space. */
  private prepare(page: number, start: number, end: number, fit: boolean): number {
    const { pool } = this.volume;
    const old = this.get(page);
    if (old > RESERVED) {
      const slab = pool.slab(old);
      if (end <= slab.unit) return old;
      const block = pool.allocate(fit ? end : PAGE, 0, slab.unit);
      if (block === HOLE) return HOLE;
      slab.bytes.copy(
        pool.slab(block).bytes,
        pool.slab(block).at(block),
        slab.at(old),
        slab.at(old) + slab.unit,
      );
      pool.free(old);
      this.set(page, block);
      return block;
    }
    if (old === HOLE && !this.volume.takePages(1)) return HOLE;
    const block = pool.allocate(fit ? end : PAGE, start, end);
    if (block === HOLE) {
      if (old === HOLE) this.volume.givePages(1);
      return HOLE;
    }
    if (old === HOLE) this.pages++;
    this.set(page, block);
    return block;
  }

  private zero(page: number, start: number, end: number): void {
    const block = this.get(page);
    if (block <= RESERVED) return;
    const slab = this.volume.pool.slab(block);
    const at = slab.at(block);
    slab.bytes.fill(0, at + Math.min(start, slab.unit), at + Math.min(end, slab.unit));
  }

  private free(block: number): void {
    if (block > RESERVED) this.volume.pool.free(block);
  }
}

/** `& WITHIN` is `% PAGE`, and fast, also for offsets that have more than 32 bits. */
const WITHIN = PAGE - 1;

/** For it to be called on any Uint8Array; see Memory. */
const { copy } = Buffer.prototype;
