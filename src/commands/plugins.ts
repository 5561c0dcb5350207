import { defineCommand } from "citty";
import { builtins } from "../builtin.ts";
import { exitCodes } from "../failure.ts";
import { getopt } from "../getopt.ts";
import { findPlugin } from "../load.ts";
import { helpLines } from "../options/help.ts";
import type { AnyPlugin } from "../plugin.ts";
import { flagsOf } from "./flags.ts";

const ARGS = {
  plugin: {
    type: "positional",
    required: false,
    description: "only these; a path shows a plugin of your own",
  },
} as const;

export const pluginsCommand = defineCommand({
  meta: { name: "plugins", description: "the built-in plugins and their options" },
  args: ARGS,
  run: async ({ rawArgs }) => {
    const { rest } = getopt(rawArgs, flagsOf(ARGS));
    const names = rest.length > 0 ? rest : [...builtins.keys()].sort();
    const plugins = await Promise.all(names.map(findPlugin));
    process.stdout.write(`${plugins.map(describe).join("\n\n")}\n`);
    return exitCodes.ok;
  },
});

function describe({ name, description, source, command, options = {} }: AnyPlugin): string {
  return [
    `${name} - ${description}`,
    ...(source === undefined ? [] : [`  source: ${source.description}`]),
    ...(command === undefined ? [] : [`  command: ${command.description}`]),
    ...helpLines(options).map((line) => `  ${line}`),
  ].join("\n");
}
