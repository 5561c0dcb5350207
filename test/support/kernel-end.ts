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

/** Plays the kernel until the stream ends. */
export function playKernel(
  end: number,
  mount: Mounted,
  events: KernelEvents = {},
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
  const kernel = new PuffsKernel(write, mount, events);
  const reader = new FrameReader(1 << 18);
  const pump = async () => {
    for (;;) {
      const count = await readSome(end, reader.room());
      if (count === 0) return kernel.end();
      reader.took(count);
      for (let frame = reader.next(); frame; frame = reader.next()) kernel.receive(frame);
    }
  };
  return { kernel, over: pump() };
}

/** Bytes as they come: 0 at the end. */
async function readSome(end: number, into: Uint8Array): Promise<number> {
  for (;;) {
    const count = receive(end, into);
    if (count !== -EAGAIN) return Math.max(0, count);
    await Bun.sleep(1);
  }
}
