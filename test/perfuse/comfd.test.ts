import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { closeDescriptor, setNonBlocking } from "../../ffi/device.ts";
import { passCredentials } from "../../ffi/seqpacket.ts";
import { socketPair } from "../../ffi/socket.ts";
import { FuseProtocol } from "../../src/doors/fuse-protocol.ts";
import { type FileSystem, perfuseMount, S_IFDIR } from "../../src/index.ts";
import { acceptKargs } from "../../src/puffs/mounted.ts";
import { handshakeOf, playKernel } from "../support/kernel-end.ts";
import { PROGRAM } from "../support/program.ts";

/*
 * perfused -i between a FUSE daemon and a puffs kernel, as on NetBSD: the test is both, perfused is the program.
 */

const CALLER = { uid: 0, gid: 0, groups: [], pid: 42, lid: 1 };

const time = { sec: 0, nsec: 0 };
const root = {
  mode: S_IFDIR | 0o751,
  nlink: 2,
  size: 0,
  uid: 7,
  gid: 8,
  atime: time,
  mtime: time,
  ctime: time,
};

/** An empty directory. */
const EMPTY: FileSystem<typeof root> = {
  root,
  node: { lookup: () => null, getattr: (node) => node, readdir: () => [] },
};

function serve(socket: number): Promise<number> {
  const protocol = new FuseProtocol("/somewhere");
  const report = (message: string) => {
    throw new Error(message);
  };
  protocol.open(EMPTY, {}, report);
  return protocol.serve(socket, { ready() {}, warn: report, detach: async () => {} });
}

test("PUFFS_COMFD: the mount is announced as NetBSD's perfused does it, and served", async () => {
  const [end, puffs] = socketPair("stream");
  const [socket, theirs] = socketPair("seqpacket");
  passCredentials(theirs);
  const [program, script] = PROGRAM;
  const child = spawn(program, [script, "-i", "4"], {
    argv0: "perfused",
    stdio: ["ignore", "pipe", "pipe", puffs, theirs],
    env: { ...process.env, PUFFS_COMFD: "3" },
  });
  const errors = text(child.stderr as never);
  const exit = once(child, "close");
  try {
    closeDescriptor(puffs);
    closeDescriptor(theirs);
    setNonBlocking(end);
    await perfuseMount({ socket, source: "mem", target: "/somewhere", type: "mem", flags: 0x4 });
    const daemon = serve(socket);
    const handshake = await handshakeOf(end);
    expect(handshake.directory).toBe("/somewhere");
    expect(handshake.from).toBe("mem");
    // noexec, and what is always: nosuid, nodev.
    expect(handshake.flags).toBe(0x4 | 0x8 | 0x10);
    const mount = acceptKargs(handshake.kargs);
    expect(mount.type).toBe("perfuse|mem");
    const { kernel, over } = playKernel(end, mount);
    const { va } = await kernel.getattr(kernel.root, CALLER);
    expect([va.type, va.mode, va.uid, va.gid]).toEqual([2, 0o751, 7, 8]);
    await kernel.detach();
    await over;
    // The daemon reads the end of the socket, which to a server of ours is that of a mount.
    expect(await daemon).toBe(19);
    expect(await exit).toEqual([0, null]);
    expect(await errors).toBe("");
  } finally {
    child.kill("SIGKILL");
    await exit;
    closeDescriptor(end);
    closeDescriptor(socket);
  }
}, 60_000);
