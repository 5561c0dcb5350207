import { EAGAIN, receive, send } from "../../ffi/device.ts";
import { FrameReader } from "../../src/puffs/frames.ts";
import { type Handshake, readHandshake } from "../../src/puffs/handshake.ts";
import { type KernelEvents, PuffsKernel } from "../../src/puffs/kernel.ts";
import type { Mounted } from "../../src/puffs/mounted.ts";

/*
 * The kernel's end of a PUFFS_COMFD stream: a non-blocking descriptor, the test at it.
 */

/** What the server announces. */
export async function handshakeOf(end: number): Promise<Handshake> {
  const buffer = new Uint8Array(1 << 16);
  let length = 0;
  for (;;) {
    const count = await readSome(end, buffer.subarray(length));
    if (count === 0) throw new Error("the stream ended");
    length += count;
    const read = readHandshake(buffer.subarray(0, length));
    if (!read) continue;
    if (read.length !== length) throw new Error("there is more than the announcement");
    return read.handshake;
  }
}

/** How the bytes go over the stream. */
export interface Wire {
  /** Of all that is to be written at a time: what each write(2) takes. Left out: each frame is one. */
  readonly cut?: (bytes: Uint8Array) => Iterable<Uint8Array>;
  /** After each of these, and again until `taken`: the other end has read it. */
  readonly pause?: () => Promise<void>;
  readonly taken?: () => boolean;
  /** How many bytes are read at most by each read(2). */
  readonly most?: number;
}

/** Plays the kernel until the stream ends. */
export function playKernel(
  end: number,
  mount: Mounted,
  events: KernelEvents = {},
  { cut, pause = turn, taken = () => true, most = Number.POSITIVE_INFINITY }: Wire = {},
): { kernel: PuffsKernel; over: Promise<void> } {
  const write = (message: Uint8Array) => {
    for (let done = 0; done < message.length; ) {
      const part = message.slice(done);
      const sent = send(end, part, part.length);
      // The end of the server shows in the reading.
      if (sent < 0 && sent !== -EAGAIN) return;
      done += Math.max(0, sent);
    }
  };
  const queue: Uint8Array[] = [];
  let isAtWork = false;
  const trickle = async (pieces: Wire["cut"] & {}) => {
    isAtWork = true;
    while (queue.length > 0) {
      // What else is asked for in this turn goes along.
      await turn();
      for (const piece of pieces(Buffer.concat(queue.splice(0)))) {
        // This end and the other one may be of one thread: it must not wait for room.
        for (let sent = 0; sent < piece.length; ) {
          const count = send(end, piece.subarray(sent), piece.length - sent);
          if (count < 0 && count !== -EAGAIN) return;
          sent += Math.max(0, count);
          do await pause();
          while (!taken());
        }
      }
    }
    isAtWork = false;
  };
  const queued = (pieces: Wire["cut"] & {}) => (message: Uint8Array) => {
    queue.push(message.slice());
    if (!isAtWork) void trickle(pieces);
  };
  const kernel = new PuffsKernel(cut ? queued(cut) : write, mount, events);
  const reader = new FrameReader(1 << 18);
  const pump = async () => {
    for (;;) {
      const count = await readSome(end, reader.room().subarray(0, most));
      if (count === 0) return kernel.end();
      reader.took(count);
      for (let frame = reader.next(); frame; frame = reader.next()) kernel.receive(frame);
    }
  };
  return { kernel, over: pump() };
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Bytes as they come: 0 at the end. */
async function readSome(end: number, into: Uint8Array): Promise<number> {
  for (;;) {
    const count = receive(end, into);
    if (count !== -EAGAIN) return Math.max(0, count);
    await Bun.sleep(1);
  }
}
