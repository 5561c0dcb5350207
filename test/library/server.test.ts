import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { closeDescriptor, EAGAIN, receive, send, setNonBlocking } from "../../ffi/device.ts";
import { socketPair } from "../../ffi/socket.ts";
import { Errno } from "../../src/errno.ts";
import { callerOf } from "../../src/library/caller.ts";
import type { PuffsNode } from "../../src/library/node.ts";
import { createUsermount, type UsermountServer } from "../../src/library/server.ts";
import { unmountOnSignal } from "../../src/library/signal.ts";
import { type Call, RENAME_NOREPLACE } from "../../src/operations.ts";
import {
  Err,
  FhFlags,
  FlushOp,
  KernelFlags,
  LibraryFlags,
  Opclass,
  Vn,
  Vtype,
} from "../../src/puffs/flags.ts";
import { FrameReader } from "../../src/puffs/frames.ts";
import type { PuffsKernel } from "../../src/puffs/kernel.ts";
import { compose } from "../../src/puffs/message.ts";
import { acceptKargs } from "../../src/puffs/mounted.ts";
import { PuffsError } from "../../src/puffs/structs.ts";
import type { KernelFault } from "../../src/wishes.ts";
import { handshakeOf } from "../support/kernel-end.ts";
import { CALLER, DIRECTORY, FILE, onComfd } from "./comfd.ts";

const root = { ...DIRECTORY };

/** A mount with one file, "file", and what else is said. */
function minimal(more: Partial<Parameters<typeof createUsermount<object>>[0]> = {}) {
  const file = { ...FILE };
  const server = createUsermount<object>({
    name: "minimal",
    node: {
      lookup: (_, name) => (name === "file" ? file : null),
      getattr: (node) => node as typeof FILE,
      ...more.node,
    },
    ...more,
  });
  server.setRoot(root);
  return { server, file };
}

const lookup = { name: "file", nameiop: 0 };

/** The arguments of a mount that nobody serves any further. */
async function announced(server: ReturnType<typeof minimal>["server"]): Promise<Uint8Array> {
  const [end, theirs] = socketPair("stream");
  setNonBlocking(end);
  process.env.PUFFS_COMFD = String(theirs);
  try {
    const mounting = server.mount("somewhere");
    const { kargs } = await handshakeOf(end);
    await mounting;
    return kargs;
  } finally {
    closeDescriptor(end);
    await server.mainloop();
  }
}

const failing = (code: string) => expect.objectContaining({ code });

test("the life of a mount: before, running, unmounting, unmounted", async () => {
  const states: string[] = [];
  const server = createUsermount<object, { count: number }>({
    name: "life",
    specific: { count: 1 },
    node: { lookup: () => null, getattr: () => DIRECTORY },
    fs: { unmount: () => void states.push(server.state) },
  });
  expect(server.state).toBe("before mount");
  expect(server.root).toBeUndefined();
  expect(() => server.usermount).toThrow(failing("ENOTCONN"));
  expect(() => server.selectable).toThrow(failing("ENOTCONN"));
  expect(server.mainloop()).rejects.toThrow(failing("ENOTCONN"));
  expect(server.mount("nowhere")).rejects.toThrow(/setRoot/);
  server.setRoot(root);
  expect(server.root).toBe(root);
  expect(server.specific.count).toBe(1);
  server.specific = { count: 2 };
  expect(server.specific.count).toBe(2);
  let ended: Promise<unknown> | undefined;
  await onComfd(server, async ({ kernel, handshake, mounted }) => {
    expect(handshake.directory).toBe(join(process.cwd(), "somewhere"));
    expect([mounted.type, mounted.from]).toEqual(["life", "life"]);
    expect(server.state).toBe("running");
    expect(server.selectable).toBeGreaterThan(2);
    expect(() => server.setRoot(root)).toThrow(failing("EBUSY"));
    await expect(server.mount("twice")).rejects.toThrow(failing("EBUSY"));
    ended = server.mainloop();
    expect((await kernel.getattr(kernel.root, CALLER)).va.nlink).toBe(2);
  });
  expect(await ended).toEqual({ reason: "unmounted" });
  expect(states).toEqual(["unmounting"]);
  expect(server.state).toBe("unmounted");
  expect(() => server.selectable).toThrow(failing("ENOTCONN"));
});

test("exit ends a mount, and what was never mounted", async () => {
  const { server } = minimal();
  let exiting: Promise<void> | undefined;
  const events = { onUnmount: () => {} };
  await onComfd(
    server,
    async ({ kernel }) => {
      const asked = new Promise<void>((resolve) => {
        events.onUnmount = resolve;
      });
      exiting = server.exit();
      await asked;
      expect(server.state).toBe("unmounting");
      await kernel.statvfs(CALLER);
    },
    { events: { onUnmount: () => events.onUnmount() } },
  );
  await exiting;
  expect(server.state).toBe("unmounted");
  const { server: never } = minimal();
  await never.exit();
  expect(never.state).toBe("unmounted");
  await expect(never.mount("late")).rejects.toThrow(failing("EBUSY"));
});

test("an unmount that the kernel refuses leaves the mount running; without its kernel it ends", async () => {
  const { server } = minimal();
  const [end, theirs] = socketPair("stream");
  setNonBlocking(end);
  process.env.PUFFS_COMFD = String(theirs);
  const mounting = server.mount("somewhere");
  await handshakeOf(end);
  await mounting;
  const unmounting = server.unmount();
  const request = new Uint8Array(56);
  while (receive(end, request) === -EAGAIN) await Bun.sleep(1);
  expect(server.state).toBe("unmounting");
  const view = new DataView(request.buffer);
  // struct puffs_req: opclass 7 is UNMOUNT, 0x20 in it marks the answer; rv EBUSY
  expect(view.getUint16(24, true)).toBe(7);
  view.setUint16(24, 0x27, true);
  view.setInt32(28, 16, true);
  send(end, request, request.length);
  await expect(unmounting).rejects.toThrow(failing("EBUSY"));
  expect(server.state).toBe("running");
  closeDescriptor(end);
  expect(await server.mainloop()).toEqual({ reason: "unmounted" });
  expect(server.state).toBe("unmounted");
});

test("what is about to be mounted is mounted once, and ended by exit when it is", async () => {
  const { server } = minimal();
  const states: string[] = [];
  let exiting: Promise<void> | undefined;
  const impatient = {
    mount(directory: string, options: object) {
      const mounting = server.mount(directory, options);
      states.push(server.state);
      expect(server.mount("twice")).rejects.toThrow(failing("EBUSY"));
      exiting = server.exit().then(() => void states.push(server.state));
      return mounting.then(() => void states.push(server.state));
    },
    mainloop: () => server.mainloop(),
    exit: async () => exiting,
  };
  await onComfd(impatient, async () => {}, { byHand: true });
  expect(states).toEqual(["before mount", "running", "unmounted"]);
});

test("paths begin with the root's", async () => {
  const server = createUsermount<PuffsNode<string>>({
    name: "pathless",
    flags: ["BUILDPATH"],
    node: { lookup: () => null, getattr: () => DIRECTORY },
  });
  const top = server.nodes.create("root");
  server.setRoot(top);
  await expect(server.mount("somewhere")).rejects.toThrow(/setRoot\(node, path\)/);
  expect(server.state).toBe("before mount");
  server.setRoot(top, "/");
  await onComfd(server, async ({ kernel }) => {
    await kernel.getattr(kernel.root, CALLER);
  });
});

test("a mount that fails says why, and may be tried again", async () => {
  const { server } = minimal();
  process.env.PUFFS_COMFD = "nonsense";
  await expect(server.mount("somewhere")).rejects.toThrow(/not a descriptor/);
  expect(server.state).toBe("before mount");
  await onComfd(server, async ({ kernel }) => {
    await kernel.getattr(kernel.root, CALLER);
  });
});

describe("what the kernel is told at the mount", () => {
  const KFLAGS = ["NOCACHE_NAME", "NOCACHE_PAGE", "ALLOPS", "WTCACHE", "IAONDEMAND"] as const;
  const MORE = ["LOOKUP_FULLPNBUF", "CACHE_FS_TTL", "CACHE_DOTDOT", "NOFLUSH_META"] as const;

  for (const flag of [...KFLAGS, ...MORE, "NOCACHE"] as const)
    test(`flag ${flag}`, async () => {
      const { server } = minimal({ flags: [flag] });
      await onComfd(server, async ({ kernel, mounted, handshake }) => {
        expect(mounted.args.flags & KernelFlags[flag]).toBe(KernelFlags[flag]);
        expect(handshake.libraryFlags & KernelFlags[flag]).toBe(KernelFlags[flag]);
        expect((await kernel.lookup(kernel.root, lookup, CALLER)).vtype).toBe(Vtype.REG);
      });
    });

  test("without NOCACHE_PAGE pages are cached if nobody else changes the content", async () => {
    const { server } = minimal({ keepsContent: true });
    await onComfd(server, async ({ mounted }) => {
      expect(mounted.args.flags & KernelFlags.NOCACHE_PAGE).toBe(0);
    });
    const { server: uncached } = minimal({ keepsContent: true, flags: ["NOCACHE_PAGE"] });
    await onComfd(uncached, async ({ mounted }) => {
      expect(mounted.args.flags & KernelFlags.NOCACHE_PAGE).toBe(KernelFlags.NOCACHE_PAGE);
    });
  });

  test("with CACHE_FS_TTL attributes come along, good for as long as the file system says", async () => {
    const { server } = minimal({
      flags: ["CACHE_FS_TTL"],
      timeouts: { names: 3, attributes: 1.5 },
    });
    await onComfd(server, async ({ kernel }) => {
      const { va, vaTtl, cnTtl } = await kernel.lookup(kernel.root, lookup, CALLER);
      expect([va.nlink, cnTtl, vaTtl]).toEqual([
        1,
        { sec: 3, nsec: 0 },
        { sec: 1, nsec: 500_000_000 },
      ]);
    });
    const { server: both } = minimal({
      flags: ["CACHE_FS_TTL", "NOCACHE_NAME"],
      timeouts: { names: 3 },
    });
    await onComfd(both, async ({ kernel }) => {
      const { cnTtl } = await kernel.lookup(kernel.root, lookup, CALLER);
      expect(cnTtl).toEqual({ sec: 0, nsec: 0 });
    });
  });

  test("flags of the library's own", async () => {
    const { server } = minimal({ flags: ["HASHPATH", "OPDUMP"] });
    await onComfd(server, async ({ handshake, mounted }) => {
      const { HASHPATH, OPDUMP, PNCOOKIE } = LibraryFlags;
      expect((handshake.libraryFlags & 0xf0000000) >>> 0).toBe(
        (HASHPATH | OPDUMP | PNCOOKIE) >>> 0,
      );
      expect((mounted.args.flags & 0xf0000000) >>> 0).toBe(0);
    });
  });

  test("lengths, handles, hashes, the root, the source", async () => {
    const { server } = minimal({
      from: "/dev/somewhere",
      maxRequestLength: 65536,
      cookieHash: 512,
      stackSize: 1 << 20,
      handles: { size: 20, flags: FhFlags.NFSV3 },
      rootInfo: { type: Vtype.REG, size: 77, device: 5 },
    });
    expect(server.maxRequestLength).toBe(65536);
    await onComfd(server, async ({ mounted: { args, maxmsglen, from } }) => {
      expect(from).toBe("/dev/somewhere");
      expect([args.maxmsglen, maxmsglen, args.nhashbuckets]).toEqual([65536, 65536, 512]);
      expect([args.fhsize, args.fhflags]).toEqual([20, FhFlags.NFSV3]);
      expect([args.rootVtype, args.rootVsize, args.rootDevice]).toEqual([Vtype.REG, 77, 5]);
    });
  });

  test("a root that is no directory is a file", async () => {
    const only = { ...FILE, size: 5 };
    const server = createUsermount<object>({
      name: "single",
      rootInfo: { type: Vtype.REG, size: 5, device: 0 },
      node: {
        lookup: () => null,
        getattr: () => only,
        read: (_, into, offset) =>
          new TextEncoder().encodeInto("hello".slice(offset), into).written,
      },
    });
    server.setRoot(only);
    await onComfd(server, async ({ kernel, mounted }) => {
      expect(mounted.args).toMatchObject({ rootVtype: Vtype.REG, rootVsize: 5 });
      await kernel.open(kernel.root, 1, CALLER);
      const data = await kernel.read(kernel.root, 1, 100, CALLER);
      expect(new TextDecoder().decode(data)).toBe("ello");
    });
  });

  test("handles that NFS has no room for make no mount", async () => {
    const { NFSV2, NFSV3, DYNAMIC } = FhFlags;
    // nfs/nfsproto.h: 32 and 64 bytes, of which the kernel takes 4.
    for (const [size, flags, fits] of [
      [28, NFSV2, true],
      [29, NFSV2, false],
      [60, NFSV3 | DYNAMIC, true],
      [61, NFSV3 | DYNAMIC, false],
      [60, NFSV2 | NFSV3, false],
      [100, DYNAMIC, true],
    ] as const) {
      const { server } = minimal({ handles: { size, flags } });
      const arguments_ = await announced(server);
      if (fits)
        expect(acceptKargs(arguments_).args).toMatchObject({ fhsize: size, fhflags: flags });
      else expect(() => acceptKargs(arguments_)).toThrow(failing("EINVAL"));
    }
  });

  test("with ALLOPS what the file system lacks is asked for, and answered as without", async () => {
    for (const flags of [[], ["ALLOPS"]] as const) {
      const { server } = minimal({ flags });
      await onComfd(server, async ({ kernel }) => {
        const asked = flags.length > 0;
        const names = [Vn.SYMLINK, Vn.READLINK, Vn.ACCESS, Vn.SEEK, Vn.PRINT] as const;
        // access(2) is always asked for: the kernel leaves permissions to the server.
        expect(names.filter((name) => kernel.has(name)).length).toBe(asked ? 5 : 1);
        const link = kernel.symlink(kernel.root, "link", "target", 0o777, CALLER);
        await expect(link).rejects.toThrow(failing("EOPNOTSUPP"));
        await expect(kernel.readlink(kernel.root, CALLER)).rejects.toThrow(failing("EOPNOTSUPP"));
        await kernel.access(kernel.root, 4, CALLER);
        expect((await kernel.getattr(kernel.root, CALLER)).va.nlink).toBe(2);
      });
    }
  });

  test("with LOOKUP_FULLPNBUF one name of a path is taken, and nothing behind it", async () => {
    const seen: string[] = [];
    const { server } = minimal({
      flags: ["LOOKUP_FULLPNBUF"],
      node: {
        lookup(_, name) {
          seen.push(name);
          return { ...DIRECTORY };
        },
        getattr: (node) => node as typeof FILE,
      },
    });
    await onComfd(server, async ({ kernel }) => {
      const path = { name: "one", nameiop: 0, flags: 0, rest: "/two/three" };
      expect((await kernel.lookup(kernel.root, path, CALLER)).consume).toBe(0);
    });
    expect(seen).toEqual(["one"]);
  });

  test("the longest request is what the kernel makes of the wish", () => {
    const length = (maxRequestLength?: number) =>
      minimal(maxRequestLength === undefined ? {} : { maxRequestLength }).server.maxRequestLength;
    expect([length(), length(1), length(100_000), length(2 ** 30)]).toEqual([
      131072, 8192, 100_000, 131072,
    ]);
  });
});

test("before and after each operation, when it has ended", async () => {
  const seen: string[] = [];
  const later = Promise.withResolvers<void>();
  const { server } = minimal({
    before: () => void seen.push("before"),
    after: () => void seen.push("after"),
    node: {
      lookup: () => null,
      getattr: () => FILE,
      async fsync() {
        seen.push("fsync");
        await later.promise;
      },
      print: () => {
        seen.push("print");
        throw new Error("a bug");
      },
    },
  });
  await onComfd(server, async ({ kernel }) => {
    const syncing = kernel.fsync(kernel.root, 1, CALLER);
    await kernel.print(kernel.root).catch(() => {});
    expect(seen).toEqual(["before", "fsync", "before", "print", "after"]);
    later.resolve();
    await syncing;
    expect(seen.slice(5)).toEqual(["after"]);
  });
});

test("the loop function runs where there is something to do, and after a time without", async () => {
  const { server } = minimal();
  let calls = 0;
  let heard: (() => void) | undefined;
  server.setLoopFunction(() => {
    calls++;
    heard?.();
  });
  const next = () =>
    new Promise<void>((resolve) => {
      heard = resolve;
    });
  await onComfd(server, async ({ kernel }) => {
    if (calls === 0) await next();
    for (let round = 0; round < 3; round++) {
      const before = calls;
      const called = next();
      await kernel.getattr(kernel.root, CALLER);
      await called;
      expect(calls).toBeGreaterThan(before);
    }
    server.setLoopTimeout(5);
    for (let round = 0; round < 3; round++) await next();
    server.setLoopTimeout(undefined);
    server.setLoopFunction(undefined);
    const last = calls;
    await kernel.getattr(kernel.root, CALLER);
    await Bun.sleep(10);
    expect(calls).toBe(last);
  });
});

test("the loop function may be given when the mount is up, and is called once in a turn", async () => {
  const { server } = minimal();
  await onComfd(server, async ({ kernel }) => {
    await kernel.getattr(kernel.root, CALLER);
    const heard = Promise.withResolvers<void>();
    let calls = 0;
    server.setLoopFunction(() => {
      calls++;
      heard.resolve();
    });
    await heard.promise;
    const before = calls;
    const asked = Array.from({ length: 50 }, () => kernel.getattr(kernel.root, CALLER));
    await Promise.all(asked);
    await Bun.sleep(10);
    expect(calls).toBeGreaterThan(before);
    expect(calls - before).toBeLessThan(50);
  });
});

/** What no answer of the server's makes the kernel say. */
function complain(kernel: PuffsKernel): void {
  const message = compose(PuffsError, { error: 22 });
  message.set(Buffer.from("the directory is in itself"), PuffsError.offsets.str);
  kernel.tell(Opclass.ERROR, Err.LOOKUP, kernel.root, message);
}

test("the kernel says what it does not like", async () => {
  const faults: KernelFault[] = [];
  const { server } = minimal({
    onError: (fault) => void faults.push(fault),
    node: { lookup: () => null, getattr: () => DIRECTORY },
  });
  await onComfd(server, async ({ kernel }) => {
    complain(kernel);
    await kernel.getattr(kernel.root, CALLER);
  });
  expect(faults).toEqual([
    { operation: "LOOKUP", error: "EINVAL", text: "the directory is in itself", node: root },
  ]);
});

test("what the program's own functions throw is logged, and costs the mount nothing", async () => {
  const said: string[] = [];
  const log = { info() {}, warn() {}, error: (line: string) => void said.push(line) };
  const bug = () => {
    throw new Error("a bug");
  };
  const { server } = minimal({
    log,
    onError: bug,
    node: { lookup: () => null, getattr: () => DIRECTORY },
  });
  await onComfd(server, async ({ kernel }) => {
    server.setLoopFunction(bug);
    complain(kernel);
    await kernel.getattr(kernel.root, CALLER);
    while (!said.some((line) => line.startsWith("the loop function"))) await Bun.sleep(1);
    server.setLoopFunction(undefined);
    expect((await kernel.getattr(kernel.root, CALLER)).va.nlink).toBe(2);
  });
  expect(said).toContain("onError failed");
});

test("with OPDUMP each operation is told in words", async () => {
  const lines: string[] = [];
  const log = { info: (line: string) => void lines.push(line), warn() {}, error() {} };
  const { server } = minimal({ flags: ["OPDUMP"], log });
  await onComfd(server, async ({ kernel }) => {
    await kernel.lookup(kernel.root, lookup, CALLER);
  });
  expect(lines.some((line) => /LOOKUP node \d+ "file".*pid 42/.test(line))).toBe(true);
});

test("with BUILDPATH operations know whole paths", async () => {
  const seen: string[] = [];
  const see = (what: string, call: Call) => {
    const { path, target } = server.given(call);
    seen.push(`${what} ${path.path}${target ? ` ${target.path}` : ""}`);
  };
  const made = new Map<string, PuffsNode<string>>();
  const make = (name: string): PuffsNode<string> => {
    const node = made.get(name) ?? server.nodes.create(name);
    made.set(name, node);
    return node;
  };
  const server: UsermountServer<PuffsNode<string>> = createUsermount<PuffsNode<string>>({
    name: "paths",
    flags: ["BUILDPATH", "HASHPATH"],
    modifyName: (_, name) => name.toLowerCase(),
    node: {
      lookup(_, name, call) {
        see("lookup", call);
        return name === "absent" ? null : make(name);
      },
      getattr: ({ data }) => (data.startsWith("dir") || data === "root" ? DIRECTORY : FILE),
      mkdir(_, name, _mode, call) {
        see("mkdir", call);
        return make(name);
      },
      rename: (_from, _name, _to, _newName, flags, call) => {
        expect(flags & RENAME_NOREPLACE).toBe(0);
        see("rename", call);
      },
    },
  });
  server.setRoot(server.nodes.create("root"), "/srv");
  expect(() => server.given({} as Call)).toThrow(failing("EINVAL"));
  await onComfd(server, async ({ kernel }) => {
    const { newnode: directory } = await kernel.mkdir(kernel.root, "Dir", 0o755, CALLER);
    const { newnode: file } = await kernel.lookup(directory, { name: "File", nameiop: 0 }, CALLER);
    await kernel.getattr(file, CALLER);
    await kernel.rename(
      { directory: kernel.root, name: "dir", node: directory },
      { directory: kernel.root, name: "dir2", node: 0 },
      CALLER,
    );
    await kernel.lookup(directory, { name: "absent", nameiop: 0 }, CALLER).catch(() => {});
  });
  expect(seen).toEqual([
    "mkdir /srv/dir",
    "lookup /srv/dir/file",
    "rename /srv/dir /srv/dir2",
    "lookup /srv/dir2/absent",
  ]);
  expect(server.nodes.size).toBe(3);
});

test("paths of numbers, as mount_sysctlfs has them", async () => {
  const seen: number[][] = [];
  const freed: number[][] = [];
  const server: UsermountServer<PuffsNode<number>, undefined, number[]> = createUsermount<
    PuffsNode<number>,
    undefined,
    number[]
  >({
    name: "numbers",
    flags: ["BUILDPATH", "HASHPATH"],
    pathRules: {
      transform(_, name) {
        if (!/^\d+$/.test(name)) throw new Errno("ENOENT");
        return [Number(name)];
      },
      build: (directory, component, offset) => [...directory, ...component.slice(offset)],
      compare: (path, other, length, prefix) =>
        path.every((number, at) => number === other[at]) &&
        (prefix ? other.length > length : other.length === length),
      free: (path) => void freed.push(path),
    },
    node: {
      lookup(_, _name, call) {
        const { path } = server.given(call);
        seen.push(path.path);
        const known = server.paths.find(path) as PuffsNode<number> | undefined;
        return path.path.includes(404) ? null : (known ?? server.nodes.create(path.path.length));
      },
      getattr: () => DIRECTORY,
      rename: () => {},
    },
  });
  server.setRoot(server.nodes.create(0), []);
  await onComfd(server, async ({ kernel }) => {
    const find = async (directory: number, name: string) =>
      (await kernel.lookup(directory, { name, nameiop: 0 }, CALLER)).newnode;
    const one = await find(kernel.root, "1");
    const two = await find(one, "2");
    expect(await find(one, "2")).toBe(two);
    await expect(find(two, "404")).rejects.toThrow(failing("ENOENT"));
    await expect(find(two, "kern")).rejects.toThrow(failing("ENOENT"));
    await kernel.rename(
      { directory: kernel.root, name: "1", node: one },
      { directory: kernel.root, name: "7", node: 0 },
      CALLER,
    );
    await find(two, "3");
  });
  expect(seen).toEqual([[1], [1, 2], [1, 2], [1, 2, 404], [7, 2, 3]]);
  // What the names became is freed at once, and of whole paths all that no node has.
  expect(freed.filter(({ length }) => length > 1).slice(0, 3)).toEqual([
    [1, 2],
    [1, 2, 404],
    [1, 2],
  ]);
});

test("the kernel is told what to forget and what to write, and says no to being suspended", async () => {
  const flushes: { op: number; start: number; end: number }[] = [];
  const big = { ...FILE, size: 100_000 };
  const { server } = minimal({
    keepsContent: true,
    node: { lookup: () => big, getattr: (node) => node as typeof FILE },
  });
  await onComfd(
    server,
    async ({ kernel }) => {
      await kernel.lookup(kernel.root, lookup, CALLER);
      const { usermount } = server;
      await usermount.invalidateName(root, "file");
      await usermount.invalidateNames(root);
      await usermount.invalidateAllNames();
      await usermount.invalidateNode(big);
      await usermount.invalidateNode(big, 4096, 8192);
      await usermount.flushNode(big);
      await usermount.flushNode(big, 4096, 8192);
      expect(flushes.map(({ op, start, end }) => [op, start, end])).toEqual([
        [FlushOp.INVAL_NAMECACHE_DIR, 0, 0],
        [FlushOp.INVAL_NAMECACHE_DIR, 0, 0],
        [FlushOp.INVAL_NAMECACHE_ALL, 0, 0],
        [FlushOp.INVAL_PAGECACHE_NODE_RANGE, 0, 0],
        [FlushOp.INVAL_PAGECACHE_NODE_RANGE, 4096, 12288],
        [FlushOp.FLUSH_PAGECACHE_NODE_RANGE, 0, 0],
        [FlushOp.FLUSH_PAGECACHE_NODE_RANGE, 4096, 12288],
      ]);
      await expect(usermount.suspend()).rejects.toThrow(failing("EOPNOTSUPP"));
    },
    { events: { onFlush: (flush) => void flushes.push(flush) } },
  );
});

test("a range that is not in the file is EINVAL to the kernel, and what it does not know is no error", async () => {
  const big = { ...FILE, size: 100_000 };
  const { server } = minimal({
    keepsContent: true,
    node: { lookup: () => big, getattr: (node) => node as typeof FILE },
  });
  await onComfd(server, async ({ kernel }) => {
    await kernel.lookup(kernel.root, lookup, CALLER);
    const { usermount } = server;
    await usermount.invalidateNode(big, 0, 100_000);
    await expect(usermount.invalidateNode(big, 0, 100_001)).rejects.toThrow(failing("EINVAL"));
    await expect(usermount.flushNode(big, 4096, 100_000)).rejects.toThrow(failing("EINVAL"));
    await expect(usermount.invalidateNode(big, 0, -1)).rejects.toThrow(failing("EINVAL"));
    // Of what only attributes have changed the pages are as good as before.
    await usermount.invalidateNode(big, -1);
    await usermount.invalidateNode({});
    await usermount.invalidateNames({});
  });
});

test("operations wait and go on in any order, each for its own caller", async () => {
  const waiting = new Map<number, () => void>();
  const ended: number[] = [];
  const { server } = minimal({
    node: {
      lookup: () => null,
      async getattr(_, call) {
        // A call serves the next request as soon as its operation has ended: what is needed then is taken before.
        const { pid } = callerOf(call);
        await new Promise<void>((resolve) => waiting.set(pid, resolve));
        ended.push(pid);
        return { ...DIRECTORY, uid: pid };
      },
    },
  });
  await onComfd(server, async ({ kernel }) => {
    const pids = [1, 2, 3];
    const asked = pids.map((pid) => kernel.getattr(kernel.root, { ...CALLER, pid }));
    while (waiting.size < pids.length) await Bun.sleep(1);
    for (const pid of [2, 3, 1]) waiting.get(pid)?.();
    const answers = await Promise.all(asked);
    expect(answers.map(({ va }) => va.uid)).toEqual(pids);
    expect(ended).toEqual([2, 3, 1]);
  });
});

test("a signal unmounts, and the program's own listeners hear of it", async () => {
  const { server } = minimal();
  let heard = 0;
  const listener = () => void heard++;
  process.on("SIGUSR2", listener);
  unmountOnSignal("SIGUSR2");
  unmountOnSignal("SIGUSR2");
  let asked = 0;
  await onComfd(
    server,
    async ({ kernel }) => {
      process.kill(process.pid, "SIGUSR2");
      while (asked === 0) await kernel.getattr(kernel.root, CALLER);
      expect(heard).toBe(1);
      expect(server.state).toBe("unmounting");
    },
    { events: { onUnmount: () => void asked++ } },
  );
  expect(asked).toBe(1);
  process.kill(process.pid, "SIGUSR2");
  while (heard < 2) await Bun.sleep(1);
  process.off("SIGUSR2", listener);
  expect(asked).toBe(1);
});

test("a signal that comes while a mount is under way unmounts it when it is there", async () => {
  const { server } = minimal();
  const [end, theirs] = socketPair("stream");
  process.env.PUFFS_COMFD = String(theirs);
  unmountOnSignal("SIGUSR2");
  const mounting = server.mount("somewhere");
  process.emit("SIGUSR2");
  await mounting;
  while (server.state !== "unmounting") await Bun.sleep(1);
  setNonBlocking(end);
  const said = new Uint8Array(1 << 16);
  let length = 0;
  for (let count = 1; count > 0; length += Math.max(0, count))
    count = receive(end, said.subarray(length));
  // Behind the announcement a struct puffs_req, of class UNMOUNT.
  expect(new DataView(said.buffer).getUint16(length - 56 + 24, true)).toBe(7);
  closeDescriptor(end);
  await server.mainloop();
  const { server: none } = minimal();
  process.env.PUFFS_COMFD = "nonsense";
  const failed = none.mount("somewhere");
  process.emit("SIGUSR2");
  await expect(failed).rejects.toThrow(/not a descriptor/);
  expect(none.state).toBe("before mount");
});

test("what is no signal, or cannot be caught, unmounts nothing", () => {
  for (const signal of ["SIGNAL", "SIGKILL", "SIGSTOP", ""])
    expect(() => unmountOnSignal(signal as NodeJS.Signals)).toThrow(failing("EINVAL"));
});

describe("by hand", () => {
  /** Reads requests, dispatches and answers until it is told to stop. */
  async function serve(server: ReturnType<typeof minimal>["server"], over: { now: boolean }) {
    server.setBlockingMode("nonblock");
    const reader = new FrameReader(server.maxRequestLength);
    const late: string[] = [];
    while (!over.now) {
      const count = receive(server.selectable, reader.room());
      if (count === -EAGAIN) {
        await Bun.sleep(1);
        continue;
      }
      if (count <= 0) break;
      reader.took(count);
      for (let frame = reader.next(); frame; frame = reader.next()) {
        const dispatch = server.dispatchCreate(frame);
        const reply = dispatch.exec();
        late.push(reply instanceof Promise ? "later" : reply ? "now" : "none");
        Promise.resolve(reply).then((bytes) => {
          if (bytes) send(server.selectable, bytes, bytes.length);
        });
        expect(() => dispatch.exec()).toThrow(failing("EINVAL"));
      }
    }
    return late;
  }

  test("requests are read, dispatched and answered by the program", async () => {
    const { server } = minimal({
      node: {
        lookup: () => null,
        getattr: () => DIRECTORY,
        fsync: () => Bun.sleep(1),
        close: () => {},
        reclaim() {},
      },
    });
    const over = { now: false };
    await onComfd(
      server,
      async ({ kernel }) => {
        const room = server.maxRequestLength;
        expect(room).toBeGreaterThanOrEqual(131072);
        const tooLong = new Uint8Array(room + 1);
        expect(() => server.dispatchCreate(tooLong)).toThrow(failing("EMSGSIZE"));
        // What is no request is due no reply.
        expect(await server.dispatchCreate(new Uint8Array(8)).exec()).toBeUndefined();
        const serving = serve(server, over);
        expect((await kernel.getattr(kernel.root, CALLER)).va.nlink).toBe(2);
        await kernel.fsync(kernel.root, 1, CALLER);
        kernel.close(kernel.root, 1, CALLER);
        await kernel.statvfs(CALLER);
        over.now = true;
        expect(await serving).toEqual(["now", "later", "none", "now"]);
      },
      { byHand: true },
    );
    expect(server.state).toBe("unmounted");
  });

  test("a descriptor that is read by hand may wait, one that we read may not", async () => {
    const { server } = minimal();
    await onComfd(
      server,
      async ({ kernel }) => {
        server.setBlockingMode("block");
        const asked = kernel.getattr(kernel.root, CALLER);
        const request = new Uint8Array(server.maxRequestLength);
        const length = receive(server.selectable, request);
        expect(length).toBeGreaterThan(0);
        const reply = server.dispatchCreate(request.subarray(0, length)).exec() as Uint8Array;
        send(server.selectable, reply, reply.length);
        await asked;
        server.setBlockingMode("nonblock");
        expect(receive(server.selectable, request)).toBe(-EAGAIN);
      },
      { byHand: true },
    );
    const { server: ours } = minimal();
    await onComfd(ours, async () => {
      expect(() => ours.setBlockingMode("block")).toThrow(failing("EBUSY"));
      expect(() => ours.dispatchCreate(new Uint8Array(56))).toThrow(failing("ENOTCONN"));
    });
  });

  test("what the server asks of the kernel goes out too", async () => {
    const { server } = minimal();
    const over = { now: false };
    let purged = 0;
    await onComfd(
      server,
      async () => {
        const serving = serve(server, over);
        await server.usermount.invalidateAllNames();
        expect(purged).toBe(1);
        over.now = true;
        expect(await serving).toEqual(["none"]);
      },
      { byHand: true, events: { onFlush: () => void purged++ } },
    );
  });
});
