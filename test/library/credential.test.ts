import { expect, test } from "bun:test";
import { access, accessChmod, accessChown, accessTimes } from "../../src/library/access.ts";
import { callerOf, isTouching, setback } from "../../src/library/caller.ts";
import { Credential, credentialOf } from "../../src/library/credential.ts";
import { createUsermount } from "../../src/library/server.ts";
import { S_IFDIR, S_IFREG } from "../../src/mode.ts";
import type { Call } from "../../src/operations.ts";
import { Connection } from "../../src/puffs/connection.ts";
import { Setback, Vn } from "../../src/puffs/flags.ts";
import { FSCRED, NOCRED } from "../../src/puffs/kernel.ts";
import { connect } from "../../src/puffs/loopback.ts";
import { kargs } from "../../src/puffs/mount.ts";
import { PuffsServer } from "../../src/puffs/server.ts";
import { PuffsReq } from "../../src/puffs/structs.ts";
import { DIRECTORY, FILE as FILE_ATTRIBUTES, onComfd } from "./comfd.ts";

const user = (uid: number, gid: number, groups: number[] = []) =>
  new Credential({ kind: "user", uid, gid, groups });

const failing = (code: string) => expect.objectContaining({ code });

test("a user's credentials", () => {
  const who = user(1000, 100, [7, 8]);
  expect([who.uid, who.gid, who.groups]).toEqual([1000, 100, [7, 8]]);
  expect([who.isUid(1000), who.isUid(0)]).toEqual([true, false]);
  expect([100, 7, 8, 9].map((gid) => who.hasGroup(gid))).toEqual([true, true, true, false]);
  expect([who.isRegular, who.isKernel, who.isFs, who.isJuggernaut]).toEqual([
    true,
    false,
    false,
    false,
  ]);
  expect(user(0, 0).isJuggernaut).toBe(true);
});

test("the kernel's credentials have no users and no groups, and may all", () => {
  for (const kind of ["kernel", "fs"] as const) {
    const who = new Credential({ kind, uid: 0, gid: 0, groups: [] });
    expect(() => who.uid).toThrow(failing("EOPNOTSUPP"));
    expect(() => who.gid).toThrow(failing("EOPNOTSUPP"));
    expect(() => who.groups).toThrow(failing("EOPNOTSUPP"));
    expect([who.isUid(0), who.hasGroup(0), who.isRegular]).toEqual([false, false, false]);
    expect([who.isKernel, who.isFs]).toEqual([kind === "kernel", kind === "fs"]);
    expect(who.isJuggernaut).toBe(true);
    const nobodys = { mode: S_IFREG, uid: 5, gid: 5 };
    expect(access(nobodys, 7, who)).toBeUndefined();
    expect(accessChown(nobodys, 6, 6, who)).toBeUndefined();
    expect(accessChmod(nobodys, 0o7777, who)).toBeUndefined();
    expect(accessTimes(nobodys, false, who)).toBeUndefined();
  }
});

const CALLER = { uid: 1000, gid: 100, groups: [100, 7], pid: 42, lid: 3 };
const ROOT = { ...CALLER, uid: 0 };

/** A file system on puffs whose operations say what they see of their calls. */
function watched(see: (call: Call) => void) {
  const attributes = {
    mode: S_IFDIR | 0o777,
    nlink: 2,
    uid: 0,
    gid: 0,
    size: 0,
    atime: { sec: 0, nsec: 0 },
    mtime: { sec: 0, nsec: 0 },
    ctime: { sec: 0, nsec: 0 },
  };
  const file = { ...attributes, mode: S_IFREG | 0o666, nlink: 1 };
  const note = (_: object, call: Call) => {
    see(call);
    return _ as typeof attributes;
  };
  const connection = new Connection(
    {
      root: attributes,
      node: {
        lookup: () => file,
        getattr: note,
        open: (_, __, call) => see(call),
        remove: (_, __, call) => see(call),
        fsync: (_, __, call) => see(call),
        setattr: (_, __, call) => see(call),
        mmap: (_, __, call) => see(call),
      },
    },
    {},
    () => {},
  );
  const server = new PuffsServer(connection);
  let replied = 0;
  const serving = {
    serve(frame: Parameters<PuffsServer["serve"]>[0]) {
      const length = server.serve(frame);
      replied = frame.replyView.getUint32(PuffsReq.offsets.setbacks, true);
      return length;
    },
  };
  const kernel = connect(serving, kargs(connection, { type: "t", source: "s" }));
  return { kernel, setbacks: () => replied };
}

test("on puffs a request brings user, groups, process and thread", async () => {
  let seen: unknown;
  const { kernel } = watched((call) => {
    const { uid, gid, groups } = credentialOf(call);
    seen = { uid, gid, groups, ...callerOf(call) };
  });
  await kernel.getattr(kernel.root, CALLER);
  expect(seen).toEqual({ uid: 1000, gid: 100, groups: [100, 7], pid: 42, lwp: 3 });
});

test("on puffs a request brings 16 groups at most", async () => {
  let seen: readonly number[] = [];
  const { kernel } = watched((call) => {
    seen = credentialOf(call).groups;
  });
  const groups = Array.from({ length: 16 }, (_, n) => 500 + n);
  await kernel.getattr(kernel.root, { ...CALLER, groups });
  expect(seen).toEqual(groups);
});

test("on puffs the kernel and the file system in it are told apart", async () => {
  const seen: string[] = [];
  const { kernel } = watched((call) => {
    const { isKernel, isFs } = credentialOf(call);
    seen.push(isKernel ? "kernel" : isFs ? "fs" : "user");
  });
  await kernel.getattr(kernel.root, NOCRED);
  await kernel.getattr(kernel.root, FSCRED);
  expect(seen).toEqual(["kernel", "fs"]);
});

test("on FUSE the groups are those of the process", () => {
  const { uid = 0, gid = 0 } = { uid: process.getuid?.(), gid: process.getgid?.() };
  const call = { uid: 1000, gid, pid: process.pid } as Call;
  expect(credentialOf(call).groups).toEqual(process.getgroups?.() ?? []);
  expect(callerOf(call)).toEqual({ pid: process.pid, lwp: process.pid });
  // Nobody has this number: 2^22 is the most that Linux gives.
  expect(credentialOf({ uid, gid, pid: 2 ** 22 + 1 } as Call).groups).toEqual([]);
  expect(credentialOf({ uid: 0, gid: 0, pid: 0 } as Call).isKernel).toBe(true);
});

test("on puffs who touches is told from who sets times, and no call remembers it", async () => {
  const seen: boolean[] = [];
  const { kernel } = watched((call) => void seen.push(isTouching(call)));
  const now = { sec: 7, nsec: 0 };
  // VA_UTIMES_NULL of sys/vnode.h is 1.
  await kernel.setattr(kernel.root, { atime: now, mtime: now, vaflags: 1 }, ROOT);
  await kernel.setattr(kernel.root, { atime: now, mtime: now }, ROOT);
  await kernel.fsync(kernel.root, 1, ROOT);
  expect(seen).toEqual([true, false, false]);
});

test("setbacks are in the reply, where they may be", async () => {
  let names: Parameters<typeof setback>[1][] = [];
  let failure: unknown;
  const { kernel, setbacks } = watched((call) => {
    try {
      setback(call, ...names);
    } catch (error) {
      failure = error;
    }
  });
  names = ["NOREF_N1"];
  await kernel.open(kernel.root, 1, CALLER);
  expect(setbacks() & Setback.NOREF_N1).toBe(Setback.NOREF_N1);
  names = ["INACT_N1", "INACT_N2"];
  const { newnode } = await kernel.lookup(kernel.root, { name: "x" } as never, CALLER);
  failure = undefined;
  await kernel.remove(kernel.root, "x", newnode, CALLER);
  expect(setbacks() & 3).toBe(3);
  expect(failure).toBeUndefined();
  await kernel.fsync(newnode, 1, CALLER);
  expect(failure).toEqual(failing("EINVAL"));
  expect(kernel.has(Vn.MMAP)).toBe(true);
});

test("who asks is told once that a node is inactive, and nobody else", async () => {
  const told: unknown[] = [];
  const server = createUsermount<object>({
    name: "inactive",
    flags: ["IAONDEMAND"],
    keepsContent: true,
    node: {
      lookup: (_, name) => (name === "dir" ? directory : file),
      getattr: (node) => (node === file ? FILE_ATTRIBUTES : DIRECTORY),
      mmap: (_node, _prot, call) => setback(call, "INACT_N1"),
      remove: (_directory, _name, call) => setback(call, "INACT_N2"),
      rmdir: (_directory, _name, call) => setback(call, "INACT_N2"),
      async inactive(node, opened) {
        await null;
        told.push([node, opened]);
      },
    },
  });
  const file = {};
  const directory = {};
  const superuser = { ...CALLER, uid: 0 };
  server.setRoot({});
  await onComfd(server, async ({ kernel }) => {
    const { newnode } = await kernel.lookup(kernel.root, { name: "file", nameiop: 0 }, CALLER);
    await kernel.release(newnode, CALLER);
    expect(told).toEqual([]);
    await kernel.mmap(newnode, 1, CALLER);
    await kernel.release(newnode, CALLER);
    // By the reply it has been told.
    expect(told.splice(0)).toEqual([[file, undefined]]);
    await kernel.release(newnode, CALLER);
    expect(told).toEqual([]);
    await kernel.remove(kernel.root, "file", newnode, superuser);
    await kernel.release(newnode, CALLER);
    expect(told.splice(0)).toEqual([[file, undefined]]);
    const dir = await kernel.lookup(kernel.root, { name: "dir", nameiop: 0 }, CALLER);
    await kernel.rmdir(kernel.root, "dir", dir.newnode, superuser);
    await kernel.release(dir.newnode, CALLER);
    expect(told.splice(0)).toEqual([[directory, undefined]]);
  });
});

test("setbacks mean nothing on FUSE", () => {
  expect(() => setback({} as Call, "NOREF_N1")).not.toThrow();
});

const FILE = { mode: S_IFREG | 0o640, uid: 1000, gid: 100 };
const no = (error: { code: string } | undefined) => error?.code;

test("access: owner, group, others, superuser", () => {
  expect(no(access(FILE, 6, user(1000, 1)))).toBeUndefined();
  expect(no(access(FILE, 4, user(2000, 1, [100])))).toBeUndefined();
  expect(no(access(FILE, 2, user(2000, 100)))).toBe("EACCES");
  expect(no(access(FILE, 4, user(2000, 1)))).toBe("EACCES");
  expect(no(access({ ...FILE, mode: S_IFREG }, 6, user(0, 0)))).toBeUndefined();
  expect(no(access(FILE, 1, user(0, 0)))).toBe("EACCES");
  expect(no(access({ ...FILE, mode: S_IFREG | 0o001 }, 1, user(0, 0)))).toBeUndefined();
  expect(no(access({ ...FILE, mode: S_IFDIR }, 1, user(0, 0)))).toBeUndefined();
  // Who is the owner has the owner's rights alone, who is in the group the group's.
  expect(no(access({ ...FILE, mode: S_IFREG | 0o077 }, 4, user(1000, 100)))).toBe("EACCES");
  expect(no(access({ ...FILE, mode: S_IFREG | 0o707 }, 4, user(2000, 100)))).toBe("EACCES");
  expect(no(access({ ...FILE, mode: S_IFREG | 0o007 }, 7, user(2000, 1)))).toBeUndefined();
  // All that is asked for must be granted.
  expect(no(access(FILE, 7, user(1000, 1)))).toBe("EACCES");
  expect(no(access(FILE, 0, user(2000, 1)))).toBeUndefined();
});

test("chown: to another of the owner's groups", () => {
  expect(no(accessChown(FILE, 1000, 7, user(1000, 100, [7])))).toBeUndefined();
  expect(no(accessChown(FILE, 1000, 8, user(1000, 100, [7])))).toBe("EPERM");
  expect(no(accessChown(FILE, 2000, 100, user(1000, 100)))).toBe("EPERM");
  expect(no(accessChown(FILE, 2000, 1, user(0, 0)))).toBeUndefined();
  // A group that one is not in may stay.
  expect(no(accessChown(FILE, 1000, 100, user(1000, 1)))).toBeUndefined();
  // Others may not even leave it as it is.
  expect(no(accessChown(FILE, 1000, 100, user(2000, 100)))).toBe("EPERM");
  // PUFFS_VNOVAL
  expect(no(accessChown(FILE, undefined, 7, user(1000, 100, [7])))).toBeUndefined();
  expect(no(accessChown(FILE, undefined, undefined, user(1000, 1)))).toBeUndefined();
  expect(no(accessChown(FILE, undefined, undefined, user(2000, 1)))).toBe("EPERM");
});

test("chmod: the owner's, but for the sticky bit of files and foreign groups", () => {
  expect(no(accessChmod(FILE, 0o600, user(1000, 1)))).toBeUndefined();
  expect(no(accessChmod(FILE, 0o600, user(2000, 100)))).toBe("EPERM");
  expect(no(accessChmod(FILE, 0o1600, user(1000, 1)))).toBe("EFTYPE");
  expect(no(accessChmod({ ...FILE, mode: S_IFDIR }, 0o1700, user(1000, 1)))).toBeUndefined();
  expect(no(accessChmod(FILE, 0o2600, user(1000, 1)))).toBe("EPERM");
  expect(no(accessChmod(FILE, 0o2600, user(1000, 100)))).toBeUndefined();
  expect(no(accessChmod(FILE, 0o2600, user(1000, 1, [100])))).toBeUndefined();
  expect(no(accessChmod(FILE, 0o4600, user(1000, 1)))).toBeUndefined();
  expect(no(accessChmod(FILE, 0o3600, user(0, 0)))).toBeUndefined();
  // The sticky bit is asked about first.
  expect(no(accessChmod(FILE, 0o3600, user(1000, 1)))).toBe("EFTYPE");
});

test("times: the owner's, and whoever's who may write if they are to be now", () => {
  const open = { ...FILE, mode: S_IFREG | 0o620 };
  expect(no(accessTimes(open, false, user(1000, 1)))).toBeUndefined();
  expect(no(accessTimes(open, false, user(2000, 100)))).toBe("EPERM");
  expect(no(accessTimes(open, true, user(2000, 100)))).toBeUndefined();
  expect(no(accessTimes(open, true, user(2000, 1)))).toBe("EACCES");
  expect(no(accessTimes(open, false, user(0, 0)))).toBeUndefined();
});
