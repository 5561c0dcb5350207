import { describe, expect, test } from "bun:test";
import { Pathconf, Vn, Vtype } from "../../src/puffs/flags.ts";
import type { PuffsKernel } from "../../src/puffs/kernel.ts";
import { ALICE, codeOf, memory, ROOT, rig } from "./rig.ts";
import { Machine, type Process } from "./vfs.ts";

/*
 * What NetBSD's own file system tests do (tests/fs/vfs, tests/fs/puffs), call by call as its kernel brings it, on our memfs: each must
 * come out as they want it. What the kernel alone decides (locks, mmap(2), file descriptors) is not in here.
 */

interface Mounted {
  readonly machine: Machine;
  readonly process: Process;
  readonly kernel: PuffsKernel;
  /** How many vnodes the server has. */
  known(): number;
}

async function mounted(options = ["mode=755"], readOnly = false): Promise<Mounted> {
  const fileSystem = await memory(options);
  const { kernel, connection } = rig(fileSystem, { readOnly });
  const machine = new Machine(kernel, readOnly);
  return { machine, process: machine.process(), kernel, known: () => connection.vnodes.size };
}

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();
const bytes = (content: string) => new Uint8Array(Buffer.from(content));
const of = (promise: Promise<unknown>) => codeOf(promise);

describe("names", () => {
  test("a path may go through . and .. as it likes", async () => {
    const { process } = await mounted();
    await process.mkdir("/dir");
    const direct = await process.stat("/dir");
    expect(await process.stat("/./dir/../././dir/.")).toEqual(direct);
    expect(await process.stat("/..")).toEqual(await process.stat("/"));
  });

  test("a directory is made and removed, with slashes or without, and gone then", async () => {
    const { process } = await mounted();
    for (const slashes of ["", "/", "//", "///"]) {
      await process.mkdir(`/dir${slashes}`);
      await process.stat(`/dir${slashes}`);
      await process.rmdir("/dir");
      expect(await of(process.stat(`/dir${slashes}`))).toBe("ENOENT");
    }
  });

  test("a directory that is not empty is not removed", async () => {
    const { process } = await mounted();
    await process.mkdir("/dir");
    await (await process.open("/dir/file", { creates: true })).close();
    expect(await of(process.rmdir("/dir"))).toBe("ENOTEMPTY");
    expect(await of(process.unlink("/dir"))).toBe("EPERM");
    await process.unlink("/dir/file");
    await process.rmdir("/dir");
  });

  test("out of a removed directory leads nothing", async () => {
    const { process, known } = await mounted();
    await process.mkdir("/test");
    await process.chdir("/test");
    await process.mkdir("subtest");
    await process.chdir("subtest");
    await process.rmdir("/test/subtest");
    await process.rmdir("/test");
    expect(await of(process.chdir(".."))).toBe("ENOENT");
    expect(await of(process.mkdir("x"))).toBe("ENOENT");
    await process.chdir("/");
    expect(known()).toBe(1);
  });

  test("of one character, whichever byte it is", async () => {
    const { process, kernel } = await mounted();
    for (let byte = 1; byte < 256; byte++) {
      if (byte === 0x2e || byte === 0x2f) continue;
      const name = byte < 0x80 ? String.fromCharCode(byte) : String.fromCharCode(0xdc00 + byte);
      await (await process.open(name, { creates: true, exclusive: true })).close();
      await process.unlink(name);
    }
    const { entries } = await kernel.readdir(kernel.root, { offset: 0, room: 4096 }, ROOT);
    expect(entries.map(({ name }) => name)).toEqual([".", ".."]);
  });

  test("are as long as pathconf(2) says, and no longer", async () => {
    const { process } = await mounted();
    const most = await process.pathconf("/", Pathconf.NAME_MAX);
    expect([most, await process.pathconf("/", Pathconf.NO_TRUNC)]).toEqual([255, 1]);
    await (await process.open("a".repeat(most), { creates: true })).close();
    const long = "a".repeat(most + 1);
    expect(await of(process.open(long, { creates: true }))).toBe("ENAMETOOLONG");
    expect(await of(process.rename("a".repeat(most), long))).toBe("ENAMETOOLONG");
  });

  test("O_EXCL is EEXIST only for what is there", async () => {
    const { process } = await mounted();
    const open = async (exclusive: boolean) =>
      (await process.open("hoge", { creates: true, exclusive, writes: true })).close();
    await open(true);
    await process.unlink("hoge");
    await open(false);
    await open(false);
    expect(await of(open(true))).toBe("EEXIST");
  });

  test("many come and go", async () => {
    const { process, known } = await mounted();
    await process.mkdir("/subdir");
    await process.chdir("/subdir");
    for (let i = 0; i < 2324; i++)
      await (await process.open(`testfile${i}`, { creates: true, exclusive: true })).close();
    for (let i = 0; i < 2324; i++) await process.unlink(`testfile${i}`);
    await process.chdir("/");
    await process.rmdir("/subdir");
    expect(known()).toBe(1);
  });
});

describe("symbolic links", () => {
  test("of any length that there can be", async () => {
    const { process } = await mounted();
    for (let length = 2; length <= 65536; length *= 2)
      for (const near of [length - 1, length, length + 1]) {
        const code = await of(process.symlink("a".repeat(near), "afile"));
        expect(code).toBe(near < 1024 ? "OK" : "ENAMETOOLONG");
        if (code !== "OK") continue;
        expect((await process.lstat("afile")).size).toBe(near);
        expect((await process.readlink("afile")).length).toBe(near);
        await process.unlink("afile");
      }
    await process.symlink("", "afile");
    await process.unlink("afile");
  });

  test("tell what they are, and have the umask applied", async () => {
    const { process } = await mounted();
    await process.symlink("source", "destination");
    const { type, size, mode } = await process.lstat("destination");
    expect([type, size, mode]).toEqual([Vtype.LNK, 6, 0o755]);
  });

  test("to the root are followed", async () => {
    const { process } = await mounted();
    await process.symlink("/", "/foo");
    await process.chdir("/foo");
    expect((await process.stat(".")).fileid).toBe((await process.stat("/")).fileid);
  });
});

describe("rename(2)", () => {
  test("of directories: what may be moves, with all that is in it", async () => {
    const { process } = await mounted();
    for (const path of ["/dir1", "/dir2", "/dir2/subdir"]) await process.mkdir(path);
    await process.mknod("/dir1/file", Vtype.REG, 0o777);
    const file = await process.stat("/dir1/file");
    const check = async (path: string) => expect(await process.stat(`${path}/file`)).toEqual(file);

    await process.rename("/dir1", "/dir3");
    await check("/dir3");
    expect(await of(process.rename("/dir3/.", "/dir3"))).toBe("EINVAL");
    expect(await of(process.rename("/dir3", "/dir3/."))).toBe("EISDIR");
    expect(await of(process.rename("/dir2", "/dir2/dir"))).toBe("EINVAL");
    expect(await of(process.rename("/dir2", "/dir2/subdir/dir2"))).toBe("EINVAL");
    expect(await of(process.rename("/dir2", "/dir3"))).toBe("ENOTEMPTY");
    await check("/dir3");

    await process.rename("/dir3", "/dir2/somedir");
    await check("/dir2/somedir");
    await process.rename("/dir2/somedir", "/dir2/somedir/../../dir3");
    await check("/dir2/../dir3");
    await process.rename("/dir3", "/dir2/subdir");
    await check("/dir2/subdir");

    for (const path of ["/parent", "/parent/dir1", "/parent/dir2"]) await process.mkdir(path);
    await process.rename("/parent/dir1", "/parent/dir2");
    expect((await process.stat("/parent")).nlink).toBe(3);
    await process.rmdir("/parent/dir2");
    await process.rmdir("/parent");
  });

  test("with .. is EINVAL, from it and to it", async () => {
    const { process } = await mounted();
    for (const path of ["dir1", "dir2"]) await process.mkdir(path);
    expect(await of(process.rename("dir1", "dir1/.."))).toBe("EINVAL");
    expect(await of(process.rename("dir1/..", "sometarget"))).toBe("EINVAL");
    expect(await of(process.rename("dir1", "dir2/.."))).toBe("EINVAL");
  });

  test("of files, over others and over another name of the same", async () => {
    const { process } = await mounted();
    for (const name of ["file1", "file2"]) await process.mknod(name, Vtype.REG);
    const { fileid } = await process.stat("file1");
    const is = async (name: string, nlink: number) => {
      const found = await process.stat(name);
      expect([found.fileid, found.nlink]).toEqual([fileid, nlink]);
    };
    await process.link("file1", "file_link");
    await is("file_link", 2);
    await process.rename("file1", "file3");
    await is("file3", 2);
    expect(await of(process.stat("file1"))).toBe("ENOENT");
    await process.rename("file3", "file2");
    await is("file2", 2);
    expect(await of(process.stat("file3"))).toBe("ENOENT");
    await process.rename("file2", "file_link");
    expect(await of(process.stat("file2"))).toBe("ENOENT");
    await is("file_link", 1);
  });

  test("of what is gone meanwhile is ENOENT, and does not bring it back", async () => {
    const { process, known } = await mounted();
    for (const make of ["mkdir", "mknod"] as const) {
      await (make === "mkdir" ? process.mkdir("a") : process.mknod("a", Vtype.REG));
      const walk = process.walk();
      const source = await process.prepare(walk, "a");
      await (make === "mkdir" ? process.rmdir("a") : process.unlink("a"));
      const target = await process.place(walk, "b");
      expect(await of(process.finish(walk, source, target))).toBe("ENOENT");
      await walk.end();
      expect(await of(process.stat("b"))).toBe("ENOENT");
    }
    expect(known()).toBe(1);
  });

  test("of two names of a file takes none away that leads elsewhere by now", async () => {
    const { process } = await mounted();
    await process.mknod("a", Vtype.REG);
    const walk = process.walk();
    const source = await process.prepare(walk, "a");
    await process.rename("a", "b");
    await process.mknod("a", Vtype.REG);
    const { fileid } = await process.stat("a");
    expect(await of(process.finish(walk, source, await process.place(walk, "b")))).toBe("ENOENT");
    await walk.end();
    expect((await process.stat("a")).fileid).toBe(fileid);
  });

  test("of a directory that is elsewhere by now moves what has its name, and nothing else's ..", async () => {
    const { process } = await mounted();
    for (const path of ["a", "x", "y"]) await process.mkdir(path);
    const walk = process.walk();
    const source = await process.prepare(walk, "a");
    await process.rename("a", "x/a");
    await process.mkdir("a");
    await process.finish(walk, source, await process.place(walk, "y/a"));
    await walk.end();
    expect((await process.stat("x/a/..")).fileid).toBe((await process.stat("x")).fileid);
    expect((await process.stat("y/a/..")).fileid).toBe((await process.stat("y")).fileid);
  });

  test("races with others: nothing is left behind that nobody has", async () => {
    const { machine, process, known } = await mounted();
    const rounds = 100;
    const options = { creates: true, truncates: true, writes: true };
    const makes = async () => {
      const one = machine.process();
      for (let i = 0; i < rounds; i++) {
        // Nothing keeps others out of the directory between the two requests here.
        const file = await one.open("rename.test1", options).catch((error) => {
          expect(error.code).toBe("EEXIST");
        });
        await of(one.unlink("rename.test1"));
        await file?.close();
      }
    };
    const moves = async () => {
      const one = machine.process();
      for (let i = 0; i < rounds; i++) await of(one.rename("rename.test1", "rename.test2"));
    };
    await Promise.all([makes(), makes(), moves(), moves(), makes(), moves()]);
    await of(process.unlink("rename.test1"));
    await of(process.unlink("rename.test2"));
    expect(known()).toBe(1);
  });
});

test("mkdir(2) and rmdir(2) race for a name", async () => {
  const { machine, process, known } = await mounted();
  const codes = new Set<string>();
  const one = async (call: (by: Process) => Promise<void>) => {
    const by = machine.process();
    for (let i = 0; i < 300; i++) codes.add(await of(call(by)));
  };
  await Promise.all([one((by) => by.mkdir("rmdir.test")), one((by) => by.rmdir("rmdir.test"))]);
  for (const code of codes) expect(["OK", "EEXIST", "ENOENT"]).toContain(code);
  await of(process.rmdir("rmdir.test"));
  expect(known()).toBe(1);
});

describe("attributes", () => {
  test("are as they were set", async () => {
    const { process } = await mounted();
    await (await process.open("afile", { creates: true, writes: true, mode: 0o755 })).close();
    await process.chown("afile", 1, 2);
    await process.chmod("afile", 0o123);
    const times = {
      atime: { sec: 1_000_000_000, nsec: 1000 },
      mtime: { sec: 1_000_000_002, nsec: 3000 },
    };
    await process.utimes("afile", times);
    await process.utimes("afile", times);
    const { uid, gid, mode, atime, mtime, birthtime } = await process.stat("afile");
    expect([uid, gid, mode, atime, mtime]).toEqual([1, 2, 0o123, times.atime, times.mtime]);
    expect(birthtime).toEqual(times.mtime);
  });

  test("the owner's, and only his, to change", async () => {
    const { machine, process } = await mounted();
    const user = machine.process({ ...ALICE, uid: 1 });
    expect(await of(user.chown("/", 1, -1))).toBe("EPERM");
    expect(await of(user.chmod("/", 0))).toBe("EPERM");
    await process.chown("/", 1, -1);
    expect(await of(user.chown("/", 1, -1))).toBe("OK");
    expect(await of(user.chmod("/", 0))).toBe("OK");
    await process.stat("/");
  });

  test("utimes(2) to now is refused to whoever may not write", async () => {
    const { machine, process } = await mounted();
    await (await process.open("file.test", { creates: true, writes: true })).close();
    const user = machine.process({ ...ALICE, uid: 1 });
    expect(await of(user.utimes("file.test"))).toBe("EACCES");
    await process.utimes("file.test");
  });

  test.each([
    [1, 1, 0o755],
    [1, -1, 0o2755],
    [-1, 1, 0o4755],
  ])("chown(2) to %d, %d takes away the bits of what it changes", async (uid, gid, mode) => {
    const { process } = await mounted();
    await process.mknod("f", Vtype.REG, 0o755);
    await process.chmod("f", 0o6755);
    await process.chown("f", uid, gid);
    expect((await process.stat("f")).mode).toBe(mode);
    await process.chmod("f", 0o2755);
    await process.chown("f", 2, -1);
    expect((await process.stat("f")).mode).toBe(0o2755);
  });
});

test("directories say who may make and remove names in them", async () => {
  const { machine, process } = await mounted();
  const user = machine.process({ ...ALICE, uid: 1 });
  const opening = (by: Process) => by.open("dir.test/file.test", { creates: true, writes: true });
  await process.mkdir("dir.test");
  expect(await of(opening(user))).toBe("EACCES");
  await (await opening(process)).close();
  expect(await of(user.unlink("dir.test/file.test"))).toBe("EACCES");
  await process.unlink("dir.test/file.test");
  await process.rmdir("dir.test");
});

test("access(2) of one's own file, and read(2) of a directory", async () => {
  const { process } = await mounted();
  await (await process.open("tfile", { creates: true, mode: 0o777 })).close();
  expect(await of(process.access("tfile", 7))).toBe("OK");
  const directory = await process.open(".");
  expect(await of(directory.read(0, 1024))).toBe("EISDIR");
  await directory.close();
});

describe("content", () => {
  test("a hole that is written into from behind", async () => {
    const { process } = await mounted();
    const file = await process.open("file", { creates: true, truncates: true, writes: true });
    await file.write(4096, bytes("A"));
    await file.write(4095, bytes("BB"));
    expect([...(await file.read(0, 5000))]).toEqual([...new Uint8Array(4095), 0x42, 0x42]);
    await file.close();
    expect((await process.stat("file")).size).toBe(4097);
  });

  test.each([0, 37])("is appended behind %d bytes", async (before) => {
    const { process } = await mounted();
    const file = await process.open("testfile", { creates: true, writes: true });
    await file.truncate(before);
    expect((await file.stat()).size).toBe(before);
    await file.write(before, bytes("this is a string"));
    expect(text(await file.read(before, 100))).toBe("this is a string");
    expect((await file.stat()).size).toBe(before + 16);
    await file.close();
    expect((await process.stat("testfile")).size).toBe(before + 16);
  });

  test.each([
    [512, false],
    [65536, false],
    [65536, true],
  ])("%d bytes are written over", async (count, truncates) => {
    const { process } = await mounted();
    for (const fill of [1, 2]) {
      const file = await process.open("testi", { creates: fill === 1, writes: true });
      if (truncates && fill === 2) await file.truncate(0);
      await file.write(0, new Uint8Array(count).fill(fill));
      await file.close();
    }
    const file = await process.open("testi");
    expect(Buffer.from(await file.read(0, count + 1))).toEqual(Buffer.alloc(count, 2));
    await file.close();
  });

  test("is there for as long as the file is open, whatever its names", async () => {
    const { process, kernel, known } = await mounted();
    const file = await process.open("file", { creates: true, writes: true });
    await file.write(0, new Uint8Array(9000).fill(0x44));
    await process.unlink("file");
    expect(Buffer.from(await file.read(0, 9000))).toEqual(Buffer.alloc(9000, 0x44));
    await file.write(654321, bytes("\x11"));
    await kernel.fsync(file.node.cookie);
    expect(text(await file.read(654321, 9))).toBe("\x11");
    expect((await file.stat()).nlink).toBe(0);
    await file.close();
    expect(known()).toBe(1);
  });
});

describe("times", () => {
  /** Everything was long ago. */
  const PAST = { atime: { sec: 1000, nsec: 1 }, mtime: { sec: 1000, nsec: 1 } };

  async function aged(name = "lock") {
    const mount = await mounted();
    const file = await mount.process.open(name, { creates: true, writes: true });
    await file.write(0, bytes("some"));
    await file.close();
    await mount.process.utimes(name, PAST);
    return mount;
  }

  test("open(2) with O_TRUNC is a change, also of an empty file", async () => {
    const { process } = await aged();
    for (let i = 0; i < 2; i++) {
      await process.utimes("lock", PAST);
      const options = { creates: true, truncates: true, reads: false, writes: true };
      await (await process.open("lock", options)).close();
      expect((await process.stat("lock")).mtime.sec).toBeGreaterThan(1000);
    }
  });

  test("write(2) is a change, of the moment that the kernel says", async () => {
    const { machine, process } = await aged();
    const file = await process.open("lock", { writes: true });
    const before = machine.now();
    await file.write(0, new Uint8Array(128));
    const shown = (await file.stat()).mtime;
    expect(shown.sec).toBeGreaterThanOrEqual(before.sec);
    await file.close();
    const { mtime, ctime } = await process.stat("lock");
    expect([mtime, ctime]).toEqual([shown, shown]);
  });

  test("reading changes the time of access, and nothing else", async () => {
    const { process } = await aged();
    const before = await process.stat("lock");
    const file = await process.open("lock");
    await file.read(0, 4);
    await file.close();
    const { atime, mtime, ctime } = await process.stat("lock");
    expect(atime.sec).toBeGreaterThan(1000);
    expect([mtime, ctime]).toEqual([before.mtime, before.ctime]);
  });

  test("writing reads what is around it, which nobody has asked for", async () => {
    const { process } = await aged();
    const file = await process.open("lock", { writes: true });
    await file.write(2, bytes("x"));
    await file.close();
    expect((await process.stat("lock")).atime).toEqual(PAST.atime);
  });

  test("utimes(2) holds though what was written before is brought after it", async () => {
    const { process, kernel } = await aged();
    const file = await process.open("lock", { writes: true });
    await process.utimes("lock", PAST);
    kernel.writeBack(file.node.cookie, 0, bytes("late"));
    await file.close();
    expect((await process.stat("lock")).mtime).toEqual(PAST.mtime);
    const again = await process.open("lock");
    expect(text(await again.read(0, 4))).toBe("late");
    await again.close();
  });

  test("of a directory are those of its names", async () => {
    const { process } = await mounted();
    await process.mkdir("dir");
    const changes: [string, () => Promise<void>][] = [
      ["mknod", () => process.mknod("dir/a", Vtype.REG)],
      ["link", () => process.link("dir/a", "dir/b")],
      ["rename", () => process.rename("dir/a", "dir/c")],
      ["unlink", () => process.unlink("dir/b")],
      ["symlink", () => process.symlink("x", "dir/s")],
      ["mkdir", () => process.mkdir("dir/d")],
      ["rmdir", () => process.rmdir("dir/d")],
    ];
    for (const [name, change] of changes) {
      await process.utimes("dir", PAST);
      await change();
      const { mtime } = await process.stat("dir");
      expect([name, mtime.sec > 1000]).toEqual([name, true]);
    }
  });
});

describe("what the kernel keeps of a file is not lost", () => {
  async function written() {
    const mount = await mounted(["mode=777"]);
    const file = await mount.process.open("f", { creates: true, writes: true });
    await mount.process.chmod("f", 0o666);
    await file.write(0, bytes("content"));
    const { mtime } = await file.stat();
    const user = mount.machine.process(ALICE);
    return { ...mount, file, mtime, user };
  }

  test("when a change that it goes along with is refused", async () => {
    const { process, file, mtime, user } = await written();
    expect(await of(user.chmod("f", 0o777))).toBe("EPERM");
    expect(await of(user.chown("f", 1000, -1))).toBe("EPERM");
    await file.close();
    const after = await process.stat("f");
    expect([after.size, after.mtime, after.mode]).toEqual([7, mtime, 0o666]);
  });

  test("nor are times that someone asked for who may not", async () => {
    const { process, file, mtime, user } = await written();
    const times = { atime: { sec: 5, nsec: 5 }, mtime: { sec: 5, nsec: 5 } };
    expect(await of(user.utimes("f", times))).toBe("EPERM");
    await file.close();
    const after = await process.stat("f");
    expect([after.mtime.sec === 5, after.atime.sec === 5, after.size]).toEqual([false, false, 7]);
    expect(after.ctime).toEqual(mtime);
  });

  test("a file that was just written through a mapping is truncated by whoever may write", async () => {
    const { machine, process, file, user } = await written();
    await file.truncate(7);
    machine.dirtied(file.node.cookie);
    expect(await of(user.truncate("f", 3))).toBe("OK");
    expect((await file.stat()).size).toBe(3);
    await file.write(0, bytes("more than"));
    machine.dirtied(file.node.cookie);
    expect(await of(user.truncate("f", 2))).toBe("OK");
    await file.close();
    expect((await process.stat("f")).size).toBe(2);
  });

  test("and its times are his to set to now, no others'", async () => {
    const { machine, file, user } = await written();
    await file.truncate(7);
    machine.dirtied(file.node.cookie);
    expect(await of(user.utimes("f"))).toBe("OK");
    machine.dirtied(file.node.cookie);
    const times = { atime: { sec: 5, nsec: 5 }, mtime: { sec: 5, nsec: 5 } };
    expect(await of(user.utimes("f", times))).toBe("EPERM");
    await file.close();
  });
});

describe("a mount that is only read", () => {
  test("is that to every call", async () => {
    const fileSystem = await memory();
    const writable = new Machine(rig(fileSystem).kernel).process();
    const made = await writable.open("testfile", { creates: true, writes: true, mode: 0o777 });
    await made.write(0, bytes("this is some"));
    await made.close();

    const machine = new Machine(rig(fileSystem, { readOnly: true }).kernel, true);
    const process = machine.process();
    const user = machine.process(ALICE);
    for (const by of [process, user])
      for (const call of [
        by.open("absent", { creates: true }),
        by.unlink("testfile"),
        by.open("testfile", { writes: true }),
        by.open("testfile", { writes: true, reads: false }),
        by.mkdir("testdir"),
        by.mknod("testfifo", Vtype.FIFO),
        by.symlink("hoge", "testsymlink"),
        by.link("testfile", "testlink"),
        by.chmod("testfile", 0o775),
        by.chown("testfile", 1, 1),
        by.utimes("testfile"),
      ])
        expect(await of(call)).toBe("EROFS");
    const file = await process.open("testfile");
    expect(text(await file.read(0, 12))).toBe("this is some");
    await file.close();
  });
});

describe("the file system as a whole", () => {
  test("says how long names are, and syncs", async () => {
    const { kernel } = await mounted();
    expect((await kernel.statvfs()).namemax).toBe(255);
    await kernel.sync();
  });

  test("gives a handle that leads to the file, and ESTALE once it is removed", async () => {
    const { process, kernel, known } = await mounted();
    const file = await process.open("file", { creates: true, writes: true });
    await file.write(0, bytes("just a string"));
    const { cookie } = file.node;
    const handle = await kernel.nodetofh(cookie, await kernel.handleSize(cookie));
    await file.close();
    expect((await kernel.fhtonode(handle)).fhcookie).toBe(cookie);
    await process.unlink("file");
    expect(await of(kernel.fhtonode(handle))).toBe("ESTALE");
    for (const length of [0, 1, 15, 16, 17, 60])
      expect(await of(kernel.fhtonode(new Uint8Array(length).fill(0x5a)))).toBe("ESTALE");
    expect(known()).toBe(1);
  });
});

describe("INACTIVE and RECLAIM", () => {
  /** How often the kernel sends each. */
  async function counted() {
    const fileSystem = await memory();
    const mount = rig(fileSystem);
    const counts = { inactive: 0, reclaim: 0 };
    const { serve } = mount.server;
    mount.server.serve = (frame) => {
      const number = frame.requestView.getUint16(26, true);
      if (number === Vn.INACTIVE) counts.inactive++;
      if (number === Vn.RECLAIM) counts.reclaim++;
      return serve.call(mount.server, frame);
    };
    const process = new Machine(mount.kernel).process();
    await process.chdir("/");
    counts.inactive = 0;
    return { process, counts };
  }

  test("come once, as the last opener and the last name are gone", async () => {
    const { process, counts } = await counted();
    const file = await process.open("file", { creates: true, writes: true });
    await process.unlink("file");
    expect(counts).toEqual({ inactive: 0, reclaim: 0 });
    await file.close();
    expect(counts).toEqual({ inactive: 1, reclaim: 1 });
  });

  test("a file with another name stays", async () => {
    const { process, counts } = await counted();
    const file = await process.open("file", { creates: true, writes: true });
    await process.link("file", "anotherfile");
    await file.close();
    await process.unlink("file");
    expect(counts.reclaim).toBe(0);
    const before = counts.inactive;
    await process.unlink("anotherfile");
    expect(counts.inactive).toBeGreaterThan(before);
    expect(counts.reclaim).toBe(1);
  });
});
