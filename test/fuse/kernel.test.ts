import { describe, expect, test } from "bun:test";
import { Span } from "../../src/frame.ts";
import { FuseKernel, type ProtocolFault } from "../../src/fuse/kernel.ts";
import type { Notification } from "../../src/fuse/notification.ts";

/** A message by hand: numbers are 32 bits, bigints 64, strings their UTF-8 bytes, arrays bytes; little-endian. */
function bytes(...parts: (number | bigint | string | number[])[]): Uint8Array {
  const whole: number[] = [];
  for (const part of parts) {
    if (typeof part === "string") whole.push(...Buffer.from(part));
    else if (Array.isArray(part)) whole.push(...part);
    else {
      const size = typeof part === "bigint" ? 8 : 4;
      const value = BigInt.asUintN(64, BigInt(part));
      for (let i = 0; i < size; i++) whole.push(Number((value >> BigInt(8 * i)) & 0xffn));
    }
  }
  return Uint8Array.from(whole);
}

function zeros(count: number): number[] {
  return new Array(count).fill(0);
}

/** A kernel whose requests pile up in `sent`, and a way to answer them. */
function setUp(minor = 45) {
  const sent: Uint8Array[] = [];
  const faults: ProtocolFault[] = [];
  const notices: Notification[] = [];
  const kernel = new FuseKernel((message) => sent.push(message.slice()), {
    onFault: (fault) => faults.push(fault),
    onNotify: (notice) => notices.push(notice),
  });
  kernel.minor = minor;
  const reply = (unique: number, error: number, ...body: Parameters<typeof bytes>) => {
    const payload = bytes(...body);
    kernel.receive(new Span(bytes(16 + payload.length, error, BigInt(unique), [...payload])));
  };
  return { kernel, sent, faults, notices, reply };
}

const CALLER = { uid: 1001, gid: 1002, pid: 1003, umask: 0o027 };

/** fuse_attr: 80 bytes below 7.9, 88 since. */
function attr(mode: number, size: bigint, ...tail: number[]): Parameters<typeof bytes> {
  return [
    ...[0x1122334455667n, size, 8n], // ino, size, blocks
    ...[101n, -102n, 103n, 11, 12, 13], // atime, mtime, ctime, and their nanoseconds
    ...[mode, 3, 1001, 1002, 0x0801], // mode, nlink, uid, gid, rdev
    ...tail, // blksize, flags
  ];
}

function entry(nodeid: bigint, mode: number, ...tail: number[]): Parameters<typeof bytes> {
  return [
    ...[nodeid, 7n, 60n, 30n, 5, 6], // nodeid, generation, validities
    ...attr(mode, 4096n, ...tail),
  ];
}

/** What a promise rejects with, by name. */
function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "answered",
    (error) => error.code,
  );
}

describe("requests, byte for byte", () => {
  test("LOOKUP", () => {
    const { kernel, sent } = setUp();
    kernel.lookup(5, "gr\u00fc\udcff", CALLER);
    const expected = bytes(
      ...[46, 1, 2n, 5n], // len, LOOKUP, unique, nodeid
      ...[1001, 1002, 1003, 0], // uid, gid, pid, padding
      ...["gr\u00fc", [0xff, 0]],
    );
    expect(sent).toEqual([expected]);
  });

  test("GETATTR has a body since 7.9", () => {
    const bodies = [8, 9].map((minor) => {
      const { kernel, sent } = setUp(minor);
      kernel.getattr(6, { getattrFlags: 1, fh: 77 }, CALLER);
      return sent[0]?.subarray(40);
    });
    expect(bodies).toEqual([bytes(), bytes(1, 0, 77n)]);
  });

  test("CREATE: 8 bytes before 7.12, and the umask is applied unless the server wants it", () => {
    const [old, recent] = [11, 45].map((minor) => {
      const { kernel, sent } = setUp(minor);
      kernel.create(1, "new", { flags: 0o101102, mode: 0o100666 }, CALLER);
      return sent[0]?.subarray(40);
    });
    expect(old).toEqual(bytes(0o101102, 0o100640, "new\0"));
    expect(recent).toEqual(bytes(0o101102, 0o100640, 0o027, 0, "new\0"));
  });

  test("WRITE: 24 bytes before 7.9, 40 since", () => {
    const data = Uint8Array.of(9, 8, 7);
    const fields = { fh: 77, offset: 0x1_0000_0002, writeFlags: 4, flags: 0o100001 };
    const [old, recent] = [8, 9].map((minor) => {
      const { kernel, sent } = setUp(minor);
      kernel.write(6, fields, data, CALLER);
      return sent[0]?.subarray(40);
    });
    expect(old).toEqual(bytes(77n, 0x1_0000_0002n, 3, 4, [9, 8, 7]));
    expect(recent).toEqual(bytes(77n, 0x1_0000_0002n, 3, 4, 0n, 0o100001, 0, [9, 8, 7]));
  });

  test("INIT: 16 bytes before 7.36, 64 since", () => {
    const [old, recent] = [35, 36].map((minor) => {
      const { kernel, sent } = setUp();
      kernel.init({ minor, flags: 2 ** 34 + 0x40000008, maxReadahead: 0x20000 });
      return sent[0];
    });
    expect(old).toEqual(bytes(56, 26, 2n, 0n, 0, 0, 0, 0, 7, 35, 0x20000, 0x40000008));
    expect(recent?.subarray(40)).toEqual(bytes(7, 36, 0x20000, 0x40000008, 4, zeros(44)));
  });

  test("BATCH_FORGET and FORGET wait for no reply", () => {
    const { kernel, sent } = setUp();
    kernel.batchForget([
      { nodeid: 4, nlookup: 2 },
      { nodeid: 5, nlookup: 1 },
    ]);
    kernel.forget(9, 3);
    expect(sent[0]?.subarray(40)).toEqual(bytes(2, 0, 4n, 2n, 5n, 1n));
    expect(sent[1]?.subarray(40)).toEqual(bytes(3n));
    expect(kernel.waiting).toBe(0);
  });

  test("SETXATTR is short without SETXATTR_EXT, RENAME2 has two names", () => {
    const { kernel, sent } = setUp();
    kernel.setxattr(6, "user.a", Uint8Array.of(1, 2), { flags: 1 }, CALLER);
    kernel.rename2(2, "from", 3, "to", 2, CALLER);
    expect(sent[0]?.subarray(40)).toEqual(bytes(2, 1, "user.a\0", [1, 2]));
    expect(sent[1]?.subarray(40)).toEqual(bytes(3n, 2, 0, "from\0to\0"));
  });

  test("INTERRUPT names the request and has its unique plus one", async () => {
    const { kernel, sent, reply, faults } = setUp();
    const pending = kernel.read(6, { fh: 1, size: 10 }, CALLER);
    kernel.interrupt(kernel.lastUnique);
    expect(sent[1]).toEqual(bytes(48, 36, 3n, 0n, 0, 0, 0, 0, 2n));
    reply(2, -4);
    expect(await codeOf(pending)).toBe("EINTR");
    reply(3, -11); // libfuse answers one that came too late
    expect(faults).toEqual([]);
    kernel.interrupt(2);
    expect(sent).toHaveLength(2);
  });

  test("INTERRUPT that the server does not know is not sent again", () => {
    const { kernel, sent, reply } = setUp();
    kernel.read(6, { fh: 1, size: 10 }, CALLER).catch(() => {});
    kernel.interrupt(2);
    reply(3, -38);
    kernel.interrupt(2);
    expect(sent).toHaveLength(2);
  });

  test("a raw request is sent as it is", async () => {
    const { kernel, sent, reply } = setUp();
    const raw = kernel.request(4095, 3, CALLER, Uint8Array.of(1, 2, 3));
    expect(sent[0]).toEqual(bytes(43, 4095, 2n, 3n, 1001, 1002, 1003, 0, [1, 2, 3]));
    reply(raw.unique, 0, "whatever");
    expect(await raw.reply).toEqual(bytes("whatever"));
  });
});

describe("replies, byte for byte", () => {
  test("an entry of 128 bytes, and one of 120 before 7.9", async () => {
    for (const { minor, tail } of [
      { minor: 8, tail: [] },
      { minor: 45, tail: [512, 0] },
    ]) {
      const { kernel, reply } = setUp(minor);
      const found = kernel.lookup(1, "a", CALLER);
      reply(2, 0, ...entry(42n, 0o100644, ...tail));
      expect(await found).toMatchObject({
        ...{ nodeid: 42, generation: 7, entryValid: 60, attrValid: 30 },
        ...{ entryValidNsec: 5, attrValidNsec: 6 },
        attr: { size: 4096, mtime: -102, mtimensec: 12, mode: 0o100644, blksize: tail[0] ?? 0 },
      });
    }
  });

  test("a negative entry needs no mode", async () => {
    const { kernel, reply } = setUp();
    const found = kernel.lookup(1, "a", CALLER);
    reply(2, 0, 0n, 0n, 9n, 0n, 0, 0, zeros(88));
    expect(await found).toMatchObject({ nodeid: 0, entryValid: 9 });
  });

  test("INIT: a short answer, the lower minor, and only flags that were offered", async () => {
    const { kernel, reply } = setUp();
    const done = kernel.init({ minor: 45, flags: 0x2008 });
    reply(2, 0, 7, 19, 0x10000, 0x2020, 0x000c_0010, 0x8000); // background 16, congestion 12
    expect(await done).toMatchObject({ minor: 19, maxBackground: 16, maxWrite: 0x8000 });
    expect(kernel.minor).toBe(19);
    expect(kernel.agreed("DO_READDIRPLUS")).toBe(true);
    expect(kernel.agreed("ATOMIC_O_TRUNC")).toBe(false);
    expect(kernel.agreed("BIG_WRITES")).toBe(false);
  });

  test("INIT of another major version", async () => {
    const { kernel, reply } = setUp();
    const done = kernel.init();
    reply(2, 0, 8, 1, zeros(56));
    expect(await codeOf(done)).toBe("EPROTO");
  });

  test("CREATE answers an entry and a handle", async () => {
    const { kernel, reply } = setUp();
    const made = kernel.create(1, "a", {}, CALLER);
    reply(2, 0, ...entry(43n, 0o100600, 4096, 0), 99n, 1, 0);
    expect(await made).toMatchObject({ nodeid: 43, open: { fh: 99, openFlags: 1 } });
  });

  test("READDIR: names padded to 8, offsets of 64 bits, what is cut off is dropped", async () => {
    const { kernel, sent, reply } = setUp();
    const page = kernel.readdir(1, { fh: 7, offset: 0x8000000000000001n, size: 100 }, CALLER);
    expect(sent[0]?.subarray(40, 60)).toEqual(bytes(7n, 0x8000000000000001n, 100));
    reply(
      ...[2, 0, 5n, 0xfffffffffffffff0n, 3, 8, "abc", zeros(5)],
      ...[6n, 2n, 8, 4, [0xff], "efghijk"],
      ...[7n, 3n, 8, 4, "cut"],
    );
    expect(await page).toEqual([
      { ino: 5, off: 0xfffffffffffffff0n, type: 8, name: "abc" },
      { ino: 6, off: 2n, type: 4, name: "\udcffefghijk" },
    ]);
  });

  test("READDIRPLUS brings entries", async () => {
    const { kernel, reply } = setUp();
    const page = kernel.readdirplus(1, { fh: 7, size: 4096 }, CALLER);
    reply(2, 0, ...entry(44n, 0o40755, 4096, 0), 5n, 1n, 1, 4, "d", zeros(7));
    const [only] = await page;
    expect(only).toMatchObject({ name: "d", type: 4, off: 1n, entry: { nodeid: 44 } });
  });

  test("an error is known by name, one without a name is EIO", async () => {
    const { kernel, reply, faults } = setUp();
    const codes = [-2, -95, -511].map((error, i) => {
      const code = codeOf(kernel.unlink(1, "a", CALLER));
      reply(2 + 2 * i, error);
      return code;
    });
    expect(await Promise.all(codes)).toEqual(["ENOENT", "EOPNOTSUPP", "EIO"]);
    expect(faults).toEqual([]);
  });

  test("answers may come in any order", async () => {
    const { kernel, reply } = setUp();
    const first = kernel.readlink(5, CALLER);
    const second = kernel.readlink(6, CALLER);
    reply(4, 0, "second");
    reply(2, 0, "first");
    expect(await Promise.all([first, second])).toEqual(["first", "second"]);
  });
});

describe("what a server must not answer", () => {
  const cases: Record<string, Uint8Array> = {
    "a length that is not that of the message": bytes(17, 0, 2n),
    "bytes where none are due": bytes(20, 0, 2n, 0),
    "an error above zero": bytes(16, 2, 2n),
    "an error beyond Linux' own": bytes(16, -512, 2n),
    "an error with a payload": bytes(20, -2, 2n, 0),
  };
  for (const [what, message] of Object.entries(cases)) {
    test(what, async () => {
      const { kernel, faults } = setUp();
      const code = codeOf(kernel.unlink(1, "a", CALLER));
      kernel.receive(new Span(message));
      expect(await code).toBe("EPROTO");
      expect(faults.map(({ opcode }) => opcode)).toEqual([10]);
      expect(kernel.waiting).toBe(0);
    });
  }

  test("no message at all, and a reply to nothing: nobody is hurt", () => {
    const { kernel, faults } = setUp();
    kernel.unlink(1, "a", CALLER).catch(() => {});
    kernel.receive(new Span(bytes(15)));
    kernel.receive(new Span(bytes(16, 0, 4n)));
    kernel.receive(new Span(bytes(16, 0, 0x8000000000000002n)));
    expect(faults).toHaveLength(3);
    expect(kernel.waiting).toBe(1);
  });

  test("more data than was asked for, more bytes written than were sent", async () => {
    const { kernel, reply } = setUp();
    const read = codeOf(kernel.read(1, { size: 2 }, CALLER));
    const written = codeOf(kernel.write(1, {}, Uint8Array.of(1), CALLER));
    reply(2, 0, "abc");
    reply(4, 0, 2, 0);
    expect(await Promise.all([read, written])).toEqual(["EPROTO", "EPROTO"]);
  });

  test("a file of no kind: it is refused, and its lookup given back", async () => {
    const { kernel, sent, reply } = setUp();
    const code = codeOf(kernel.lookup(1, "a", CALLER));
    reply(2, 0, ...entry(42n, 0o644, 4096, 0));
    expect(await code).toBe("EPROTO");
    expect(sent[1]?.subarray(40)).toEqual(bytes(1n));
  });

  test("a new file with the root's node, or none", async () => {
    const { kernel, reply } = setUp();
    const codes = [0n, 1n].map((nodeid, i) => {
      const code = codeOf(kernel.mkdir(1, "a", {}, CALLER));
      reply(2 + 2 * i, 0, ...entry(nodeid, 0o40755, 4096, 0));
      return code;
    });
    expect(await Promise.all(codes)).toEqual(["EPROTO", "EPROTO"]);
  });

  test("names with slashes, and empty ones", async () => {
    for (const name of ["a/b", ""]) {
      const { kernel, reply } = setUp();
      const code = codeOf(kernel.readdir(1, { size: 4096 }, CALLER));
      reply(2, 0, 5n, 1n, name.length, 8, name, zeros(8 - name.length));
      expect(await code).toBe("EPROTO");
    }
  });

  test("after the end everything outstanding fails", async () => {
    const { kernel } = setUp();
    const code = codeOf(kernel.statfs(1, CALLER));
    kernel.end();
    expect(await code).toBe("ENOTCONN");
  });

  test("a transport that cannot send fails the request", async () => {
    const kernel = new FuseKernel(() => {
      throw Object.assign(new Error("closed"), { code: "EPIPE" });
    });
    expect(await codeOf(kernel.statfs(1, CALLER))).toBe("EPIPE");
    expect(kernel.waiting).toBe(0);
  });
});

describe("notifications", () => {
  const cases: [string, number, Uint8Array, object][] = [
    ["POLL", 1, bytes(0xfedcba9876543210n), { type: "poll", kh: 0xfedcba9876543210n }],
    ["INVAL_INODE", 2, bytes(42n, -1n, 0n), { type: "invalidateInode", ino: 42, off: -1, len: 0 }],
    [
      "INVAL_ENTRY",
      3,
      bytes(1n, 3, 1, "abc\0"),
      { type: "invalidateEntry", parent: 1, flags: 1, name: "abc" },
    ],
    [
      "STORE",
      4,
      bytes(42n, 8192n, 2, 0, [5, 6]),
      { type: "store", nodeid: 42, offset: 8192, data: Uint8Array.of(5, 6) },
    ],
    [
      "RETRIEVE",
      5,
      bytes(9n, 42n, 8192n, 4096, 0),
      { type: "retrieve", notifyUnique: 9, nodeid: 42, offset: 8192, size: 4096 },
    ],
    ["DELETE", 6, bytes(1n, 42n, 1, 0, "x\0"), { type: "delete", parent: 1, child: 42, name: "x" }],
    ["RESEND", 7, bytes(), { type: "resend" }],
    ["INC_EPOCH", 8, bytes(), { type: "incrementEpoch" }],
    ["PRUNE", 9, bytes(2, 0, 0n, 5n, 6n), { type: "prune", nodeids: [5, 6] }],
  ];
  for (const [name, code, body, expected] of cases) {
    test(name, () => {
      const { notices, reply, faults } = setUp();
      reply(0, code, [...body]);
      expect(faults).toEqual([]);
      expect(notices).toHaveLength(1);
      expect(notices[0]).toMatchObject(expected);
    });
  }

  test("what is none is a fault", () => {
    const { notices, reply, faults } = setUp();
    reply(0, 99);
    reply(0, 2, 42n);
    reply(0, 3, 1n, 9, 0, "abc\0");
    reply(0, 4, 42n, 0n, 5, 0, "abc");
    expect(notices).toEqual([]);
    expect(faults).toHaveLength(4);
  });

  test("the answer to RETRIEVE bears the server's number", () => {
    const { kernel, sent } = setUp();
    kernel.notifyReply(9, 42, 8192, Uint8Array.of(1, 2, 3));
    expect(sent[0]).toEqual(bytes(83, 41, 9n, 42n, 0, 0, 0, 0, 0n, 8192n, 3, 0, 0n, 0n, [1, 2, 3]));
  });
});
