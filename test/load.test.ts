import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Failure } from "../src/failure.ts";
import { findPlugin, loadPlugin } from "../src/load.ts";
import { puffs } from "./support/program.ts";

let folder = "";
beforeAll(() => {
  // Outside of the tree: nothing but this program can answer the import of "puffs".
  folder = mkdtempSync(join(tmpdir(), "puffs-load-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, text: string): string {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
}

const PLUGIN = (name: string) => `
  import { definePlugin, ENOENT, S_IFDIR } from "puffs";
  import { description } from "./parts/description.ts";
  export default definePlugin({
    name: "${name}",
    description,
    start: () => ({ root: { S_IFDIR }, node: { lookup: () => ENOENT } }),
  });`;

test("a plugin on disk gets this program's own puffs, and its own files", async () => {
  write(
    "parts/description.ts",
    'enum Word { One = "from a file" }\nexport const description: string = Word.One;',
  );
  const { ENOENT } = await import("../src/errno.ts");
  const plugin = await loadPlugin(write("good.ts", PLUGIN("good")));
  expect(plugin).toMatchObject({ name: "good", description: "from a file" });
  const { node } = await plugin.start({} as never);
  expect(node.lookup({}, "x", {} as never)).toBe(ENOENT);
});

test("a folder is a plugin by its index.ts, or by a file of its name", async () => {
  const text = 'export default { name: "in-folder", description: "d", start() {} };';
  write("one/index.ts", text);
  write("two/two.ts", text);
  expect((await loadPlugin(join(folder, "one"))).name).toBe("in-folder");
  expect((await loadPlugin(join(folder, "two"))).name).toBe("in-folder");
});

test("built-in plugins are found by name", async () => {
  expect((await findPlugin("hello")).name).toBe("hello");
  expect(await refusal(findPlugin("helo"))).toBe(
    "helo: there is no built-in plugin of that name; did you mean hello?",
  );
  expect(await refusal(findPlugin("something"))).toContain("./something.ts");
});

test("a file that is not there", async () => {
  const path = join(folder, "absent.ts");
  expect(await refusal(findPlugin(path))).toBe(
    `${path}: there is no such plugin file; check the path`,
  );
  expect(await refusal(findPlugin("./absent.ts"))).toContain("there is no such plugin file");
});

test("a folder without a plugin", async () => {
  mkdirSync(join(folder, "empty"));
  expect(await refusal(loadPlugin(join(folder, "empty")))).toContain("index.ts or empty.ts");
});

test("no default export", async () => {
  expect(await refusal(loadPlugin(write("none.ts", "export const a = 1;")))).toContain(
    "has no default export",
  );
});

test("a missing import of its own", async () => {
  const message = await refusal(loadPlugin(write("import.ts", 'import "./nowhere.ts";')));
  expect(message).toContain("nowhere.ts");
});

test("an exception while it is loaded", async () => {
  const path = write("throws.ts", 'throw new Error("two\\nlines");');
  expect(await refusal(loadPlugin(path))).toBe(`${path}: failed while it was loaded: two; lines`);
});

test("a syntax error is one line with its place", async () => {
  const path = write("syntax.ts", "const a = 1;\nexport default {{;\n");
  const { code, stderr } = await puffs("plugins", path);
  expect(code).toBe(1);
  expect(stderr).toContain(`${path}: syntax error: `);
  expect(stderr).toContain(`(${path}:2:17)`);
  expect(stderr.trim().split("\n")).toHaveLength(1);
});

async function refusal(loading: Promise<unknown>): Promise<string> {
  try {
    await loading;
  } catch (error) {
    if (error instanceof Failure) {
      expect(error.exitCode).toBe(1);
      expect(error.message).not.toContain("\n");
      return error.message;
    }
    throw error;
  }
  throw new Error("it was loaded");
}
