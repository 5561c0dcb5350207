import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from "../../src/mode.ts";
import { type Client, type Moment, O_RDONLY, type Stat } from "../support/client.ts";

/** What of a file's attributes must be the same on two file systems that were treated alike. */
export interface Seen extends Pick<Stat, "nlink" | "uid" | "gid" | "rdev"> {
  readonly mode: string;
  /** Of files and symbolic links. */
  readonly size: number | undefined;
  /** Of files. */
  readonly blocks: number | undefined;
  /** Only if somebody set it: such times lie in the first thousand seconds after 1970. */
  readonly mtime: Moment | undefined;
}

export function seen(stat: Stat): Seen {
  const { mode, nlink, uid, gid, rdev, size, blocks, mtime } = stat;
  const kind = mode & S_IFMT;
  return {
    mode: mode.toString(8),
    nlink,
    uid,
    gid,
    rdev,
    size: kind === S_IFREG || kind === S_IFLNK ? size : undefined,
    blocks: kind === S_IFREG ? blocks : undefined,
    mtime: given(mtime),
  };
}

/** The time, if a step of the test has set it. */
export function given(time: Moment): Moment | undefined {
  return time.sec < 1000 ? time : undefined;
}

/** All there is below the root: by path the attributes, the content, extended attributes, and which names are one file. */
export async function snapshot(client: Client): Promise<Record<string, unknown>> {
  const all: Record<string, unknown> = {};
  const firstNames = new Map<number, string>();
  const visit = async (path: string): Promise<void> => {
    const stat = await client.lstat(path);
    const first = firstNames.get(stat.ino) ?? path;
    firstNames.set(stat.ino, first);
    const attributes = await attributesOf(client, path);
    all[path] = { ...seen(stat), first, attributes, content: await contentOf(client, path, stat) };
    if ((stat.mode & S_IFMT) !== S_IFDIR) return;
    const names = (await client.readdir(path)).map(({ name }) => name).sort();
    for (const name of names)
      if (name !== "." && name !== "..") await visit(path === "/" ? `/${name}` : `${path}/${name}`);
  };
  await visit("/");
  return all;
}

async function contentOf(client: Client, path: string, { mode, size }: Stat): Promise<unknown> {
  const kind = mode & S_IFMT;
  if (kind === S_IFLNK) return client.readlink(path);
  if (kind !== S_IFREG) return undefined;
  const file = await client.open(path, O_RDONLY);
  try {
    const content = await file.read(size + 1, 0);
    return `${content.length} bytes, hash ${Bun.hash(content)}`;
  } finally {
    await file.close();
  }
}

async function attributesOf(client: Client, path: string): Promise<unknown> {
  const names = (await client.listxattr(path)).sort();
  return Promise.all(
    names.map(async (name) => [name, Bun.hash(await client.getxattr(path, name))]),
  );
}
