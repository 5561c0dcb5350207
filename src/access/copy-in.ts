import { readdir } from "node:fs/promises";
import { Errno, type ErrnoName } from "../errno.ts";
import { S_IFDIR, S_IFLNK, S_IFREG } from "../mode.ts";
import type { Client, Node } from "./client.ts";
import {
  contentOf,
  inside,
  LocalError,
  type LocalPath,
  type LocalStat,
  localPath,
  statOf,
  targetOfLink,
  textOf,
} from "./local.ts";
import { below, lastName, type Manner } from "./manner.ts";

/** Standard input, in place of a file. */
export const STDIN = "-";

/**
 * Copy files of this system to `path` of a file system: into it if that is a directory, else there is one file and `path` is what it
 * becomes. Permissions, times and symbolic links are kept where the file system keeps them; owners are not.
 */
export async function copyIn(
  client: Client,
  locals: readonly string[],
  path: string,
  manner: Manner,
): Promise<void> {
  const { recursive, attempt } = manner;
  await attempt({ path }, async () => {
    using existing = await peekAtPath(client, path);
    const into = existing?.kind === S_IFDIR;
    if (!into && locals.length > 1) throw new Errno("ENOTDIR");
    for (const local of locals) {
      if (local === STDIN) {
        await attempt({ path }, () => putStream(client, existing, path));
        continue;
      }
      const name = into ? lastName(local) : "";
      await attempt({ path: below(path, name), local }, async () => {
        const from = localPath(local);
        const file = { ...(await statOf(from, !recursive)), path: from, label: local };
        if (into) await putInto(client, existing, name, file, below(path, name), manner);
        else await putAt(client, existing, path, file, manner);
      });
    }
  });
}

/** A file of this system. */
interface Source extends LocalStat {
  readonly path: LocalPath;
  /** As it is called to people. */
  readonly label: string;
}

async function peekAtPath(client: Client, path: string): Promise<Node | undefined> {
  try {
    return await client.find(path);
  } catch (error) {
    if ((error as Errno).code === "ENOENT") return undefined;
    throw error;
  }
}

/** To a path that is no directory. */
async function putAt(
  client: Client,
  existing: Node | undefined,
  path: string,
  file: Source,
  manner: Manner,
): Promise<void> {
  if (existing && file.kind === S_IFREG) return replaceContent(client, existing, file);
  using place = await client.place(path);
  if (place.slash && file.kind !== S_IFDIR) throw new Errno("ENOTDIR");
  await put(client, place.directory, place.name, existing, file, path, manner);
}

/** Into a directory; `name` "" is the directory itself. */
async function putInto(
  client: Client,
  directory: Node,
  name: string,
  file: Source,
  path: string,
  manner: Manner,
): Promise<void> {
  if (name === "") return putDirectory(client, directory, file, path, manner);
  using existing = await client.peek(directory, name);
  await put(client, directory, name, existing, file, path, manner);
}

async function put(
  client: Client,
  directory: Node,
  name: string,
  existing: Node | undefined,
  file: Source,
  path: string,
  manner: Manner,
): Promise<void> {
  if (file.kind === S_IFDIR) {
    if (!manner.recursive) throw new LocalError("EISDIR");
    if (existing && existing.kind !== S_IFDIR) throw new Errno("EEXIST");
    if (existing) return putDirectory(client, existing, file, path, manner);
    using made = await client.mkdir(directory, name, file.mode & 0o777);
    await putDirectory(client, made, file, path, manner);
    await keep(client, made, file);
    return;
  }
  if (file.kind !== S_IFLNK && file.kind !== S_IFREG) throw new LocalError("EOPNOTSUPP");
  if (existing?.kind === S_IFDIR) throw new Errno("EISDIR");
  if (existing?.kind === S_IFREG && file.kind === S_IFREG)
    return replaceContent(client, existing, file);
  // A link in the way is replaced, not followed.
  if (existing) await client.unlink(directory, name);
  using made = await make(client, directory, name, file);
  await keep(client, made, file);
}

async function make(client: Client, directory: Node, name: string, file: Source): Promise<Node> {
  return file.kind === S_IFLNK
    ? client.symlink(directory, name, await targetOfLink(file.path))
    : client.create(directory, name, file.mode & 0o777, contentOf(file.path));
}

async function replaceContent(client: Client, existing: Node, file: Source): Promise<void> {
  await client.write(existing, contentOf(file.path));
  await keep(client, existing, file, file.mode & 0o777);
}

async function putDirectory(
  client: Client,
  directory: Node,
  source: Source,
  path: string,
  manner: Manner,
): Promise<void> {
  if (!manner.recursive) throw new LocalError("EISDIR");
  for (const bytes of await readdir(source.path, { encoding: "buffer" })) {
    const name = textOf(bytes);
    const label = below(source.label, name);
    await manner.attempt({ path: below(path, name), local: label }, async () => {
      const from = inside(source.path, name);
      const file = { ...(await statOf(from, false)), path: from, label };
      await putInto(client, directory, name, file, below(path, name), manner);
    });
  }
}

async function putStream(client: Client, existing: Node | undefined, path: string): Promise<void> {
  const content = Bun.stdin.stream() as unknown as AsyncIterable<Uint8Array>;
  if (existing) return client.write(existing, content);
  using place = await client.place(path);
  if (place.slash) throw new Errno("ENOTDIR");
  using _ = await client.create(place.directory, place.name, 0o666 & ~process.umask(), content);
}

/** The time of the source, and permissions, where the file system keeps such things. */
async function keep(client: Client, node: Node, { mtime }: Source, mode?: number): Promise<void> {
  try {
    await client.change(node, { mtime, ...(mode !== undefined && { mode }) });
  } catch (error) {
    if (!NOT_KEPT.includes((error as Errno).code)) throw error;
  }
}

const NOT_KEPT: readonly ErrnoName[] = ["ENOSYS", "EPERM", "EOPNOTSUPP"];
