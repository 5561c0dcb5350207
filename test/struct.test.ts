import { describe, expect, test } from "bun:test";
import {
  bytes,
  folded64,
  i32,
  id53,
  length64,
  limit64,
  Malformed,
  nearest64,
  type Of,
  opaque64,
  pad,
  signed64,
  since,
  struct,
  u8,
  u16,
  u32,
  unread64,
} from "../src/struct.ts";

/** A view of the bytes of a hex string, one byte into the buffer so that forgotten offsets show. */
function view(hex: string): DataView {
  const packed = Uint8Array.fromHex(hex.replace(/\s/g, ""));
  const buffer = new Uint8Array(packed.length + 1);
  buffer.set(packed, 1);
  return new DataView(buffer.buffer, 1);
}

function hex(of: DataView, size = of.byteLength): string {
  return new Uint8Array(of.buffer, of.byteOffset, size).toHex();
}

const Point = struct({ x: i32, y: u16 });

const Every = struct({
  byte: u8,
  half: u16,
  word: u32,
  id: id53,
  length: length64,
  signed: signed64,
  opaque: opaque64,
  point: Point,
  skipped: unread64,
  raw: bytes(3),
  gap: pad(5),
});

// byte, a byte of alignment, half, word; then one line each.
const everyBytes =
  "81 00 8382 87868584" +
  "0807060504031200" + // 0x12030405060708
  "ffffffff00000000" +
  "feffffffffffffff" + // -2
  "8877665544332211" +
  "fdffffff 0201 0000" + // -3, 0x0102, two bytes of alignment
  "0000000000000000" +
  "a1a2a3 0000000000";

const everyValue: Of<typeof Every> = {
  byte: 0x81,
  half: 0x8283,
  word: 0x84858687,
  id: 0x12030405060708,
  length: 0xffffffff,
  signed: -2,
  opaque: 0x1122334455667788n,
  point: { x: -3, y: 0x0102 },
  raw: Uint8Array.of(0xa1, 0xa2, 0xa3),
};

describe("layout", () => {
  test("fields are aligned and the struct is padded, as C does", () => {
    expect(Every.size).toBe(64);
    expect(Every.offsets).toEqual({
      byte: 0,
      half: 2,
      word: 4,
      id: 8,
      length: 16,
      signed: 24,
      opaque: 32,
      point: 40,
      "point.x": 40,
      "point.y": 44,
      skipped: 48,
      raw: 56,
      gap: 59,
    });
    expect([Point.size, Point.align]).toEqual([8, 4]);
  });

  test("a struct of nothing has no bytes", () => {
    expect(struct({}).size).toBe(0);
    expect(struct({}).create()).toEqual({});
  });
});

describe("bytes and values", () => {
  test("read gives each field, and none for padding", () => {
    expect(Every.read(view(everyBytes), 0)).toEqual(everyValue);
    expect(Every.read(view(`c0ffee${everyBytes}`), 3)).toEqual(everyValue);
  });

  test("write gives these bytes, zeros for padding of either kind, and touches nothing around them", () => {
    const target = view("ee".repeat(2 + 64 + 2));
    Every.write(target, 2, everyValue);
    expect(hex(target)).toBe(`eeee${everyBytes.replace(/\s/g, "")}eeee`);
  });

  test("readInto fills the object it is given, nested ones and arrays in place", () => {
    const target = Every.create();
    const { point, raw } = target;
    Every.readInto(view(everyBytes), 0, target);
    expect(target).toEqual(everyValue);
    expect(target.point).toBe(point);
    expect(target.raw).toBe(raw);
  });

  test("create is all zeros, fresh each time", () => {
    expect(Every.create()).toEqual(Every.read(view("00".repeat(64)), 0));
    expect(Every.create().point).not.toBe(Every.create().point);
  });

  test("read copies raw bytes", () => {
    const source = view(everyBytes);
    const { raw } = Every.read(source, 0);
    source.setUint8(56, 0);
    expect(raw[0]).toBe(0xa1);
  });
});

describe("64 bits", () => {
  const cases = {
    zero: ["0000000000000000", 0],
    "2 ** 31": ["0000008000000000", 2 ** 31],
    "2 ** 32 - 1": ["ffffffff00000000", 2 ** 32 - 1],
    "2 ** 32": ["0000000001000000", 2 ** 32],
    "2 ** 53 - 1": ["ffffffffffff1f00", Number.MAX_SAFE_INTEGER],
  } as const;
  const types = { id53, length64, limit64, nearest64, signed64 };

  for (const [kind, type] of Object.entries(types)) {
    const S = struct({ value: type });
    for (const [name, [wire, value]] of Object.entries(cases)) {
      test(`${kind} reads ${name}`, () => expect(S.read(view(wire), 0)).toEqual({ value }));
      if (kind === "limit64" && value === Number.MAX_SAFE_INTEGER) continue;
      test(`${kind} writes ${name}`, () => {
        const target = view("ee".repeat(8));
        S.write(target, 0, { value });
        expect(hex(target)).toBe(wire);
      });
    }
  }

  const above = ["0000000000002000", "ffffffffffffff7f", "ffffffffffffffff"];

  for (const [kind, type] of Object.entries({ id53, length64 })) {
    test(`${kind} refuses 2 ** 53 and more, and says which field`, () => {
      const S = struct({ first: u32, inner: struct({ field: type }) });
      for (const wire of above) {
        const source = view(`0100000000000000${wire}`);
        expect(() => S.read(source, 0)).toThrow(Malformed);
        expect(() => S.readInto(source, 0, S.create())).toThrow(Malformed);
        expect(() => S.read(source, 0)).toThrow(
          expect.objectContaining({ code: "EPROTO", field: "inner.field" }),
        );
      }
    });
  }

  test("limit64 takes 2 ** 53 and more for its greatest, and writes that as the kernel's", () => {
    const S = struct({ value: limit64 });
    for (const wire of above) {
      expect(S.read(view(wire), 0)).toEqual({ value: Number.MAX_SAFE_INTEGER });
    }
    for (const value of [Number.MAX_SAFE_INTEGER, Number.POSITIVE_INFINITY]) {
      const target = view("ee".repeat(8));
      S.write(target, 0, { value });
      expect(hex(target)).toBe("ffffffffffffff7f");
    }
  });

  test("folded64 keeps what fits, and different numbers beyond different", () => {
    const S = struct({ value: folded64 });
    const view = new DataView(new ArrayBuffer(8));
    const read = (value: bigint) => {
      view.setBigUint64(0, value, true);
      return S.read(view, 0).value;
    };
    const kept = [5n, 2n ** 32n + 1n, 2n ** 53n - 1n];
    expect(kept.map(read)).toEqual(kept.map(Number));
    const folded = [2n ** 63n, 2n ** 63n + 1n, 2n ** 64n - 1n, 2n ** 53n].map(read);
    expect(folded.every(Number.isSafeInteger)).toBe(true);
    expect(new Set(folded).size).toBe(4);
  });

  test("nearest64 takes the nearest double", () => {
    const S = struct({ value: nearest64 });
    expect(S.read(view("0100000000002000"), 0)).toEqual({ value: 2 ** 53 });
    expect(S.read(view("0000000000000080"), 0)).toEqual({ value: 2 ** 63 });
    const target = view("ee".repeat(8));
    S.write(target, 0, { value: 2 ** 63 });
    expect(hex(target)).toBe("0000000000000080");
  });

  test("signed64 has both signs and refuses what is beyond", () => {
    const S = struct({ value: signed64 });
    const both = {
      ffffffffffffffff: -1,
      "00000000ffffffff": -(2 ** 32),
      ffffff7fffffffff: -0x80000001,
      "000000000000e0ff": -(2 ** 53),
    };
    for (const [wire, value] of Object.entries(both)) {
      expect(S.read(view(wire), 0)).toEqual({ value });
      const target = view("ee".repeat(8));
      S.write(target, 0, { value });
      expect(hex(target)).toBe(wire);
    }
    for (const wire of ["ffffffffffffdfff", "0000000000002000", "0000000000000080"]) {
      expect(() => S.read(view(wire), 0)).toThrow(Malformed);
    }
  });

  test("opaque64 keeps every bit", () => {
    const S = struct({ value: opaque64 });
    expect(S.read(view("efcdab8967452301"), 0)).toEqual({ value: 0x0123456789abcdefn });
    expect(S.read(view("ffffffffffffffff"), 0)).toEqual({ value: 2n ** 64n - 1n });
  });
});

describe("older minors", () => {
  const Inner = struct({ a: u32, b: since(9, u32), c: since(32, u32, 9), d: since(9, pad(4)) });
  const S = struct({ head: u16, slot: since(21, u16, 0), inner: Inner, tail: since(12, opaque64) });
  const value = { head: 1, slot: 2, inner: { a: 3, b: 4, c: 5 }, tail: 6n };
  const now = "0100 0200 03000000 04000000 05000000 00000000 00000000 0600000000000000";

  test("sizes shrink by what was not there, not by what was padding", () => {
    const sizes = [45, 32, 31, 21, 20, 12, 11, 9, 8, 0].map((minor) => S.at(minor).size);
    expect(sizes).toEqual([32, 32, 32, 32, 32, 32, 20, 20, 8, 8]);
    expect(S.size).toBe(32);
  });

  test("what is absent is read as zero, even over an old value", () => {
    const source = view(now);
    expect(S.read(source, 0)).toEqual(value);
    expect(S.at(31).read(source, 0)).toEqual({ ...value, inner: { a: 3, b: 4, c: 0 } });
    const target = structuredClone(value);
    S.at(8).readInto(source, 0, target);
    expect(target).toEqual({ head: 1, slot: 0, inner: { a: 3, b: 0, c: 0 }, tail: 0n });
    expect(S.at(8).read(source, 0)).toEqual(target);
    expect(S.at(8).create()).toEqual(S.create());
  });

  test("what is absent is not written, what was padding is written as zeros", () => {
    const target = view("ee".repeat(32));
    S.at(11).write(target, 0, value);
    expect(hex(target)).toBe(`01000000030000000400000000000000${"00".repeat(4)}${"ee".repeat(12)}`);
    S.at(8).write(target, 0, value);
    expect(hex(target, 8)).toBe("0100000003000000");
  });

  test("offsets are -1 where there is no room", () => {
    const { offsets } = S.at(8);
    expect([offsets.slot, offsets["inner.a"], offsets["inner.b"], offsets.tail]).toEqual([
      2, 4, -1, -1,
    ]);
  });

  test("a layout is made once, and the newest is the struct itself", () => {
    expect(S.at(32)).toBe(S);
    expect(S.at(99)).toBe(S);
    expect(S.at(10)).toBe(S.at(11));
    expect(S.at(8).at(45)).toBe(S);
  });

  test("a field moves up where one before it was not there yet", () => {
    const outer = struct({ inner: Inner, after: u32 }).at(8);
    expect([outer.size, outer.offsets.after]).toEqual([8, 4]);
  });
});
