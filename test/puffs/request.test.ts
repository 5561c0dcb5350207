import { describe, expect, test } from "bun:test";
import { S_IFDIR, S_ISGID } from "../../src/mode.ts";
import { ExtattrNamespace, LockFlags, LockOp, LockType } from "../../src/puffs/flags.ts";
import { ALICE, codeOf, find, memory, ROOT, rig, system, TIME } from "./rig.ts";

/*
 * What NetBSD's kernel leaves to the server, and how its own file systems have it.
 */

describe("rename", () => {
  test("of one name of a file to another of its names takes the first away", async () => {
    const { kernel } = rig(await memory());
    const { newnode } = await kernel.create(kernel.root, "a", 0o644, ROOT);
    await kernel.link(kernel.root, "b", newnode, ROOT);
    const a = { directory: kernel.root, name: "a", node: newnode };
    await kernel.rename(a, { directory: kernel.root, name: "b", node: newnode }, ROOT);
    expect(await codeOf(find(kernel, "a"))).toBe("ENOENT");
    expect((await find(kernel, "b")).newnode).toBe(newnode);
    expect((await kernel.getattr(newnode, ROOT)).va.nlink).toBe(1);
  });

  test("of a name that leads elsewhere by now moves nothing", async () => {
    const { kernel } = rig(await memory(["mode=1777"]));
    const { newnode: mine } = await kernel.create(kernel.root, "a", 0o644, ALICE);
    await kernel.remove(kernel.root, "a", mine, ALICE);
    await kernel.create(kernel.root, "a", 0o644, ROOT);
    const stale = { directory: kernel.root, name: "a", node: mine };
    const moving = kernel.rename(stale, { directory: kernel.root, name: "b", node: 0 }, ALICE);
    expect(await codeOf(moving)).toBe("ENOENT");
    expect(await codeOf(find(kernel, "b"))).toBe("ENOENT");
  });

  test("lets a node go that it found instead and the kernel does not know", async () => {
    const first = {};
    const second = {};
    let there = first;
    let renames = 0;
    const reclaimed: object[] = [];
    const times = { atime: TIME, mtime: TIME, ctime: TIME };
    const attributes = { nlink: 1, uid: 0, gid: 0, size: 0, ...times };
    const { kernel, connection } = rig(
      system({
        lookup: () => there,
        getattr: () => ({ ...attributes, mode: S_IFDIR | 0o777 }),
        rename() {
          renames++;
        },
        reclaim: (node) => void reclaimed.push(node),
      }),
    );
    const { newnode } = await find(kernel, "a");
    there = second;
    const source = { directory: kernel.root, name: "a", node: newnode };
    const moving = kernel.rename(source, { directory: kernel.root, name: "b", node: 0 }, ALICE);
    expect(await codeOf(moving)).toBe("ENOENT");
    expect([renames, connection.vnodes.size]).toEqual([0, 2]);
    expect(reclaimed).toEqual([second]);
  });
});

describe("directories", () => {
  test("are not read(2) or unlinked: EISDIR, EPERM", async () => {
    let asked = 0;
    const { kernel } = rig(await memory());
    const { newnode } = await kernel.mkdir(kernel.root, "d", 0o755, ROOT);
    for (const directory of [kernel.root, newnode])
      expect(await codeOf(kernel.read(directory, 0, 100, ROOT))).toBe("EISDIR");
    expect(await codeOf(kernel.remove(kernel.root, "d", newnode, ROOT))).toBe("EPERM");
    const plain = rig(system({ read: () => ++asked }));
    expect(await codeOf(plain.kernel.read(plain.kernel.root, 0, 9, ROOT))).toBe("EISDIR");
    expect(asked).toBe(0);
  });
});

test("what is made has S_ISGID only for members of the directory's group", async () => {
  const { kernel } = rig(await memory(["mode=777", "gid=77"]));
  const member = { ...ALICE, groups: [77] };
  for (const [name, who, expected] of [
    ["a", ALICE, 0o755],
    ["b", member, S_ISGID | 0o755],
    ["c", ROOT, S_ISGID | 0o755],
  ] as const) {
    const { newnode } = await kernel.create(kernel.root, name, S_ISGID | 0o755, who);
    expect((await kernel.getattr(newnode, ROOT)).va.mode).toBe(expected);
  }
});

describe("file handles", () => {
  test("tell their length to whoever has no room yet, as getfh(2)", async () => {
    const { kernel } = rig(await memory());
    const { newnode } = await kernel.create(kernel.root, "a", 0o644, ROOT);
    const size = await kernel.handleSize(newnode);
    expect(size).toBe(16);
    expect((await kernel.nodetofh(newnode, size)).length).toBe(size);
    expect(await codeOf(kernel.nodetofh(newnode, size - 1))).toBe("E2BIG");
  });

  test("of a file that is gone are stale", async () => {
    const { kernel } = rig(await memory());
    const { newnode } = await kernel.create(kernel.root, "a", 0o644, ROOT);
    const handle = await kernel.nodetofh(newnode, 60);
    await kernel.remove(kernel.root, "a", newnode, ROOT);
    await kernel.release(newnode);
    expect(await codeOf(kernel.fhtonode(handle))).toBe("ESTALE");
  });

  test("are no lookups: the node that one led to goes with RECLAIM, not before", async () => {
    const { kernel, connection } = rig(await memory());
    const { newnode } = await kernel.create(kernel.root, "a", 0o644, ROOT);
    const handle = await kernel.nodetofh(newnode, 60);
    kernel.reclaim(newnode);
    expect(connection.vnodes.size).toBe(1);
    const { fhcookie } = await kernel.fhtonode(handle);
    await kernel.fhtonode(handle);
    expect(await codeOf(kernel.getattr(fhcookie, ROOT))).toBe("OK");
    expect(connection.vnodes.size).toBe(2);
    kernel.reclaim(fhcookie);
    expect(connection.vnodes.size).toBe(1);
  });
});

test("what is above a directory that a handle led to, the plugin is asked", async () => {
  const { kernel } = rig(await memory());
  const { newnode: outer } = await kernel.mkdir(kernel.root, "outer", 0o755, ROOT);
  const { newnode: inner } = await kernel.mkdir(outer, "inner", 0o755, ROOT);
  const { fileid } = (await kernel.getattr(outer, ROOT)).va;
  const handle = await kernel.nodetofh(inner, 60);
  kernel.reclaim(inner);
  kernel.reclaim(outer);
  const { fhcookie } = await kernel.fhtonode(handle);
  const { newnode } = await kernel.lookup(fhcookie, { name: ".." }, ROOT);
  expect((await kernel.getattr(newnode, ROOT)).va.fileid).toBe(fileid);
});

describe("what waits gives up", () => {
  test("poll, with the node that it is about", async () => {
    const { kernel, connection } = rig(system({ poll: () => 0 }));
    const { newnode } = await find(kernel, "file");
    const polled = kernel.poll(newnode, 1, ROOT);
    expect(connection.pending.size).toBe(1);
    kernel.reclaim(newnode);
    expect((await polled).error).toBe("EINTR");
    expect(connection.vnodes.size).toBe(1);
  });

  test("a lock, once its owner closes the file", async () => {
    const { kernel, connection } = rig(
      system({
        advlock: (_, operation, __, ___, ____, { signal }) =>
          operation === "wait"
            ? new Promise((_, reject) => {
                signal.addEventListener("abort", () =>
                  reject(Object.assign(new Error(), { code: "EINTR" })),
                );
              })
            : undefined,
      }),
    );
    const { newnode } = await find(kernel, "file");
    const lock = { op: LockOp.SETLK, flags: LockFlags.POSIX | LockFlags.WAIT, id: 5n };
    const fl = { start: 0, len: 0, pid: 9, type: LockType.WRLCK, whence: 0 };
    const waiting = kernel.advlock(newnode, { ...lock, fl }, ROOT);
    const unlock = (id: bigint) =>
      kernel.advlock(
        newnode,
        { op: LockOp.UNLCK, flags: LockFlags.POSIX, id, fl: { ...fl, type: LockType.UNLCK } },
        ROOT,
      );
    await unlock(6n);
    expect(connection.pending.size).toBe(1);
    await unlock(5n);
    expect(await codeOf(waiting)).toBe("EINTR");
  });
});

test("directories are listed by the numbers that stat(2) shows, also of a plugin that tells none", async () => {
  const directories = new Map(["one", "two"].map((name) => [name, { name }]));
  const times = { atime: TIME, mtime: TIME, ctime: TIME };
  const { kernel } = rig(
    system({
      lookup: (_, name) => directories.get(name) ?? null,
      getattr: () => ({ mode: S_IFDIR | 0o755, nlink: 2, uid: 0, gid: 0, size: 0, ...times }),
      readdir: () => [{ name: "one" }, { name: "two" }, { name: "three" }],
      rename: () => undefined,
    }),
  );
  const listed = async () => {
    const { entries } = await kernel.readdir(kernel.root, { offset: 0, room: 4096 }, ROOT);
    return Object.fromEntries(entries.map(({ name, ino }) => [name, ino]));
  };
  const number = async (cookie: number) => (await kernel.getattr(cookie, ROOT)).va.fileid;
  const { newnode: two } = await find(kernel, "two");
  expect((await listed()).two).toBe(await number(two));
  const from = { directory: kernel.root, name: "two", node: two };
  await kernel.rename(from, { directory: kernel.root, name: "three", node: 0 }, ROOT);
  const { one, two: old, three } = await listed();
  expect(three).toBe(await number(two));
  expect([one, old]).not.toContain(three);
});

test("so they are where only stat(2) is told numbers", async () => {
  const root = { ino: 70 };
  const one = { ino: 71 };
  const two = { ino: 72 };
  const times = { atime: TIME, mtime: TIME, ctime: TIME };
  const attributes = { mode: S_IFDIR | 0o755, nlink: 2, uid: 0, gid: 0, size: 0, ...times };
  for (const late of [false, true]) {
    const getattr = (node: object) => ({ ...attributes, ino: (node as typeof one).ino });
    const { kernel } = rig({
      ...system({
        lookup: (_, name) => (name === "one" ? one : two),
        getattr: late ? async (node) => getattr(node) : getattr,
        readdir: () => [{ name: "one" }, { name: "two", node: two }, { name: "three", node: {} }],
      }),
      root,
    });
    const { newnode } = await find(kernel, "one");
    await find(kernel, "two");
    const listed = async (directory: number) => {
      const { entries } = await kernel.readdir(directory, { offset: 0, room: 4096 }, ROOT);
      return entries.map(({ name, ino }) => [name, ino]);
    };
    const names = [
      ["two", 72],
      ["three", 0xffffffff],
    ];
    expect(await listed(kernel.root)).toEqual([[".", 70], ["..", 70], ["one", 71], ...names]);
    expect((await listed(newnode)).slice(0, 2)).toEqual([
      [".", 71],
      ["..", 70],
    ]);
    expect((await kernel.getattr(newnode, ROOT)).va.fileid).toBe(71);
  }
});

test("a name has 255 bytes at most", async () => {
  const { kernel } = rig(await memory());
  const longest = "é".repeat(127);
  const { newnode } = await kernel.create(kernel.root, `${longest}x`, 0o644, ROOT);
  expect((await find(kernel, `${longest}x`)).newnode).toBe(newnode);
  expect(await codeOf(find(kernel, `${longest}xy`))).toBe("ENAMETOOLONG");
});

test("space that only root gets is told as reserved", async () => {
  const space = { frsize: 4096, blocks: 100, bfree: 30, bavail: 20, files: 9, ffree: 4 };
  const { kernel } = rig(system({}, { statvfs: () => space }));
  const { bresvd, favail, namemax } = await kernel.statvfs();
  expect([bresvd, favail, namemax]).toEqual([10, 4, 255]);
});

test("an attribute of the system's is root's alone", async () => {
  const { kernel } = rig(await memory(["mode=777"]));
  const { newnode } = await kernel.create(kernel.root, "a", 0o666, ALICE);
  const set = (namespace: number, who: typeof ROOT) =>
    codeOf(kernel.setextattr(newnode, namespace, "x", new Uint8Array(3), who));
  expect(await set(ExtattrNamespace.USER, ALICE)).toBe("OK");
  expect(await set(ExtattrNamespace.SYSTEM, ALICE)).toBe("EPERM");
});
