import { afterEach, expect, test } from "bun:test";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { closeDescriptor, setNonBlocking } from "../../ffi/device.ts";
import { socketPair } from "../../ffi/socket.ts";
import { KernelFlags, MountFlags, Nameiop, Vn } from "../../src/puffs/flags.ts";
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
  plugin = "memfs",
): Started {
  const [end, theirs] = socketPair("stream");
  const command = [...runtime, CLI, "mount", plugin, ...args, directory];
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

const codeIn = (error: { code: string }) => error.code;

test("a file system that cannot be changed is mounted so", async () => {
  const server = start("3", [], "/somewhere", [], join(import.meta.dir, "../support/frozen.ts"));
  const { RDONLY, NOSUID, NODEV } = MountFlags;
  const { flags, kargs } = await handshakeOf(server.end);
  expect(flags).toBe(RDONLY | NOSUID | NODEV);
  // The kernel says EROFS itself once it hears that the name is free: whether the caller might make it matters no more.
  const { kernel } = playKernel(server.end, acceptKargs(kargs));
  const creating = { name: "new", nameiop: Nameiop.CREATE };
  const code = kernel.lookup(kernel.root, creating, { ...CALLER, uid: 1000 }).catch(codeIn);
  expect(await code).toBe("ENOENT");
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
