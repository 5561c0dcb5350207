import { describe, expect, test } from "bun:test";
import type { Time } from "puffs";
import type { Inode } from "../../../plugins/memfs/inode.ts";
import { caller, made, Started } from "./start.ts";

const PAST: Time = { sec: 1_000_000_000, nsec: 123_456_789 };
const ALL = ["atime", "mtime", "ctime"] as const;

/** Which times of which nodes an action sets to now; all are long past before. */
function touched(nodes: Record<string, Inode>, action: () => unknown): Record<string, string> {
  for (const node of Object.values(nodes)) for (const time of ALL) node[time] = PAST;
  const before = Date.now() / 1000 - 1;
  action();
  const after = Date.now() / 1000 + 1;
  const changed: Record<string, string> = {};
  for (const [name, node] of Object.entries(nodes)) {
    const times = ALL.filter((time) => node[time] !== PAST);
    for (const time of times) {
      expect(node[time].sec).toBeGreaterThanOrEqual(Math.floor(before));
      expect(node[time].sec).toBeLessThanOrEqual(after);
    }
    if (times.length > 0) changed[name] = times.join(" ");
  }
  return changed;
}

function tree() {
  const fs = new Started();
  const a = fs.mkdir("a");
  const b = fs.mkdir("b");
  const f = fs.create("f", a);
  const g = fs.create("g", b);
  fs.write(f, "content", 0);
  return { fs, a, b, f, g, nodes: { a, b, f, g } };
}

describe("names", () => {
  test("making and removing one touches the directory, and what it leads to", () => {
    const { fs, a, f, nodes } = tree();
    const { node } = fs;
    const call = caller();
    const directory = { a: "mtime ctime" };
    expect(touched(nodes, () => node.create(a, "new", 0o100644, call))).toEqual(directory);
    expect(touched(nodes, () => node.mkdir(a, "dir", 0o40755, call))).toEqual(directory);
    expect(touched(nodes, () => node.symlink(a, "sym", "x", call))).toEqual(directory);
    expect(touched(nodes, () => node.mknod(a, "fifo", 0o10644, 0, call))).toEqual(directory);
    expect(touched(nodes, () => node.rmdir(a, "dir", call))).toEqual(directory);
    expect(touched(nodes, () => node.link(a, "f2", f, call))).toEqual({ ...directory, f: "ctime" });
    expect(touched(nodes, () => node.remove(a, "f2", call))).toEqual({ ...directory, f: "ctime" });
    expect(touched(nodes, () => node.create(a, "f", 0o100644, call))).toEqual({});
    expect(touched(nodes, () => node.remove(a, "none", call))).toEqual({});
  });

  test("rename touches both directories, the moved and the replaced", () => {
    const { fs, a, b, f, nodes } = tree();
    const both = { a: "mtime ctime", b: "mtime ctime", f: "ctime" };
    expect(touched(nodes, () => fs.node.rename(a, "f", b, "h", 0, caller()))).toEqual(both);
    expect(touched(nodes, () => fs.node.rename(b, "h", a, "f", 0, caller()))).toEqual(both);
    expect(touched(nodes, () => fs.node.rename(a, "f", b, "g", 2, caller()))).toEqual({
      ...both,
      g: "ctime",
    });
    expect(touched(nodes, () => fs.node.rename(b, "g", a, "f", 0, caller()))).toEqual({
      ...both,
      g: "ctime",
    });
    fs.node.link(a, "again", f, caller());
    expect(touched(nodes, () => fs.node.rename(a, "f", a, "again", 0, caller()))).toEqual({});
  });

  test("a new file has one time for all four", () => {
    const { f: file, fs } = tree();
    const node = fs.create("x");
    expect([node.mtime, node.ctime, node.birthtime]).toEqual(Array(3).fill(node.atime));
    expect(node.atime.nsec).toBeLessThan(1e9);
    expect(made(file).birthtime.sec).toBeGreaterThan(1_700_000_000);
  });
});

describe("contents", () => {
  test("every change touches mtime and ctime, a read only atime", () => {
    const { fs, f, g, nodes } = tree();
    const changed = { f: "mtime ctime" };
    expect(touched(nodes, () => fs.write(f, "x", 0))).toEqual(changed);
    expect(touched(nodes, () => fs.truncate(f, 3))).toEqual(changed);
    expect(touched(nodes, () => fs.truncate(f, 3))).toEqual(changed);
    expect(touched(nodes, () => fs.truncate(f, 9000))).toEqual(changed);
    expect(touched(nodes, () => fs.node.fallocate(f, 0, 9000, 0, caller()))).toEqual(changed);
    expect(touched(nodes, () => fs.node.fdiscard(f, 0, 9000, caller()))).toEqual(changed);
    expect(touched(nodes, () => fs.node.copyRange(f, 0, g, 0, 9, caller()))).toEqual({
      g: "mtime ctime",
    });
    expect(touched(nodes, () => fs.read(f, 0, 1))).toEqual({ f: "atime" });
    expect(touched(nodes, () => fs.read(f, 99999, 1))).toEqual({ f: "atime" });
    expect(touched(nodes, () => fs.node.seek(f, 0, "hole", caller()))).toEqual({});
  });

  test("what the kernel keeps the times of touches nothing", () => {
    const { fs, f, nodes } = tree();
    const call = { ...caller(), keepsTimes: true };
    expect(touched(nodes, () => fs.node.read(f, new Uint8Array(3), 0, call))).toEqual({});
    expect(touched(nodes, () => fs.node.write(f, new Uint8Array(30), 0, call))).toEqual({});
    expect(f.size).toBe(30);
    expect(touched(nodes, () => fs.node.write(f, new Uint8Array(3), 0, caller()))).toEqual({
      f: "mtime ctime",
    });
  });

  test("atime moves when it is not after the others, or a day old", () => {
    const { fs, f } = tree();
    fs.read(f, 0, 1);
    const first = f.atime;
    fs.read(f, 0, 1);
    expect(f.atime).toBe(first);
    fs.write(f, "x", 0);
    fs.read(f, 0, 1);
    expect(f.atime).not.toBe(first);
    const days = { sec: Math.floor(Date.now() / 1000) - 86_410, nsec: 0 };
    f.atime = days;
    f.mtime = f.ctime = PAST;
    fs.read(f, 0, 1);
    expect(f.atime).not.toBe(days);
  });

  test("listing a directory and reading a link count as reading", () => {
    const { fs, a, nodes } = tree();
    expect(touched(nodes, () => fs.names(a))).toEqual({ a: "atime" });
    const link = made(fs.node.symlink(fs.root, "l", "x", caller()));
    expect(touched({ link }, () => fs.node.readlink(link, caller()))).toEqual({ link: "atime" });
  });
});

describe("setattr", () => {
  test("any change touches ctime, and only what is asked for changes", () => {
    const { fs, f, nodes } = tree();
    const set = (changes: Parameters<typeof fs.node.setattr>[1]) => () =>
      fs.node.setattr(f, changes, caller());
    expect(touched(nodes, set({ mode: 0o4711 }))).toEqual({ f: "ctime" });
    expect(touched(nodes, set({ uid: 5 }))).toEqual({ f: "ctime" });
    expect(touched(nodes, set({ gid: 6 }))).toEqual({ f: "ctime" });
    expect(touched(nodes, set({}))).toEqual({ f: "ctime" });
    expect([f.mode, f.uid, f.gid, f.size]).toEqual([0o104711, 5, 6, 7]);
  });

  test("given times are kept to the nanosecond, before 1970 too", () => {
    const { fs, f } = tree();
    const atime = { sec: -5, nsec: 999_999_999 };
    const mtime = { sec: 2 ** 33, nsec: 1 };
    expect(fs.node.setattr(f, { atime, mtime, size: 3 }, caller())).toBe(f);
    expect([f.atime, f.mtime]).toEqual([atime, mtime]);
    expect(f.ctime.sec).toBeGreaterThan(1_700_000_000);
    fs.node.setattr(f, { ctime: PAST, birthtime: atime }, caller());
    expect([f.ctime, f.birthtime]).toEqual([PAST, atime]);
  });

  test("extended attributes touch ctime when they change", () => {
    const { fs, f, nodes } = tree();
    const value = Uint8Array.of(1);
    const { node } = fs;
    expect(touched(nodes, () => node.setextattr(f, "user", "a", value, "any", caller()))).toEqual({
      f: "ctime",
    });
    expect(touched(nodes, () => node.getextattr(f, "user", "a", caller()))).toEqual({});
    expect(touched(nodes, () => node.deleteextattr(f, "user", "a", caller()))).toEqual({
      f: "ctime",
    });
    expect(touched(nodes, () => node.deleteextattr(f, "user", "a", caller()))).toEqual({});
  });
});
