import { describe, expect, test } from "bun:test";
import type { HostOptions } from "../../src/perfuse/host.ts";
import type { PerfuseNode } from "../../src/perfuse/node.ts";
import { bytes, viewOf } from "../support/wire.ts";
import {
  type Asked,
  attrOut,
  callOf,
  codeOf,
  DIRECTORY,
  dirent,
  entryOut,
  fileOf,
  initOut,
  openOut,
  type Shape,
  stage,
} from "./scripted.ts";

const DONE = new Uint8Array(0);
const ENOSYS = { errno: 38 };
const READ_ONLY = 0;
const WRITE_ONLY = 1;
const BOTH = 2;

type Handlers = Parameters<typeof stage>[0];

/** A stage with one file (or what `shape` says), number 5. */
async function withFile(
  handlers: Handlers = {},
  options: Partial<HostOptions> = {},
  shape: Shape = { size: 100 },
) {
  const made = await stage({ LOOKUP: () => entryOut(5, shape), ...handlers }, options);
  const file = (await made.node.lookup(made.root, "a", callOf())) as PerfuseNode;
  return { ...made, file };
}

/** Numbers of 32 bits in a body, by their places. */
function words(asked: Asked | undefined, ...places: number[]): number[] {
  const view = viewOf(asked?.body ?? DONE);
  return places.map((place) => view.getUint32(place, true));
}

describe("open files have one handle for reading and one for writing", () => {
  test("readers share one, writers another that can read as well; the last one takes both along", async () => {
    let fh = 50;
    const { daemon, node, file, end } = await withFile({ OPEN: () => openOut(fh++) });
    const call = callOf();
    const files = [READ_ONLY, READ_ONLY, WRITE_ONLY, BOTH, READ_ONLY].map(fileOf);
    for (const one of files) await node.open(file, one, call);
    expect(daemon.of("OPEN").map((asked) => words(asked, 0))).toEqual([[READ_ONLY], [BOTH]]);
    for (const one of files.slice(1)) await node.inactive(file, one);
    expect(daemon.of("RELEASE")).toEqual([]);
    await node.inactive(file, files[0]);
    // fh and flags.
    expect(daemon.of("RELEASE").map((asked) => words(asked, 0, 8))).toEqual([
      [51, BOTH],
      [50, READ_ONLY],
    ]);
    await end();
  });

  test("who may write only gets a handle that can do no more", async () => {
    const { daemon, node, file, end } = await withFile({
      OPEN: ({ body }) => (body[0] === BOTH ? { errno: 13 } : openOut(50)),
    });
    await node.open(file, fileOf(WRITE_ONLY), callOf());
    expect(daemon.of("OPEN").map((asked) => words(asked, 0))).toEqual([[BOTH], [WRITE_ONLY]]);
    expect(await codeOf(node.open(file, fileOf(3), callOf()))).toBe("EPERM");
    await end();
  });

  test("flags of the making are not passed on, others are; how it is to be cached is told", async () => {
    const { daemon, node, file, end } = await withFile({ OPEN: () => openOut(50, 0x1 | 0x2) });
    const one = fileOf(BOTH | 0o100 | 0o200 | 0o2000 | 0o4000);
    await node.open(file, one, callOf());
    expect(words(daemon.of("OPEN")[0], 0)).toEqual([BOTH | 0o4000]);
    expect([one.directIo, one.keepCache, one.stream]).toEqual([true, true, false]);
    await end();
  });

  test("a daemon without OPEN is asked once, and never to RELEASE", async () => {
    const { daemon, node, file, end } = await withFile({ OPEN: () => ENOSYS, READ: () => DONE });
    const one = fileOf(READ_ONLY);
    for (let i = 0; i < 2; i++) {
      await node.open(file, one, callOf());
      expect(await node.read(file, new Uint8Array(8), 0, callOf())).toBe(0);
      await node.inactive(file, one);
    }
    await end();
    expect(daemon.heard().filter((line) => /OPEN|RELEASE/.test(line))).toEqual(["OPEN 5"]);
  });

  test("what RELEASE answers is nobody's business, and directories have one of their own", async () => {
    const { daemon, node, root, end } = await stage({ RELEASEDIR: () => ENOSYS });
    const one = fileOf(0o200000);
    await node.open(root, one, callOf());
    await node.inactive(root, one);
    await end();
    expect(daemon.heard()).toEqual(["OPENDIR 1", "RELEASEDIR 1", "DESTROY 0"]);
  });

  test("an open that comes while the last one ends gets a handle that lives", async () => {
    let fh = 50;
    const { daemon, node, file, end } = await withFile({
      OPEN: () => openOut(fh++),
      RELEASE: () => undefined,
    });
    const one = fileOf(READ_ONLY);
    await node.open(file, one, callOf());
    const ending = Promise.resolve(node.inactive(file, one));
    const release = await daemon.until("RELEASE");
    const opening = Promise.resolve(node.open(file, one, callOf()));
    await Bun.sleep(5);
    expect(daemon.of("OPEN").length).toBe(1);
    daemon.reply(release, DONE);
    await Promise.all([ending, opening]);
    expect(file.read?.fh).toBe(51);
    const again = [node.inactive(file, one), node.open(file, one, callOf())];
    await Promise.all(again);
    expect(file.read?.fh).toBe(51);
    expect(daemon.of("RELEASE").length).toBe(1);
    daemon.handlers.RELEASE = () => DONE;
    await end();
  });
});

describe("FLUSH", () => {
  test("comes with each close of a file, and its error is the closer's", async () => {
    let answer: Uint8Array | { errno: number } = DONE;
    const { daemon, node, file, end } = await withFile({ FLUSH: () => answer });
    const one = fileOf(BOTH);
    expect(await codeOf(node.close(file, one, callOf()))).toBe("EBADF");
    await node.open(file, one, callOf());
    await node.close(file, one, callOf());
    answer = { errno: 28 };
    expect(await codeOf(node.close(file, one, callOf()))).toBe("ENOSPC");
    answer = ENOSYS;
    for (let i = 0; i < 2; i++)
      expect(await codeOf(node.close(file, one, callOf()))).toBe("answered");
    expect(daemon.of("FLUSH").length).toBe(3);
    await end();
  });

  test("can be left out: then what was written is synced before it is released", async () => {
    const { daemon, node, file, end } = await withFile(
      { WRITE: ({ body }) => bytes(body.length - 40, 0) },
      { flush: false },
    );
    const one = fileOf(BOTH);
    await node.open(file, one, callOf());
    await node.write(file, new Uint8Array(3), 0, callOf());
    await node.close(file, one, callOf());
    await node.inactive(file, one);
    await end();
    expect(daemon.heard().slice(1)).toEqual([
      ..."OPEN WRITE FSYNC RELEASE FORGET".split(" ").map((name) => `${name} 5`),
      "DESTROY 0",
    ]);
    // For its data only.
    expect(words(daemon.of("FSYNC")[0], 8)).toEqual([1]);
  });
});

describe("CREATE", () => {
  const FILE = 0o100640;

  test("opens for reading and writing, so that the open that follows is not asked for", async () => {
    const { daemon, node, root, end } = await stage({
      CREATE: () => bytes(entryOut(5), openOut(70)),
    });
    const made = (await node.create(root, "new", FILE, callOf(1001))) as PerfuseNode;
    await node.open(made, fileOf(WRITE_ONLY), callOf());
    const asked = daemon.of("CREATE")[0] as Asked;
    expect([asked.uid, ...words(asked, 0, 4, 8)]).toEqual([1001, 0o1102, FILE, 0]);
    expect(asked.text(16)).toBe("new");
    expect(daemon.of("OPEN")).toEqual([]);
    expect(made.write?.fh).toBe(70);
    await end();
  });

  test("is done by MKNOD and OPEN for the whole mount, if the daemon does not know it", async () => {
    let made = false;
    const { daemon, node, root, end } = await stage({
      LOOKUP: () => (made ? entryOut(5) : { errno: 2 }),
      MKNOD: () => {
        made = true;
        return entryOut(5);
      },
    });
    const file = (await node.create(root, "new", FILE, callOf())) as PerfuseNode;
    expect(file.write?.fh).toBe(50);
    expect(await codeOf(node.create(root, "new", FILE, callOf()))).toBe("EEXIST");
    await end();
    expect(daemon.heard()).toEqual([
      ..."CREATE 1,LOOKUP 1,MKNOD 1,LOOKUP 1,OPEN 5".split(","),
      ..."LOOKUP 1,FORGET 5,RELEASE 5,FORGET 5,DESTROY 0".split(","),
    ]);
    const counts = daemon.of("FORGET").map((asked) => words(asked, 0)[0]);
    expect(counts).toEqual([1, 2]);
  });

  test("can be left out", async () => {
    const { daemon, node, root, end } = await stage(
      { LOOKUP: () => ({ errno: 2 }) },
      { create: false },
    );
    expect(await codeOf(node.create(root, "new", FILE, callOf()))).toBe("ENOSYS");
    expect(daemon.heard()).toEqual(["LOOKUP 1", "MKNOD 1"]);
    await end();
  });

  test("devices are the superuser's to make, FIFOs anyone's", async () => {
    const { daemon, node, root, end } = await stage({
      MKNOD: () => entryOut(5, { mode: 0o010644 }),
    });
    expect(await codeOf(node.mknod(root, "d", 0o020644, 0x501, callOf(1001)))).toBe("EPERM");
    await node.mknod(root, "p", 0o010644, 0, callOf(1001));
    await node.mknod(root, "d", 0o020644, 0x501, callOf());
    expect(daemon.of("MKNOD").map((asked) => words(asked, 0, 4))).toEqual([
      [0o010644, 0],
      [0o020644, 0x501],
    ]);
    await end();
  });
});

describe("ACCESS", () => {
  test("is not asked unless that is wanted", async () => {
    const { hosting, end } = await stage();
    expect(hosting.fileSystem.node.access).toBeUndefined();
    await end();
  });

  test("is asked, and decided by attributes once the daemon does not know it", async () => {
    let answer: Uint8Array | { errno: number } = DONE;
    const { daemon, node, file, end } = await withFile({ ACCESS: () => answer }, { access: true });
    await node.access(file, 6, callOf(1001));
    answer = { errno: 13 };
    expect(await codeOf(node.access(file, 2, callOf()))).toBe("EACCES");
    answer = ENOSYS;
    expect(await codeOf(node.access(file, 4, callOf(1001)))).toBe("answered");
    expect(await codeOf(node.access(file, 2, callOf(1001)))).toBe("EACCES");
    expect(await codeOf(node.setattr(file, { mode: 0o777 }, callOf(1001)))).toBe("EPERM");
    expect(daemon.of("ACCESS").map((asked) => words(asked, 0))).toEqual([[6], [2], [4]]);
    await end();
  });
});

describe("reading and writing", () => {
  test("a read goes on until all is there or nothing comes", async () => {
    const content = Uint8Array.from({ length: 10 }, (_, i) => i + 1);
    const { daemon, node, file, end } = await withFile({
      READ: ({ body }) => {
        const [offset = 0, size = 0] = words({ body } as Asked, 8, 16);
        return content.slice(offset, offset + Math.min(size, 4));
      },
    });
    await node.open(file, fileOf(READ_ONLY), callOf());
    const into = new Uint8Array(12);
    expect(await node.read(file, into, 0, callOf())).toBe(10);
    expect([...into]).toEqual([...content, 0, 0]);
    expect(daemon.of("READ").map((asked) => words(asked, 0, 8, 16))).toEqual([
      [50, 0, 12],
      [50, 4, 8],
      [50, 8, 4],
      [50, 10, 2],
    ]);
    await end();
  });

  test("writes are cut to what the daemon takes at a time, and to pages", async () => {
    const { daemon, node, file, end } = await withFile({
      INIT: () => initOut({ maxWrite: 10_000 }),
      WRITE: ({ body }) => bytes(body.length - 40, 0),
    });
    await node.open(file, fileOf(BOTH), callOf());
    expect(await node.write(file, new Uint8Array(17_000), 5, callOf())).toBe(17_000);
    // offset, size, write_flags (WRITE_CACHE for whole pages), flags of the handle
    expect(daemon.of("WRITE").map((asked) => words(asked, 8, 16, 20, 32))).toEqual([
      [5, 8192, 1, BOTH],
      [8197, 8192, 1, BOTH],
      [16_389, 616, 0, BOTH],
    ]);
    expect(file.known.size).toBe(17_005);
    await end();
  });

  test("a write of which nothing is taken is an error and not for ever", async () => {
    const { node, file, end } = await withFile({ WRITE: () => bytes(0, 0) });
    await node.open(file, fileOf(BOTH), callOf());
    expect(await codeOf(node.write(file, new Uint8Array(3), 0, callOf()))).toBe("EIO");
    await end();
  });

  test("of directories neither", async () => {
    const { node, root, end } = await stage();
    expect(await codeOf(node.read(root, new Uint8Array(3), 0, callOf()))).toBe("EISDIR");
    expect(await codeOf(node.write(root, new Uint8Array(3), 0, callOf()))).toBe("EISDIR");
    await end();
  });

  test("reads run beside each other and beside a write; writes wait for each other, the end waits for them", async () => {
    const { daemon, node, file, end } = await withFile({
      READ: () => undefined,
      WRITE: () => undefined,
    });
    const one = fileOf(BOTH);
    await node.open(file, one, callOf());
    const data = new Uint8Array(3);
    const all = [
      node.write(file, data, 0, callOf()),
      node.write(file, data, 0, callOf()),
      node.read(file, new Uint8Array(3), 0, callOf()),
      node.read(file, new Uint8Array(3), 0, callOf()),
    ].map((answer) => Promise.resolve(answer));
    const ending = Promise.resolve(node.inactive(file, one));
    await daemon.until("READ", 2);
    expect(daemon.of("WRITE").length).toBe(1);
    for (const read of daemon.of("READ")) daemon.reply(read, new Uint8Array(3));
    daemon.reply(await daemon.until("WRITE", 1), bytes(3, 0));
    daemon.reply(await daemon.until("WRITE", 2), bytes(3, 0));
    await Promise.all([...all, ending]);
    await end();
    const order = daemon.heard().filter((line) => /WRITE|RELEASE/.test(line));
    expect(order).toEqual(["WRITE 5", "WRITE 5", "RELEASE 5"]);
  });

  test("who asks for attributes waits for a write that makes the file longer, and sees the size that it made", async () => {
    const { daemon, node, file, end } = await withFile({
      WRITE: () => undefined,
      GETATTR: () => attrOut({ size: 203 }),
    });
    await node.open(file, fileOf(BOTH), callOf());
    const writing = Promise.resolve(node.write(file, new Uint8Array(3), 200, callOf()));
    await daemon.until("WRITE");
    const asking = Promise.resolve(node.getattr(file, callOf()));
    await Bun.sleep(5);
    expect(daemon.of("GETATTR")).toEqual([]);
    daemon.reply(await daemon.until("WRITE"), bytes(3, 0));
    await Promise.all([writing, asking]);
    expect(file.known.size).toBe(203);
    // Through the handle.
    expect(words(daemon.of("GETATTR")[0], 0, 8)).toEqual([1, 50]);
    await end();
  });

  test("a size that was asked for before a write is not believed after it", async () => {
    const { daemon, node, file, end } = await withFile({
      WRITE: () => bytes(3, 0),
      GETATTR: () => undefined,
    });
    await node.open(file, fileOf(BOTH), callOf());
    const asking = Promise.resolve(node.getattr(file, callOf()));
    const asked = await daemon.until("GETATTR");
    await node.write(file, new Uint8Array(3), 200, callOf());
    daemon.reply(asked, attrOut({ size: 100 }));
    await asking;
    expect(file.known.size).toBe(203);
    await end();
  });
});

describe("names", () => {
  test("a name is taken away when the requests about what it names are answered", async () => {
    const { daemon, node, root, file, end } = await withFile({ GETATTR: () => undefined });
    const asking = Promise.resolve(node.getattr(file, callOf()));
    const asked = await daemon.until("GETATTR");
    const removing = Promise.resolve(node.remove(root, "a", callOf()));
    await Bun.sleep(5);
    expect(daemon.of("UNLINK")).toEqual([]);
    daemon.reply(asked, attrOut());
    await Promise.all([asking, removing]);
    expect(daemon.of("UNLINK").length).toBe(1);
    await end();
  });

  test("but whoever waits for a lock of it keeps nobody from that", async () => {
    const { daemon, node, root, file, end } = await withFile({
      INIT: () => initOut({ flags: 2 }),
      SETLKW: () => undefined,
    });
    await node.open(file, fileOf(BOTH), callOf());
    const lock = { type: "write", start: 0, end: Number.POSITIVE_INFINITY, pid: 7 } as const;
    const locking = Promise.resolve(node.advlock(file, "wait", lock, 9n, "posix", callOf()));
    const asked = await daemon.until("SETLKW");
    await node.remove(root, "a", callOf());
    daemon.reply(asked, DONE);
    await locking;
    await end();
  });

  test("what is removed is not there any more, but for those who have it open", async () => {
    const { daemon, node, root, file, end } = await withFile({
      SETATTR: () => attrOut({ size: 3 }),
    });
    const one = fileOf(BOTH);
    await node.open(file, one, callOf());
    await node.remove(root, "a", callOf());
    expect(await codeOf(node.remove(root, "gone", callOf()))).toBe("answered");
    await node.getattr(file, callOf());
    await node.setattr(file, { size: 3 }, callOf());
    await node.inactive(file, one);
    expect(await codeOf(node.getattr(file, callOf()))).toBe("ENOENT");
    expect(await codeOf(node.setattr(file, { size: 3 }, callOf()))).toBe("ENOENT");
    expect(await codeOf(node.open(file, one, callOf()))).toBe("ENOENT");
    expect(await codeOf(node.readlink(file, callOf()))).toBe("ENOENT");
    await node.fsync(file, false, callOf());
    expect(daemon.of("FSYNC")).toEqual([]);
    await end();
  });

  test("one of two names does not take the file along", async () => {
    const { node, root, file, end } = await withFile({}, {}, { nlink: 2 });
    await node.remove(root, "a", callOf());
    expect(await codeOf(node.getattr(file, callOf()))).toBe("answered");
    await end();
  });

  test("in a directory that is removed nothing is found or made", async () => {
    const { daemon, node, root, end } = await stage({ LOOKUP: () => entryOut(5, DIRECTORY) });
    const directory = (await node.lookup(root, "d", callOf())) as PerfuseNode;
    await node.rmdir(root, "d", callOf());
    expect(await codeOf(node.lookup(directory, "a", callOf()))).toBe("ESTALE");
    for (const action of [
      () => node.create(directory, "a", 0o100644, callOf()),
      () => node.mkdir(directory, "a", 0o040755, callOf()),
      () => node.remove(directory, "a", callOf()),
      () => node.rename(root, "x", directory, "a", 0, callOf()),
    ])
      expect(await codeOf(action())).toBe("ENOENT");
    expect(daemon.heard()).toEqual(["LOOKUP 1", "RMDIR 1"]);
    await end();
  });

  test("a rename takes the node along, and the one that was there is gone", async () => {
    let nodeid = 5;
    const { daemon, node, root, end } = await stage({ LOOKUP: () => entryOut(nodeid++) });
    const call = callOf();
    const [a, b] = [await node.lookup(root, "a", call), await node.lookup(root, "b", call)] as [
      PerfuseNode,
      PerfuseNode,
    ];
    await node.rename(root, "a", root, "b", 0, call);
    expect([a.name, b.removed]).toEqual(["b", true]);
    expect(await codeOf(node.rename(root, "b", root, "c", 1, call))).toBe("EINVAL");
    expect(daemon.of("RENAME").length).toBe(1);
    await end();
  });
});

describe("SETATTR", () => {
  const SIZE = 0x8;
  const MODE = 0x1;
  const FH = 0x40;

  test("of size and mode through a handle comes in two", async () => {
    const { daemon, node, file, end } = await withFile({ SETATTR: () => attrOut({ size: 9 }) });
    await node.open(file, fileOf(BOTH), callOf());
    await node.setattr(file, { size: 9, mode: 0o600 }, callOf());
    expect(daemon.of("SETATTR").map((asked) => words(asked, 0, 8, 16, 68))).toEqual([
      [SIZE | FH, 50, 9, 0],
      [MODE | FH, 50, 0, 0o600],
    ]);
    await end();
  });

  test("brings the times that are, where none are asked for; of nothing nothing comes", async () => {
    const { daemon, node, file, end } = await withFile({ SETATTR: () => attrOut() });
    await node.setattr(file, { uid: 12, gid: 13 }, callOf());
    // valid; atime, mtime and their nanoseconds; uid, gid
    expect(words(daemon.of("SETATTR")[0], 0, 32, 40, 56, 60, 76, 80)).toEqual([
      ...[0x6, 1000, 2000, 1, 2, 12, 13],
    ]);
    await node.setattr(file, { ctime: { sec: 1, nsec: 1 } }, callOf());
    expect(daemon.of("SETATTR").length).toBe(1);
    await end();
  });
});

describe("listings", () => {
  test("are brought whole, in as many parts as the daemon likes", async () => {
    const parts = [
      bytes(dirent(".", 1), dirent("..", 2), dirent("a", 900, 31)),
      bytes(dirent("b", 7, 0xffffffff, 0)),
      DONE,
    ];
    const { daemon, node, root, end } = await stage({ READDIR: () => parts.shift() ?? DONE });
    const call = callOf();
    await node.open(root, fileOf(0), call);
    expect(await node.readdir(root, 0, call)).toEqual([
      { name: "a", mode: 0o100000, ino: 31 },
      { name: "b", mode: undefined, ino: undefined },
    ]);
    expect(daemon.of("READDIR").map((asked) => words(asked, 0, 8))).toEqual([
      [60, 0],
      [60, 900],
      [60, 7],
    ]);
    await end();
  });

  test("of one directory come one after the other", async () => {
    const { daemon, node, root, end } = await stage({ READDIR: () => undefined });
    const listing = [0, 1].map(() => Promise.resolve(node.readdir(root, 0, callOf())));
    daemon.reply(await daemon.until("READDIR"), DONE);
    daemon.reply(await daemon.until("READDIR", 2), DONE);
    await Promise.all(listing);
    expect(daemon.of("OPENDIR").length).toBe(1);
    await end();
  });
});

describe("extended attributes", () => {
  test("have their names whole on Linux; what a daemon does not know is asked once", async () => {
    const { daemon, node, file, end } = await withFile({
      GETXATTR: () => ({ errno: 61 }),
      LISTXATTR: () => bytes("user.a\0trusted.b\0"),
    });
    expect(await codeOf(node.getextattr(file, "user", "x", callOf()))).toBe("ENOATTR");
    expect(daemon.of("GETXATTR")[0]?.text(8)).toBe("user.x");
    expect(await node.listextattr(file, "user", callOf())).toEqual(["a"]);
    for (let i = 0; i < 2; i++)
      expect(await codeOf(node.deleteextattr(file, "user", "x", callOf()))).toBe("EOPNOTSUPP");
    expect(daemon.of("REMOVEXATTR").length).toBe(1);
    await end();
  });

  test("are asked for as long as the caller has room, or for their length alone", async () => {
    const { daemon, node, file, end } = await withFile({
      GETXATTR: ({ body }) => (words({ body } as Asked, 0)[0] === 0 ? bytes(7, 0) : bytes("value")),
      LISTXATTR: ({ body }) =>
        (words({ body } as Asked, 0)[0] ?? 0) < 100 ? { errno: 34 } : bytes("user.a\0trusted.b\0"),
    });
    const roomy = (limit: number) => Object.assign(callOf(), { limit });
    expect(((await node.getextattr(file, "user", "x", roomy(0))) as Uint8Array).length).toBe(7);
    expect(await node.getextattr(file, "user", "x", roomy(300))).toEqual(bytes("value"));
    expect(daemon.of("GETXATTR").map((asked) => words(asked, 0))).toEqual([[0], [300]]);
    // What the caller does not see takes no room of its.
    expect(await node.listextattr(file, "user", roomy(20))).toEqual(["a"]);
    expect(await node.listextattr(file, "user", roomy(0))).toEqual(["a"]);
    expect(daemon.of("LISTXATTR").map((asked) => words(asked, 0))).toEqual([
      [20],
      [65536],
      [65536],
    ]);
    await end();
  });

  test("on NetBSD follow perfused: a name of the system's in the user's namespace is the user's", async () => {
    const { daemon, node, file, end } = await withFile({
      GETXATTR: () => bytes("value"),
      LISTXATTR: () => bytes("user.a\0plain\0trusted.b\0security-ish\0system.c\0"),
    });
    const call = Object.assign(callOf(), { lwp: 1 });
    for (const [namespace, name] of [
      ["user", "plain"],
      ["user", "user.a"],
      ["user", "trusted.b"],
      ["system", "trusted.b"],
      ["system", "plain"],
    ] as const)
      await node.getextattr(file, namespace, name, call);
    expect(daemon.of("GETXATTR").map((asked) => asked.text(8))).toEqual([
      ...["plain", "user.a", "user.trusted.b", "trusted.b", "system.plain"],
    ]);
    expect(await node.listextattr(file, "user", call)).toEqual(["user.a", "plain"]);
    expect(await node.listextattr(file, "system", call)).toEqual([
      ...["trusted.b", "security-ish", "system.c"],
    ]);
    await end();
  });
});

describe("locks", () => {
  const ALL = { start: 0, end: Number.POSITIVE_INFINITY, pid: 7 };

  test("are the daemon's only if it said so", async () => {
    const { hosting, end } = await stage();
    expect(hosting.fileSystem.node.advlock).toBeUndefined();
    await end();
    const other = await stage({ INIT: () => initOut({ flags: 1 << 10 }) });
    expect(other.hosting.fileSystem.locks).toEqual({ posix: false, flock: false });
    expect(other.hosting.fileSystem.node.advlock).toBeDefined();
    await other.end();
  });

  test("bring the last byte, and the owner to reads and the end", async () => {
    const { daemon, node, file, end } = await withFile({
      INIT: () => initOut({ flags: 2 }),
      SETLK: () => DONE,
      GETLK: () => bytes(5n, 0x7fffffffffffffffn, 1, 99),
      READ: () => DONE,
    });
    const call = callOf();
    const lock = { type: "write", start: 5, end: 9, pid: 7 } as const;
    expect(await codeOf(node.advlock(file, "set", lock, 77n, "posix", call))).toBe("EBADF");
    const one = fileOf(READ_ONLY);
    await node.open(file, one, call);
    await node.advlock(file, "set", { ...ALL, type: "unlock" }, 77n, "posix", call);
    expect(daemon.of("SETLK")).toEqual([]);
    await node.advlock(file, "set", lock, 77n, "posix", call);
    // fh, owner, start, end, type, pid, flags
    expect(words(daemon.of("SETLK")[0], 0, 8, 16, 24, 32, 36, 40)).toEqual([50, 77, 5, 9, 1, 7, 0]);
    expect(await node.advlock(file, "get", lock, 78n, "flock", call)).toEqual({
      ...{ type: "write", start: 5, end: Number.POSITIVE_INFINITY, pid: 99 },
    });
    await node.read(file, new Uint8Array(4), 0, call);
    // read_flags: LOCKOWNER, lock_owner
    expect(words(daemon.of("READ")[0], 20, 24)).toEqual([2, 77]);
    await node.inactive(file, one);
    // release_flags: FLUSH, lock_owner
    expect(words(daemon.of("RELEASE")[0], 12, 16)).toEqual([1, 77]);
    await end();
  });
});

describe("the rest", () => {
  test("POLL of a daemon without it is: always ready", async () => {
    const { daemon, node, file, end } = await withFile();
    expect(await node.poll(file, 0x5, undefined, callOf())).toBe(0x5);
    expect(await node.poll(file, 0x1, undefined, callOf())).toBe(0x1);
    expect(daemon.of("POLL").length).toBe(1);
    await end();
  });

  test("POLL asks to be told, and who polls is", async () => {
    const { daemon, node, file, end } = await withFile({ POLL: () => bytes(0, 0) });
    const { promise, resolve } = Promise.withResolvers<void>();
    expect(await node.poll(file, 0x1, resolve, callOf())).toBe(0);
    expect(words(daemon.of("POLL")[0], 8, 16)).toEqual([5, 1]);
    daemon.notify(1, 5n);
    await promise;
    await end();
  });

  test("STATFS is of the root", async () => {
    const { daemon, hosting, end } = await stage({
      STATFS: () => bytes(100n, 60n, 50n, 20n, 10n, 4096, 250, 512, 0, new Uint8Array(24)),
    });
    expect(await hosting.fileSystem.fs?.statvfs?.(callOf())).toEqual({
      ...{ blocks: 100, bfree: 60, bavail: 50, files: 20, ffree: 10 },
      ...{ frsize: 512, bsize: 4096, namemax: 250 },
    });
    expect(await hosting.fileSystem.node.pathconf?.(hosting.fileSystem.root, 4, callOf())).toBe(
      250,
    );
    expect(daemon.heard()).toEqual(["STATFS 1", "STATFS 1"]);
    await end();
  });

  test("pathconf(2) has the limits of perfused, and ENOSYS for the rest", async () => {
    const { daemon, node, root, end } = await stage();
    // _PC_LINK_MAX, PATH_MAX, PIPE_BUF, CHOWN_RESTRICTED, NO_TRUNC, SYNC_IO, FILESIZEBITS, SYMLINK_MAX, 2_SYMLINKS of NetBSD
    const names = [1, 5, 6, 7, 8, 10, 11, 12, 13];
    const limits = await Promise.all(names.map((name) => node.pathconf(root, name, callOf())));
    expect(limits).toEqual([32767, 1024, 512, 1, 1, 1, 42, 1024, 1]);
    expect(await codeOf(node.pathconf(root, 2, callOf()))).toBe("ENOSYS");
    expect(daemon.heard()).toEqual([]);
    await end();
  });

  test("what came after 7.13 is not asked at 7.13", async () => {
    const { hosting, end } = await stage();
    const { fallocate, fdiscard, seek, copyRange, tmpfile } = hosting.fileSystem.node;
    expect([fallocate, fdiscard, seek, copyRange, tmpfile]).toEqual(new Array(5).fill(undefined));
    await end();
  });

  test("FALLOCATE that the daemon cannot do is not asked again", async () => {
    const { daemon, node, file, end } = await withFile(
      {
        INIT: () => bytes(initOut({ minor: 31 }), new Uint8Array(40)),
        FALLOCATE: () => ({ errno: 95 }),
      },
      { minor: 31 },
    );
    expect(await codeOf(node.fallocate(file, 0, 10, 0, callOf()))).toBe("EBADF");
    await node.open(file, fileOf(BOTH), callOf());
    for (let i = 0; i < 2; i++)
      expect(await codeOf(node.fallocate(file, 0, 10, 0, callOf()))).toBe("EOPNOTSUPP");
    expect(daemon.of("FALLOCATE").length).toBe(1);
    await end();
  });

  test("an interrupted call interrupts its request", async () => {
    const { daemon, node, file, end } = await withFile({ READ: () => undefined });
    const controller = new AbortController();
    const reading = codeOf(node.read(file, new Uint8Array(9), 0, callOf(0, controller.signal)));
    const asked = await daemon.until("READ");
    controller.abort();
    const interrupt = await daemon.until("INTERRUPT");
    expect(viewOf(interrupt.body).getBigUint64(0, true)).toBe(asked.unique);
    daemon.reply(asked, { errno: 4 });
    expect(await reading).toBe("EINTR");
    await end();
  });

  test("requests go in the name of who asks", async () => {
    const { daemon, node, file, end } = await withFile();
    await node.getattr(file, callOf(1001));
    expect(daemon.of("GETATTR")[0]?.uid).toBe(1001);
    await end();
  });
});
