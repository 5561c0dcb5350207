import { chmod, lutimes, mkdir, symlink, unlink, utimes } from "node:fs/promises";
import { Errno } from "../errno.ts";
import { S_IFDIR, S_IFLNK, S_IFREG } from "../mode.ts";
import type { Client, Node } from "./client.ts";
import {
  inside,
  LocalError,
  type LocalPath,
  localPath,
  openForWriting,
  peekAt,
  textOf,
  writeAll,
} from "./local.ts";
import { below, lastName, type Manner } from "./manner.ts";

/**
 * Copy what is at `paths` out of a file system to `local`: into it if that is a directory, else there is one path and `local` is what it
 * becomes. Permissions, times and symbolic links are kept; owners and set-id bits are not.
 */
export async function copyOut(
  client: Client,
  paths: readonly string[],
  local: string,
  manner: Manner,
): Promise<void> {
  const { recursive, attempt } = manner;
  await attempt({ local }, async () => {
    const to = localPath(local);
    const into = (await peekAt(to, true))?.kind === S_IFDIR;
    if (!into && paths.length > 1) throw new LocalError("ENOTDIR");
    for (const path of paths) {
      const name = into ? lastName(path) : "";
      await attempt({ path, local: below(local, name) }, async () => {
        // With -r a link is copied, as cp(1) does; without, what it leads to.
        using node = await client.find(path, !recursive);
        await copy(client, node, path, name === "" ? to : inside(to, name), true, manner);
      });
    }
  });
}

async function copy(
  client: Client,
  node: Node,
  path: string,
  to: LocalPath,
  named: boolean,
  manner: Manner,
): Promise<void> {
  if (node.kind === S_IFDIR) {
    if (!manner.recursive) throw new Errno("EISDIR");
    await copyDirectory(client, node, path, to, named, manner);
  } else if (node.kind === S_IFLNK) await copyLink(client, node, to);
  else if (node.kind === S_IFREG) await copyFile(client, node, to, named);
  else throw new Errno("EOPNOTSUPP");
}

async function copyDirectory(
  client: Client,
  directory: Node,
  path: string,
  to: LocalPath,
  named: boolean,
  manner: Manner,
): Promise<void> {
  const existing = await peekAt(to, named);
  if (existing && existing.kind !== S_IFDIR) throw new LocalError("EEXIST");
  // What is put in it may be more than its own permissions allow.
  if (!existing) await mkdir(to, 0o700);
  for await (const { name } of client.list(directory)) {
    const child = below(path, name);
    const local = inside(to, name);
    await manner.attempt({ path: child, local: textOf(local) }, async () => {
      using node = await client.lookup(directory, name);
      await copy(client, node, child, local, false, manner);
    });
  }
  if (existing) return;
  await chmod(to, directory.attr.mode & 0o777);
  await utimes(to, ...timesOf(directory));
}

async function copyLink(client: Client, link: Node, to: LocalPath): Promise<void> {
  // A directory makes unlink(2) fail.
  if (await peekAt(to, false)) await unlink(to);
  await symlink(localPath(await client.readlink(link)), to);
  await lutimes(to, ...timesOf(link));
}

async function copyFile(client: Client, file: Node, to: LocalPath, named: boolean): Promise<void> {
  const local = await openForWriting(to, named);
  try {
    for await (const piece of client.read(file)) await writeAll(local, piece);
    // A device or a pipe of this system keeps its own.
    if (!(await local.stat()).isFile()) return;
    await local.chmod(file.attr.mode & 0o777);
    await local.utimes(...timesOf(file));
  } finally {
    await local.close();
  }
}

/** In seconds: node:fs has no more than a double for them, some hundred nanoseconds. */
function timesOf({ attr }: Node): [number, number] {
  return [attr.atime + attr.atimensec / 1e9, attr.mtime + attr.mtimensec / 1e9];
}
