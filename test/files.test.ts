import { expect, test } from "bun:test";
import { OpenFile, OpenFiles } from "../src/files.ts";
import { Vnode } from "../src/nodes.ts";

function opened(vnode = new Vnode(2, 1, {})): OpenFile {
  return new OpenFile(vnode, 0, false, false);
}

test("handles begin at 1 and lead to their file until it is removed; 0 and others to none", () => {
  const files = new OpenFiles();
  const [a, b] = [opened(), opened()];
  files.add(a);
  files.add(b);
  expect([a.handle, b.handle]).toEqual([1, 2]);
  expect([files.at(1), files.at(2)]).toEqual([a, b]);
  for (const handle of [0, 3, -1, 2 ** 32, 2 ** 53, 1.5]) expect(files.at(handle)).toBeUndefined();
  files.remove(a);
  expect([files.at(1), [...files.all()]]).toEqual([undefined, [b]]);
});

test("a node counts its opens, and a file that is removed twice was removed once", () => {
  const files = new OpenFiles();
  const vnode = new Vnode(2, 1, {});
  const [a, b] = [opened(vnode), opened(vnode)];
  files.add(a);
  files.add(b);
  expect(vnode.opens).toBe(2);
  files.remove(a);
  files.remove(a);
  expect(vnode.opens).toBe(1);
  const c = opened(vnode);
  files.add(c);
  // The handle is another's now.
  expect(c.handle).toBe(a.handle);
  files.remove(a);
  expect([files.at(c.handle), vnode.opens]).toEqual([c, 2]);
});

test("a file that was never kept is not removed", () => {
  const files = new OpenFiles();
  const vnode = new Vnode(2, 1, {});
  files.remove(opened(vnode));
  expect(vnode.opens).toBe(0);
});
