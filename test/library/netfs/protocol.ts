import { Errno, FrameBuffer, type Framing, fill } from "puffs";

/*
 * What the file server of these tests speaks. A frame is three numbers of 32 bits, its whole length, its tag and the length of
 * the words; the words, in JSON; and data. A reply has the tag of its request. Tag 0: nobody asked.
 */

export interface Words {
  readonly [name: string]: unknown;
}

const HEADER = 12;

/** A length that says more is nonsense. */
const MOST = 1 << 20;

export function frameOf(
  tag: number,
  words: Words,
  data: Uint8Array = new Uint8Array(0),
): FrameBuffer {
  const said = new TextEncoder().encode(JSON.stringify(words));
  const frame = new FrameBuffer();
  frame.reserve(HEADER + said.length + data.length);
  frame.seek(HEADER);
  frame.put(said);
  frame.put(data);
  const numbers = new DataView(new ArrayBuffer(HEADER));
  for (const [index, number] of [frame.size, tag, said.length].entries())
    numbers.setUint32(4 * index, number);
  frame.putAt(0, new Uint8Array(numbers.buffer));
  return frame;
}

function numberAt(frame: FrameBuffer, offset: number): number {
  const bytes = frame.window(offset, 4);
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0);
}

export const tagOf = (frame: FrameBuffer) => numberAt(frame, 4);

export function wordsOf(frame: FrameBuffer): Words {
  frame.seek(HEADER);
  return JSON.parse(new TextDecoder().decode(frame.get(numberAt(frame, 8))));
}

export function dataOf(frame: FrameBuffer): Uint8Array {
  frame.seek(HEADER + numberAt(frame, 8));
  return frame.get(frame.remaining);
}

/** How both ends read and match frames. */
export const FRAMING = {
  read(frame, channel) {
    if (!fill(frame, channel, HEADER)) return false;
    const length = numberAt(frame, 0);
    if (length < HEADER || length > MOST) throw new Errno("EMSGSIZE");
    return fill(frame, channel, length);
  },
  compare: (sent, received) => (tagOf(received) === 0 ? "push" : tagOf(sent) === tagOf(received)),
} satisfies Framing;
