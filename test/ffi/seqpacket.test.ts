import { afterEach, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import {
  closeDescriptor,
  EPIPE,
  receive,
  send,
  setNonBlocking,
  waitReadable,
} from "../../ffi/device.ts";
import {
  acceptSeqpacket,
  connectSeqpacket,
  listenSeqpacket,
  passCredentials,
  peerCredentials,
  peerGroups,
  receiveMessage,
  setReceiveBuffer,
  setSendBuffer,
  shutdown,
} from "../../ffi/seqpacket.ts";
import { sendDescriptor, socketPair } from "../../ffi/socket.ts";

const directory = mkdtempSync(join(tmpdir(), "seqpacket-"));
const path = join(directory, "socket");
const open = new Set<number>();
const ME = { pid: process.pid, uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };

function kept<T extends number | null>(fd: T): T {
  if (fd !== null) open.add(fd);
  return fd;
}

function close(fd: number): void {
  open.delete(fd);
  closeDescriptor(fd);
}

afterEach(() => {
  for (const fd of open) close(fd);
  rmSync(path, { force: true });
});

process.on("exit", () => rmSync(directory, { recursive: true, force: true }));

/** The two ends of a connection through `path`: who connected, who accepted. */
function connected(): [number, number] {
  const listener = kept(listenSeqpacket(path));
  const client = kept(connectSeqpacket(path));
  const server = kept(acceptSeqpacket(listener));
  if (server === null) throw new Error("nobody connected");
  return [client, server];
}

function pair(): [number, number] {
  const [a, b] = socketPair("seqpacket");
  return [kept(a), kept(b)];
}

function flagsOf(fd: number): number {
  const info = readFileSync(`/proc/self/fdinfo/${fd}`, "utf8");
  return Number.parseInt(/flags:\s*(\d+)/.exec(info)?.[1] ?? "0", 8);
}

function fails(code: string) {
  return expect.objectContaining({ name: "SystemError", code });
}

test("who connects is accepted, and messages keep their bounds both ways", () => {
  const [client, server] = connected();
  send(client, Uint8Array.of(1, 2, 3), 3);
  send(client, Uint8Array.of(4, 5), 2);
  const buffer = new Uint8Array(9);
  expect(receive(server, buffer)).toBe(3);
  expect([...buffer.subarray(0, 3)]).toEqual([1, 2, 3]);
  expect(receive(server, buffer)).toBe(2);
  send(server, Uint8Array.of(6), 1);
  expect(receive(client, buffer)).toBe(1);
  close(client);
  expect(receive(server, buffer)).toBe(0);
});

test("accept does not wait; poll(2) tells when somebody is there", () => {
  const listener = kept(listenSeqpacket(path));
  expect(acceptSeqpacket(listener)).toBeNull();
  expect(waitReadable(listener, 0)).toBeFalse();
  kept(connectSeqpacket(path));
  expect(waitReadable(listener, 0)).toBeTrue();
  expect(kept(acceptSeqpacket(listener))).toBeNumber();
  expect(acceptSeqpacket(listener)).toBeNull();
});

test("every socket is closed on exec, and only the listener is non-blocking", () => {
  const CLOEXEC = 0o2000000;
  const NONBLOCK = 0o4000;
  const listener = kept(listenSeqpacket(path));
  const client = kept(connectSeqpacket(path));
  const server = kept(acceptSeqpacket(listener)) ?? -1;
  for (const fd of [listener, client, server]) expect(flagsOf(fd) & CLOEXEC).toBe(CLOEXEC);
  expect(flagsOf(listener) & NONBLOCK).toBe(NONBLOCK);
  expect((flagsOf(client) | flagsOf(server)) & NONBLOCK).toBe(0);
});

test("paths: taken, absent, nobody there, too long, empty, with a NUL, of another kind", () => {
  const listener = kept(listenSeqpacket(path));
  expect(() => listenSeqpacket(path)).toThrow(fails("EADDRINUSE"));
  expect(() => connectSeqpacket(`${path}-none`)).toThrow(fails("ENOENT"));
  close(listener);
  expect(() => connectSeqpacket(path)).toThrow(fails("ECONNREFUSED"));
  const long = join(directory, "x".repeat(107 - directory.length - 1));
  expect(long.length).toBe(107);
  kept(listenSeqpacket(long));
  expect(() => listenSeqpacket(`${long}x`)).toThrow(fails("ENAMETOOLONG"));
  expect(() => listenSeqpacket("")).toThrow(fails("ENOENT"));
  expect(() => connectSeqpacket("a\0b")).toThrow(fails("EINVAL"));
  const stream = Bun.listen({ unix: join(directory, "stream"), socket: { data() {} } });
  try {
    expect(() => connectSeqpacket(join(directory, "stream"))).toThrow(fails("EPROTOTYPE"));
  } finally {
    stream.stop(true);
  }
});

test("calls on what is no socket throw", () => {
  const file = kept(openSync("/dev/null", "r"));
  expect(() => acceptSeqpacket(file)).toThrow(fails("ENOTSOCK"));
  expect(() => peerCredentials(file)).toThrow(fails("ENOTSOCK"));
  expect(() => setSendBuffer(file, 65536)).toThrow(fails("ENOTSOCK"));
  expect(() => passCredentials(file)).toThrow(fails("ENOTSOCK"));
  expect(() => receiveMessage(file, new Uint8Array(1))).toThrow(fails("ENOTSOCK"));
  expect(() => shutdown(file)).toThrow(fails("ENOTSOCK"));
});

test("the send buffer bounds a message: twice what was asked for, less 32", () => {
  const [a, b] = pair();
  setNonBlocking(a);
  expect(setSendBuffer(a, 65536)).toBe(131072);
  expect(send(a, new Uint8Array(131072), 131072)).toBe(-constants.errno.EMSGSIZE);
  expect(send(a, new Uint8Array(131040), 131040)).toBe(131040);
  expect(receive(b, new Uint8Array(131072))).toBe(131040);
  expect(setReceiveBuffer(b, 65536)).toBe(131072);
});

test("beyond the system's bound it takes a privilege, and is cut without", () => {
  const bound = Number(readFileSync("/proc/sys/net/core/wmem_max", "utf8"));
  const [a] = pair();
  const got = setSendBuffer(a, 2 * bound);
  expect(got).toBe(process.geteuid?.() === 0 ? 4 * bound : 2 * bound);
});

test("the peer of a connection is who connected, of a pair who made it", () => {
  const [client, server] = connected();
  expect(peerCredentials(server)).toEqual(ME);
  expect(peerCredentials(client)).toEqual(ME);
  expect(peerCredentials(pair()[0])).toEqual(ME);
});

test("a peer's groups are those it had when it connected", () => {
  const [client, server] = connected();
  const mine = [...(process.getgroups?.() ?? [])].sort();
  expect([...peerGroups(server)].sort()).toEqual(mine);
  if (ME.uid !== 0) return;
  const listener = kept(listenSeqpacket(`${path}-groups`));
  const script = `
    import { connectSeqpacket } from ${JSON.stringify(join(import.meta.dir, "../../ffi/seqpacket.ts"))};
    process.setgroups([7, 70000]);
    connectSeqpacket(${JSON.stringify(`${path}-groups`)});`;
  spawnSync(process.execPath, ["-e", script], { stdio: ["ignore", "ignore", "inherit"] });
  const other = kept(acceptSeqpacket(listener)) ?? -1;
  expect([...peerGroups(other)].sort()).toEqual([7, 70000]);
  close(client);
});

test("a message brings its sender's credentials once that is asked for", () => {
  const [a, b] = pair();
  send(a, Uint8Array.of(1), 1);
  expect(receiveMessage(b, new Uint8Array(4))).toEqual({ length: 1, credentials: null });
  passCredentials(b);
  send(a, Uint8Array.of(1, 2), 2);
  expect(receiveMessage(b, new Uint8Array(4))).toEqual({ length: 2, credentials: ME });
  passCredentials(b, false);
  send(a, Uint8Array.of(9), 1);
  passCredentials(b);
  expect(receiveMessage(b, new Uint8Array(4))).toEqual({ length: 1, credentials: null });
  passCredentials(b, false);
  send(a, Uint8Array.of(3), 1);
  expect(receiveMessage(b, new Uint8Array(4))?.credentials).toBeNull();
});

test("they are those of the process that wrote, whoever made the socket", () => {
  const [a, b] = pair();
  passCredentials(b);
  const root = ME.uid === 0;
  const command = ["sh", "-c", "echo $$ >&1; printf abc >&3"];
  const become = ["setpriv", "--reuid=65534", "--regid=65533", "--clear-groups"];
  const [program = "", ...args] = root ? [...become, ...command] : command;
  const { stdout } = spawnSync(program, args, { stdio: ["ignore", "pipe", "inherit", a] });
  const credentials = {
    pid: Number(stdout),
    uid: root ? 65534 : ME.uid,
    gid: root ? 65533 : ME.gid,
  };
  expect(receiveMessage(b, new Uint8Array(8))).toEqual({ length: 3, credentials });
});

test("peeking leaves the message; what is longer than the buffer says how long", () => {
  const [a, b] = pair();
  passCredentials(b);
  send(a, Uint8Array.of(1, 2, 3, 4, 5, 6), 6);
  const head = new Uint8Array(2);
  for (let look = 0; look < 2; look++) {
    expect(receiveMessage(b, head, { peek: true })).toEqual({ length: 6, credentials: ME });
    expect([...head]).toEqual([1, 2]);
  }
  const all = new Uint8Array(8);
  expect(receiveMessage(b, all)).toEqual({ length: 6, credentials: ME });
  expect([...all]).toEqual([1, 2, 3, 4, 5, 6, 0, 0]);
});

test("nothing there: null if non-blocking; nobody there: nothing, without credentials", () => {
  const [a, b] = pair();
  passCredentials(b);
  expect(receiveMessage(b, new Uint8Array(4), { wait: false })).toBeNull();
  setNonBlocking(b);
  expect(receiveMessage(b, new Uint8Array(4))).toBeNull();
  send(a, new Uint8Array(0), 0);
  expect(receiveMessage(b, new Uint8Array(4))).toEqual({ length: 0, credentials: ME });
  close(a);
  expect(receiveMessage(b, new Uint8Array(4))).toEqual({ length: 0, credentials: null });
});

test("descriptors sent along are not kept", () => {
  const [a, b] = pair();
  passCredentials(b);
  const sent = join(directory, "sent");
  const file = kept(openSync(sent, "w"));
  // The runtime has descriptors of its own that come and go.
  const copies = () =>
    spawnSync("find", [`/proc/${process.pid}/fd`, "-lname", sent], { encoding: "utf8" })
      .stdout.trim()
      .split("\n");
  sendDescriptor(a, file);
  expect(receiveMessage(b, new Uint8Array(4))).toEqual({ length: 1, credentials: ME });
  expect(copies()).toEqual([`/proc/${process.pid}/fd/${file}`]);
});

test("shutdown ends the connection at both ends, and twice is no error", () => {
  const [a, b] = pair();
  shutdown(a);
  expect(receive(b, new Uint8Array(1))).toBe(0);
  expect(receive(a, new Uint8Array(1))).toBe(0);
  expect(send(b, Uint8Array.of(1), 1)).toBe(-EPIPE);
  expect(() => shutdown(b)).not.toThrow();
});
