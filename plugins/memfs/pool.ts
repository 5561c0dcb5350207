import { type Memory, Supply } from "./memory.ts";

/** Bytes of a page: the unit of accounting, of holes, and the largest block there is. */
export const PAGE = 4096;

/** Entries of a page table that are no block: nothing is there, or space that is promised but still all zeros. */
export const HOLE = 0;
export const RESERVED = 1;

/**
 * The memory that contents lie in, taken from the system a slab at a time and given out in blocks.
 *
 * A block is a number: that of its slab in the upper bits, its place in the slab in the lower twelve. All blocks of a slab
 * are of one size, a multiple of 64 bytes up to a page, so a file of 100 bytes costs 128. Numbers instead of objects keep
 * the garbage collector out of it, and neighbouring pages have neighbouring numbers, which lets a copy span them.
 */
export class Pool {
  private readonly slabs: (Slab | undefined)[] = [undefined];
  private readonly numbers: number[] = [];
  private readonly withRoom: Slab[][] = Array.from({ length: PAGE / STEP + 1 }, () => []);
  private readonly supply = new Supply();

  /** The slab of a block that is neither HOLE nor RESERVED. */
  slab(block: number): Slab {
    return this.slabs[block >>> PLACE_BITS] as Slab;
  }

  /**
   * A block of at least `size` bytes (1 to PAGE), all zero but for those from `start` to `end`, which hold anything: the caller
   * is about to write them. HOLE if the machine has no memory left.
   */
  allocate(size: number, start: number, end: number): number {
    const step = Math.ceil(size / STEP);
    const room = this.withRoom[step] as Slab[];
    const slab = room[room.length - 1] ?? this.grow(step);
    if (slab === undefined) return HOLE;
    const clean = slab.touched;
    const place = slab.take();
    if (slab.used === slab.count) {
      room.pop();
      slab.position = -1;
    }
    if (place < clean) {
      const at = place * slab.unit;
      if (start > 0) slab.bytes.fill(0, at, at + start);
      if (end < slab.unit) slab.bytes.fill(0, at + end, at + slab.unit);
    }
    return slab.number * PLACES + place;
  }

  /** Takes a block back. The memory of a slab without blocks goes back. */
  free(block: number): void {
    const slab = this.slab(block);
    const room = this.withRoom[slab.unit / STEP] as Slab[];
    slab.give(block & (PLACES - 1));
    if (slab.position < 0) this.offer(slab, room);
    if (slab.used > 0) return;

    const last = room.pop() as Slab;
    if (last !== slab) {
      room[slab.position] = last;
      last.position = slab.position;
    }
    this.slabs[slab.number] = undefined;
    this.numbers.push(slab.number);
    this.supply.give(slab.bytes);
  }

  /** Bytes of memory held from the system: in use, in slabs with room, or kept. */
  get held(): number {
    return this.supply.held;
  }

  private grow(step: number): Slab | undefined {
    const number = this.numbers.pop() ?? this.slabs.length;
    if (number >= SLABS) return undefined;
    const memory = this.supply.take(step * STEP === PAGE);
    if (memory === undefined) {
      if (number < this.slabs.length) this.numbers.push(number);
      return undefined;
    }
    const slab = new Slab(number, step * STEP, memory);
    this.slabs[number] = slab;
    const room = this.withRoom[step] as Slab[];
    slab.position = room.push(slab) - 1;
    return slab;
  }

  /** Behind the slab that is being filled, so that this one goes on giving neighbouring blocks. */
  private offer(slab: Slab, room: Slab[]): void {
    const filling = room[room.length - 1];
    slab.position = room.push(slab) - 1;
    if (filling === undefined) return;
    room[slab.position] = filling;
    room[slab.position - 1] = slab;
    filling.position = slab.position;
    slab.position -= 1;
  }
}

/** Memory cut into blocks of one size. The lowest free place is given first, which keeps files contiguous. */
export class Slab {
  readonly number: number;
  /** Bytes of each block. */
  readonly unit: number;
  /** How many blocks there are, and are given out. */
  readonly count: number;
  used = 0;
  /** Places from here on were never given out: their memory is still the system's zeros. */
  touched: number;
  /** Among the slabs of its unit that have room; -1 when full. */
  position = -1;
  readonly bytes: Buffer;
  /** One bit a place, set while it is free. */
  private readonly vacant: Uint32Array;
  private lowest = 0;

  constructor(number: number, unit: number, { bytes, dirty }: Memory) {
    this.number = number;
    this.unit = unit;
    this.count = Math.min(PLACES, Math.floor(bytes.length / unit));
    this.touched = dirty ? this.count : 0;
    this.bytes = bytes;
    this.vacant = new Uint32Array(Math.ceil(this.count / 32)).fill(0xffffffff);
    const rest = this.count % 32;
    if (rest > 0) this.vacant[this.vacant.length - 1] = 2 ** rest - 1;
  }

  take(): number {
    let word = this.lowest;
    while (this.vacant[word] === 0) word++;
    const bits = this.vacant[word] as number;
    const bit = 31 - Math.clz32(bits & -bits);
    this.vacant[word] = bits & ~(1 << bit);
    this.lowest = word;
    this.used++;
    const place = word * 32 + bit;
    if (place >= this.touched) this.touched = place + 1;
    return place;
  }

  give(place: number): void {
    const word = place >>> 5;
    this.vacant[word] = (this.vacant[word] as number) | (1 << (place & 31));
    if (word < this.lowest) this.lowest = word;
    this.used--;
  }

  /** Where a block begins in `bytes`. */
  at(block: number): number {
    return (block & (PLACES - 1)) * this.unit;
  }
}

const STEP = 64;
const PLACE_BITS = 12;
const PLACES = 2 ** PLACE_BITS;
const SLABS = 2 ** (32 - PLACE_BITS);
