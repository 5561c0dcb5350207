import { expect } from "bun:test";
import { type Descriptor, O_CREAT, O_RDONLY, O_RDWR } from "../support/client.ts";
import { Random } from "../support/random.ts";
import {
  bytes,
  content,
  fails,
  type Ground,
  make,
  pattern,
  readAll,
  type Subject,
  same,
  table,
  using,
  writeAll,
} from "./case.ts";

const MIB = 1024 * 1024;
const KEEP_SIZE = 1;
const PUNCH_HOLE = 2;
const COLLAPSE_RANGE = 8;
const ZERO_RANGE = 16;
const INSERT_RANGE = 32;

function opened({ client, at }: Ground, run: (file: Descriptor) => Promise<unknown>) {
  return using(client.open(at("f"), O_CREAT | O_RDWR), run);
}

export const seeking: Subject = {
  name: "SEEK_DATA and SEEK_HOLE",
  needs: ["write", "holes"],
  cases: {
    "an empty file has neither: ENXIO": async (ground) => {
      await opened(ground, async (file) => {
        await fails(file.seek(0, "data"), "ENXIO");
        await fails(file.seek(0, "hole"), "ENXIO");
      });
    },
    "at the end of the data begins a hole": async (ground) => {
      await opened(ground, async (file) => {
        await file.write(bytes("abc"), 0);
        expect(await file.seek(0, "data")).toBe(0);
        expect(await file.seek(2, "data")).toBe(2);
        expect(await file.seek(0, "hole")).toBe(3);
        expect(await file.seek(2, "hole")).toBe(3);
      });
    },
    "past the end: ENXIO": async (ground) => {
      await opened(ground, async (file) => {
        await file.write(bytes("abc"), 0);
        for (const offset of [3, 4, 1_000_000]) {
          await fails(file.seek(offset, "data"), "ENXIO");
          await fails(file.seek(offset, "hole"), "ENXIO");
        }
      });
    },
    "a file that is all hole has no data": async (ground) => {
      await opened(ground, async (file) => {
        await file.truncate(MIB);
        await fails(file.seek(0, "data"), "ENXIO");
        expect(await file.seek(0, "hole")).toBe(0);
        expect(await file.seek(12_345, "hole")).toBe(12_345);
      });
    },
    "a hole between data is found": async (ground) => {
      await opened(ground, async (file) => {
        await writeAll(file, pattern(MIB), 0);
        await writeAll(file, pattern(MIB), 4 * MIB);
        expect(await file.seek(1000, "data")).toBe(1000);
        expect(await file.seek(0, "hole")).toBe(MIB);
        expect(await file.seek(2 * MIB + 5, "hole")).toBe(2 * MIB + 5);
        expect(await file.seek(MIB, "data")).toBe(4 * MIB);
        expect(await file.seek(4 * MIB + 1, "hole")).toBe(5 * MIB);
      });
    },
    "a hole takes no space": async (ground) => {
      await opened(ground, async (file) => {
        await file.truncate(1024 * MIB);
        await file.write(bytes("x"), 512 * MIB);
        const { size, blocks } = await file.stat();
        expect(size).toBe(1024 * MIB);
        expect(blocks).toBeGreaterThan(0);
        expect(blocks * 512).toBeLessThanOrEqual(MIB);
      });
    },
    ...table(
      [11, 12, 13],
      (seed) => `what is written lies in data, what is not reads as zeros, seed ${seed}`,
      async (ground, seed) => {
        const random = new Random(seed);
        const size = 8 * MIB;
        await opened(ground, async (file) => {
          await file.truncate(size);
          const written: number[] = [];
          for (let count = 0; count < 12; count++) {
            const at = random.below(size);
            await file.write(bytes("x"), at);
            written.push(at);
          }
          const data = await extents(file);
          for (const at of written) {
            expect(data.some(([from, to]) => from <= at && at < to)).toBe(true);
          }
          let end = 0;
          for (const [from, to] of [...data, [size, size] as const]) {
            same(await readAll(file, end, from - end), new Uint8Array(from - end));
            end = to;
          }
        });
      },
    ),
  },
};

/** Where data is, as SEEK_DATA and SEEK_HOLE tell it. */
async function extents(file: Descriptor): Promise<[number, number][]> {
  const found: [number, number][] = [];
  const { size } = await file.stat();
  for (let at = 0; at < size; ) {
    const from = await file.seek(at, "data").catch((error: { code?: string }) => {
      expect(error.code).toBe("ENXIO");
      return size;
    });
    if (from === size) break;
    const to = await file.seek(from, "hole");
    expect(to).toBeGreaterThan(from);
    found.push([from, to]);
    at = to;
  }
  return found;
}

export const allocation: Subject = {
  name: "fallocate",
  needs: ["write", "allocate"],
  cases: {
    "grows the file with zeros": async (ground) => {
      await opened(ground, async (file) => {
        await file.write(bytes("abc"), 0);
        await file.allocate(0, 0, 100_000);
        expect((await file.stat()).size).toBe(100_000);
        const expected = new Uint8Array(100_000);
        expected.set(bytes("abc"));
        same(await readAll(file), expected);
      });
    },
    "within the file changes nothing": async (ground) => {
      await opened(ground, async (file) => {
        await writeAll(file, pattern(10_000), 0);
        await file.allocate(0, 100, 5000);
        same(await readAll(file), pattern(10_000));
      });
    },
    "KEEP_SIZE keeps the size": async (ground) => {
      await opened(ground, async (file) => {
        await file.write(bytes("abc"), 0);
        await file.allocate(KEEP_SIZE, 0, MIB);
        expect((await file.stat()).size).toBe(3);
      });
    },
    "takes the space": async (ground) => {
      await opened(ground, async (file) => {
        await file.allocate(0, 0, MIB);
        expect((await file.stat()).blocks * 512).toBeGreaterThanOrEqual(MIB);
      });
    },
    ...table(
      [
        [0, 1],
        [0, 4096],
        [1, 4096],
        [4096, 4096],
        [4000, 10_000],
        [65_536, 65_536],
        [65_535, 65_538],
        [100_000, 100_000],
        [0, 200_000],
        [199_999, 1],
        [190_000, 100_000],
      ] as const,
      ([offset, length]) => `a hole of ${length} bytes at ${offset} reads as zeros`,
      async (ground, [offset, length]) => {
        const whole = pattern(200_000);
        await opened(ground, async (file) => {
          await writeAll(file, whole, 0);
          await file.allocate(PUNCH_HOLE | KEEP_SIZE, offset, length);
          whole.fill(0, offset, offset + length);
          same(await readAll(file), whole);
          expect((await file.stat()).size).toBe(200_000);
        });
        same(await content(ground.client, ground.at("f")), whole);
      },
    ),
    "a hole gives the space back": async (ground) => {
      await opened(ground, async (file) => {
        await writeAll(file, pattern(MIB), 0);
        const before = (await file.stat()).blocks;
        await file.allocate(PUNCH_HOLE | KEEP_SIZE, 0, MIB / 2);
        expect((await file.stat()).blocks).toBe(before / 2);
        expect(await file.seek(0, "data")).toBe(MIB / 2);
      });
    },
    "a hole past the end changes nothing": async (ground) => {
      await opened(ground, async (file) => {
        await file.write(bytes("abc"), 0);
        await file.allocate(PUNCH_HOLE | KEEP_SIZE, 100, 100);
        expect(await readAll(file)).toEqual(bytes("abc"));
      });
    },
    "a hole without KEEP_SIZE: EOPNOTSUPP": async (ground) => {
      await opened(ground, (file) => fails(file.allocate(PUNCH_HOLE, 0, 100), "EOPNOTSUPP"));
    },
    "ZERO_RANGE zeros, or is not supported": async (ground) => {
      await opened(ground, async (file) => {
        const whole = pattern(10_000);
        await writeAll(file, whole, 0);
        const done = await file.allocate(ZERO_RANGE, 5000, 10_000).then(
          () => true,
          (error: { code?: string }) => {
            expect(error.code).toBe("EOPNOTSUPP");
            return false;
          },
        );
        const expected = done ? new Uint8Array(15_000) : new Uint8Array(10_000);
        expected.set(done ? whole.subarray(0, 5000) : whole);
        same(await readAll(file), expected);
      });
    },
    ...table(
      [COLLAPSE_RANGE, INSERT_RANGE, KEEP_SIZE | COLLAPSE_RANGE, 0x4000],
      (mode) => `mode 0x${mode.toString(16)} is refused and changes nothing`,
      async (ground, mode) => {
        await opened(ground, async (file) => {
          await writeAll(file, pattern(20_000), 0);
          await fails(file.allocate(mode, 4096, 4096), "EOPNOTSUPP", "EINVAL");
          same(await readAll(file), pattern(20_000));
        });
      },
    ),
    "a length of 0, or an offset below 0: EINVAL": async (ground) => {
      await opened(ground, async (file) => {
        await fails(file.allocate(0, 0, 0), "EINVAL");
        await fails(file.allocate(0, -1, 10), "EINVAL");
        await fails(file.allocate(0, 0, -10), "EINVAL");
      });
    },
    "of a descriptor open for reading: EBADF": async ({ client, at }) => {
      await make(client, at("f"), "abc");
      await using(client.open(at("f"), O_RDONLY), (file) =>
        fails(file.allocate(0, 0, 100), "EBADF"),
      );
    },
  },
};
