import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import hello from "../../plugins/hello.ts";
import memfs from "../../plugins/memfs/memfs.ts";
import type { Client, Node } from "../../src/access/client.ts";
import { type Access, access } from "../../src/access/open.ts";
import { EIO } from "../../src/errno.ts";
import { now } from "../../src/index.ts";
import { S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG } from "../../src/mode.ts";
import { parseOptions } from "../../src/options/parse.ts";
import type { AnyPlugin } from "../../src/plugin.ts";
import type { Usermount } from "../../src/usermount.ts";
import frozen from "../support/frozen.ts";
import { Random } from "../support/random.ts";
import shelf, { watch } from "../support/shelf.ts";

const SCRATCH = mkdtempSync(join(tmpdir(), "puffs-access-"));
afterAll(() => rmSync(SCRATCH, { recursive: true, force: true }));

const SHELF = join(SCRATCH, "shelf.json");
const BOOKS = {
  books: {
    poems: { books: { short: "so long\n", up: { link: "../essay" }, deep: { books: {} } } },
    essay: "words\n",
    relative: { link: "poems/short" },
    absolute: { link: "/poems/up" },
    directory: { link: "poems/" },
    dangling: { link: "nowhere" },
    loop: { link: "loop" },
  },
};

const messages: string[] = [];
const log = {
  info: () => {},
  warn: () => {},
  error: (message: string) => void messages.push(message),
};

beforeEach(() => {
  writeFileSync(SHELF, JSON.stringify(BOOKS));
  watch.held.clear();
  watch.open = 0;
  watch.unmounted = 0;
  messages.length = 0;
});

function start(plugin: unknown, special?: string, lists: string[] = []): Promise<Access> {
  const one = plugin as AnyPlugin;
  return access({ plugin: one, special, options: parseOptions(lists, one.options), log });
}

async function bytesOf(client: Client, path: string): Promise<Buffer> {
  using file = await client.find(path);
  return Buffer.concat((await Array.fromAsync(client.read(file))).map((piece) => piece.slice()));
}

async function textOf(client: Client, path: string): Promise<string> {
  return (await bytesOf(client, path)).toString();
}

async function* pieces(...all: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* all;
}

function code(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => "done",
    (error) => error.code,
  );
}

describe("a path", () => {
  test("leads through directories, links and dots", async () => {
    const { client, close } = await start(shelf, SHELF);
    const same = [
      "/essay",
      "essay",
      "//poems/./deep/../..//essay",
      "/../../essay",
      "/poems/up",
      "/absolute",
      "/directory/up",
      "/directory/../essay",
    ];
    for (const path of same) expect([path, await textOf(client, path)]).toEqual([path, "words\n"]);
    expect(await textOf(client, "/relative")).toBe("so long\n");
    await close();
  });

  test("ends at a symbolic link if that is asked for, unless a slash follows", async () => {
    const { client, close } = await start(shelf, SHELF);
    const kind = async (path: string, follow: boolean) => {
      using node = await client.find(path, follow);
      return node.kind;
    };
    expect(await kind("/relative", false)).toBe(S_IFLNK);
    expect(await kind("/relative", true)).toBe(S_IFREG);
    expect(await kind("/directory", false)).toBe(S_IFLNK);
    expect(await kind("/directory/", false)).toBe(S_IFDIR);
    expect(await kind("/dangling", false)).toBe(S_IFLNK);
    await close();
  });

  test.each([
    ["", "ENOENT"],
    ["/nothing", "ENOENT"],
    ["/dangling", "ENOENT"],
    ["/loop", "ELOOP"],
    ["/loop/x", "ELOOP"],
    ["/essay/", "ENOTDIR"],
    ["/essay/x", "ENOTDIR"],
    ["/essay/..", "ENOTDIR"],
    ["/relative/", "ENOTDIR"],
  ])("%j fails with %s", async (path, expected) => {
    const { client, close } = await start(shelf, SHELF);
    expect(await code(client.find(path))).toBe(expected);
    await close();
    expect(watch.held.size).toBe(0);
  });

  test("can be too long, as a whole and in a name", async () => {
    const { client, close } = await start(memfs);
    expect(await code(client.find(`/${"x".repeat(255)}`))).toBe("ENOENT");
    expect(await code(client.find(`/${"x".repeat(256)}`))).toBe("ENAMETOOLONG");
    expect(await code(client.find("/.".repeat(2047)))).toBe("done");
    expect(await code(client.find("/.".repeat(2048)))).toBe("ENAMETOOLONG");
    await close();
  });

  test("has a place, but for the root and dots", async () => {
    const { client, close } = await start(shelf, SHELF);
    {
      using place = await client.place("/directory/new/");
      expect([place.name, place.slash, place.directory.kind]).toEqual(["new", true, S_IFDIR]);
    }
    expect(await code(client.place("/"))).toBe("EBUSY");
    expect(await code(client.place(""))).toBe("ENOENT");
    expect(await code(client.place("poems/.."))).toBe("EINVAL");
    expect(await code(client.place("/essay/x"))).toBe("ENOTDIR");
    expect(watch.held.size).toBe(0);
    await close();
  });
});

test("what was looked up is forgotten, what was opened is closed, and the end is awaited", async () => {
  const { client, close } = await start(shelf, SHELF);
  expect(await textOf(client, "/directory/up")).toBe("words\n");
  {
    using poems = await client.find("/poems");
    const names = (await Array.fromAsync(client.list(poems))).map(({ name }) => name);
    expect(names).toEqual(["short", "up", "deep"]);
    using file = await client.create(poems, "new", 0o640, pieces(Buffer.from("1")));
    expect(file.kind).toBe(S_IFREG);
    expect(watch.held.size).toBe(2);
    // A reader who has seen enough.
    for await (const _ of client.read(file)) break;
    for await (const _ of client.list(poems)) break;
  }
  expect(watch.held.size).toBe(0);
  expect(watch.open).toBe(0);
  const [first, second] = [close(), close()];
  await Promise.all([first, second]);
  expect(watch.unmounted).toBe(1);
  expect(JSON.parse(readFileSync(SHELF, "utf8")).of.books.poems.of.books.new.mode).toBe(
    S_IFREG | 0o640,
  );
  expect(await code(client.find("/essay"))).toBe("ENOTCONN");
  expect(messages).toEqual([]);
});

test("content goes in and comes out as it is, in as many pieces as it takes", async () => {
  const content = new Uint8Array(3_500_001).map((_, i) => (i * 7 + (i >> 8) * 13) & 0xff);
  for (const [plugin, special] of [
    [memfs, undefined],
    [shelf, SHELF],
  ] as const) {
    const { client, close } = await start(plugin, special);
    const { directory, name } = await client.place("/big");
    const parts = [content.subarray(0, 3), content.subarray(3, 3), content.subarray(3)];
    using file = await client.create(directory, name, 0o600, pieces(...parts));
    expect(Buffer.compare(await bytesOf(client, "/big"), content)).toBe(0);
    await client.write(file, pieces(Buffer.from("shorter")));
    expect(await textOf(client, "/big")).toBe("shorter");
    await client.write(file, pieces());
    expect(await textOf(client, "/big")).toBe("");
    await close();
  }
});

test("directories, links and times are made and changed", async () => {
  const { client, close } = await start(memfs);
  using root = await client.find("/");
  using directory = await client.mkdir(root, "d", 0o750);
  using link = await client.symlink(directory, "l", "../d");
  expect([directory.kind, directory.attr.mode & 0o7777]).toEqual([S_IFDIR, 0o750]);
  expect(await client.readlink(link)).toBe("../d");
  await client.change(directory, { mode: 0o700, mtime: { sec: -5, nsec: 6 } });
  using again = await client.find("/d");
  expect([again.attr.mode & 0o7777, again.attr.mtime, again.attr.mtimensec]).toEqual([
    0o700, -5, 6,
  ]);
  expect(again.attr.uid).toBe(process.geteuid?.() ?? 0);
  expect(await code(client.rmdir(root, "d"))).toBe("ENOTEMPTY");
  await client.unlink(directory, "l");
  await client.rmdir(root, "d");
  expect(await client.peek(root, "d")).toBeUndefined();
  expect((await client.statfs(root)).namelen).toBe(255);
  await close();
});

test("names are any bytes, and as many as there are", async () => {
  const { client, close } = await start(memfs);
  const names = Array.from({ length: 1500 }, (_, i) => `\udcff${"ä".repeat(60)}${i}`);
  {
    using root = await client.find("/");
    for (const name of names) (await client.mkdir(root, name, 0o700))[Symbol.dispose]();
    const listed = (await Array.fromAsync(client.list(root))).map(({ name }) => name);
    expect(listed.sort()).toEqual(names.sort());
  }
  await close();
});

test("what is no regular file has no content", async () => {
  const root = plain(S_IFDIR | 0o755);
  const pipe = plain(S_IFIFO | 0o644);
  const { client, close } = await start(
    fixed({
      root,
      node: {
        lookup: () => pipe,
        getattr: (node: object) => node,
        read: () => 0,
        write: () => 1,
      },
    }),
  );
  using file = await client.find("/pipe");
  using top = await client.find("/");
  const read = (node: Node) => code(Array.fromAsync(client.read(node)));
  expect(await read(file)).toBe("EOPNOTSUPP");
  expect(await read(top)).toBe("EISDIR");
  expect(await code(client.write(file, pieces()))).toBe("EOPNOTSUPP");
  expect(await code(Array.fromAsync(client.list(file)))).toBe("ENOTDIR");
  await close();
});

test("a file ends at its size, a directly read one where it says", async () => {
  const root = plain(S_IFDIR | 0o755);
  const file = plain(S_IFREG | 0o644, 10);
  const direct = plain(S_IFREG | 0o644);
  const { client, close } = await start(
    fixed({
      root,
      node: {
        lookup: (_: object, name: string) => (name === "direct" ? direct : file),
        getattr: (node: object) => node,
        open: (node: object, opened: { directIo: boolean }) => {
          opened.directIo = node === direct;
        },
        read(node: object, into: Uint8Array, offset: number) {
          const length = node === direct ? Math.min(into.length, 5000 - offset, 999) : into.length;
          into.fill(0x61, 0, length);
          return length;
        },
      },
    }),
  );
  expect((await bytesOf(client, "/file")).length).toBe(10);
  expect((await bytesOf(client, "/direct")).length).toBe(5000);
  await close();
});

test("read-only is read-only", async () => {
  const { client, close } = await start(shelf, SHELF, ["ro"]);
  using root = await client.find("/");
  using essay = await client.find("/essay");
  const changes = [
    client.create(root, "new", 0o600, pieces()),
    client.write(essay, pieces()),
    client.mkdir(root, "new", 0o700),
    client.symlink(root, "new", "x"),
    client.unlink(root, "essay"),
    client.rmdir(root, "poems"),
    client.change(essay, { mode: 0 }),
  ];
  expect(await Promise.all(changes.map(code))).toEqual(changes.map(() => "EROFS"));
  expect(await textOf(client, "/essay")).toBe("words\n");
  await close();
});

test("so is a file system that says that it cannot be changed", async () => {
  const { client, close } = await start(frozen);
  using root = await client.find("/");
  expect(await code(client.unlink(root, "file"))).toBe("EROFS");
  expect(await textOf(client, "/file")).toBe("");
  await close();
});

test("what a plugin cannot do is an error, what it does wrong too", async () => {
  const { client, close } = await start(hello);
  using root = await client.find("/");
  expect(await code(client.create(root, "new", 0o600, pieces()))).toBe("EPERM");
  expect(await code(client.unlink(root, "hello"))).toBe("EPERM");
  await close();
  const broken = fixed({
    root: plain(S_IFDIR | 0o755),
    node: {
      lookup: () => {
        throw new Error("a bug");
      },
      getattr: (node: object) => node,
    },
  });
  const { client: other, close: end } = await start(broken);
  expect(await code(other.find("/x"))).toBe("EIO");
  expect(messages).toEqual(["LOOKUP: the plugin failed, answered EIO"]);
  await end();
});

test("a source is demanded, and an unmount that fails is told", async () => {
  expect(await start(shelf).catch((error) => error.message)).toBe(
    "shelf needs a source after a colon: the JSON file",
  );
  const { close } = await start(shelf, SHELF, ["broken"]);
  expect(await code(close())).toBe("EIO");
  const { close: again } = await start(
    fixed({
      root: plain(S_IFDIR | 0o755),
      fs: { unmount: () => EIO },
      node: { lookup: () => null },
    }),
  );
  expect(await code(again())).toBe("EIO");
});

test("an operation that is under way at the end is told to give up", async () => {
  const asked = Promise.withResolvers<void>();
  const { client, close } = await start(
    fixed({
      root: plain(S_IFDIR | 0o755),
      node: {
        getattr: (node: object) => node,
        lookup: (_: object, __: string, { signal }: { signal: AbortSignal }) =>
          new Promise((_, reject) => {
            signal.addEventListener("abort", () =>
              reject(Object.assign(new Error(), { code: "EINTR" })),
            );
            asked.resolve();
          }),
      },
    }),
  );
  const lookup = code(client.find("/x"));
  await asked.promise;
  await close();
  expect(["EINTR", "ENOTCONN"]).toContain((await lookup) as string);
});

test("a plugin's hold on its mount works, as far as there is something to hold", async () => {
  let usermount: Usermount | undefined;
  let ended = 0;
  const root = plain(S_IFDIR | 0o755);
  const plugin = {
    name: "holder",
    description: "a test",
    start(context: { usermount: Usermount }) {
      usermount = context.usermount;
      return {
        root,
        fs: { unmount: () => void ended++ },
        node: { lookup: () => null, getattr: () => root },
      };
    },
  };
  const { client } = await start(plugin);
  expect(usermount?.directory).toBe("/");
  await usermount?.invalidateNode(root);
  await usermount?.invalidateName(root, "x");
  await usermount?.store(root, 0, new Uint8Array(3));
  expect(await usermount?.retrieve(root, 0, 100)).toHaveLength(0);
  expect(usermount?.knows(root)).toBe(true);
  await usermount?.unmount();
  expect(ended).toBe(1);
  expect(await code(client.find("/"))).toBe("ENOTCONN");
});

test("tree walks of any order leave nothing behind", async () => {
  const { client, close } = await start(shelf, SHELF);
  const random = new Random(7);
  const names = ["poems", "essay", "relative", "directory", "loop", "..", ".", "", "up", "deep"];
  for (let i = 0; i < 300; i++) {
    const path = Array.from({ length: 1 + (i % 5) }, () => random.pick(names)).join("/");
    await client.find(`/${path}`, i % 2 === 0).then(
      (node) => node[Symbol.dispose](),
      (error) => expect(["ENOENT", "ENOTDIR", "ELOOP"]).toContain(error.code),
    );
  }
  expect(watch.held.size).toBe(0);
  await close();
});

function plain(mode: number, size = 0) {
  const time = now();
  return { mode, nlink: 1, uid: 0, gid: 0, size, atime: time, mtime: time, ctime: time };
}

function fixed(fileSystem: object) {
  return { name: "fixed", description: "a test", start: () => fileSystem };
}
