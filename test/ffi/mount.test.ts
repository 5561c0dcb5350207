import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmdirSync, statSync, symlinkSync, unlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MNT_DETACH, mount, mountFlags, UMOUNT_NOFOLLOW, unmount } from "../../ffi/mount.ts";

const CAP_SYS_ADMIN = 21n;
const capabilities = /CapEff:\s*(\w+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0";
const privileged = ((BigInt(`0x${capabilities}`) >> CAP_SYS_ADMIN) & 1n) === 1n;

/** The options of the mount on a path, as /proc/self/mounts has them, or undefined. */
function mounted(target: string): string[] | undefined {
  const lines = readFileSync("/proc/self/mounts", "utf8").split("\n");
  const line = lines.find((line) => line.split(" ")[1] === target);
  return line?.split(" ")[3]?.split(",");
}

/** Where nobody may mount this is skipped; with CI=true it fails, so that a missing right does not look like success. */
const here = privileged || process.env.CI === "true";

test.skipIf(!here)("mounts with flags and data, and unmounts", () => {
  const target = mkdtempSync(join(tmpdir(), "mount-é-"));
  const link = `${target}.link`;
  symlinkSync(target, link);
  const { MS_NOSUID, MS_NODEV, MS_NOEXEC } = mountFlags;
  try {
    mount("none", target, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0751,size=64k");
    expect(statSync(target).mode & 0o7777).toBe(0o751);
    expect(mounted(target)).toEqual(
      expect.arrayContaining(["nosuid", "nodev", "noexec", "size=64k"]),
    );

    expect(() => unmount(link, UMOUNT_NOFOLLOW)).toThrow(
      expect.objectContaining({ code: "EINVAL" }),
    );
    unmount(target, UMOUNT_NOFOLLOW);
    expect(mounted(target)).toBeUndefined();
    expect(() => unmount(target, 0)).toThrow(expect.objectContaining({ code: "EINVAL" }));
  } finally {
    while (mounted(target) !== undefined) unmount(target, MNT_DETACH);
    unlinkSync(link);
    rmdirSync(target);
  }
});

test("a mount that is refused says what and where", () => {
  // A container's filter refuses mount(2) before the kernel looks for the directory.
  const code = privileged ? "ENOENT" : expect.stringMatching(/^(ENOENT|EPERM)$/);
  expect(() => mount("none", "/no/such/directory", "tmpfs", 0, "")).toThrow(
    expect.objectContaining({
      code,
      syscall: "mount",
      message: expect.stringMatching(/^mount: .* \/no\/such\/directory$/),
    }),
  );
});

test("data that the kernel would cut short is refused", () => {
  const data = `size=64k,${"x".repeat(4096)}`;
  expect(() => mount("none", "/no/such/directory", "tmpfs", 0, data)).toThrow(
    expect.objectContaining({ code: "EINVAL" }),
  );
});
