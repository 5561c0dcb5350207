import { describe, expect, test } from "bun:test";
import { EACCES, EIO, ENODATA, type Errno } from "../../src/errno.ts";
import type { Attributes, Call, Changes, File, Lock } from "../../src/operations.ts";
import type { FileSystem } from "../../src/plugin.ts";
import type { Wishes } from "../../src/wishes.ts";
import { DIRECTORY, everything, FILE, type Operations } from "../support/everything.ts";
import {
  bytes,
  errorOf,
  type Part,
  refusal,
  reply,
  request,
  u16,
  viewOf,
  Wire,
} from "../support/wire.ts";

/** Every field another value, so that none can stand for another. */
const KNOWN: Attributes = {
  mode: 0o106754,
  nlink: 3,
  uid: 1004,
  gid: 1005,
  size: 0x1_2345_6789,
  atime: { sec: 0x1_0000_0011, nsec: 111 },
  mtime: { sec: -2, nsec: 222 },
  ctime: { sec: 33, nsec: 333 },
  birthtime: { sec: 44, nsec: 444 },
  blocks: 77,
  blksize: 8192,
  rdev: 0x1234_5678,
  ino: 99,
};

// ino, size, blocks, the seconds, their nanoseconds, mode, nlink, uid, gid, rdev, blksize, flags
const ATTR: Part[] = [
  ...[99n, 0x1_2345_6789n, 77n, 0x1_0000_0011n, -2n, 33n],
  ...[111, 222, 333, 0o106754, 3, 1004, 1005, 0x1234_5678, 8192, 0],
];

/** A server, shaken hands with, whose plugin has all operations, those given in their place. */
function served(
  changed: Partial<Operations> = {},
  wishes: Wishes = {},
  more: Partial<FileSystem<Attributes>> = {},
): Wire {
  const wire = new Wire({ ...everything(changed), ...more }, wishes);
  wire.init();
  return wire;
}

const known = () => served({ lookup: () => KNOWN });

/** The number of a request sent next, to write its reply by hand. */
async function answerOf(wire: Wire, opcode: number, node: number, ...body: Part[]) {
  const unique = wire.next() + 0x0102_0304_0000_0000n;
  const answer = await wire.serve(request(opcode, unique, BigInt(node), ...body));
  return { unique, answer };
}

async function errorFrom(wire: Wire, opcode: number, node: number, ...body: Part[]) {
  return errorOf(await wire.ask(opcode, node, ...body));
}

/** OPEN or OPENDIR: the handle. */
async function open(wire: Wire, node: number, opcode = 14, flags = 2): Promise<bigint> {
  return viewOf(await wire.ask(opcode, node, flags, 0)).getBigUint64(16, true);
}

test("a node that lookup answered and the kernel is not told of is reclaimed", async () => {
  const reclaimed: object[] = [];
  const wire = served({
    lookup: () => KNOWN,
    getattr: () => EACCES,
    reclaim: (node) => void reclaimed.push(node),
  });
  expect(await errorFrom(wire, 1, 1, "name\0")).toBe(13);
  expect(reclaimed).toEqual([KNOWN]);
});

describe("INIT", () => {
  const ASKED = 131072;
  // What a plugin with all operations honours, by bit.
  const HONOURED = [0, 1, 5, 10, 11, 12, 13, 14, 15, 18, 21, 22, 28, 30];
  const bits = (...set: number[]) => set.reduce((sum, bit) => sum + 2 ** bit, 0);

  test("7.45: 64 bytes, only honoured flags of those offered", () => {
    const wire = new Wire(everything());
    const unique = wire.next();
    const answer = wire.serve(
      request(26, unique, 0n, 7, 45, ASKED, 0xffffffff, 0xffffffff, new Uint8Array(44)),
    );
    const flags = bits(...HONOURED);
    const flags2 = bits(35 - 32, 36 - 32, 39 - 32);
    expect(answer).toEqual(
      // major, minor, readahead, flags, background, congestion, maxWrite, timeGran, maxPages, mapAlignment, flags2, depth
      reply(
        unique,
        ...[7, 45, ASKED, flags, u16(64), u16(48), 2 ** 20, 1, u16(256), u16(0), flags2, 0],
        ...[u16(0), new Uint8Array(22)],
      ),
    );
  });

  test.each([
    [12, 24, 32],
    [22, 24, 32],
    [23, 64, 64],
    [31, 64, 64],
    [45, 64, 64],
    [99, 64, 64],
  ])("7.%d is answered in %d bytes", (minor, size) => {
    const wire = new Wire(everything());
    const fields = minor < 36 ? [] : [0, new Uint8Array(44)];
    const answer = wire.ask(26, 0, 7, minor, ASKED, 0, ...fields) as Uint8Array;
    expect(answer.length).toBe(16 + size);
    expect(viewOf(answer).getUint32(20, true)).toBe(Math.min(minor, 45));
    // Nothing was offered, so nothing is claimed, and writes keep to 32 pages.
    expect(viewOf(answer).getUint32(28, true)).toBe(0);
    expect(viewOf(answer).getUint32(36, true)).toBe(131072);
  });

  test("flags of the second word count only with INIT_EXT", () => {
    const wire = new Wire(everything());
    const answer = wire.init(45, 0xffffffff & ~(1 << 30));
    expect(viewOf(answer).getUint32(48, true)).toBe(0);
  });

  test.each([
    ["WRITEBACK_CACHE is claimed only on wish", 16, {}, { writeback: true }],
    ["AUTO_INVAL_DATA unless content is kept", 12, { keepsContent: true }, {}],
  ] as const)("%s", (_name, bit, more, wishes) => {
    const flags = (fileSystem: object, wished: Wishes) =>
      viewOf(new Wire({ ...everything(), ...fileSystem }, wished).init()).getUint32(28, true);
    expect((flags({}, {}) >>> bit) & 1).not.toBe((flags(more, wishes) >>> bit) & 1);
  });

  test("locks are claimed by plugins that have them, ioctl of directories likewise", () => {
    const flags = viewOf(new Wire({ root: DIRECTORY, node: { lookup: () => null } }).init());
    expect(flags.getUint32(28, true) & bits(1, 10, 11)).toBe(0);
  });

  test("a newer major is asked to come down and may ask again; before and after, order is kept", () => {
    const wire = new Wire(everything());
    expect(errorOf(wire.ask(3, 1, 0, 0, 0n) as Uint8Array)).toBe(71);
    const newer = wire.ask(26, 0, 8, 0, 0, 0) as Uint8Array;
    expect([errorOf(newer), viewOf(newer).getUint32(16, true)]).toEqual([0, 7]);
    expect(errorOf(wire.init())).toBe(0);
    expect(errorOf(wire.init())).toBe(22);
    expect(errorOf(wire.ask(3, 1, 0, 0, 0n) as Uint8Array)).toBe(0);
  });

  test("a kernel that does not know of opens without a server is not told ENOSYS", async () => {
    const plugin = { root: DIRECTORY, node: { lookup: () => FILE, getattr: () => FILE } };
    for (const [flags, expected] of [
      [0, 0],
      [1 << 17, 38],
    ] as const) {
      const wire = new Wire({ ...plugin, keepsContent: true });
      wire.init(45, flags);
      const file = await wire.lookup(1, "a");
      expect(await errorFrom(wire, 14, file, 0, 0)).toBe(expected);
    }
  });

  test("at 7.12 requests are shorter, and so are their replies", async () => {
    const wire = new Wire(everything({ lookup: () => KNOWN, getattr: (node) => node }));
    wire.ask(26, 0, 7, 12, 0, 0);
    const unique = wire.next();
    expect(await wire.serve(request(1, unique, 1n, "one\0"))).toEqual(
      reply(unique, 2n, 1n, 1n, 1n, 0, 0, ...ATTR),
    );
    expect(await errorFrom(wire, 8, 1, 0o100644, 0, 0o22, 0, "new\0")).toBe(0);
  });
});

describe("LOOKUP", () => {
  test("a node: number, generation, validity, attributes", async () => {
    const wire = served({ lookup: () => ({ ...KNOWN, attrTimeout: 2.5, entryTimeout: 7.25 }) });
    const { unique, answer } = await answerOf(wire, 1, 1, "one\0");
    expect(answer).toEqual(reply(unique, 2n, 1n, 7n, 2n, 250_000_000, 500_000_000, ...ATTR));
  });

  test("null: ENOENT, or with a negative time-out node 0 that is valid so long", async () => {
    const none = await answerOf(served({ lookup: () => null }), 1, 1, "none\0");
    expect(none.answer).toEqual(refusal(none.unique, 2));
    const negative = served({ lookup: () => null }, { negativeTimeout: 3.5 });
    const { unique, answer } = await answerOf(negative, 1, 1, "none\0");
    expect(answer).toEqual(reply(unique, 0n, 0n, 3n, 0n, 500_000_000, 0, new Uint8Array(88)));
  });

  const bug = new TypeError("a bug");
  const failures: readonly (readonly [string, () => Attributes | Errno, number, unknown[]])[] = [
    ["an Errno returned", () => EACCES, 13, []],
    ["an Errno thrown", () => fail(EACCES), 13, []],
    ["a foreign error with a code", () => fail({ code: "ENOTDIR" }), 20, []],
    ["a name of another system", () => fail({ code: "ENOATTR" }), 61, []],
    ["a bug", () => fail(bug), 5, [bug]],
  ];
  test.each(failures)("%s", async (_name, lookup, errno, causes) => {
    for (const act of [lookup, async () => lookup()]) {
      const wire = served({ lookup: act });
      const { unique, answer } = await answerOf(wire, 1, 1, "one\0");
      expect(answer).toEqual(refusal(unique, errno));
      expect(wire.reports.map(({ cause }) => cause)).toEqual(causes);
    }
  });

  const names: readonly (readonly [string, Uint8Array, number])[] = [
    ["without an end", bytes("one"), 71],
    ["empty", bytes("\0"), 22],
    ["with a slash", bytes("a/b\0"), 22],
    ["of 255 bytes", bytes(`${"x".repeat(255)}\0`), 0],
    ["of 256 bytes", bytes(`${"x".repeat(256)}\0`), 36],
    ["that is not UTF-8", Uint8Array.of(0xff, 0xfe, 0), 0],
  ];
  test.each(names)("a name %s", async (_name, name, errno) => {
    const seen: string[] = [];
    const wire = served({
      lookup: (_directory, text) => {
        seen.push(text);
        return KNOWN;
      },
    });
    expect(await errorFrom(wire, 1, 1, name)).toBe(errno);
    expect(seen.length).toBe(errno === 0 ? 1 : 0);
  });

  test("in a node that the kernel was never told of: ESTALE", async () => {
    for (const node of [0, 2, 77]) expect(await errorFrom(known(), 1, node, "one\0")).toBe(116);
  });
});

test("GETATTR and STATX tell all fields in their places", async () => {
  const wire = known();
  const node = await wire.lookup(1, "one");
  const get = await answerOf(wire, 3, node, 0, 0, 0n);
  expect(get.answer).toEqual(reply(get.unique, 1n, 0, 0, ...ATTR));
  const stat = await answerOf(wire, 52, node, 0, 0, 0n, 0, 0xfff);
  expect(stat.answer).toEqual(
    reply(
      stat.unique,
      // validity, flags, spare; mask, blksize, attributes, nlink, uid, gid, mode, ino, size, blocks, attributes mask
      ...[1n, 0, 0, 0n, 0n, 0xfff, 8192, 0n, 3, 1004, 1005, u16(0o106754), u16(0)],
      ...[99n, 0x1_2345_6789n, 77n, 0n],
      // access, birth, change, modification; major and minor of the device, and of the one it is on
      ...[0x1_0000_0011n, 111, 0, 44n, 444, 0, 33n, 333, 0, -2n, 222, 0],
      ...[0x456, 0x12378, 0, 0, new Uint8Array(112)],
    ),
  );
});

describe("SETATTR", () => {
  const body = (valid: number, mode = 0o7600): Part[] => [
    // valid, fh, size, lock owner, atime, mtime, ctime, their nanoseconds, mode, uid, gid
    ...[valid, 0, 0n, 0x2_0000_0001n, 9n, 11n, -12n, 13n, 110, 120, 130, mode, 0, 501, 502, 0],
  ];
  async function changesOf(valid: number, mode: number, now = FILE.mode): Promise<Changes> {
    const seen: Changes = {};
    const wire = served({
      lookup: () => ({ ...FILE, mode: now }),
      setattr: (_node, changes) => void Object.assign(seen, changes),
    });
    expect(await errorFrom(wire, 4, await wire.lookup(1, "a"), ...body(valid, mode))).toBe(0);
    return seen;
  }

  test.each([
    ["MODE", 0x1, { mode: 0o7600 }],
    ["UID", 0x2, { uid: 501 }],
    ["GID", 0x4, { gid: 502 }],
    ["SIZE", 0x8, { size: 0x2_0000_0001 }],
    ["ATIME", 0x10, { atime: { sec: 11, nsec: 110 } }],
    ["MTIME", 0x20, { mtime: { sec: -12, nsec: 120 } }],
    ["CTIME with MTIME", 0x420, { mtime: { sec: -12, nsec: 120 }, ctime: { sec: 13, nsec: 130 } }],
    ["FH and LOCKOWNER", 0x248, { size: 0x2_0000_0001 }],
    ["all", 0x3f, undefined],
  ])("%s", async (_name, valid, expected) => {
    const changes = await changesOf(valid, 0o107600);
    if (expected) expect(changes).toEqual(expected as Changes);
    else
      expect(Object.keys(changes).sort()).toEqual(["atime", "gid", "mode", "mtime", "size", "uid"]);
  });

  test("NOW is the server's clock, read once for both", async () => {
    const before = Math.floor(Date.now() / 1000) - 1;
    const { atime, mtime } = await changesOf(0x1b0, 0);
    expect(atime?.sec).toBeGreaterThanOrEqual(before);
    expect(mtime).toBe(atime as NonNullable<typeof atime>);
  });

  test.each([
    ["chown clears set-uid and set-gid", 0x2, 0o106755, 0o755],
    ["chgrp too", 0x4, 0o106755, 0o755],
    ["set-gid without group execution is no such mark", 0x2, 0o102745 & ~0o010, undefined],
    ["a write's truncation clears them when the kernel says so", 0x808, 0o104755, 0o755],
    ["and not when it does not", 0x8, 0o104755, undefined],
    ["directories keep theirs", 0x2, 0o042755, undefined],
    ["a mode given is what is meant", 0x3, 0o104755, 0o7600],
  ])("%s", async (_name, valid, now, mode) => {
    expect((await changesOf(valid, 0o7600, now)).mode).toBe(mode as number);
  });
});

describe("READ and WRITE", () => {
  const readBody = (size: number): Part[] => [1n, 0x1_0000_0005n, size, 0, 0n, 0, 0];

  test("the operation fills the reply in place, and says how much of it", async () => {
    let where: ArrayBufferLike | undefined;
    let asked: unknown[] = [];
    const wire = served({
      read(_node, into, offset) {
        where = into.buffer;
        asked = [into.length, offset];
        into.set([9, 8, 7]);
        return 3;
      },
    });
    const file = await wire.lookup(1, "a");
    const { unique, answer } = await answerOf(wire, 15, file, ...readBody(4096));
    expect(answer).toEqual(reply(unique, Uint8Array.of(9, 8, 7)));
    expect(asked).toEqual([4096, 0x1_0000_0005]);
    expect(where?.byteLength).toBe(2 ** 17);
  });

  test("a write sees the bytes of the request, and is told as taken", async () => {
    const seen: unknown[] = [];
    const wire = served({
      write: (_node, from, offset) => seen.push(new TextDecoder().decode(from), offset) && 4,
    });
    const file = await wire.lookup(1, "a");
    // handle, offset, size, flags, lock owner, open flags
    const { unique, answer } = await answerOf(wire, 16, file, 0n, 7n, 5, 0, 0n, 0, 0, "hello");
    expect(answer).toEqual(reply(unique, 4, 0));
    expect(seen).toEqual(["hello", 7]);
  });

  test("a write whose data is not all there is refused, one with offsets beyond 2^53 is too big", async () => {
    const wire = served();
    const file = await wire.lookup(1, "a");
    expect(await errorFrom(wire, 16, file, 0n, 0n, 6, 0, 0n, 0, 0, "hello")).toBe(71);
    expect(await errorFrom(wire, 16, file, 0n, 2n ** 53n, 5, 0, 0n, 0, 0, "hello")).toBe(27);
    expect(await errorFrom(wire, 15, file, ...readBody(2 ** 17))).toBe(22);
  });

  test("a write by the unprivileged clears set-id bits first", async () => {
    const order: unknown[] = [];
    const wire = served({
      lookup: () => ({ ...FILE, mode: 0o106755 }),
      setattr: (_node, { mode }) => void order.push(mode),
      write: (_node, from) => order.push("write") && from.length,
    });
    const file = await wire.lookup(1, "a");
    await wire.ask(16, file, 0n, 0n, 1, 4, 0n, 0, 0, "x");
    await wire.ask(16, file, 0n, 0n, 1, 0, 0n, 0, 0, "x");
    expect(order).toEqual([0o755, "write", "write"]);
  });
});

test("a plugin that answers at once is answered without a promise", async () => {
  const wire = known();
  const asked: readonly (readonly [number, ...Part[]])[] = [
    [1, "one\0"],
    [3, 0, 0, 0n],
    [15, 0n, 0n, 16, 0, 0n, 0, 0],
    [16, 0n, 0n, 1, 0, 0n, 0, 0, "x"],
    [14, 0, 0],
    [27, 0, 0],
    [35, 2, 0o644, 0, 0, "new\0"],
    [4, 1, 0, 0n, 0n, 0n, 0n, 0n, 0n, 0, 0, 0, 0o600, 0, 0, 0, 0],
  ];
  for (const [opcode, ...body] of asked) {
    expect(wire.ask(opcode, 1, ...body)).toBeInstanceOf(Uint8Array);
    expect([opcode, wire.atOnce]).toEqual([opcode, true]);
  }
});

describe("an open file", () => {
  test("CREATE: the entry and the handle in one reply, `open` called in between", async () => {
    const order: unknown[] = [];
    const wire = served({
      create: (_directory, name, mode, { umask }) => {
        order.push([name, mode, umask]);
        return KNOWN;
      },
      open: (_node, file) => {
        order.push(file.flags);
        file.directIo = true;
        file.noFlush = true;
      },
    });
    // O_RDWR | O_CREAT | O_EXCL | O_APPEND
    const flags = 0o2 | 0o100 | 0o200 | 0o2000;
    const { unique, answer } = await answerOf(wire, 35, 1, flags, 0o100640, 0o027, 0, "new\0");
    expect(answer).toEqual(reply(unique, 2n, 1n, 1n, 1n, 0, 0, ...ATTR, 1n, 0x21, 0));
    expect(order).toEqual([["new", 0o100640, 0o027], 0o2002]);
  });

  test("CREATE falls back to mknod; with neither it is EPERM", async () => {
    const wire = served({ create: undefined as never });
    expect(await errorFrom(wire, 35, 1, 2, 0o644, 0, 0, "new\0")).toBe(0);
  });

  test.each([
    ["refused", () => EACCES],
    ["refused later", async () => EACCES],
    ["thrown", () => fail(EACCES)],
    ["rejected", async () => fail(EACCES)],
  ])("CREATE whose open is %s leaves no lookup behind", async (_name, refuse) => {
    const gone: unknown[] = [];
    const wire = served({ open: refuse as never, reclaim: (node) => void gone.push(node) });
    expect(await errorFrom(wire, 35, 1, 2, 0o644, 0, 0, "new\0")).toBe(13);
    expect([wire.connection.vnodes.size, gone.length]).toEqual([1, 1]);
  });

  test("is `inactive` once at RELEASE, however often it is flushed or released", async () => {
    const events: string[] = [];
    const wire = served({
      close: () => void events.push("close"),
      inactive: (_node, file) => void events.push(`inactive ${String(file?.data)}`),
      open: (_node, file) => void Object.assign(file, { data: "mine" }),
      advlock: () => {},
    });
    const node = await wire.lookup(1, "a");
    const fh = await open(wire, node);
    await wire.ask(25, node, fh, 0, 0, 77n);
    await wire.ask(25, node, fh, 0, 0, 77n);
    for (let i = 0; i < 2; i++) expect(await errorFrom(wire, 18, node, fh, 0, 0, 0n)).toBe(0);
    expect(events).toEqual(["close", "close", "inactive mine"]);
    expect(wire.connection.vnodes.at(node)?.opens).toBe(0);
  });

  test("goes on being readable and closable by whoever was given it, though others are not admitted", async () => {
    const wire = served({}, { admits: (uid) => uid !== 1001 });
    expect(await errorFrom(wire, 1, 1, "one\0")).toBe(13);
    expect(await errorFrom(wire, 18, 1, 1n, 0, 0, 0n)).toBe(0);
    expect(await errorFrom(wire, 15, 1, 1n, 0n, 4, 0, 0n, 0, 0)).toBe(0);
  });

  test("keeps the node until it is released, forgotten or not", async () => {
    const gone: unknown[] = [];
    const wire = served({ reclaim: (node) => void gone.push(node) });
    const node = await wire.lookup(1, "a");
    const fh = await open(wire, node);
    expect(wire.ask(2, node, 1n)).toEqual(new Uint8Array(0));
    expect([gone.length, await errorFrom(wire, 3, node, 0, 0, 0n)]).toEqual([0, 0]);
    await wire.ask(18, node, fh, 0, 0, 0n);
    expect([gone.length, await errorFrom(wire, 3, node, 0, 0, 0n)]).toEqual([1, 116]);
  });

  test("the end of the mount ends those that are left, then reclaims what is known", async () => {
    const events: string[] = [];
    const wire = served({
      inactive: async () => void events.push("inactive"),
      reclaim: () => void events.push("reclaim"),
    });
    const node = await wire.lookup(1, "a");
    await open(wire, node);
    await open(wire, node);
    await wire.server.close();
    expect(events).toEqual(["inactive", "inactive", "reclaim", "reclaim"]);
  });
});

test("errors that nobody can be answered are logged, whether they are thrown or answered", async () => {
  for (const fails of [
    () => EIO as never,
    async () => EIO as never,
    () => Promise.reject(EIO),
    () => {
      throw EIO;
    },
  ]) {
    const wire = new Wire(everything({ inactive: fails, reclaim: fails }, { unmount: fails }));
    wire.init();
    const node = await wire.lookup(1, "one");
    const fh = await open(wire, node);
    expect(await errorFrom(wire, 18, node, fh, 0, 0, 0n)).toBe(0);
    await wire.ask(2, node, 1n);
    await wire.connection.attempt("unmount", () => wire.connection.unmount());
    expect(wire.reports.map(({ message, cause }) => [message, cause])).toEqual(
      ["inactive failed", "reclaim failed", "unmount failed"].map((message) => [message, EIO]),
    );
  }
});

describe("FORGET", () => {
  test("takes back as many lookups as it says, and reclaims at none", async () => {
    const gone: unknown[] = [];
    const one = { ...FILE };
    const wire = served({ lookup: () => one, reclaim: (node) => void gone.push(node) });
    for (let i = 0; i < 5; i++) await wire.lookup(1, "one");
    wire.ask(2, 2, 4n);
    expect(gone).toEqual([]);
    wire.ask(2, 2, 1n);
    expect(gone).toEqual([one]);
    wire.ask(2, 2, 1n);
    expect([gone.length, wire.reports]).toEqual([1, []]);
  });

  test("in batches, of which only those that are there count", async () => {
    const gone: unknown[] = [];
    const wire = served({ reclaim: (node) => void gone.push(node) });
    const [a, b, c] = [
      await wire.lookup(1, "a"),
      await wire.lookup(1, "b"),
      await wire.lookup(1, "c"),
    ];
    // count, then (node, lookups)
    const batch = [2, 0, BigInt(a), 1n, 12345n, 1n, BigInt(b), 1n];
    expect(wire.ask(42, 0, ...batch)).toEqual(new Uint8Array(0));
    expect(gone.length).toBe(1);
    wire.ask(42, 0, 9, 0, BigInt(b), 1n, BigInt(c), 1n);
    expect([gone.length, wire.connection.vnodes.size]).toEqual([3, 1]);
  });

  test("of a node with a request at work waits for its end", async () => {
    const gone: unknown[] = [];
    const turn = Promise.withResolvers<number>();
    const wire = served({ reclaim: (node) => void gone.push(node), read: () => turn.promise });
    const node = await wire.lookup(1, "a");
    const answer = wire.ask(15, node, 0n, 0n, 4, 0, 0n, 0, 0);
    wire.ask(2, node, 1n);
    expect(gone.length).toBe(0);
    turn.resolve(0);
    await answer;
    expect(gone.length).toBe(1);
  });
});

describe("a request at work", () => {
  const readBody: Part[] = [0n, 0n, 4, 0, 0n, 0, 0];
  const patient = (_node: unknown, _into: unknown, _offset: unknown, { signal }: Call) =>
    new Promise<number>((_, reject) =>
      signal.addEventListener("abort", () => reject({ code: "EINTR" })),
    );

  test("INTERRUPT fires its signal and no other's", async () => {
    const wire = served({ read: patient });
    const first = wire.ask(15, 1, ...readBody);
    const unique = wire.next();
    const second = wire.serve(request(15, unique, 1n, ...readBody));
    expect(wire.serve(request(36, unique + 1n, 0n, unique))).toEqual(new Uint8Array(0));
    expect(await second).toEqual(refusal(unique, 4));
    expect(wire.connection.pending.size).toBe(1);
    wire.server.abort();
    expect(errorOf(await first)).toBe(4);
    // Of one that is answered, or never was: nothing happens.
    wire.serve(request(36, 3n, 0n, unique));
    expect(wire.reports).toEqual([]);
  });

  test("a deadline answers ETIMEDOUT once, fires the signal, drops the late answer and keeps its frame", async () => {
    const turn = Promise.withResolvers<number>();
    let signal: AbortSignal | undefined;
    let into: Uint8Array | undefined;
    const wire = served(
      {
        read: (_node, room, _offset, call) => {
          signal = call.signal;
          into = room;
          return turn.promise;
        },
      },
      { deadline: 1 },
    );
    const unique = wire.next();
    const answer = wire.serve(request(15, unique, 1n, ...readBody));
    expect(await answer).toEqual(refusal(unique, 110));
    expect([signal?.aborted, wire.reports.length]).toEqual([true, 1]);
    turn.resolve(4);
    await turn.promise;
    await Bun.sleep(0);
    expect(into?.length).toBe(4);
    expect([wire.connection.pending.size, wire.connection.vnodes.at(1)?.pending]).toEqual([0, 0]);
    expect(wire.connection.statistics.rows().find(({ name }) => name === "READ")?.count).toBe(1);
  });

  test.each([
    ["LOOKUP", 1, "lookup", ["one\0"]],
    ["CREATE", 35, "create", [2, 0o644, 0, 0, "new\0"]],
    ["CREATE at open", 35, "open", [2, 0o644, 0, 0, "new\0"]],
    ["OPEN", 14, "open", [2, 0]],
    ["READDIRPLUS", 44, "lookup", [1n, 0n, 4096, 0, 0n, 0, 0]],
  ] as const)(
    "what a late %s made is taken back: lookups and opens",
    async (_name, opcode, slow, body) => {
      const turn = Promise.withResolvers<void>();
      const right = everything();
      const gone: unknown[] = [];
      let opens = 0;
      let slowly = false;
      const wire = served(
        {
          open: () => void opens++,
          inactive: () => void opens--,
          reclaim: (node) => void gone.push(node),
          readdir: () => [{ name: "first", node: { ...FILE } }, { name: "second" }],
          ...(slow === "open" && {
            open: () => turn.promise.then(() => void opens++),
          }),
          ...(slow !== "open" && {
            [slow]: async (...all: unknown[]) => {
              if (slowly) await turn.promise;
              return (right.node[slow] as (...p: unknown[]) => unknown)(...all);
            },
          }),
        },
        { deadline: 1 },
      );
      if (opcode === 44) await open(wire, 1, 27, 0);
      opens = 0;
      slowly = true;
      expect(await errorFrom(wire, opcode, 1, ...body)).toBe(110);
      turn.resolve();
      while (wire.connection.pending.size > 0) await Bun.sleep(1);
      const left = [...wire.connection.vnodes.all()].map(({ lookups }) => lookups);
      expect([opens, left]).toEqual([0, [1]]);
      wire.connection.report("end");
      expect(wire.reports.filter(({ message }) => message.includes("failed"))).toEqual([]);
    },
  );

  test("asked again by NOTIFY_RESEND it is answered once, under the new number", async () => {
    const turn = Promise.withResolvers<number>();
    let calls = 0;
    const wire = served({ read: () => ++calls && turn.promise });
    const unique = wire.next();
    const again = unique | (1n << 63n);
    const answer = wire.serve(request(15, unique, 1n, ...readBody));
    expect(wire.serve(request(15, again, 1n, ...readBody))).toEqual(new Uint8Array(0));
    turn.resolve(0);
    expect([await answer, calls]).toEqual([reply(again), 1]);
    // One whose answer is out already is served anew.
    expect([await wire.serve(request(15, again, 1n, ...readBody)), calls]).toEqual([
      reply(again),
      2,
    ]);
  });
});

test("RENAME, RENAME2 and LINK hand over both nodes, names and flags", async () => {
  const seen: unknown[] = [];
  const directory = { ...DIRECTORY };
  const wire = served({
    lookup: (_directory, name) => (name === "d" ? directory : KNOWN),
    rename: (_from, ...all) => void seen.push(all.slice(0, 4)),
    link: (_directory, name, node) => void seen.push([name, node]),
  });
  const d = BigInt(await wire.lookup(1, "d"));
  const file = BigInt(await wire.lookup(1, "f"));
  expect(await errorFrom(wire, 12, 1, d, "old\0new\0")).toBe(0);
  expect(await errorFrom(wire, 45, 1, d, 2, 0, "old\0new\0")).toBe(0);
  expect(await errorFrom(wire, 45, 1, d, 8, 0, "old\0new\0")).toBe(22);
  expect(await errorFrom(wire, 12, 1, 99n, "old\0new\0")).toBe(116);
  expect(await errorFrom(wire, 12, 1, d, "old\0..\0")).toBe(22);
  const { unique, answer } = await answerOf(wire, 13, 1, file, "again\0");
  expect(answer).toEqual(reply(unique, file, 1n, 1n, 1n, 0, 0, ...ATTR));
  expect(seen).toEqual([
    ["old", directory, "new", 0],
    ["old", directory, "new", 2],
    ["again", KNOWN],
  ]);
  expect(wire.connection.vnodes.at(Number(file))?.lookups).toBe(2);
});

describe("extended attributes", () => {
  const wire = served({
    getextattr: (_node, namespace, name) =>
      name === "none" ? ENODATA : bytes(`${namespace}:${name}`),
    listextattr: (_node, namespace) =>
      namespace === "security" ? fail({ code: "EPERM" }) : namespace === "user" ? ["a", "é"] : [],
  });
  test.each([
    ["its size", 22, [0, 0, "user.mime\0"], [9, 0]],
    ["all of it", 22, [9, 0, "user.mime\0"], ["user:mime"]],
    ["dots stay in the name", 22, [99, 0, "security.a.b\0"], ["security:a.b"]],
    ["too little room", 22, [8, 0, "user.mime\0"], 34],
    ["none there", 22, [8, 0, "user.none\0"], 61],
    ["a namespace that nobody knows", 22, [8, 0, "other.a\0"], 95],
    ["no namespace", 22, [8, 0, "mime\0"], 95],
    ["nothing after the dot", 22, [8, 0, "user.\0"], 22],
    ["256 bytes of name", 22, [8, 0, `user.${"x".repeat(251)}\0`], 34],
    ["a listing that fails in one namespace fails", 23, [99, 0], 1],
    ["create and replace at once", 21, [1, 3, "user.a\0x"], 22],
    ["a value that is not all there", 21, [2, 0, "user.a\0x"], 71],
  ] as const)("%s", async (_name, opcode, body, expected) => {
    const { unique, answer } = await answerOf(wire, opcode, 1, ...body);
    expect(answer).toEqual(
      typeof expected === "number" ? refusal(unique, expected) : reply(unique, ...expected),
    );
  });

  test("names are listed with their namespace, each with a NUL, and counted in bytes", async () => {
    const listing = served({
      listextattr: (_node, namespace) =>
        namespace === "system" ? fail({ code: "EOPNOTSUPP" }) : ["a", "é"],
    });
    // Those of "trusted" are hidden from all but root.
    const names = "user.a\0user.é\0security.a\0security.é\0";
    for (const [room, ...expected] of [
      [0, bytes(names).length, 0],
      [99, names],
    ] as const) {
      const { unique, answer } = await answerOf(listing, 23, 1, room, 0);
      expect(answer).toEqual(reply(unique, ...expected));
    }
  });

  test("flags and value of setxattr", async () => {
    const seen: unknown[] = [];
    const setting = served({
      setextattr: (_node, namespace, name, value, existing) =>
        void seen.push([namespace, name, new TextDecoder().decode(value), existing]),
    });
    for (const flags of [0, 1, 2]) await setting.ask(21, 1, 3, flags, "trusted.key\0one");
    expect(seen).toEqual(["any", "create", "replace"].map((e) => ["trusted", "key", "one", e]));
  });
});

describe("locks", () => {
  test("owner, range, kind and the lock in the way", async () => {
    const seen: unknown[] = [];
    const wire = served({
      advlock: (_node, operation, lock, owner, kind) => {
        seen.push([operation, lock, owner, kind]);
        return operation === "get"
          ? { type: "write", start: 5, end: Infinity, pid: 4321 }
          : undefined;
      },
    });
    // handle, owner, start, end, type, pid, flags
    const { unique, answer } = await answerOf(
      wire,
      31,
      1,
      0n,
      2n ** 63n,
      3n,
      2n ** 63n - 1n,
      0,
      7,
      0,
      0,
    );
    expect(answer).toEqual(reply(unique, 5n, 2n ** 63n - 1n, 1, 4321));
    expect(await errorFrom(wire, 32, 1, 0n, 78n, 0n, 9n, 1, 7, 1, 0)).toBe(0);
    expect(await errorFrom(wire, 33, 1, 0n, 79n, 0n, 9n, 2, 7, 0, 0)).toBe(0);
    const whole = Number.POSITIVE_INFINITY;
    expect(seen).toEqual([
      ["get", { type: "read", start: 3, end: whole, pid: 7 }, 2n ** 63n, "posix"],
      ["set", { type: "write", start: 0, end: 9, pid: 7 }, 78n, "flock"],
      ["wait", { type: "unlock", start: 0, end: 9, pid: 7 }, 79n, "posix"],
    ]);
    expect(await errorFrom(wire, 32, 1, 0n, 78n, 9n, 8n, 1, 7, 0, 0)).toBe(22);
    expect(await errorFrom(wire, 32, 1, 0n, 78n, 0n, 9n, 3, 7, 0, 0)).toBe(22);
  });

  test.each([
    ["in order", () => undefined],
    ["though unlocking fails", () => fail({ code: "ENOLCK" })],
  ])("FLUSH drops the owner's POSIX locks, RELEASE its flock, %s", async (_name, unlock) => {
    const seen: unknown[] = [];
    const wire = served({
      advlock: (_node, _operation, { type, start, end }: Lock, owner, kind) => {
        seen.push([type, start, end, owner, kind]);
        return unlock();
      },
      close: () => void seen.push("close"),
      inactive: () => void seen.push("inactive"),
    });
    const node = await wire.lookup(1, "a");
    const fh = await open(wire, node);
    expect(await errorFrom(wire, 25, node, fh, 0, 0, 77n)).toBe(0);
    expect(await errorFrom(wire, 18, node, fh, 0, 2, 78n)).toBe(0);
    const all = ["unlock", 0, Number.POSITIVE_INFINITY];
    expect(seen).toEqual([[...all, 77n, "posix"], "close", [...all, 78n, "flock"], "inactive"]);
  });
});

test("IOCTL: input, room, result and output", async () => {
  let seen: unknown[] = [];
  const wire = served({
    ioctl: (_node, command, input, room) => {
      seen = [command, new TextDecoder().decode(input), room];
      return { result: -3, output: bytes("out") };
    },
  });
  // handle, flags, command, argument, sizes in and out
  const { unique, answer } = await answerOf(wire, 39, 1, 0n, 0, 0xc0045401, 5n, 4, 8, "data");
  expect(answer).toEqual(reply(unique, -3, 0, 0, 0, "out"));
  expect(seen).toEqual([0xc0045401, "data", 8]);
});

test("POLL: events, and a wake-up with the handle it was asked with, however late", async () => {
  const wakes: ((() => void) | undefined)[] = [];
  const wire = served({ poll: (_node, events, notify) => wakes.push(notify) && events & 4 });
  // handle, poll handle, flags, events
  const { unique, answer } = await answerOf(wire, 40, 1, 0n, 0x1122334455667788n, 1, 5);
  expect(answer).toEqual(reply(unique, 4, 0));
  await wire.ask(40, 1, 0n, 2n, 0, 5);
  expect(wakes[1]).toBeUndefined();
  wakes[0]?.();
  wakes[0]?.();
  const wakeUp = bytes(24, 1, 0n, 0x1122334455667788n);
  expect(wire.notifications).toEqual([wakeUp, wakeUp]);
});

test("LSEEK, COPY_FILE_RANGE, FALLOCATE, BMAP and TMPFILE", async () => {
  const seen: unknown[] = [];
  const note =
    (name: string) =>
    (_node: unknown, ...all: unknown[]) =>
      void seen.push([name, ...all.slice(0, -1)]);
  const wire = served({
    seek: (_node, offset, whence) => seen.push(["seek", offset, whence]) && offset + 1,
    copyRange: (_from, at, _to, there, length) => seen.push(["copy", at, there, length]) && 4,
    fallocate: note("allocate"),
    fdiscard: note("discard"),
    tmpfile: (_directory, mode) => {
      seen.push(["tmpfile", mode]);
      return KNOWN;
    },
  });
  const file = await wire.lookup(1, "a");
  const cases: readonly (readonly [number, Part[], Part[] | number])[] = [
    [46, [0n, 2n ** 40n, 3, 0], [2n ** 40n + 1n]],
    [46, [0n, 5n, 4, 0], [6n]],
    [46, [0n, 5n, 0, 0], 22],
    [47, [0n, 1n, BigInt(file), 0n, 2n, 2n ** 40n, 0n], [4, 0]],
    [53, [0n, 1n, BigInt(file), 0n, 2n, 2n ** 40n, 0n], [4n]],
    [53, [0n, 1n, 99n, 0n, 2n, 5n, 0n], 116],
    [43, [0n, 1n, 2n, 1, 0], []],
    [43, [0n, 1n, 2n, 3, 0], []],
    [37, [3n, 512, 0], [3n]],
    [51, [2, 0o600, 0o22, 0, "#1\0"], [3n, 1n, 1n, 1n, 0, 0, ...ATTR, 1n, 0, 0]],
  ];
  for (const [opcode, body, expected] of cases) {
    const { unique, answer } = await answerOf(wire, opcode, file, ...body);
    expect(answer).toEqual(
      typeof expected === "number" ? refusal(unique, expected) : reply(unique, ...expected),
    );
  }
  expect(seen).toEqual([
    ["seek", 2 ** 40, "data"],
    ["seek", 5, "hole"],
    ["copy", 1, 2, 0x7ffff000],
    ["copy", 1, 2, 2 ** 40],
    ["allocate", 1, 2, 1],
    ["discard", 1, 2],
    ["tmpfile", 0o100600],
  ]);
});

test("READLINK and STATFS", async () => {
  const wire = served({ readlink: () => "tärget" });
  const link = await answerOf(wire, 5, 1);
  expect(link.answer).toEqual(reply(link.unique, "tärget"));
  const stat = await answerOf(wire, 17, 1);
  // blocks, free, available, files, free; bsize, namelen, frsize, padding, spare
  expect(stat.answer).toEqual(
    reply(stat.unique, 9n, 8n, 7n, 6n, 5n, 4096, 255, 4096, 0, new Uint8Array(24)),
  );
});

test("NOTIFY_REPLY finds the question by its number", () => {
  const wire = served();
  const got: unknown[] = [];
  wire.connection.retrieving.set(77, (offset, content) =>
    got.push(offset, new TextDecoder().decode(content)),
  );
  // dummy, offset, size, dummies, data
  expect(wire.serve(request(41, 77n, 1n, 0n, 4096n, 4, 0, 0n, 0n, "page"))).toEqual(
    new Uint8Array(0),
  );
  wire.serve(request(41, 77n, 1n, 0n, 4096n, 4, 0, 0n, 0n, "page"));
  expect([got, wire.connection.retrieving.size, wire.reports]).toEqual([[4096, "page"], 0, []]);
});

test("what the plugin sees of the caller and of the file is that of the request", async () => {
  const seen: unknown[] = [];
  const files: File[] = [];
  const wire = served({
    open: (_node, opened) => void files.push(opened),
    fsync: (_node, dataOnly, call) =>
      void seen.push(
        dataOnly,
        call.uid,
        call.gid,
        call.pid,
        call.file === files[0],
        call.signal.aborted,
      ),
  });
  const node = await wire.lookup(1, "a");
  const fh = await open(wire, node);
  await wire.ask(20, node, fh, 1, 0);
  await wire.ask(20, node, 0n, 0, 0);
  expect(seen).toEqual([
    true,
    1001,
    1002,
    1003,
    true,
    false,
    false,
    1001,
    1002,
    1003,
    false,
    false,
  ]);
});

function fail(thrown: unknown): never {
  throw thrown;
}
