import { EINVAL, ENOMEM, Errno } from "../errno.ts";

/**
 * Bytes that grow as they are put, with a cursor (puffs_framebuf(3)): what the messages of a file server's own protocol are put
 * together in and taken apart from. `size` is the furthest that was written; what was left out in between is zero. What needs more
 * memory than there is throws ENOMEM: a length that another server says may be anything.
 */
export class FrameBuffer {
  #bytes: Uint8Array;
  #offset = 0;
  #size = 0;

  /** `room`: bytes that are reserved at once. */
  constructor(room = 128) {
    this.#bytes = allocate(whole(room));
  }

  /** Where the cursor is. */
  get offset(): number {
    return this.#offset;
  }

  /** How many bytes there are: the furthest that was written. */
  get size(): number {
    return this.#size;
  }

  /** Bytes from the cursor to the end. */
  get remaining(): number {
    return Math.max(0, this.#size - this.#offset);
  }

  /** Set the cursor, behind the end too: there is memory up to it then, but the size changes only by writing. */
  seek(offset: number): void {
    this.#grow(whole(offset));
    this.#offset = offset;
  }

  /** Take care that `length` bytes from the cursor on can be put without moving what is there. */
  reserve(length: number): void {
    this.#grow(this.#offset + whole(length));
  }

  /** Write at the cursor and go on behind it. */
  put(data: Uint8Array): void {
    this.putAt(this.#offset, data);
    this.#offset += data.length;
  }

  /** Write elsewhere; the cursor stays. */
  putAt(offset: number, data: Uint8Array): void {
    this.#extend(offset, data.length);
    this.#bytes.set(data, offset);
  }

  /** A copy of `length` bytes from the cursor, which goes on behind them. ENOBUFS if there are not as many. */
  get(length: number): Uint8Array {
    const data = this.getAt(this.#offset, length);
    this.#offset += length;
    return data;
  }

  /** A copy of `length` bytes at `offset`; the cursor stays. ENOBUFS if there are not as many. */
  getAt(offset: number, length: number): Uint8Array {
    if (whole(offset) + whole(length) > this.#size)
      throw new Errno("ENOBUFS", `${length} bytes at ${offset} of ${this.#size}`);
    return this.#bytes.slice(offset, offset + length);
  }

  /**
   * The buffer's own bytes at `offset`, to be read or written in place: valid until the next call that may grow it. They count
   * as written; the cursor stays.
   */
  window(offset: number, length: number): Uint8Array {
    this.#extend(offset, length);
    return this.#bytes.subarray(offset, offset + length);
  }

  /** What was put is forgotten, and the memory kept. */
  recycle(): void {
    this.#offset = 0;
    this.#size = 0;
  }

  /** Another buffer with the same bytes and cursor. */
  duplicate(): FrameBuffer {
    const copy = new FrameBuffer(this.#size);
    copy.put(this.#bytes.subarray(0, this.#size));
    copy.seek(this.#offset);
    return copy;
  }

  #extend(offset: number, length: number): void {
    const end = whole(offset) + whole(length);
    this.#grow(end);
    if (offset > this.#size) this.#bytes.fill(0, this.#size, offset);
    this.#size = Math.max(this.#size, end);
  }

  #grow(length: number): void {
    if (length <= this.#bytes.length) return;
    const grown = allocate(Math.max(length, 2 * this.#bytes.length));
    grown.set(this.#bytes.subarray(0, this.#size));
    this.#bytes = grown;
  }
}

function allocate(length: number): Uint8Array {
  try {
    return new Uint8Array(length);
  } catch {
    throw ENOMEM;
  }
}

function whole(count: number): number {
  if (!(Number.isSafeInteger(count) && count >= 0)) throw EINVAL;
  return count;
}
