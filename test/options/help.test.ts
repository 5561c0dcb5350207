import { expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import hello from "../../plugins/hello.ts";
import memfs from "../../plugins/memfs/memfs.ts";
import perfuse from "../../plugins/perfuse.ts";
import { helpLines, markdownTable, mountMarkdownTable } from "../../src/options/help.ts";
import { MOUNT_OPTIONS, type MountOption } from "../../src/options/table.ts";
import type { Options } from "../../src/plugin.ts";

const OWN: Options = {
  size: { type: "size", default: 2 ** 26, min: 4096, description: "how big" },
  cache: { type: "boolean", default: true, description: "whether to cache" },
  kind: { type: "choice", choices: ["tar", "zip"], required: true, description: "what it is" },
  perm: { type: "mode", default: 0o755, description: "permissions" },
};

test("help shows the form of each option, its limits and its default", () => {
  expect(helpLines(OWN)).toEqual([
    "size=SIZE     how big (at least 4k, default 64m)",
    "[no]cache     whether to cache (default true)",
    "kind=tar|zip  what it is (required)",
    "perm=MODE     permissions (default 0755)",
  ]);
});

test("a table in Markdown keeps a bar within its cell", () => {
  expect(markdownTable({ kind: OWN.kind } as Options)).toContain("| `kind=tar\\|zip` |");
});

test("docs/options.md has the tables that the code prints", () => {
  const tables: Record<string, string> = {
    kernel: mountMarkdownTable("kernel"),
    fuse: mountMarkdownTable("fuse"),
    session: mountMarkdownTable("session"),
    nobody: mountMarkdownTable("nobody"),
    hello: markdownTable(hello.options as Options),
    memfs: markdownTable(memfs.options as Options),
    perfuse: markdownTable(perfuse.options as Options),
  };
  const path = new URL("../../docs/options.md", import.meta.url).pathname;
  let updated = readFileSync(path, "utf8");
  for (const [name, table] of Object.entries(tables)) {
    expect(updated).toContain(`<!-- ${name} -->`);
    updated = updated.replace(
      new RegExp(`<!-- ${name} -->.*?<!-- end -->`, "s"),
      () => `<!-- ${name} -->\n${table}\n<!-- end -->`,
    );
  }
  if (process.env.UPDATE_DOCS) writeFileSync(path, updated);
  expect(readFileSync(path, "utf8")).toBe(updated);
});

test("what an option is against is an option too", () => {
  for (const row of Object.values<MountOption>(MOUNT_OPTIONS)) {
    for (const other of row.against ?? []) expect(Object.keys(MOUNT_OPTIONS)).toContain(other);
  }
});
