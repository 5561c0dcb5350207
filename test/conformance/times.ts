import { expect } from "bun:test";
import {
  type Client,
  type Moment,
  O_APPEND,
  O_CREAT,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  type Stat,
} from "../support/client.ts";
import {
  bytes,
  compare,
  fails,
  type Ground,
  make,
  type Subject,
  table,
  tick,
  using,
} from "./case.ts";

const T1: Moment = { sec: 1_000_000_001, nsec: 123_456_789 };
const T2: Moment = { sec: 1_500_000_002, nsec: 987_654_321 };

export const setting: Subject = {
  name: "utimensat",
  needs: ["write", "times"],
  cases: {
    ...table(
      [
        { sec: 0, nsec: 0 },
        { sec: 0, nsec: 1 },
        { sec: 1, nsec: 999_999_999 },
        { sec: 2 ** 31 - 1, nsec: 5 },
        { sec: 2 ** 31, nsec: 500_000_000 },
        { sec: 2 ** 32 + 7, nsec: 7 },
        { sec: -1, nsec: 0 },
        { sec: -2, nsec: 999_999_999 },
        { sec: -86_400, nsec: 1 },
      ],
      ({ sec, nsec }) => `${sec} seconds and ${nsec} nanoseconds`,
      async ({ client, at }, time) => {
        await make(client, at("f"));
        await client.mkdir(at("d"));
        for (const name of ["f", "d"]) {
          await client.utimes(at(name), time, T2);
          expect(timesOf(await client.stat(at(name)))).toEqual([time, T2]);
          await client.utimes(at(name), T1, time);
          expect(timesOf(await client.stat(at(name)))).toEqual([T1, time]);
        }
      },
    ),
    "OMIT leaves that one": async ({ client, at }) => {
      await make(client, at("f"));
      await client.utimes(at("f"), T1, T1);
      await client.utimes(at("f"), T2, "omit");
      expect(timesOf(await client.stat(at("f")))).toEqual([T2, T1]);
      await client.utimes(at("f"), "omit", T2);
      await client.utimes(at("f"), T1, "omit");
      expect(timesOf(await client.stat(at("f")))).toEqual([T1, T2]);
    },
    "OMIT of both leaves both": async ({ client, at }) => {
      await make(client, at("f"));
      await client.utimes(at("f"), T1, T2);
      const before = await client.stat(at("f"));
      await client.utimes(at("f"), "omit", "omit");
      expect(await client.stat(at("f"))).toEqual(before);
    },
    "NOW is the file system's clock": async ({ client, at }) => {
      await make(client, at("f"));
      const { mtime } = await client.stat(at("f"));
      await client.utimes(at("f"), T1, T1);
      await client.utimes(at("f"), "now", "omit");
      const stat = await client.stat(at("f"));
      expect(compare(stat.atime, mtime)).toBeGreaterThanOrEqual(0);
      expect(stat.mtime).toEqual(T1);
      await client.utimes(at("f"), "now", "now");
      expect(compare((await client.stat(at("f"))).mtime, mtime)).toBeGreaterThanOrEqual(0);
    },
    "changes the ctime": async (ground) => {
      const { client, at } = ground;
      await make(client, at("f"));
      const before = await client.stat(at("f"));
      await tick(ground, before);
      await client.utimes(at("f"), T1, T2);
      expect(compare((await client.stat(at("f"))).ctime, before.ctime)).toBeGreaterThan(0);
    },
    "of an open file": async ({ client, at }) => {
      await using(client.open(at("f"), O_CREAT | O_RDWR), async (file) => {
        await file.utimes(T1, T2);
        expect(timesOf(await file.stat())).toEqual([T1, T2]);
      });
    },
    "of what is not there: ENOENT": async ({ client, at }) => {
      await fails(client.utimes(at("no"), T1, T1), "ENOENT");
    },
    "the file's times stay when it is read back later": async ({ client, at }) => {
      await make(client, at("f"), "content");
      await client.utimes(at("f"), T1, T2);
      await using(client.open(at("f"), O_RDWR), async () => {});
      await client.rename(at("f"), at("g"));
      expect((await client.stat(at("g"))).mtime).toEqual(T2);
    },
  },
};

export const settingByOthers: Subject = {
  name: "utimensat, who may",
  needs: ["write", "times", "owners"],
  cases: {
    "the owner sets what he likes": async ({ alice, at }) => {
      await make(alice, at("f"), "", 0o400);
      await alice.utimes(at("f"), T1, T2);
      await alice.utimes(at("f"), "now", "now");
    },
    "who may write sets to NOW, and nothing else: EPERM": async ({ client, alice, at }) => {
      await make(client, at("f"), "", 0o666);
      await alice.utimes(at("f"), "now", "now");
      await fails(alice.utimes(at("f"), T1, T2), "EPERM");
      await fails(alice.utimes(at("f"), "now", "omit"), "EPERM");
      await fails(alice.utimes(at("f"), "omit", T1), "EPERM");
    },
    "who may not write: EACCES": async ({ client, alice, at }) => {
      await make(client, at("f"), "", 0o644);
      await fails(alice.utimes(at("f"), "now", "now"), "EACCES");
      await fails(alice.utimes(at("f"), T1, T2), "EPERM");
    },
  },
};

export const settingOfLinks: Subject = {
  name: "utimensat of symbolic links",
  needs: ["write", "times", "symlinks"],
  cases: {
    "follows, or not": async ({ client, at }) => {
      await make(client, at("f"));
      await client.symlink("f", at("l"));
      await client.utimes(at("l"), T1, T1);
      await client.lutimes(at("l"), T2, T2);
      expect(timesOf(await client.lstat(at("f")))).toEqual([T1, T1]);
      expect((await client.lstat(at("l"))).mtime).toEqual(T2);
    },
  },
};

function timesOf({ atime, mtime }: Stat): [Moment, Moment] {
  return [atime, mtime];
}

type Changed = "" | "c" | "mc";

/** An operation on f (a file), d (a directory) or l (a link) and whose mtime (m) and ctime (c) it changes. */
interface Row {
  readonly run: (client: Client, at: Ground["at"]) => Promise<unknown>;
  readonly changes: Readonly<Record<string, Changed>>;
}

const open = (client: Client, path: string, flags: number) =>
  using(client.open(path, flags), async () => {});

/** What POSIX and Linux say; all that is not named in `changes` stays. Names with a slash are in the directory p. */
const ROWS: Record<string, Row> = {
  create: { run: (c, at) => make(c, at("p/new")), changes: { p: "mc" } },
  mkdir: { run: (c, at) => c.mkdir(at("p/new")), changes: { p: "mc" } },
  mknod: { run: (c, at) => c.mknod(at("p/new"), 0o010644), changes: { p: "mc" } },
  symlink: { run: (c, at) => c.symlink("x", at("p/new")), changes: { p: "mc" } },
  "link of a file": {
    run: (c, at) => c.link(at("p/f"), at("q/new")),
    changes: { "p/f": "c", q: "mc" },
  },
  "link that fails": { run: (c, at) => fails(c.link(at("p/f"), at("p/d")), "EEXIST"), changes: {} },
  "unlink of one of two names": {
    run: (c, at) => c.unlink(at("p/h")),
    changes: { p: "mc", "p/g": "c" },
  },
  "unlink that fails": {
    run: (c, at) => fails(c.unlink(at("p/d")), "EISDIR", "EPERM"),
    changes: {},
  },
  rmdir: { run: (c, at) => c.rmdir(at("p/d")), changes: { p: "mc" } },
  "rmdir that fails": { run: (c, at) => fails(c.rmdir(at("p")), "ENOTEMPTY"), changes: {} },
  "rename in a directory": {
    run: (c, at) => c.rename(at("p/d"), at("p/new")),
    changes: { p: "mc" },
  },
  "rename between directories": {
    run: (c, at) => c.rename(at("p/d"), at("q/new")),
    changes: { p: "mc", q: "mc" },
  },
  "rename over one of two names": {
    run: (c, at) => c.rename(at("p/l"), at("p/h")),
    changes: { p: "mc", "p/g": "c" },
  },
  "rename that fails": {
    run: (c, at) => fails(c.rename(at("p"), at("p/d/x")), "EINVAL"),
    changes: {},
  },
  chmod: { run: (c, at) => c.chmod(at("p/f"), 0o611), changes: { "p/f": "c" } },
  "chmod of a directory": { run: (c, at) => c.chmod(at("q"), 0o711), changes: { q: "c" } },
  chown: { run: (c, at) => c.chown(at("p/f"), 5, 6), changes: { "p/f": "c" } },
  lchown: { run: (c, at) => c.lchown(at("p/l"), 5, 6), changes: { "p/l": "c" } },
  write: {
    run: (c, at) => using(c.open(at("p/f"), O_WRONLY), (file) => file.write(bytes("x"), 0)),
    changes: { "p/f": "mc" },
  },
  append: {
    run: (c, at) => using(c.open(at("p/f"), O_WRONLY | O_APPEND), (file) => file.write(bytes("x"))),
    changes: { "p/f": "mc" },
  },
  "write of nothing": {
    run: (c, at) => using(c.open(at("p/f"), O_WRONLY), (file) => file.write(bytes(""), 0)),
    changes: {},
  },
  truncate: { run: (c, at) => c.truncate(at("p/f"), 3), changes: { "p/f": "mc" } },
  "truncate to more": { run: (c, at) => c.truncate(at("p/f"), 300), changes: { "p/f": "mc" } },
  ftruncate: {
    run: (c, at) => using(c.open(at("p/f"), O_WRONLY), (file) => file.truncate(2)),
    changes: { "p/f": "mc" },
  },
  "open with O_TRUNC": {
    run: (c, at) => open(c, at("p/f"), O_WRONLY | O_TRUNC),
    changes: { "p/f": "mc" },
  },
  "open, O_CREAT of what exists": {
    run: (c, at) => open(c, at("p/f"), O_RDWR | O_CREAT),
    changes: {},
  },
  "open that fails": {
    run: (c, at) => fails(open(c, at("p/f"), O_RDWR | O_CREAT | 0o200), "EEXIST"),
    changes: {},
  },
  "reading everything": {
    run: async (c, at) => {
      await using(c.open(at("p/f"), O_RDONLY), (file) => file.read(100, 0));
      await c.readdir(at("p"));
      await c.readlink(at("p/l"));
      await c.stat(at("p/f"));
      await c.access(at("p/f"), 4);
    },
    changes: {},
  },
};

const XATTR_ROWS: Record<string, Row> = {
  setxattr: {
    run: (c, at) => c.setxattr(at("p/f"), "user.a", bytes("1")),
    changes: { "p/f": "c" },
  },
  removexattr: {
    run: async (c, at) => c.removexattr(at("p/g"), "user.b"),
    changes: { "p/g": "c" },
  },
};

const ALLOCATE_ROWS: Record<string, Row> = {
  "fallocate that grows": {
    run: (c, at) => using(c.open(at("p/f"), O_WRONLY), (file) => file.allocate(0, 0, 10_000)),
    changes: { "p/f": "mc" },
  },
  "a hole punched": {
    run: (c, at) => using(c.open(at("p/f"), O_WRONLY), (file) => file.allocate(3, 0, 3)),
    changes: { "p/f": "mc" },
  },
};

const WATCHED = ["p", "q", "p/f", "p/g", "p/h", "p/d", "p/l"];

async function follow(ground: Ground, { run, changes }: Row, tagged = false): Promise<void> {
  const { client, at } = ground;
  await client.mkdir(at("p"));
  await client.mkdir(at("q"));
  await client.mkdir(at("p/d"));
  await make(client, at("p/f"), "content");
  await make(client, at("p/g"), "content");
  await client.link(at("p/g"), at("p/h"));
  await client.symlink("f", at("p/l"));
  if (tagged) await client.setxattr(at("p/g"), "user.b", bytes("1"));
  const before = await look(client, at);
  await tick(ground, ...before.values());
  await run(client, at);
  const after = await look(client, at);
  const changed: Record<string, Changed> = {};
  for (const [name, stat] of after) {
    const old = before.get(name);
    // What took another's place is told by its inode.
    if (old === undefined || old.ino !== stat.ino) continue;
    const marks =
      `${mark("m", old.mtime, stat.mtime)}${mark("c", old.ctime, stat.ctime)}` as Changed;
    if (marks !== "" && (name !== "p/h" || !after.has("p/g"))) changed[name] = marks;
  }
  expect(changed).toEqual(changes);
}

async function look(client: Client, at: Ground["at"]): Promise<Map<string, Stat>> {
  const found = new Map<string, Stat>();
  for (const name of WATCHED) {
    const stat = await client.lstat(at(name)).catch(() => undefined);
    if (stat !== undefined) found.set(name, stat);
  }
  return found;
}

function mark(letter: string, before: Moment, after: Moment): string {
  const order = compare(after, before);
  expect(order).toBeGreaterThanOrEqual(0);
  return order > 0 ? letter : "";
}

const NEW: Record<string, (client: Client, path: string) => Promise<unknown>> = {
  file: (client, path) => make(client, path),
  directory: (client, path) => client.mkdir(path),
  "symbolic link": (client, path) => client.symlink("x", path),
  FIFO: (client, path) => client.mknod(path, 0o010644),
};

export const changing: Subject = {
  name: "mtime and ctime",
  needs: ["write", "times", "owners", "links", "symlinks", "special"],
  cases: {
    ...table(
      Object.entries(ROWS),
      ([name]) => name,
      (ground, [, row]) => follow(ground, row),
    ),
    ...table(
      Object.entries(NEW),
      ([name]) => `a new ${name} has one time, that of the directory`,
      async (ground, [, create]) => {
        const { client, at, directory } = ground;
        const before = await client.stat(directory);
        await tick(ground, before);
        await create(client, at("new"));
        const [stat, parent] = [await client.lstat(at("new")), await client.stat(directory)];
        expect(compare(stat.mtime, before.mtime)).toBeGreaterThan(0);
        expect(stat.ctime).toEqual(stat.mtime);
        expect(stat.atime).toEqual(stat.mtime);
        expect(compare(parent.mtime, before.mtime)).toBeGreaterThan(0);
      },
    ),
  },
};

export const changingByXattr: Subject = {
  name: "mtime and ctime, extended attributes",
  needs: [...changing.needs, "xattr"],
  cases: table(
    Object.entries(XATTR_ROWS),
    ([name]) => name,
    (ground, [, row]) => follow(ground, row, true),
  ),
};

export const changingByAllocation: Subject = {
  name: "mtime and ctime, fallocate",
  needs: [...changing.needs, "allocate"],
  cases: table(
    Object.entries(ALLOCATE_ROWS),
    ([name]) => name,
    (ground, [, row]) => follow(ground, row),
  ),
};

export const settingNonsense: Subject = {
  name: "utimensat of no time",
  needs: ["write", "times", "kernel"],
  cases: {
    "nanoseconds beyond a second: EINVAL": async ({ client, at }) => {
      await make(client, at("f"));
      await fails(client.utimes(at("f"), { sec: 1, nsec: 1_000_000_000 }, T1), "EINVAL");
      await fails(client.utimes(at("f"), T1, { sec: 1, nsec: -5 }), "EINVAL");
    },
  },
};
