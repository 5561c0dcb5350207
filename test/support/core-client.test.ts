import { describe, expect, test } from "bun:test";
import hello from "../../plugins/hello.ts";
import memfs from "../../plugins/memfs/memfs.ts";
import type { Frame, Serving } from "../../src/frame.ts";
import { Connection } from "../../src/fuse/connection.ts";
import { KERNEL } from "../../src/fuse/kernel.ts";
import { Opcode } from "../../src/fuse/opcodes.ts";
import { FuseServer } from "../../src/fuse/server.ts";
import { parseOptions } from "../../src/options/parse.ts";
import type { AnyPlugin } from "../../src/plugin.ts";
import type { Usermount } from "../../src/usermount.ts";
import { BARE } from "./bare.ts";
import { O_CREAT, O_EXCL, O_RDONLY, O_RDWR, O_TRUNC } from "./client.ts";
import { CoreClient } from "./core-client.ts";
import type { CoreOptions } from "./core-mount.ts";

/** A client of the plugin, with the opcodes of all requests in `asked`; those in `lacking` are answered ENOSYS. */
async function clientOf(plugin: AnyPlugin, options: CoreOptions = {}, lacking: number[] = []) {
  const fileSystem = await plugin.start({
    options: parseOptions([], plugin.options).plugin,
    ...BARE,
    usermount: {} as Usermount,
  });
  const reports: unknown[] = [];
  const server = new FuseServer(
    new Connection(fileSystem, {}, (message, cause) => reports.push(cause ?? message)),
  );
  const asked: number[] = [];
  const serving: Serving = {
    serve(frame) {
      const opcode = frame.requestView.getUint32(4, true);
      asked.push(opcode);
      return lacking.includes(opcode) ? refuse(frame) : server.serve(frame);
    },
  };
  const client = await CoreClient.make(serving, options);
  return { client, asked, reports };
}

/** ENOSYS, whatever was asked. */
function refuse({ requestView, replyView }: Frame): number {
  replyView.setUint32(0, 16, true);
  replyView.setInt32(4, -38, true);
  replyView.setBigUint64(8, requestView.getBigUint64(8, true), true);
  return 16;
}

function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "done",
    (error) => error.code,
  );
}

const text = (string: string) => new TextEncoder().encode(string);

for (const minor of [8, 9, 12, 23, 31, 36, 45]) {
  test(`the calls of a process over 7.${minor}`, async () => {
    const faults: unknown[] = [];
    const events = { onFault: (fault: unknown) => faults.push(fault) };
    const { client, reports } = await clientOf(memfs, { minor, events });
    expect(client.mount.kernel.minor).toBe(minor);
    await client.mkdir("/d", 0o755);
    const file = await client.open("/d/f", O_RDWR | O_CREAT | O_EXCL, 0o640);
    expect(await file.write(text("hello, world"), 0)).toBe(12);
    expect(await file.read(100, 7)).toEqual(text("world"));
    await file.truncate(5);
    await file.close();
    await client.symlink("d/f", "/s");
    await client.link("/d/f", "/h");
    await client.rename("/h", "/d/g");
    expect(await client.stat("/s")).toMatchObject({ size: 5, nlink: 2, mode: 0o100640 });
    expect((await client.readdir("/d")).map(({ name }) => name).sort()).toEqual(
      [".", "..", "f", "g"].sort(),
    );
    await client.setxattr("/d", "user.k", text("v"));
    expect(await client.getxattr("/d", "user.k")).toEqual(text("v"));
    await client.utimes("/d/f", { sec: -1, nsec: 5 }, "now");
    expect((await client.stat("/d/f")).atime).toEqual({ sec: -1, nsec: 5 });
    await client.unlink("/d/f");
    await client.unlink("/d/g");
    await client.rmdir("/d");
    expect(await codeOf(client.stat("/s"))).toBe("ENOENT");
    expect(faults).toEqual([]);
    expect(reports).toEqual([]);
  });
}

describe("lookup counts", () => {
  test("every answer with a node counts; what lost its name is forgotten, the rest on demand", async () => {
    const { client, asked } = await clientOf(memfs);
    await client.mkdir("/a"); // one
    await client.stat("/a"); // two
    expect([...client.outstanding().values()]).toEqual([2]);
    await client.readdir("/"); // three
    expect([...client.outstanding().values()]).toEqual([3]);
    await client.mkdir("/b");
    await client.rmdir("/b");
    expect(client.outstanding().size).toBe(1);
    client.forgetAll();
    expect(client.outstanding().size).toBe(0);
    expect(asked.at(-1)).toBe(Opcode.FORGET);
    expect(await client.stat("/a")).toMatchObject({ nlink: 2 });
  });

  test("an open file is kept until it is closed, whoever removes or forgets it", async () => {
    const { client } = await clientOf(memfs);
    const file = await client.open("/f", O_RDWR | O_CREAT);
    await client.unlink("/f");
    client.forgetAll();
    expect(client.outstanding().size).toBe(1);
    await file.write(text("still here"), 0);
    expect(await file.stat()).toMatchObject({ nlink: 0, size: 10 });
    await file.close();
    expect(client.outstanding().size).toBe(0);
    expect(await codeOf(file.close())).toBe("EBADF");
  });

  test("they are those of the server: it knows the node until the last one is given back", async () => {
    const { client } = await clientOf(memfs);
    await client.mkdir("/a");
    await client.stat("/a");
    const { kernel } = client.mount;
    const [[nodeid, count] = [0, 0]] = [...client.outstanding()];
    kernel.forget(nodeid, count - 1);
    expect(await codeOf(kernel.getattr(nodeid, {}, KERNEL))).toBe("done");
    kernel.forget(nodeid, 1);
    expect(await codeOf(kernel.getattr(nodeid, {}, KERNEL))).not.toBe("done");
  });
});

describe("what the VFS does by itself", () => {
  test("ENOSYS is remembered", async () => {
    const lacking = [Opcode.FLUSH, Opcode.CREATE, Opcode.FSYNC, Opcode.GETXATTR];
    const { client, asked } = await clientOf(memfs, {}, lacking);
    for (const path of ["/a", "/b"]) {
      const file = await client.open(path, O_RDWR | O_CREAT);
      await file.write(text("x"), 0);
      await file.sync();
      await file.close();
      expect(await codeOf(client.getxattr(path, "user.x"))).toBe("EOPNOTSUPP");
    }
    for (const opcode of lacking) expect(asked.filter((one) => one === opcode)).toHaveLength(1);
    expect(asked.filter((one) => one === Opcode.MKNOD)).toHaveLength(2);
  });

  test("a server without OPEN is asked once, and never for RELEASE", async () => {
    const { client, asked } = await clientOf(hello, {}, [Opcode.OPEN]);
    for (let i = 0; i < 2; i++) {
      const file = await client.open("/hello", O_RDONLY);
      expect(await file.read(5, 0)).toEqual(text("Hello"));
      await file.close();
    }
    expect(asked.filter((one) => one === Opcode.OPEN)).toHaveLength(1);
    expect(asked).not.toContain(Opcode.RELEASE);
  });

  test("O_TRUNC is a SETATTR where OPEN does not truncate", async () => {
    const { client, asked } = await clientOf(memfs, { without: ["ATOMIC_O_TRUNC"] });
    const file = await client.open("/f", O_RDWR | O_CREAT);
    await file.write(text("old"), 0);
    await file.close();
    asked.length = 0;
    await (await client.open("/f", O_RDWR | O_TRUNC)).close();
    expect(asked).toContain(Opcode.SETATTR);
    expect(await client.stat("/f")).toMatchObject({ size: 0 });
  });

  test("set-id bits go when a stranger writes, whoever takes them away", async () => {
    for (const without of [[], ["HANDLE_KILLPRIV_V2"], ["HANDLE_KILLPRIV_V2", "HANDLE_KILLPRIV"]]) {
      const { client } = await clientOf(memfs, { without: without as CoreOptions["without"] & [] });
      await (await client.open("/f", O_RDWR | O_CREAT)).close();
      await client.chmod("/f", 0o6777);
      const file = await client.as({ uid: 1000, gid: 1000 }).open("/f", O_RDWR);
      await file.write(text("x"), 0);
      await file.close();
      expect((await client.stat("/f")).mode & 0o7777).toBe(0o777);
    }
  });

  test("a read-only mount never asks for a change", async () => {
    const { client, asked } = await clientOf(memfs, { readOnly: true });
    expect(await codeOf(client.mkdir("/d"))).toBe("EROFS");
    expect(await codeOf(client.open("/f", O_RDWR | O_CREAT))).toBe("EROFS");
    expect(asked).not.toContain(Opcode.MKDIR);
    expect(asked).not.toContain(Opcode.CREATE);
  });

  test("permissions are checked before the server is asked", async () => {
    const { client, asked } = await clientOf(memfs);
    await client.mkdir("/private", 0o700);
    const stranger = client.as({ uid: 1000, gid: 1000 });
    expect(await codeOf(stranger.stat("/private/x"))).toBe("EACCES");
    // memfs has a sticky root.
    expect(await codeOf(stranger.rmdir("/private"))).toBe("EPERM");
    expect(await codeOf(stranger.chmod("/private", 0o777))).toBe("EPERM");
    expect(asked).not.toContain(Opcode.RMDIR);
    expect(asked).not.toContain(Opcode.SETATTR);
  });
});
