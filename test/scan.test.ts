import { describe, expect, test } from "bun:test";
import { ENOTDIR } from "../src/errno.ts";
import type { Call, DirectoryEntry } from "../src/operations.ts";
import { type Lister, type Listing, type Place, Scan } from "../src/scan.ts";
import { Random } from "./support/random.ts";

type Entry = DirectoryEntry<object>;

const call = {} as Call;

/** All ways to give the same entries. */
const SHAPES: readonly (readonly [string, (entries: readonly Entry[]) => Listing])[] = [
  ["an array", (entries) => [...entries]],
  ["a set", (entries) => new Set(entries)],
  ["a generator", (entries) => generator(entries)],
  ["an async generator", (entries) => lateGenerator(entries)],
  ["an async iterable of its own", (entries) => own(entries)],
];

function* generator(entries: readonly Entry[]) {
  yield* entries;
}

async function* lateGenerator(entries: readonly Entry[]) {
  for (const entry of entries) {
    if (entry.name.length % 2 === 0) await null;
    yield entry;
  }
}

function own(entries: readonly Entry[]): AsyncIterable<Entry> {
  let at = 0;
  return {
    [Symbol.asyncIterator]: () => ({
      next: async () => {
        const value = entries[at++];
        return value === undefined ? { done: true, value } : { done: false, value };
      },
    }),
  };
}

/** A plugin's directory that changes: entries by cookie. */
class Folder {
  readonly entries: Entry[] = [];
  lists = 0;
  #cookie = 0;

  create(name: string): void {
    this.#cookie += 3;
    this.entries.push({ name, cookie: this.#cookie });
  }

  remove(name: string): void {
    const at = this.entries.findIndex((entry) => entry.name === name);
    if (at >= 0) this.entries.splice(at, 1);
  }

  lister(cookies: boolean, shape: (entries: readonly Entry[]) => Listing): Lister {
    return (from) => {
      this.lists++;
      if (!cookies) return shape(this.entries.map(({ name }) => ({ name })));
      return shape(this.entries.filter((entry) => (entry.cookie as number) > from));
    };
  }
}

function filled(count: number): Folder {
  const folder = new Folder();
  for (let i = 0; i < count; i++) folder.create(`f${i}`);
  return folder;
}

/** As the kernel reads: at most `count` entries from an offset on. */
async function page(scan: Scan, offset: number, count: number): Promise<Place[]> {
  const failed = await scan.seek(offset, call);
  if (failed) throw failed;
  const places: Place[] = [];
  while (places.length < count) {
    const place = await scan.next();
    if (!place) break;
    scan.take(place);
    places.push(place);
  }
  // What did not fit is asked for and left.
  await scan.next();
  return places;
}

async function all(scan: Scan, count: number): Promise<Place[]> {
  const told: Place[] = [];
  for (let offset = 0; ; ) {
    const places = await page(scan, offset, count);
    if (places.length === 0) return told;
    told.push(...places);
    offset = places.at(-1)?.next as number;
  }
}

const names = (places: readonly Place[]) => places.map(({ entry }) => entry.name);

for (const cookies of [true, false]) {
  describe.each(SHAPES)(`%s ${cookies ? "with" : "without"} cookies`, (_name, shape) => {
    test("every entry comes once and in order, however small the pages", async () => {
      for (const total of [0, 1, 2, 7, 50])
        for (const size of [1, 2, 3, 7, 100]) {
          const folder = filled(total);
          const told = await all(new Scan(folder.lister(cookies, shape)), size);
          expect(names(told)).toEqual(folder.entries.map(({ name }) => name));
        }
    });

    test("a scan goes on from any offset that was told, also from the last, and then again from another", async () => {
      const folder = filled(20);
      const scan = new Scan(folder.lister(cookies, shape));
      const told = await all(scan, 4);
      const random = new Random(5);
      for (let i = 0; i < 60; i++) {
        const at = i % 3 === 0 ? told.length - 1 : random.below(told.length);
        const places = await page(scan, told[at]?.next as number, random.between(1, 5));
        expect(names(places)).toEqual(names(told.slice(at + 1, at + 1 + places.length)));
        expect(places.length > 0 || at === told.length - 1).toBe(true);
      }
    });

    test("rewound, it tells what is there now", async () => {
      const folder = filled(3);
      const scan = new Scan(folder.lister(cookies, shape));
      await all(scan, 2);
      folder.remove("f1");
      folder.create("g");
      expect(names(await page(scan, 0, 9))).toEqual(["f0", "f2", "g"]);
    });

    test("what neither comes nor goes meanwhile is told exactly once", async () => {
      const random = new Random(11);
      for (let round = 0; round < 40; round++) {
        const folder = filled(random.between(1, 40));
        const stay = new Set(folder.entries.map(({ name }) => name));
        const scan = new Scan(folder.lister(cookies, shape));
        const told: string[] = [];
        for (let offset = 0, i = 0; ; i++) {
          const places = await page(scan, offset, random.between(1, 6));
          if (places.length === 0) break;
          told.push(...names(places));
          offset = places.at(-1)?.next as number;
          if (random.oneIn(2) && i < 30) folder.create(`new${i}`);
          const victim = random.oneIn(2) && random.pick([...stay, "none"]);
          if (victim) {
            stay.delete(victim);
            folder.remove(victim);
          }
        }
        for (const name of stay)
          expect([name, told.filter((one) => one === name).length]).toEqual([name, 1]);
        expect(new Set(told).size).toBe(told.length);
      }
    });
  });
}

test("the plugin is asked once for a whole scan, and again only where it stands elsewhere", async () => {
  const folder = filled(30);
  const scan = new Scan(folder.lister(true, generator));
  const told = await all(scan, 4);
  expect(folder.lists).toBe(1);
  await page(scan, told[5]?.next as number, 2);
  await page(scan, told[7]?.next as number, 2);
  expect(folder.lists).toBe(2);
});

test("entries with cookies are read as they are needed, and a generator that is given up cleans up", async () => {
  let read = 0;
  let cleaned = 0;
  function* endless(from: number): Generator<Entry> {
    try {
      for (let cookie = from + 1; ; cookie++) {
        read++;
        yield { name: `f${cookie}`, cookie };
      }
    } finally {
      cleaned++;
    }
  }
  const scan = new Scan((from) => endless(from));
  expect(names(await page(scan, 0, 3))).toEqual(["f1", "f2", "f3"]);
  expect([read, cleaned]).toEqual([4, 0]);
  expect(names(await page(scan, 5, 2))).toEqual(["f4", "f5"]);
  await page(scan, 3, 1);
  expect(cleaned).toBe(1);
  scan.end();
  expect(cleaned).toBe(2);
});

test("an error is the answer, and the next scan begins anew", async () => {
  let answer: Listing | typeof ENOTDIR = ENOTDIR;
  const scan = new Scan(() => answer);
  expect(await scan.seek(0, call)).toBe(ENOTDIR);
  answer = [{ name: "a" }];
  expect(names(await page(scan, 0, 9))).toEqual(["a"]);
});

describe("one that breaks off is not at its end: asked again it goes on", () => {
  const breaking: readonly (readonly [string, (entries: readonly Entry[]) => Listing])[] = [
    ["a generator", (entries) => broken(entries)],
    ["an async generator", (entries) => brokenLate(entries)],
  ];
  test.each(breaking)("%s", async (_name, shape) => {
    const folder = filled(6);
    let breaks = 2;
    const scan = new Scan((from) => {
      const rest = folder.entries.filter((entry) => (entry.cookie as number) > from);
      return breaks-- > 0 ? shape(rest) : rest;
    });
    const first = page(scan, 0, 9);
    expect(await first.catch((error: Error) => error.message)).toBe("broken");
    // The kernel has seen nothing of it, or, after smaller pages, up to some entry.
    const failed = page(scan, (folder.entries[1]?.cookie as number) + 2, 9);
    expect(await failed.catch((error: Error) => error.message)).toBe("broken");
    const rest = await page(scan, (folder.entries[1]?.cookie as number) + 2, 9);
    expect(names(rest)).toEqual(["f2", "f3", "f4", "f5"]);
  });

  function* broken(entries: readonly Entry[]): Generator<Entry> {
    yield* entries.slice(0, 2);
    throw new Error("broken");
  }

  async function* brokenLate(entries: readonly Entry[]): AsyncGenerator<Entry> {
    yield* broken(entries);
  }
});

describe("who comes back at the end of a listing without cookies", () => {
  const names = async (scan: Scan, offset: number) =>
    (await page(scan, offset, 9)).map(({ entry }) => entry.name);

  test("is told what a listing has come by since, behind the rest", async () => {
    const told: Entry[] = [{ name: "a" }, { name: "b" }];
    const scan = new Scan(() => own(told));
    expect(await names(scan, 0)).toEqual(["a", "b"]);
    expect(await names(scan, 4)).toEqual([]);
    told.push({ name: "c" });
    expect(await names(scan, 3)).toEqual(["b"]);
  });

  test("of an empty one goes on behind the dots, and does not begin again", async () => {
    let begun = 0;
    const scan = new Scan(() => {
      begun++;
      return own([]);
    });
    expect(await names(scan, 0)).toEqual([]);
    expect(await names(scan, 2)).toEqual([]);
    expect(begun).toBe(1);
    expect(await names(scan, 1)).toEqual([]);
    expect(begun).toBe(2);
  });
});
