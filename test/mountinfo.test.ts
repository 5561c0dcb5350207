import { expect, test } from "bun:test";
import { mountAt, parseMountInfo, readMounts } from "../src/mountinfo.ts";

const TEXT = `22 1 254:0 / / rw,relatime - ext4 /dev/root rw
36 22 0:30 / /mnt/with\\040space\\011tab\\134slash rw,nosuid,nodev shared:7 master:2 - fuse.memfs a\\040b rw,user_id=0
41 22 0:31 / /mnt/over rw - tmpfs none rw
42 41 0:32 / /mnt/over ro,noatime - fuse none ro
43 22 0:33 / /mnt/ünï rw - fuse.x  rw
`;

test("fields are found whatever the number of optional ones, with their escapes undone", () => {
  expect(parseMountInfo(TEXT)[1]).toEqual({
    id: 36,
    parent: 22,
    device: "0:30",
    directory: "/mnt/with space\ttab\\slash",
    type: "fuse.memfs",
    source: "a b",
    options: "rw,nosuid,nodev",
  });
});

test("of mounts on each other the last is seen", () => {
  const mounts = parseMountInfo(TEXT);
  expect(mountAt("/mnt/over", mounts)).toMatchObject({ id: 42, type: "fuse" });
  expect(mountAt("/mnt", mounts)).toBeUndefined();
});

test("letters beyond ASCII and an empty source are as they are", () => {
  expect(parseMountInfo(TEXT)[4]).toMatchObject({ directory: "/mnt/ünï", source: "" });
});

test("a line that is none is passed over", () => {
  expect(parseMountInfo("\n1 2 3\n\n")).toEqual([]);
});

test("this system has a root", () => {
  expect(mountAt("/", readMounts())?.directory).toBe("/");
});
