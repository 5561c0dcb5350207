import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, readSync, rmSync, writeFileSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { closeDescriptor, receive } from "../../ffi/device.ts";
import { acceptSeqpacket, listenSeqpacket } from "../../ffi/seqpacket.ts";
import { perfuseMount, perfuseOpen } from "../../src/index.ts";
import { bytes } from "../support/wire.ts";

/*
 * The half of libperfuse that a daemon has, with the test in the place of perfused.
 */

const directory = mkdtempSync(join(tmpdir(), "perfuse-client-"));
const path = join(directory, "perfused.sock");
const open: number[] = [];

function kept(fd: number): number {
  open.push(fd);
  return fd;
}

afterEach(() => {
  for (const fd of open.splice(0)) closeDescriptor(fd);
  rmSync(path, { force: true });
  delete process.env.PERFUSED_SOCKET;
  delete process.env.PERFUSE_BUFSIZE;
});

process.on("exit", () => rmSync(directory, { recursive: true, force: true }));

async function connected(): Promise<{ daemon: number; perfused: number }> {
  process.env.PERFUSED_SOCKET = path;
  const listener = kept(listenSeqpacket(path));
  const daemon = kept(await perfuseOpen("/dev/fuse", 2));
  return { daemon, perfused: kept(acceptSeqpacket(listener) ?? -1) };
}

test("what is not the device is opened as it is", async () => {
  const file = join(directory, "file");
  writeFileSync(file, "plain");
  const fd = kept(await perfuseOpen(file, 0));
  const buffer = new Uint8Array(9);
  expect(readSync(fd, buffer)).toBe(5);
  await expect(perfuseOpen(`${file}-none`, 0)).rejects.toMatchObject({ code: "ENOENT" });
});

test("the device is a connection to perfused, and the mount frame its first message", async () => {
  const { daemon, perfused } = await connected();
  await perfuseMount({
    socket: daemon,
    source: "from",
    target: "/to/it",
    type: "kind",
    flags: 1,
    data: "allow_other",
  });
  const message = new Uint8Array(4096);
  const data = `allow_other,fd=${daemon}\0`;
  const lengths = [5, 7, 5, 1, data.length, 0];
  const expected = bytes(
    56 + 17 + data.length,
    0,
    0xffffffffffffffffn,
    "noFuseRq\0",
    "\0\0\0",
    ...lengths,
    0,
    "from\0",
    "/to/it\0",
    "kind\0",
    data,
  );
  expect(receive(perfused, message)).toBe(expected.length);
  expect([...message.slice(0, expected.length)]).toEqual([...expected]);
});

test("a relative target is that of this process", async () => {
  const { daemon, perfused } = await connected();
  await perfuseMount({ socket: daemon, target: "here" });
  const message = new Uint8Array(4096);
  const length = receive(perfused, message);
  const text = new TextDecoder().decode(message.subarray(56, length));
  expect(text).toBe(`${process.cwd()}/here\0fd=${daemon}\0`);
});

test("what cannot be asked for", async () => {
  const { daemon, perfused } = await connected();
  await expect(perfuseMount({ socket: daemon, target: "/a\0b" })).rejects.toMatchObject({
    code: "EINVAL",
  });
  closeDescriptor(perfused);
  open.splice(open.indexOf(perfused), 1);
  await expect(perfuseMount({ socket: daemon, target: "/a" })).rejects.toMatchObject({
    code: "EPIPE",
  });
  await expect(perfuseMount({ socket: 9999, target: "/a" })).rejects.toMatchObject({
    code: "EBADF",
  });
});

test("messages of PERFUSE_BUFSIZE pass", async () => {
  process.env.PERFUSE_BUFSIZE = "0x40000";
  const { daemon } = await connected();
  const { setSendBuffer } = await import("../../ffi/seqpacket.ts");
  const { send, setNonBlocking } = await import("../../ffi/device.ts");
  setNonBlocking(daemon);
  const most = 2 * 0x40000 - 32;
  expect(send(daemon, new Uint8Array(most + 1), most + 1)).toBe(-constants.errno.EMSGSIZE);
  expect(send(daemon, new Uint8Array(most), most)).toBe(most);
  expect(setSendBuffer(daemon, 4096)).toBe(8192);
});

test("without a perfused that listens one is started: it says why it will not have us, and goes", async () => {
  // Only a process of its own shows what perfused writes.
  const program = `
    import { perfuseOpen } from ${JSON.stringify(join(import.meta.dir, "../../src/index.ts"))};
    import { receive, send } from ${JSON.stringify(join(import.meta.dir, "../../ffi/device.ts"))};
    const socket = await perfuseOpen("/dev/fuse", 2);
    send(socket, new Uint8Array(5), 5);
    console.log("end", receive(socket, new Uint8Array(64)));
  `;
  const child = Bun.spawn([process.execPath, "-e", program], {
    env: { ...process.env, PERFUSED_SOCKET: join(directory, "nobody") },
    stdout: "pipe",
    stderr: "pipe",
    timeout: 30_000,
  });
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  expect(out).toBe("end 0\n");
  expect(err).toContain("perfused: the mount frame is refused: 5 bytes are too short");
  expect(err.trim().split("\n").length).toBe(1);
  expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(directory);
}, 60_000);
