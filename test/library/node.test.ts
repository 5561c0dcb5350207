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
