import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { errnoName } from "../src/fuse/errno.ts";
import { OPS } from "../src/fuse/ops.ts";
import * as puffs from "../src/index.ts";
import { mounting } from "./support/mounted.ts";

/*
 * The documents are true: their plugins are those of the tree or compile, their commands run as they stand, their tables are those
 * that the code prints. UPDATE_DOCS=1 writes the tables anew.
 */

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const DOCUMENTS = ["README.md", ...readdirSync(join(ROOT, "docs")).map((name) => `docs/${name}`)];
const MINUTE = 60_000;

interface Block {
  readonly language: string;
  readonly file: string | undefined;
  readonly text: string;
}

function blocksOf(document: string): Block[] {
  const text = readFileSync(join(ROOT, document), "utf8");
  return [...text.matchAll(/^```(\w+)(?: (\S+))?\n(.*?)^```$/gms)].map((match) => ({
    language: match[1] as string,
    file: match[2],
    text: match[3] as string,
  }));
}

/** A copy of the project to play in: what the commands build and mount stays in there. */
let playground = "";

beforeAll(() => {
  playground = mkdtempSync(join(tmpdir(), "puffs-docs-"));
  for (const name of [
    "src",
    "ffi",
    "plugins",
    "build.ts",
    "package.json",
    "tsconfig.json",
    "bunfig.toml",
  ])
    cpSync(join(ROOT, name), join(playground, name), { recursive: true });
  symlinkSync(join(ROOT, "node_modules"), join(playground, "node_modules"));
});

afterAll(() => rmSync(playground, { recursive: true, force: true }));

/** Runs a command line in the playground and gives what it printed; throws if it fails or hangs. */
async function run(script: string): Promise<string> {
  const shell = spawn("bash", ["-euo", "pipefail", "-c", script], {
    cwd: playground,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [shell.stdout, shell.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  const timer = setTimeout(() => shell.kill("SIGKILL"), MINUTE);
  const code = await new Promise((resolve) => shell.on("close", resolve));
  clearTimeout(timer);
  if (code !== 0) throw new Error(`exit ${code} of\n${script}\n${output}`);
  return output;
}

/** `umount` lazily whatever a failed block has left on ./mnt. */
async function clean(): Promise<void> {
  await run('if grep -q " $PWD/mnt " /proc/self/mounts; then umount -l mnt; fi');
}

test("the README's plugin is the one in plugins/", () => {
  const [block] = blocksOf("README.md").filter(({ file }) => file === "plugins/hello.ts");
  expect(block?.text).toBe(readFileSync(join(ROOT, "plugins/hello.ts"), "utf8"));
  expect(block?.text.split("\n").length).toBeLessThanOrEqual(31);
});

test(
  "every TypeScript block compiles",
  async () => {
    const names = Object.keys(puffs);
    const types = ["Attributes", "Call", "File", "FileSystem", "Log", "Time", "Usermount"];
    const files = DOCUMENTS.flatMap((document, i) =>
      blocksOf(document)
        .filter(({ language }) => language === "ts")
        .map(({ file, text }, j) => {
          const imports = `import { ${[...names, ...types.map((t) => `type ${t}`)].join(", ")} } from "puffs";\n`;
          const name = file ?? `snippet-${i}-${j}.ts`;
          writeFileSync(join(playground, name), file ? text : `${imports}${text}\nexport {};\n`);
          return name;
        }),
    );
    const config = {
      extends: "./tsconfig.json",
      compilerOptions: { noUnusedLocals: false },
      include: files,
    };
    writeFileSync(join(playground, "tsconfig.docs.json"), JSON.stringify(config));
    expect(await run("node_modules/.bin/tsc --noEmit -p tsconfig.docs.json")).toBe("");
  },
  MINUTE,
);

for (const document of DOCUMENTS) {
  const commands = blocksOf(document).filter(({ language }) => language === "sh");
  if (commands.length === 0) continue;
  mounting(`the commands of ${document}`, () => {
    test(
      `the commands of ${document} do what they say`,
      async () => {
        for (const { file, text } of blocksOf(document))
          if (file && file !== "plugins/hello.ts") writeFileSync(join(playground, file), text);
        try {
          for (const { text } of commands) await run(`mkdir -p mnt\n${text}`);
        } finally {
          await clean();
        }
        expect(await run('grep " $PWD/mnt " /proc/self/mounts || true')).toBe("");
      },
      2 * MINUTE,
    );
  });
}

test("the table of requests is that of the rows", () => {
  const lines = OPS.flatMap((row) =>
    row
      ? [
          `| ${row.opcode} | ${row.name} | ${(row.needs ?? []).map((need) => `\`${need}\``).join(", ")} | ${absence(row)} | ${row.otherwise ?? ""} |`,
        ]
      : [],
  );
  const table = [
    "| opcode | request | operation | left out | what a program sees then |",
    "|---|---|---|---|---|",
    ...lines,
  ].join("\n");
  const path = join(ROOT, "docs/fuse.md");
  const text = readFileSync(path, "utf8");
  const updated = text.replace(
    /<!-- rows -->.*<!-- end -->/s,
    `<!-- rows -->\n${table}\n<!-- end -->`,
  );
  if (process.env.UPDATE_DOCS) writeFileSync(path, updated);
  expect(readFileSync(path, "utf8")).toBe(updated);
});

function absence(row: NonNullable<(typeof OPS)[number]>): string {
  if (!row.needs) return "";
  return row.absent === 0 ? "granted" : (errnoName(row.absent) ?? "");
}
