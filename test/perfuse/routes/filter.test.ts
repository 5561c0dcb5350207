import { expect, test } from "bun:test";
import { type Abi, filterProgram, MACHINES } from "../../../src/perfuse/routes/filter.ts";

/*
 * The programs are run by an interpreter of the few instructions that they have, on a struct seccomp_data made by hand.
 */

const ALLOW = 0x7fff0000;
const NOTIFY = 0x7fc00000;
const ENOSYS = 0x00050026;
const KILL = 0x80000000;
const O_RDWR = 2;
const O_CREAT = 0o100;
const O_EXCL = 0o200;
const O_CLOEXEC = 0o2000000;
const O_PATH = 0o10000000;

function verdict(program: Uint8Array, arch: number, number: number, args: number[] = []): number {
  const data = new DataView(new ArrayBuffer(64));
  data.setInt32(0, number, true);
  data.setUint32(4, arch, true);
  for (const [index, arg] of args.entries()) data.setBigUint64(16 + 8 * index, BigInt(arg), true);
  const code = new DataView(program.buffer, program.byteOffset, program.length);
  let accumulator = 0;
  for (let at = 0; at * 8 < program.length; at++) {
    const k = code.getUint32(8 * at + 4, true);
    switch (code.getUint16(8 * at, true)) {
      case 0x20:
        accumulator = data.getUint32(k, true);
        break;
      case 0x54:
        accumulator = (accumulator & k) >>> 0;
        break;
      case 0x15:
        at += code.getUint8(8 * at + (accumulator === k ? 2 : 3));
        break;
      case 0x06:
        return k;
      default:
        throw new Error(`instruction ${at} is unknown`);
    }
  }
  throw new Error("the program runs off its end");
}

/** Each kind of programs, under the filter of its machine. */
const KINDS = Object.entries(MACHINES).flatMap(([machine, abis]) =>
  abis.map((abi): [string, Abi, readonly Abi[]] => [`${machine}, ${abi.calls.openat}`, abi, abis]),
);

for (const [name, { arch, calls }, abis] of KINDS) {
  const asks = filterProgram(abis, { asks: true });
  const whole = filterProgram(abis, { wholeReplies: true });
  const number = (call: keyof typeof calls) => calls[call] ?? -1;

  test(`${name}: opens for reading and writing are asked about, others are not`, () => {
    const openat = number("openat");
    expect(verdict(asks, arch, openat, [0, 0, O_RDWR])).toBe(NOTIFY);
    expect(verdict(asks, arch, openat, [0, 0, O_RDWR | O_CLOEXEC])).toBe(NOTIFY);
    expect(verdict(asks, arch, openat, [0, 0, O_RDWR | O_CREAT])).toBe(NOTIFY);
    expect(verdict(asks, arch, openat, [0, 0, 0])).toBe(ALLOW);
    expect(verdict(asks, arch, openat, [0, 0, 1])).toBe(ALLOW);
    expect(verdict(asks, arch, openat, [0, 0, O_RDWR | O_CREAT | O_EXCL])).toBe(ALLOW);
    expect(verdict(asks, arch, openat, [0, 0, O_RDWR | O_PATH])).toBe(ALLOW);
    expect(verdict(asks, arch, openat, [0, O_RDWR, 0])).toBe(ALLOW);
    expect(verdict(asks, arch, number("openat2"), [0, 0, 0])).toBe(NOTIFY);
    if (calls.open !== undefined) {
      expect(verdict(asks, arch, calls.open, [0, O_RDWR])).toBe(NOTIFY);
      expect(verdict(asks, arch, calls.open, [0, 0, O_RDWR])).toBe(ALLOW);
    }
  });

  test(`${name}: mounting is asked about, and its newer calls do not exist`, () => {
    expect(verdict(asks, arch, number("mount"))).toBe(NOTIFY);
    expect(verdict(asks, arch, number("umount2"))).toBe(NOTIFY);
    if (calls.umount !== undefined) expect(verdict(asks, arch, calls.umount)).toBe(NOTIFY);
    expect(verdict(asks, arch, number("fsopen"))).toBe(ENOSYS);
    expect(verdict(asks, arch, number("vmsplice"))).toBe(ALLOW);
  });

  test(`${name}: whole replies are had without vmsplice alone`, () => {
    expect(verdict(whole, arch, number("vmsplice"))).toBe(ENOSYS);
    expect(verdict(whole, arch, number("mount"))).toBe(ALLOW);
    const both = filterProgram(abis, { asks: true, wholeReplies: true });
    expect(verdict(both, arch, number("vmsplice"))).toBe(ENOSYS);
    expect(verdict(both, arch, number("mount"))).toBe(NOTIFY);
  });

  test(`${name}: a number means what it means there`, () => {
    const own = abis.filter((abi) => abi.arch === arch).flatMap((abi) => Object.values(abi.calls));
    for (const other of abis.filter((abi) => abi.arch !== arch))
      for (const foreign of Object.values(other.calls))
        if (!own.includes(foreign))
          expect(verdict(asks, arch, foreign, [O_RDWR, O_RDWR, O_RDWR])).toBe(ALLOW);
  });

  test(`${name}: who is of none of these kinds is ended`, () => {
    expect(verdict(asks, 0x80000016, number("mount"))).toBe(KILL);
    expect(verdict(whole, 0x80000016, 1)).toBe(KILL);
  });
}

test("the numbers are those of the headers", () => {
  // arch/x86/entry/syscalls/syscall_64.tbl and syscall_32.tbl, x32 with bit 30 set
  const [x86, x32, i386] = MACHINES.x64 ?? [];
  expect(x86).toEqual({
    arch: 62 + 0x80000000 + 0x40000000,
    calls: {
      ...{ open: 2, openat: 257, openat2: 437, mount: 165, umount2: 166 },
      ...{ fsopen: 430, vmsplice: 278 },
    },
  });
  expect(x32).toEqual({
    arch: 62 + 0x80000000 + 0x40000000,
    calls: {
      ...{ open: 2 ** 30 + 2, openat: 2 ** 30 + 257, openat2: 2 ** 30 + 437 },
      ...{ mount: 2 ** 30 + 165, umount2: 2 ** 30 + 166 },
      ...{ fsopen: 2 ** 30 + 430, vmsplice: 2 ** 30 + 532 },
    },
  });
  expect(i386).toEqual({
    arch: 3 + 0x40000000,
    calls: {
      ...{ open: 5, openat: 295, openat2: 437, mount: 21, umount: 22, umount2: 52 },
      ...{ fsopen: 430, vmsplice: 316 },
    },
  });
  // include/uapi/asm-generic/unistd.h, arch/arm/tools/syscall.tbl
  const [aarch64, arm] = MACHINES.arm64 ?? [];
  expect(aarch64).toEqual({
    arch: 183 + 0x80000000 + 0x40000000,
    calls: { openat: 56, openat2: 437, mount: 40, umount2: 39, fsopen: 430, vmsplice: 75 },
  });
  expect(arm).toEqual({
    arch: 40 + 0x40000000,
    calls: {
      ...{ open: 5, openat: 322, openat2: 437, mount: 21, umount2: 52 },
      ...{ fsopen: 430, vmsplice: 343 },
    },
  });
});
