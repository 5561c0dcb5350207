import { expect, test } from "bun:test";
import { nearest, suggestion } from "../src/nearest.ts";

const WORDS = ["size", "mode", "nosuid", "noexec", "attr_timeout"];

test.each([
  ["sise", "size"],
  ["isze", "size"],
  ["siz", "size"],
  ["sizes", "size"],
  ["noexce", "noexec"],
  ["NOSUID", "nosuid"],
  ["atr_timeuot", "attr_timeout"],
])("%s was meant as %s", (word, meant) => {
  expect(nearest(word, WORDS)).toBe(meant);
});

test("what is far from every word has no suggestion", () => {
  expect(nearest("colour", WORDS)).toBeUndefined();
  expect(nearest("x", WORDS)).toBeUndefined();
  expect(nearest("size", [])).toBeUndefined();
});

test("of equally near words the first is suggested", () => {
  expect(nearest("cat", ["car", "can"])).toBe("car");
});

test("a suggestion is a question, or the other advice", () => {
  expect(suggestion("mdoe", WORDS, "see --help")).toBe("did you mean mode?");
  expect(suggestion("colour", WORDS, "see --help")).toBe("see --help");
});
