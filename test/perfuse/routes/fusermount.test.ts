import { afterEach, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { fstatSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { closeDescriptor, waitReadable } from "../../../ffi/device.ts";
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

/** `serve`: who started the daemon answers. `hold`: how long the daemon keeps its end open, in milliseconds. */
async function call(
  args: readonly string[],
  { serve = true, hold = 0, descriptor = "3" } = {},
): Promise<Called & { readonly served: number }> {
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
    env: descriptor === "" ? {} : { _FUSE_COMMFD: descriptor },
  });
  closeDescriptor(theirs);
  const said = [child.stdout, child.stderr].map((stream) => text(stream as Readable));
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  let over = false;
  ended.then(() => {
    over = true;
  });
  while (!over && !waitReadable(listener, 0)) await Bun.sleep(5);
  const caller = acceptSeqpacket(listener);
  if (caller !== null) {
    if (serve) sendDescriptor(caller, socket);
    closeDescriptor(caller);
  }
  while (!over && !waitReadable(ours, 0)) await Bun.sleep(5);
  const received = waitReadable(ours, 0) ? receiveDescriptor(ours) : null;
  const inode = received === null ? null : fstatSync(received).ino;
  if (received !== null) closeDescriptor(received);
  await Bun.sleep(hold);
  closeDescriptor(ours);
  const [stdout = "", stderr = ""] = await Promise.all(said);
  const code = await ended;
  const served = fstatSync(socket).ino;
  for (const fd of [socket, far, listener]) closeDescriptor(fd);
  return { inode, served, code, stdout, stderr, lasted: performance.now() - began };
}

for (const [who, args] of [
  ["libfuse 3", ["-o", "rw,nosuid,nodev,fsname=a,subtype=b", "--", "/mnt"]],
  ["libfuse 2", ["-o", "rw,nosuid,nodev,allow_other,fsname=a,subtype=b", "--", "/mnt"]],
  ["go-fuse", ["/mnt", "-o", "max_read=131072,fsname=a,subtype=b"]],
  ["bazil", ["-o", "subtype=b,fsname=a", "--", "/mnt"]],
] as const)
  test(`${who} gets the socket`, async () => {
    const { inode, served, code, stderr } = await call(args);
    expect({ inode, code, stderr }).toEqual({ inode: served, code: 0, stderr: "" });
  }, 20_000);

test("with auto_unmount it stays until the daemon ends", async () => {
  const args = ["-o", "rw,auto_unmount", "--", "/mnt"];
  const { inode, served, code, lasted } = await call(args, { hold: 1500 });
  expect({ inode, code }).toEqual({ inode: served, code: 0 });
  expect(lasted).toBeGreaterThan(1500);
}, 20_000);

test("to unmount is nothing, to be asked for the version is something", async () => {
  expect(await call(["-u", "-q", "-z", "--", "/mnt"])).toMatchObject({
    inode: null,
    code: 0,
    stdout: "",
    stderr: "",
  });
  expect(await call(["-V"])).toMatchObject({ code: 0, inode: null });
  expect((await call(["-V"])).stdout).toMatch(/^fusermount3 version: /);
}, 20_000);

test("a second daemon, a person, and a wrong call are refused in one line", async () => {
  for (const [args, options, words] of [
    [["--", "/mnt"], { serve: false }, /has its socket already/],
    [["--", "/mnt"], { descriptor: "" }, /_FUSE_COMMFD must name a descriptor/],
    [[], {}, /usage: fusermount3/],
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

test("called by its name it looks beside itself, or where it is told", async () => {
  const folder = mkdtempSync(join(tmpdir(), "puffs-fusermount-"));
  folders.push(folder);
  for (const env of [{}, { PUFFS_FUSERMOUNT: join(folder, "elsewhere") }]) {
    const child = spawn(PROGRAM[0], [PROGRAM[1], "--", "/mnt"], {
      argv0: join(folder, "fusermount3"),
      stdio: ["ignore", "ignore", "pipe"],
      env: { ...env, _FUSE_COMMFD: "0" },
    });
    const said = await text(child.stderr);
    expect(said).toContain(join(folder, env.PUFFS_FUSERMOUNT ? "elsewhere" : "socket"));
  }
  expect(() => statSync(join(folder, "socket"))).toThrow();
}, 20_000);
