import { describe, expect, test } from "bun:test";
import { totalmem } from "node:os";
import { E2BIG, ENOSPC } from "puffs";
import memfs from "../../../plugins/memfs/memfs.ts";
import { Random } from "../../support/random.ts";
import { caller, Started } from "./start.ts";

const PAGE = 4096;

describe("space", () => {
  test("a write takes what fits, to the byte, and then ENOSPC", () => {
    const fs = new Started({ size: 4 * PAGE });
    const node = fs.create("f");
    expect(fs.write(node, new Uint8Array(100).fill(1), 0)).toBe(100);
    expect(fs.write(node, new Uint8Array(5 * PAGE).fill(2), 50)).toBe(4 * PAGE - 50);
    expect([node.size, node.blocks]).toEqual([4 * PAGE, 32]);
    expect(fs.write(node, "x", 4 * PAGE)).toBe(ENOSPC);
    expect(node.size).toBe(4 * PAGE);
    expect(fs.read(node, 40, 20)).toEqual(new Uint8Array(20).fill(1, 0, 10).fill(2, 10));
    expect(fs.write(node, "x", 4 * PAGE - 1)).toBe(1);
    expect(fs.write(fs.create("g"), "x", 0)).toBe(ENOSPC);

    fs.truncate(node, 3 * PAGE);
    expect(fs.usedPages()).toBe(3);
    expect(fs.write(fs.create("h"), "x", 0)).toBe(1);
  });

  test("an unlinked file keeps its space until it is forgotten", () => {
    const fs = new Started({ size: 2 * PAGE });
    const node = fs.create("f");
    fs.write(node, new Uint8Array(2 * PAGE).fill(1), 0);
    fs.node.remove(fs.root, "f", caller());
    expect(fs.read(node, 0, 1)).toEqual(Uint8Array.of(1));
    expect(fs.usedPages()).toBe(2);
    fs.node.reclaim(node);
    expect([fs.usedPages(), fs.usedInodes()]).toEqual([0, 1]);
  });

  test("forgetting a file that has names changes nothing", () => {
    const fs = new Started();
    const node = fs.create("f");
    fs.write(node, "abc", 0);
    fs.node.reclaim(node);
    expect(fs.node.lookup(fs.root, "f", caller())).toBe(node);
    expect(fs.read(node, 0, 3)).toEqual(new TextEncoder().encode("abc"));
    expect([fs.usedPages(), fs.usedInodes()]).toEqual([1, 2]);
  });

  test("fallocate takes all it was asked for or nothing, and writes there do not lack space", () => {
    const fs = new Started({ size: 4 * PAGE });
    const node = fs.create("f");
    fs.write(node, "x", PAGE);
    expect(fs.node.fallocate(node, 0, 4 * PAGE + 1, 0, caller())).toBe(ENOSPC);
    expect([node.size, fs.usedPages()]).toEqual([PAGE + 1, 1]);
    expect(fs.node.fallocate(node, 0, 4 * PAGE, 1, caller())).toBeUndefined();
    expect([node.size, node.blocks, fs.usedPages()]).toEqual([PAGE + 1, 32, 4]);
    expect(fs.write(fs.create("g"), "x", 0)).toBe(ENOSPC);
    expect(fs.write(node, new Uint8Array(4 * PAGE), 0)).toBe(4 * PAGE);
    // Zeroing what is there needs no more; what lies past it does.
    expect(fs.node.fallocate(node, 0, 4 * PAGE, 16, caller())).toBeUndefined();
    expect(fs.node.fallocate(node, PAGE, 4 * PAGE, 16, caller())).toBe(ENOSPC);
    fs.node.fdiscard(node, PAGE - 1, PAGE + 2, caller());
    expect(fs.usedPages()).toBe(3);
    fs.truncate(node, 0);
    expect(fs.usedPages()).toBe(0);
  });

  test("a truncation to the same size gives back what was reserved past it", () => {
    const fs = new Started();
    const node = fs.create("f");
    fs.write(node, "abc", 0);
    fs.node.fallocate(node, 0, 10 * PAGE, 1, caller());
    fs.truncate(node, 3);
    expect(node.blocks).toBe(8);
  });

  test("random files, sizes and deletions: the counts agree and all comes back", () => {
    const seed = Date.now() % 2 ** 31;
    const random = new Random(seed);
    const fs = new Started({ size: 100 * PAGE });
    const files = new Map<string, { node: ReturnType<Started["create"]>; pages: Set<number> }>();
    let full = 0;
    for (let step = 0; step < 3000; step++) {
      const name = `f${random.below(40)}`;
      const file = files.get(name) ?? { node: fs.create(name), pages: new Set<number>() };
      files.set(name, file);
      if (random.oneIn(4)) {
        fs.remove(name);
        files.delete(name);
      } else {
        const offset = random.below(12 * PAGE);
        const length = 1 + random.below(3 * PAGE);
        let free = 100 - [...files.values()].reduce((sum, f) => sum + f.pages.size, 0);
        let fits = 0;
        while (fits < length) {
          const page = Math.floor((offset + fits) / PAGE);
          if (!file.pages.has(page) && free-- === 0) break;
          file.pages.add(page);
          fits = Math.min(length, (page + 1) * PAGE - offset);
        }
        if (fits < length) full++;
        const outcome = fs.write(file.node, new Uint8Array(length).fill(1), offset);
        expect({ seed, step, outcome }).toEqual({
          seed,
          step,
          outcome: fits === 0 ? ENOSPC : fits,
        });
      }
      const used = [...files.values()].reduce((sum, f) => sum + f.pages.size, 0);
      expect({ seed, step, used: fs.usedPages() }).toEqual({ seed, step, used });
    }
    expect(full).toBeGreaterThan(10);
    for (const name of files.keys()) fs.remove(name);
    expect([fs.usedPages(), fs.usedInodes()]).toEqual([0, 1]);
  });

  test("extended attributes take whole pages of their file's own", () => {
    const fs = new Started({ size: 2 * PAGE });
    const node = fs.create("f");
    const set = (name: string, length: number) =>
      fs.node.setextattr(node, "user", name, new Uint8Array(length), "any", caller());
    // "user.a" and the value fill the first page exactly.
    expect(set("a", PAGE - 6)).toBeUndefined();
    expect(fs.usedPages()).toBe(1);
    expect(set("b", 1)).toBeUndefined();
    expect(fs.usedPages()).toBe(2);
    expect(set("c", PAGE)).toBe(ENOSPC);
    expect(set("c", 65537)).toBe(E2BIG);
    expect(node.blocks).toBe(0);
    fs.node.deleteextattr(node, "user", "a", caller());
    expect(fs.usedPages()).toBe(1);
    fs.remove("f");
    expect(fs.usedPages()).toBe(0);
  });
});

describe("inodes", () => {
  test("everything but a further name takes one; ENOSPC when there is none", () => {
    const fs = new Started({ nr_inodes: 6 });
    fs.create("file");
    fs.mkdir("directory");
    fs.node.symlink(fs.root, "symlink", "target", caller());
    fs.node.mknod(fs.root, "fifo", 0o10644, 0, caller());
    const nameless = fs.node.tmpfile(fs.root, 0o100600, caller());
    expect(fs.usedInodes()).toBe(6);
    const refused = [
      fs.node.create(fs.root, "x", 0o100644, caller()),
      fs.node.mkdir(fs.root, "x", 0o40755, caller()),
      fs.node.symlink(fs.root, "x", "y", caller()),
      fs.node.mknod(fs.root, "x", 0o140644, 0, caller()),
      fs.node.tmpfile(fs.root, 0o100600, caller()),
      fs.node.rename(fs.root, "file", fs.root, "x", 4, caller()),
    ];
    expect(refused).toEqual(Array(6).fill(ENOSPC));
    expect(fs.names()).toEqual(["file", "directory", "symlink", "fifo"]);
    const file = fs.node.lookup(fs.root, "file", caller());
    fs.node.link(fs.root, "second", file as typeof fs.root, caller());
    expect(fs.usedInodes()).toBe(6);
    fs.node.reclaim(nameless as typeof fs.root);
    fs.create("x");
    fs.remove("file");
    expect(fs.usedInodes()).toBe(6);
    fs.remove("second");
    expect(fs.usedInodes()).toBe(5);
  });

  test("a failed creation takes none", () => {
    const fs = new Started();
    fs.create("f");
    fs.node.create(fs.root, "f", 0o100644, caller());
    fs.node.mkdir(fs.root, "f", 0o40755, caller());
    expect(fs.usedInodes()).toBe(2);
  });
});

describe("options", () => {
  test("half of the memory, and one inode for two pages of it", () => {
    const { frsize, blocks, bfree, bavail, files } = new Started().statvfs();
    expect(frsize).toBe(PAGE);
    expect(blocks).toBe(Math.ceil(totalmem() / 2 / PAGE));
    expect([bfree, bavail]).toEqual([blocks, blocks]);
    expect(files).toBe(Math.floor(Math.ceil(totalmem() / PAGE) / 2));
  });

  test("size is rounded up to pages, nr_blocks counts them, zero is no limit and tells nothing", () => {
    expect(new Started({ size: PAGE + 1 }).statvfs().blocks).toBe(2);
    expect(new Started({ nr_blocks: 7 }).statvfs().blocks).toBe(7);
    const { blocks, bfree, files, ffree } = new Started({ size: 0, nr_inodes: 0 }).statvfs();
    expect([blocks, bfree, files, ffree]).toEqual([0, 0, 0, 0]);
    const unlimited = new Started({ size: 0, nr_inodes: 0 });
    expect(unlimited.write(unlimited.create("f"), "x", 0)).toBe(1);
    // Not even without a limit is more promised than the machine has.
    expect(unlimited.node.fallocate(unlimited.create("g"), 0, 2 ** 52, 0, caller())).toBe(ENOSPC);
    expect(() => new Started({ size: 1, nr_blocks: 1 })).toThrow("give one of them");
  });

  test("a percentage is of the memory", () => {
    expect(memfs.options?.size.percentOf()).toBe(totalmem());
  });

  test("the root is as told, else of who mounts and as open as /tmp", () => {
    const { root } = new Started({ mode: 0o750, uid: 7, gid: 8 });
    expect([root.mode, root.uid, root.gid, root.nlink]).toEqual([0o40750, 7, 8, 2]);
    const own = new Started({ uid: undefined, gid: undefined }).root;
    expect([own.mode, own.uid, own.gid]).toEqual([
      0o41777,
      process.geteuid?.() ?? 0,
      process.getegid?.() ?? 0,
    ]);
  });
});
