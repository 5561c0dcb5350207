import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

const plugin = (options: string, start: string, node: string) => `
  import { definePlugin, ENOENT, type FileSystem } from "puffs";
  interface Mine { readonly name: string }
  const root: Mine = { name: "/" };
  const lookup = () => null;
  export default definePlugin({
    name: "mine",
    description: "of the test",
    ${options}
    start(${start}): FileSystem<Mine> {
      return { root, node: { lookup, ${node} } };
    },
  });
  void ENOENT;
`;

/** What an author may write, and what the compiler is to say to it: nothing, or words of the first message. */
const CASES: readonly (readonly [string, string, RegExp | undefined])[] = [
  ["a right plugin", plugin("", "", "getattr: () => ENOENT"), undefined],
  ["later answers", plugin("", "", "remove: async () => {}, read: async () => 0"), undefined],
  ["a misspelt operation", plugin("", "", "getatr: () => ENOENT"), /getatr/],
  ["an operation of the wrong group", plugin("", "", "statvfs: () => ENOENT"), /statvfs/],
  ["a wrong answer", plugin("", "", `read: () => "text"`), /string/],
  ["null where only lookup may", plugin("", "", "mkdir: () => null"), /null/],
  ["another's node", plugin("", "", "create: () => ({ path: 1 })"), /path/],
  [
    "options given their types",
    plugin(
      `options: { size: { type: "size", default: 1, description: "d" }, text: { type: "string", description: "d" } },`,
      "{ options }",
      "poll: () => options.size + (options.text?.length ?? 0)",
    ),
    undefined,
  ],
  ["an option that is not there", plugin("", "{ options }", "poll: () => options.size"), /size/],
  [
    "an option that may be undefined",
    plugin(
      `options: { text: { type: "string", description: "d" } },`,
      "{ options }",
      "poll: () => options.text.length",
    ),
    /undefined/,
  ],
  [
    "a misspelt member of an option",
    plugin(`options: { text: { type: "string", desciption: "d" } },`, "", ""),
    /desciption|description/,
  ],
  [
    "a type of option that is not there",
    plugin(`options: { t: { type: "float", description: "d" } },`, "", ""),
    /float|type/,
  ],
  ["a misspelt member of a plugin", plugin("sauce: { description: 'd' },", "", ""), /sauce/],
  ["a wrong errno", `import { Errno } from "puffs"; throw new Errno("ENOSUCH");`, /ENOSUCH/],
  [
    "what is the framework's own",
    `import { FuseServer } from "puffs"; void FuseServer;`,
    /FuseServer/,
  ],
];

test("the compiler accepts what is right, and says what is wrong, in plugins", () => {
  const directory = mkdtempSync(join(tmpdir(), "puffs-types-"));
  try {
    CASES.forEach(([, source], i) => {
      writeFileSync(join(directory, `case${i}.ts`), source);
    });
    const config = {
      extends: join(ROOT, "tsconfig.json"),
      compilerOptions: {
        paths: { puffs: [join(ROOT, "src/index.ts")] },
        typeRoots: [join(ROOT, "node_modules")],
      },
      include: ["*.ts"],
    };
    writeFileSync(join(directory, "tsconfig.json"), JSON.stringify(config));
    const tsc = join(ROOT, "node_modules/.bin/tsc");
    const { stdout } = spawnSync(tsc, ["--noEmit", "--pretty", "false", "-p", directory], {
      cwd: directory,
      encoding: "utf8",
      timeout: 60_000,
    });
    const said = CASES.map(([name], i) => {
      const messages = stdout.split(/^(?=\S)/m).filter((line) => line.includes(`case${i}.ts(`));
      return [name, messages.join("")] as const;
    });
    for (const [i, [name, message]] of said.entries()) {
      const expected = CASES[i]?.[2];
      if (expected === undefined) expect([name, message]).toEqual([name, ""]);
      else expect([name, expected.test(message), message]).toEqual([name, true, message]);
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
}, 90_000);
