import { afterEach, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { closeDescriptor, receive, send, waitReadable } from "../../ffi/device.ts";
import { connectSeqpacket } from "../../ffi/seqpacket.ts";
import { socketPair } from "../../ffi/socket.ts";
import { encodeMountFrame } from "../../src/perfuse/mount-frame.ts";
import type { MountRequest } from "../../src/perfuse/mount-request.ts";
import { type Listening, listen } from "../../src/perfuse/perfused.ts";
import { startServing } from "../../src/perfuse/start-serving.ts";
import { until } from "../support/mounted.ts";

/*
 * The perfused that listens, with a shell in the place of the process that serves a daemon.
 */

const directory = mkdtempSync(join(tmpdir(), "perfused-"));
const path = join(directory, "sock");
process.on("exit", () => rmSync(directory, { recursive: true, force: true }));

const open = new Set<number>();
const lines: string[] = [];
const requests: MountRequest[] = [];
let listening: Listening | undefined;

/** What the serving processes do with their descriptor 3. */
let script = "exit 0";

function start(socket: number, request: MountRequest): ChildProcess {
  requests.push(request);
  return spawn("sh", ["-c", script], { stdio: ["ignore", "ignore", "ignore", socket] });
}

function listenHere(at = path, most = 9): Listening {
  const note = (message: string) => lines.push(message);
  listening = listen({ path: at, most, log: { info: note, warn: note, error: note }, start });
  return listening;
}

function connect(): number {
  const fd = connectSeqpacket(path);
  open.add(fd);
  return fd;
}

function say(fd: number, message: Uint8Array): void {
  expect(send(fd, message, message.length)).toBe(message.length);
}

/** Lets the listening one work until the peer's end is closed. What it has not read makes a reset of that. */
async function closed(fd: number): Promise<void> {
  await until(() => waitReadable(fd, 0), "the end of a connection");
  expect([0, -constants.errno.ECONNRESET]).toContain(receive(fd, new Uint8Array(99)));
}

const FRAME = encodeMountFrame({ target: "/some/where", flags: 0, type: "kind" });

afterEach(async () => {
  listening?.stop("SIGKILL");
  await listening?.ended;
  listening = undefined;
  for (const fd of open) closeDescriptor(fd);
  open.clear();
  lines.length = 0;
  requests.length = 0;
  script = "exit 0";
});

test("a daemon with a frame has a process, which finds the frame in its socket", async () => {
  const got = join(directory, "got");
  script = `dd bs=300 count=1 <&3 > ${got}.new; mv ${got}.new ${got}`;
  listenHere();
  const fd = connect();
  say(fd, FRAME);
  await closed(fd);
  expect(new Uint8Array(await Bun.file(got).arrayBuffer())).toEqual(new Uint8Array(FRAME));
  expect(requests.length).toBe(1);
  expect(requests[0]?.frame).toMatchObject({ target: "/some/where", type: "kind", flags: 0 });
  expect(requests[0]?.owner).toEqual({
    pid: process.pid,
    uid: process.geteuid?.() ?? 0,
    gid: process.getegid?.() ?? 0,
  });
  expect(lines).toEqual([]);
});

test("a frame may come long after the connection, and many daemons at once", async () => {
  listenHere();
  const fds = Array.from({ length: 20 }, connect);
  await Bun.sleep(50);
  expect(requests.length).toBe(0);
  for (const fd of fds.toReversed()) say(fd, FRAME);
  for (const fd of fds) await closed(fd);
  expect(requests.length).toBe(20);
});

function changed(at: number, value: number): Uint8Array {
  const copy = FRAME.slice();
  copy[at] = value;
  return copy;
}

const HOSTILE: readonly (readonly [string, Uint8Array, string])[] = [
  ["an empty message", new Uint8Array(), "0 bytes are too short"],
  ["a short frame", FRAME.slice(0, 40), "40 bytes are too short"],
  ["a frame that is cut off", FRAME.slice(0, -1), "says"],
  ["a wrong length", changed(0, 1), "says 1"],
  ["a wrong magic", changed(16, 0x4e), "magic"],
  ["a wrong length of a text", changed(32, 99), "parts"],
  ["no NUL", changed(FRAME.length - 1, 0x78), "does not end"],
  ["a frame of 64 KiB", new Uint8Array(65536), "65536 bytes are too long"],
];

for (const [what, message, why] of HOSTILE)
  test(`${what}: dropped with a line, no process, and the next is served`, async () => {
    listenHere();
    const fd = connect();
    say(fd, message);
    await closed(fd);
    expect(lines.length).toBe(1);
    expect(lines[0]).toContain(why);
    expect(lines[0]).toContain(what === "a frame of 64 KiB" ? "refused" : `process ${process.pid}`);
    expect(requests.length).toBe(0);
    const next = connect();
    say(next, FRAME);
    await closed(next);
    expect(requests.length).toBe(1);
  });

test("one that goes without a word", async () => {
  listenHere();
  const fd = connect();
  await Bun.sleep(20);
  open.delete(fd);
  closeDescriptor(fd);
  await until(() => lines.length > 0, "a line");
  expect(lines).toEqual(["the daemon has gone without a mount frame"]);
});

test("those that connect and say nothing do not keep others out", async () => {
  listenHere();
  const fds = Array.from({ length: 70 }, connect);
  await until(() => lines.length === 10, "ten lines");
  expect(lines[0]).toContain("too many have connected without a mount frame");
  for (const fd of fds.slice(0, 10)) await closed(fd);
  const last = fds.at(-1) as number;
  say(last, FRAME);
  await closed(last);
  expect(requests.length).toBe(1);
});

test("everybody may connect, and nobody stays when it is over", async () => {
  const { stop, ended } = listenHere();
  expect(statSync(path).mode & 0o777).toBe(0o666);
  const fd = connect();
  await Bun.sleep(20);
  stop("SIGTERM");
  await ended;
  expect(existsSync(path)).toBeFalse();
  await closed(fd);
});

test("a signal that ends it goes to those who serve, and is waited for", async () => {
  const mark = join(directory, "mark");
  script = `trap 'touch ${mark}; exit 0' TERM; touch ${mark}.up; while :; do sleep 0.02; done`;
  const { stop, ended } = listenHere();
  say(connect(), FRAME);
  await until(() => existsSync(`${mark}.up`), "the process");
  stop("SIGTERM");
  await ended;
  expect(existsSync(mark)).toBeTrue();
});

test("a path: left over, in use, no socket, impossible", async () => {
  listenHere();
  expect(() => listen({ path, most: 9, log: console, start })).toThrow(
    expect.objectContaining({ message: expect.stringContaining("listens there"), exitCode: 71 }),
  );
  const file = join(directory, "file");
  writeFileSync(file, "mine");
  expect(() => listen({ path: file, most: 9, log: console, start })).toThrow(
    expect.objectContaining({ message: expect.stringContaining("no socket"), exitCode: 72 }),
  );
  expect(existsSync(file)).toBeTrue();
  expect(() => listen({ path: `${directory}/no/sock`, most: 9, log: console, start })).toThrow(
    expect.objectContaining({ message: expect.stringContaining("ENOENT"), exitCode: 71 }),
  );
  const { bindSocket, openSocket } = await import("../../ffi/socket.ts");
  const left = join(directory, "left");
  closeDescriptor(openSocket("seqpacket", true, (fd) => bindSocket(fd, left)));
  expect(existsSync(left)).toBeTrue();
  const other = listen({ path: left, most: 9, log: console, start });
  other.stop("SIGTERM");
  await other.ended;
});

test("an ordinary user has so many mounts and no more; root, and another user, have as many as they like", async () => {
  chmodSync(directory, 0o755);
  script = "read line <&3; exit 0";
  listenHere(path, 2);
  const daemons: ChildProcess[] = [];
  const own = (uid: number) => {
    const child = spawn("/usr/bin/python3", ["-c", DAEMON, path, FRAME.toHex(), String(uid)]);
    daemons.push(child);
    return child;
  };
  try {
    own(1001);
    own(1001);
    await until(() => requests.length === 2, "two of them");
    const third = own(1001);
    // It reads the end.
    expect((await once(third, "exit"))[0]).toBe(0);
    expect(lines).toEqual([
      'user 1001 has 2 mounts, which is the most (-n): "/some/where" is refused',
    ]);
    own(1002);
    for (let i = 0; i < 3; i++) own(0);
    await until(() => requests.length === 6, "four others");
    const [first] = daemons;
    first?.kill("SIGKILL");
    // Its serving process reads the end, and goes.
    await until(() => {
      const refused = lines.length;
      if (requests.length < 7 && refused < 20) own(1001);
      return requests.length === 7;
    }, "the place of the first");
    expect(requests.map(({ owner }) => owner.uid).sort()).toEqual([
      ...[0, 0, 0, 1001, 1001, 1001, 1002],
    ]);
  } finally {
    for (const child of daemons) child.kill("SIGKILL");
  }
}, 60_000);

/** Connects as a user, sends a frame and waits for the end. */
const DAEMON = `
import os, socket, sys
path, frame, uid = sys.argv[1:]
os.setgroups([]); os.setgid(int(uid)); os.setuid(int(uid))
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.connect(path)
s.send(bytes.fromhex(frame))
try: s.recv(1)
except ConnectionResetError: pass
`;

test("signals in the first moments of a serving process do not end it", async () => {
  const [ours, theirs] = socketPair("seqpacket");
  const child = startServing([], { stdio: ["ignore", "ignore", "pipe", theirs] });
  closeDescriptor(theirs);
  open.add(ours);
  const exit = once(child, "exit");
  await once(child, "spawn");
  for (let i = 0; i < 100; i++) {
    for (const signal of ["SIGUSR1", "SIGUSR2"] as const) child.kill(signal);
    await Bun.sleep(5);
  }
  expect(child.signalCode).toBeNull();
  say(ours, new Uint8Array(9));
  // EX_PROTOCOL: no mount frame.
  expect((await exit)[0]).toBe(76);
}, 60_000);
