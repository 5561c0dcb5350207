import { expect, test } from "bun:test";
import { join } from "node:path";
import { mountAt } from "../src/mountinfo.ts";
import { mounted, mounting } from "./support/mounted.ts";
import { run } from "./support/program.ts";

mounting("a file system that says that it cannot be changed", () => {
  test("is mounted read-only: the kernel refuses changes itself", async () => {
    await using fs = await mounted(join(import.meta.dir, "support/frozen.ts"), { options: "" });
    expect(mountAt(fs.directory)?.options).toMatch(/(^|,)ro(,|$)/);
    for (const command of [
      ["touch", join(fs.directory, "file")],
      ["touch", join(fs.directory, "new")],
      ["rm", "-f", join(fs.directory, "file")],
    ])
      expect((await run(command)).stderr).toContain("Read-only file system");
    expect((await run(["cat", join(fs.directory, "file")])).code).toBe(0);
  }, 60_000);
});
