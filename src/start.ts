import { exitCodes, Failure, messageOf, usageFailure } from "./failure.ts";
import type { ParsedOptions } from "./options/parse.ts";
import { MS_READ_ONLY } from "./options/table.ts";
import type { AnyFileSystem, AnyPlugin } from "./plugin.ts";
import type { Log } from "./session.ts";
import type { Usermount } from "./usermount.ts";
import { checkFileSystem } from "./validate.ts";

/**
 * `special` as the plugin's source: mount(8) demands a word there, and "none" is the one for none. A Failure says `where` a source
 * that is missing goes, such as "before the directory".
 */
export function sourceOf(
  plugin: AnyPlugin,
  special: string | undefined,
  where: string,
): string | undefined {
  if (plugin.source === undefined) return undefined;
  const source = special === "none" ? undefined : special;
  if (source === undefined && plugin.source.required) {
    throw usageFailure(`${plugin.name} needs a source ${where}: ${plugin.source.description}`);
  }
  return source;
}

/** The plugin's command, if it takes one; a Failure if it takes none and there is one, or the other way round. */
export function commandOf(
  plugin: AnyPlugin,
  command: readonly string[] | undefined,
): readonly string[] | undefined {
  if (plugin.command === undefined && command !== undefined) {
    throw usageFailure(`${plugin.name} takes no command: leave out what follows the directory`);
  }
  if (plugin.command?.required && command === undefined) {
    throw usageFailure(
      `${plugin.name} needs a command after the directory and --: ${plugin.command.description}`,
    );
  }
  return command;
}

/** What of a mount its plugin is started with. */
export interface Start {
  readonly source: string | undefined;
  readonly command: readonly string[] | undefined;
  readonly options: ParsedOptions;
  readonly usermount: Usermount;
  readonly log: Log;
}

/** Start the plugin and check what it answers. Rejects with a Failure that names it. */
export async function startPlugin(
  plugin: AnyPlugin,
  { options, ...rest }: Start,
): Promise<AnyFileSystem> {
  let answer: unknown;
  try {
    answer = await plugin.start({
      ...rest,
      options: options.plugin,
      readOnly: isReadOnly(options),
    });
  } catch (error) {
    const exitCode = error instanceof Failure ? error.exitCode : exitCodes.mount;
    throw new Failure(`${plugin.name} did not start: ${messageOf(error)}`, exitCode);
  }
  try {
    return checkFileSystem(answer, plugin.name);
  } catch (error) {
    throw new Failure(messageOf(error), exitCodes.mount);
  }
}

/** The options as they hold for a file system, which may be for reading alone. */
export function optionsFor({ readOnly }: AnyFileSystem, options: ParsedOptions): ParsedOptions {
  return readOnly ? { ...options, flags: options.flags | MS_READ_ONLY } : options;
}

export function isReadOnly(options: ParsedOptions): boolean {
  return (options.flags & MS_READ_ONLY) !== 0;
}
