import { describe, expect, test } from "bun:test";
import { ENOENT, ENOTDIR } from "puffs";
import { Random } from "../../support/random.ts";
import { caller, made, Started } from "./start.ts";

test("entries come in the order they were made, with what lookup would tell", () => {
  const fs = new Started();
  const file = fs.create("b");
  const directory = fs.mkdir("a");
  fs.node.symlink(fs.root, "c", "b", caller());
  const entries = [...fs.scan()];
  expect(entries.map((e) => e.name)).toEqual(["b", "a", "c"]);
  expect(entries.map((e) => (e.mode ?? 0) >> 12)).toEqual([8, 4, 10]);
  expect(entries.map((e) => e.node).slice(0, 2)).toEqual([file, directory]);
  expect(entries.map((e) => e.ino)).toEqual(entries.map((e) => e.node?.ino));
  const cookies = entries.map((e) => e.cookie ?? 0);
  expect(cookies).toEqual([...new Set(cookies)].sort((a, b) => a - b));
  expect(cookies[0]).toBeGreaterThan(0);
});

test("a listing goes on after any cookie, also one whose name has gone", () => {
  const fs = new Started();
  for (let i = 0; i < 500; i++) fs.create(`f${i}`);
  const cookies = [...fs.scan()].map((e) => e.cookie ?? 0);
  // Enough go for the order to be compacted.
  for (let i = 0; i < 500; i++) if (i % 5 !== 0) fs.remove(`f${i}`);
  for (const i of [0, 1, 4, 5, 250, 251, 498]) {
    expect(fs.names(fs.root, cookies[i])[0]).toBe(
      i < 495 ? `f${Math.floor(i / 5 + 1) * 5}` : (undefined as unknown as string),
    );
  }
  for (const entry of fs.scan())
    expect(entry.cookie).toBe(cookies[Number(entry.name.slice(1))] as number);
});

test("a scan under change tells every name that stays exactly once", () => {
  const seed = Date.now() % 2 ** 31;
  const random = new Random(seed);
  for (let round = 0; round < 30; round++) {
    const fs = new Started();
    const staying = new Set<string>();
    const going: string[] = [];
    for (let i = 0; i < 400; i++) {
      fs.create(`f${i}`);
      if (random.oneIn(3)) staying.add(`f${i}`);
      else going.push(`f${i}`);
    }
    const seen: string[] = [];
    let entries = fs.scan()[Symbol.iterator]();
    let made = 0;
    for (;;) {
      const step = entries.next();
      if (step.done) break;
      seen.push(step.value.name);
      for (let i = random.below(4); i > 0 && going.length > 0; i--) {
        fs.remove(going.splice(random.below(going.length), 1)[0] as string);
      }
      if (made < 300 && random.oneIn(2)) fs.create(`new${made++}`);
      // As after lseek(2), or when another page is asked for.
      if (random.oneIn(10)) entries = fs.scan(fs.root, step.value.cookie)[Symbol.iterator]();
    }
    expect({ seed, twice: seen.length - new Set(seen).size }).toEqual({ seed, twice: 0 });
    const missed = [...staying].filter((name) => !seen.includes(name));
    expect({ seed, missed }).toEqual({ seed, missed: [] });
  }
});

test("an entry that is held back leads where its name leads by then", () => {
  const fs = new Started();
  fs.create("gone");
  fs.create("replaced");
  const other = fs.create("other");
  const [gone, replaced] = [...fs.scan()];
  fs.remove("gone");
  fs.node.rename(fs.root, "other", fs.root, "replaced", 0, caller());
  expect(gone?.node).toBeUndefined();
  expect(replaced?.node).toBe(other);
});

test("names made and removed by the thousand leave nothing behind", () => {
  const fs = new Started();
  for (let i = 0; i < 20_000; i++) {
    fs.create(`f${i}`);
    if (i >= 10) fs.remove(`f${i - 10}`);
  }
  expect(fs.names()).toEqual(Array.from({ length: 10 }, (_, i) => `f${19_990 + i}`));
  expect((fs.root as unknown as { order: unknown[] }).order.length).toBeLessThan(200);
  expect(fs.root.size).toBe(10 * 20);
});

describe("odd directories", () => {
  test("a removed one is empty, and nothing can be made in it", () => {
    const fs = new Started();
    const directory = fs.mkdir("d");
    const file = fs.create("f");
    fs.node.rmdir(fs.root, "d", caller());
    expect(fs.names(directory)).toEqual([]);
    expect(fs.node.lookup(directory, "x", caller())).toBeNull();
    expect([
      fs.node.create(directory, "x", 0o100644, caller()),
      fs.node.mkdir(directory, "x", 0o40755, caller()),
      fs.node.symlink(directory, "x", "y", caller()),
      fs.node.link(directory, "x", file, caller()),
      fs.node.rename(fs.root, "f", directory, "x", 0, caller()),
    ]).toEqual(Array(5).fill(ENOENT));
    expect(fs.usedInodes()).toBe(3);
  });

  test("what is no directory holds no names", () => {
    const fs = new Started();
    const file = fs.create("f");
    expect([
      fs.node.lookup(file, "x", caller()),
      fs.node.create(file, "x", 0o100644, caller()),
      fs.node.remove(file, "x", caller()),
      fs.node.rmdir(file, "x", caller()),
      fs.node.readdir(file, 0, caller()),
      fs.node.rename(fs.root, "f", file, "x", 0, caller()),
    ]).toEqual(Array(6).fill(ENOTDIR));
  });

  test('".." is known, for those who ask', () => {
    const fs = new Started();
    const a = fs.mkdir("a");
    const b = fs.mkdir("b", a);
    const up = (of: typeof a) => made(fs.node.lookup(of, "..", caller()));
    expect([up(b), up(a), up(fs.root)]).toEqual([a, fs.root, fs.root]);
    expect(fs.node.lookup(b, ".", caller())).toBe(b);
    fs.node.rename(a, "b", fs.root, "b", 0, caller());
    expect(up(b)).toBe(fs.root);
    expect((b as unknown as { parentIno: number }).parentIno).toBe(fs.root.ino);
  });
});
