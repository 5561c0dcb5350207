import type { Awaitable } from "./awaitable.ts";
import type { Companion } from "./companion.ts";
import type { FileSystemOperations, NodeOperations } from "./operations.ts";
import type { Log } from "./session.ts";
import type { Usermount } from "./usermount.ts";

/**
 * One option of a plugin, given as `-o name=value` (a boolean one as `-o name` or `-o noname`). Parsing, defaults, help,
 * the type that `start` sees and the tables in the docs come from this.
 *
 * - "string": any text.
 * - "boolean": false unless given or defaulted.
 * - "integer": decimal, between `min` and `max`.
 * - "size": bytes with an optional suffix k, m, g, t (powers of 1024), as tmpfs(5) has it; with `percentOf` also `N%`.
 * - "mode": octal permission bits, 0 to 07777.
 * - "choice": one of `choices`.
 */
export type Option =
  | OptionOf<"string", string>
  | OptionOf<"boolean", boolean>
  | (OptionOf<"integer", number> & { readonly min?: number; readonly max?: number })
  | (OptionOf<"size", number> & {
      readonly min?: number;
      readonly max?: number;
      /** What 100% stands for, in bytes (or whatever the option counts). Left out: a percentage is refused. */
      readonly percentOf?: () => number;
    })
  | OptionOf<"mode", number>
  | (OptionOf<"choice", string> & { readonly choices: readonly string[] });

interface OptionOf<Type extends string, Value> {
  readonly type: Type;
  /** One line for the help, lower case, no full stop. */
  readonly description: string;
  readonly default?: Value;
  /** Refuse to mount without it. */
  readonly required?: boolean;
}

export type Options = Readonly<Record<string, Option>>;

type ValueOf<O extends Option> = O extends { type: "choice"; choices: readonly (infer Choice)[] }
  ? Choice
  : O extends { type: "string" }
    ? string
    : O extends { type: "boolean" }
      ? boolean
      : number;

type Given<O extends Option> = O extends
  | { default: unknown }
  | { required: true }
  | { type: "boolean" }
  ? ValueOf<O>
  : ValueOf<O> | undefined;

/** What `start` gets for a table of options: booleans, defaulted and required ones always, the others or undefined. */
export type OptionValues<O extends Options> = { readonly [Name in keyof O]: Given<O[Name]> };

/** A running file system: what `start` answers. */
export interface FileSystem<N extends object> {
  /** The node of the mount point. */
  readonly root: N;
  readonly fs?: FileSystemOperations<N>;
  readonly node: NodeOperations<N>;
  /**
   * For how many seconds the kernel may believe what it was told, unless the user says otherwise (`attr_timeout` and its like)
   * or an answer does. Up to 2^32; Infinity is that. Left out: 1, 1 and 0. Only a file system that nobody but the kernel changes, or
   * that uses `usermount.invalidate...`, should promise more.
   */
  readonly timeouts?: {
    readonly attributes?: number;
    readonly names?: number;
    /** For names that do not exist. */
    readonly absent?: number;
  };
  /**
   * The kernel's caches of file contents survive from one open to the next. Say so if contents change by the kernel's
   * writes alone. Left out: cached pages are dropped at every open, and when size or mtime turn out to have changed.
   */
  readonly keepsContent?: boolean;
  /** Nothing can be changed: the mount is read-only, with or without `-o ro`. Left out: that is for the options to say. */
  readonly readOnly?: boolean;
  /**
   * The descriptor that answers of most operations come from, for a file system that is somewhere else: a mount that waits for requests
   * waits for it too. Asked again each time, for it may change. Left out: operations settle by the event loop, as promises do.
   */
  readonly companion?: () => Companion | undefined;
  /** Which locks `advlock` decides about; Linux keeps the others itself. Left out: both. */
  readonly locks?: { readonly posix: boolean; readonly flock: boolean };
}

/** What `start` is given. */
export interface StartContext<O extends Options> {
  readonly options: OptionValues<O>;
  /** The `special` argument of the command; undefined if the plugin takes none or it was left out. */
  readonly source: string | undefined;
  /** The command after `--`, a word each, at least one; undefined if the plugin takes none or it was left out. */
  readonly command: readonly string[] | undefined;
  /** The mount itself, to tell the kernel what changed behind its back. Its calls wait until the mount is up. */
  readonly usermount: Usermount;
  /** Whether the mount is read-only (`-o ro`); the kernel refuses changes on its own. */
  readonly readOnly: boolean;
  /** For people: the terminal, or the file of `-o log`. A warning before the mount is up is also said by the command that mounts. */
  readonly log: Log;
}

export interface Plugin<N extends object = object, O extends Options = Options> {
  /** What the mount program is called after: `mount_<name>`, and the type shown by mount(8). Letters, digits, - and _. */
  readonly name: string;
  /** One line for `puffs plugins`. */
  readonly description: string;
  /** What `special` is, one line; left out: the plugin takes none ("none" is accepted, as mount(8) demands one). */
  readonly source?: { readonly description: string; readonly required?: boolean };
  /**
   * What the command is that may follow the directory (`mount_NAME DIRECTORY -- COMMAND...`), one line; left out: the plugin takes none.
   * Starting it is the plugin's affair.
   */
  readonly command?: { readonly description: string; readonly required?: boolean };
  readonly options?: O;
  /** Begin: called once for a mount, before the kernel's first request. What it throws is the reason shown for not mounting. */
  readonly start: (context: StartContext<O>) => Awaitable<FileSystem<N>>;
}

/** A plugin of any nodes and options: what loading one from a file gives. */
// biome-ignore lint/suspicious/noExplicitAny: nodes and options are only known inside the plugin itself
export type AnyPlugin = Plugin<any, any>;
// biome-ignore lint/suspicious/noExplicitAny: nodes are only known inside the plugin itself
export type AnyFileSystem = FileSystem<any>;

/**
 * A plugin: one file, one default export. `start` keeps its state in its closure and answers the operations. Write the type
 * of what it answers: then a misspelt operation is a compile error.
 *
 *     export default definePlugin({
 *       name: "hello",
 *       description: "one file with one greeting",
 *       options: { text: { type: "string", default: "hello\n", description: "what the file says" } },
 *       start({ options }): FileSystem<MyNode> {
 *         return { root, node: { lookup, getattr, readdir, read } };
 *       },
 *     });
 */
export function definePlugin<N extends object, const O extends Options = Record<never, never>>(
  plugin: Plugin<N, O>,
): Plugin<N, O> {
  return plugin;
}
