/* That the kit itself is right: the kernel's own file system in memory passes all of it. */

import { test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { conformance, EVERYTHING } from "../conformance.ts";
import { posixClient } from "../support/posix-client.ts";

/** Runs a program of the operating system, or throws what it says. */
function run(program: string, ...parameters: string[]): void {
  const { status, stderr, error } = spawnSync(program, parameters, { timeout: 20_000 });
  if (status !== 0) throw new Error(`${program}: ${error?.message ?? stderr.toString().trim()}`);
}

if (process.getuid?.() === 0 || process.env.CI === "true") {
  conformance("the kernel's tmpfs", {
    features: EVERYTHING,
    async start() {
      const directory = mkdtempSync(join(tmpdir(), "puffs-tmpfs-"));
      run("mount", "-t", "tmpfs", "-o", "size=256m,mode=755", "none", directory);
      const client = posixClient(directory);
      return {
        client,
        async close() {
          await client.close();
          run("umount", "--lazy", directory);
          rmdirSync(directory);
        },
      };
    },
  });
} else {
  test.skip("the kernel's tmpfs: only root mounts it", () => {});
}
