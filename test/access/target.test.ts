import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { targetOf } from "../../src/access/target.ts";

test.each([
  ["memfs", "memfs", undefined],
  ["memfs:", "memfs", undefined],
  ["archive:/a/b.tar", "archive", "/a/b.tar"],
  ["archive:http://host:80/x", "archive", "http://host:80/x"],
  ["./my.ts:a:b", "./my.ts", "a:b"],
  ["./absent:x.ts", "./absent", "x.ts"],
])("%s is %s and %s", (word, plugin, special) => {
  expect(targetOf(word)).toEqual({ plugin, special });
});

test("a path that exists may have colons", () => {
  const folder = mkdtempSync(join(tmpdir(), "puffs-target-"));
  try {
    mkdirSync(join(folder, "a:b"));
    const plugin = join(folder, "a:b/my:own.ts");
    writeFileSync(plugin, "");
    expect(targetOf(plugin)).toEqual({ plugin, special: undefined });
    expect(targetOf(`${plugin}:c:d`)).toEqual({ plugin, special: "c:d" });
    expect(targetOf(`${folder}/a:b:c`)).toEqual({ plugin: `${folder}/a:b`, special: "c" });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
