import { stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { builtins } from "./builtin.ts";
import { type Failure, messageOf, usageFailure } from "./failure.ts";
import * as puffs from "./index.ts";
import { suggestion } from "./nearest.ts";
import type { AnyPlugin } from "./plugin.ts";
import { pluginOf } from "./validate.ts";

/**
 * The plugin called `nameOrPath`: a built-in one by its name, else a file, or a folder with `index.ts` or a file of the
 * folder's name. A path has a slash or ends like a script.
 */
export async function findPlugin(nameOrPath: string): Promise<AnyPlugin> {
  if (!looksLikePath(nameOrPath)) {
    const load = builtins.get(nameOrPath);
    if (load !== undefined) return load();
    const otherwise = `puffs plugins lists them; a file is given by its path, such as ./${nameOrPath}.ts`;
    const hint = suggestion(nameOrPath, builtins.keys(), otherwise);
    throw usageFailure(`${nameOrPath}: there is no built-in plugin of that name; ${hint}`);
  }
  return loadPlugin(nameOrPath);
}

export function looksLikePath(nameOrPath: string): boolean {
  return nameOrPath.includes("/") || /\.[cm]?[jt]sx?$/.test(nameOrPath);
}

/**
 * Load a plugin from disk. It may import files of its own, packages from its own node_modules, and "puffs", which is
 * this very program. A Failure says in one line what is wrong with it.
 */
export async function loadPlugin(path: string): Promise<AnyPlugin> {
  const file = await pluginFile(path);
  answerImports();
  let module: unknown;
  try {
    module = await import(pathToFileURL(file).href);
  } catch (error) {
    throw loadFailure(path, error);
  }
  return pluginOf(module, path);
}

/** The file that a path to a plugin means. */
export async function pluginFile(path: string): Promise<string> {
  const full = resolve(path);
  const name = basename(full);
  for (const candidate of [full, join(full, "index.ts"), join(full, `${name}.ts`)]) {
    const found = await stat(candidate).catch((error) => {
      if (["ENOENT", "ENOTDIR"].includes(error.code)) return undefined;
      throw usageFailure(`${path}: cannot be read (${error.code})`);
    });
    if (found?.isFile()) return candidate;
    if (found === undefined && candidate === full) {
      throw usageFailure(`${path}: there is no such plugin file; check the path`);
    }
  }
  throw usageFailure(
    `${path}: a plugin's folder has an index.ts or ${name}.ts; this one has neither`,
  );
}

let answering = false;

/** From now on `import "puffs"` in a file on disk gives this program's own objects, compiled in or not. */
function answerImports(): void {
  if (answering) return;
  answering = true;
  Bun.plugin({
    name: "puffs",
    setup(build) {
      build.module("puffs", () => ({ exports: { ...puffs }, loader: "object" }));
    },
  });
}

/** What Bun throws for a file it cannot load: one message or several, with positions. */
function loadFailure(path: string, error: unknown): Failure {
  const causes = (error as { errors?: unknown[] } | null)?.errors;
  const first = (Array.isArray(causes) ? causes[0] : undefined) ?? error;
  const { name, position } = (first ?? {}) as {
    name?: string;
    position?: { file: string; line: number; column: number } | null;
  };
  const at = position ? ` (${position.file}:${position.line}:${position.column})` : "";
  if (name === "BuildMessage" || first instanceof SyntaxError) {
    return usageFailure(
      `${path}: syntax error: ${messageOf(first)}${at}; correct it and try again`,
    );
  }
  if (name === "ResolveMessage") return usageFailure(`${path}: ${messageOf(first)}${at}`);
  return usageFailure(`${path}: failed while it was loaded: ${messageOf(first)}`);
}
