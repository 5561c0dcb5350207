import { describe, expect, test } from "bun:test";
import { S_IFIFO } from "../../src/mode.ts";
import type { Changes } from "../../src/operations.ts";
import { KernelFlags, VattrFlags, Vtype } from "../../src/puffs/flags.ts";
import { FSCRED } from "../../src/puffs/kernel.ts";
import { ALICE, BOB, codeOf, find, memory, ROOT, rig, system } from "./rig.ts";

/*
 * SETATTR as the kernel sends it: with what it keeps of a file itself added to what a call asks for (dosetattr in puffs_vnops.c).
 */

const WRITTEN = { sec: 1000, nsec: 5 };
const READ = { sec: 1001, nsec: 6 };
const EXPLICIT = { sec: 7, nsec: 8 };

/** A file that anybody may write to, of root's; it was written to and read. */
async function written() {
  const { kernel } = rig(await memory(["mode=777"]));
  const { newnode } = await kernel.create(kernel.root, "file", 0o666, ROOT);
  await kernel.write(newnode, 0, new Uint8Array(10), ROOT);
  const va = async () => (await kernel.getattr(newnode, ROOT)).va;
  return { kernel, newnode, va };
}

const CACHED = { mtime: WRITTEN, ctime: WRITTEN };

describe("what the kernel keeps goes along", () => {
  test("with a truncation by someone else, who may not set times, and does not", async () => {
    const { kernel, newnode, va } = await written();
    const { atime } = await va();
    const changes = { size: 3, ...CACHED, atime: READ };
    expect(await codeOf(kernel.setattr(newnode, changes, ALICE))).toBe("OK");
    const after = await va();
    expect(after.size).toBe(3);
    expect(after.atime).toEqual(atime);
    expect(after.mtime.sec).toBeGreaterThan(WRITTEN.sec);
  });

  test("with a truncation, which is a change of now", async () => {
    const { kernel, newnode, va } = await written();
    await kernel.setattr(newnode, { size: 3, ...CACHED }, ROOT);
    const { mtime, ctime } = await va();
    expect(mtime.sec).toBeGreaterThan(WRITTEN.sec);
    expect(ctime.sec).toBeGreaterThan(WRITTEN.sec);
  });

  test("with chmod: the time of the writes stays, that of the change is now", async () => {
    const { kernel, newnode, va } = await written();
    await kernel.setattr(newnode, { mode: 0o600, size: 10, ...CACHED }, ROOT);
    const { mode, mtime, ctime } = await va();
    expect([mode, mtime]).toEqual([0o600, WRITTEN]);
    expect(ctime.sec).toBeGreaterThan(WRITTEN.sec);
  });

  test("with utimes(2): its times hold, and only for whoever may set them", async () => {
    const { kernel, newnode, va } = await written();
    const changes = { atime: EXPLICIT, mtime: EXPLICIT, ctime: WRITTEN, size: 10 };
    expect(await codeOf(kernel.setattr(newnode, changes, ALICE))).toBe("EPERM");
    expect(await codeOf(kernel.setattr(newnode, changes, ROOT))).toBe("OK");
    const { atime, mtime, ctime } = await va();
    expect([atime, mtime]).toEqual([EXPLICIT, EXPLICIT]);
    expect(ctime.sec).toBeGreaterThan(WRITTEN.sec);
  });

  test("with a time of access alone, which is the caller's wish", async () => {
    const { kernel, newnode } = await written();
    const changes = { atime: EXPLICIT, ...CACHED };
    expect(await codeOf(kernel.setattr(newnode, changes, BOB))).toBe("EPERM");
    expect(await codeOf(kernel.setattr(newnode, changes, ROOT))).toBe("OK");
  });

  test("with a truncation of what was written and then given another name", async () => {
    const { kernel, newnode, va } = await written();
    const changes = { size: 3, mtime: WRITTEN, ctime: READ };
    expect(await codeOf(kernel.setattr(newnode, changes, ROOT))).toBe("OK");
    expect((await va()).size).toBe(3);
  });

  test("a size that others have made greater by now stays, where they can", async () => {
    for (const keepsContent of [false, true]) {
      const { kernel } = rig({ ...(await memory(["mode=777"])), keepsContent });
      const { newnode } = await kernel.create(kernel.root, "file", 0o666, ALICE);
      const size = async () => (await kernel.getattr(newnode, ROOT)).va.size;
      await kernel.write(newnode, 0, new Uint8Array(10), ROOT);
      kernel.flushAttributes(newnode, { size: 4, ...CACHED });
      expect(await size()).toBe(keepsContent ? 4 : 10);
      kernel.flushAttributes(newnode, { size: 12, ...CACHED });
      expect(await size()).toBe(12);
      const touch = { atime: EXPLICIT, mtime: EXPLICIT, vaflags: VattrFlags.UTIMES_NULL };
      for (const who of [ROOT, ALICE]) {
        await kernel.setattr(newnode, { mode: 0o666, size: 4, ...CACHED }, who);
        await kernel.setattr(newnode, { ...touch, size: 4, ctime: WRITTEN }, who);
        expect(await size()).toBe(12);
      }
      await kernel.setattr(newnode, { size: 2, ...CACHED }, BOB);
      expect(await size()).toBe(2);
    }
  });

  test("when it is written back: all of it holds, whoever the owner is", async () => {
    const { kernel, newnode, va } = await written();
    kernel.flushAttributes(newnode, { size: 4, atime: READ, ...CACHED });
    const { size, atime, mtime, ctime } = await va();
    expect([size, atime, mtime, ctime]).toEqual([4, READ, WRITTEN, WRITTEN]);
  });
});

test("to touch is for whoever may write", async () => {
  const { kernel } = rig(await memory(["mode=777"]));
  const { newnode: open } = await kernel.create(kernel.root, "open", 0o666, ROOT);
  const { newnode: shut } = await kernel.create(kernel.root, "shut", 0o644, ROOT);
  const touch = { atime: EXPLICIT, mtime: EXPLICIT, vaflags: VattrFlags.UTIMES_NULL };
  expect(await codeOf(kernel.setattr(open, touch, ALICE))).toBe("OK");
  expect(await codeOf(kernel.setattr(shut, touch, ALICE))).toBe("EACCES");
});

describe("a size", () => {
  test("means nothing to FIFOs and devices: open(2) with O_TRUNC", async () => {
    const { kernel } = rig(await memory(["mode=777"]));
    for (const type of [Vtype.FIFO, Vtype.CHR]) {
      const { newnode } = await kernel.mknod(kernel.root, `${type}`, { type, mode: 0o666 }, ROOT);
      const { va: before } = await kernel.getattr(newnode, ROOT);
      expect(await codeOf(kernel.setattr(newnode, { size: 0 }, ROOT))).toBe("OK");
      expect((await kernel.getattr(newnode, ROOT)).va).toEqual(before);
      expect(await codeOf(kernel.setattr(newnode, { size: 0, mode: 0o600 }, ROOT))).toBe("OK");
      expect((await kernel.getattr(newnode, ROOT)).va.mode).toBe(0o600);
    }
  });

  test("is never asked of a plugin for them", async () => {
    const asked: Changes[] = [];
    const attributes = { nlink: 1, uid: 0, gid: 0, size: 0 };
    const time = { sec: 1, nsec: 0 };
    const { kernel } = rig(
      system({
        getattr: () => ({ ...attributes, mode: S_IFIFO, atime: time, mtime: time, ctime: time }),
        setattr(_, changes) {
          asked.push({ ...changes });
        },
      }),
    );
    const { newnode } = await find(kernel, "file");
    await kernel.setattr(newnode, { size: 0 }, ROOT);
    await kernel.setattr(newnode, { size: 0, mode: 0o600 }, ROOT);
    expect(asked).toEqual([{ mode: 0o600 }]);
  });

  test("of a directory is EISDIR, below zero EINVAL", async () => {
    const { kernel } = rig(await memory());
    const { newnode } = await kernel.create(kernel.root, "file", 0o666, ROOT);
    expect(await codeOf(kernel.setattr(kernel.root, { size: 0 }, ROOT))).toBe("EISDIR");
    expect(await codeOf(kernel.setattr(newnode, { size: -2 }, ROOT))).toBe("EINVAL");
  });
});

test("without setattr a process is refused, what the kernel writes back is not", async () => {
  const { kernel } = rig(system({}), { puffsFlags: KernelFlags.ALLOPS });
  const { newnode } = await find(kernel, "file");
  expect(await codeOf(kernel.setattr(newnode, { mode: 0o600 }, ROOT))).toBe("EOPNOTSUPP");
  expect(await codeOf(kernel.setattr(newnode, { size: 9, atime: READ }, FSCRED))).toBe("OK");
});

describe("with CACHE_FS_TTL", () => {
  const TTL = { puffsFlags: KernelFlags.CACHE_FS_TTL };

  test("names are forgotten when others may search their directory, and only then", async () => {
    const { kernel, connection } = rig(await memory(["mode=755"]), TTL);
    const forgotten: object[] = [];
    connection.forgetNames = (directory) => forgotten.push(directory);
    const { newnode: inner } = await kernel.mkdir(kernel.root, "d", 0o755, ROOT);
    const { newnode: file } = await kernel.create(inner, "f", 0o755, ROOT);
    await kernel.setattr(file, { mode: 0o600 }, ROOT);
    await kernel.setattr(inner, { mtime: EXPLICIT }, ROOT);
    expect(forgotten).toEqual([]);
    await kernel.setattr(inner, { mode: 0o700 }, ROOT);
    await kernel.setattr(kernel.root, { uid: 5 }, ROOT);
    expect(forgotten.length).toBe(2);
    const { cnTtl } = await kernel.lookup(inner, { name: "f" }, ROOT);
    expect(cnTtl).toEqual({ sec: 0, nsec: 0 });
  });

  test("names are not kept where the plugin decides who may search, attributes as long as it says", async () => {
    const { kernel } = rig(
      { ...system({ access: () => undefined }), timeouts: { names: 60, attributes: 7 } },
      TTL,
    );
    const { cnTtl, vaTtl } = await find(kernel, "file");
    expect([cnTtl.sec, vaTtl.sec]).toEqual([0, 7]);
    const { kernel: open } = rig(
      { ...system({}), timeouts: { names: 60, attributes: Number.POSITIVE_INFINITY } },
      TTL,
    );
    const told = await find(open, "file");
    expect([told.cnTtl.sec, told.vaTtl.sec]).toEqual([60, 0]);
  });
});
