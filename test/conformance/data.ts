import { expect } from "bun:test";
import { O_CREAT, O_RDONLY, O_RDWR, O_WRONLY } from "../support/client.ts";
import { Random } from "../support/random.ts";
import {
  bytes,
  content,
  fails,
  make,
  pattern,
  readAll,
  type Subject,
  same,
  table,
  text,
  using,
  writeAll,
} from "./case.ts";

const KIB = 1024;
const MIB = KIB * KIB;

/** Around the sizes of sectors, pages, requests and likely chunks. */
const SIZES = [
  1,
  511,
  512,
  513,
  4095,
  4096,
  4097,
  64 * KIB - 1,
  64 * KIB,
  64 * KIB + 1,
  128 * KIB + 1,
  MIB - 1,
  MIB,
  MIB + 1,
  3 * MIB + 17,
];

export const data: Subject = {
  name: "reading and writing",
  needs: ["write"],
  cases: {
    ...table(
      SIZES,
      (size) => `${size} bytes are read as they were written`,
      async ({ client, at }, size) => {
        await make(client, at("f"), pattern(size));
        expect((await client.stat(at("f"))).size).toBe(size);
        same(await content(client, at("f")), pattern(size));
      },
    ),
    ...table(
      [1, 100, 4096, 5000],
      (size) => `in pieces of ${size} bytes`,
      async ({ client, at }, size) => {
        const whole = pattern(50_000);
        await using(client.open(at("f"), O_CREAT | O_RDWR), async (file) => {
          const step = size === 1 ? 499 : size;
          for (let offset = 0; offset < whole.length; offset += step) {
            await writeAll(file, whole.subarray(offset, offset + step), offset);
          }
          for (let offset = 0; offset < whole.length; offset += step) {
            same(await file.read(size, offset), whole.subarray(offset, offset + size));
          }
        });
        same(await content(client, at("f")), whole);
      },
    ),
    "at the end and past it there is nothing": async ({ client, at }) => {
      await make(client, at("f"), "abc");
      await using(client.open(at("f"), O_RDONLY), async (file) => {
        expect(await file.read(10, 2)).toEqual(bytes("c"));
        expect(await file.read(10, 3)).toEqual(bytes(""));
        expect(await file.read(10, 1_000_000)).toEqual(bytes(""));
        expect(await file.read(0, 0)).toEqual(bytes(""));
      });
    },
    "writing in the middle changes nothing else": async ({ client, at }) => {
      const whole = pattern(200_000);
      await make(client, at("f"), whole);
      await using(client.open(at("f"), O_WRONLY), (file) => file.write(bytes("inserted"), 65_530));
      whole.set(bytes("inserted"), 65_530);
      same(await content(client, at("f")), whole);
    },
    "writing across the end grows the file": async ({ client, at }) => {
      await make(client, at("f"), "abcdef");
      await using(client.open(at("f"), O_WRONLY), (file) => file.write(bytes("XYZ"), 5));
      expect(await text(client, at("f"))).toBe("abcdeXYZ");
    },
    "writing nothing changes nothing": async ({ client, at }) => {
      await make(client, at("f"), "abc");
      await using(client.open(at("f"), O_WRONLY), async (file) => {
        expect(await file.write(bytes(""), 100)).toBe(0);
        expect((await file.stat()).size).toBe(3);
      });
    },
    "what one writes another reads at once": async ({ client, at }) => {
      await using(client.open(at("f"), O_CREAT | O_RDWR), (one) =>
        using(client.open(at("f"), O_RDONLY), async (other) => {
          for (let round = 0; round < 20; round++) {
            await one.write(bytes(`round ${round}`), 0);
            expect(await other.read(100, 0)).toEqual(bytes(`round ${round}`));
          }
        }),
      );
    },
    ...table(
      [1, 4095, 4096, 65_537, MIB, 2 ** 31 - 1, 2 ** 32 + 5, 2 ** 40 + 123],
      (offset) => `a byte at offset ${offset} leaves zeros before it`,
      async ({ client, at }, offset) => {
        await using(client.open(at("f"), O_CREAT | O_RDWR), async (file) => {
          await file.write(bytes("x"), offset);
          expect((await file.stat()).size).toBe(offset + 1);
          const before = Math.min(offset, 100_000);
          same(await readAll(file, 0, before), new Uint8Array(before));
          same(await readAll(file, offset - before, before), new Uint8Array(before));
          expect(await file.read(10, offset)).toEqual(bytes("x"));
          await file.truncate(0);
        });
      },
    ),
    ...table(
      [1, 2, 3, 4, 5, 6, 7, 8],
      (seed) => `random writes and truncations, seed ${seed}`,
      async ({ client, at }, seed) => {
        const random = new Random(seed);
        let model = new Uint8Array(0);
        await using(client.open(at("f"), O_CREAT | O_RDWR), async (file) => {
          for (let step = 0; step < 40; step++) {
            const at = random.below(300_000);
            if (random.oneIn(3)) {
              await file.truncate(at);
              model = resized(model, at);
            } else {
              const piece = pattern(random.between(1, 70_000));
              await writeAll(file, piece, at);
              model = resized(model, Math.max(model.length, at + piece.length));
              model.set(piece, at);
            }
            const from = random.below(300_000);
            same(await readAll(file, from, 5000), model.subarray(from, from + 5000));
          }
        });
        same(await content(client, at("f")), model);
      },
    ),
  },
};

function resized(bytes: Uint8Array, length: number): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(length);
  result.set(bytes.subarray(0, length));
  return result;
}

export const truncation: Subject = {
  name: "truncation",
  needs: ["write"],
  cases: {
    ...table(
      [
        [0, 1],
        [1, 0],
        [10_000, 0],
        [10_000, 1],
        [10_000, 4096],
        [10_000, 4097],
        [10_000, 10_000],
        [10_000, 10_001],
        [10_000, 70_000],
        [70_000, 65_536],
        [70_000, 65_535],
        [3 * MIB, MIB + 1],
        [100, 2 ** 33],
      ] as const,
      ([from, to]) => `from ${from} to ${to} bytes`,
      async ({ client, at }, [from, to]) => {
        const whole = pattern(from);
        await make(client, at("f"), whole);
        await client.truncate(at("f"), to);
        expect((await client.stat(at("f"))).size).toBe(to);
        await using(client.open(at("f"), O_RDONLY), async (file) => {
          const shown = Math.min(to, from + 100_000);
          same(await readAll(file, 0, shown), resized(whole, to > from ? shown : to));
        });
      },
    ),
    ...table(
      [0, 1, 100, 4095, 4096, 4097, 65_535, 65_537],
      (size) => `bytes cut off at ${size} do not come back`,
      async ({ client, at }, size) => {
        await make(client, at("f"), pattern(100_000));
        await client.truncate(at("f"), size);
        await client.truncate(at("f"), 100_000);
        same(await content(client, at("f")), resized(pattern(size), 100_000));
      },
    ),
    "of an open file, by another": async ({ client, at }) => {
      await make(client, at("f"), pattern(10_000));
      await using(client.open(at("f"), O_RDWR), async (file) => {
        await file.read(10_000, 0);
        await client.truncate(at("f"), 5);
        same(await file.read(10_000, 0), pattern(5));
        await client.truncate(at("f"), 10);
        same(await file.read(10_000, 0), resized(pattern(5), 10));
      });
    },
    "to a size below zero: EINVAL": async ({ client, at }) => {
      await make(client, at("f"), "abc");
      await fails(client.truncate(at("f"), -1), "EINVAL");
      await using(client.open(at("f"), O_RDWR), (file) => fails(file.truncate(-1), "EINVAL"));
    },
    "of a directory: EISDIR": async ({ client, at }) => {
      await client.mkdir(at("d"));
      await fails(client.truncate(at("d"), 0), "EISDIR");
    },
    "of what is not there: ENOENT": async ({ client, at }) => {
      await fails(client.truncate(at("no"), 0), "ENOENT");
    },
    "of a descriptor open for reading: EINVAL": async ({ client, at }) => {
      await make(client, at("f"), "abc");
      await using(client.open(at("f"), O_RDONLY), (file) =>
        fails(file.truncate(0), "EINVAL", "EBADF"),
      );
    },
    "gives the space back": async ({ client, at }) => {
      await make(client, at("f"), pattern(MIB));
      expect((await client.stat(at("f"))).blocks).toBeGreaterThanOrEqual((MIB * 0.9) / 512);
      await client.truncate(at("f"), 0);
      expect((await client.stat(at("f"))).blocks).toBe(0);
    },
  },
};

export const hugeness: Subject = {
  name: "sizes that no disk has",
  needs: ["write", "kernel"],
  cases: table(
    [2 ** 52, 2 ** 62],
    (size) => `${size} bytes: kept, or EFBIG and nothing changed`,
    async ({ client, at }, size) => {
      await make(client, at("f"), "abc");
      await using(client.open(at("f"), O_RDWR), async (file) => {
        const attempts = [
          [() => file.truncate(size), size],
          [() => file.write(bytes("x"), size), size + 1],
        ] as const;
        for (const [attempt, grown] of attempts) {
          const before = (await file.stat()).size;
          const done = await attempt().then(
            () => true,
            (error: { code?: string }) => {
              expect(error.code).toBe("EFBIG");
              return false;
            },
          );
          expect((await file.stat()).size).toBe(done ? grown : before);
        }
        expect(await file.read(3, 0)).toEqual(bytes("abc"));
        await file.truncate(0);
      });
    },
  ),
};

export const copying: Subject = {
  name: "copy_file_range",
  needs: ["write", "copy"],
  cases: {
    ...table(
      [
        [0, 0, 100],
        [10, 0, 50],
        [0, 1000, 100],
        [0, 70_000, 100],
        [5000, 3, 60_000],
        [0, 0, 200_000],
      ] as const,
      ([from, to, length]) => `${length} bytes from ${from} to ${to}`,
      async ({ client, at }, [from, to, length]) => {
        const source = pattern(200_000);
        await make(client, at("f"), source);
        await make(client, at("g"), "target");
        await using(client.open(at("f"), O_RDONLY), (file) =>
          using(client.open(at("g"), O_RDWR), async (target) => {
            let done = 0;
            while (done < length) {
              const copied = await file.copyTo(target, from + done, to + done, length - done);
              expect(copied).toBeGreaterThan(0);
              done += copied;
            }
          }),
        );
        const expected = resized(bytes("target"), Math.max(6, to + length));
        expected.set(source.subarray(from, from + length), to);
        same(await content(client, at("g")), expected);
        same(await content(client, at("f")), source);
      },
    ),
    "past the end of the source there is nothing": async ({ client, at }) => {
      await make(client, at("f"), "abc");
      await make(client, at("g"), "");
      await using(client.open(at("f"), O_RDONLY), (file) =>
        using(client.open(at("g"), O_RDWR), async (target) => {
          expect(await file.copyTo(target, 3, 0, 10)).toBe(0);
          expect(await file.copyTo(target, 100, 0, 10)).toBe(0);
          expect(await file.copyTo(target, 1, 0, 10)).toBe(2);
        }),
      );
      expect(await text(client, at("g"))).toBe("bc");
    },
    "within one file": async ({ client, at }) => {
      await make(client, at("f"), "abcdef");
      await using(client.open(at("f"), O_RDWR), async (file) => {
        expect(await file.copyTo(file, 0, 6, 6)).toBe(6);
      });
      expect(await text(client, at("f"))).toBe("abcdefabcdef");
    },
    "onto itself, overlapping: EINVAL": async ({ client, at }) => {
      await make(client, at("f"), "abcdef");
      await using(client.open(at("f"), O_RDWR), (file) =>
        fails(file.copyTo(file, 0, 3, 6), "EINVAL"),
      );
    },
    "into what is open for reading: EBADF": async ({ client, at }) => {
      await make(client, at("f"), "abcdef");
      await make(client, at("g"), "");
      await using(client.open(at("f"), O_RDONLY), (file) =>
        using(client.open(at("g"), O_RDONLY), (target) =>
          fails(file.copyTo(target, 0, 0, 3), "EBADF"),
        ),
      );
    },
  },
};
