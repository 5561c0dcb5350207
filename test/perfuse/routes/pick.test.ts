import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readElf } from "../../../src/perfuse/routes/elf.ts";
import { findProgram, pickRoute } from "../../../src/perfuse/routes/pick.ts";

let folder = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "puffs-pick-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function program(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  chmodSync(path, 0o755);
  return path;
}

/** An ELF file of x86-64 by hand, loaded at 0x400000, that needs these libraries. */
function elf(...needed: readonly string[]): Uint8Array {
  const file = new DataView(new ArrayBuffer(1024));
  const u64 = (at: number, value: number) => file.setBigUint64(at, BigInt(value), true);
  new Uint8Array(file.buffer).set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  file.setUint16(18, 62, true); // e_machine
  u64(32, 64); // e_phoff
  file.setUint16(54, 56, true); // e_phentsize
  file.setUint16(56, 2, true); // e_phnum
  file.setUint32(64, 1, true); // PT_LOAD
  u64(64 + 16, 0x400000); // p_vaddr
  u64(64 + 32, 1024); // p_filesz
  file.setUint32(120, 2, true); // PT_DYNAMIC
  u64(120 + 8, 256); // p_offset
  u64(120 + 32, 16 * (needed.length + 3)); // p_filesz
  const strings = `\0${needed.map((name) => `${name}\0`).join("")}`;
  new Uint8Array(file.buffer).set(Buffer.from(strings), 512);
  const entries = [
    ...needed.map((name) => [1, strings.indexOf(name)]),
    [5, 0x400000 + 512], // DT_STRTAB
    [10, strings.length], // DT_STRSZ
    [0, 0],
  ];
  for (const [index, [tag = 0, value = 0]] of entries.entries()) {
    u64(256 + 16 * index, tag);
    u64(256 + 16 * index + 8, value);
  }
  return new Uint8Array(file.buffer);
}

/** A program of Go that says this somewhere. */
function go(words: string): Uint8Array {
  return Buffer.concat([elf(), Buffer.from(`\xff Go buildinf:${words}`, "latin1")]);
}

test("what a program is linked with is read from its file", () => {
  const path = program("linked", elf("libfuse3.so.3", "libc.so.6"));
  expect(readElf(path)).toEqual({ machine: 62, needed: ["libfuse3.so.3", "libc.so.6"] });
  expect(readElf(program("alone", elf()))).toEqual({ machine: 62, needed: [] });
  expect(readElf(process.execPath)?.needed).toContain("libc.so.6");
});

test("what is no ELF file, or a part of one, is none", () => {
  expect(readElf(program("text", "#!/bin/sh\n"))).toBeUndefined();
  expect(readElf(program("empty", ""))).toBeUndefined();
  const whole = elf("libfuse3.so.3");
  for (const length of [4, 20, 63, 64, 100, 150])
    expect(readElf(program("part", whole.subarray(0, length)))).toBeUndefined();
  const far = elf("libfuse3.so.3");
  new DataView(far.buffer).setBigUint64(32, 2n ** 60n, true);
  expect(readElf(program("far", far))).toBeUndefined();
});

for (const [what, content, asRoot, asUser] of [
  ["libfuse 3", elf("libfuse3.so.3"), "fd", "fd"],
  ["libfuse 3 of later", elf("libc.so.6", "libfuse3.so.4"), "fd", "fd"],
  ["libfuse 2", elf("libfuse.so.2", "libc.so.6"), "seccomp", "fusermount"],
  ["neither", elf("libc.so.6"), "seccomp", "seccomp"],
  ["go-fuse", go("github.com/hanwen/go-fuse/v2 bazil.org/fuse"), "fd", "fd"],
  ["bazil", go("bazil.org/fuse"), "fusermount", "fusermount"],
  ["the words without Go", "github.com/hanwen/go-fuse/v2", "seccomp", "seccomp"],
  ["a shell script", "#!/bin/sh\nexec sshfs pyfuse3\n", "seccomp", "seccomp"],
  ["a script with pyfuse3", "#!/usr/bin/env python3\nimport pyfuse3\n", "fd", "fd"],
  ["a script with llfuse", "#!/usr/bin/python3\nimport llfuse\n", "seccomp", "seccomp"],
] as const)
  test(`${what}: ${asRoot} for root, ${asUser} for others`, () => {
    const path = program("daemon", content);
    expect(pickRoute(path, [], { isRoot: true }).route).toBe(asRoot);
    expect(pickRoute(path, [], { isRoot: false }).route).toBe(asUser);
    expect(pickRoute(path, [], { isRoot: true }).goFuse).toBe(what === "go-fuse");
  });

test("where system calls cannot be passed on, libfuse 2 asks fusermount for root too", () => {
  const path = program("daemon", elf("libfuse.so.2"));
  expect(pickRoute(path, [], { isRoot: true, listeners: false }).route).toBe("fusermount");
  const other = program("other", elf());
  expect(pickRoute(other, [], { isRoot: true, listeners: false }).route).toBe("seccomp");
});

test("go-fuse is offered 7.12, at which it does not splice", () => {
  expect(pickRoute(program("daemon", go("github.com/hanwen/go-fuse/v2")), []).minor).toBe(12);
  expect(pickRoute(program("daemon", go("bazil.org/fuse")), []).minor).toBeUndefined();
});

test("some are known by name, through links too", () => {
  const plain = elf("libc.so.6");
  expect(pickRoute(program("fuse-overlayfs", plain), [])).toEqual({
    route: "fd",
    goFuse: false,
    minor: 31,
  });
  const rclone = program("rclone", plain);
  expect(pickRoute(rclone, ["mount", "a:", "{}"]).route).toBe("fusermount");
  expect(pickRoute(rclone, ["mount2", "a:", "{}"])).toMatchObject({ route: "fd", goFuse: true });
  symlinkSync(rclone, join(folder, "rclonefs"));
  expect(pickRoute(join(folder, "rclonefs"), []).route).toBe("fusermount");
  const python = program("python3.11", plain);
  const script = program("fs.py", "from pyfuse3 import Operations");
  expect(pickRoute(python, ["-u", script, "{}"]).route).toBe("fd");
  expect(pickRoute(python, ["/nowhere.py", "{}"]).route).toBe("seccomp");
});

test("a program is found along PATH or by its path, or is missing in one line", () => {
  expect(findProgram("sh")).toMatch(/\/sh$/);
  const path = program("here", "");
  expect(findProgram(path)).toBe(path);
  expect(() => findProgram("no-such-daemon")).toThrow(/no-such-daemon: there is no such program/);
  chmodSync(path, 0o644);
  expect(() => findProgram(path)).toThrow(/here: it may not be executed; check its mode/);
  expect(() => findProgram(folder)).toThrow(/there is no such program/);
  expect(() => findProgram(join(path, "below"))).toThrow(/there is no such program/);
});
