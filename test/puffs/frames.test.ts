import { describe, expect, test } from "bun:test";
import { FrameReader, FramingError } from "../../src/puffs/frames.ts";

/** A frame of `length` bytes that all are `fill` but those that say how long it is. */
function frame(length: number, fill: number): Uint8Array {
  const bytes = new Uint8Array(length).fill(fill);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  return bytes;
}

/** Reads as from a descriptor that never has more than `size` bytes at once. */
function cut(reader: FrameReader, stream: Uint8Array, size: number): Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (let at = 0; at < stream.length; ) {
    const room = reader.room();
    expect(room.length).toBeGreaterThan(0);
    const part = stream.subarray(at, at + Math.min(size, room.length));
    room.set(part);
    reader.took(part.length);
    at += part.length;
    for (let next = reader.next(); next; next = reader.next()) frames.push(next.slice());
  }
  return frames;
}

describe("cutting", () => {
  const frames = [56, 1432, 9, 8, 256, 57, 4096, 56].map((length, i) => frame(length, i + 1));
  const stream = Buffer.concat(frames);

  test.each([1, 2, 7, 8, 9, 56, 1000, 4095, 4096, 10000])("%d bytes at a time", (size) => {
    const reader = new FrameReader(4096);
    expect(cut(reader, stream, size)).toEqual(frames);
    expect(reader.left).toBe(0);
  });

  test("with no more room than the longest frame takes", () => {
    expect(cut(new FrameReader(4096, 4096), stream, 10000)).toEqual(frames);
  });

  test("several at once are views of what was read, not copies", () => {
    const reader = new FrameReader(64, 256);
    reader.room().set(Buffer.concat([frame(16, 1), frame(16, 2)]));
    reader.took(32);
    const first = reader.next();
    const second = reader.next();
    expect(second?.buffer).toBe(first?.buffer as ArrayBuffer);
    expect((second?.byteOffset ?? 0) - (first?.byteOffset ?? 0)).toBe(16);
  });

  test("10,000 frames pass through a small reader", () => {
    const small = frame(56, 7);
    const all = Buffer.concat(Array.from({ length: 10_000 }, () => small));
    const seen = cut(new FrameReader(64, 1000), all, 777);
    expect(seen).toHaveLength(10_000);
    expect(seen.every((one) => Buffer.compare(one, small) === 0)).toBe(true);
  });
});

describe("the end", () => {
  test("within a frame is told by what is left", () => {
    const reader = new FrameReader(4096);
    const stream = Buffer.concat([frame(56, 1), frame(100, 2).subarray(0, 99)]);
    expect(cut(reader, stream, 4096)).toHaveLength(1);
    expect(reader.left).toBe(99);
    expect(reader.next()).toBeUndefined();
  });
});

describe("what is no frame", () => {
  const heads: [string, bigint][] = [
    ["shorter than its head", 7n],
    ["empty", 0n],
    ["over the limit", 4097n],
    ["beyond 32 bits", 2n ** 32n + 56n],
    ["beyond all", 2n ** 64n - 1n],
  ];
  test.each(heads)("%s", (_, length) => {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, length, true);
    const reader = new FrameReader(4096);
    reader.room().set(Buffer.concat([frame(56, 1), bytes]));
    reader.took(64);
    expect(reader.next()).toHaveLength(56);
    expect(() => reader.next()).toThrow(FramingError);
    expect(() => reader.next()).toThrow(FramingError);
  });

  test("exactly the limit is a frame", () => {
    expect(cut(new FrameReader(4096), frame(4096, 3), 512)).toHaveLength(1);
  });
});
