import { expect } from "bun:test";
import { type Client, type Entry, O_CREAT, O_DIRECTORY, O_RDONLY } from "../support/client.ts";
import { fails, readAll, type Subject, same, table, using } from "./case.ts";

/** Everything that is there, at most so much of it. */
async function walk(
  client: Client,
  visit: (path: string, entry: Entry) => Promise<unknown>,
): Promise<number> {
  let seen = 0;
  const pending = ["/"];
  for (let path = pending.pop(); path !== undefined && seen < 500; path = pending.pop()) {
    for (const entry of await client.readdir(path)) {
      if (entry.name === "." || entry.name === "..") continue;
      const below = path === "/" ? `/${entry.name}` : `${path}/${entry.name}`;
      await visit(below, entry);
      seen++;
      if (entry.type === 4) pending.push(below);
    }
  }
  return seen;
}

/** What holds for any file system, also for one that cannot be changed: it must hold something. */
export const tree: Subject = {
  name: "what is there",
  needs: [],
  cases: {
    "the root is a directory": async ({ client }) => {
      const stat = await client.stat("/");
      expect(stat.mode & 0o170000).toBe(0o040000);
      expect(stat.nlink).toBeGreaterThan(0);
    },
    "every name leads to what the directory says of it": async ({ client }) => {
      const seen = await walk(client, async (path, { ino, type }) => {
        const stat = await client.lstat(path);
        expect(stat.ino).toBe(ino);
        if (type !== 0) expect(stat.mode >> 12).toBe(type);
        expect(stat.nlink).toBeGreaterThan(0);
      });
      expect(seen).toBeGreaterThan(0);
    },
    "a scan gives each name once, and goes on from each": async ({ client }) => {
      await using(client.open("/", O_RDONLY | O_DIRECTORY), async (directory) => {
        const all = await directory.readdir();
        const names = all.map(({ name }) => name);
        expect(new Set(names).size).toBe(names.length);
        expect(names).toContain(".");
        expect(names).toContain("..");
        for (const [index, { offset }] of all.entries()) {
          if (index > 50) break;
          const rest = await directory.readdir(offset);
          expect(rest.map(({ name }) => name)).toEqual(names.slice(index + 1));
        }
      });
    },
    "files are as long as they say, and read alike in pieces": async ({ client }) => {
      await walk(client, async (path, { type }) => {
        if (type !== 8) return;
        const { size } = await client.stat(path);
        await using(client.open(path, O_RDONLY), async (file) => {
          expect((await file.stat()).size).toBe(size);
          const head = await readAll(file, 0, Math.min(size, 100_000));
          expect(head.length).toBe(Math.min(size, 100_000));
          for (const [from, length] of [
            [0, 1],
            [1, 5],
            [4090, 10],
            [65_530, 100],
          ] as const) {
            const expected = head.subarray(from, from + length);
            if (from + length <= head.length) same(await file.read(length, from), expected);
          }
          expect((await file.read(10, size)).length).toBe(0);
          expect((await file.read(10, size + 1_000_000)).length).toBe(0);
        });
      });
    },
    "what is not there: ENOENT": async ({ client }) => {
      await fails(client.lstat("/no such name"), "ENOENT");
      await fails(client.open("/no such name", O_RDONLY), "ENOENT");
      await fails(client.stat("/no such name/x"), "ENOENT");
    },
    "a file is no directory: ENOTDIR": async ({ client }) => {
      await walk(client, async (path, { type }) => {
        if (type !== 8) return;
        await fails(client.stat(`${path}/x`), "ENOTDIR");
        await fails(client.open(path, O_RDONLY | O_DIRECTORY), "ENOTDIR");
      });
    },
    "asked again, it answers the same": async ({ client }) => {
      const look = async () => {
        const found: unknown[] = [];
        await walk(client, async (path, entry) => {
          const { ino, mode, size, mtime } = await client.lstat(path);
          found.push([path, entry.ino, ino, mode, size, mtime]);
        });
        return found;
      };
      expect(await look()).toEqual(await look());
    },
  },
};

const NEW = "/new name";
const ATTEMPTS: Record<string, (client: Client) => Promise<unknown>> = {
  create: (client) => client.open(NEW, O_CREAT),
  mkdir: (client) => client.mkdir(NEW),
  mknod: (client) => client.mknod(NEW, 0o010644),
  symlink: (client) => client.symlink("x", NEW),
  unlink: async (client) => client.unlink(await any(client)),
  rename: async (client) => client.rename(await any(client), NEW),
  link: async (client) => client.link(await any(client), NEW),
};

/** For what cannot get or lose names: EPERM where the operation is left out, EROFS where the mount is read-only. */
export const fixed: Subject = {
  name: "names cannot be changed",
  needs: [],
  cases: table(
    Object.entries(ATTEMPTS),
    ([name]) => name,
    async ({ client }, [, attempt]) => {
      const names = async () => (await client.readdir("/")).map(({ name }) => name).sort();
      const before = await names();
      await fails(attempt(client), "EPERM", "EROFS");
      expect(await names()).toEqual(before);
    },
  ),
};

async function any(client: Client): Promise<string> {
  const found = (await client.readdir("/")).find(({ type }) => type === 8);
  if (found === undefined) throw new Error("no file at the root");
  return `/${found.name}`;
}
