import { closeSync, openSync } from "node:fs";
import { COMFD, type Door } from "./doors/door.ts";
import { fuseDoor } from "./doors/fuse.ts";
import type { EngineMaker } from "./engine.ts";
import { Failure, failureOf, messageOf } from "./failure.ts";
import { type Guard, startGuard } from "./guard.ts";
import type { PuffsFlag } from "./library/flags.ts";
import { type MountEntry, mountAt } from "./mountinfo.ts";
import type { ParsedOptions } from "./options/parse.ts";
import type { AnyPlugin } from "./plugin.ts";
import { type Registration, register } from "./registry.ts";
import { type Ending, type Log, Session } from "./session.ts";
import { commandOf, isReadOnly, optionsFor, sourceOf, startPlugin } from "./start.ts";
import { unmountFromServer } from "./unmount.ts";
import type { Wishes } from "./wishes.ts";

export interface MountRequest {
  readonly plugin: AnyPlugin;
  /** The `special` argument, as given. */
  readonly special?: string | undefined;
  /** What followed `--`, at least one word. */
  readonly command?: readonly string[] | undefined;
  readonly directory: string;
  readonly options: ParsedOptions;
  readonly log: Log;
  /** One call per request and reply. */
  readonly trace?: ((line: string) => void) | undefined;
  /** More than the options can say. */
  readonly wishes?: Wishes | undefined;
  /** Who moves the bytes, if not an engine of ours: then the kernel's greeting is not waited for. */
  readonly engine?: EngineMaker | undefined;
}

/** A mount that this process serves. */
export interface LiveMount {
  /** Absolute, without symbolic links. */
  readonly directory: string;
  readonly session: Session;
  /** What the requests come from: the session's. */
  readonly descriptor: number;
  /** Settles when the mount has ended and everything of it is cleaned up. */
  readonly ended: Promise<Ending>;
  /** Unmount; a busy mount is detached after the grace time (seconds; 0: at once). */
  unmount(grace?: number): Promise<void>;
}

/**
 * Mount a plugin and serve it in this process: prepare the directory, start the plugin, attach to the kernel, serve. Resolves when
 * the kernel has shaken hands. Rejects with a Failure; then nothing is mounted, and what the plugin opened was closed by its `unmount`.
 */
export async function mount(request: MountRequest): Promise<LiveMount> {
  const { plugin, options, log, trace, engine } = request;
  const source = sourceOf(plugin, request.special, BEFORE);
  const command = commandOf(plugin, request.command);
  const door = await openDoor(options);
  const directory = await door.prepare(request.directory, log);
  const session = new Session(
    {
      ...sessionOptions(options),
      ...(await flagWishes(options)),
      ...request.wishes,
      directory,
      log,
      ...(trace && { trace }),
    },
    door.protocol(directory),
  );
  const fileSystem = await startPlugin(plugin, {
    source,
    command,
    options,
    usermount: session.usermount,
    log,
  });
  let guard: Guard | undefined;
  let descriptor: number;
  try {
    session.open(fileSystem);
    requireDescriptors();
    if (door.isLocal) guard = startGuard(directory);
    descriptor = await door.attach({
      directory,
      options: optionsFor(fileSystem, options),
      log,
      fsname: request.special ?? plugin.name,
      subtype: plugin.name,
      checksPermissions: fileSystem.node.access === undefined,
    });
  } catch (error) {
    guard?.release();
    await session.abandon();
    throw failureOf(error, directory);
  }
  const mounted = door.isLocal ? mountAt(directory) : undefined;
  if (mounted !== undefined) guard?.watch(mounted);

  session.serve(descriptor, () => unmountFromServer(directory, { lazy: true }), engine);
  try {
    if (!engine) await session.ready;
  } catch (error) {
    await door.unmount(directory, 0).catch(() => {});
    guard?.release();
    throw failureOf(error, `${directory}: the kernel and ${plugin.name} did not come to terms`);
  }
  const registration = door.isLocal ? enter(directory, plugin, session, log) : undefined;
  return {
    directory,
    session,
    descriptor,
    ended: cleanUp(session, mounted, guard, registration),
    unmount: (grace = options.mount.grace) => door.unmount(directory, grace),
  };
}

/** Once it is mounted it is too late to find that no more files may be open. */
function requireDescriptors(): void {
  const some: number[] = [];
  try {
    while (some.length < DESCRIPTORS) some.push(openSync("/dev/null", "r"));
  } catch (error) {
    const { code } = error as { code?: string };
    throw new Failure(
      `too few files may be open at once (${code}): a mount takes ${DESCRIPTORS}; raise the limit (ulimit -n)`,
    );
  } finally {
    for (const descriptor of some) closeSync(descriptor);
  }
}

/** What a mount takes with its threads, its guard and its entry in the list, and some to go on with. */
const DESCRIPTORS = 24;

/** The way to the kernel that a mount with these options takes, one of option `door`: by default that of PUFFS_COMFD, or the system's own. */
export function doorOf({ mount }: Pick<ParsedOptions, "mount">): string {
  if (mount.door !== undefined) return mount.door;
  if (process.env[COMFD] !== undefined) return "comfd";
  return process.platform === "linux" ? "fuse" : "puffs";
}

/** What is not Linux' own is loaded when it is asked for: every mount would wait for it. */
async function openDoor(options: ParsedOptions): Promise<Door> {
  const door = doorOf(options);
  if (door === "fuse") return fuseDoor();
  const { comfdDoor, puffsDoor } = await import("./doors/puffs.ts");
  return door === "comfd" ? comfdDoor() : puffsDoor();
}

/** Everything that can be checked without mounting: what -f of a mount helper does. */
export async function rehearse(request: MountRequest): Promise<void> {
  const { plugin, special, command, directory, log } = request;
  sourceOf(plugin, special, BEFORE);
  commandOf(plugin, command);
  await fuseDoor().prepare(directory, log);
}

/** Where a source goes on the command line. */
const BEFORE = "before the directory";

function sessionOptions(options: ParsedOptions) {
  const { mount } = options;
  const owner = process.geteuid?.() ?? 0;
  const all = {
    readOnly: isReadOnly(options),
    attributeTimeout: mount.attr_timeout,
    entryTimeout: mount.entry_timeout,
    negativeTimeout: mount.negative_timeout,
    directIo: mount.direct_io,
    kernelCache: mount.kernel_cache,
    writeback: mount.writeback,
    maxRead: mount.max_read,
    maxWrite: mount.max_write,
    maxReadahead: mount.max_readahead,
    maxBackground: mount.max_background,
    congestionThreshold: mount.congestion_threshold,
    deadline: mount.deadline === undefined ? undefined : mount.deadline * 1000,
    admits: mount.allow_root ? (uid: number) => uid === 0 || uid === owner : undefined,
  };
  return withoutUndefined(all);
}

/** What `puffs_flags` asks for, at whichever door. */
async function flagWishes({ mount }: ParsedOptions): Promise<Wishes> {
  if (mount.puffs_flags === undefined) return {};
  const { wishesOf } = await import("./library/flags.ts");
  return wishesOf(new Set(mount.puffs_flags.split("+") as PuffsFlag[]));
}

type Defined<T> = { [Key in keyof T as undefined extends T[Key] ? never : Key]: T[Key] } & {
  [Key in keyof T as undefined extends T[Key] ? Key : never]?: Exclude<T[Key], undefined>;
};

function withoutUndefined<T extends object>(object: T): Defined<T> {
  const entries = Object.entries(object).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Defined<T>;
}

/** The list of mounts is a convenience: without it the mount goes on. */
function enter(
  directory: string,
  plugin: AnyPlugin,
  session: Session,
  log: Log,
): Registration | undefined {
  try {
    return register({ directory, plugin: plugin.name }, () => session.statistics.served);
  } catch (error) {
    log.warn(`puffs list will not show this mount: ${messageOf(error)}`);
    return undefined;
  }
}

async function cleanUp(
  session: Session,
  mounted: MountEntry | undefined,
  guard: Guard | undefined,
  registration: Registration | undefined,
): Promise<Ending> {
  try {
    const ending = await session.ended;
    // An aborted connection leaves the mount where it was, dead.
    if (mounted !== undefined && mountAt(mounted.directory)?.id === mounted.id) {
      await unmountFromServer(mounted.directory, { dead: true }).catch(() => {});
    }
    return ending;
  } finally {
    registration?.remove();
    guard?.release();
  }
}
