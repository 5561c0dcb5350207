import { expect, test } from "bun:test";
import { Connection } from "../../src/fuse/connection.ts";
import { InitFlags } from "../../src/fuse/flags.ts";
import { connect } from "../../src/fuse/loopback.ts";
import { FuseServer } from "../../src/fuse/server.ts";
import { type PuffsFlag, wishesOf } from "../../src/library/flags.ts";
import type { AnyFileSystem } from "../../src/plugin.ts";
import { KernelFlags, LibraryFlags } from "../../src/puffs/flags.ts";
import type { Wishes } from "../../src/wishes.ts";
import { DIRECTORY, FILE } from "./comfd.ts";

/*
 * The flags of puffs_init(3) at the FUSE door: what the kernel is answered. On puffs: server.test.ts; what the kernels make of it:
 * server.mount.test.ts, netfs.mount.test.ts.
 */

const FOPEN_DIRECT_IO = 1;
const FOPEN_KEEP_CACHE = 2;
const CALLER = { uid: 0, gid: 0, pid: 42 };

/** All that a kernel which offers everything is told: of the mount, of a name, of no name, of a file that is opened. */
async function told(flags: readonly PuffsFlag[], options: Wishes = {}, file: object = FILE) {
  const fileSystem: AnyFileSystem = {
    root: DIRECTORY,
    keepsContent: true,
    timeouts: { names: 30, attributes: 20.5, absent: 10 },
    node: {
      lookup: (_: object, name: string) => (name === "file" ? file : null),
      getattr: (node: object) => node as typeof FILE,
      open: () => {},
      read: () => 0,
    },
  };
  const wishes = { ...options, ...wishesOf(new Set(flags)) };
  const connection = new Connection(fileSystem, wishes, (message) => {
    throw new Error(message);
  });
  const kernel = connect(new FuseServer(connection));
  const { set } = await kernel.init({
    flags: Object.values(InitFlags).reduce((all, bit) => all + bit),
  });
  const entry = await kernel.lookup(1, "file", CALLER);
  const absent = await kernel.lookup(1, "absent", CALLER).catch((error) => error);
  const { openFlags } = await kernel.open(entry.nodeid, { flags: 0 }, CALLER);
  return {
    set,
    name: entry.entryValid + entry.entryValidNsec / 1e9,
    attributes: entry.attrValid + entry.attrValidNsec / 1e9,
    absent: absent.entryValid ?? absent.code,
    openFlags,
  };
}

const has = (set: number, flag: number) => Math.floor(set / flag) % 2 === 1;

test("on FUSE names, attributes and what is absent are believed as long as the file system says", async () => {
  expect(await told([])).toMatchObject({
    ...{ name: 30, attributes: 20.5, absent: 10, openFlags: FOPEN_KEEP_CACHE },
  });
  const own = { ...FILE, entryTimeout: 7, attrTimeout: 0.25 };
  expect(await told([], {}, own)).toMatchObject({ name: 7, attributes: 0.25 });
});

test("on FUSE with NOCACHE_NAME no name is believed, whatever the file system says of it", async () => {
  const own = { ...FILE, entryTimeout: 7 };
  for (const file of [FILE, own])
    for (const flag of ["NOCACHE_NAME", "NOCACHE"] as const)
      expect(await told([flag], { entryTimeout: 5, negativeTimeout: 5 }, file)).toMatchObject({
        ...{ name: 0, attributes: 20.5, absent: "ENOENT" },
      });
});

test("on FUSE with NOCACHE_PAGE files are opened for direct I/O", async () => {
  for (const flag of ["NOCACHE_PAGE", "NOCACHE"] as const)
    expect((await told([flag], { kernelCache: true })).openFlags & FOPEN_DIRECT_IO).toBe(1);
  expect((await told(["NOCACHE_PAGE"])).name).toBe(30);
});

test("on FUSE with WTCACHE nothing is written back later, also where the mount asked for it", async () => {
  const { WRITEBACK_CACHE } = InitFlags;
  expect(has((await told([], { writeback: true })).set, WRITEBACK_CACHE)).toBe(true);
  expect(has((await told(["WTCACHE"], { writeback: true })).set, WRITEBACK_CACHE)).toBe(false);
  expect(has((await told([])).set, WRITEBACK_CACHE)).toBe(false);
});

test("on FUSE the other flags change nothing that the kernel is told", async () => {
  const plain = await told([]);
  const meant: readonly string[] = [
    "NOCACHE_NAME",
    "NOCACHE_PAGE",
    "NOCACHE",
    "WTCACHE",
    "NOCACHE_ATTR",
  ];
  const others = [...Object.keys(KernelFlags), ...Object.keys(LibraryFlags)].filter(
    (flag) => !meant.includes(flag),
  );
  expect(others).toEqual(
    expect.arrayContaining([
      "ALLOPS",
      "IAONDEMAND",
      "LOOKUP_FULLPNBUF",
      "CACHE_FS_TTL",
      "PNCOOKIE",
    ]),
  );
  expect(await told(others as PuffsFlag[])).toEqual(plain);
});
