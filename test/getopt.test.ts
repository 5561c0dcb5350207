import { expect, test } from "bun:test";
import { Failure } from "../src/failure.ts";
import { getopt } from "../src/getopt.ts";

const FLAGS = { o: "argument", f: "flag", d: "flag", lazy: "flag", grace: "argument" } as const;

test("an argument is taken from the same word or the next, as often as it is given", () => {
  const given = getopt(["-o", "a=1", "-ob,c", "-fo", "d", "--grace=2", "--grace", "3"], FLAGS);
  expect(given.all("o")).toEqual(["a=1", "b,c", "d"]);
  expect(given.all("grace")).toEqual(["2", "3"]);
  expect(given.count("f")).toBe(1);
  expect(given.count("d")).toBe(0);
});

test("flags may come in clusters, and among and after the other words", () => {
  const given = getopt(["none", "-fd", "/mnt", "--lazy"], FLAGS);
  expect([given.count("f"), given.count("d"), given.count("lazy")]).toEqual([1, 1, 1]);
  expect(given.rest).toEqual(["none", "/mnt"]);
});

test("behind -- nothing is a flag, and - is a word", () => {
  expect(getopt(["-", "--", "-f", "--", "-o"], FLAGS).rest).toEqual(["-", "-f", "--", "-o"]);
});

test("how many words came behind -- is told", () => {
  expect(getopt(["a", "-f", "--", "b", "-c", "--"], FLAGS)).toMatchObject({
    rest: ["a", "b", "-c", "--"],
    after: 3,
  });
  expect(getopt(["a", "--"], FLAGS).after).toBe(0);
  expect(getopt(["a", "b"], FLAGS).after).toBe(0);
});

test("a value keeps its equals signs", () => {
  expect(getopt(["--grace=a=b"], FLAGS).all("grace")).toEqual(["a=b"]);
});

test.each([
  [["-x"], "-x: there is no such flag; see --help"],
  [["-fx"], "-x: there is no such flag; see --help"],
  [["--lzay"], "--lzay: there is no such flag; did you mean --lazy?"],
  [["--o=1"], "--o: there is no such flag; see --help"],
  [["-o"], "-o needs an argument"],
  [["--grace"], "--grace needs an argument"],
  [["--lazy=1"], "--lazy takes no argument"],
])("%j is refused", (args, message) => {
  const failure = caught(() => getopt(args, FLAGS));
  expect(failure.message).toBe(message);
  expect(failure.exitCode).toBe(1);
});

function caught(action: () => unknown): Failure {
  try {
    action();
  } catch (error) {
    if (error instanceof Failure) return error;
  }
  throw new Error("it was not refused");
}
