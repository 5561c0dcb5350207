import { expect, test } from "bun:test";
import { EEXIST, ENODATA, EOPNOTSUPP } from "puffs";
import { caller, Started } from "./start.ts";

const value = (text: string) => new TextEncoder().encode(text);

test("values are kept by namespace and name, as copies", () => {
  const fs = new Started();
  const file = fs.create("f");
  const { getextattr, setextattr, listextattr, deleteextattr } = fs.node;
  const given = value("one");
  setextattr(file, "user", "a", given, "any", caller());
  given.fill(0);
  setextattr(file, "trusted", "a", value("two"), "any", caller());
  setextattr(file, "user", "a.b", value(""), "any", caller());
  setextattr(file, "security", "ö", value("three"), "any", caller());
  expect(getextattr(file, "user", "a", caller())).toEqual(value("one"));
  expect(getextattr(file, "trusted", "a", caller())).toEqual(value("two"));
  expect(getextattr(file, "user", "a.b", caller())).toEqual(value(""));
  expect(getextattr(file, "user", "b", caller())).toBe(ENODATA);
  const list = (namespace: "user" | "trusted" | "security" | "system") => [
    ...(listextattr(file, namespace, caller()) as Iterable<string>),
  ];
  expect(list("user")).toEqual(["a", "a.b"]);
  expect(list("trusted")).toEqual(["a"]);
  expect(list("security")).toEqual(["ö"]);
  expect(list("system")).toEqual([]);
  expect(deleteextattr(file, "user", "a", caller())).toBeUndefined();
  expect(deleteextattr(file, "user", "a", caller())).toBe(ENODATA);
  expect(list("user")).toEqual(["a.b"]);
});

test("create and replace demand what they say", () => {
  const fs = new Started();
  const { setextattr, getextattr } = fs.node;
  expect(setextattr(fs.root, "user", "a", value("1"), "replace", caller())).toBe(ENODATA);
  expect(setextattr(fs.root, "user", "a", value("1"), "create", caller())).toBeUndefined();
  expect(setextattr(fs.root, "user", "a", value("2"), "create", caller())).toBe(EEXIST);
  expect(getextattr(fs.root, "user", "a", caller())).toEqual(value("1"));
  expect(setextattr(fs.root, "user", "a", value("3"), "replace", caller())).toBeUndefined();
  expect(getextattr(fs.root, "user", "a", caller())).toEqual(value("3"));
});

test("a value of 64 KiB is the largest that fits", () => {
  const fs = new Started();
  const large = new Uint8Array(65536).fill(9);
  expect(fs.node.setextattr(fs.root, "user", "a", large, "any", caller())).toBeUndefined();
  expect(fs.node.getextattr(fs.root, "user", "a", caller())).toEqual(large);
});

test("there are no system attributes", () => {
  const fs = new Started();
  const name = "posix_acl_access";
  expect([
    fs.node.getextattr(fs.root, "system", name, caller()),
    fs.node.setextattr(fs.root, "system", name, value(""), "any", caller()),
    fs.node.deleteextattr(fs.root, "system", name, caller()),
  ]).toEqual(Array(3).fill(EOPNOTSUPP));
});
