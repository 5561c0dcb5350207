import { expect, test } from "bun:test";
import { NodeList } from "../../src/library/node.ts";

test("nodes are walked until one answers", () => {
  const nodes = new NodeList<string>();
  const [a, b] = [nodes.create("a"), nodes.create("b")];
  nodes.create("c");
  const seen: string[] = [];
  const found = nodes.walk((node) => {
    seen.push(node.data);
    return node.data === "b" ? node : undefined;
  });
  expect(found).toBe(b);
  expect(seen).toEqual(["a", "b"]);
  expect(nodes.walk(() => undefined)).toBeUndefined();
  expect(a.data).toBe("a");
});

test("a removed node is not walked to, and still there until it is put", () => {
  const nodes = new NodeList<string>();
  const node = nodes.create("a");
  nodes.remove(node);
  expect([node.removed, nodes.size]).toEqual([true, 1]);
  expect(nodes.walk((seen) => seen)).toBeUndefined();
  nodes.put(node);
  expect(nodes.size).toBe(0);
});

test("undefined, null and false go on, and every other answer is the walk's", () => {
  const nodes = new NodeList<number>();
  for (const number of [0, 1, 2, 3, 4]) nodes.create(number);
  const answers = [undefined, null, false, 0] as const;
  expect(nodes.walk(({ data }) => answers[data] as number | undefined)).toBe(0);
  expect(nodes.walk((node) => node.data === 3 && node)).toMatchObject({ data: 3 });
  expect(nodes.walk((node) => node.data === 9 && node)).toBeUndefined();
});

test("nodes may be made, removed and put while they are walked", () => {
  const nodes = new NodeList<string>();
  const [a, b, c] = ["a", "b", "c"].map((name) => nodes.create(name));
  const seen: string[] = [];
  nodes.walk((node) => {
    seen.push(node.data);
    nodes.create("new");
    if (node === a && b) nodes.put(b);
    if (node === c && c) nodes.remove(c);
  });
  expect(seen.filter((name) => name !== "new")).toEqual(["a", "c"]);
  expect(nodes.walk((node) => node === c)).toBeUndefined();
});
