import type { Channel } from "../../src/library/channel.ts";
import { FrameBuffer } from "../../src/library/framebuf.ts";
import { type Framing, fill } from "../../src/library/framevector.ts";

/*
 * A protocol to test with: a byte that says how long the frame is, itself included, a byte with the number of the request (0 for what is
 * no reply), and text.
 */

export function frame(number: number, text: string): FrameBuffer {
  const content = new TextEncoder().encode(text);
  const made = new FrameBuffer();
  made.put(Uint8Array.of(content.length + 2, number));
  made.put(content);
  return made;
}

export function numberOf(frame: FrameBuffer): number {
  return frame.getAt(1, 1)[0] as number;
}

export function textOf(frame: FrameBuffer): string {
  return new TextDecoder().decode(frame.getAt(2, frame.size - 2));
}

export const FRAMING: Framing = {
  read: (frame, channel) =>
    fill(frame, channel, 1) && fill(frame, channel, frame.getAt(0, 1)[0] as number),
  compare: (sent, received) =>
    numberOf(received) === 0 ? "push" : numberOf(sent) === numberOf(received),
};

/** A channel in memory, whose other end is the test. */
export class Scripted implements Channel {
  /** What was written so far. */
  readonly written: number[] = [];
  /** How many more bytes are taken. */
  room = Number.POSITIVE_INFINITY;
  closed = false;
  released = false;
  #input: number[] = [];
  #ended = false;
  #readable: (() => void) | undefined;
  #writable: (() => void) | undefined;
  #closed: (() => void) | undefined;

  read(into: Uint8Array): number | null {
    if (this.#input.length === 0) return this.#ended ? null : 0;
    const part = this.#input.splice(0, into.length);
    into.set(part);
    return part.length;
  }

  write(from: Uint8Array): number {
    if (this.closed) throw Object.assign(new Error("gone"), { code: "EPIPE" });
    const count = Math.min(this.room, from.length);
    this.room -= count;
    this.written.push(...from.subarray(0, count));
    return count;
  }

  whenReadable(tell: (() => void) | undefined): void {
    this.#readable = tell;
  }

  whenWritable(tell: (() => void) | undefined): void {
    this.#writable = tell;
  }

  whenClosed(tell: () => void): void {
    this.#closed = tell;
  }

  close(): void {
    this.released = true;
  }

  /** Bytes come; or all of a frame. */
  async give(what: FrameBuffer | readonly number[]): Promise<void> {
    this.#input.push(...(what instanceof FrameBuffer ? what.getAt(0, what.size) : what));
    await this.#tell("#readable");
  }

  /** So many more bytes are taken. */
  async take(room: number): Promise<void> {
    this.room += room;
    await this.#tell("#writable");
  }

  /** The other end says no more. */
  async end(): Promise<void> {
    this.#ended = true;
    await this.#tell("#readable");
  }

  /** The other end is gone. */
  async hangUp(): Promise<void> {
    this.closed = true;
    this.#closed?.();
    await this.end();
  }

  /** The frames that were written, as "number text". */
  get sent(): string[] {
    const all: string[] = [];
    for (let at = 0; at < this.written.length; ) {
      const length = this.written[at] as number;
      const text = String.fromCharCode(...this.written.slice(at + 2, at + length));
      all.push(`${this.written[at + 1]} ${text}`);
      at += length;
    }
    return all;
  }

  async #tell(who: "#readable" | "#writable"): Promise<void> {
    const tell = who === "#readable" ? this.#readable : this.#writable;
    if (who === "#readable") this.#readable = undefined;
    else this.#writable = undefined;
    tell?.();
    await Promise.resolve();
  }
}
