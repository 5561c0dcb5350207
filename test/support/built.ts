import { cpSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "./program.ts";

const PROJECT = fileURLToPath(new URL("../..", import.meta.url));

/** A copy of the project, whose dist/ is nobody else's. */
export function copyProject(folder: string): void {
  for (const name of ["src", "ffi", "plugins", "build.ts", "package.json", "tsconfig.json"])
    cpSync(join(PROJECT, name), join(folder, name), { recursive: true });
  symlinkSync(join(PROJECT, "node_modules"), join(folder, "node_modules"));
}

/** The mount program of a built-in plugin, built in a copy of the project in `folder`. Rejects with what the build says. */
export async function builtIn(folder: string, plugin: string): Promise<string> {
  copyProject(folder);
  const { code, stderr } = await run([process.execPath, "build.ts", plugin], { cwd: folder });
  if (code !== 0) throw new Error(stderr);
  return join(folder, "dist", `mount_${plugin}`);
}
