import { describe, expect, test } from "bun:test";
import { Opcode } from "../../src/fuse/opcodes.ts";
import { host } from "../../src/perfuse/host.ts";
import type { PerfuseNode } from "../../src/perfuse/node.ts";
import { Random } from "../support/random.ts";
import { bytes, type Part, viewOf } from "../support/wire.ts";
import {
  type Asked,
  attrOut,
  callOf,
  codeOf,
  DIRECTORY,
  dirent,
  entryOut,
  fileOf,
  openOut,
  Scripted,
  stage,
} from "./scripted.ts";
import { NOWHERE } from "./support.ts";

/* Daemons that break the protocol: nothing crashes or hangs, and each request is answered once. */

const DONE = new Uint8Array(0);

/** A stage with the file 5 and GETATTR unanswered. */
async function waiting() {
  const made = await stage({ LOOKUP: () => entryOut(5), GETATTR: () => undefined });
  const file = (await made.node.lookup(made.root, "a", callOf())) as PerfuseNode;
  let settled = 0;
  const answer = codeOf(made.node.getattr(file, callOf())).then((code) => {
    settled++;
    return code;
  });
  const asked = await made.daemon.until("GETATTR");
  return { ...made, file, answer, asked, settled: () => settled };
}

describe("replies", () => {
  const WRONG: readonly [string, (asked: Asked) => Part[]][] = [
    ["longer than they say", ({ unique }) => [16, 0, unique, attrOut()]],
    ["shorter than they say", ({ unique }) => [500, 0, unique, attrOut()]],
    ["without a body", ({ unique }) => [16, 0, unique]],
    ["with half a body", ({ unique }) => [66, 0, unique, attrOut().subarray(50)]],
    ["with too much", ({ unique }) => [128, 0, unique, attrOut(), 0n]],
    ["with an error above 0", ({ unique }) => [16, 5, unique]],
    ["with an error that there is none", ({ unique }) => [16, -100_000, unique]],
    ["with an error and a body", ({ unique }) => [120, -5, unique, attrOut()]],
    ["of a kind that there is none", ({ unique }) => [120, 0, unique, attrOut({ mode: 0 })]],
    ["of an impossible size", ({ unique }) => [120, 0, unique, attrOut({ size: -1 })]],
  ];
  for (const [what, message] of WRONG)
    test(what, async () => {
      const { daemon, asked, answer, reports, node, root, end, settled } = await waiting();
      daemon.send(...message(asked));
      const code = await answer;
      expect(code).toBeOneOf(["EPROTO", "EIO"]);
      expect(reports.length).toBe(code === "EPROTO" ? 1 : reports.length);
      // A second one is nobody's.
      daemon.reply(asked, attrOut());
      daemon.handlers.GETATTR = () => attrOut(DIRECTORY);
      expect(await codeOf(node.getattr(root, callOf()))).toBe("answered");
      expect(settled()).toBe(1);
      await end();
    });

  const NOBODYS: readonly [string, Part[]][] = [
    ["nothing at all", []],
    ["a byte", [new Uint8Array(1)]],
    ["fifteen bytes", [new Uint8Array(15)]],
    ["an unknown number", [16, 0, 123_456n]],
    ["the highest number", [16, 0, 0xffffffffffffffffn]],
    ["the number of an interrupt that was not sent", [16, 0, 5n]],
    ["a notification of garbage", [64, 2, 0n, new Uint8Array(48).fill(0xff)]],
    ["a notification that there is none", [16, 77, 0n]],
    ["a notification that is too short", [20, 3, 0n, 1]],
    ["one whose name is longer than it", [33, 3, 0n, 1n, 400, 0, "a"]],
    ["one whose name has a slash", [36, 3, 0n, 1n, 3, 0, "a/b\0"]],
    ["one that wants what nobody knows", [48, 5, 0n, 1n, 0xffffffffn, 0n, 100, 0]],
    ["a notification with a number below 0", [16, -2, 0n]],
  ];
  for (const [what, message] of NOBODYS)
    test(`unasked: ${what}`, async () => {
      const { daemon, asked, answer, end } = await waiting();
      daemon.send(...message);
      daemon.reply(asked, attrOut());
      expect(await answer).toBe("answered");
      await end();
    });

  test("that come twice, and after the end", async () => {
    const { daemon, asked, answer, hosting, end } = await waiting();
    daemon.reply(asked, attrOut());
    daemon.reply(asked, attrOut());
    expect(await answer).toBe("answered");
    const closing = hosting.close();
    daemon.reply(asked, attrOut());
    await closing;
    try {
      daemon.reply(asked, attrOut());
    } catch (error) {
      expect((error as { code: string }).code).toBe("ENOTCONN");
    }
    await end();
  });

  test("in pieces: nothing is believed any more, least of all a piece that looks like a reply", async () => {
    const { daemon, node, root, reports, hosting, end } = await stage({
      LOOKUP: () => entryOut(5, { size: 200_000 }),
      READ: () => undefined,
      GETATTR: () => undefined,
    });
    const file = (await node.lookup(root, "a", callOf())) as PerfuseNode;
    const read = codeOf(node.read(file, new Uint8Array(131072), 0, callOf()));
    const other = codeOf(node.getattr(root, callOf()));
    const asked = await daemon.until("READ");
    const getattr = await daemon.until("GETATTR");
    daemon.send(16 + 131072, 0, asked.unique, new Uint8Array(61440));
    daemon.send(120, 0, getattr.unique, attrOut({ size: 666 }));
    expect([await read, await other]).toEqual(["ENOTCONN", "ENOTCONN"]);
    expect(reports).toEqual([expect.stringMatching(/came in pieces/)]);
    await hosting.ended;
    await end();
  });

  test("longer than any message may be", async () => {
    const { daemon, asked, answer, end } = await waiting();
    daemon.send(16 + 1_500_000, 0, asked.unique, new Uint8Array(1_500_000));
    expect(await answer).toBe("EPROTO");
    await end();
  });
});

describe("listings", () => {
  const PAGES: readonly [string, () => Uint8Array][] = [
    ["that go on for ever", endless()],
    ["that stand still", () => dirent("a", 0)],
    ["of half an entry", () => new Uint8Array(12)],
    ["of names with slashes", () => dirent("../../etc/passwd", 1)],
    ["of names that are none", () => bytes(9n, 1n, 0, 8)],
    ["of names longer than they", () => bytes(9n, 1n, 5000, 8, "abc")],
    ["longer than asked for", () => new Uint8Array(200_000)],
  ];
  for (const [what, page] of PAGES)
    test(what, async () => {
      const { node, root, end } = await stage({ READDIR: page });
      expect(await codeOf(node.readdir(root, 0, callOf()))).toBe("EIO");
      await end();
    }, 60_000);

  function endless() {
    const page = bytes(...Array.from({ length: 3000 }, (_, i) => dirent("again", i + 1)));
    let off = 3000;
    return () => {
      // Where the last of 32 bytes goes on.
      viewOf(page).setUint32(page.length - 32 + 8, off++, true);
      return page;
    };
  }

  test("that go on for ever end with their caller", async () => {
    const { daemon, node, root, end } = await stage({ READDIR: endless() });
    const controller = new AbortController();
    const listing = codeOf(node.readdir(root, 0, callOf(0, controller.signal)));
    await daemon.until("READDIR", 3);
    controller.abort();
    expect(await listing).toBe("EINTR");
    await end();
  });
});

describe("nodes", () => {
  test("may have any number below 2 ** 53", async () => {
    const { daemon, node, root, end } = await stage({ LOOKUP: () => entryOut(0xffffffff) });
    const found = (await node.lookup(root, "a", callOf())) as PerfuseNode;
    await node.getattr(found, callOf());
    await end();
    expect(daemon.heard().slice(1)).toEqual([
      ...["GETATTR 4294967295", "FORGET 4294967295", "DESTROY 0"],
    ]);
  });

  test("that are made are not the root, nor none", async () => {
    for (const nodeid of [0, 1]) {
      const { node, root, end } = await stage({ MKDIR: () => entryOut(nodeid, DIRECTORY) });
      expect(await codeOf(node.mkdir(root, "d", 0o040755, callOf()))).toBe("EPROTO");
      await end();
    }
  });

  test("without a kind are refused and given back", async () => {
    const { daemon, node, root, end } = await stage({ LOOKUP: () => entryOut(5, { mode: 0 }) });
    expect(await codeOf(node.lookup(root, "a", callOf()))).toBe("EPROTO");
    await end();
    expect(daemon.heard()).toEqual(["LOOKUP 1", "FORGET 5", "DESTROY 0"]);
  });
});

test("more is taken than was written: EPROTO", async () => {
  const { node, root, end } = await stage({ LOOKUP: () => entryOut(5), WRITE: () => bytes(99, 0) });
  const file = (await node.lookup(root, "a", callOf())) as PerfuseNode;
  await node.open(file, fileOf(2), callOf());
  expect(await codeOf(node.write(file, new Uint8Array(3), 0, callOf()))).toBe("EPROTO");
  await end();
});

test("more is read than was asked for: EPROTO, and nothing beside the room is touched", async () => {
  const { node, root, end } = await stage({
    LOOKUP: () => entryOut(5),
    READ: () => new Uint8Array(100).fill(7),
  });
  const file = (await node.lookup(root, "a", callOf())) as PerfuseNode;
  const whole = new Uint8Array(200);
  expect(await codeOf(node.read(file, whole.subarray(50, 60), 0, callOf()))).toBe("EPROTO");
  expect(whole.every((byte) => byte === 0)).toBe(true);
  await end();
});

test("a daemon that hangs up in the middle of the end does not keep it", async () => {
  const { daemon, hosting, end } = await stage({ DESTROY: () => undefined });
  const closing = hosting.close();
  await daemon.until("DESTROY");
  daemon.close();
  await closing;
  await end();
});

test("20,000 replies with bytes changed: each request is answered once, and the mount lives on", async () => {
  const random = new Random(20_000);
  const good: Partial<Record<keyof typeof Opcode, () => Uint8Array>> = {
    LOOKUP: () => entryOut(5, { size: 3 }),
    GETATTR: () => attrOut(DIRECTORY),
    SETATTR: () => attrOut(),
    OPEN: () => openOut(50),
    MKDIR: () => entryOut(6, DIRECTORY),
    CREATE: () => bytes(entryOut(7), openOut(51)),
    READ: () => bytes("some bytes of it"),
    READDIR: () => bytes(dirent("a", 1), dirent("b", 2)),
    READLINK: () => bytes("target"),
    GETXATTR: () => bytes("value"),
    LISTXATTR: () => bytes("user.a\0"),
    STATFS: () => new Uint8Array(80),
    WRITE: () => bytes(3, 0),
    GETLK: () => bytes(0n, 5n, 1, 7),
    POLL: () => bytes(1, 0),
  };
  const pages = new Map<string, number>();
  const daemon: Scripted = new Scripted();
  const mutate = (asked: Asked) => {
    const name = asked.name as keyof typeof Opcode;
    // Every other page of a listing is its end.
    const page = (pages.get(name) ?? 0) + 1;
    pages.set(name, page);
    const payload = name === "READDIR" && page % 2 === 0 ? DONE : (good[name]?.() ?? DONE);
    const message = bytes(16 + payload.length, 0, asked.unique, payload);
    for (let i = random.below(4); i >= 0; i--) {
      // Not the number: whose reply it is must be known, for each to get one.
      const at = random.below(message.length);
      if (at < 8 || at >= 16) message[at] = random.oneIn(2) ? random.below(256) : 0xff;
    }
    const cut = random.oneIn(10) ? Math.max(16, random.below(message.length)) : message.length;
    daemon.send(message.subarray(0, cut));
    return undefined;
  };
  const hosting = await host({ socket: daemon.socket, usermount: NOWHERE, report: () => {} });
  for (const name of Object.keys(Opcode) as (keyof typeof Opcode)[])
    if (name !== "DESTROY") daemon.handlers[name] = mutate;
  const { root, node, fs } = hosting.fileSystem;
  const files: PerfuseNode[] = [root];
  const any = () => random.pick(files);
  const call = callOf();
  const actions: (() => unknown)[] = [
    () => node.lookup(any(), "a", call),
    () => node.getattr?.(any(), call),
    () => node.setattr?.(any(), { mode: 0o600, size: 3 }, call),
    () => node.mkdir?.(any(), "d", 0o040755, call),
    () => node.create?.(any(), "f", 0o100644, call),
    () => node.open?.(any(), fileOf(random.below(3)), call),
    () => node.read?.(any(), new Uint8Array(16), 0, call),
    () => node.write?.(any(), new Uint8Array(3), 0, call),
    () => node.readdir?.(any(), 0, call),
    () => node.readlink?.(any(), call),
    () => node.getextattr?.(any(), "user", "a", call),
    () => node.listextattr?.(any(), "user", call),
    () => fs?.statvfs?.(call),
    () => node.poll?.(any(), 1, undefined, call),
    () => node.inactive?.(any(), undefined),
    () => node.rename?.(any(), "a", any(), "b", 0, call),
  ];
  let answered = 0;
  while (daemon.asked.length < 20_000) {
    const some = Array.from({ length: 32 }, async () => {
      const action = random.pick(actions);
      try {
        const value = await action();
        if (value && typeof value === "object" && "nodeid" in value && files.length < 50)
          files.push(value as PerfuseNode);
      } catch (error) {
        expect((error as { code?: string }).code).toBeString();
      }
      answered++;
    });
    await Promise.all(some);
  }
  expect(answered).toBeGreaterThan(10_000);
  // Handles may still be on their way to be released.
  while (hosting.counts.exchanges > 0) await Bun.sleep(1);
  await hosting.close();
  daemon.close();
}, 120_000);
