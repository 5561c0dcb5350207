import type { ProtocolFault } from "../../src/puffs/exchange.ts";
import { type KernelEvents, PuffsKernel } from "../../src/puffs/kernel.ts";
import { acceptKargs } from "../../src/puffs/mounted.ts";
import { Kargs } from "../../src/puffs/structs.ts";
import type { Of } from "../../src/struct.ts";

/** The root's cookie in the arguments below. */
export const ROOT = 0x1001;

/** Arguments of a mount by hand: all operations there, and what is given. */
export function kargsBytes(fields: Partial<Of<typeof Kargs>> = {}): Uint8Array {
  const bytes = new Uint8Array(Kargs.size);
  Kargs.write(new DataView(bytes.buffer), 0, {
    ...Kargs.create(),
    vers: 30,
    flags: 0x4,
    rootCookie: ROOT,
    rootVtype: 2,
    ...fields,
  });
  return bytes;
}

/** A server whose every move the test makes. */
export class Scripted {
  readonly kernel: PuffsKernel;
  /** What the kernel has sent, in order. */
  readonly frames: Uint8Array[] = [];
  readonly faults: ProtocolFault[] = [];

  constructor(fields: Partial<Of<typeof Kargs>> = {}, events: KernelEvents = {}) {
    const onFault = (fault: ProtocolFault) => this.faults.push(fault);
    const mount = acceptKargs(kargsBytes(fields));
    this.kernel = new PuffsKernel((f) => this.frames.push(f), mount, { onFault, ...events });
  }

  /** The last frame, or the one at `index`. */
  frame(index = -1): DataView {
    const frame = this.frames.at(index);
    if (!frame) throw new Error("nothing was sent");
    return new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  }

  /**
   * Answer a frame in its own bytes: `fill` puts in what is told, `length` is that of the reply if it is not the request's.
   */
  answer(
    { rv = 0, setbacks = 0, length }: { rv?: number; setbacks?: number; length?: number } = {},
    fill: (view: DataView, bytes: Uint8Array) => void = () => {},
    index = -1,
  ): void {
    const request = this.frames.at(index) as Uint8Array;
    const reply = new Uint8Array(length ?? request.length);
    reply.set(request.subarray(0, reply.length));
    const view = new DataView(reply.buffer);
    if (reply.length >= 56) {
      view.setBigUint64(0, BigInt(reply.length), true);
      view.setInt32(28, rv, true);
      view.setUint32(32, setbacks, true);
      view.setBigUint64(48, BigInt(reply.length), true);
      fill(view, reply);
    }
    this.kernel.receive(reply);
  }
}

/** What a promise came to: its value, or the error's code. */
export function outcome<T>(promise: Promise<T>): Promise<T | string> {
  return promise.catch((error: { code?: string }) => error.code ?? String(error));
}
