import { describe, expect, test } from "bun:test";
import * as structs from "../../src/puffs/structs.ts";
import { room, struct, u16, u32 } from "../../src/struct.ts";
import abi from "./abi.json";

/** What the tests need of any struct. */
interface Layout {
  readonly size: number;
  readonly fields: Readonly<Record<string, { readonly size: number }>>;
  readonly offsets: Readonly<Record<string, number>>;
}

const ours: Record<string, Layout> = { ...structs };

function camel(name: string): string {
  return name.replace(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase());
}

/** puffs_vnmsg_rw is Rw of VnmsgRw; only names that would say too little keep "puffs". */
function titled(name: string): string {
  const kept = ["puffs_req", "puffs_flush", "puffs_error"].includes(name);
  const words = camel(kept ? name : name.replace(/^puffs_/, ""));
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** The two members that are no words of their own: a struct of one member, and a union. */
const RENAMED: Record<string, string> = { preq_pth: "framelen", devunion: "rootDevice" };

function member(text: string): { name: string; offset: number; size: number } {
  const [, name = "", offset, size] = text.match(/^(\w+)@(\d+)\+(\d+)$/) ?? [];
  const prefix = /^(pa|preq|pf|pkcr|pkcn|pvfsr|pvnr|pvn|pcache|perr|pth|va|d|f|l|tv|cr)_/;
  return {
    name: RENAMED[name] ?? camel(name.replace(prefix, "")),
    offset: Number(offset),
    size: Number(size),
  };
}

describe("as a C compiler lays them out", () => {
  for (const [name, [size, list]] of Object.entries(abi.structs) as [string, [number, string]][]) {
    test(name, () => {
      const layout = ours[titled(name)];
      if (!layout) throw new Error(`${name} is missing`);
      expect(layout.size).toBe(size);
      const fields = Object.entries(layout.fields).map(([key, field]) => ({
        name: key,
        offset: layout.offsets[key] as number,
        size: field.size,
      }));
      expect(fields).toEqual(list.split(" ").map(member));
    });
  }

  test("and there are no others", () => {
    expect(Object.keys(ours).sort()).toEqual(Object.keys(abi.structs).map(titled).sort());
  });
});

describe("bytes", () => {
  test("the header of a request, every field with a value of its own", () => {
    const bytes = new Uint8Array([
      ...[0xa8, 1, 0, 0, 0, 0, 0, 0], // framelen 424
      ...[7, 0, 0, 0, 1, 0, 0, 0], // id 2^32 + 7
      ...[0x00, 0x4c, 0x86, 0x57, 0x94, 0x55, 0, 0], // cookie 0x559457864c00
      ...[0x12, 0], // opclass VN, FAF
      ...[28, 0], // optype RECLAIM
      ...[0xfe, 0xff, 0xff, 0xff], // rv -2
      ...[8, 0, 0, 0], // setbacks
      ...[3, 1, 0, 0], // pid 259
      ...[4, 0, 0, 0], // lid
      ...[0xee, 0xee, 0xee, 0xee], // padding
      ...[0, 0, 2, 0, 0, 0, 0, 0], // buflen 131072
    ]);
    expect(structs.PuffsReq.read(new DataView(bytes.buffer), 0)).toEqual({
      framelen: 424,
      id: 2 ** 32 + 7,
      cookie: 0x559457864c00,
      opclass: 0x12,
      optype: 28,
      rv: -2,
      setbacks: 8,
      pid: 259,
      lid: 4,
      buflen: 131072,
    });
  });

  test("a cookie and an id of 64 bits are no error, and none of ours", () => {
    const bytes = new Uint8Array(56).fill(0xff, 8, 24);
    const { id, cookie } = structs.PuffsReq.read(new DataView(bytes.buffer), 0);
    expect(id).toBeGreaterThan(2 ** 53);
    expect(cookie).toBeGreaterThan(2 ** 53);
  });

  test("VNOVAL is -1 in 64 bits and 0xffffffff in 32, and is written as it was read", () => {
    const bytes = new Uint8Array(176).fill(0xff);
    bytes.fill(0, 168); // the spare
    bytes.fill(0, 20, 24); // padding
    bytes.fill(0, 164, 168);
    const va = structs.Vattr.read(new DataView(bytes.buffer), 0);
    expect(va).toMatchObject({ uid: 0xffffffff, size: -1, atime: { sec: -1, nsec: -1 }, gen: -1 });
    const again = new Uint8Array(176);
    structs.Vattr.write(new DataView(again.buffer), 0, va);
    expect(again).toEqual(bytes);
  });

  test("writing a message leaves its header, its text and its lists alone", () => {
    const bytes = new Uint8Array(structs.VnmsgLookup.size).fill(0xaa);
    const { VnmsgLookup } = structs;
    VnmsgLookup.write(new DataView(bytes.buffer), 0, VnmsgLookup.create());
    const untouched = (from: number, to: number) =>
      expect(bytes.subarray(from, to).every((byte) => byte === 0xaa)).toBe(true);
    untouched(0, 56);
    untouched(64, 64 + 1024);
    untouched(1104 + 16, 1104 + 80);
    expect(bytes[56]).toBe(0);
    expect(bytes[1088]).toBe(0);
  });
});

describe("room", () => {
  const S = struct({ before: u16, left: room(3, 4), after: u32, end: room(0) });

  test("has a place and is in no value", () => {
    expect(S.offsets).toEqual({ before: 0, left: 4, after: 8, end: 12 });
    expect(S.create()).toEqual({ before: 0, after: 0 });
  });

  test("is neither read nor written", () => {
    const bytes = new Uint8Array([1, 0, 9, 9, 7, 7, 7, 9, 2, 0, 0, 0]);
    const view = new DataView(bytes.buffer);
    expect(S.read(view, 0)).toEqual({ before: 1, after: 2 });
    S.write(view, 0, { before: 3, after: 4 });
    expect([...bytes.subarray(4, 7)]).toEqual([7, 7, 7]);
    expect([bytes[0], bytes[8]]).toEqual([3, 4]);
  });
});
