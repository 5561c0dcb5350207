import { expect, test } from "bun:test";
import { Failure } from "../src/failure.ts";
import { checkFileSystem, checkPlugin, pluginOf } from "../src/validate.ts";

const start = () => ({ root: {}, node: { lookup: () => null } });
const good = { name: "my", description: "mine", start };
const option = (value: unknown) => ({ ...good, options: { x: value } });

test("what definePlugin answers passes", () => {
  expect(pluginOf({ default: good }, "my.ts")).toBe(good as never);
  const options = { x: { type: "integer", description: "a number", default: 1 } };
  const source = { description: "a file", required: true };
  expect(() => checkPlugin({ ...good, options, source }, "my.ts")).not.toThrow();
});

test.each<[unknown, string]>([
  [{}, 'my.ts has no default export: end it with "export default definePlugin({...})"'],
  [{ default: 1 }, "my.ts: the default export is the number 1, not what definePlugin answers"],
  [{ default: start }, "my.ts: the default export is a function, not what definePlugin answers"],
  [
    { default: { ...good, name: "a b" } },
    'my.ts: name must be text of letters, digits, - and _, not "a b"',
  ],
  [
    { default: { name: "a", description: "b", strat: start } },
    "my.ts: a plugin has no strat; did you mean start?",
  ],
  [{ default: { ...good, start: undefined } }, "my.ts: start must be a function, not missing"],
  [
    { default: { ...good, description: 5 } },
    "my.ts: description must be one line of text, not the number 5",
  ],
  [
    { default: { ...good, command: { required: true } } },
    'my.ts: command must be { description: "..." }, not an object',
  ],
  [
    { default: { ...good, source: "file" } },
    'my.ts: source must be { description: "..." }, not the string "file"',
  ],
  [
    { default: { ...good, options: [] } },
    "my.ts: options must be a table of options, not an array",
  ],
  [
    { default: option({ type: "int", description: "x" }) },
    'my.ts: option x has the type "int": the types are string, boolean, integer, size, mode, choice',
  ],
  [
    { default: option({ type: "string" }) },
    "my.ts: option x needs a description, one line of text",
  ],
  [
    { default: option({ type: "size", description: "x", default: "1m" }) },
    'my.ts: option x: the default must be a number, not "1m"',
  ],
  [
    { default: option({ type: "choice", description: "x" }) },
    "my.ts: option x needs choices: an array of texts",
  ],
  [
    { default: { ...good, options: { ro: { type: "boolean", description: "x" } } } },
    "my.ts: option ro: ro is an option of every mount; call it something else",
  ],
  [
    { default: { ...good, options: { exec: { type: "boolean", description: "x" } } } },
    "my.ts: option exec: exec is an option of every mount; call it something else",
  ],
  [
    { default: { ...good, options: { auto: { type: "string", description: "x" } } } },
    "my.ts: option auto: auto is an option of every mount; call it something else",
  ],
])("a wrong plugin is told in one line: %#", (module, message) => {
  expect(refusal(() => pluginOf(module, "my.ts"))).toBe(message);
});

test("a running file system passes, operations of a class too", () => {
  class Node {
    cache = 1;
    lookup() {
      return null;
    }
  }
  const answer = { root: {}, node: new Node(), fs: { unmount() {} }, timeouts: { names: 5 } };
  expect(checkFileSystem(answer, "my")).toBe(answer as never);
  expect(() =>
    checkFileSystem({ root: {}, node: { lookup() {}, read: undefined } }, "my"),
  ).not.toThrow();
});

test.each<[unknown, string]>([
  [undefined, "my: start must answer { root, node: {...} }, not missing"],
  [{ node: {} }, "my: root must be an object, not missing"],
  [{ root: "/", node: {} }, 'my: root must be an object, not the string "/"'],
  [{ root: {} }, "my: node must be the operations on nodes, not missing"],
  [{ root: {}, node: {} }, "my: node.lookup is missing: the one operation that every plugin has"],
  [
    { root: {}, node: { lookup() {}, getattr: {} } },
    "my: node.getattr must be a function, not an object",
  ],
  [
    { root: {}, node: { lookpu() {} } },
    "my: there is no operation node.lookpu; did you mean lookup?",
  ],
  [
    { root: {}, node: { lookup() {} }, fs: { unmuont() {} } },
    "my: there is no operation fs.unmuont; did you mean unmount?",
  ],
  [
    { root: {}, nodes: {}, node: { lookup() {} } },
    "my: what start answers has no nodes; did you mean node?",
  ],
  [
    { root: {}, node: { lookup() {} }, timeouts: { names: -1 } },
    "my: timeouts.names must be seconds, 0 or more, not -1",
  ],
  [
    { root: {}, node: { lookup() {} }, timeouts: { name: 1 } },
    "my: timeouts has no name; did you mean names?",
  ],
])("a wrong answer of start is told in one line: %#", (answer, message) => {
  expect(refusal(() => checkFileSystem(answer, "my"))).toBe(message);
});

function refusal(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof Failure) return error.message;
    throw error;
  }
  throw new Error("it was accepted");
}
