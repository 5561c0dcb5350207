import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openPuffs } from "../../ffi/puffs.ts";
import { FIONBIO } from "../../src/puffs/flags.ts";

/*
 * There is no NetBSD here: a library of the name of its C library, with the functions that are called of it, tells how it was called.
 */

const LIBRARY = `
#include <stdio.h>
static int number;
int *__errno(void) { return &number; }
int __mount50(const char *type, const char *dir, int flags, void *data, unsigned long length)
{
  printf("mount %s %s 0x%x %lu %d\\n", type, dir, flags, length, ((unsigned char *)data)[length - 1]);
  fflush(stdout);
  number = 45;
  return length == 3984 ? 0 : -1;
}
int ioctl(int fd, unsigned long request, int *what)
{
  printf("ioctl %d 0x%lx %d\\n", fd, request, *what);
  fflush(stdout);
  number = 9;
  return fd == 5 ? 0 : -1;
}
`;

const PROGRAM = `
const { mountPuffs, setPuffsBlocking } = await import(process.argv[1]);
const args = new Uint8Array(3984);
args[3983] = 7;
const answers = [mountPuffs("/mnt/é", 0x80000018, args), mountPuffs("/", 0, args.subarray(0, 9))];
answers.push(setPuffsBlocking(5, false), setPuffsBlocking(5, true), setPuffsBlocking(6, true));
console.log(answers.join(" "));
`;

test("NetBSD's C library is called as its headers say, and its errors are its own numbers", () => {
  const directory = mkdtempSync(join(tmpdir(), "netbsd-"));
  try {
    const source = join(directory, "libc.c");
    writeFileSync(source, LIBRARY);
    const library = join(directory, "libc.so.12");
    const built = spawnSync("cc", ["-shared", "-fPIC", "-o", library, source]);
    expect(built.stderr.toString()).toBe("");
    const path = join(import.meta.dir, "../../ffi/puffs.ts");
    const { stdout, stderr } = spawnSync(process.execPath, ["-e", PROGRAM, path], {
      env: { ...process.env, LD_LIBRARY_PATH: directory },
    });
    expect(stderr.toString()).toBe("");
    expect(stdout.toString().trim().split("\n")).toEqual([
      "mount puffs /mnt/é 0x80000018 3984 7",
      "mount puffs / 0x0 9 0",
      `ioctl 5 0x${FIONBIO.toString(16)} 1`,
      `ioctl 5 0x${FIONBIO.toString(16)} 0`,
      `ioctl 6 0x${FIONBIO.toString(16)} 0`,
      "0 45 0 0 9",
    ]);
  } finally {
    rmSync(directory, { recursive: true });
  }
}, 30_000);

test("without the device it cannot be opened", () => {
  expect(openPuffs).toThrow(expect.objectContaining({ code: "ENOENT" }));
});
