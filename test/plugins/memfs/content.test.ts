import { describe, expect, test } from "bun:test";
import { EFBIG, EISDIR, ENXIO, EOPNOTSUPP } from "puffs";
import type { Inode } from "../../../plugins/memfs/inode.ts";
import { Random } from "../../support/random.ts";
import { caller, Started } from "./start.ts";

const KEEP_SIZE = 1;
const ZERO_RANGE = 16;
const MAX = Number.MAX_SAFE_INTEGER;

/** A file as it should be: its bytes, and what becomes of each page. */
class Model {
  bytes = new Uint8Array(0);
  readonly data = new Set<number>();
  readonly reserved = new Set<number>();

  write(from: Uint8Array, offset: number): void {
    if (offset + from.length > this.bytes.length) this.lengthen(offset + from.length);
    this.bytes.set(from, offset);
    this.each(offset, offset + from.length, (page) => {
      this.data.add(page);
      this.reserved.delete(page);
    });
  }

  truncate(size: number): void {
    const old = this.bytes.length;
    if (size > old) this.lengthen(size);
    else {
      this.bytes = this.bytes.slice(0, size);
      this.drop((page) => page * 4096 >= size);
    }
  }

  punch(offset: number, length: number): void {
    const end = offset + length;
    this.bytes.fill(0, offset, end);
    this.drop((page) => page * 4096 >= offset && (page + 1) * 4096 <= end);
  }

  allocate(offset: number, length: number, keep: boolean, zero: boolean): void {
    const end = offset + length;
    if (zero) {
      this.bytes.fill(0, offset, end);
      for (const page of this.data) {
        if (page * 4096 < offset || (page + 1) * 4096 > end) continue;
        this.data.delete(page);
        this.reserved.add(page);
      }
    }
    this.each(offset, end, (page) => {
      if (!this.data.has(page)) this.reserved.add(page);
    });
    if (!keep && end > this.bytes.length) this.lengthen(end);
  }

  seek(offset: number, whence: "data" | "hole"): number | typeof ENXIO {
    const size = this.bytes.length;
    if (offset >= size) return ENXIO;
    for (let at = offset; at < size; at = (Math.floor(at / 4096) + 1) * 4096) {
      if (this.data.has(Math.floor(at / 4096)) === (whence === "data")) return at;
    }
    return whence === "data" ? ENXIO : size;
  }

  get blocks(): number {
    return (this.data.size + this.reserved.size) * 8;
  }

  private lengthen(size: number): void {
    const longer = new Uint8Array(size);
    longer.set(this.bytes);
    this.bytes = longer;
  }

  private each(start: number, end: number, visit: (page: number) => void): void {
    for (let page = Math.floor(start / 4096); page * 4096 < end; page++) visit(page);
  }

  private drop(where: (page: number) => boolean): void {
    for (const pages of [this.data, this.reserved])
      for (const page of pages) if (where(page)) pages.delete(page);
  }
}

/** Random steps on two files beside each other, each compared with its model after every one. */
function walk(seed: number, span: number, steps: number): void {
  const random = new Random(seed);
  const fs = new Started();
  const files = ["a", "b"].map((name) => ({ node: fs.create(name), model: new Model() }));
  // Offsets at and around the edges of blocks and pages are where mistakes live.
  const point = (limit: number) => {
    const edge = random.pick([1, 64, 4096, 4096, 65536]);
    const near = random.below(Math.ceil(limit / edge) + 1) * edge + random.between(-1, 1);
    return random.oneIn(2) ? random.below(limit) : Math.min(limit - 1, Math.max(0, near));
  };

  for (let step = 0; step < steps; step++) {
    const at = random.below(2);
    const { node, model } = files[at] as (typeof files)[0];
    const offset = point(span);
    const length = 1 + point(random.oneIn(3) ? span - offset : Math.min(6000, span - offset));
    const kind = random.below(10);
    if (kind < 4) {
      const bytes = new Uint8Array(length).fill(1 + random.below(255));
      bytes[0] = 1 + random.below(255);
      bytes[length - 1] = 1 + random.below(255);
      expect(fs.write(node, bytes, offset)).toBe(length);
      model.write(bytes, offset);
    } else if (kind === 4) {
      fs.truncate(node, offset);
      model.truncate(offset);
    } else if (kind === 5) {
      fs.node.fdiscard(node, offset, length, caller());
      model.punch(offset, length);
    } else if (kind === 6) {
      const keep = random.oneIn(2);
      const zero = random.oneIn(2);
      const mode = (keep ? KEEP_SIZE : 0) | (zero ? ZERO_RANGE : 0);
      expect(fs.node.fallocate(node, offset, length, mode, caller())).toBeUndefined();
      model.allocate(offset, length, keep, zero);
    } else if (kind === 7) {
      const other = files[1 - at] as (typeof files)[0];
      const target = point(span);
      const copied = Math.max(0, Math.min(length, model.bytes.length - offset));
      const count = fs.node.copyRange(node, offset, other.node, target, length, caller());
      expect(count).toBe(copied);
      if (copied > 0) other.model.write(model.bytes.slice(offset, offset + copied), target);
    } else if (kind === 8) {
      for (const whence of ["data", "hole"] as const) {
        const found = fs.node.seek(node, offset, whence, caller());
        expect(found).toBe(model.seek(offset, whence));
      }
    } else {
      const got = fs.read(node, offset, length);
      expect(got).toEqual(model.bytes.slice(offset, offset + length));
    }
    for (const file of files) {
      expect(file.node.size).toBe(file.model.bytes.length);
      expect(file.node.blocks).toBe(file.model.blocks);
    }
    if (step % 8 === 0) {
      const same = Buffer.compare(fs.read(node, 0, span * 3), model.bytes) === 0;
      expect({ step, same }).toEqual({ step, same: true });
    }
  }

  expect(fs.usedPages()).toBe(
    (files[0]?.model.blocks ?? 0) / 8 + (files[1]?.model.blocks ?? 0) / 8,
  );
  for (const name of ["a", "b"]) fs.remove(name);
  expect(fs.usedPages()).toBe(0);
}

describe("random steps agree with a plain model", () => {
  // One span within a page, one of small files with cut blocks, one past that, one past the table's first leaf.
  for (const [seed, span, steps] of [
    [1, 4096, 3000],
    [2, 20_000, 3000],
    [3, 300_000, 2000],
    [4, 5_000_000, 120],
    [Date.now() % 2 ** 31, 100_000, 1500],
  ] as const) {
    test(`seed ${seed}, offsets below ${span}`, () => walk(seed, span, steps));
  }
});

describe("edges", () => {
  test("bytes cut off by a truncation read as zeros when the file grows again", () => {
    for (const size of [100, 4096, 5000, 200_000]) {
      const fs = new Started();
      const node = fs.create("f");
      fs.write(node, new Uint8Array(size).fill(7), 0);
      fs.truncate(node, 10);
      fs.truncate(node, size);
      const expected = new Uint8Array(size);
      expected.fill(7, 0, 10);
      expect(fs.read(node, 0, size)).toEqual(expected);
    }
  });

  test("a block used before shows nothing of what was in it", () => {
    const fs = new Started();
    for (const size of [64, 1000, 4096]) {
      fs.write(fs.create("old"), new Uint8Array(size).fill(9), 0);
      fs.remove("old");
      const node = fs.create("new");
      fs.write(node, "x", size - 1);
      expect(fs.read(node, 0, size)).toEqual(
        new Uint8Array(size).fill(0, 0, size - 1).fill(120, size - 1),
      );
      fs.remove("new");
    }
  });

  test("far offsets: pages are where they were written, up to the largest size", () => {
    const fs = new Started();
    const node = fs.create("f");
    for (const offset of [2 ** 31 - 3, 2 ** 32 - 3, 2 ** 40 + 4093, MAX - 6]) {
      expect(fs.write(node, "abcdef", offset)).toBe(6);
      expect(fs.read(node, offset - 2, 20).subarray(0, 8)).toEqual(
        new TextEncoder().encode("\0\0abcdef"),
      );
    }
    expect(node.size).toBe(MAX);
    expect(node.blocks).toBe(7 * 8);
    expect(fs.node.seek(node, 0, "data", caller())).toBe(2 ** 31 - 4096);
    expect(fs.node.seek(node, 2 ** 31 - 1, "hole", caller())).toBe(2 ** 31 + 4096);
    expect(fs.node.seek(node, 2 ** 33, "data", caller())).toBe(2 ** 40);
    expect(fs.node.seek(node, 2 ** 41, "data", caller())).toBe(MAX - 4095);
    expect(fs.node.seek(node, 2 ** 41, "hole", caller())).toBe(2 ** 41);
    expect(fs.node.seek(node, MAX - 1, "hole", caller())).toBe(MAX);
    fs.remove("f");
    expect(fs.usedPages()).toBe(0);
  });

  test("EFBIG past the largest size, a short write up to it", () => {
    const fs = new Started();
    const node = fs.create("f");
    expect(fs.write(node, "abc", MAX)).toBe(EFBIG);
    expect(fs.write(node, "abc", MAX - 2)).toBe(2);
    expect(fs.truncate(node, MAX + 1)).toBe(EFBIG);
    expect(fs.node.fallocate(node, MAX - 5, 6, 0, caller())).toBe(EFBIG);
    expect(node.size).toBe(MAX);
  });

  test("a write of nothing changes nothing, a read past the end gives nothing", () => {
    const fs = new Started();
    const node = fs.create("f");
    const { mtime } = node;
    expect(fs.write(node, "", 100)).toBe(0);
    expect([node.size, node.mtime]).toEqual([0, mtime]);
    fs.write(node, "abc", 0);
    expect(fs.read(node, 3, 10).length).toBe(0);
    expect(fs.read(node, 2 ** 40, 10).length).toBe(0);
  });

  test("collapsing and inserting ranges is refused, and so are directories", () => {
    const fs = new Started();
    const node = fs.create("f");
    for (const mode of [0x08, 0x20, 0x80])
      expect(fs.node.fallocate(node, 0, 4096, mode, caller())).toBe(EOPNOTSUPP);
    expect(fs.node.fallocate(node, 0, 4096, 0x40, caller())).toBeUndefined();
    expect(fs.write(fs.root, "x", 0)).toBe(EISDIR);
    expect(fs.truncate(fs.root, 0)).toBe(EISDIR);
    expect(fs.node.fallocate(fs.root, 0, 1, 0, caller())).toBe(EISDIR);
  });

  test("copyRange within one file", () => {
    const fs = new Started();
    const node = fs.create("f");
    fs.write(node, "0123456789", 0);
    expect(fs.node.copyRange(node, 2, node, 6, 3, caller())).toBe(3);
    expect(fs.read(node, 0, 99)).toEqual(new TextEncoder().encode("0123452349"));
    expect(fs.node.copyRange(node, 10, node, 0, 3, caller())).toBe(0);
    expect(fs.node.copyRange(node, 99, node, 0, 3, caller())).toBe(0);
  });
});

describe("memory", () => {
  /** Bytes of slabs a file of this size makes the pool hold, when there are so many of them that slabs are full. */
  function heldFor(size: number, files: number): number {
    const fs = new Started();
    const bytes = new Uint8Array(size).fill(1);
    const nodes: Inode[] = [];
    for (let i = 0; i < files; i++) {
      const node = fs.create(`f${i}`);
      fs.write(node, bytes, 0);
      nodes.push(node);
    }
    const content = nodes[0]?.content as unknown as { volume: { pool: { held: number } } };
    return content.volume.pool.held / files;
  }

  test("at most 5 % is added to contents of any size that is not tiny", () => {
    for (const [size, files] of [
      [1280, 4000],
      [4095, 1000],
      [5000, 1000],
      [33_000, 300],
      [100_000, 200],
      [3_000_000, 8],
    ] as const) {
      // The slabs that are being filled, one for each length of block and that of pages a larger one, are not the content's.
      const slack = (3 * 2 ** 20) / files;
      expect(heldFor(size, files)).toBeLessThan(size * 1.05 + slack);
    }
  });

  test("a few bytes cost a few bytes", () => {
    expect(heldFor(100, 20_000)).toBeLessThan(400);
  });

  test("what a deleted file held is given back", () => {
    const fs = new Started();
    const node = fs.create("f");
    const chunk = new Uint8Array(2 ** 20).fill(5);
    for (let i = 0; i < 64; i++) fs.write(node, chunk, i * chunk.length);
    const { pool } = (node.content as unknown as { volume: { pool: { held: number } } }).volume;
    expect(pool.held).toBe(64 * 2 ** 20);
    fs.remove("f");
    expect(pool.held).toBe(32 * 2 ** 20);
  });
});
