import type { ArgsDef, CommandDef } from "citty";
import type { Client } from "../access/client.ts";
import { copyIn } from "../access/copy-in.ts";
import { copyOut } from "../access/copy-out.ts";
import { list, tree } from "../access/list.ts";
import type { Manner, Subject } from "../access/manner.ts";
import { access } from "../access/open.ts";
import { Output, OutputFailed, printable } from "../access/output.ts";
import { remove } from "../access/remove.ts";
import { lines, statLines } from "../access/show.ts";
import { targetOf } from "../access/target.ts";
import { Errno, errnoOf } from "../errno.ts";
import { exitCodes, Failure, messageOf, usageFailure } from "../failure.ts";
import { getopt, type Parsed } from "../getopt.ts";
import { findPlugin } from "../load.ts";
import { createLog } from "../log.ts";
import { S_IFLNK } from "../mode.ts";
import { parseOptions } from "../options/parse.ts";
import { strerror } from "../strerror.ts";
import { flagsOf } from "./flags.ts";

/*
 * The commands that work on a plugin without a mount: the plugin is started in this process, the command is done, the
 * plugin is ended.
 */

/** What a command has to work with. */
interface Work {
  readonly client: Client;
  /** The words after the plugin. */
  readonly operands: readonly string[];
  readonly given: Parsed;
  readonly output: Output;
  readonly manner: Manner;
}

interface Definition {
  readonly description: string;
  readonly usage: string;
  readonly flags?: ArgsDef;
  /** How many words must follow the plugin. */
  readonly least: number;
  run(work: Work): Promise<void>;
}

const COMMON = {
  plugin: { type: "positional", description: "PLUGIN[:SOURCE], a built-in one or a path" },
  path: { type: "positional", required: false, description: "in the file system: / is its root" },
  o: { type: "string", valueHint: "options", description: "the plugin's options, ro, deadline" },
  d: { type: "boolean", description: "show every request and its answer" },
} as const satisfies ArgsDef;

const ALL = { a: { type: "boolean", description: "also names that begin with a dot" } } as const;
const RECURSIVE = {
  r: { type: "boolean", description: "directories too, with all that is in them" },
} as const;

const DEFINITIONS = {
  ls: {
    description: "list a directory of a plugin's file system, without a mount",
    usage: "[-l] [-a] PLUGIN[:SOURCE] [PATH...]",
    flags: { l: { type: "boolean", description: "with attributes" }, ...ALL },
    least: 0,
    async run({ client, operands, given, output, manner }) {
      const options = { all: given.count("a") > 0, long: given.count("l") > 0 };
      await list(client, orRoot(operands), options, output, manner);
    },
  },
  tree: {
    description: "show all directories of a plugin's file system, without a mount",
    usage: "[-a] [-L DEPTH] PLUGIN[:SOURCE] [PATH...]",
    flags: {
      L: { type: "string", valueHint: "depth", description: "so many directories deep" },
      ...ALL,
    },
    least: 0,
    async run({ client, operands, given, output, manner }) {
      const depth = depthOf(given);
      for (const path of orRoot(operands))
        await tree(client, path, { all: given.count("a") > 0, depth }, output, manner);
    },
  },
  stat: {
    description: "show a file's attributes in a plugin's file system, without a mount",
    usage: "[-L] [-f] PLUGIN[:SOURCE] [PATH...]",
    flags: {
      L: { type: "boolean", description: "of what a symbolic link leads to" },
      f: { type: "boolean", description: "of the file system" },
    },
    least: 0,
    async run({ client, operands, given, output, manner }) {
      const ofSystem = given.count("f") > 0;
      const follow = ofSystem || given.count("L") > 0;
      for (const [index, path] of orRoot(operands).entries()) {
        await manner.attempt({ path }, async () => {
          using node = await client.find(path, follow);
          const target = node.kind === S_IFLNK ? await client.readlink(node) : undefined;
          const shown = ofSystem
            ? lines({ ...(await client.statfs(node)) })
            : statLines(path, node.attr, target);
          const text = shown.map((line) => `${output.shown(line)}\n`).join("");
          await output.print(`${index > 0 ? "\n" : ""}${text}`);
        });
      }
    },
  },
  cat: {
    description: "print files of a plugin's file system, without a mount",
    usage: "PLUGIN[:SOURCE] PATH...",
    least: 1,
    run: ({ client, operands, output, manner }) => cat(client, operands, output, manner),
  },
  cp: {
    description: "copy files out of a plugin's file system, without a mount",
    usage: "[-r] PLUGIN[:SOURCE] PATH... LOCAL",
    flags: {
      ...RECURSIVE,
      local: { type: "positional", required: false, description: "where to; - is standard output" },
    },
    least: 2,
    async run({ client, operands, output, manner }) {
      const local = operands.at(-1) ?? "";
      const paths = operands.slice(0, -1);
      if (local === "-") await cat(client, paths, output, manner);
      else await copyOut(client, paths, local, manner);
    },
  },
  put: {
    description: "copy files into a plugin's file system, without a mount",
    usage: "[-r] PLUGIN[:SOURCE] LOCAL... PATH",
    flags: {
      ...RECURSIVE,
      local: { type: "positional", required: false, description: "files; - is standard input" },
    },
    least: 2,
    run: ({ client, operands, manner }) =>
      copyIn(client, operands.slice(0, -1), operands.at(-1) ?? "", manner),
  },
  rm: {
    description: "remove files of a plugin's file system, without a mount",
    usage: "[-r] PLUGIN[:SOURCE] PATH...",
    flags: RECURSIVE,
    least: 1,
    async run({ client, operands, manner }) {
      for (const path of operands) await remove(client, path, manner);
    },
  },
} as const satisfies Readonly<Record<string, Definition>>;

/** ls, tree, stat, cat, cp, put, rm. */
export const accessCommands = Object.fromEntries(
  Object.entries<Definition>(DEFINITIONS).map(([name, definition]) => [
    name,
    commandOf(name, definition),
  ]),
) as Readonly<Record<keyof typeof DEFINITIONS, CommandDef>>;

function commandOf(name: string, definition: Definition): CommandDef {
  const { plugin, path, ...common } = COMMON;
  const args: ArgsDef = { plugin, ...positionals(definition, path), ...common };
  return {
    meta: { name, description: definition.description },
    args,
    run: ({ rawArgs }) => perform(name, definition, getopt(rawArgs, flagsOf(args))),
  };
}

/** Put copies to a path, the others from it. */
function positionals({ flags = {} }: Definition, path: (typeof COMMON)["path"]): ArgsDef {
  const { local, ...rest } = flags;
  return { ...rest, path, ...(local && { local }) };
}

async function perform(name: string, definition: Definition, given: Parsed): Promise<number> {
  const [word = "", ...operands] = given.rest;
  if (operands.length < definition.least) {
    throw usageFailure(`usage: puffs ${name} [-o options] [-d] ${definition.usage}`);
  }
  // Standard output is for what was asked for.
  console.log = console.info = console.debug = console.error;
  const target = targetOf(word);
  const plugin = await findPlugin(target.plugin);
  const options = parseOptions(given.all("o"), plugin.options);
  const log = createLog({ name: `puffs ${name}`, verbose: true });
  const trace =
    given.count("d") > 0 ? (line: string) => process.stderr.write(`${line}\n`) : undefined;

  let failed = false;
  let interrupted = false;
  const complain = (text: string) => {
    failed = true;
    if (!interrupted) log.error(printable(text));
  };
  const attempt = async ({ path, local }: Subject, action: () => Promise<void>) => {
    try {
      await action();
    } catch (error) {
      const code = errnoOf(error);
      if (code === undefined || error instanceof OutputFailed) throw error;
      const ours = path === undefined || (local !== undefined && !(error instanceof Errno));
      complain(`${ours ? local : `${word}:${path}`}: ${strerror(code)}`);
    }
  };

  const { client, close } = await access({ plugin, special: target.special, options, log, trace });
  const signal = untilSignal();
  const output = new Output();
  const manner = { recursive: given.count("r") > 0, attempt };
  const work = async () => {
    try {
      await definition.run({ client, operands, given, output, manner });
      await output.flush();
    } catch (error) {
      if (!(error instanceof OutputFailed)) throw error;
      const code = errnoOf(error) ?? "EIO";
      // Nobody wants to read on.
      if (code !== "EPIPE") complain(`standard output: ${strerror(code)}`);
    }
  };
  try {
    interrupted = await Promise.race([work().then(() => false), signal.received]);
  } finally {
    await close().catch((error) => complain(`${plugin.name} did not end well: ${reason(error)}`));
    signal.forget();
  }
  if (interrupted) return exitCodes.interrupted;
  return failed ? FAILED : exitCodes.ok;
}

async function cat(
  client: Client,
  paths: readonly string[],
  output: Output,
  { attempt }: Manner,
): Promise<void> {
  for (const path of paths) {
    await attempt({ path }, async () => {
      using file = await client.find(path);
      for await (const piece of client.read(file)) await output.write(piece);
    });
  }
}

/** The plugin is ended in order whoever wants the command to end; a second signal ends it at once. */
function untilSignal(): { readonly received: Promise<true>; forget(): void } {
  const { promise, resolve } = Promise.withResolvers<true>();
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  const receive = () => resolve(true);
  for (const name of signals) process.once(name, receive);
  // A plugin that neither answers nor has anything under way is waited for, too: the program would just be over.
  const alive = setInterval(() => {}, 2 ** 30);
  return {
    received: promise,
    forget() {
      clearInterval(alive);
      for (const name of signals) process.off(name, receive);
    },
  };
}

function orRoot(paths: readonly string[]): readonly string[] {
  return paths.length > 0 ? paths : ["/"];
}

function depthOf(given: Parsed): number {
  const text = given.all("L").at(-1);
  if (text === undefined) return Number.POSITIVE_INFINITY;
  if (!/^[1-9]\d*$/.test(text)) {
    throw usageFailure(`-L takes a number above 0, not ${JSON.stringify(text)}`);
  }
  return Number(text);
}

function reason(error: unknown): string {
  const code = error instanceof Failure ? undefined : errnoOf(error);
  return code === undefined ? messageOf(error) : strerror(code);
}

/** As of the commands of the same names: something of it could not be done, and was said. */
const FAILED = 1;
