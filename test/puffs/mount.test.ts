import { describe, expect, test } from "bun:test";
import { viewOf } from "../../src/frame.ts";
import type { AnyFileSystem } from "../../src/plugin.ts";
import { Connection } from "../../src/puffs/connection.ts";
import { FhFlags, KernelFlags, Vn, Vtype } from "../../src/puffs/flags.ts";
import { readHandshake } from "../../src/puffs/handshake.ts";
import { handshake, kargs, operationMask } from "../../src/puffs/mount.ts";
import { acceptKargs } from "../../src/puffs/mounted.ts";
import type { Wishes } from "../../src/wishes.ts";

function connection(fileSystem: Partial<AnyFileSystem> = {}, wishes: Wishes = {}): Connection {
  const root = {};
  const node = { lookup: () => null };
  return new Connection({ root, node, ...fileSystem }, wishes, () => {});
}

const NAMES = { type: "kind", source: "from here" };

describe("flags", () => {
  const { NOCACHE_NAME, NOCACHE_PAGE, WTCACHE, CACHE_FS_TTL, ALLOPS } = KernelFlags;
  for (const [name, fileSystem, wishes, flags] of [
    ["by default nothing is cached", {}, {}, NOCACHE_NAME | NOCACHE_PAGE | WTCACHE],
    ["content that nobody else changes is", { keepsContent: true }, {}, NOCACHE_NAME | WTCACHE],
    [
      "unless reads are to be direct",
      { keepsContent: true },
      { directIo: true },
      NOCACHE_NAME | NOCACHE_PAGE | WTCACHE,
    ],
    ["writes are kept if they may be", { keepsContent: true }, { writeback: true }, NOCACHE_NAME],
    [
      "names are cached for their time to live",
      { keepsContent: true },
      { puffsFlags: CACHE_FS_TTL },
      WTCACHE | CACHE_FS_TTL,
    ],
    [
      "others may be asked for, but none that the kernel refuses",
      {},
      { puffsFlags: ALLOPS | KernelFlags.NOCACHE_ATTR },
      NOCACHE_NAME | NOCACHE_PAGE | WTCACHE | ALLOPS,
    ],
  ] as const)
    test(name, () => {
      expect(connection(fileSystem, wishes).flags).toBe(flags);
    });
});

test("the kernel is asked for what there is, and for what the framework answers itself", () => {
  const asked = (operations: readonly string[]) => {
    const node = Object.fromEntries(operations.map((name) => [name, () => undefined]));
    const mask = operationMask(connection({ node: { lookup: () => null, ...node } }));
    return Object.entries(Vn)
      .filter(([, number]) => mask[number] === 1)
      .map(([name]) => name);
  };
  expect(asked([])).toEqual(["LOOKUP", "ACCESS", "READDIR", "RECLAIM", "PATHCONF"]);
  expect(asked(["read", "write", "advlock"])).toContain("ADVLOCK");
  expect(asked(["mknod"])).toContain("CREATE");
  expect(asked(["inactive"])).toContain("INACTIVE");
  expect(asked(["rename"])).toContain("INACTIVE");
  expect(asked(["seek"])).not.toContain("SEEK");
});

test("the arguments of a mount are taken by the kernel, field by field", () => {
  const fs = { fhtonode: () => ({}), nodetofh: () => new Uint8Array(1) };
  const bytes = kargs(connection({ fs }, { maxWrite: 65536 }), NAMES, 7);
  const { args, type, from, maxmsglen } = acceptKargs(bytes);
  expect([args.vers, args.fd, args.rootVtype]).toEqual([30, 7, Vtype.DIR]);
  expect([type, from, maxmsglen]).toEqual(["kind", "from here", 65536 + 4096]);
  expect([args.fhsize, args.fhflags]).toEqual([60, FhFlags.DYNAMIC]);
  expect(args.rootCookie).toBeGreaterThan(0);
  expect([args.time32, args.rootVsize, args.nhashbuckets]).toEqual([0, 0, 0]);
});

test("names that are too long are cut, with their NUL", () => {
  const bytes = kargs(connection(), { type: "t".repeat(40), source: "s".repeat(2000) });
  const { type, from } = acceptKargs(bytes);
  expect([type, from.length]).toEqual(["t".repeat(31), 1023]);
});

test("the handshake: lengths and items, each by itself", () => {
  const args = kargs(connection(), NAMES);
  const items = handshake("/mnt", "from here", 0x18, args, 0x10000001);
  expect(items.map(({ length }) => length)).toEqual([8, 5, 8, 10, 4, 8, 3984, 4]);
  expect(items[1]).toEqual(new TextEncoder().encode("/mnt\0"));
  expect(viewOf(items[0] as Uint8Array).getUint32(0, true)).toBe(5);
  const whole = new Uint8Array(items.flatMap((item) => [...item]));
  expect(readHandshake(whole)?.handshake).toEqual({
    directory: "/mnt",
    from: "from here",
    flags: 0x18,
    kargs: args,
    libraryFlags: 0x10000001,
  });
});
