import { describe, expect, test } from "bun:test";
import { closeDescriptor } from "../../ffi/device.ts";
import { socketPair } from "../../ffi/socket.ts";
import { ENOSYS } from "../../src/errno.ts";
import { host, type ObservedExchange } from "../../src/perfuse/host.ts";
import type { PerfuseNode } from "../../src/perfuse/node.ts";
import type { Usermount } from "../../src/usermount.ts";
import { bytes, viewOf } from "../support/wire.ts";
import {
  type Asked,
  attrOut,
  callOf,
  codeOf,
  DIRECTORY,
  entryOut,
  fileOf,
  initOut,
  openOut,
  Scripted,
  stage,
} from "./scripted.ts";
import { NOWHERE } from "./support.ts";

const DONE = new Uint8Array(0);
const report = () => {};

/** A usermount that notes its calls. */
function noting(): { usermount: Usermount; calls: unknown[][] } {
  const calls: unknown[][] = [];
  const usermount = new Proxy({} as Usermount, {
    get:
      (_, name) =>
      (...values: unknown[]) => {
        calls.push([name, ...values]);
        return Promise.resolve();
      },
  });
  return { usermount, calls };
}

describe("INIT", () => {
  test("offers 7.13 and what daemons of Linux like to hear of", async () => {
    const { daemon, end } = await stage();
    const body = viewOf(daemon.of("INIT")[0]?.body ?? DONE);
    expect([0, 4, 8].map((at) => body.getUint32(at, true))).toEqual([7, 13, 131072]);
    // ASYNC_READ, POSIX_LOCKS, ATOMIC_O_TRUNC, BIG_WRITES, DONT_MASK, FLOCK_LOCKS, DO_READDIRPLUS, MAX_PAGES
    expect(body.getUint32(12, true)).toBe(0x40246b);
    await end();
  });

  test("an answer that says no is the reason", async () => {
    const daemon = new Scripted({ INIT: () => ({ errno: 1 }) });
    expect(await codeOf(host({ socket: daemon.socket, usermount: NOWHERE, report }))).toBe("EPERM");
    daemon.close();
  });

  test("none in time: ETIMEDOUT", async () => {
    const daemon = new Scripted({ INIT: () => undefined });
    const hosting = host({ socket: daemon.socket, usermount: NOWHERE, report, patience: 20 });
    expect(await codeOf(hosting)).toBe("ETIMEDOUT");
    daemon.close();
  });

  test("a daemon that ends instead: ENOTCONN", async () => {
    const [ours, theirs] = socketPair("seqpacket");
    closeDescriptor(theirs);
    expect(await codeOf(host({ socket: ours, usermount: NOWHERE, report }))).toBe("ENOTCONN");
  });

  test("another protocol, or none: EPROTO", async () => {
    for (const body of [bytes(8, 1, 0, 0), bytes(7), bytes("hello there, kernel")]) {
      const daemon = new Scripted({ INIT: () => body });
      const hosting = host({ socket: daemon.socket, usermount: NOWHERE, report });
      expect(await codeOf(hosting)).toBe("EPROTO");
      daemon.close();
    }
  });

  test("its sizes are honoured", async () => {
    const { daemon, node, root, end } = await stage({
      INIT: () => initOut({ maxWrite: 65536, maxReadahead: 8192 }),
      LOOKUP: () => entryOut(5),
      READ: () => DONE,
    });
    const file = (await node.lookup(root, "a", callOf())) as PerfuseNode;
    await node.open(file, fileOf(0), callOf());
    await node.read(file, new Uint8Array(20_000), 0, callOf());
    expect(viewOf(daemon.of("READ")[0]?.body ?? DONE).getUint32(16, true)).toBe(8192);
    await end();
  });
});

describe("a message of a megabyte", () => {
  test("passes both ways", async () => {
    const size = 1 << 20;
    const content = Uint8Array.from({ length: size }, (_, i) => i * 7);
    const { daemon, node, root, end } = await stage({
      INIT: () => initOut({ flags: 1 << 22, maxWrite: size }),
      LOOKUP: () => entryOut(5),
      READ: () => content,
      WRITE: ({ body }) => bytes(body.length - 40, 0),
    });
    const file = (await node.lookup(root, "a", callOf())) as PerfuseNode;
    await node.open(file, fileOf(2), callOf());
    const into = new Uint8Array(size);
    expect(await node.read(file, into, 0, callOf())).toBe(size);
    expect(Buffer.compare(into, content)).toBe(0);
    expect(await node.write(file, content, 0, callOf())).toBe(size);
    const written = daemon.of("WRITE")[0]?.body.subarray(40) ?? DONE;
    expect(Buffer.compare(written, content)).toBe(0);
    await end();
  });

  test("that is too long for the socket is an error of that request alone", async () => {
    const { node, root, end } = await stage({ LOOKUP: () => entryOut(5) });
    const file = (await node.lookup(root, "a", callOf())) as PerfuseNode;
    const value = new Uint8Array(1 << 24);
    expect(await codeOf(node.setextattr(file, "user", "x", value, "any", callOf()))).toBe("EIO");
    expect(await codeOf(node.getattr(file, callOf()))).toBe("answered");
    await end();
  });
});

test("more requests than the socket has room for wait, and are all answered", async () => {
  const { daemon, node, root, end } = await stage({ LOOKUP: () => entryOut(5) });
  const file = (await node.lookup(root, "a", callOf())) as PerfuseNode;
  const call = callOf();
  const all = Array.from({ length: 2000 }, () => node.getattr(file, call));
  expect((await Promise.all(all)).length).toBe(2000);
  expect(daemon.of("GETATTR").length).toBe(2000);
  await end();
});

describe("the end", () => {
  test("comes in order: RELEASE, FORGET, DESTROY", async () => {
    const { daemon, hosting, node, root, end } = await stage({ LOOKUP: () => entryOut(5) });
    const file = (await node.lookup(root, "a", callOf())) as PerfuseNode;
    await node.open(file, fileOf(2), callOf());
    expect(hosting.counts).toEqual({ nodes: 2, exchanges: 0, leaked: 0 });
    await hosting.fileSystem.fs?.unmount?.();
    await hosting.ended;
    expect(daemon.heard().slice(2)).toEqual(["RELEASE 5", "FORGET 5", "DESTROY 0"]);
    expect(await codeOf(node.getattr(file, callOf()))).toBe("ENOTCONN");
    await end();
  });

  test("of a daemon in the middle answers every request once, at once", async () => {
    const { daemon, hosting, node, root, end } = await stage({
      LOOKUP: () => entryOut(5),
      GETATTR: () => undefined,
    });
    const file = (await node.lookup(root, "a", callOf())) as PerfuseNode;
    const all = Array.from({ length: 50 }, () => codeOf(node.getattr(file, callOf())));
    await daemon.until("GETATTR", 50);
    daemon.close();
    expect(new Set(await Promise.all(all))).toEqual(new Set(["ENOTCONN"]));
    await hosting.ended;
    expect(await codeOf(node.lookup(root, "a", callOf()))).toBe("ENOTCONN");
    await node.inactive(file, undefined);
    await node.reclaim(file);
    await end();
  });

  test("of one daemon can be the beginning of another", async () => {
    const first = await stage({ LOOKUP: () => entryOut(5) });
    const { hosting, node, root } = first;
    const old = (await node.lookup(root, "a", callOf())) as PerfuseNode;
    await node.open(old, fileOf(2), callOf());
    first.daemon.close();
    await hosting.ended;
    const second = new Scripted({
      LOOKUP: () => entryOut(5, { size: 8 }),
      GETATTR: ({ nodeid }) => attrOut(nodeid === 1 ? { ...DIRECTORY, ino: 99 } : {}),
    });
    await hosting.resume(second.socket);
    const ended = Promise.race([hosting.ended.then(() => "ended"), Bun.sleep(5).then(() => "on")]);
    expect(await ended).toBe("on");
    for (const action of [
      node.getattr(old, callOf()),
      node.read(old, new Uint8Array(1), 0, callOf()),
      node.open(old, fileOf(0), callOf()),
    ])
      expect(await codeOf(action)).toBe("ESTALE");
    expect((await node.getattr(root, callOf())) as object).toMatchObject({ ino: 99 });
    const young = (await node.lookup(root, "a", callOf())) as PerfuseNode;
    expect(young).not.toBe(old);
    await node.inactive(old, fileOf(2));
    await node.reclaim(old);
    await hosting.close();
    expect(second.heard()).toEqual(["GETATTR 1", "LOOKUP 1", "FORGET 5", "DESTROY 0"]);
    second.close();
  });

  test("is told to who has written what was not yet synced, though the daemon knew neither FLUSH nor FSYNC", async () => {
    const first = await stage({
      LOOKUP: ({ text }) => entryOut(text(0) === "a" ? 5 : 6),
      WRITE: ({ body }) => bytes(body.length - 40, 0),
      FSYNC: () => ({ errno: 38 }),
    });
    const { hosting, node, root } = first;
    const call = callOf();
    const [a, b] = (await Promise.all(
      ["a", "b"].map((name) => node.lookup(root, name, call)),
    )) as PerfuseNode[] as [PerfuseNode, PerfuseNode];
    const writer = fileOf(2);
    for (const file of [a, b]) await node.open(file, writer, call);
    const write = () => node.write(a, new Uint8Array(3), 0, call);
    await write();
    await node.close(a, writer, call);
    await node.fsync(a, false, call);
    await write();
    const ends = async () => [
      await codeOf(node.close(a, writer, call)),
      await codeOf(node.fsync(a, true, call)),
      await codeOf(node.fsync(a, false, call)),
      // Nothing was written to this one.
      await codeOf(node.fsync(b, false, call)),
    ];
    expect(await ends()).toEqual(["answered", "answered", "answered", "answered"]);
    await write();
    first.daemon.close();
    await hosting.ended;
    expect(await ends()).toEqual(["ENOTCONN", "ENOTCONN", "ENOTCONN", "answered"]);
    const second = new Scripted();
    await hosting.resume(second.socket);
    expect(await ends()).toEqual(["ESTALE", "ESTALE", "ESTALE", "answered"]);
    await hosting.close();
    second.close();
  });

  test("and what each of them knows is its own", async () => {
    const whole = (minor: number, flags = 0) =>
      bytes(initOut({ minor, flags }), new Uint8Array(minor < 23 ? 0 : 40));
    const file = { mode: 0o100644, size: 40 };
    const first = await stage(
      {
        INIT: () => whole(12, 2),
        LOOKUP: ({ text }) => (text(0) === "a" ? entryOut(5, file) : { errno: 2 }),
        GETATTR: ({ nodeid }) => attrOut(nodeid === 1 ? DIRECTORY : file),
        MKNOD: () => ({ errno: 30 }),
        SETLK: () => DONE,
      },
      { minor: 31 },
    );
    const { hosting, node, root } = first;
    const use = async () => {
      const call = callOf();
      const found = (await node.lookup(root, "a", call)) as PerfuseNode;
      await node.open(found, fileOf(2), call);
      const lock = { type: "write", start: 0, end: 9, pid: 7 } as const;
      return [
        await node.seek(found, 10, "hole", call),
        await node.seek(found, 10, "data", call),
        await codeOf(node.seek(found, 40, "data", call)),
        await codeOf(node.copyRange(found, 0, found, 20, 5, call)),
        await codeOf(node.fallocate(found, 0, 5, 0, call)),
        await codeOf(node.create(root, "new", 0o100644, call)),
        await codeOf(node.advlock(found, "set", lock, 7n, "posix", call)),
      ];
    };
    // Without LSEEK there are no holes, without COPY_FILE_RANGE the kernel copies by itself.
    const without = [40, 10, "ENXIO", "EOPNOTSUPP", "EOPNOTSUPP", "EROFS", "answered"];
    expect(await use()).toEqual(without);
    expect(first.daemon.of("CREATE").length).toBe(1);
    first.daemon.close();
    await hosting.ended;
    const second = new Scripted({
      ...first.daemon.handlers,
      INIT: () => whole(31),
      LSEEK: ({ body }) => bytes(viewOf(body).getBigUint64(8, true) + 1n),
      COPY_FILE_RANGE: () => bytes(5, 0),
      FALLOCATE: () => DONE,
      CREATE: () => ({ errno: 28 }),
    });
    await hosting.resume(second.socket);
    expect(await use()).toEqual([11, 11, "answered", "answered", "answered", "ENOSPC", "ENOLCK"]);
    second.close();
    await hosting.ended;
    const third = new Scripted({ ...first.daemon.handlers, INIT: () => whole(31, 2) });
    await hosting.resume(third.socket);
    expect(await use()).toEqual(without);
    expect(await use()).toEqual(without);
    const once = ["LSEEK", "COPY_FILE_RANGE", "FALLOCATE", "CREATE"] as const;
    expect(once.map((name) => third.of(name).length)).toEqual([1, 1, 1, 1]);
    await hosting.close();
    third.close();
  });

  test("a successor that does not answer leaves things as they are", async () => {
    const { hosting, node, root, end } = await stage({}, { patience: 20 });
    const mute = new Scripted({ INIT: () => undefined });
    expect(await codeOf(hosting.resume(mute.socket))).toBe("ETIMEDOUT");
    expect(await codeOf(node.getattr(root, callOf()))).toBe("answered");
    mute.close();
    await end();
  });
});

describe("notifications", () => {
  test("of what is not true any more go on to the kernel, those of nodes not known do not", async () => {
    const { usermount, calls } = noting();
    const { daemon, node, root, reports, end } = await stage(
      { LOOKUP: () => entryOut(5) },
      {},
      usermount,
    );
    const file = (await node.lookup(root, "a", callOf())) as PerfuseNode;
    daemon.notify(2, 5n, 4096n, 10n); // INVAL_INODE
    daemon.notify(2, 5n, -1n, 0n);
    daemon.notify(2, 99n, 0n, 0n);
    daemon.notify(3, 1n, 1, 0, "a\0"); // INVAL_ENTRY
    daemon.notify(3, 1n, 1, 1, "a\0");
    daemon.notify(6, 1n, 5n, 1, 0, "a\0"); // DELETE
    daemon.notify(4, 5n, 2n, 3, 0, "xyz"); // STORE
    daemon.notify(8); // INC_EPOCH
    await node.getattr(root, callOf());
    expect(calls).toEqual([
      ["invalidateNode", file, 4096, 10],
      ["invalidateNode", file, -1, 0],
      ["invalidateName", root, "a"],
      ["expireName", root, "a"],
      ["announceRemoved", root, "a", file],
      ["store", file, 2, bytes("xyz")],
      ["invalidateAllNames"],
    ]);
    expect(reports).toEqual([]);
    await end();
  });

  test("that want what is cached are answered, with what the daemon itself says if nothing is", async () => {
    const { daemon, node, root, end } = await stage({
      LOOKUP: () => entryOut(5),
      READ: () => bytes("from the daemon"),
    });
    await node.lookup(root, "a", callOf());
    daemon.notify(5, 444n, 5n, 2n, 100, 0); // RETRIEVE
    const reply = await daemon.until("NOTIFY_REPLY");
    expect([reply.unique, reply.nodeid, reply.text(40)]).toEqual([444n, 5, "from the daemon"]);
    const cached = new Proxy({} as Usermount, {
      get: () => () => Promise.resolve(bytes("from the cache")),
    });
    await end();
    const other = await stage({ LOOKUP: () => entryOut(5) }, {}, cached);
    await other.node.lookup(other.root, "a", callOf());
    other.daemon.notify(5, 445n, 5n, 2n, 100, 0);
    expect((await other.daemon.until("NOTIFY_REPLY")).text(40)).toBe("from the cache");
    await other.end();
  });
});

test("a kernel that cannot be told to forget all names is told each that is known", async () => {
  const told: unknown[][] = [];
  const usermount = new Proxy({} as Usermount, {
    get:
      (_, name) =>
      (...values: unknown[]) => {
        if (name === "invalidateAllNames") return Promise.reject(ENOSYS);
        told.push([name, ...values]);
        return Promise.resolve();
      },
  });
  let nodeid = 5;
  const { daemon, hosting, node, root, end } = await stage(
    { LOOKUP: () => entryOut(nodeid++, DIRECTORY) },
    {},
    usermount,
  );
  const outer = (await node.lookup(root, "a", callOf())) as PerfuseNode;
  await node.lookup(outer, "b", callOf());
  const all = [
    ["invalidateName", root, "a"],
    ["invalidateName", outer, "b"],
  ];
  daemon.notify(8); // INC_EPOCH
  await node.getattr(root, callOf());
  expect(told.splice(0)).toEqual(all);
  // Nor are those of a daemon believed that another follows.
  const next = new Scripted();
  await hosting.resume(next.socket);
  await Bun.sleep(0);
  expect(told).toEqual(all);
  await end();
  next.close();
});

describe("a daemon that asks again for what it has not answered (RESEND)", () => {
  const INIT_EXT = 1 << 30;
  const HAS_RESEND = 1 << 7;
  const RESENT = 1n << 63n;
  /** fuse_init_out of 7.40: max_write, time_gran, max_pages, map_alignment, flags2. */
  const agreed = () =>
    bytes(7, 40, 131072, INIT_EXT, 0, 131072, 1, 0, HAS_RESEND, new Uint8Array(28));

  test("gets it, marked so, and the first answer counts", async () => {
    const { daemon, node, root, reports, end } = await stage(
      { INIT: agreed, LOOKUP: () => entryOut(5), GETATTR: () => undefined, OPEN: () => undefined },
      { minor: 40 },
    );
    const offered = viewOf(daemon.of("INIT")[0]?.body ?? DONE);
    expect([offered.getUint32(12, true) & INIT_EXT, offered.getUint32(16, true)]).toEqual([
      ...[INIT_EXT, HAS_RESEND],
    ]);
    const file = (await node.lookup(root, "a", callOf())) as PerfuseNode;
    const asking = codeOf(node.getattr(file, callOf()));
    const opening = codeOf(node.open(file, fileOf(2), callOf()));
    const first = await daemon.until("GETATTR");
    const open = await daemon.until("OPEN");
    daemon.notify(7);
    const again = await daemon.until("GETATTR", 2);
    const openAgain = await daemon.until("OPEN", 2);
    // LOOKUP was answered.
    expect(daemon.of("LOOKUP").length).toBe(1);
    expect([again.unique, openAgain.unique]).toEqual([first.unique | RESENT, open.unique | RESENT]);
    expect([again.body, openAgain.body]).toEqual([first.body, open.body]);
    daemon.reply(again, attrOut());
    daemon.reply(first, { errno: 5 });
    daemon.reply(open, openOut(50));
    daemon.reply(openAgain, openOut(51));
    expect(await Promise.all([asking, opening])).toEqual(["answered", "answered"]);
    expect(file.write?.fh).toBe(50);
    expect(reports).toEqual([]);
    await end();
  });

  test("without having said that it would gets nothing, and that is reported", async () => {
    const { daemon, node, root, reports, end } = await stage({ LOOKUP: () => undefined });
    const looking = codeOf(node.lookup(root, "a", callOf()));
    const asked = await daemon.until("LOOKUP");
    daemon.notify(7);
    daemon.reply(asked, { errno: 13 });
    expect(await looking).toBe("EACCES");
    expect(daemon.of("LOOKUP").length).toBe(1);
    expect(reports).toEqual(["the daemon asks for its requests again, unlike agreed on"]);
    await end();
  });
});

test("who observes sees each exchange begin and end, with the names of what it is about", async () => {
  const seen: string[] = [];
  const open = new Set<ObservedExchange>();
  let messages = 0;
  const { node, root, end } = await stage(
    { LOOKUP: ({ nodeid }) => (nodeid === 1 ? entryOut(5, DIRECTORY) : { errno: 2 }) },
    {
      observe: {
        begin(exchange) {
          open.add(exchange);
          const { opcode, nodeid, name, path } = exchange;
          seen.push(`${opcode} ${nodeid} "${name}" ${path}`);
        },
        end(exchange, error) {
          expect(open.delete(exchange)).toBe(true);
          seen.push(`${exchange.opcode} ${error}`);
        },
        message() {
          messages++;
        },
      },
    },
  );
  const directory = (await node.lookup(root, "d", callOf())) as PerfuseNode;
  await node.lookup(directory, "x", callOf());
  await end();
  expect(seen).toEqual([
    ...['26 1 "" undefined', "26 undefined"].map((line) => line.replace("26 1", "26 0")),
    ...['1 1 "" d', "1 undefined", '1 5 "d" x', "1 ENOENT"],
    ...['2 5 "d" undefined', "2 undefined", '38 0 "" undefined', "38 undefined"],
  ]);
  expect(open.size).toBe(0);
  expect(messages).toBe(9);
});

test("CREATE of what is open already closes the handle that is one too many", async () => {
  let fh = 70;
  const { daemon, node, root, end } = await stage({
    CREATE: () => bytes(entryOut(5), openOut(fh++)),
  });
  for (let i = 0; i < 2; i++) await node.create(root, "a", 0o100644, callOf());
  const released = await daemon.until("RELEASE");
  expect(viewOf(released.body).getUint32(0, true)).toBe(70);
  await end();
});

test("handles are any 64 bits, and 0 is one", async () => {
  const handles = [0xfedc_ba98_7654_3210n, 0n];
  const { daemon, node, root, end } = await stage({
    LOOKUP: () => entryOut(5),
    OPEN: () => bytes(handles.shift() ?? 0n, 0, 0),
    READ: () => DONE,
  });
  const file = (await node.lookup(root, "a", callOf())) as PerfuseNode;
  for (const fh of [...handles]) {
    const one = fileOf(0);
    await node.open(file, one, callOf());
    await node.read(file, new Uint8Array(1), 0, callOf());
    await node.inactive(file, one);
    for (const name of ["READ", "RELEASE"] as const)
      expect(viewOf(daemon.of(name).at(-1)?.body ?? DONE).getBigUint64(0, true)).toBe(fh);
  }
  await end();
});

test("nodes have any 64 bits for their number, and each keeps its own", async () => {
  // These two are one as floating-point numbers.
  const [first, second] = [0xffff_ffff_ffff_fffen, 0xffff_ffff_ffff_ffffn];
  const numbers = { a: first, b: second } as Record<string, bigint>;
  const seen: string[] = [];
  const note = ({ name, whole }: Asked) => seen.push(`${name} ${whole.toString(16)}`);
  const { usermount, calls } = noting();
  const { daemon, node, root, end } = await stage(
    {
      LOOKUP: ({ text }) => entryOut(numbers[text(0)] ?? 0n),
      GETATTR: (asked) => {
        note(asked);
        return attrOut();
      },
      LINK: ({ body }) => {
        seen.push(`LINK of ${viewOf(body).getBigUint64(0, true).toString(16)}`);
        return entryOut(first);
      },
      RENAME: ({ body }) => {
        seen.push(`RENAME to ${viewOf(body).getBigUint64(0, true).toString(16)}`);
        return DONE;
      },
    },
    {},
    usermount,
  );
  const call = callOf();
  const [a, b] = (await Promise.all([
    node.lookup(root, "a", call),
    node.lookup(root, "b", call),
  ])) as [PerfuseNode, PerfuseNode];
  expect(a).not.toBe(b);
  await node.getattr(a, call);
  await node.getattr(b, call);
  await node.link(root, "c", a, call);
  await node.rename(root, "x", b, "y", 0, call);
  expect(await node.lookup(root, "b", call)).toBe(b);
  daemon.notify(2, second, -1n, 0n);
  daemon.notify(3, first, 1, 0, "n\0");
  daemon.notify(9, 2, 0, 0n, first, second);
  await node.getattr(a, call);
  expect(seen).toEqual([
    ...["GETATTR fffffffffffffffe", "GETATTR ffffffffffffffff", "LINK of fffffffffffffffe"],
    ...["RENAME to ffffffffffffffff", "GETATTR fffffffffffffffe"],
  ]);
  expect(calls).toEqual([
    ["invalidateNode", b, -1, 0],
    ["invalidateName", a, "n"],
    ["prune", [a, b]],
  ]);
  await end();
  const forgotten = daemon
    .of("FORGET")
    .map(({ whole, body }) => [whole, viewOf(body).getBigUint64(0, true)]);
  expect(forgotten).toEqual([
    [first, 2n],
    [second, 2n],
  ]);
});
