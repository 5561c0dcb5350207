import { describe, expect, test } from "bun:test";
import { type Caller, NOCRED } from "../../src/puffs/kernel.ts";
import { acceptKargs } from "../../src/puffs/mounted.ts";
import { kargsBytes, outcome, ROOT, Scripted } from "./scripted.ts";

const USER: Caller = { uid: 1001, gid: 2002, groups: [20, 30, 40], pid: 77, lid: 3 };

const NODE = 0x5594_5786_41b0;

/** Make the kernel know a node. */
async function known(server: Scripted, cookie = NODE, vtype = 1, size = 0): Promise<void> {
  const found = server.kernel.lookup(ROOT, { name: "f" }, USER);
  server.answer({}, (view) => {
    view.setBigUint64(1192, BigInt(cookie), true);
    view.setUint32(1200, vtype, true);
    view.setBigUint64(1208, BigInt(size), true);
  });
  await found;
}

describe("a request", () => {
  test("has a header with all that a server needs", () => {
    const server = new Scripted();
    outcome(server.kernel.access(NODE, 5, USER));
    outcome(server.kernel.read(NODE, 4096, 1000, USER));
    const [access, read] = [server.frame(0), server.frame(1)];
    expect(access.getBigUint64(0, true)).toBe(144n);
    expect(access.getBigUint64(8, true)).toBe(0n);
    expect(access.getBigUint64(16, true)).toBe(BigInt(NODE));
    expect([access.getUint16(24, true), access.getUint16(26, true)]).toEqual([2, 5]);
    expect([access.getInt32(28, true), access.getUint32(32, true)]).toEqual([0, 0]);
    expect([access.getInt32(36, true), access.getInt32(40, true)]).toEqual([77, 3]);
    expect(access.getBigUint64(48, true)).toBe(144n);
    expect(access.getInt32(140, true)).toBe(5);
    // READ: the data are not sent down but count in buflen.
    expect(read.byteLength).toBe(168);
    expect(read.getBigUint64(8, true)).toBe(1n);
    expect(read.getBigUint64(48, true)).toBe(1168n);
  });

  test("has the credential of its caller, or says that it is the kernel itself", () => {
    const server = new Scripted();
    outcome(server.kernel.access(NODE, 4, USER));
    const user = server.frame();
    expect([user.getUint32(60, true), user.getUint32(64, true)]).toEqual([1001, 2002]);
    expect(user.getInt16(68, true)).toBe(3);
    expect([72, 76, 80, 84].map((at) => user.getUint32(at, true))).toEqual([20, 30, 40, 0]);
    expect([user.getUint8(136), user.getUint8(137)]).toEqual([1, 0]);
    outcome(server.kernel.access(NODE, 4, NOCRED));
    const kernel = server.frame();
    expect([kernel.getUint8(136), kernel.getUint8(137)]).toEqual([2, 1]);
  });

  test("LOOKUP has the name, what is to become of it and the path behind it", () => {
    const server = new Scripted();
    const cn = { name: "größe", nameiop: 3, flags: 0x8000, rest: "/x" };
    outcome(server.kernel.lookup(ROOT, cn, USER));
    const view = server.frame();
    expect([view.byteLength, view.getUint32(56, true), view.getUint32(60, true)]).toEqual([
      1432, 3, 0x8000,
    ]);
    expect(Buffer.from(view.buffer, 64, 10).toString()).toBe("größe/x\0");
    expect(view.getBigUint64(1088, true)).toBe(7n);
    expect(view.getUint32(1108, true)).toBe(1001);
    outcome(server.kernel.lookup(NODE, { name: ".." }, USER));
    expect(server.frame().getUint32(60, true) & 0x2000).toBe(0x2000);
  });

  test("WRITE has its data before the end of the struct", async () => {
    const server = new Scripted();
    await known(server);
    const written = server.kernel.write(NODE, 8, new Uint8Array([1, 2, 3]), USER, 0x20);
    const frame = server.frames.at(-1) as Uint8Array;
    expect(frame.length).toBe(171);
    expect([...frame.subarray(160, 168)]).toEqual([0x20, 0, 0, 0, 1, 2, 3, 0]);
    expect(server.frame().getBigUint64(152, true)).toBe(3n);
    server.answer({ length: 168 }, (view) => view.setBigUint64(152, 0n, true));
    expect(await written).toBe(3);
  });

  test("SETATTR leaves what is not given at VNOVAL", () => {
    const server = new Scripted();
    outcome(server.kernel.setattr(NODE, { mode: 0o640, size: 9 }, USER));
    const view = server.frame();
    expect(view.getUint32(148, true)).toBe(0o640);
    expect(view.getUint32(156, true)).toBe(0xffffffff);
    expect(view.getBigInt64(184, true)).toBe(9n);
    expect([200, 208, 216, 280].map((at) => view.getBigInt64(at, true))).toEqual([
      -1n,
      -1n,
      -1n,
      -1n,
    ]);
  });

  test("of hole punching goes out as FALLOCATE, as the kernel of 2016 has it", () => {
    const server = new Scripted();
    outcome(server.kernel.fdiscard(NODE, 4096, 8192));
    expect(server.frame().getUint16(26, true)).toBe(47);
  });

  test("with a name that is too long is not sent", async () => {
    const server = new Scripted();
    const name = "x".repeat(1024);
    expect(() => server.kernel.lookup(ROOT, { name }, USER)).toThrow("ENAMETOOLONG");
    expect(await outcome(server.kernel.create(ROOT, name, 0o600, USER))).toBe("ENAMETOOLONG");
    expect(server.frames).toHaveLength(0);
  });
});

describe("what the server has not", () => {
  const none = { flags: 0 };

  test("is refused, granted or done without it, and never asked", async () => {
    const { kernel, frames } = new Scripted(none);
    const refused = [
      kernel.create(ROOT, "x", 0o600, USER),
      kernel.getattr(ROOT, USER),
      kernel.setattr(ROOT, {}, USER),
      kernel.read(ROOT, 0, 1, USER),
      kernel.write(ROOT, 0, new Uint8Array(1), USER),
      kernel.remove(ROOT, "x", NODE, USER),
      kernel.rename(
        { directory: ROOT, name: "x", node: NODE },
        { directory: ROOT, name: "y", node: 0 },
        USER,
      ),
      kernel.readdir(ROOT, { offset: 0, room: 512 }, USER),
      kernel.readlink(NODE, USER),
      kernel.pathconf(ROOT, 4),
      kernel.getextattr(ROOT, 1, "a", 10, USER),
      kernel.listextattr(ROOT, 1, 10, USER),
    ];
    for (const call of refused) expect(await outcome<unknown>(call)).toBe("EOPNOTSUPP");
    const granted = [
      kernel.open(ROOT, 1, USER),
      kernel.access(ROOT, 4, USER),
      kernel.seek(ROOT, 0, 1, USER),
      kernel.mmap(ROOT, 1, USER),
      kernel.fsync(ROOT),
    ];
    for (const call of granted) expect(await outcome<unknown>(call)).toBeOneOf([undefined, 0]);
    expect(await kernel.poll(ROOT, 5, USER)).toEqual({ error: undefined, events: 5 });
    kernel.close(ROOT, 1, USER);
    kernel.abortop(ROOT, { name: "x" }, USER);
    expect(await kernel.release(ROOT)).toBe(false);
    expect(frames).toHaveLength(0);
  });

  test("LOOKUP and FALLOCATE are asked for all the same", () => {
    const { kernel, frames } = new Scripted(none);
    outcome(kernel.lookup(ROOT, { name: "x" }, USER));
    outcome(kernel.fallocate(ROOT, 0, 1));
    expect(frames).toHaveLength(2);
  });

  test("is told by one byte for each operation", () => {
    const vnopmask = new Uint8Array(78);
    vnopmask[6] = 1;
    const { kernel, frames } = new Scripted({ flags: 0, vnopmask });
    outcome(kernel.getattr(ROOT, USER));
    expect(frames).toHaveLength(1);
    expect(kernel.has(7)).toBe(false);
  });
});

describe("a reply", () => {
  test("is matched by its number alone, in any order", async () => {
    const server = new Scripted();
    const answers = [1, 2, 3].map((mode) => outcome(server.kernel.access(NODE, mode, USER)));
    expect(server.kernel.waiting).toBe(3);
    server.answer({ rv: 13 }, (view) => view.setUint16(26, 99, true), 2);
    server.answer({ rv: 0 }, (view) => view.setBigUint64(16, 0n, true), 0);
    server.answer({ rv: 66 }, undefined, 1);
    expect(await Promise.all(answers)).toEqual([undefined, "ENOTEMPTY", "EACCES"]);
    expect(server.faults).toHaveLength(0);
  });

  test("that nobody waits for changes nothing, but is noticed", async () => {
    const server = new Scripted();
    const answer = server.kernel.access(NODE, 1, USER);
    server.answer();
    server.answer({ rv: 5 });
    expect(await outcome(answer)).toBeUndefined();
    expect(server.faults.map(({ message }) => message)).toEqual([
      "a reply to 0, which nobody waits for",
    ]);
    expect(server.frames).toHaveLength(1);
  });

  test.each([-1, 97, 2 ** 31 - 1])(
    "with the error %d is EPROTO, and the server is told",
    async (rv) => {
      const server = new Scripted();
      const answer = outcome(server.kernel.access(NODE, 1, USER));
      server.answer({ rv });
      expect(await answer).toBe("EPROTO");
      const error = server.frame();
      expect(error.byteLength).toBe(320);
      expect([error.getUint16(24, true), error.getUint16(26, true)]).toEqual([0x14, 0]);
      expect(error.getBigUint64(8, true)).toBe(0n);
      expect(error.getBigUint64(16, true)).toBe(0n);
      expect(error.getInt32(56, true)).toBe(rv);
      expect(Buffer.from(error.buffer, 60, 20).toString()).toStartWith(`error ${rv}\0`);
    },
  );

  test("longer than its request allows is EPROTO; shorter leaves the kernel's bytes", async () => {
    const server = new Scripted();
    const long = outcome(server.kernel.access(NODE, 1, USER));
    server.answer({ length: 145 });
    expect(await long).toBe("EPROTO");
    expect([server.faults.length, server.frames.length]).toEqual([1, 1]);
    const short = server.kernel.pathconf(NODE, 4);
    server.answer({ length: 56 });
    expect(await short).toBe(0);
  });

  test("to fire and forget is a fault", () => {
    const server = new Scripted();
    server.kernel.close(NODE, 1, USER);
    expect(server.frame().getUint16(24, true)).toBe(0x12);
    server.answer();
    expect(server.faults).toHaveLength(1);
  });

  test("too short for a header is answered EINVAL", () => {
    const server = new Scripted();
    outcome(server.kernel.access(NODE, 1, USER));
    server.answer({ length: 40 });
    const response = server.frame();
    expect([
      response.byteLength,
      response.getUint16(24, true),
      response.getInt32(28, true),
    ]).toEqual([56, 0x32, 22]);
    expect(server.kernel.waiting).toBe(1);
  });

  test("that comes after its caller was interrupted is ignored", async () => {
    const server = new Scripted();
    const answer = outcome(server.kernel.access(NODE, 1, USER));
    server.kernel.interrupt(server.kernel.lastId);
    expect(await answer).toBe("EINTR");
    expect(server.kernel.waiting).toBe(1);
    server.answer({ rv: 2 });
    expect(server.kernel.waiting).toBe(0);
    expect(server.faults).toHaveLength(0);
  });

  test("never comes once the server is gone: all that waits and all that follows is ENXIO", async () => {
    const server = new Scripted();
    const before = outcome(server.kernel.access(NODE, 1, USER));
    server.kernel.end();
    const after = outcome(server.kernel.access(NODE, 1, USER));
    server.kernel.close(NODE, 1, USER);
    expect([await before, await after]).toEqual(["ENXIO", "ENXIO"]);
    expect(server.frames).toHaveLength(1);
  });
});

describe("data in a reply", () => {
  test("READ: as many bytes as resid says are gone from what was asked", async () => {
    const server = new Scripted();
    const answer = server.kernel.read(NODE, 0, 100, USER);
    server.answer({ length: 171 }, (view, bytes) => {
      view.setBigUint64(152, 97n, true);
      bytes.set([7, 8, 9], 164);
    });
    expect([...(await answer)]).toEqual([7, 8, 9]);
  });

  const bad: [string, number, bigint][] = [
    ["resid grew", 168, 101n],
    ["not all were sent", 168, 50n],
  ];
  test.each(bad)("READ: %s", async (_, length, resid) => {
    const server = new Scripted();
    const answer = outcome(server.kernel.read(NODE, 0, 100, USER));
    server.answer({ length }, (view) => view.setBigUint64(152, resid, true));
    expect(await answer).toBe("EPROTO");
    expect(server.frame().getUint16(26, true)).toBe(5);
  });

  test("WRITE: what is left over is EIO, and more than there was EPROTO", async () => {
    const server = new Scripted();
    const short = outcome(server.kernel.write(NODE, 0, new Uint8Array(10), USER));
    server.answer({ length: 168 }, (view) => view.setBigUint64(152, 1n, true));
    expect(await short).toBe("EIO");
    const grown = outcome(server.kernel.write(NODE, 0, new Uint8Array(10), USER));
    server.answer({ length: 168 }, (view) => view.setBigUint64(152, 11n, true));
    expect(await grown).toBe("EPROTO");
  });

  test("READDIR: cookies, then records from dentoff on; holes are left out", async () => {
    const server = new Scripted();
    const answer = server.kernel.readdir(ROOT, { offset: 5, room: 512, ncookies: 2 }, USER);
    const request = server.frame();
    expect([144, 152, 160, 176].map((at) => request.getBigUint64(at, true))).toEqual([
      5n,
      512n,
      2n,
      16n,
    ]);
    expect(request.getBigUint64(48, true)).toBe(184n + 16n + 512n);
    server.answer({ length: 184 + 16 + 40 }, (view, bytes) => {
      view.setBigUint64(144, 9n, true);
      view.setBigUint64(152, 472n, true);
      view.setBigUint64(160, 2n, true);
      view.setInt32(168, 1, true);
      view.setBigUint64(184, 8n, true);
      view.setBigUint64(192, 9n, true);
      bytes.set([3, 0, 0, 0, 0, 0, 0, 0, 16, 0, 2, 0, 4, 0x2e, 0x2e, 0], 200);
      bytes.set([0, 0, 0, 0, 0, 0, 0, 0, 24, 0, 3, 0, 8, 0x61, 0x62, 0x63, 0], 216);
    });
    expect(await answer).toEqual({
      entries: [{ ino: 3, type: 4, name: ".." }],
      offset: 9,
      eof: true,
      cookies: [8n, 9n],
    });
  });

  const records: [string, number[]][] = [
    ["shorter than its name", [1, 0, 0, 0, 0, 0, 0, 0, 16, 0, 9, 0, 8, 0x61, 0, 0]],
    ["of a length that is no multiple of 8", [1, 0, 0, 0, 0, 0, 0, 0, 17, 0, 1, 0, 8, 0x61, 0, 0]],
    ["that has no name", [1, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 8, 0, 0, 0]],
    ["with a slash", [1, 0, 0, 0, 0, 0, 0, 0, 16, 0, 1, 0, 8, 0x2f, 0, 0]],
    ["whose name does not end", [1, 0, 0, 0, 0, 0, 0, 0, 16, 0, 1, 0, 8, 0x61, 0x62, 0]],
    ["that is longer than all", [1, 0, 0, 0, 0, 0, 0, 0, 24, 0, 1, 0, 8, 0x61, 0, 0]],
    ["of no length", [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 8, 0x61, 0, 0]],
  ];
  test.each(records)("READDIR: a record %s is EPROTO", async (_, record) => {
    const server = new Scripted();
    const answer = outcome(server.kernel.readdir(ROOT, { offset: 0, room: 512 }, USER));
    server.answer({ length: 200 }, (view, bytes) => {
      view.setBigUint64(152, 496n, true);
      bytes.set(record, 184);
    });
    expect(await answer).toBe("EPROTO");
    expect(server.frame().getUint16(26, true)).toBe(3);
  });

  test("READLINK: 1024 bytes of room, the text without its NUL", async () => {
    const server = new Scripted();
    const answer = server.kernel.readlink(NODE, USER);
    expect(server.frame().getBigUint64(144, true)).toBe(1024n);
    server.answer({}, (view, bytes) => {
      view.setBigUint64(144, 2n, true);
      bytes.set([0x2e, 0x2e], 152);
    });
    expect(await answer).toBe("..");
    const long = outcome(server.kernel.readlink(NODE, USER));
    server.answer({}, (view) => view.setBigUint64(144, 1025n, true));
    expect(await long).toBe("EPROTO");
  });

  test("attributes by name: the value, its size, all names", async () => {
    const server = new Scripted();
    const value = server.kernel.getextattr(NODE, 1, "user.a", 65536, USER);
    expect(server.frame().getBigUint64(48, true)).toBe(416n + 65536n);
    server.answer({ length: 418 }, (view, bytes) => {
      view.setBigUint64(408, 65534n, true);
      bytes.set([5, 6], 416);
    });
    expect([...(await value)]).toEqual([5, 6]);
    const size = server.kernel.extattrSize(NODE, 1, "user.a", USER);
    expect(server.frame().getBigUint64(400, true)).toBe(1n);
    server.answer({}, (view) => view.setBigUint64(400, 2n, true));
    expect(await size).toBe(2);
    const list = server.kernel.listextattr(NODE, 2, 100, USER, true);
    expect(server.frame().getInt32(160, true)).toBe(1);
    server.answer({ length: 170 }, (view, bytes) => {
      view.setBigUint64(152, 98n, true);
      bytes.set([1, 0x61], 168);
    });
    expect([...(await list)]).toEqual([1, 0x61]);
    const set = outcome(server.kernel.setextattr(NODE, 1, "a", new Uint8Array(4), USER));
    server.answer({ length: 408 });
    expect(await set).toBe("EIO");
    const gone = outcome(server.kernel.deleteextattr(NODE, 1, "a", USER));
    server.answer({ rv: 93 });
    expect(await gone).toBe("ENOATTR");
  });

  test("POLL tells events whatever its error", async () => {
    const server = new Scripted();
    const answer = server.kernel.poll(NODE, 0x41, USER);
    server.answer({ rv: 35 }, (view) => view.setInt32(56, 0x40, true));
    expect(await answer).toEqual({ error: "EAGAIN", events: 0x40 });
  });

  test("a file handle there and back", async () => {
    const server = new Scripted();
    const handle = server.kernel.nodetofh(NODE, 28);
    const asked = server.frame();
    // The room goes down with it; the node is not that of the header.
    expect([asked.byteLength, Number(asked.getBigUint64(48, true))]).toEqual([72 + 28, 72 + 28]);
    expect([16, 56].map((at) => Number(asked.getBigUint64(at, true)))).toEqual([0, NODE]);
    server.answer({ length: 74 }, (view, bytes) => {
      view.setBigUint64(64, 2n, true);
      bytes.set([1, 2], 72);
    });
    expect([...(await handle)]).toEqual([1, 2]);
    const node = server.kernel.fhtonode(new Uint8Array([1, 2]));
    expect([...(server.frames.at(-1) as Uint8Array).subarray(88, 98)]).toEqual([
      ...[2, 0, 0, 0, 0, 0, 0, 0],
      ...[1, 2],
    ]);
    server.answer({}, (view) => {
      view.setBigUint64(56, BigInt(NODE), true);
      view.setUint32(64, 1, true);
    });
    expect((await node).fhcookie).toBe(NODE);
    expect(server.kernel.nodes.get(NODE)?.lookups).toBe(0);
  });
});

describe("nodes", () => {
  test("are counted by the replies that name them, and RECLAIM says how many", async () => {
    const server = new Scripted();
    for (let i = 0; i < 3; i++) await known(server);
    expect(server.kernel.nodes.get(NODE)?.lookups).toBe(3);
    server.kernel.reclaim(NODE);
    const reclaim = server.frame();
    expect([reclaim.getUint16(24, true), reclaim.getUint16(26, true)]).toEqual([0x12, 28]);
    expect(reclaim.getInt32(56, true)).toBe(3);
    server.kernel.reclaim(NODE);
    server.kernel.reclaim(ROOT);
    expect(server.frames).toHaveLength(4);
  });

  const refusals: [string, number, number, number, number][] = [
    ["no cookie", 0, 1, 22, 1],
    ["the directory's own", ROOT, 2, 22, 2],
    ["no kind", NODE, 0, 22, 1],
    ["a bad kind", NODE, 8, 22, 1],
  ];
  test.each(refusals)("LOOKUP: %s is EPROTO", async (_, cookie, vtype, error, type) => {
    const server = new Scripted();
    const answer = outcome(server.kernel.lookup(ROOT, { name: "x" }, USER));
    server.answer({}, (view) => {
      view.setBigUint64(1192, BigInt(cookie), true);
      view.setUint32(1200, vtype, true);
    });
    const complaint = server.frame(1);
    expect([complaint.getUint16(26, true), complaint.getInt32(56, true)]).toEqual([type, error]);
    const abandons = cookie === NODE;
    await Promise.resolve();
    if (abandons) await abandoned(server);
    expect(await answer).toBe("EPROTO");
    expect(server.frames).toHaveLength(abandons ? 4 : 2);
  });

  /** The node that cannot be is forgotten again. */
  async function abandoned(server: Scripted) {
    expect([server.frame().getUint16(24, true), server.frame().getUint16(26, true)]).toEqual([
      2, 27,
    ]);
    server.answer();
    await Bun.sleep(0);
    const reclaim = server.frame();
    expect([reclaim.getUint16(26, true), reclaim.getInt32(56, true)]).toEqual([28, 1]);
  }

  const made: [string, number, string][] = [
    ["the root's cookie", ROOT, "EPROTO"],
    ["a cookie in use", NODE, "EPROTO"],
    ["no cookie", 0, "EOPNOTSUPP"],
  ];
  test.each(made)("CREATE: %s is refused", async (_, cookie, code) => {
    const server = new Scripted();
    await known(server);
    const answer = outcome(server.kernel.create(ROOT, "x", 0o600, USER));
    server.answer({}, (view) => view.setBigUint64(1368, BigInt(cookie), true));
    const complaint = server.frame();
    if (code === "EPROTO")
      expect([complaint.getUint16(26, true), complaint.getInt32(56, true)]).toEqual([1, 17]);
    await Bun.sleep(0);
    // The name is taken away again.
    const remove = server.frame();
    expect([remove.getUint16(26, true), Number(remove.getBigUint64(1192, true))]).toEqual([
      18,
      cookie,
    ]);
    expect(Buffer.from(remove.buffer, 64, 2).toString()).toBe("x\0");
    server.answer();
    await Bun.sleep(0);
    await abandoned(server);
    expect(await answer).toBe(code);
  });

  test("MKDIR: of a cookie in use is undone by RMDIR", async () => {
    const server = new Scripted();
    await known(server);
    const answer = outcome(server.kernel.mkdir(ROOT, "x", 0o700, USER));
    server.answer({}, (view) => view.setBigUint64(1368, BigInt(NODE), true));
    await Bun.sleep(0);
    expect(server.frame().getUint16(26, true)).toBe(22);
    server.answer();
    await Bun.sleep(0);
    await abandoned(server);
    expect(await answer).toBe("EPROTO");
  });

  test("setbacks: INACTIVE on demand, and RECLAIM after it for what has no name", async () => {
    const server = new Scripted({ flags: 0x4 | 0x10 });
    await known(server);
    expect(await server.kernel.release(NODE)).toBe(false);
    expect(server.frames).toHaveLength(1);
    const removed = server.kernel.remove(ROOT, "f", NODE, USER);
    expect(server.frame().getBigUint64(1192, true)).toBe(BigInt(NODE));
    server.answer({ setbacks: 0x2 | 0x8 });
    await removed;
    const released = server.kernel.release(NODE);
    expect(server.frame().getUint16(26, true)).toBe(27);
    server.answer();
    expect(await released).toBe(true);
    expect(server.frame().getUint16(26, true)).toBe(28);
    expect(server.kernel.nodes.has(NODE)).toBe(false);
  });

  test("without IAONDEMAND every release is INACTIVE, whose reply may be the end of the node", async () => {
    const server = new Scripted();
    await known(server);
    const first = server.kernel.release(NODE);
    server.answer();
    expect(await first).toBe(false);
    const second = server.kernel.release(NODE);
    server.answer({ setbacks: 0x4 });
    expect(await second).toBe(true);
  });
});

describe("requests of the server", () => {
  function flush(cookie: number, op: number, start = 0, end = 0, length = 88): Uint8Array {
    const bytes = new Uint8Array(length);
    const view = new DataView(bytes.buffer);
    view.setBigUint64(0, BigInt(length), true);
    view.setBigUint64(8, 2n ** 63n + 5n, true);
    view.setUint16(24, 5, true);
    view.setUint16(26, 17, true);
    view.setBigUint64(48, BigInt(length), true);
    if (length < 88) return bytes;
    view.setBigUint64(56, BigInt(cookie), true);
    view.setInt32(64, op, true);
    view.setBigUint64(72, BigInt(start), true);
    view.setBigUint64(80, BigInt(end), true);
    return bytes;
  }

  const flushes: [string, Uint8Array, number][] = [
    ["names below a directory", flush(ROOT, 1), 0],
    ["all names", flush(0, 2), 0],
    ["dropping all pages", flush(NODE, 3), 0],
    ["writing back a range", flush(NODE, 4, 0, 100), 0],
    ["a range beyond the end", flush(NODE, 3, 0, 101), 22],
    ["a single name", flush(ROOT, 0), 22],
    ["an operation that is none", flush(ROOT, 5), 22],
    ["an unknown node", flush(0xdead, 3), 2],
    ["a struct that is too long", flush(ROOT, 1, 0, 0, 96), 22],
    ["a struct that is too short", flush(ROOT, 1, 0, 0, 80), 22],
    ["an offset that is none", flush(NODE, 3, 2 ** 60), 22],
  ];
  test.each(flushes)("FLUSH: %s", async (_, message, error) => {
    const ops: number[] = [];
    const server = new Scripted({}, { onFlush: ({ op }) => ops.push(op) });
    await known(server, NODE, 1, 100);
    server.kernel.receive(message);
    const response = server.frame();
    expect(response.byteLength).toBe(56);
    expect(response.getBigUint64(8, true)).toBe(2n ** 63n + 5n);
    expect([response.getUint16(24, true), response.getUint16(26, true)]).toEqual([0x35, 17]);
    expect(response.getInt32(28, true)).toBe(error);
    expect(response.getBigUint64(48, true)).toBe(56n);
    expect(ops).toHaveLength(error === 0 ? 1 : 0);
  });

  test("what is no class of a server's is EOPNOTSUPP", () => {
    const server = new Scripted();
    for (const opclass of [6, 3, 0]) {
      const message = flush(ROOT, 1);
      message[24] = opclass;
      server.kernel.receive(message);
      expect(server.frame().getInt32(28, true)).toBe(45);
    }
  });

  test("UNMOUNT is answered first, then comes the end of it all", async () => {
    const events: string[] = [];
    const server = new Scripted({}, { onUnmount: () => events.push("unmount") });
    const message = new Uint8Array(flush(0, 0).subarray(0, 56));
    message[0] = 56;
    message[24] = 7;
    server.kernel.receive(message);
    expect(server.frame().getUint16(24, true)).toBe(0x37);
    expect(events).toEqual([]);
    await Promise.resolve();
    expect(events).toEqual(["unmount"]);
  });
});

describe("unmount(2)", () => {
  /** Answers everything at once, UNMOUNT with `rv`. */
  function willing(rv: number) {
    const server = new Scripted();
    const seen: string[] = [];
    const push = server.frames.push.bind(server.frames);
    server.frames.push = (frame: Uint8Array) => {
      push(frame);
      const [opclass, optype] = [frame[24] as number, frame[26] as number];
      seen.push(`${opclass & 1 ? "VFS" : "VN"} ${optype}`);
      const unmounting = opclass === 1 && optype === 2;
      if ((opclass & 0x10) === 0)
        queueMicrotask(() =>
          server.answer({ rv: unmounting ? rv : 0 }, undefined, server.frames.indexOf(frame)),
        );
      return 0;
    };
    return { server, seen };
  }

  async function enter({ server }: ReturnType<typeof willing>) {
    const found = server.kernel.fhtonode(new Uint8Array(4));
    const frame = server.frames.at(-1) as Uint8Array;
    new DataView(frame.buffer).setBigUint64(56, 0x77n, true);
    new DataView(frame.buffer).setUint32(64, 1, true);
    await found;
  }

  test("is SYNC, INACTIVE of the root, RECLAIM of all, UNMOUNT", async () => {
    const mount = willing(0);
    await enter(mount);
    await mount.server.kernel.detach();
    expect(mount.seen).toEqual(["VFS 8", "VFS 6", "VN 27", "VN 28", "VFS 2"]);
    expect(await outcome(mount.server.kernel.statvfs())).toBe("ENXIO");
  });

  test("can be refused, unless by force", async () => {
    const { server } = willing(16);
    expect(await outcome(server.kernel.detach())).toBe("EBUSY");
    await server.kernel.detach(true);
    expect(server.frame().getInt32(56, true)).toBe(0x80000);
    expect(await outcome(server.kernel.statvfs())).toBe("ENXIO");
  });
});

describe("the arguments of a mount", () => {
  const good: [string, Parameters<typeof kargsBytes>[0], number][] = [
    ["all flags there are", { flags: 0x3bf }, 131072],
    ["no wish for the length of messages", { maxmsglen: 0 }, 131072],
    ["too long a wish", { maxmsglen: 2 ** 30 }, 131072],
    ["too short a wish", { maxmsglen: 100 }, 8192],
    ["a wish that is granted", { maxmsglen: 65536 }, 65536],
    ["the longest handle", { fhsize: 1020 }, 131072],
    ["the longest handle of NFSv2", { fhsize: 28, fhflags: 2 }, 131072],
    ["the longest handle of NFSv3", { fhsize: 60, fhflags: 4 }, 131072],
  ];
  test.each(good)("%s", (_, fields, maxmsglen) => {
    expect(acceptKargs(kargsBytes(fields)).maxmsglen).toBe(maxmsglen);
  });

  const bad: [string, Parameters<typeof kargsBytes>[0]][] = [
    ["another version", { vers: 29 }],
    ["NOCACHE_ATTR, which has a number", { flags: 0x40 }],
    ["a flag of the library's", { flags: 0x10000000 }],
    ["flags of handles that are none", { fhflags: 0x10 }],
    ["a root of no kind", { rootVtype: 8 }],
    ["too long a handle", { fhsize: 1021 }],
    ["too long a handle for NFSv2", { fhsize: 29, fhflags: 2 }],
    ["too long a handle for NFSv3", { fhsize: 61, fhflags: 4 }],
  ];
  test.each(bad)("%s is EINVAL", (_, fields) => {
    expect(() => acceptKargs(kargsBytes(fields))).toThrow(
      expect.objectContaining({ code: "EINVAL" }),
    );
  });

  test("spare room in use, and a struct that is too short, are EINVAL", () => {
    const bytes = kargsBytes();
    expect(() => acceptKargs(bytes.subarray(0, -1))).toThrow();
    bytes[3980] = 1;
    expect(() => acceptKargs(bytes)).toThrow("mount: the spare room is in use");
  });

  test("names are made printable", () => {
    const typename = new Uint8Array(32);
    typename.set(Buffer.from("a\x07b\0c"));
    expect(acceptKargs(kargsBytes({ typename })).type).toBe("a.b");
  });
});

test("10,000 requests outstanding, answered backwards", async () => {
  const server = new Scripted();
  const count = 10_000;
  const answers = Array.from({ length: count }, (_, i) => server.kernel.pathconf(NODE, i % 16));
  expect(server.kernel.waiting).toBe(count);
  for (let i = count - 1; i >= 0; i--)
    server.answer({}, (view) => view.setBigUint64(64, BigInt(i), true), i);
  expect(await Promise.all(answers)).toEqual(Array.from({ length: count }, (_, i) => i));
  expect(server.kernel.waiting).toBe(0);
});
