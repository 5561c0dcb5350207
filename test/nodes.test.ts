import { expect, test } from "bun:test";
import { ROOT_ID, type Vnode, Vnodes } from "../src/nodes.ts";
import { Random } from "./support/random.ts";

interface Thing {
  readonly name: string;
}

function table() {
  const reclaimed: string[] = [];
  const root: Thing = { name: "/" };
  const vnodes = new Vnodes<Thing>(root, ({ name }) => reclaimed.push(name));
  return { vnodes, reclaimed, root };
}

test("the root has number 1, counts, and is never forgotten", () => {
  const { vnodes, reclaimed, root } = table();
  const vnode = vnodes.at(ROOT_ID) as Vnode<Thing>;
  expect(vnode.node).toBe(root);
  expect(vnodes.of(root)).toBe(vnode);
  vnodes.forget(vnode, 1000);
  expect(vnodes.handOut(root)).toBe(vnode);
  vnodes.forget(vnode, 1000);
  expect([vnodes.at(ROOT_ID), vnodes.size, reclaimed]).toEqual([vnode, 1, []]);
});

test("numbers that were never given out lead nowhere", () => {
  const { vnodes } = table();
  for (const id of [0, 2, 3.5, -1, 2 ** 32, 2 ** 53, Number.NaN])
    expect(vnodes.at(id)).toBeUndefined();
});

test("reclaim comes with the last of lookups, opens and requests, whichever that is, and once", () => {
  const holds = ["lookups", "opens", "pending"] as const;
  for (const last of holds) {
    const { vnodes, reclaimed } = table();
    const vnode = vnodes.handOut({ name: "a" });
    vnode.opens = 1;
    vnode.pending = 1;
    for (const hold of [...holds.filter((one) => one !== last), last]) {
      expect(reclaimed).toEqual([]);
      vnode[hold]--;
      vnodes.release(vnode);
    }
    vnodes.release(vnode);
    vnodes.forget(vnode, 1);
    expect([last, ...reclaimed]).toEqual([last, "a"]);
    expect(vnodes.at(vnode.id)).toBeUndefined();
  }
});

test("forgetting more than was told is forgetting all", () => {
  const { vnodes, reclaimed } = table();
  const vnode = vnodes.handOut({ name: "a" });
  vnodes.handOut(vnode.node);
  vnodes.forget(vnode, 1);
  expect(reclaimed).toEqual([]);
  vnodes.forget(vnode, Number.MAX_SAFE_INTEGER);
  expect([vnode.lookups, reclaimed]).toEqual([0, ["a"]]);
});

test("an old vnode cannot harm the one that has its number now", () => {
  const { vnodes, reclaimed } = table();
  const old = vnodes.handOut({ name: "old" });
  vnodes.forget(old, 1);
  const young = vnodes.handOut({ name: "young" });
  expect([young.id, young.generation === old.generation]).toEqual([old.id, false]);
  vnodes.forget(old, 1);
  vnodes.release(old);
  expect([vnodes.at(old.id), reclaimed]).toEqual([young, ["old"]]);
});

test("a reclaim that hands the node out again gives it a new life", () => {
  const node: Thing = { name: "phoenix" };
  let lives = 0;
  const vnodes: Vnodes<Thing> = new Vnodes<Thing>({ name: "/" }, () => {
    if (++lives < 3) vnodes.handOut(node);
  });
  vnodes.forget(vnodes.handOut(node), 1);
  const second = vnodes.of(node) as Vnode<Thing>;
  expect([lives, second.lookups, vnodes.size]).toEqual([1, 1, 2]);
  expect(vnodes.at(second.id)).toBe(second);
});

test("number and generation together never come twice, and each node has one number, whatever comes and goes", () => {
  const random = new Random(7);
  const { vnodes, reclaimed } = table();
  const things = Array.from({ length: 50 }, (_, i) => ({ name: String(i) }));
  const seen = new Map<string, Vnode<Thing>>();
  const counts = new Map<Thing, number>();
  for (let i = 0; i < 20_000; i++) {
    const thing = random.pick(things);
    const count = counts.get(thing) ?? 0;
    if (random.oneIn(2) || count === 0) {
      const vnode = vnodes.handOut(thing);
      const key = `${vnode.id}.${vnode.generation}`;
      expect(seen.get(key) ?? vnode).toBe(vnode);
      seen.set(key, vnode);
      counts.set(thing, count + 1);
    } else {
      const dropped = random.between(1, count);
      vnodes.forget(vnodes.of(thing) as Vnode<Thing>, dropped);
      counts.set(thing, count - dropped);
      expect(vnodes.of(thing) !== undefined).toBe(count > dropped);
    }
  }
  const held = [...counts.values()].filter((count) => count > 0).length;
  expect(vnodes.size).toBe(held + 1);
  expect([...vnodes.all()].length).toBe(held + 1);
  expect(seen.size).toBe(held + reclaimed.length);
  expect(Math.max(...[...vnodes.all()].map(({ id }) => id))).toBeLessThanOrEqual(51);
});
