import { describe, expect, test } from "bun:test";
import * as structs from "../../src/fuse/structs.ts";
import abi from "./abi.json";

/** What the tests need of any struct. */
interface Layout {
  readonly size: number;
  readonly align: number;
  readonly fields: Readonly<Record<string, { readonly size: number }>>;
  readonly offsets: Readonly<Record<string, number>>;
  at(minor: number): Layout;
  create(): object;
  read(view: DataView, offset: number): object;
}

const ours: Record<string, Layout> = { ...structs };

function camel(name: string): string {
  return name.replace(/^_+/, "").replace(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase());
}

/** fuse_entry_out is EntryOut, cuse_init_in is CuseInitIn. */
function titled(name: string): string {
  const words = camel(name.replace(/^fuse_/, ""));
  return words.charAt(0).toUpperCase() + words.slice(1);
}

interface Member {
  readonly name: string;
  readonly offset: number;
  /** None for an array of any length at the end, which is no field of ours. */
  readonly size: number | undefined;
}

function members(list: string): Member[] {
  return list.split(" ").map((text) => {
    const [, name = "", offset, size] = text.match(/^(\w+)@(\d+)(?:\+(\d+))?$/) ?? [];
    return { name: camel(name), offset: Number(offset), size: size ? Number(size) : undefined };
  });
}

describe("as a C compiler lays them out", () => {
  for (const [name, [size, list]] of Object.entries(abi.structs) as [string, [number, string]][]) {
    test(name, () => {
      const struct = ours[titled(name)];
      if (!struct) throw new Error(`${name} is missing`);
      expect(struct.size).toBe(size);
      const fixed = members(list).filter((member) => member.size !== undefined);
      expect(
        Object.entries(struct.fields).map(([key, field]) => ({
          name: key,
          offset: struct.offsets[key],
          size: field.size,
        })),
      ).toEqual(fixed as { name: string; offset: number; size: number }[]);
    });
  }

  test("and there are no others", () => {
    expect(Object.keys(ours).sort()).toEqual(Object.keys(abi.structs).map(titled).sort());
  });
});

describe("as older peers have them", () => {
  const { constants } = abi;
  // Struct, newest minor that has the size, size: the COMPAT sizes of the header, then libfuse's and the kernel's practice.
  const table: [keyof typeof structs, number, number][] = [
    ["EntryOut", 8, constants.FUSE_COMPAT_ENTRY_OUT_SIZE],
    ["AttrOut", 8, constants.FUSE_COMPAT_ATTR_OUT_SIZE],
    ["MknodIn", 11, constants.FUSE_COMPAT_MKNOD_IN_SIZE],
    ["WriteIn", 8, constants.FUSE_COMPAT_WRITE_IN_SIZE],
    ["StatfsOut", 3, constants.FUSE_COMPAT_STATFS_SIZE],
    ["SetxattrIn", 32, constants.FUSE_COMPAT_SETXATTR_IN_SIZE],
    ["InitOut", 4, constants.FUSE_COMPAT_INIT_OUT_SIZE],
    ["InitOut", 22, constants.FUSE_COMPAT_22_INIT_OUT_SIZE],
    ["InitIn", 5, 8],
    ["InitIn", 35, 16],
    ["Attr", 8, 80],
    ["GetattrIn", 8, 0],
    ["ReadIn", 8, 24],
    ["LkIn", 8, 40],
    ["ReleaseIn", 7, 16],
    ["CreateIn", 11, 8],
  ];
  test.each(table)("%s is shorter up to 7.%d", (name, minor, size) => {
    const struct = ours[name] as Layout;
    expect(struct.at(minor).size).toBe(size);
    expect(struct.at(minor + 1).size).toBeGreaterThan(size);
  });

  test("libperfuse's 7.12 has these", () => {
    const sizes = {
      InHeader: 40,
      OutHeader: 16,
      InitIn: 16,
      InitOut: 24,
      EntryOut: 128,
      AttrOut: 104,
      OpenIn: 8,
      OpenOut: 16,
      CreateIn: 16,
      MknodIn: 16,
      MkdirIn: 8,
      GetattrIn: 16,
      SetattrIn: 88,
      ReadIn: 40,
      WriteIn: 40,
      ReleaseIn: 24,
      FsyncIn: 16,
      StatfsOut: 80,
      SetxattrIn: 8,
      LkIn: 48,
      PollIn: 24,
    };
    const actual = Object.keys(sizes).map((name) => [name, ours[name]?.at(12).size]);
    expect(Object.fromEntries(actual)).toEqual(sizes);
  });

  test("what took the place of padding moved nothing and is not read before its time", () => {
    const born: [keyof typeof structs, string, number][] = [
      ["Attr", "flags", 32],
      ["MkdirIn", "umask", 12],
      ["SetattrIn", "fh", 3],
      ["SetattrIn", "lockOwner", 9],
      ["SetattrIn", "ctime", 23],
      ["SetattrIn", "ctimensec", 23],
      ["OpenIn", "openFlags", 33],
      ["CreateIn", "openFlags", 33],
      ["OpenOut", "backingId", 40],
      ["ReleaseIn", "releaseFlags", 8],
      ["PollIn", "events", 21],
      ["InHeader", "totalExtlen", 38],
      ["NotifyInvalEntryOut", "flags", 38],
      ["InitOut", "maxReadahead", 6],
      ["InitOut", "maxBackground", 13],
      ["InitOut", "congestionThreshold", 13],
      ["InitOut", "maxPages", 28],
      ["InitOut", "mapAlignment", 31],
      ["InitOut", "flags2", 36],
      ["InitOut", "maxStackDepth", 40],
      ["InitOut", "requestTimeout", 43],
    ];
    // Every field is other than zero, and those of 64 bits are below 2 ** 53.
    const view = new DataView(
      Uint8Array.from({ length: 512 }, (_, i) => (i % 8 === 7 ? 0 : 1)).buffer,
    );
    for (const [name, field, minor] of born) {
      const struct = ours[name] as Layout;
      const value = (at: number) => (struct.at(at).read(view, 0) as Record<string, unknown>)[field];
      expect([name, field, Number(value(minor - 1))]).toEqual([name, field, 0]);
      expect([name, field, Number(value(minor)) > 0]).toEqual([name, field, true]);
      expect(struct.at(minor - 1).offsets[field]).toBe(struct.offsets[field] as number);
    }
  });
});

/** Bytes by hand: numbers are u32, bigints are u64. */
function wire(...values: (number | bigint)[]): DataView {
  const view = new DataView(new ArrayBuffer(values.length * 8));
  let at = 0;
  for (const value of values) {
    if (typeof value === "bigint") view.setBigUint64(at, value, true);
    else view.setUint32(at, value, true);
    at += typeof value === "bigint" ? 8 : 4;
  }
  return new DataView(view.buffer, 0, at);
}

const MANY = 2n ** 64n - 1n;

describe("values", () => {
  test("an entry", () => {
    const entry = wire(
      ...[7n, 8n, MANY, 9n, 10, 11], // nodeid, generation, validities
      ...[MANY - 4096n, 0x123456789an, 13n, -14n, 15n, 16n], // ino, size, blocks, times
      ...[17, 18, 19, 0o100644, 20, 21, 22, 23, 24, 25], // nanoseconds, mode, nlink, uid, gid, rdev, blksize, flags
    );
    expect(entry.byteLength).toBe(128);
    expect(structs.EntryOut.read(entry, 0)).toEqual({
      nodeid: 7,
      generation: 8,
      entryValid: Number.MAX_SAFE_INTEGER,
      attrValid: 9,
      entryValidNsec: 10,
      attrValidNsec: 11,
      attr: {
        ino: (2 ** 21 - 1 - (2 ** 11 - 1) * 2 ** 10) * 2 ** 32 + 2 ** 32 - 4097, // folded
        size: 0x123456789a,
        blocks: 13,
        atime: -14,
        mtime: 15,
        ctime: 16,
        atimensec: 17,
        mtimensec: 18,
        ctimensec: 19,
        mode: 0o100644,
        nlink: 20,
        uid: 21,
        gid: 22,
        rdev: 23,
        blksize: 24,
        flags: 25,
      },
    });
  });

  test("a read, whose lock owner is no object's business", () => {
    const read = wire(1n, 2n, 3, 4, MANY, 5, 6);
    expect(structs.ReadIn.read(read, 0)).toEqual({
      fh: 1,
      offset: 2,
      size: 3,
      readFlags: 4,
      flags: 5,
    });
    expect(read.getBigUint64(structs.ReadIn.offsets.lockOwner, true)).toBe(MANY);
  });

  test("a lock to the end of the file goes there and back", () => {
    const lock = wire(100n, 2n ** 63n - 1n, 1, 4711);
    const value = structs.LkOut.read(lock, 0);
    expect(value).toEqual({
      lk: { start: 100, end: Number.MAX_SAFE_INTEGER, type: 1, pid: 4711 },
    });
    const back = new DataView(new ArrayBuffer(24));
    structs.LkOut.write(back, 0, value);
    expect([0, 8, 16].map((at) => back.getBigUint64(at))).toEqual(
      [0, 8, 16].map((at) => lock.getBigUint64(at)),
    );
  });

  test("lengths that mean all there is are taken", () => {
    expect(structs.CopyFileRangeIn.read(wire(1n, 2n, 3n, 4n, 5n, MANY, 0n), 0).len).toBe(
      Number.MAX_SAFE_INTEGER,
    );
    expect(structs.FallocateIn.read(wire(1n, 2n, 2n ** 63n - 1n, 3, 0), 0).length).toBe(
      Number.MAX_SAFE_INTEGER,
    );
  });

  test("an error is negative, unique any 64 bits", () => {
    expect(structs.OutHeader.read(wire(16, -38, MANY), 0)).toEqual({
      len: 16,
      error: -38,
      unique: MANY,
    });
  });
});
