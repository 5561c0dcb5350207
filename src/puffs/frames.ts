/**
 * The stream is lost: where one frame ends and the next begins can no longer be told.
 */
export class FramingError extends Error {
  override readonly name = "FramingError";
  readonly code = "EPROTO";
}

/** The bytes that say how long a frame is, themselves included: a u64. */
export const FRAME_HEADER = 8;

/**
 * Cuts a stream of bytes into frames: read into `room`, say with `took` how much came, take what is whole with `next`.
 * Bytes are moved only when the rest of a frame would not fit behind its beginning.
 */
export class FrameReader {
  readonly #limit: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #start = 0;
  #end = 0;

  /** `limit`: the longest frame, in bytes. `capacity`: how much is read ahead at most, not below `limit`. */
  constructor(limit: number, capacity = 2 * limit) {
    this.#limit = limit;
    this.#bytes = new Uint8Array(Math.max(limit, capacity, FRAME_HEADER));
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Bytes that are there and belong to no frame that was taken: above 0 at the end of the stream, it broke off. */
  get left(): number {
    return this.#end - this.#start;
  }

  /** Where the next bytes of the stream go, never empty. Ends the validity of what `next` answered: take all that is whole first. */
  room(): Uint8Array {
    if (this.#start === this.#end) {
      this.#start = 0;
      this.#end = 0;
    } else if (
      this.#end === this.#bytes.length ||
      this.#start + this.#needed() > this.#bytes.length
    ) {
      this.#bytes.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    return this.#bytes.subarray(this.#end);
  }

  /** `length` bytes were put where `room` began. */
  took(length: number): void {
    this.#end += length;
  }

  /** Bytes that are there already: the same as to copy them to `room`, as often as it takes, but for frames that are larger. */
  *push(chunk: Uint8Array): Generator<Uint8Array> {
    for (let at = 0; at < chunk.length; ) {
      const room = this.room();
      const part = chunk.subarray(at, at + room.length);
      room.set(part);
      this.took(part.length);
      at += part.length;
      for (let frame = this.next(); frame; frame = this.next()) yield frame;
    }
  }

  /**
   * The next whole frame, its length at its head; undefined if the rest of it is still to come. Valid until `room` is called.
   * Throws a FramingError, and goes on doing so, when it says that it is shorter than its own head or longer than the limit.
   */
  next(): Uint8Array | undefined {
    const needed = this.#needed();
    if (this.left < FRAME_HEADER || this.left < needed) return undefined;
    const start = this.#start;
    this.#start += needed;
    return this.#bytes.subarray(start, this.#start);
  }

  /** How long the frame at the beginning is, as far as can be seen. */
  #needed(): number {
    if (this.left < FRAME_HEADER) return FRAME_HEADER;
    const high = this.#view.getUint32(this.#start + 4, true);
    const length = high * 2 ** 32 + this.#view.getUint32(this.#start, true);
    if (length < FRAME_HEADER || length > this.#limit)
      throw new FramingError(`a frame of ${length} bytes, where ${this.#limit} is the most`);
    return length;
  }
}
