import { afterEach, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { fstatSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { closeDescriptor, receive, send, waitReadable } from "../../../ffi/device.ts";
import { acceptSeqpacket, listenSeqpacket } from "../../../ffi/seqpacket.ts";
import { receiveDescriptor, sendDescriptor, socketPair } from "../../../ffi/socket.ts";
import { PROGRAM } from "../../support/program.ts";

/*
 * Our fusermount as the libraries call it: the test is the daemon at one side and who started it at the other.
 */

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

interface Called {
  /** The number of the file that came over _FUSE_COMMFD, if any. */
  readonly inode: number | null;
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Milliseconds until it ended. */
  readonly lasted: number;
}

/**
 * `serve`: who started the daemon answers. `hold`: how long the daemon keeps its end open, in milliseconds. `more`: of the environment.
 * `ready`: the daemon says that it is, and waits to hear whether it is mounted. `silent`: nothing is expected to be asked.
 */
async function call(
  args: readonly string[],
  {
    serve = true,
    hold = 0,
    descriptor = "3",
    more = {} as Record<string, string>,
    ready = false,
    silent = false,
  } = {},
): Promise<Called & { readonly served: number; readonly answer: number[] }> {
  const folder = mkdtempSync(join(tmpdir(), "puffs-fusermount-"));
  folders.push(folder);
  const rendezvous = join(folder, "socket");
  const listener = listenSeqpacket(rendezvous);
  const [socket, far] = socketPair("seqpacket");
  const [ours, theirs] = socketPair("stream");
  const began = performance.now();
  // As go-fuse does: nothing but the descriptor in the environment.
  const child = spawn(PROGRAM[0], [PROGRAM[1], "--fusermount", rendezvous, ...args], {
    stdio: ["ignore", "pipe", "pipe", theirs],
    env: { ...more, ...(descriptor !== "" && { _FUSE_COMMFD: descriptor }) },
  });
  closeDescriptor(theirs);
  const said = [child.stdout, child.stderr].map((stream) => text(stream as Readable));
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  let over = false;
  ended.then(() => {
    over = true;
  });
  while (!over && !silent && !waitReadable(listener, 0)) await Bun.sleep(5);
  const caller = acceptSeqpacket(listener);
  if (caller !== null) {
    if (serve) sendDescriptor(caller, socket);
    closeDescriptor(caller);
  }
  while (!over && !silent && !waitReadable(ours, 0)) await Bun.sleep(5);
  const received = waitReadable(ours, 0) ? receiveDescriptor(ours) : null;
  const inode = received === null ? null : fstatSync(received).ino;
  if (received !== null) closeDescriptor(received);
  const answer: number[] = [];
  if (ready) {
    expect(waitReadable(ours, 100)).toBe(false);
    send(ours, Uint8Array.of(0), 1);
    const bytes = new Uint8Array(8);
    while (!over && !waitReadable(ours, 0)) await Bun.sleep(5);
    answer.push(...bytes.subarray(0, Math.max(0, receive(ours, bytes))));
  }
  await Bun.sleep(hold);
  closeDescriptor(ours);
  const [stdout = "", stderr = ""] = await Promise.all(said);
  const code = await ended;
  const served = fstatSync(socket).ino;
  for (const fd of [socket, far, listener]) closeDescriptor(fd);
  return { inode, served, answer, code, stdout, stderr, lasted: performance.now() - began };
}

for (const [who, args, more] of [
  ["libfuse 3", ["-o", "rw,nosuid,nodev,fsname=a,subtype=b", "--", "/mnt"], {}],
  ["libfuse 3 of later", ["-o", "rw,fsname=a", "--", "/mnt"], { _FUSE_COMMFD2: "7" }],
  ["libfuse 3 for root's other users", ["-o", "rw,allow_other,subtype=b", "--", "-dash"], {}],
  ["libfuse 2", ["-o", "rw,nosuid,nodev,allow_other,fsname=a,subtype=b", "--", "/mnt"], {}],
  ["libfuse 2, its second try", ["-o", "rw,nosuid,nodev,fsname=b#a", "--", "/a b/mnt"], {}],
  ["go-fuse", ["/mnt", "-o", "max_read=131072,fsname=a,subtype=b"], {}],
  ["bazil", ["-o", "subtype=b,fsname=a", "--", "/mnt"], {}],
  ["who has no options", ["/mnt"], {}],
  ["who has empty ones", ["-o", "", "--", "/mnt"], {}],
  ["who sticks them together", ["-orw,nosuid", "-ofsname=a", "/mnt"], {}],
] as const)
  test(`${who} gets the socket`, async () => {
    const { inode, served, code, stderr } = await call(args, { more });
    expect({ inode, code, stderr }).toEqual({ inode: served, code: 0, stderr: "" });
  }, 20_000);

for (const args of [
  ["--comm-fd", "3", "--", "/mnt"],
  ["--comm-fd=3", "/mnt"],
  ["-c", "3", "-o", "rw", "/mnt"],
  ["-c3", "/mnt"],
])
  test(`the descriptor may be an argument: ${args.join(" ")}`, async () => {
    const { inode, served, code } = await call(args, { descriptor: "" });
    expect({ inode, code }).toEqual({ inode: served, code: 0 });
    // It goes before the environment.
    expect(await call(args, { descriptor: "99" })).toMatchObject({ code: 0 });
  }, 20_000);

test("with --sync-init it says that it is mounted when the daemon is ready", async () => {
  const args = ["--sync-init", "-o", "rw,nosuid,nodev,subtype=b", "--", "/mnt"];
  const { inode, served, code, answer, stderr } = await call(args, {
    ready: true,
    more: { _FUSE_COMMFD2: "7" },
  });
  expect({ inode, code, stderr }).toEqual({ inode: served, code: 0, stderr: "" });
  expect(answer).toEqual([0, 0, 0, 0]);
  // One that goes instead is nobody's fault.
  expect(await call(args)).toMatchObject({ code: 0, stderr: "" });
}, 20_000);

test("with --sync-init and auto_unmount it does both", async () => {
  const args = ["--sync-init", "-o", "rw,auto_unmount", "--", "/mnt"];
  const { code, answer, lasted } = await call(args, { ready: true, hold: 1500 });
  expect({ code, answer }).toEqual({ code: 0, answer: [0, 0, 0, 0] });
  expect(lasted).toBeGreaterThan(1500);
}, 20_000);

for (const args of [
  ["--auto-unmount", "--", "/mnt"],
  ["-U", "/mnt"],
])
  test(`who has mounted by itself is only watched: ${args.join(" ")}`, async () => {
    const { inode, code, stderr, lasted } = await call(args, { silent: true, hold: 1500 });
    expect({ inode, code, stderr }).toEqual({ inode: null, code: 0, stderr: "" });
    expect(lasted).toBeGreaterThan(1500);
  }, 20_000);

test("with auto_unmount it stays until the daemon ends", async () => {
  const args = ["-o", "rw,auto_unmount", "--", "/mnt"];
  const { inode, served, code, lasted } = await call(args, { hold: 1500 });
  expect({ inode, code }).toEqual({ inode: served, code: 0 });
  expect(lasted).toBeGreaterThan(1500);
}, 20_000);

for (const args of [
  ["-u", "-q", "-z", "--", "/mnt"],
  ["-uqz", "/mnt"],
  ["-u", "/mnt"],
  ["-z", "-u", "/mnt"],
  ["--unmount", "--quiet", "--lazy", "--", "/mnt"],
])
  test(`to unmount is nothing: ${args.join(" ")}`, async () => {
    const nothing = { inode: null, code: 0, stdout: "", stderr: "" };
    expect(await call(args)).toMatchObject(nothing);
    expect(await call(args, { descriptor: "" })).toMatchObject(nothing);
  }, 20_000);

test("to be asked for the version is something", async () => {
  expect(await call(["--version"])).toMatchObject({ code: 0, inode: null });
  expect(await call(["-V"])).toMatchObject({ code: 0, inode: null });
  expect((await call(["-V"])).stdout).toMatch(/^fusermount3 version: /);
}, 20_000);

test("a second daemon, a person, and a wrong call are refused in one line", async () => {
  for (const [args, options, words] of [
    [["--", "/mnt"], { serve: false }, /has its socket already/],
    [["--", "/mnt"], { descriptor: "" }, /_FUSE_COMMFD must name a descriptor/],
    [["--", "/mnt"], { descriptor: "x" }, /_FUSE_COMMFD must name a descriptor/],
    [["--comm-fd", "three", "/mnt"], {}, /_FUSE_COMMFD must name a descriptor/],
    [["-o"], {}, /-o needs an argument/],
    [[], {}, /usage: fusermount3/],
    [["-u"], {}, /usage: fusermount3/],
    [["--auto-unmount"], {}, /usage: fusermount3/],
    [["-o", "rw", "/a", "/b"], {}, /usage: fusermount3/],
    [["-x", "/mnt"], {}, /-x: there is no such flag/],
  ] as const) {
    const { code, inode, stderr } = await call(args, options);
    expect(inode).toBeNull();
    expect(code).not.toBe(0);
    expect(stderr).toMatch(words);
    expect(stderr.trim().split("\n")).toHaveLength(1);
  }
}, 40_000);

for (const name of ["fusermount", "fusermount3"])
  test(`called by its name, ${name}, it looks beside itself, or where it is told`, async () => {
    const folder = mkdtempSync(join(tmpdir(), "puffs-fusermount-"));
    folders.push(folder);
    for (const env of [{}, { PUFFS_FUSERMOUNT: join(folder, "elsewhere") }]) {
      const child = spawn(PROGRAM[0], [PROGRAM[1], "--", "/mnt"], {
        argv0: join(folder, name),
        stdio: ["ignore", "ignore", "pipe"],
        env: { ...env, _FUSE_COMMFD: "0" },
      });
      const said = await text(child.stderr);
      expect(said).toContain(join(folder, env.PUFFS_FUSERMOUNT ? "elsewhere" : "socket"));
    }
    expect(() => statSync(join(folder, "socket"))).toThrow();
  }, 20_000);
