import { describe, expect, test } from "bun:test";
import { EIO, ENODATA } from "../../src/errno.ts";
import { type Frame, frameOf, viewOf } from "../../src/frame.ts";
import type { Call, File } from "../../src/operations.ts";
import type { AnyFileSystem } from "../../src/plugin.ts";
import { FileMode, Nameiop, Opclass, Setback, Vn, Vtype } from "../../src/puffs/flags.ts";
import * as wire from "../../src/puffs/structs.ts";
import { PuffsUsermount } from "../../src/puffs/usermount.ts";
import { read64, write64 } from "../../src/puffs/word.ts";
import { ALICE, BOB, codeOf, find, memory, ROOT, rig, system } from "./rig.ts";

const REQ = wire.PuffsReq.offsets;

describe("cookies", () => {
  test("of a reclaimed node are stale, also when its number has come again", async () => {
    const { kernel, connection } = rig(await memory());
    const { newnode: first } = await kernel.create(kernel.root, "a", 0o644, ROOT);
    await kernel.remove(kernel.root, "a", first, ROOT);
    kernel.reclaim(first);
    const { newnode: second } = await kernel.create(kernel.root, "b", 0o644, ROOT);
    expect(second % 2 ** 32).toBe(first % 2 ** 32);
    expect(second).not.toBe(first);
    expect(await codeOf(kernel.getattr(first, ROOT))).toBe("ESTALE");
    // What nobody waits for is dropped.
    kernel.flushAttributes(first, { size: 99 });
    expect((await kernel.getattr(second, ROOT)).va.size).toBe(0);
    expect(connection.vnodes.size).toBe(2);
  });

  test("never heard of are stale, those beyond 2^53 too", async () => {
    const { kernel } = rig(await memory());
    for (const cookie of [0, 1, 2, 2 ** 33 + 7, 2 ** 63])
      expect(await codeOf(kernel.getattr(cookie, ROOT))).toBe("ESTALE");
  });

  test("of nodes that the kernel is not told of after all are reclaimed", async () => {
    const reclaimed: object[] = [];
    const fails = { getattr: false };
    const served = system({ reclaim: (node) => void reclaimed.push(node) });
    const { getattr } = served.node;
    const node = {
      ...served.node,
      getattr: (one: object, call: Call) =>
        fails.getattr && one === served.file ? EIO : getattr?.(one, call),
    };
    const { kernel } = rig({ ...served, node } as AnyFileSystem);
    expect(await codeOf(find(kernel, "file", Nameiop.DELETE, BOB))).toBe("EACCES");
    expect(reclaimed).toEqual([served.file]);
    fails.getattr = true;
    expect(await codeOf(find(kernel, "file"))).toBe("EIO");
    expect(reclaimed.length).toBe(2);
  });

  test("are kept until as many lookups are forgotten as were told", async () => {
    const { kernel, connection } = rig(await memory());
    const { newnode } = await kernel.create(kernel.root, "a", 0o644, ROOT);
    expect((await find(kernel, "a")).newnode).toBe(newnode);
    expect(connection.vnodes.size).toBe(2);
    kernel.reclaim(newnode);
    expect(connection.vnodes.size).toBe(1);
  });
});

describe("..", () => {
  test("leads to the parent, also when the kernel has forgotten that", async () => {
    const { kernel } = rig(await memory());
    const { newnode: outer } = await kernel.mkdir(kernel.root, "outer", 0o755, ROOT);
    const { newnode: inner } = await kernel.mkdir(outer, "inner", 0o755, ROOT);
    const { fileid } = (await kernel.getattr(outer, ROOT)).va;
    kernel.reclaim(outer);
    const { newnode } = await kernel.lookup(inner, { name: ".." }, ROOT);
    expect((await kernel.getattr(newnode, ROOT)).va.fileid).toBe(fileid);
  });

  test("follows a rename, and is gone with the directory", async () => {
    const { kernel } = rig(await memory());
    const { newnode: from } = await kernel.mkdir(kernel.root, "from", 0o755, ROOT);
    const { newnode: to } = await kernel.mkdir(kernel.root, "to", 0o755, ROOT);
    const { newnode: moved } = await kernel.mkdir(from, "moved", 0o755, ROOT);
    const source = { directory: from, name: "moved", node: moved };
    await kernel.rename(source, { directory: to, name: "here", node: 0 }, ROOT);
    expect((await kernel.lookup(moved, { name: ".." }, ROOT)).newnode).toBe(to);
    await kernel.rmdir(to, "here", moved, ROOT);
    expect(await codeOf(kernel.lookup(moved, { name: ".." }, ROOT))).toBe("ENOENT");
  });

  test("a directory cannot be moved below itself", async () => {
    const { kernel } = rig(await memory());
    const { newnode: outer } = await kernel.mkdir(kernel.root, "outer", 0o755, ROOT);
    const { newnode: inner } = await kernel.mkdir(outer, "inner", 0o755, ROOT);
    const source = { directory: kernel.root, name: "outer", node: outer };
    const moving = kernel.rename(source, { directory: inner, name: "x", node: 0 }, ROOT);
    expect(await codeOf(moving)).toBe("EINVAL");
  });
});

describe("setbacks", () => {
  test("the last name's removal asks to forget the node, an earlier one's does not", async () => {
    const { kernel, setbacks } = rig(await memory());
    const { newnode } = await kernel.create(kernel.root, "a", 0o644, ROOT);
    await kernel.link(kernel.root, "b", newnode, ROOT);
    await kernel.remove(kernel.root, "a", newnode, ROOT);
    expect(setbacks()).toBe(0);
    await kernel.remove(kernel.root, "b", newnode, ROOT);
    expect(setbacks()).toBe(Setback.NOREF_N2);
  });

  test("what a rename has replaced is forgotten as its last reference goes", async () => {
    const { kernel, setbacks, connection } = rig(await memory());
    const { newnode: from } = await kernel.create(kernel.root, "a", 0o644, ROOT);
    const { newnode: over } = await kernel.create(kernel.root, "b", 0o644, ROOT);
    const source = { directory: kernel.root, name: "a", node: from };
    await kernel.rename(source, { directory: kernel.root, name: "b", node: over }, ROOT);
    await kernel.release(from);
    expect(setbacks()).toBe(0);
    await kernel.release(over);
    expect(setbacks()).toBe(Setback.NOREF_N1);
    expect(connection.vnodes.size).toBe(2);
  });

  test("a directory's does", async () => {
    const { kernel, setbacks } = rig(await memory());
    const { newnode } = await kernel.mkdir(kernel.root, "d", 0o755, ROOT);
    await kernel.rmdir(kernel.root, "d", newnode, ROOT);
    expect(setbacks()).toBe(Setback.NOREF_N2);
  });
});

describe("permission of directories", () => {
  test("to search is asked for every name, whoever looked it up before", async () => {
    const { kernel } = rig(await memory());
    const { newnode: secret } = await kernel.mkdir(kernel.root, "secret", 0o700, ROOT);
    await kernel.create(secret, "file", 0o666, ROOT);
    const look = (who: typeof ROOT) => kernel.lookup(secret, { name: "file" }, who);
    expect(await codeOf(look(ROOT))).toBe("OK");
    expect(await codeOf(look(ALICE))).toBe("EACCES");
    expect(await codeOf(kernel.lookup(secret, { name: "absent" }, ALICE))).toBe("EACCES");
    expect(await codeOf(kernel.lookup(secret, { name: ".." }, ALICE))).toBe("EACCES");
  });

  for (const [name, nameiop, code] of [
    ["absent", Nameiop.LOOKUP, "ENOENT"],
    ["absent", Nameiop.CREATE, "EACCES"],
    ["absent", Nameiop.RENAME, "EACCES"],
    ["file", Nameiop.LOOKUP, "OK"],
    ["file", Nameiop.CREATE, "OK"],
    ["file", Nameiop.DELETE, "EACCES"],
    ["file", Nameiop.RENAME, "EACCES"],
  ] as const)
    test(`looking up "${name}" to do ${nameiop} in another's directory: ${code}`, async () => {
      const { kernel } = rig(await memory());
      await kernel.create(kernel.root, "file", 0o666, ROOT);
      expect(await codeOf(find(kernel, name, nameiop, ALICE))).toBe(code);
    });

  test("to make something is not asked where the kernel has it that nothing can be made", async () => {
    const { kernel } = rig(await memory(), { readOnly: true });
    expect(await codeOf(find(kernel, "absent", Nameiop.CREATE, ALICE))).toBe("ENOENT");
  });

  test("to change is asked again when it is done", async () => {
    const { kernel } = rig(await memory());
    const { newnode } = await kernel.create(kernel.root, "file", 0o666, ROOT);
    const { root } = kernel;
    const here = { directory: root, name: "file", node: newnode };
    for (const doing of [
      kernel.create(root, "a", 0o644, ALICE),
      kernel.mkdir(root, "a", 0o755, ALICE),
      kernel.mknod(root, "a", { type: Vtype.FIFO, mode: 0o644 }, ALICE),
      kernel.symlink(root, "a", "target", 0o755, ALICE),
      kernel.link(root, "a", newnode, ALICE),
      kernel.remove(root, "file", newnode, ALICE),
      kernel.rename(here, { directory: root, name: "a", node: 0 }, ALICE),
    ])
      expect(await codeOf(doing)).toBe("EACCES");
  });

  test("in a sticky one each removes his own", async () => {
    const { kernel } = rig(await memory(["mode=1777"]));
    const { newnode } = await kernel.create(kernel.root, "file", 0o666, ALICE);
    expect(await codeOf(find(kernel, "file", Nameiop.DELETE, BOB))).toBe("EPERM");
    expect(await codeOf(kernel.remove(kernel.root, "file", newnode, BOB))).toBe("EPERM");
    expect(await codeOf(kernel.remove(kernel.root, "file", newnode, ALICE))).toBe("OK");
  });

  test("a plugin with `access` decides alone", async () => {
    const asked: [number, number][] = [];
    const { kernel } = rig(
      system({
        access(_, mask, { uid }) {
          asked.push([mask, uid]);
        },
      }),
    );
    expect(await codeOf(find(kernel, "absent", Nameiop.CREATE, ALICE))).toBe("ENOENT");
    expect(asked).toEqual([
      [1, 1000],
      [3, 1000],
    ]);
  });
});

describe("what is made", () => {
  test("belongs to the caller, with the group of the directory", async () => {
    const { kernel } = rig(await memory(["mode=777", "gid=77"]));
    const { newnode } = await kernel.create(kernel.root, "file", 0o640, ALICE);
    const { va } = await kernel.getattr(newnode, ROOT);
    expect([va.uid, va.gid, va.mode, va.type]).toEqual([1000, 77, 0o640, Vtype.REG]);
  });

  test("SETATTR changes only what has a value", async () => {
    const { kernel } = rig(await memory());
    const { newnode } = await kernel.create(kernel.root, "file", 0o640, ROOT);
    const { va: before } = await kernel.getattr(newnode, ROOT);
    await kernel.setattr(newnode, { mtime: { sec: -1, nsec: 5 } }, ROOT);
    const { va } = await kernel.getattr(newnode, ROOT);
    expect(va.mtime).toEqual({ sec: -1, nsec: 5 });
    expect([va.mode, va.uid, va.atime]).toEqual([before.mode, before.uid, before.atime]);
    expect(await codeOf(kernel.setattr(newnode, { flags: 1 }, ROOT))).toBe("EOPNOTSUPP");
  });
});

describe("answers", () => {
  test("come in the order of the operations, not of the requests", async () => {
    const waiting: (() => void)[] = [];
    const { kernel } = rig(
      system({
        read: (_, into, offset) =>
          new Promise((resolve) => {
            waiting.push(() => resolve(into.fill(offset).length));
          }),
      }),
    );
    const { newnode } = await find(kernel, "file");
    const order: number[] = [];
    const reads = [1, 2, 3].map((offset) =>
      kernel.read(newnode, offset, 4, ROOT).then((bytes) => {
        order.push(offset);
        return bytes;
      }),
    );
    for (const resolve of waiting.reverse()) resolve();
    expect((await Promise.all(reads)).map((bytes) => [...bytes])).toEqual([
      [1, 1, 1, 1],
      [2, 2, 2, 2],
      [3, 3, 3, 3],
    ]);
    expect(order).toEqual([3, 2, 1]);
  });

  test("a write that is taken in part is gone on with; one that goes nowhere is ENOSPC", async () => {
    const taken: [number, string][] = [];
    const { kernel } = rig(
      system({
        write(_, from, offset) {
          taken.push([offset, new TextDecoder().decode(from)]);
          return offset >= 14 ? 0 : Math.min(3, from.length);
        },
      }),
    );
    const { newnode } = await find(kernel, "file");
    const content = new TextEncoder().encode("abcdefg");
    expect(await kernel.write(newnode, 5, content, ROOT)).toBe(7);
    expect(taken).toEqual([
      [5, "abcdefg"],
      [8, "defg"],
      [11, "g"],
    ]);
    expect(await codeOf(kernel.write(newnode, 9, content, ROOT))).toBe("ENOSPC");
  });

  test("a bug of the plugin's is EIO and a report; an errno of any making is itself", async () => {
    let thrown: unknown = new TypeError("oops");
    const { kernel, reports } = rig(
      system({
        read() {
          throw thrown;
        },
        getextattr: () => ENODATA,
      }),
    );
    const { newnode } = await find(kernel, "file");
    expect(await codeOf(kernel.read(newnode, 0, 4, ROOT))).toBe("EIO");
    expect(reports.length).toBe(1);
    thrown = Object.assign(new Error(), { code: "EDQUOT" });
    expect(await codeOf(kernel.read(newnode, 0, 4, ROOT))).toBe("EDQUOT");
    expect(await codeOf(kernel.getextattr(newnode, 1, "a", 10, ROOT))).toBe("ENOATTR");
    expect(reports.length).toBe(1);
  });

  test("past the deadline it is ETIMEDOUT, once, and the signal fires", async () => {
    const late = Promise.withResolvers<number>();
    let aborted = false;
    const { kernel, connection } = rig(
      system({
        read(_, __, ___, call: Call) {
          call.signal.addEventListener("abort", () => {
            aborted = true;
          });
          return late.promise;
        },
      }),
      { deadline: 20 },
    );
    const { newnode } = await find(kernel, "file");
    expect(await codeOf(kernel.read(newnode, 0, 4, ROOT))).toBe("ETIMEDOUT");
    expect(aborted).toBe(true);
    late.resolve(0);
    while (connection.pending.size > 0) await Bun.sleep(1);
  });
});

describe("files", () => {
  test("are shared by all openers, wider ones are made, and each ends once", async () => {
    const events: [string, number][] = [];
    const tell = (event: string) => (_: object, file: File | undefined) => {
      events.push([event, file?.flags ?? -1]);
    };
    const { kernel, setbacks } = rig(
      system({
        open: tell("open"),
        inactive: tell("inactive"),
        read(_, __, ___, call) {
          events.push(["read", call.file?.flags ?? -1]);
          return 0;
        },
        write: (_, from) => from.length,
      }),
    );
    const { newnode } = await find(kernel, "file");
    await kernel.open(newnode, FileMode.READ, ROOT);
    expect(setbacks()).toBe(Setback.INACT_N1);
    await kernel.open(newnode, FileMode.READ, ROOT);
    await kernel.open(newnode, FileMode.READ | FileMode.WRITE, ROOT);
    await kernel.read(newnode, 0, 1, ROOT);
    kernel.reclaim(newnode);
    expect(events).toEqual([
      ["open", 0],
      ["open", 2],
      ["read", 0],
      ["inactive", 0],
      ["inactive", 2],
    ]);
  });
});

describe("messages of other kinds", () => {
  function message(opclass: number, optype: number, size: number = wire.PuffsReq.size): Frame {
    const bytes = new Uint8Array(4096);
    const frame = frameOf(bytes, bytes);
    write64(frame.requestView, REQ.framelen, size);
    write64(frame.requestView, REQ.id, 77);
    write64(frame.requestView, REQ.buflen, size);
    frame.requestView.setUint16(REQ.opclass, opclass, true);
    frame.requestView.setUint16(REQ.optype, optype, true);
    frame.length = size;
    return frame;
  }

  test("operations that nobody has are EOPNOTSUPP", async () => {
    const { server } = rig(await memory());
    for (const [opclass, optype] of [
      [Opclass.VN, Vn.BMAP],
      [Opclass.VN, 400],
      [Opclass.VFS, 60],
      [Opclass.SUSPEND, 0],
    ] as const) {
      const frame = message(opclass, optype);
      expect(server.serve(frame)).toBe(56);
      expect(frame.replyView.getInt32(REQ.rv, true)).toBe(45);
      expect(read64(frame.replyView, REQ.id)).toBe(77);
    }
  });

  test("complaints are reported and not answered", async () => {
    const { server, reports } = rig(await memory());
    const frame = message(Opclass.ERROR | 0x10, 5, wire.PuffsError.size);
    frame.requestView.setInt32(wire.PuffsError.offsets.error, 96, true);
    frame.request.set(new TextEncoder().encode("resid grew"), wire.PuffsError.offsets.str);
    expect(server.serve(frame)).toBe(0);
    expect(reports).toEqual(["the kernel refused a reply (READ, EPROTO): resid grew"]);
  });

  test("what is cut short or lies about its length is refused, if its header is there", async () => {
    const { server } = rig(await memory());
    const short = message(Opclass.VN, Vn.LOOKUP, 100);
    expect(server.serve(short)).toBe(56);
    expect(short.replyView.getInt32(REQ.rv, true)).toBe(22);
    const liar = message(Opclass.VN, Vn.INACTIVE);
    write64(liar.requestView, REQ.framelen, 57);
    expect(server.serve(liar)).toBe(56);
    expect(liar.replyView.getInt32(REQ.rv, true)).toBe(22);
    const stump = message(Opclass.VN, Vn.INACTIVE, 55);
    expect(server.serve(stump)).toBe(0);
  });

  test("the answers to our own reach who asked", async () => {
    const { connection, server } = rig(await memory());
    const usermount = new PuffsUsermount("/mnt");
    const asked: Uint8Array[] = [];
    connection.send = (bytes) => asked.push(bytes);
    usermount.connect(connection);
    const { root } = connection.fileSystem;
    const all = usermount.invalidateAllNames();
    const range = usermount.invalidateNode(root, 4096, 8192);
    const end = usermount.unmount();
    while (asked.length < 3) await Bun.sleep(0);
    const { op, start, end: last } = wire.PuffsFlush.offsets;
    const EINVAL = 22;
    const ENOENT = 2;
    for (const bytes of asked) {
      const sent = viewOf(bytes);
      const opclass = sent.getUint16(REQ.opclass, true);
      const kind = opclass === Opclass.UNMOUNT ? "unmount" : sent.getInt32(op, true);
      if (kind === 3) expect([read64(sent, start), read64(sent, last)]).toEqual([4096, 12288]);
      const frame = message(opclass | 0x30, 0);
      write64(frame.requestView, REQ.id, read64(sent, REQ.id));
      const error = kind === "unmount" ? 0 : kind === 3 ? EINVAL : ENOENT;
      frame.requestView.setInt32(REQ.rv, error, true);
      expect(server.serve(frame)).toBe(0);
    }
    expect(await Promise.all([all, range, end].map(codeOf))).toEqual(["OK", "EINVAL", "OK"]);
  });
});

test("a symbolic link may lead to nothing at all, or 1023 bytes far", async () => {
  const { kernel } = rig(await memory());
  for (const target of ["", "x".repeat(1023)]) {
    const { newnode } = await kernel.symlink(kernel.root, `${target.length}`, target, 0o755, ROOT);
    expect(await kernel.readlink(newnode, ROOT)).toBe(target);
  }
});

test("a write that fails and nobody waits for is reported", async () => {
  for (const fails of [() => EIO, () => Promise.reject(EIO)]) {
    const { kernel, reports } = rig(system({ write: fails }));
    const { newnode } = await find(kernel, "file");
    kernel.writeBack(newnode, 0, new Uint8Array(3));
    await Bun.sleep(0);
    expect(reports).toEqual(["WRITE failed with EIO; nobody waits for it"]);
  }
});
