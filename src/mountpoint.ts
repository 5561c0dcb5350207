import { constants } from "node:fs";
import { access, mkdir, realpath, stat, statfs } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { exitCodes, Failure, messageOf } from "./failure.ts";
import { type MountEntry, mountAt } from "./mountinfo.ts";
import type { Log } from "./session.ts";
import { unmount } from "./unmount.ts";

/**
 * Make sure that `path` is a directory that can be mounted on, and answer it absolute and without symbolic links. A dead FUSE
 * mount found there (its server is gone) is detached first. Rejects with a Failure. Never hangs on a mount that does not answer.
 */
export async function prepareMountpoint(path: string, log: Log): Promise<string> {
  const absolute = resolve(path);
  for (let dead = 0; dead < MOST_STACKED; dead++) {
    try {
      const found = await inTime(stat(absolute), path);
      if (!found.isDirectory()) {
        throw new Failure(`${path}: is not a directory; mount on a directory`);
      }
      const directory = await inTime(realpath(absolute), path);
      await refuseTwice(path, directory);
      await inTime(access(directory, constants.R_OK | constants.X_OK), path);
      return directory;
    } catch (error) {
      if (!DEAD.includes((error as { code?: string }).code)) throw explain(path, error);
    }
    const directory = join(await realpath(dirname(absolute)), basename(absolute));
    const left = mountAt(directory);
    if (!left?.type.startsWith("fuse")) break;
    log.warn(`${path}: detaching a dead mount of ${left.source}, whose server is gone`);
    await unmount(directory, { lazy: true });
  }
  throw new Failure(`${path}: a dead mount is in the way; unmount it: umount -l ${absolute}`);
}

/** Make the directory if it is absent, with those above it. */
export async function makeMountpoint(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (error) {
    // A dead mount is there, but cannot be looked at: preparing deals with it.
    const { code } = error as { code?: string };
    if (code !== "EEXIST" && code !== "ENOTCONN") throw explain(path, error);
  }
}

/**
 * The FUSE mount that a user means by `path`, dead or alive; a Failure if there is none. Looks at the mount itself, which may not
 * answer, only if the path is a symbolic link.
 */
export async function findMount(path: string): Promise<MountEntry> {
  const absolute = resolve(path);
  const parent = await inTime(realpath(dirname(absolute)), path).catch(() => dirname(absolute));
  const found =
    mountAt(join(parent, basename(absolute))) ??
    mountAt(await inTime(realpath(absolute), path).catch(() => absolute));
  if (found === undefined) {
    throw new Failure(`${path}: is not mounted; puffs list shows what is`);
  }
  if (!found.type.startsWith("fuse")) {
    throw new Failure(`${path}: is a mount of type ${found.type}, not ours; use umount`);
  }
  return found;
}

/**
 * Whether the server of a FUSE mount is gone. Asks for what the kernel never answers from its caches; a server that does not
 * answer in time is not gone.
 */
export async function isDead(directory: string): Promise<boolean> {
  return inTime(statfs(directory), directory).then(
    () => false,
    (error) => DEAD.includes(error.code),
  );
}

/** The second is what a request gets that was on its way when the server died. */
const DEAD: readonly unknown[] = ["ENOTCONN", "ECONNABORTED"];

const MOST_STACKED = 16;
const PATIENCE = 10_000;

async function refuseTwice(path: string, directory: string): Promise<void> {
  const mounted = mountAt(directory);
  if (!mounted?.type.startsWith("fuse")) return;
  // What stat says of a dead mount may come from the kernel's cache; this never does.
  await inTime(statfs(directory), path);
  const what = mounted.type.replace(/^fuse(blk)?\.?/, "") || mounted.source;
  throw new Failure(
    `${path}: ${what} is mounted here already; unmount it first: umount ${directory}`,
  );
}

function explain(path: string, error: unknown): Failure {
  if (error instanceof Failure) return error;
  const { code } = error as { code?: string };
  switch (code) {
    case "ENOENT":
      return new Failure(`${path}: there is no such directory; make it first: mkdir -p ${path}`);
    case "ENOTDIR":
      return new Failure(`${path}: is not a directory; mount on a directory`);
    case "EACCES":
    case "EPERM":
      return new Failure(`${path}: may not be read (${code}); mount on a directory of your own`);
    default:
      return new Failure(`${path}: ${messageOf(error)}`);
  }
}

async function inTime<T>(asked: Promise<T>, path: string): Promise<T> {
  let timer: Timer | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () =>
        reject(new Failure(`${path}: does not answer; is a mount hanging there?`, exitCodes.mount)),
      PATIENCE,
    );
  });
  try {
    return await Promise.race([asked, late]);
  } finally {
    clearTimeout(timer);
  }
}
