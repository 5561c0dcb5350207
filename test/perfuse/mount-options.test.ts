import { expect, test } from "bun:test";
import type { MountFrame } from "../../src/perfuse/mount-frame.ts";
import { mountOptions } from "../../src/perfuse/mount-options.ts";

/** mount(2) of Linux: MS_*. */
const MS = { RDONLY: 1, NOSUID: 2, NODEV: 4, NOEXEC: 8, SYNCHRONOUS: 16, NOATIME: 1024 };
const SAFE = MS.NOSUID | MS.NODEV;

function options(frame: Partial<MountFrame>, { door = "fuse", isRoot = true } = {}) {
  return mountOptions({ target: "/t", flags: 0, ...frame }, door, isRoot);
}

for (const [netbsd, linux] of [
  [0, 0],
  [0x1, MS.RDONLY],
  [0x2, MS.SYNCHRONOUS],
  [0x4, MS.NOEXEC],
  [0x8, 0],
  [0x10, 0],
  [0x4000000, MS.NOATIME],
  [0x4000007, MS.NOATIME | MS.RDONLY | MS.SYNCHRONOUS | MS.NOEXEC],
  [0x80000000 | 0x10000 | 0x40, 0],
] as const)
  test(`NetBSD's mount flags 0x${(netbsd >>> 0).toString(16)}`, () => {
    expect(options({ flags: netbsd >>> 0 }).flags).toBe(SAFE | linux);
  });

test("set-user-ID bits and devices are for root, who must say so, and not against the flags", () => {
  expect(options({ data: "fd=3,suid,dev" }).flags).toBe(0);
  expect(options({ data: "suid" }).flags).toBe(MS.NODEV);
  expect(options({ data: "suid,dev", flags: 0x8 }).flags).toBe(MS.NOSUID);
  expect(options({ data: "suid,dev" }, { isRoot: false }).flags).toBe(SAFE);
});

test("of the data only what is known counts", () => {
  const data =
    "fd=7,rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions,blkdev,ro,door=puffs,fsname=x,subtype=y,log=/etc/passwd";
  const { mount, flags } = options({ data });
  expect(flags).toBe(SAFE);
  expect(mount).toEqual({
    allow_other: true,
    default_permissions: true,
    grace: 5,
    fsname: "/dev/fuse",
    subtype: "perfuse",
  });
});

for (const [data, bytes] of [
  ["max_read=131072,fd=3", 131072],
  ["max_read=4096", 4096],
  ["max_read=4095", undefined],
  ["max_read=0", undefined],
  ["max_read=9999999999", undefined],
  ["max_read=1k", undefined],
  ["xmax_read=8192", undefined],
] as const)
  test(`data ${data}`, () => {
    expect(options({ data }).mount.max_read).toBe(bytes as number);
  });

test("the names it has on either side", () => {
  const frame = { source: "host:/x", type: "glusterfs" };
  expect(options(frame).mount).toMatchObject({ fsname: "host:/x", subtype: "glusterfs" });
  const puffs = { door: "comfd" };
  expect(options(frame, puffs).mount).toMatchObject({
    fsname: "host:/x",
    subtype: "perfuse|glusterfs",
  });
  expect(options({}, puffs).mount).toMatchObject({ fsname: "/dev/puffs", subtype: "perfuse" });
  expect(options({ type: "a b,c/d|é.2_x+-" }).mount.subtype).toBe("a_b_c_d__.2_x+-");
});
