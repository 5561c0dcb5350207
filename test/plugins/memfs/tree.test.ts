import { describe, expect, test } from "bun:test";
import {
  EEXIST,
  EINVAL,
  EISDIR,
  ENOENT,
  ENOTDIR,
  ENOTEMPTY,
  ESTALE,
  makeDevice,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  RENAME_WHITEOUT,
} from "puffs";
import type { Inode } from "../../../plugins/memfs/inode.ts";
import { caller, made, Started } from "./start.ts";

describe("making", () => {
  test("each kind has its mode, owner, size, link count and device", () => {
    const fs = new Started();
    const call = caller(1001, 1002);
    const device = makeDevice(8, 17);
    const nodes = [
      made(fs.node.create(fs.root, "file", 0o104755, call)),
      made(fs.node.mkdir(fs.root, "directory", 0o41711, call)),
      made(fs.node.symlink(fs.root, "symlink", "zwölf/\udcff", call)),
      made(fs.node.mknod(fs.root, "fifo", 0o10600, 5, call)),
      made(fs.node.mknod(fs.root, "socket", 0o140777, 5, call)),
      made(fs.node.mknod(fs.root, "block", 0o60660, device, call)),
      made(fs.node.mknod(fs.root, "character", 0o20660, device, call)),
      made(fs.node.mknod(fs.root, "plain", 0o100640, 5, call)),
    ] as (Inode & { rdev?: number })[];
    expect(nodes.map((n) => [n.mode, n.nlink, n.size, n.rdev])).toEqual([
      [0o104755, 1, 0, undefined],
      [0o41711, 2, 0, undefined],
      // z w ö l f / and one byte that is not UTF-8.
      [0o120777, 1, 8, undefined],
      [0o10600, 1, 0, undefined],
      [0o140777, 1, 0, undefined],
      [0o60660, 1, 0, device],
      [0o20660, 1, 0, device],
      [0o100640, 1, 0, undefined],
    ]);
    expect(nodes.every((n) => n.uid === 1001 && n.gid === 1002)).toBe(true);
    expect(new Set(nodes.map((n) => n.ino)).size).toBe(8);
    expect(fs.root.nlink).toBe(3);
    expect(fs.node.readlink(nodes[2] as Inode, call)).toBe("zwölf/\udcff");
    expect(fs.node.readlink(nodes[0] as Inode, call)).toBe(EINVAL);
  });

  test("a set-group-ID directory gives its group on, and the bit to directories", () => {
    const fs = new Started();
    const shared = fs.mkdir("shared");
    fs.node.setattr(shared, { mode: 0o2775, gid: 500 }, caller());
    const call = caller(1001, 1002);
    const file = fs.create("f", shared, 0o100644, call);
    const directory = fs.mkdir("d", shared, 0o40755, call);
    const link = made(fs.node.symlink(shared, "l", "f", call));
    const nameless = made(fs.node.tmpfile(shared, 0o100600, call));
    expect([file, directory, link, nameless].map((n) => n.gid)).toEqual([500, 500, 500, 500]);
    expect([file.mode, directory.mode]).toEqual([0o100644, 0o42755]);
  });

  test("EEXIST for a name that is there, whatever it is", () => {
    const fs = new Started();
    const file = fs.create("f");
    fs.mkdir("d");
    for (const name of ["f", "d"]) {
      expect([
        fs.node.create(fs.root, name, 0o100644, caller()),
        fs.node.mkdir(fs.root, name, 0o40755, caller()),
        fs.node.symlink(fs.root, name, "x", caller()),
        fs.node.mknod(fs.root, name, 0o10644, 0, caller()),
        fs.node.link(fs.root, name, file, caller()),
      ]).toEqual(Array(5).fill(EEXIST));
    }
    expect(file.nlink).toBe(1);
  });
});

describe("links", () => {
  test("names of one file are equal, and the last one takes it along", () => {
    const fs = new Started();
    const file = fs.create("a");
    const directory = fs.mkdir("d");
    expect(fs.node.link(directory, "b", file, caller())).toBeUndefined();
    expect(file.nlink).toBe(2);
    expect(fs.node.lookup(directory, "b", caller())).toBe(file);
    fs.node.remove(fs.root, "a", caller());
    expect(file.nlink).toBe(1);
    fs.node.remove(directory, "b", caller());
    expect(file.nlink).toBe(0);
    expect(fs.node.link(fs.root, "again", file, caller())).toBe(ENOENT);
  });

  test("a file without a name may get one, once it has had none it may not", () => {
    const fs = new Started();
    const file = made(fs.node.tmpfile(fs.root, 0o100600, caller()));
    expect([file.nlink, fs.names()]).toEqual([0, []]);
    fs.write(file, "kept", 0);
    expect(fs.node.link(fs.root, "named", file, caller())).toBeUndefined();
    expect(file.nlink).toBe(1);
    fs.node.reclaim(file);
    expect(fs.read(file, 0, 9)).toEqual(new TextEncoder().encode("kept"));
    fs.node.remove(fs.root, "named", caller());
    expect(fs.node.link(fs.root, "named", file, caller())).toBe(ENOENT);
    fs.node.reclaim(file);
    expect([fs.usedPages(), fs.usedInodes()]).toEqual([0, 1]);
  });
});

describe("removing", () => {
  test("files by remove, empty directories by rmdir", () => {
    const fs = new Started();
    const directory = fs.mkdir("d");
    fs.create("f");
    fs.create("inside", directory);
    const { remove, rmdir } = fs.node;
    expect(remove(fs.root, "none", caller())).toBe(ENOENT);
    expect(rmdir(fs.root, "none", caller())).toBe(ENOENT);
    expect(remove(fs.root, "d", caller())).toBe(EISDIR);
    expect(rmdir(fs.root, "f", caller())).toBe(ENOTDIR);
    expect(rmdir(fs.root, "d", caller())).toBe(ENOTEMPTY);
    expect(remove(directory, "inside", caller())).toBeUndefined();
    expect(rmdir(fs.root, "d", caller())).toBeUndefined();
    expect([directory.nlink, fs.root.nlink]).toEqual([0, 2]);
    expect(fs.names()).toEqual(["f"]);
  });
});

describe("rename", () => {
  /** A fresh tree: files f and g, directories empty and full (with full/x and full/sub). */
  function tree() {
    const fs = new Started();
    const nodes: Record<string, Inode> = {
      f: fs.create("f"),
      g: fs.create("g"),
      empty: fs.mkdir("empty"),
      full: fs.mkdir("full"),
    };
    nodes.x = fs.create("x", nodes.full);
    nodes.sub = fs.mkdir("sub", nodes.full);
    const rename = (from: string, to: string, flags = 0) => {
      const split = (path: string): [Inode, string] => {
        const [first, ...rest] = path.split("/").reverse();
        const directory = rest.length > 0 ? (nodes[rest[0] as string] as Inode) : fs.root;
        return [directory, first as string];
      };
      return fs.node.rename(...split(from), ...split(to), flags, caller());
    };
    return { fs, nodes, rename };
  }

  test("what may replace what", () => {
    const matrix = [
      ["f", "new", undefined],
      ["f", "g", undefined],
      ["f", "f", undefined],
      ["f", "empty", EISDIR],
      ["f", "full", EISDIR],
      ["f", "full/x", undefined],
      ["none", "new", ENOENT],
      ["none", "f", ENOENT],
      ["empty", "new", undefined],
      ["empty", "f", ENOTDIR],
      ["empty", "full", ENOTEMPTY],
      ["empty", "full/sub", undefined],
      ["full", "empty", undefined],
      ["full", "full/sub", EINVAL],
      ["full", "full/new", EINVAL],
      ["full", "full/sub/new", EINVAL],
      ["full/sub", "full", ENOTEMPTY],
      ["full/sub", "empty", undefined],
      ["full/x", "x", undefined],
    ] as const;
    for (const [from, to, outcome] of matrix) {
      const { rename } = tree();
      expect({ from, to, outcome: rename(from, to) as typeof outcome }).toEqual({
        from,
        to,
        outcome,
      });
    }
  });

  test("a refused one changes nothing", () => {
    const { fs, nodes, rename } = tree();
    const before = JSON.stringify([fs.root, nodes.full].map((n) => [n?.mtime, n?.nlink, n?.size]));
    rename("empty", "full");
    rename("f", "empty");
    rename("full", "full/sub/new");
    expect(fs.names()).toEqual(["f", "g", "empty", "full"]);
    expect(JSON.stringify([fs.root, nodes.full].map((n) => [n?.mtime, n?.nlink, n?.size]))).toBe(
      before,
    );
  });

  test("the replaced file loses a name, and two names of one file stay two", () => {
    const { fs, nodes, rename } = tree();
    fs.node.link(fs.root, "h", nodes.f as Inode, caller());
    expect(rename("f", "h")).toBeUndefined();
    expect([fs.names(), nodes.f?.nlink]).toEqual([["f", "g", "empty", "full", "h"], 2]);
    rename("f", "g");
    expect([nodes.f?.nlink, nodes.g?.nlink]).toEqual([2, 0]);
    expect(fs.node.lookup(fs.root, "g", caller())).toBe(nodes.f as Inode);
    expect(fs.node.lookup(fs.root, "f", caller())).toBeNull();
    fs.node.reclaim(nodes.g as Inode);
    expect(fs.usedInodes()).toBe(6);
  });

  test("link counts of directories follow", () => {
    const { fs, nodes, rename } = tree();
    expect([fs.root.nlink, nodes.full?.nlink]).toEqual([4, 3]);
    rename("full/sub", "sub");
    expect([fs.root.nlink, nodes.full?.nlink]).toEqual([5, 2]);
    rename("sub", "empty");
    expect([fs.root.nlink, nodes.empty?.nlink, nodes.sub?.nlink]).toEqual([4, 0, 2]);
    rename("empty", "full/again");
    expect([fs.root.nlink, nodes.full?.nlink]).toEqual([3, 3]);
  });

  test("NOREPLACE", () => {
    const { fs, rename } = tree();
    expect(rename("f", "g", RENAME_NOREPLACE)).toBe(EEXIST);
    expect(rename("f", "f", RENAME_NOREPLACE)).toBe(EEXIST);
    expect(rename("f", "new", RENAME_NOREPLACE)).toBeUndefined();
    expect(fs.names()).toEqual(["g", "empty", "full", "new"]);
  });

  test("EXCHANGE swaps any two, with link counts and parents", () => {
    const { fs, nodes, rename } = tree();
    expect(rename("f", "none", RENAME_EXCHANGE)).toBe(ENOENT);
    expect(rename("full", "full/sub", RENAME_EXCHANGE)).toBe(EINVAL);
    expect(rename("full/sub", "full", RENAME_EXCHANGE)).toBe(EINVAL);
    expect(rename("f", "full/sub", RENAME_EXCHANGE)).toBeUndefined();
    expect(fs.node.lookup(fs.root, "f", caller())).toBe(nodes.sub as Inode);
    expect(fs.node.lookup(nodes.full as Inode, "sub", caller())).toBe(nodes.f as Inode);
    expect(fs.node.lookup(nodes.sub as Inode, "..", caller())).toBe(fs.root);
    expect([fs.root.nlink, nodes.full?.nlink, nodes.f?.nlink]).toEqual([5, 2, 1]);
    expect(rename("empty", "full", RENAME_EXCHANGE)).toBeUndefined();
    expect(fs.names(made(fs.node.lookup(fs.root, "empty", caller())))).toEqual(["x", "sub"]);
  });

  test("WHITEOUT leaves a device 0:0 behind; flags that make no sense are refused", () => {
    const { fs, nodes, rename } = tree();
    expect(rename("f", "g", RENAME_WHITEOUT)).toBeUndefined();
    const left = made(fs.node.lookup(fs.root, "f", caller())) as Inode & { rdev: number };
    expect([left.mode, left.rdev, left.nlink]).toEqual([0o20000, 0, 1]);
    expect(fs.node.lookup(fs.root, "g", caller())).toBe(nodes.f as Inode);
    expect(rename("g", "full/x", RENAME_WHITEOUT | RENAME_EXCHANGE)).toBe(EINVAL);
    expect(rename("g", "full/x", RENAME_NOREPLACE | RENAME_EXCHANGE)).toBe(EINVAL);
    expect(rename("g", "full/x", 8)).toBe(EINVAL);
  });
});

describe("file handles", () => {
  test("find their file, also renamed, until it is gone; those of another run do not", () => {
    const fs = new Started();
    const file = fs.create("f");
    const handle = fs.fs.nodetofh(file, caller()) as Uint8Array;
    expect(handle.length).toBeLessThanOrEqual(28);
    fs.node.rename(fs.root, "f", fs.root, "g", 0, caller());
    expect(fs.fs.fhtonode(handle.slice(), caller())).toBe(file);
    const other = new Started();
    other.fs.nodetofh(other.create("f"), caller());
    expect(other.fs.fhtonode(handle, caller())).toBe(ESTALE);
    expect(fs.fs.fhtonode(handle.slice(0, 15), caller())).toBe(ESTALE);
    fs.remove("g");
    expect(fs.fs.fhtonode(handle, caller())).toBe(ESTALE);
  });
});
