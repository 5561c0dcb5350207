/**
 * The seccomp filter that a daemon runs under, as classic BPF (see seccomp(2)). What it does not name is the kernel's as ever, and so is
 * all of another architecture: a 32-bit program is simply not looked after.
 */

/** Which system calls are not left to the kernel. */
export interface FilterWishes {
  /** Whoever listens decides how /dev/fuse is opened and what is mounted. */
  readonly asks?: boolean | undefined;
  /** Replies come in one piece: without vmsplice(2) libfuse writes them. */
  readonly wholeReplies?: boolean | undefined;
}

/** The system calls that a filter may name. */
export type CallName = "open" | "openat" | "mount" | "umount2" | "fsopen" | "vmsplice";

export interface Machine {
  /** AUDIT_ARCH_* of <linux/audit.h>. */
  readonly arch: number;
  /** Numbers of <asm/unistd.h>. */
  readonly calls: { readonly [Name in CallName]?: number };
}

/** By `process.arch`. arm64 has no open(2). */
export const MACHINES: Readonly<Record<string, Machine>> = {
  x64: {
    arch: 0xc000003e,
    calls: { open: 2, openat: 257, mount: 165, umount2: 166, fsopen: 430, vmsplice: 278 },
  },
  arm64: {
    arch: 0xc00000b7,
    calls: { openat: 56, mount: 40, umount2: 39, fsopen: 430, vmsplice: 75 },
  },
};

/** An array of struct sock_filter. */
export function filterProgram(
  { arch, calls }: Machine,
  { asks, wholeReplies }: FilterWishes,
): Uint8Array {
  const rules: Rule[] = [
    ...(asks ? ASKED : []),
    ...(wholeReplies ? [{ call: "vmsplice" as const, verdict: RET_ENOSYS }] : []),
  ];
  const program: Instruction[] = [
    load(ARCH),
    [JEQ, 1, 0, arch],
    [RET, 0, 0, RET_ALLOW],
    load(NUMBER),
    ...rules.flatMap(({ call, flags, verdict }) => {
      const number = calls[call];
      return number === undefined ? [] : rule(number, flags, verdict);
    }),
    [RET, 0, 0, RET_ALLOW],
  ];
  const bytes = new DataView(new ArrayBuffer(8 * program.length));
  for (const [index, [code, whenTrue, whenFalse, k]] of program.entries()) {
    bytes.setUint16(8 * index, code, true);
    bytes.setUint8(8 * index + 2, whenTrue);
    bytes.setUint8(8 * index + 3, whenFalse);
    bytes.setUint32(8 * index + 4, k, true);
  }
  return new Uint8Array(bytes.buffer);
}

interface Rule {
  readonly call: CallName;
  /** The argument that holds open flags: only for reading and writing, of what exists, as /dev/fuse is opened. */
  readonly flags?: number;
  readonly verdict: number;
}

/** struct sock_filter: code, jt, jf, k. */
type Instruction = readonly [code: number, whenTrue: number, whenFalse: number, k: number];

function load(offset: number): Instruction {
  return [LOAD, 0, 0, offset];
}

/** The number is in the accumulator, and again if the rule does not hold. */
function rule(number: number, flags: number | undefined, verdict: number): Instruction[] {
  if (flags === undefined)
    return [
      [JEQ, 0, 1, number],
      [RET, 0, 0, verdict],
    ];
  return [
    [JEQ, 0, 5, number],
    load(ARGS + 8 * flags),
    [AND, 0, 0, O_ACCMODE | O_CREAT],
    [JEQ, 0, 1, O_RDWR],
    [RET, 0, 0, verdict],
    load(NUMBER),
  ];
}

// <linux/bpf_common.h>: BPF_LD | BPF_W | BPF_ABS and so on
const LOAD = 0x20;
const JEQ = 0x15;
const AND = 0x54;
const RET = 0x06;

// struct seccomp_data
const NUMBER = 0;
const ARCH = 4;
const ARGS = 16;

// <linux/seccomp.h>
const RET_ALLOW = 0x7fff0000;
const RET_USER_NOTIF = 0x7fc00000;
const RET_ERRNO = 0x00050000;
const ENOSYS = 38;
const RET_ENOSYS = RET_ERRNO | ENOSYS;

// <asm-generic/fcntl.h>
const O_ACCMODE = 0o3;
const O_RDWR = 0o2;
const O_CREAT = 0o100;

/** A libfuse that knows the mount calls of Linux 5.2 uses mount(2) where they are missing. */
const ASKED: readonly Rule[] = [
  { call: "open", flags: 1, verdict: RET_USER_NOTIF },
  { call: "openat", flags: 2, verdict: RET_USER_NOTIF },
  { call: "mount", verdict: RET_USER_NOTIF },
  { call: "umount2", verdict: RET_USER_NOTIF },
  { call: "fsopen", verdict: RET_ENOSYS },
];
