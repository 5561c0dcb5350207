import { expect, test } from "bun:test";
import { FrameBuffer } from "../../src/library/framebuf.ts";

const bytes = (...values: number[]) => Uint8Array.from(values);

test("what is put is got back, at the cursor and elsewhere", () => {
  const frame = new FrameBuffer();
  frame.put(bytes(1, 2, 3));
  frame.put(bytes(4));
  expect([frame.offset, frame.size, frame.remaining]).toEqual([4, 4, 0]);
  frame.putAt(1, bytes(9));
  expect([frame.offset, frame.size]).toEqual([4, 4]);
  frame.seek(0);
  expect(frame.remaining).toBe(4);
  expect(frame.get(2)).toEqual(bytes(1, 9));
  expect([frame.offset, frame.remaining]).toEqual([2, 2]);
  expect(frame.getAt(0, 1)).toEqual(bytes(1));
  expect(frame.offset).toBe(2);
});

test("what is got is a copy", () => {
  const frame = new FrameBuffer();
  frame.put(bytes(1));
  frame.getAt(0, 1)[0] = 7;
  expect(frame.getAt(0, 1)).toEqual(bytes(1));
});

test("more than there is cannot be got, and the cursor stays", () => {
  const frame = new FrameBuffer(1000);
  frame.put(bytes(1, 2));
  frame.seek(1);
  expect(() => frame.get(2)).toThrow(expect.objectContaining({ code: "ENOBUFS" }));
  expect(() => frame.getAt(2, 1)).toThrow(expect.objectContaining({ code: "ENOBUFS" }));
  expect(frame.offset).toBe(1);
});

test("seeking behind the end changes no size; writing there does, and the gap is zero", () => {
  const frame = new FrameBuffer(4);
  frame.put(bytes(1, 2, 3, 4));
  frame.recycle();
  frame.put(bytes(5));
  frame.seek(3);
  expect([frame.size, frame.remaining]).toEqual([1, 0]);
  frame.put(bytes(6));
  expect(frame.getAt(0, 4)).toEqual(bytes(5, 0, 0, 6));
});

test("a window is the buffer itself, counts as written and moves no cursor", () => {
  const frame = new FrameBuffer(1);
  frame.put(bytes(1));
  const window = frame.window(1, 300);
  expect([window.length, frame.size, frame.offset]).toEqual([300, 301, 1]);
  window[299] = 8;
  expect(frame.getAt(300, 1)).toEqual(bytes(8));
});

test("what is reserved is not moved by puts within it", () => {
  const frame = new FrameBuffer(1);
  frame.reserve(100);
  const window = frame.window(0, 1);
  frame.put(new Uint8Array(100).fill(3));
  expect(window[0]).toBe(3);
  expect(frame.size).toBe(100);
});

test("a recycled buffer is empty; a duplicate is on its own", () => {
  const frame = new FrameBuffer();
  frame.put(bytes(1, 2, 3));
  frame.seek(1);
  const copy = frame.duplicate();
  frame.recycle();
  expect([frame.size, frame.offset]).toEqual([0, 0]);
  expect([copy.size, copy.offset]).toEqual([3, 1]);
  expect(copy.get(2)).toEqual(bytes(2, 3));
});

test("memory that cannot be had is ENOMEM, and the buffer stays as it was", () => {
  const frame = new FrameBuffer();
  frame.put(bytes(1, 2));
  const most = Number.MAX_SAFE_INTEGER;
  const tooMuch: (() => void)[] = [
    () => frame.seek(most),
    () => frame.reserve(most - 2),
    () => frame.window(2, most - 2),
    () => frame.putAt(most - 1, bytes(3)),
  ];
  for (const ask of tooMuch) expect(ask).toThrow(expect.objectContaining({ code: "ENOMEM" }));
  expect([frame.offset, frame.size]).toEqual([2, 2]);
  expect(frame.getAt(0, 2)).toEqual(bytes(1, 2));
  expect(() => new FrameBuffer(most)).toThrow(expect.objectContaining({ code: "ENOMEM" }));
});

test("a window that grows the buffer keeps what was there, and an earlier window is a copy then", () => {
  const frame = new FrameBuffer(4);
  const early = frame.window(0, 4);
  early.set(bytes(1, 2, 3, 4));
  const late = frame.window(2, 1000);
  expect(late.subarray(0, 2)).toEqual(bytes(3, 4));
  early[0] = 9;
  expect(frame.getAt(0, 1)).toEqual(bytes(1));
});

test("writing elsewhere may leave a gap behind the end, which is zero", () => {
  const frame = new FrameBuffer(2);
  frame.putAt(6, bytes(7));
  expect([frame.offset, frame.size, frame.remaining]).toEqual([0, 7, 7]);
  expect(frame.get(7)).toEqual(bytes(0, 0, 0, 0, 0, 0, 7));
});

test("places and lengths that are none are EINVAL", () => {
  const frame = new FrameBuffer();
  for (const wrong of [-1, 0.5, Number.NaN, 2 ** 53])
    expect(() => frame.seek(wrong)).toThrow(expect.objectContaining({ code: "EINVAL" }));
  expect(() => frame.window(0, -1)).toThrow(expect.objectContaining({ code: "EINVAL" }));
});
