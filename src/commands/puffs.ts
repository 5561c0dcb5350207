import { type CommandDef, defineCommand, renderUsage, runCommand } from "citty";
import type { DaemonReporter } from "../daemon.ts";
import { exitCodes, usageFailure } from "../failure.ts";
import { suggestion } from "../nearest.ts";
import { VERSION } from "../version.ts";
import { accessCommands } from "./access.ts";
import { listCommand } from "./list.ts";
import { mountCommand, puffsMount } from "./mount.ts";
import { pluginsCommand } from "./plugins.ts";
import { umountCommand } from "./umount.ts";

const commands = {
  mount: mountCommand,
  umount: umountCommand,
  list: listCommand,
  plugins: pluginsCommand,
  ...accessCommands,
} as const;

const main: CommandDef = defineCommand({
  meta: { name: "puffs", version: VERSION, description: "file systems as ordinary programs" },
  subCommands: commands,
});

/** The command for all plugins. Answers the exit code. */
export async function puffs(
  args: readonly string[],
  reporter: DaemonReporter | undefined,
): Promise<number> {
  const [word, ...rest] = args;
  if (word === undefined || word === "--help" || word === "-h" || word === "help") {
    process.stdout.write(await usage(main));
    return word === undefined ? exitCodes.usage : exitCodes.ok;
  }
  if (word === "--version" || word === "-V") {
    process.stdout.write(`puffs ${VERSION}\n`);
    return exitCodes.ok;
  }
  if (!Object.hasOwn(commands, word)) {
    const hint = suggestion(word, Object.keys(commands), "puffs --help lists them");
    throw usageFailure(`${word}: there is no such command; ${hint}`);
  }
  const command = commands[word as keyof typeof commands] as unknown as CommandDef;
  if (word === "mount") {
    // Its help is the plugin's too.
    return puffsMount(rest, reporter);
  }
  if (rest.includes("--help") || rest.includes("-h")) {
    process.stdout.write(await usage(command, main));
    return exitCodes.ok;
  }
  try {
    const { result } = await runCommand(command, { rawArgs: rest });
    return result as number;
  } catch (error) {
    if (error instanceof Error && error.name === "CLIError") {
      throw usageFailure(`${error.message}; see puffs ${word} --help`);
    }
    throw error;
  }
}

/** citty writes in colours whether or not anybody sees them. */
async function usage(command: CommandDef, parent?: CommandDef): Promise<string> {
  const text = await renderUsage(command, parent);
  return `${process.stdout.isTTY ? text : Bun.stripANSI(text)}\n`;
}
