import { describe, expect, test } from "bun:test";
import { S_IFDIR, S_IFREG } from "../../src/mode.ts";
import type { NodeOperations } from "../../src/operations.ts";
import type { ProtocolFault } from "../../src/puffs/exchange.ts";
import { FhFlags, Vtype } from "../../src/puffs/flags.ts";
import { connect } from "../../src/puffs/loopback.ts";
import { kargs } from "../../src/puffs/mount.ts";
import { ALICE, codeOf, find, ROOT, rig, system, TIME } from "./rig.ts";

/*
 * What the kernel checks of a reply, and answers with EPROTO and a message of class ERROR, never goes out, whatever a plugin answers:
 * the call fails with EIO, and the log says why.
 */

const ATTRIBUTES = { nlink: 1, uid: 0, gid: 0, size: 0, atime: TIME, mtime: TIME, ctime: TIME };

/** A plugin of directories alone. */
function directories(node: Partial<NodeOperations<object>>, root: object = {}) {
  const getattr = () => ({ ...ATTRIBUTES, mode: S_IFDIR | 0o755 });
  return { ...system({ getattr, ...node }), root };
}

describe("a name that leads up", () => {
  test("to its own directory is none", async () => {
    const root = {};
    const { kernel, reports } = rig(directories({ lookup: () => root }, root));
    expect(await codeOf(find(kernel, "self"))).toBe("EIO");
    expect(reports).toEqual(["LOOKUP: the plugin failed, answered EIO"]);
  });

  test("to a directory further above leaves that where it is", async () => {
    const root = {};
    const inner = {};
    const { kernel, connection } = rig(
      directories({ lookup: (at) => (at === root ? inner : root), rename: () => undefined }, root),
    );
    const { newnode } = await find(kernel, "inner");
    expect((await kernel.lookup(newnode, { name: "up" }, ROOT)).newnode).toBe(kernel.root);
    expect((await kernel.lookup(newnode, { name: ".." }, ROOT)).newnode).toBe(kernel.root);
    const from = { directory: kernel.root, name: "inner", node: newnode };
    const moved = kernel.rename(from, { directory: newnode, name: "x", node: 0 }, ROOT);
    expect(await codeOf(moved)).toBe("EINVAL");
    kernel.reclaim(newnode);
    expect(connection.vnodes.size).toBe(1);
  });

  test("in a ring of three neither hangs nor holds anything", async () => {
    const root = {};
    const ring = [{}, {}, {}];
    const { kernel, connection } = rig(
      directories(
        {
          lookup: (at) => ring[(ring.indexOf(at) + 1) % 3] ?? null,
          rename: () => undefined,
        },
        root,
      ),
    );
    const cookies = [(await find(kernel, "a")).newnode];
    for (let i = 0; i < 7; i++) {
      const { newnode } = await kernel.lookup(cookies.at(-1) as number, { name: "b" }, ROOT);
      cookies.push(newnode);
    }
    const [one, , three] = cookies as [number, number, number];
    const from = { directory: kernel.root, name: "a", node: one };
    const moved = kernel.rename(from, { directory: three, name: "x", node: 0 }, ROOT);
    expect(await codeOf(moved)).toBe("EINVAL");
    for (const cookie of new Set(cookies)) kernel.reclaim(cookie);
    expect(connection.vnodes.size).toBe(1);
  });
});

describe("what is made", () => {
  const getattr = (node: object) => ({
    ...ATTRIBUTES,
    mode: (Reflect.get(node, "mode") as number | undefined) ?? S_IFREG | 0o644,
  });

  test("is never a node that the kernel knows: it would take the name away again", async () => {
    const root = { mode: S_IFDIR | 0o755 };
    const there = {};
    let removed = 0;
    const making = {
      ...{ create: () => there, mknod: () => there, mkdir: () => there, symlink: () => there },
      ...{ lookup: () => there, remove: () => void removed++, rmdir: () => void removed++ },
    };
    const { kernel, reports } = rig({ ...system({ getattr, ...making }), root });
    await find(kernel, "there");
    const makes = [
      () => kernel.create(kernel.root, "a", 0o644, ROOT),
      () => kernel.mknod(kernel.root, "a", { type: Vtype.FIFO, mode: 0o644 }, ROOT),
      () => kernel.mkdir(kernel.root, "a", 0o755, ROOT),
      () => kernel.symlink(kernel.root, "a", "x", 0o777, ROOT),
    ];
    for (const make of makes) expect(await codeOf(make())).toBe("EIO");
    expect(removed).toBe(0);
    expect(reports).toHaveLength(makes.length);
  });

  test("nor the root", async () => {
    const root = { mode: S_IFDIR | 0o755 };
    const { kernel } = rig({ ...system({ getattr, mkdir: () => root }), root });
    expect(await codeOf(kernel.mkdir(kernel.root, "a", 0o755, ROOT))).toBe("EIO");
  });

  test("may be one that was forgotten", async () => {
    const root = { mode: S_IFDIR | 0o755 };
    const again = {};
    const { kernel } = rig({ ...system({ getattr, create: () => again }), root });
    const first = await kernel.create(kernel.root, "a", 0o644, ROOT);
    kernel.reclaim(first.newnode);
    const second = await kernel.create(kernel.root, "a", 0o644, ROOT);
    expect(second.newnode).not.toBe(first.newnode);
  });
});

describe("a file handle", () => {
  const handles = (length: number) => ({
    nodetofh: () => new Uint8Array(length),
    fhtonode: () => ({}),
  });
  const tell = async (length: number, size: number, flags: number) => {
    const { kernel } = rig(system({}, handles(length)), { puffs: { handles: { size, flags } } });
    const { newnode } = await find(kernel, "file");
    return codeOf(kernel.nodetofh(newnode, 1000));
  };

  test("of fixed length has that length", async () => {
    expect(await tell(20, 20, FhFlags.NFSV3)).toBe("OK");
    expect(await tell(19, 20, FhFlags.NFSV3)).toBe("EIO");
    expect(await tell(21, 20, 0)).toBe("EIO");
  });

  test("of any length has at most what the mount says", async () => {
    expect(await tell(0, 20, FhFlags.DYNAMIC)).toBe("OK");
    expect(await tell(20, 20, FhFlags.DYNAMIC)).toBe("OK");
    expect(await tell(21, 20, FhFlags.DYNAMIC)).toBe("EIO");
    const { kernel } = rig(system({}, handles(61)));
    const { newnode } = await find(kernel, "file");
    expect(await codeOf(kernel.handleSize(newnode))).toBe("EIO");
  });

  test("that is the kernel's own struct has any", async () => {
    expect(await tell(999, 20, FhFlags.PASSTHROUGH)).toBe("OK");
  });
});

test("what a handle leads to is a node, and so is what a name does that is looked for again", async () => {
  const root = { mode: S_IFDIR | 0o777 };
  const getattr = () => ({ ...ATTRIBUTES, mode: S_IFDIR | 0o777 });
  let found: unknown = {};
  const reclaimed: unknown[] = [];
  const lookup = () => found as object;
  const reclaim = (node: object) => void reclaimed.push(node);
  const served = system(
    { getattr, lookup, reclaim, rename: () => undefined },
    {
      fhtonode: () => "node" as never,
    },
  );
  const { kernel, connection } = rig({ ...served, root });
  expect(await codeOf(kernel.fhtonode(new Uint8Array(8)))).toBe("EIO");
  const { newnode } = await find(kernel, "a");
  found = "another";
  const from = { directory: kernel.root, name: "a", node: newnode };
  const moved = kernel.rename(from, { directory: kernel.root, name: "b", node: 0 }, ALICE);
  expect(await codeOf(moved)).toBe("EIO");
  expect([connection.vnodes.size, ...reclaimed]).toEqual([2]);
});

test("the kernel finds no fault with a plugin that answers nothing but nonsense", async () => {
  const nonsense: unknown[] = [
    ...[undefined, null, true, -1, 0, 1.5, Number.NaN, 2 ** 60, "x", "", "\0", "/", {}, []],
    ...[
      new Uint8Array(200),
      [{ name: ".." }],
      [{ name: "a", ino: 0 }],
      [{ name: "a", cookie: -1 }],
    ],
    ...[Symbol("s"), () => 1, { mode: 0 }, { mode: S_IFDIR, size: -1 }, "x".repeat(2000)],
  ];
  const faults: ProtocolFault[] = [];
  for (const answer of nonsense) {
    const fine = system({}).node.getattr as NonNullable<NodeOperations<object>["getattr"]>;
    const any = () => answer as never;
    const operations = {
      ...{ create: any, mknod: any, mkdir: any, symlink: any, readlink: any, readdir: any },
      ...{ read: any, write: any, getextattr: any, listextattr: any, pathconf: any, setattr: any },
    };
    const fileSystem = system(operations, { statvfs: any, nodetofh: any, fhtonode: any });
    for (const getattr of [
      fine,
      (node: object) => (node === fileSystem.root ? fine(node, {} as never) : any()),
    ]) {
      const served = rig({ ...fileSystem, node: { ...fileSystem.node, getattr } } as never);
      const onFault = (fault: ProtocolFault) => faults.push(fault);
      const args = kargs(served.connection, { type: "test", source: "test" });
      const kernel = connect(served.server, args, { onFault });
      const file = await find(kernel, "file").then(
        ({ newnode }) => newnode,
        () => kernel.root,
      );
      const calls = [
        kernel.create(kernel.root, "a", 0o644, ROOT),
        kernel.mkdir(kernel.root, "a", 0o755, ROOT),
        kernel.symlink(kernel.root, "a", "x", 0o777, ROOT),
        kernel.readlink(file, ROOT),
        kernel.readdir(kernel.root, { offset: 0, room: 4096, ncookies: 9 }, ROOT),
        kernel.read(file, 0, 100, ROOT),
        kernel.write(file, 0, new Uint8Array(9), ROOT),
        kernel.getextattr(file, 1, "a", 100, ROOT),
        kernel.extattrSize(file, 1, "a", ROOT),
        kernel.listextattr(file, 1, 100, ROOT),
        kernel.pathconf(file, 4),
        kernel.getattr(file, ROOT),
        kernel.setattr(file, { size: 5 }, ROOT),
        kernel.statvfs(),
        kernel.nodetofh(file, 60),
        kernel.handleSize(file),
        kernel.fhtonode(new Uint8Array(16)),
      ];
      for (const call of calls) expect(await codeOf(call)).not.toBe("EPROTO");
    }
  }
  expect(faults).toEqual([]);
});
