import { describe, expect, test } from "bun:test";
import { decodeName, encodeName, isName, nameLength } from "../src/name.ts";

function decoded(...bytes: number[]): string {
  return decodeName(Uint8Array.from(bytes), 0, bytes.length);
}

function encoded(name: string): number[] {
  const into = new Uint8Array(3 + nameLength(name) + 1).fill(0xee);
  const written = encodeName(name, into, 3);
  expect(written).toBe(nameLength(name));
  expect([into[2], into[3 + written]]).toEqual([0xee, 0xee]);
  return [...into.subarray(3, 3 + written)];
}

/** What is said of any bytes: they come back, and the string is what the platform's decoder says if they are UTF-8. */
function survives(bytes: Uint8Array): boolean {
  const name = decodeName(bytes, 0, bytes.length);
  const back = new Uint8Array(nameLength(name));
  const written = encodeName(name, back, 0);
  return (
    written === bytes.length && back.every((byte, i) => byte === bytes[i]) && isRight(name, bytes)
  );
}

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function isRight(name: string, bytes: Uint8Array): boolean {
  try {
    return strict.decode(bytes) === name;
  } catch {
    return /[\udc80-\udcff]/u.test(name);
  }
}

describe("hand cases", () => {
  const cases: Record<string, [number[], string]> = {
    nothing: [[], ""],
    ASCII: [[0x61, 0x2e, 0x74, 0x78, 0x74], "a.txt"],
    "two bytes": [[0xc3, 0xa9], "\u00e9"],
    "three bytes": [[0xe2, 0x82, 0xac], "\u20ac"],
    "four bytes": [[0xf0, 0x9f, 0x98, 0x80], "\u{1f600}"],
    "the ends of the ranges": [
      [0xc2, 0x80, 0xdf, 0xbf, 0xe0, 0xa0, 0x80, 0xef, 0xbf, 0xbf, 0xf0, 0x90, 0x80, 0x80],
      "\u0080\u07ff\u0800\uffff\u{10000}",
    ],
    "around the surrogates": [[0xed, 0x9f, 0xbf, 0xee, 0x80, 0x80], "\ud7ff\ue000"],
    "the last character": [[0xf4, 0x8f, 0xbf, 0xbf], "\u{10ffff}"],
    "a byte order mark": [[0xef, 0xbb, 0xbf, 0x61], "\ufeffa"],
    "Latin-1": [[0x63, 0x61, 0x66, 0xe9], "caf\udce9"],
    "a continuation alone": [[0x80, 0x61, 0xbf], "\udc80a\udcbf"],
    "cut short": [[0xe2, 0x82, 0x41], "\udce2\udc82A"],
    "cut short by the end": [[0x41, 0xf0, 0x9f, 0x98], "A\udcf0\udc9f\udc98"],
    "overlong /": [[0xc0, 0xaf], "\udcc0\udcaf"],
    "overlong in three": [[0xe0, 0x9f, 0xbf], "\udce0\udc9f\udcbf"],
    "overlong in four": [[0xf0, 0x8f, 0xbf, 0xbf], "\udcf0\udc8f\udcbf\udcbf"],
    "an encoded surrogate": [[0xed, 0xa0, 0x80], "\udced\udca0\udc80"],
    "an encoded escape": [[0xed, 0xb2, 0x80], "\udced\udcb2\udc80"],
    "beyond Unicode": [[0xf4, 0x90, 0x80, 0x80], "\udcf4\udc90\udc80\udc80"],
    "bytes that are never UTF-8": [[0xf5, 0xfe, 0xff], "\udcf5\udcfe\udcff"],
    "a pair and then an escape": [[0xf0, 0x9f, 0x98, 0x80, 0x80], "\u{1f600}\udc80"],
  };

  for (const [what, [bytes, name]] of Object.entries(cases)) {
    test(what, () => {
      expect(decoded(...bytes)).toBe(name);
      expect(encoded(name)).toEqual(bytes);
    });
  }

  test("only the bytes from start to end count", () => {
    const bytes = Uint8Array.of(0xc3, 0x61, 0xc3, 0xa9, 0x62);
    expect(decodeName(bytes, 1, 4)).toBe("a\u00e9");
    expect(decodeName(bytes, 1, 3)).toBe("a\udcc3");
    expect(decodeName(bytes, 2, 2)).toBe("");
  });

  test("a lone surrogate that stands for no byte is written as U+FFFD", () => {
    for (const lone of ["\ud800", "\udc7f", "\udc2f", "\udd00", "\udfff", "\ud800a".slice(0, 1)]) {
      expect(encoded(`a${lone}b`)).toEqual([0x61, 0xef, 0xbf, 0xbd, 0x62]);
    }
    expect(encoded("\ud800\ud83d\ude00")).toEqual([0xef, 0xbf, 0xbd, 0xf0, 0x9f, 0x98, 0x80]);
  });
});

describe("round trips", () => {
  test("all pairs of bytes", () => {
    const lost: number[] = [];
    for (let pair = 0; pair < 0x10000; pair++) {
      if (!survives(Uint8Array.of(pair >> 8, pair & 0xff))) lost.push(pair);
    }
    expect(lost).toEqual([]);
  });

  test("all first three bytes of four, where sequences may begin", () => {
    const edges = [0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff];
    const lost: number[][] = [];
    for (let first = 0xc0; first < 0x100; first++) {
      for (const second of edges) {
        for (const third of edges) {
          for (const fourth of edges) {
            const bytes = [first, second, third, fourth];
            if (!survives(Uint8Array.from(bytes))) lost.push(bytes);
          }
        }
      }
    }
    expect(lost).toEqual([]);
  });

  test("random bytes of all lengths, also many times longer than a name", () => {
    let seed = 0x2545f491;
    const random = () => {
      seed ^= seed << 13;
      seed ^= seed >>> 17;
      seed ^= seed << 5;
      return seed >>> 0;
    };
    const lost: string[] = [];
    for (const length of [...Array(300).keys(), 4095, 4096, 4097, 10_000]) {
      // Bytes of all kinds, then mostly those that begin and continue sequences.
      for (const least of [0, 0x80, 0xc0]) {
        const bytes = Uint8Array.from({ length }, (_, i) =>
          i % 3 === 0 ? least + (random() % (0x100 - least)) : 0x70 + (random() % 0x90),
        );
        if (!survives(bytes)) lost.push(bytes.toHex());
      }
    }
    expect(lost).toEqual([]);
  });
});

describe("names that came before", () => {
  test("many more of them than are kept stay right, again and again", () => {
    const encoder = new TextEncoder();
    const wrong: string[] = [];
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 20_000; i++) {
        const name = `${i}-n\u00e4me`;
        const bytes = encoder.encode(name);
        if (decodeName(bytes, 0, bytes.length) !== name) wrong.push(name);
      }
    }
    expect(wrong).toEqual([]);
  });

  test("what is kept does not change with the buffer it was read from", () => {
    const bytes = Uint8Array.of(0x6f, 0x6e, 0x65);
    expect(decodeName(bytes, 0, 3)).toBe("one");
    bytes.set([0x74, 0x77, 0x6f]);
    expect(decodeName(bytes, 0, 3)).toBe("two");
    expect(decoded(0x6f, 0x6e, 0x65)).toBe("one");
  });
});

describe("isName", () => {
  const good = ["a", ".", "..", "a b", "\n", "\u00e9", "\udc80", "\udcff", "\u{1f600}"];
  const longest = ["x".repeat(255), `${"\u00e9".repeat(127)}x`, "\udc80".repeat(255)];
  test.each([...good, ...longest])("%j is one", (name) => expect(isName(name)).toBe(true));

  const forbidden = ["", "/", "a/b", "a\0"];
  const tooLong = ["x".repeat(256), "\u00e9".repeat(128), "\u20ac".repeat(86)];
  const unwritable = ["\ud800", "\udc7f", "\udc2f", "\udd00", "\ud800a", "\ud83d\ud83d\ude00"];
  test.each([...forbidden, ...tooLong, ...unwritable])("%j is none", (name) =>
    expect(isName(name)).toBe(false),
  );
});
