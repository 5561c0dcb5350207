import type { CommandDef } from "citty";
import { type DaemonReporter, startDaemon } from "../daemon.ts";
import { COMFD } from "../doors/door.ts";
import { exitCodes, usageFailure } from "../failure.ts";
import { getopt } from "../getopt.ts";
import { findPlugin } from "../load.ts";
import { createLog } from "../log.ts";
import { mount, rehearse } from "../mount.ts";
import { helpLines, mountHelpLines } from "../options/help.ts";
import { type Manner, parseOptions, splitOptions } from "../options/parse.ts";
import type { AnyPlugin } from "../plugin.ts";
import type { Log } from "../session.ts";
import { endOnSignals, handleSignals } from "../signals.ts";
import { openTrace } from "../trace-file.ts";
import { VERSION } from "../version.ts";
import { flagsOf } from "./flags.ts";

/** How a mount program was called. */
export interface Call {
  /** Its name, argv[0]: begins its messages, and starts it again as a server. */
  readonly program: string;
  readonly args: readonly string[];
  /** In a server that was started so: how it reports. */
  readonly reporter: DaemonReporter | undefined;
}

/** `mount_NAME [-o options]... [-fdv] [special] directory [-- command...]`: the mount program of one plugin. Answers the exit code. */
export async function mountProgram(call: Call, load: () => Promise<AnyPlugin>): Promise<number> {
  const { program } = call;
  const given = getopt(call.args, flagsOf(PROGRAM_FLAGS));
  if (given.count("version") + given.count("V") > 0) return print(`${program} ${VERSION}`);
  if (given.count("help") + given.count("h") > 0) return print(mountHelp(program, await load()));
  return perform({
    ...call,
    ...operands(given.rest, given.after, program),
    load,
    lists: given.all("o"),
    manner: {},
    foreground: given.count("f") > 0,
    debug: given.count("d") > 0,
    verbose: given.count("v") > 0,
    fake: false,
  });
}

/** `mount.NAME special directory [-sfnvN] [-o options] [-t type]`: what mount(8) calls for `mount -t NAME`. */
export async function mountHelper(call: Call, load: () => Promise<AnyPlugin>): Promise<number> {
  const { program } = call;
  const given = getopt(call.args, HELPER_FLAGS);
  if (given.count("version") > 0) return print(`${program} ${VERSION}`);
  if (given.count("help") > 0) return print(mountHelp(program, await load()));
  if (given.count("N") > 0) {
    throw usageFailure(
      "-N: another mount namespace is entered with nsenter -m, not by this program",
    );
  }
  if (given.rest.length !== 2) {
    throw usageFailure(`usage: ${program} special directory [-sfnv] [-o options] [-t type]`);
  }
  return perform({
    ...call,
    ...operands(given.rest, 0, program),
    load,
    lists: given.all("o"),
    manner: { sloppy: given.count("s") > 0, lastWins: true },
    foreground: false,
    debug: false,
    verbose: given.count("v") > 0,
    fake: given.count("f") > 0,
  });
}

const PROGRAM_FLAGS = {
  o: { type: "string" },
  f: { type: "boolean" },
  d: { type: "boolean" },
  v: { type: "boolean" },
  help: { type: "boolean", alias: "h" },
  version: { type: "boolean", alias: "V" },
} as const;

/** For the list of commands; `puffsMount` runs it. */
export const mountCommand = {
  meta: {
    name: "mount",
    description: "mount a plugin: a built-in one by name, any by the path of its file",
  },
  args: {
    plugin: { type: "positional", description: "name, or path such as ./my.ts" },
    special: { type: "positional", required: false, description: "the plugin's source" },
    directory: { type: "positional", required: false, description: "where to mount" },
    ...PROGRAM_FLAGS,
  },
} satisfies CommandDef;

/** The help of a mount program: its command line and every option. */
export function mountHelp(
  program: string,
  {
    description,
    source,
    command,
    options = {},
  }: Pick<AnyPlugin, "description" | "source" | "command" | "options">,
): string {
  const special = source === undefined ? "" : source.required ? "SOURCE " : "[SOURCE] ";
  const words = command === undefined ? "" : command.required ? " -- COMMAND" : " [-- COMMAND]";
  const own = helpLines(options);
  return [
    `${program} - ${description}`,
    "",
    `usage: ${program} [-o OPTION[,OPTION]...]... [-f] [-d] [-v] ${special}DIRECTORY${words}`,
    ...(source === undefined ? [] : ["", `SOURCE is ${source.description}`]),
    ...(command === undefined ? [] : ["", `COMMAND is ${command.description}`]),
    "",
    "  -f  stay in the foreground; Ctrl-C unmounts",
    "  -d  likewise, and trace every request",
    "  -v  say what is done",
    ...(own.length === 0 ? [] : ["", "Options of the plugin:", ...indent(own)]),
    ...optionHelp(),
  ].join("\n");
}

function optionHelp(): string[] {
  return [
    "",
    "Options of every mount, for the kernel:",
    ...indent(mountHelpLines("kernel")),
    "",
    "for FUSE:",
    ...indent(mountHelpLines("fuse")),
    "",
    "for this program:",
    ...indent(mountHelpLines("session")),
  ];
}

/** `puffs mount PLUGIN [-o options]... [-fdv] [special] directory [-- command...]`. Answers the exit code. */
export async function puffsMount(
  args: readonly string[],
  reporter: DaemonReporter | undefined,
): Promise<number> {
  const given = getopt(args, flagsOf(PROGRAM_FLAGS));
  const [plugin, ...rest] = given.rest;
  const asksHelp = given.count("help") + given.count("h") > 0;
  if (plugin === undefined) {
    if (asksHelp) return print(mountHelp("puffs mount PLUGIN", ANY));
    throw usageFailure("usage: puffs mount PLUGIN [-o options] [-fdv] [special] directory");
  }
  const load = () => findPlugin(plugin);
  if (asksHelp) return print(mountHelp(`puffs mount ${plugin}`, await load()));
  return perform({
    program: "puffs",
    args: ["mount", ...args],
    reporter,
    ...operands(rest, given.after, `puffs mount ${plugin}`),
    load,
    lists: given.all("o"),
    manner: {},
    foreground: given.count("f") > 0,
    debug: given.count("d") > 0,
    verbose: given.count("v") > 0,
    fake: false,
  });
}

/** What the help of `puffs mount` without a plugin says of it. */
const ANY = {
  description: "mount a plugin: a built-in one by name, any by the path of its file",
  source: { description: "what the plugin serves, if it serves something" },
};

const HELPER_FLAGS = {
  o: "argument",
  t: "argument",
  N: "argument",
  s: "flag",
  f: "flag",
  n: "flag",
  v: "flag",
  help: "flag",
  version: "flag",
} as const;

interface Invocation extends Call {
  readonly load: () => Promise<AnyPlugin>;
  readonly special: string | undefined;
  readonly directory: string;
  readonly command: readonly string[] | undefined;
  readonly lists: readonly string[];
  readonly manner: Manner;
  readonly foreground: boolean;
  readonly debug: boolean;
  readonly verbose: boolean;
  readonly fake: boolean;
}

async function perform(invocation: Invocation): Promise<number> {
  const { program, args, load, lists, manner, foreground, debug, verbose, fake } = invocation;
  const { special, directory, command, reporter } = invocation;
  // An inherited descriptor stays with the process that was given it.
  const detaches = !foreground && !debug && !fake && process.env[COMFD] === undefined;
  if (detaches && reporter === undefined) {
    const log = createLog({ name: program, verbose });
    const mounted = await startDaemon(program, args, logFileOf(lists), log);
    log.info(`mounted on ${mounted}; unmount it with: ${unmountHint(mounted)}`);
    return exitCodes.ok;
  }
  const plugin = await load();
  const options = parseOptions(lists, plugin.options, manner);
  const log = serverLog(program, reporter);
  const trace = traceOf(options.mount.trace, debug);
  const request = { plugin, special, command, directory, options, log, trace };
  if (fake) {
    await rehearse(request);
    return exitCodes.ok;
  }
  surviveBugs(plugin.name, log);
  const live = await endOnSignals(() => mount(request), log);
  handleSignals(live, options.mount.grace ?? 0, log);
  // A working directory would keep another file system busy.
  if (reporter !== undefined) process.chdir("/");
  reporter?.mounted(live.directory);
  log.info(`${plugin.name} is mounted on ${live.directory}`);
  const { reason, message } = await live.ended;
  if (reason === "unmounted") {
    log.info(`${live.directory} is unmounted`);
    return exitCodes.ok;
  }
  log.error(
    `${live.directory}: the mount ended by a failure: ${message ?? "it does not say which"}`,
  );
  return exitCodes.system;
}

/** What a plugin throws in a timer or a promise of its own belongs to no request: it is logged, and the mount lives on. */
export function surviveBugs(plugin: string, log: Log): void {
  const report = (cause: unknown) => log.error(`${plugin} failed outside of any request`, cause);
  process.on("uncaughtException", report).on("unhandledRejection", report);
}

function unmountHint(directory: string): string {
  return process.geteuid?.() === 0 ? `umount ${directory}` : `fusermount3 -u ${directory}`;
}

function serverLog(program: string, reporter: DaemonReporter | undefined): Log {
  const log = createLog({ name: program, verbose: true, timestamps: reporter !== undefined });
  if (reporter === undefined) return log;
  return {
    ...log,
    warn: (message) => {
      reporter.warn(message);
      log.warn(message);
    },
  };
}

/** Where each request and its answer goes. */
function traceOf(path: string | undefined, debug: boolean): ((line: string) => void) | undefined {
  const file = path === undefined ? undefined : openTrace(path);
  if (!debug) return file;
  return (line) => {
    process.stderr.write(`${line}\n`);
    file?.(line);
  };
}

/** The log is opened by the command, before the plugin's options are known. */
function logFileOf(lists: readonly string[]): string | undefined {
  return lists.flatMap(splitOptions).findLast(({ name }) => name === "log")?.text || undefined;
}

/** `after` of the words came after `--`: with a directory before it that begins a command, else it only ends the options. */
function operands(rest: readonly string[], after: number, program: string) {
  const before = rest.slice(0, Math.max(0, rest.length - after));
  const hasCommand = before.length > 0 && after > 0;
  const command = hasCommand ? rest.slice(before.length) : undefined;
  const [first, second, ...more] = hasCommand ? before : rest;
  if (first === undefined || more.length > 0) {
    const problem =
      first === undefined ? "the directory is missing" : `too much: ${more.join(" ")}`;
    throw usageFailure(`${problem}; usage: ${program} [-o options] [-fdv] [special] directory`);
  }
  return second === undefined
    ? { special: undefined, directory: first, command }
    : { special: first, directory: second, command };
}

function indent(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`);
}

function print(text: string): number {
  process.stdout.write(`${text}\n`);
  return exitCodes.ok;
}
