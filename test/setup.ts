/*
 * Installs what the tests need from the operating system: `bun test/setup.ts`, which `npm test` runs first. Says what
 * it installs, leaves alone what is there, asks nothing. Where it cannot install it says so and goes on: the tests that
 * miss something say what.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

/** A package of Debian's, and the command or file that shows that it is there. */
const NEEDED: readonly { readonly package: string; readonly shows: string }[] = [
  { package: "archivemount", shows: "archivemount" },
  { package: "attr", shows: "getfattr" },
  { package: "bindfs", shows: "bindfs" },
  { package: "e2fsprogs", shows: "mke2fs" },
  { package: "encfs", shows: "encfs" },
  { package: "exfat-fuse", shows: "/usr/sbin/mount.exfat-fuse" },
  { package: "exfatprogs", shows: "/usr/sbin/mkfs.exfat" },
  { package: "fio", shows: "fio" },
  { package: "fuse-overlayfs", shows: "fuse-overlayfs" },
  { package: "fuse-zip", shows: "fuse-zip" },
  { package: "fuse2fs", shows: "fuse2fs" },
  { package: "fuse3", shows: "fusermount3" },
  { package: "fuseiso", shows: "fuseiso" },
  { package: "gcc", shows: "gcc" },
  { package: "genisoimage", shows: "genisoimage" },
  { package: "git", shows: "git" },
  { package: "gocryptfs", shows: "gocryptfs" },
  { package: "inotify-tools", shows: "inotifywait" },
  { package: "libc6-dev", shows: "/usr/include/stdio.h" },
  { package: "libfuse3-dev", shows: "/usr/share/doc/libfuse3-dev/examples/passthrough_ll.c" },
  { package: "mergerfs", shows: "mergerfs" },
  { package: "ntfs-3g", shows: "ntfs-3g" },
  { package: "openssh-server", shows: "/usr/sbin/sshd" },
  { package: "pkg-config", shows: "pkg-config" },
  { package: "python3-fusepy", shows: "/usr/lib/python3/dist-packages/fusepy.py" },
  { package: "python3-llfuse", shows: "/usr/share/doc/python3-llfuse" },
  { package: "python3-pyfuse3", shows: "/usr/lib/python3/dist-packages/pyfuse3_asyncio.py" },
  { package: "rclone", shows: "rclone" },
  { package: "rsync", shows: "rsync" },
  { package: "s3fs", shows: "s3fs" },
  { package: "sqlite3", shows: "sqlite3" },
  { package: "squashfs-tools", shows: "mksquashfs" },
  { package: "squashfuse", shows: "squashfuse" },
  { package: "sshfs", shows: "sshfs" },
  { package: "stress-ng", shows: "stress-ng" },
  { package: "tar", shows: "tar" },
  { package: "unionfs-fuse", shows: "unionfs" },
  { package: "unzip", shows: "unzip" },
  { package: "util-linux", shows: "mountpoint" },
  { package: "zip", shows: "zip" },
];

export function setup(): void {
  const missing = NEEDED.filter(({ shows }) => !isThere(shows)).map((need) => need.package);
  if (missing.length === 0) return;
  if (process.getuid?.() !== 0 || Bun.which("apt-get") === null) {
    console.log(`setup: install as root for the tests that need them: ${missing.join(" ")}`);
    return;
  }
  console.log(`setup: installing ${missing.join(" ")}`);
  if (!install(missing) && !(aptGet("update") && install(missing))) {
    console.log("setup: apt-get failed; tests that need these packages will say so");
  }
}

function isThere(shows: string): boolean {
  return shows.startsWith("/") ? existsSync(shows) : Bun.which(shows) !== null;
}

function install(packages: readonly string[]): boolean {
  return aptGet("install", "--yes", "--no-install-recommends", ...packages);
}

/** Quiet unless it fails for good: a first failure only means that the lists of packages are old. */
function aptGet(...parameters: string[]): boolean {
  const run = spawnSync(
    "apt-get",
    ["--quiet", "--quiet", "--option", "DPkg::Lock::Timeout=300", ...parameters],
    {
      stdio: ["ignore", "ignore", "pipe"],
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
      timeout: 600_000,
    },
  );
  if (run.status !== 0) console.log(`setup: ${run.stderr.toString().trim().split("\n").at(-1)}`);
  return run.status === 0;
}

if (import.meta.main) setup();
