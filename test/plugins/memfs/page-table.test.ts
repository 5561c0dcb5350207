import { expect, test } from "bun:test";
import { PageTable } from "../../../plugins/memfs/page-table.ts";
import { Random } from "../../support/random.ts";

test("agrees with a map, near and far", () => {
  const seed = Date.now() % 2 ** 31;
  const random = new Random(seed);
  const table = new PageTable();
  const model = new Map<number, number>();
  const bases = [0, 0, 500, 1020, 100_000, 2 ** 31, 2 ** 41 - 2000];
  const page = () => random.pick(bases) + random.below(1500);
  for (let step = 0; step < 4000; step++) {
    const at = page();
    if (random.oneIn(2)) {
      const value = 1 + random.below(2 ** 32 - 1);
      table.set(at, value);
      model.set(at, value);
    } else if (random.oneIn(40)) {
      const end = random.oneIn(3) ? Infinity : at + random.below(5000);
      for (const key of model.keys()) {
        if (key < at || key >= end) continue;
        table.set(key, 0);
        model.delete(key);
      }
      table.forget(at, end);
    } else {
      expect({ seed, at, value: table.get(at) }).toEqual({ seed, at, value: model.get(at) ?? 0 });
    }
    if (step % 20 === 0) {
      const end = random.oneIn(2) ? at + random.below(3000) : 2 ** 41;
      const next = [...model.keys()].filter((key) => key >= at && key < end);
      const least = next.reduce((a, b) => Math.min(a, b), end);
      expect({ seed, at, end, next: table.next(at, end) }).toEqual({ seed, at, end, next: least });
    }
  }
});
