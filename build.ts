/**
 * Builds executables:
 *
 *     bun build.ts                 dist/puffs, with all built-in plugins
 *     bun build.ts memfs           dist/mount_memfs, a built-in plugin's mount program
 *     bun build.ts ./path/my.ts    dist/mount_NAME, that of a plugin in a file
 *     bun build.ts --mount memfs ./mnt [-o options]...    builds it, makes ./mnt if absent, mounts
 */
import { spawn } from "node:child_process";
import { mkdirSync, renameSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import { type ExitCode, exitCodes, Failure, failureOf, usageFailure } from "./src/failure.ts";
import { getopt } from "./src/getopt.ts";
import { findPlugin, looksLikePath, pluginFile } from "./src/load.ts";
import { createLog } from "./src/log.ts";
import { makeMountpoint } from "./src/mountpoint.ts";

const ROOT = import.meta.dir;
const DIST = join(ROOT, "dist");
const log = createLog({ name: "build", verbose: true });

if (import.meta.main) {
  try {
    process.exitCode = await main(process.argv.slice(2));
  } catch (error) {
    const bug = error instanceof Failure ? undefined : error;
    const failure = failureOf(error, "internal error", exitCodes.internal);
    log.error(failure.message, bug);
    process.exitCode = failure.exitCode;
  }
}

async function main([word, ...rest]: readonly string[]): Promise<number> {
  if (word === "--mount") return buildAndMount(rest);
  if (rest.length > 0 || word?.startsWith("-")) {
    throw usageFailure(
      "usage: bun build.ts [PLUGIN], or bun build.ts --mount PLUGIN [-o options] DIRECTORY",
    );
  }
  await build(word);
  return exitCodes.ok;
}

/** Build the mount program of one plugin, a name or a path, or the program of all. Answers the file. */
export async function build(plugin?: string): Promise<string> {
  if (plugin === undefined) return compile("puffs", {}, `import "${ROOT}/src/cli.ts";`);
  // Loading checks it: what does not load is not built.
  const { name } = await findPlugin(plugin);
  if (!looksLikePath(plugin))
    return compile(`mount_${name}`, only(name, await builtinFile(name)), entry(name));
  return compile(`mount_${name}`, only(name, await pluginFile(plugin)), entry(name));
}

/** `npm run mount PLUGIN [-o options] [special] DIRECTORY`. */
async function buildAndMount(args: readonly string[]): Promise<number> {
  const [plugin, ...rest] = args;
  const flags = { o: "argument", f: "flag", d: "flag", v: "flag" } as const;
  const directory = getopt(rest, flags).rest.at(-1);
  if (plugin === undefined || plugin.startsWith("-") || directory === undefined) {
    throw usageFailure(
      "usage: npm run mount PLUGIN DIRECTORY, or npm run mount -- PLUGIN [-o options] DIRECTORY",
    );
  }
  const program = await build(plugin);
  await makeMountpoint(directory);
  const child = spawn(program, ["-v", ...rest], { stdio: "inherit" });
  // Ctrl-C in the foreground is for the mount program, which the terminal tells too.
  process.on("SIGINT", () => {});
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code) => resolve((code ?? exitCodes.mount) as ExitCode));
  });
}

function entry(name: string): string {
  return `import { main } from "${ROOT}/src/commands/personality.ts"; await main(${JSON.stringify(name)});`;
}

/** In place of the list of built-in plugins: a list of one. */
function only(name: string, file: string): Record<string, string> {
  const load = `() => import(${JSON.stringify(file)}).then((module) => module.default)`;
  return {
    [join(ROOT, "src/builtin.ts")]:
      `export const builtins = new Map([[${JSON.stringify(name)}, ${load}]]);`,
  };
}

function builtinFile(name: string): Promise<string> {
  return pluginFile(join(ROOT, "plugins", name)).catch(() => join(ROOT, "plugins", `${name}.ts`));
}

/** Into a file beside it first: a program that runs, or one that is being started, is not disturbed. */
async function compile(
  name: string,
  replaced: Record<string, string>,
  source: string,
): Promise<string> {
  mkdirSync(DIST, { recursive: true });
  const start = join(ROOT, "src", `${name}.entry.ts`);
  const unfinished = join(DIST, `.${name}.${process.pid}`);
  const finished = join(DIST, name);
  try {
    await Bun.build({
      entrypoints: [start],
      files: { ...replaced, [start]: source },
      // Nothing of the directory it is started in may change what it does.
      // Compiled ahead: half of the start is parsing otherwise.
      bytecode: true,
      format: "esm",
      compile: { outfile: unfinished, autoloadDotenv: false, autoloadBunfig: false },
      plugins: [
        {
          name: "puffs",
          setup(builder) {
            builder.onResolve({ filter: /^puffs$/ }, () => ({ path: join(ROOT, "src/index.ts") }));
          },
        },
      ],
    });
    renameSync(unfinished, finished);
  } catch (error) {
    const [first = error] = (error as { errors?: unknown[] }).errors ?? [];
    throw failureOf(first, `${name} cannot be built`, exitCodes.system);
  } finally {
    rmSync(unfinished, { force: true });
  }
  log.info(`built ${relative(process.cwd(), finished)}`);
  return finished;
}
