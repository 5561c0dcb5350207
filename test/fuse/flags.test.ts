import { describe, expect, test } from "bun:test";
import * as flags from "../../src/fuse/flags.ts";
import abi from "./abi.json";

const { common, flagNames, has, InitFlags, InitMinors, initFlags, initWords, union } = flags;

/** The names of one prefix in the header, less the prefix, and their values. */
function family(prefix: string): Record<string, number> {
  const entries = Object.entries(abi.flags).filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(entries.map(([name, hex]) => [name.slice(prefix.length), Number(hex)]));
}

const families: Record<string, flags.Flags> = {
  FATTR_: flags.FattrFlags,
  FOPEN_: flags.FopenFlags,
  CUSE_: flags.CuseFlags,
  FUSE_RELEASE_: flags.ReleaseFlags,
  FUSE_GETATTR_: flags.GetattrFlags,
  FUSE_LK_: flags.LkFlags,
  FUSE_WRITE_: flags.WriteFlags,
  FUSE_READ_: flags.ReadFlags,
  FUSE_IOCTL_: flags.IoctlFlags,
  FUSE_POLL_: flags.PollFlags,
  FUSE_FSYNC_: flags.FsyncFlags,
  FUSE_ATTR_: flags.AttrFlags,
  FUSE_OPEN_: flags.OpenFlags,
  FUSE_SETXATTR_: flags.SetxattrFlags,
  FUSE_EXPIRE: flags.InvalEntryFlags,
  FUSE_UNIQUE_: flags.UniqueFlags,
  FUSE_SETUPMAPPING_FLAG_: flags.SetupmappingFlags,
};

function bare<T>(table: Record<string, T>, prefix = "FUSE_"): Record<string, T> {
  const entries = Object.entries(table);
  return Object.fromEntries(entries.map(([name, row]) => [name.replace(prefix, ""), row]));
}

function first(table: Record<string, (number | null)[]>): Record<string, number> {
  return Object.fromEntries(Object.entries(table).map(([name, row]) => [name, row[0] as number]));
}

describe("as the header has them", () => {
  for (const [prefix, ours] of Object.entries(families)) {
    test(prefix, () => {
      const theirs = family(prefix);
      if (prefix === "FUSE_EXPIRE") expect(ours).toEqual({ EXPIRE_ONLY: theirs._ONLY as number });
      else if (prefix === "FUSE_WRITE_")
        expect(ours).toEqual({ ...theirs, KILL_PRIV: abi.constants.FUSE_WRITE_KILL_PRIV });
      else expect(ours).toEqual(theirs);
    });
  }

  test("no flag is in no family", () => {
    const prefixes = Object.keys(families);
    const stray = Object.keys(abi.flags).filter(
      (name) => !prefixes.some((p) => name.startsWith(p)),
    );
    expect(stray).toEqual([]);
  });

  test("INIT flags, bits and minors", () => {
    const rows = Object.entries(bare(abi.initFlags)) as [string, [number, number]][];
    expect(InitFlags).toEqual(
      Object.fromEntries(rows.map(([name, [bit]]) => [name, 2 ** bit])) as typeof InitFlags,
    );
    expect(InitMinors).toEqual(
      Object.fromEntries(rows.map(([name, [, minor]]) => [name, minor])) as typeof InitMinors,
    );
  });

  test("notifications, commands, extensions", () => {
    const tables: [flags.Flags, flags.Flags][] = [
      [flags.Notify, bare(first(abi.notify), "FUSE_NOTIFY_")],
      [flags.UringCmd, bare(abi.uringCommands, "FUSE_IO_URING_CMD_")],
      [flags.ExtType, bare(bare(abi.extTypes), "EXT_")],
    ];
    for (const [ours, theirs] of tables) expect(ours).toEqual(theirs);
  });

  test("constants", () => {
    const { FUSE_WRITE_KILL_PRIV: _, ...constants } = abi.constants;
    expect(flags.Constants).toEqual(bare<number>(constants) as typeof flags.Constants);
    const { KERNEL_VERSION, KERNEL_MINOR_VERSION } = flags.Constants;
    expect<number[]>([KERNEL_VERSION, KERNEL_MINOR_VERSION]).toEqual(abi.version);
  });
});

describe("as Linux has them", () => {
  // Numbers of a C compiler on x86-64, uapi/asm-generic/fcntl.h; arm64 has the second ones, uapi/asm/fcntl.h.
  test("open(2)", () => {
    const arm = process.arch === "arm64";
    expect(flags.O).toEqual({
      RDONLY: 0,
      WRONLY: 1,
      RDWR: 2,
      EXEC: 0x20,
      CREAT: 0x40,
      EXCL: 0x80,
      NOCTTY: 0x100,
      TRUNC: 0x200,
      APPEND: 0x400,
      NONBLOCK: 0x800,
      SYNC: 0x101000,
      DSYNC: 0x1000,
      ASYNC: 0x2000,
      DIRECT: arm ? 0x10000 : 0x4000,
      LARGEFILE: arm ? 0x20000 : 0x8000,
      TMPFILE: arm ? 0x404000 : 0x410000,
      DIRECTORY: arm ? 0x4000 : 0x10000,
      NOFOLLOW: arm ? 0x8000 : 0x20000,
      NOATIME: 0x40000,
      CLOEXEC: 0x80000,
      PATH: 0x200000,
    } as unknown as typeof flags.O);
    expect(flags.O_ACCMODE).toBe(3);
  });
});

describe("flagNames", () => {
  test("says each bit once and what is left in hexadecimal", () => {
    expect(flagNames(flags.FattrFlags, 0x9)).toBe("MODE|SIZE");
    expect(flagNames(flags.FattrFlags, 0x4048)).toBe("SIZE|FH|0x4000");
    expect(flagNames(flags.FattrFlags, 0x8000_0000)).toBe("0x80000000");
    expect(flagNames(flags.FattrFlags, 0)).toBe("0");
  });

  test("says one of two names for the same bit, and only the greater of two that overlap", () => {
    expect(flagNames(flags.WriteFlags, 5)).toBe("CACHE|KILL_SUIDGID");
    expect(flagNames(flags.O, flags.O.SYNC | flags.O.RDWR)).toBe("RDWR|SYNC");
    expect(flagNames(flags.O, flags.O.TMPFILE | flags.O.DSYNC)).toBe("DSYNC|TMPFILE");
    expect(flagNames(flags.O, flags.O.DIRECTORY)).toBe("DIRECTORY");
  });

  test("knows more than 32 bits", () => {
    expect(flagNames(InitFlags, 2 ** 42 + 2 ** 36 + 2 ** 31 + 1 + 2 ** 45)).toBe(
      "ASYNC_READ|INIT_RESERVED|DIRECT_IO_ALLOW_MMAP|REQUEST_TIMEOUT|0x200000000000",
    );
    expect(flagNames(flags.UniqueFlags, 2 ** 63)).toBe("RESEND");
  });
});

describe("sets of INIT flags", () => {
  const low = 0x8000_0001;
  const high = 0x401; // bits 32 and 42

  test("are two words on the wire", () => {
    expect(initFlags(low, high)).toBe(2 ** 42 + 2 ** 32 + 2 ** 31 + 1);
    expect(initWords(2 ** 42 + 2 ** 32 + 2 ** 31 + 1)).toEqual({ flags: low, flags2: high });
    expect(initWords(initFlags(0xffffffff, 0xffffffff))).toEqual({
      flags: 0xffffffff,
      flags2: 0x1fffff,
    });
    expect(initFlags(-1, 0)).toBe(0xffffffff);
  });

  test("common and union work on both words", () => {
    const a = 2 ** 42 + 2 ** 32 + 2 ** 31 + 6;
    const b = 2 ** 42 + 2 ** 33 + 2 ** 31 + 3;
    expect(common(a, b)).toBe(2 ** 42 + 2 ** 31 + 2);
    expect(union(a, b)).toBe(2 ** 42 + 2 ** 33 + 2 ** 32 + 2 ** 31 + 7);
  });

  test("has looks at the right bit and at all of several", () => {
    const set = 2 ** 42 + 2 ** 31 + 1;
    for (let bit = 0; bit < 53; bit++) {
      expect([bit, has(set, 2 ** bit)]).toEqual([bit, bit === 42 || bit === 31 || bit === 0]);
    }
    expect(has(set, 2 ** 42 + 1)).toBe(true);
    expect(has(set, 2 ** 42 + 2)).toBe(false);
    expect(has(set, 0)).toBe(false);
  });
});
