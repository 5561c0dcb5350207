import { afterEach, expect, test } from "bun:test";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { closeDescriptor, receive, setNonBlocking } from "../../ffi/device.ts";
import { socketPair } from "../../ffi/socket.ts";
import { KernelFlags, MountFlags, Vn } from "../../src/puffs/flags.ts";
import { acceptKargs } from "../../src/puffs/mounted.ts";
import { handshakeOf, playKernel } from "../support/kernel-end.ts";

/*
 * The program as it is started under a rump kernel: one end of a socket pair is its descriptor 3, named by PUFFS_COMFD. The test
 * plays the kernel at the other end.
 */

const CLI = join(import.meta.dir, "../../src/cli.ts");
const CALLER = { uid: 0, gid: 0, groups: [], pid: 42, lid: 1 };

interface Started {
  readonly child: ChildProcess;
  readonly end: number;
  readonly stderr: Promise<string>;
  readonly exit: Promise<number | null>;
}

const started: Started[] = [];

function start(
  variable = "3",
  args: readonly string[] = [],
  directory = "/somewhere",
  runtime: readonly string[] = [],
): Started {
  const [end, theirs] = socketPair("stream");
  const command = [...runtime, CLI, "mount", "memfs", ...args, directory];
  const child = spawn(process.execPath, command, {
    stdio: ["ignore", "ignore", "pipe", theirs],
    env: { ...process.env, PUFFS_COMFD: variable },
  });
  closeDescriptor(theirs);
  setNonBlocking(end);
  const server = {
    child,
    end,
    stderr: text(child.stderr as never),
    exit: once(child, "exit").then(([code]) => code as number | null),
  };
  started.push(server);
  return server;
}

afterEach(async () => {
  for (const { child, end, exit } of started.splice(0)) {
    child.kill("SIGKILL");
    await exit;
    closeDescriptor(end);
  }
});

test("the mount is announced item by item, and memfs serves until it is unmounted", async () => {
  const server = start();
  const handshake = await handshakeOf(server.end);
  expect(handshake.directory).toBe("/somewhere");
  expect(handshake.from).toBe("memfs");
  expect(handshake.libraryFlags & 0xfff).toBe(acceptKargs(handshake.kargs).args.flags);
  const mount = acceptKargs(handshake.kargs);
  expect(mount.type).toBe("memfs");
  expect(mount.args.flags & KernelFlags.NOCACHE_NAME).toBe(KernelFlags.NOCACHE_NAME);
  expect(mount.args.vnopmask[Vn.WRITE]).toBe(1);
  expect(mount.args.vnopmask[Vn.POLL]).toBe(0);
  const { kernel, over } = playKernel(server.end, mount);
  expect((await kernel.getattr(kernel.root, CALLER)).va.type).toBe(2);
  const all = await Promise.all(
    Array.from({ length: 2000 }, () => kernel.getattr(kernel.root, CALLER)),
  );
  expect(all.length).toBe(2000);
  await kernel.detach();
  await over;
  expect(await server.exit).toBe(0);
  expect(await server.stderr).toContain("unmounted");
}, 60_000);

test("a relative path is made absolute, with a notice; the directory is the other end's", async () => {
  const server = start("3", [], "not/here");
  const { directory } = await handshakeOf(server.end);
  expect(directory).toBe(join(process.cwd(), "not/here"));
  server.child.kill("SIGKILL");
  expect(await server.stderr).toContain(`not/here is a relative path; using ${directory} instead`);
}, 60_000);

test("flags of the kernel's are an option, with those that always hold", async () => {
  const flags = ["CACHE_FS_TTL", "IAONDEMAND", "ALLOPS", "NOFLUSH_META"] as const;
  const server = start("3", ["-o", `puffs_flags=${flags.join("+")}`]);
  const { kargs, libraryFlags } = await handshakeOf(server.end);
  const mount = acceptKargs(kargs);
  const asked = flags.reduce<number>((all, flag) => all | KernelFlags[flag], KernelFlags.WTCACHE);
  expect(mount.args.flags).toBe(asked);
  expect(libraryFlags & 0xfff).toBe(asked);
  const { kernel } = playKernel(server.end, mount);
  const { va, vaTtl, cnTtl } = await kernel.create(kernel.root, "file", 0o640, CALLER);
  // Attributes that links and names change behind the kernel's back are not believed for ever.
  expect([va.mode, vaTtl.sec, cnTtl.sec > 1000]).toEqual([0o640, 0, true]);
  await kernel.detach();
  expect(await server.exit).toBe(0);
}, 60_000);

test("mount flags are NetBSD's, set-id programs and devices only if asked for", async () => {
  const server = start("3", ["-o", "ro,noexec,sync,noatime"]);
  const { RDONLY, NOEXEC, SYNCHRONOUS, NOATIME, NOSUID, NODEV } = MountFlags;
  const all = RDONLY | NOEXEC | SYNCHRONOUS | NOATIME | NOSUID | NODEV;
  expect((await handshakeOf(server.end)).flags).toBe(all);
  const lax = start("3", ["-o", "suid,dev"]);
  const forced = process.geteuid?.() === 0 ? 0 : NOSUID | NODEV;
  expect((await handshakeOf(lax.end)).flags).toBe(forced);
}, 60_000);

test("an ordinary user's mount has no set-id programs and no devices, whatever the options say", async () => {
  const { NOSUID, NODEV, RDONLY } = MountFlags;
  const preload = ["--preload", join(import.meta.dir, "../support/ordinary.ts")];
  const forced = start("3", ["-o", "ro,suid,dev"], "/somewhere", preload);
  expect((await handshakeOf(forced.end)).flags).toBe(NOSUID | NODEV | RDONLY);
});

test("the end of the peer is the end of the server", async () => {
  const server = start();
  await handshakeOf(server.end);
  closeDescriptor(server.end);
  started.pop();
  expect(await server.exit).toBe(0);
}, 60_000);

/** Bytes of the announcement of memfs at /somewhere, item by item: what each ends at. */
const ITEMS = [0, 8, 19, 27, 33, 37, 45, 45 + 3984, 49 + 3984];

for (const taken of ITEMS)
  test(`a peer that is gone after ${taken} bytes of the announcement`, async () => {
    const server = start();
    const buffer = new Uint8Array(8192);
    for (let done = 0; done < taken; ) {
      const count = receive(server.end, buffer.subarray(0, taken - done));
      if (count > 0) done += count;
      else await Bun.sleep(1);
    }
    closeDescriptor(server.end);
    started.pop();
    // Gone before it was there, or a mount that has ended.
    expect([0, 32]).toContain((await server.exit) ?? -1);
    expect(await server.stderr).not.toContain("    at ");
  }, 60_000);

test("from a shell, and killed under load: whoever waits is told, and nothing is left", async () => {
  const [end, theirs] = socketPair("stream");
  const script = 'PUFFS_COMFD=7 exec "$@" 7<&3 3<&-';
  const program = [process.execPath, CLI, "mount", "memfs", "-f", "-o", "mode=777", "/mp"];
  const child = spawn("sh", ["-c", script, "sh", ...program], {
    stdio: ["ignore", "ignore", "pipe", theirs],
  });
  closeDescriptor(theirs);
  setNonBlocking(end);
  const exit = once(child, "exit");
  started.push({ child, end, stderr: text(child.stderr as never), exit: exit.then(() => null) });
  const { directory, kargs } = await handshakeOf(end);
  expect(directory).toBe("/mp");
  const { kernel, over } = playKernel(end, acceptKargs(kargs));
  const { newnode } = await kernel.create(kernel.root, "file", 0o666, CALLER);
  const content = new Uint8Array(65536).fill(7);
  let answered = 0;
  let refused = 0;
  const codes = new Set<string>();
  const hammer = async (worker: number) => {
    for (let round = 0; refused === 0 || round === 0; round++)
      await kernel
        .write(newnode, (worker * 100 + round) * content.length, content, CALLER)
        .then(() => kernel.read(newnode, worker * 100 * content.length, content.length, CALLER))
        .then(
          () => answered++,
          (error: { code: string }) => {
            refused++;
            codes.add(error.code);
          },
        );
  };
  const all = Promise.all(Array.from({ length: 16 }, (_, worker) => hammer(worker)));
  while (answered < 50) await Bun.sleep(1);
  child.kill("SIGKILL");
  await over;
  await all;
  expect(refused).toBe(16);
  expect(codes).toEqual(new Set(["ENXIO"]));
  expect((await exit)[1]).toBe("SIGKILL");
}, 60_000);

test("a signal asks the kernel to unmount", async () => {
  const server = start();
  const mount = acceptKargs((await handshakeOf(server.end)).kargs);
  const { kernel } = playKernel(server.end, mount);
  await kernel.getattr(kernel.root, CALLER);
  server.child.kill("SIGTERM");
  // The kernel at this end says yes, and is to unmount then.
  await kernel.statvfs(CALLER);
  await kernel.detach();
  expect(await server.exit).toBe(0);
}, 60_000);

for (const [variable, words] of [
  ["", "not a descriptor (EINVAL)"],
  ["three", "not a descriptor (EINVAL)"],
  ["-1", "not a descriptor (EINVAL)"],
  ["77", "not open here"],
] as const)
  test(`PUFFS_COMFD=${JSON.stringify(variable)} is refused in one line`, async () => {
    const { exit, stderr } = start(variable);
    expect(await exit).toBe(1);
    const said = await stderr;
    expect(said).toContain(words);
    expect(said.trim().split("\n").length).toBe(1);
  }, 60_000);

test("-o door=puffs where there is no /dev/puffs: one line that says so, and what to use", () => {
  const { PUFFS_COMFD: _, ...env } = process.env;
  const args = [CLI, "mount", "memfs", "-o", "door=puffs", tmpdir()];
  const { status, stderr } = spawnSync(process.execPath, args, { env });
  const said = stderr.toString();
  expect(status).toBe(32);
  expect(said).toContain("/dev/puffs cannot be opened");
  expect(said).toContain("-o door=fuse");
  expect(said).toContain("PUFFS_COMFD");
  expect(said.trim().split("\n").length).toBe(1);
}, 60_000);
