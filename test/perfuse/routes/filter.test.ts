import { expect, test } from "bun:test";
import { filterProgram, MACHINES, type Machine } from "../../../src/perfuse/routes/filter.ts";

/*
 * The programs are run by an interpreter of the few instructions that they have, on a struct seccomp_data made by hand.
 */

const ALLOW = 0x7fff0000;
const NOTIFY = 0x7fc00000;
const ENOSYS = 0x00050026;
const O_RDWR = 2;
const O_CREAT = 0o100;
const O_CLOEXEC = 0o2000000;

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

for (const [name, machine] of Object.entries(MACHINES) as [string, Machine][]) {
  const { arch, calls } = machine;
  const asks = filterProgram(machine, { asks: true });
  const whole = filterProgram(machine, { wholeReplies: true });
  const number = (call: keyof typeof calls) => calls[call] ?? -1;

  test(`${name}: opens for reading and writing are asked about, others are not`, () => {
    const openat = number("openat");
    expect(verdict(asks, arch, openat, [0, 0, O_RDWR])).toBe(NOTIFY);
    expect(verdict(asks, arch, openat, [0, 0, O_RDWR | O_CLOEXEC])).toBe(NOTIFY);
    expect(verdict(asks, arch, openat, [0, 0, 0])).toBe(ALLOW);
    expect(verdict(asks, arch, openat, [0, 0, 1])).toBe(ALLOW);
    expect(verdict(asks, arch, openat, [0, 0, O_RDWR | O_CREAT])).toBe(ALLOW);
    expect(verdict(asks, arch, openat, [0, O_RDWR, 0])).toBe(ALLOW);
    if (calls.open !== undefined) {
      expect(verdict(asks, arch, calls.open, [0, O_RDWR])).toBe(NOTIFY);
      expect(verdict(asks, arch, calls.open, [0, 0, O_RDWR])).toBe(ALLOW);
    }
  });

  test(`${name}: mounting is asked about, and its newer calls do not exist`, () => {
    expect(verdict(asks, arch, number("mount"))).toBe(NOTIFY);
    expect(verdict(asks, arch, number("umount2"))).toBe(NOTIFY);
    expect(verdict(asks, arch, number("fsopen"))).toBe(ENOSYS);
    expect(verdict(asks, arch, number("vmsplice"))).toBe(ALLOW);
  });

  test(`${name}: whole replies are had without vmsplice alone`, () => {
    expect(verdict(whole, arch, number("vmsplice"))).toBe(ENOSYS);
    expect(verdict(whole, arch, number("mount"))).toBe(ALLOW);
    const both = filterProgram(machine, { asks: true, wholeReplies: true });
    expect(verdict(both, arch, number("vmsplice"))).toBe(ENOSYS);
    expect(verdict(both, arch, number("mount"))).toBe(NOTIFY);
  });

  test(`${name}: calls of another architecture are the kernel's`, () => {
    expect(verdict(asks, 0x40000003, number("mount"))).toBe(ALLOW);
    expect(verdict(whole, 0x40000003, number("vmsplice"))).toBe(ALLOW);
    // x32 has the architecture of x86-64 and numbers of its own.
    expect(verdict(asks, arch, 0x40000000 | number("mount"))).toBe(ALLOW);
  });
}

test("the numbers are those of the headers", () => {
  // arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h, include/uapi/linux/audit.h
  expect(MACHINES.x64).toEqual({
    arch: 62 + 0x80000000 + 0x40000000,
    calls: { open: 2, openat: 257, mount: 165, umount2: 166, fsopen: 430, vmsplice: 278 },
  });
  expect(MACHINES.arm64).toEqual({
    arch: 183 + 0x80000000 + 0x40000000,
    calls: { openat: 56, mount: 40, umount2: 39, fsopen: 430, vmsplice: 75 },
  });
});
