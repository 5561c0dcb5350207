/**
 * The seccomp filter that a daemon runs under, as classic BPF (see seccomp(2)). What it does not name is the kernel's as ever.
 */

/** Which system calls are not left to the kernel. */
export interface FilterWishes {
  /** Whoever listens decides how /dev/fuse is opened and what is mounted. */
  readonly asks?: boolean | undefined;
  /** Replies come in one piece: without vmsplice(2) libfuse writes them. */
  readonly wholeReplies?: boolean | undefined;
}

/** The system calls that a filter may name. */
export type CallName =
  | "open"
  | "openat"
  | "openat2"
  | "mount"
  | "umount"
  | "umount2"
  | "fsopen"
  | "vmsplice";

/** How programs of one kind call the kernel. */
export interface Abi {
  /** AUDIT_ARCH_* of <linux/audit.h>. */
  readonly arch: number;
  /** Numbers of <asm/unistd.h>; what is left out does not exist. */
  readonly calls: { readonly [Name in CallName]?: number };
}

/** All that a machine's kernel runs, by `process.arch`. umount is that of one argument, which only the oldest have. */
export const MACHINES: Readonly<Record<string, readonly Abi[]>> = {
  x64: [
    // x86-64
    {
      arch: 0xc000003e,
      calls: {
        ...{ open: 2, openat: 257, openat2: 437, vmsplice: 278 },
        ...{ mount: 165, umount2: 166, fsopen: 430 },
      },
    },
    // x32, whose numbers begin at 2 ** 30
    {
      arch: 0xc000003e,
      calls: {
        ...{ open: 0x40000002, openat: 0x40000101, openat2: 0x400001b5, vmsplice: 0x40000214 },
        ...{ mount: 0x400000a5, umount2: 0x400000a6, fsopen: 0x400001ae },
      },
    },
    // i386
    {
      arch: 0x40000003,
      calls: {
        ...{ open: 5, openat: 295, openat2: 437, vmsplice: 316 },
        ...{ mount: 21, umount: 22, umount2: 52, fsopen: 430 },
      },
    },
  ],
  arm64: [
    // AArch64
    {
      arch: 0xc00000b7,
      calls: {
        ...{ openat: 56, openat2: 437, vmsplice: 75 },
        ...{ mount: 40, umount2: 39, fsopen: 430 },
      },
    },
    // ARM, EABI
    {
      arch: 0x40000028,
      calls: {
        ...{ open: 5, openat: 322, openat2: 437, vmsplice: 343 },
        ...{ mount: 21, umount2: 52, fsopen: 430 },
      },
    },
  ],
};

/** An array of struct sock_filter, for all programs of a machine. One that is none of these kinds is ended (SIGSYS). */
export function filterProgram(abis: readonly Abi[], wishes: FilterWishes): Uint8Array {
  const { asks, wholeReplies } = wishes;
  const rules = [...(asks ? ASKED : []), ...(wholeReplies ? [NO_VMSPLICE] : [])];
  const program: Instruction[] = [
    ...abis.flatMap((abi) => block(abi, rules)),
    load(ARCH),
    ...[...new Set(abis.map(({ arch }) => arch))].flatMap((arch) => when(arch, RET_ALLOW)),
    [RET, 0, 0, RET_KILL_PROCESS],
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

/** Whether flags of open(2) are such as /dev/fuse is opened with: for reading and writing, and of what may exist. */
export function mayOpenDevice(flags: number): boolean {
  return (flags & OPENING) === O_RDWR;
}

interface Rule {
  readonly call: CallName;
  /** The argument that holds open flags: only those of `mayOpenDevice`. */
  readonly flags?: number;
  readonly verdict: number;
}

/** struct sock_filter: code, jt, jf, k. */
type Instruction = readonly [code: number, whenTrue: number, whenFalse: number, k: number];

/** What holds for one kind of programs; others go past it. */
function block({ arch, calls }: Abi, rules: readonly Rule[]): Instruction[] {
  const tests = rules.flatMap(({ call, flags, verdict }) => {
    const number = calls[call];
    return number === undefined ? [] : rule(number, flags, verdict);
  });
  return [load(ARCH), [JEQ, 0, tests.length + 1, arch], load(NUMBER), ...tests];
}

function load(offset: number): Instruction {
  return [LOAD, 0, 0, offset];
}

/** If this is in the accumulator, that is the verdict. */
function when(value: number, verdict: number): Instruction[] {
  return [
    [JEQ, 0, 1, value],
    [RET, 0, 0, verdict],
  ];
}

/** The number is in the accumulator, and again if the rule does not hold. */
function rule(number: number, flags: number | undefined, verdict: number): Instruction[] {
  if (flags === undefined) return when(number, verdict);
  const tests: Instruction[] = [
    load(ARGS + 8 * flags),
    [AND, 0, 0, OPENING],
    ...when(O_RDWR, verdict),
    load(NUMBER),
  ];
  return [[JEQ, 0, tests.length, number], ...tests];
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
const RET_KILL_PROCESS = 0x80000000;
const ENOSYS = 38;
const RET_ENOSYS = RET_ERRNO | ENOSYS;

// <asm-generic/fcntl.h>
const O_ACCMODE = 0o3;
const O_RDWR = 0o2;
const O_EXCL = 0o200;
const O_PATH = 0o10000000;
const OPENING = O_ACCMODE | O_EXCL | O_PATH;

/**
 * The flags of openat2(2) are in memory, which a filter does not see. Who knows the mount calls of Linux 5.2 uses mount(2)
 * where they are missing.
 */
const ASKED: readonly Rule[] = [
  { call: "open", flags: 1, verdict: RET_USER_NOTIF },
  { call: "openat", flags: 2, verdict: RET_USER_NOTIF },
  { call: "openat2", verdict: RET_USER_NOTIF },
  { call: "mount", verdict: RET_USER_NOTIF },
  { call: "umount", verdict: RET_USER_NOTIF },
  { call: "umount2", verdict: RET_USER_NOTIF },
  { call: "fsopen", verdict: RET_ENOSYS },
];

const NO_VMSPLICE: Rule = { call: "vmsplice", verdict: RET_ENOSYS };
