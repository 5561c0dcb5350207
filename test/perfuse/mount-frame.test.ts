import { expect, test } from "bun:test";
import {
  decodeMountFrame,
  encodeMountFrame,
  LONGEST_FRAME,
  type MountFrame,
} from "../../src/perfuse/mount-frame.ts";
import { bytes, type Part } from "../support/wire.ts";

/*
 * The layout of perfuse_if.h on amd64. The recorded frame is the first message of each trace of NetBSD's own perfused with a FUSE server
 * in memory.
 */

const RECORDED = Uint8Array.fromHex(
  "5000000000000000ffffffffffffffff6e6f46757365527100000000080000000500000006000000" +
    "00000000050000000000000000000000667573656d656d002f6d6e74006d656d66730066643d3000",
);

const ALL_ONES = 0xffff_ffff_ffff_ffffn;

interface Head {
  readonly len?: number;
  readonly magic?: string;
  readonly lengths?: readonly number[];
}

/** source "s\0", target "/t/u\0", type "ty\0", flags 0x4000001, data "fd=7\0", socket "/k\0". */
function frame(
  { len = 74, magic = "noFuseRq\0", lengths = [2, 5, 3, 5, 3] }: Head = {},
  ...texts: Part[]
) {
  const [source = 0, target = 0, type = 0, data = 0, socket = 0] = lengths;
  const body = texts.length > 0 ? texts : ["s\0", "/t/u\0", "ty\0", "fd=7\0", "/k\0"];
  return bytes(
    len,
    0,
    ALL_ONES, // len, error, unique
    magic,
    "\0\0\0", // magic, padding
    source,
    target,
    type,
    0x4000001,
    data,
    socket,
    0, // lengths, with the mount flags in the midst; padding
    ...body,
  );
}

const FRAME: MountFrame = {
  source: "s",
  target: "/t/u",
  type: "ty",
  flags: 0x4000001,
  data: "fd=7",
  socket: "/k",
};

test("every part of a frame is where NetBSD has it, both ways", () => {
  expect(decodeMountFrame(frame())).toEqual(FRAME);
  expect(encodeMountFrame(FRAME)).toEqual(frame());
});

test("the recorded frame of a real daemon", () => {
  const asked = {
    source: "fusemem",
    target: "/mnt",
    type: "memfs",
    flags: 0,
    data: "fd=0",
    socket: undefined,
  };
  expect(decodeMountFrame(RECORDED)).toEqual(asked);
  expect(encodeMountFrame(asked)).toEqual(RECORDED);
});

test("texts that are left out take no bytes; one that is empty takes its NUL", () => {
  const least = frame({ len: 58, lengths: [0, 2] }, "/\0");
  expect(decodeMountFrame(least)).toEqual({
    source: undefined,
    target: "/",
    type: undefined,
    flags: 0x4000001,
    data: undefined,
    socket: undefined,
  });
  expect(encodeMountFrame({ target: "/", flags: 0x4000001 })).toEqual(least);
  const empty = frame({ len: 59, lengths: [1, 2] }, "\0", "/\0");
  expect(decodeMountFrame(empty).source).toBe("");
  expect(encodeMountFrame({ source: "", target: "/", flags: 0x4000001 })).toEqual(empty);
});

test("names that are not UTF-8 come back as the bytes they were", () => {
  const message = frame({ len: 60, lengths: [0, 4] }, "/", Uint8Array.of(0xe9, 0xff, 0));
  const { target } = decodeMountFrame(message);
  expect(target).toBe("/\udce9\udcff");
  expect(encodeMountFrame({ target, flags: 0x4000001 })).toEqual(message);
});

test("flags are 32 bits, the highest too", () => {
  const message = encodeMountFrame({ target: "/", flags: 0x80000001 });
  expect(decodeMountFrame(message).flags).toBe(0x80000001);
  expect(decodeMountFrame(encodeMountFrame({ target: "/", flags: 0x80000001 | 0 })).flags).toBe(
    0x80000001,
  );
});

const HOSTILE: readonly (readonly [string, Uint8Array, string])[] = [
  ["nothing", new Uint8Array(), "0 bytes are too short"],
  ["a header that is cut off", frame().slice(0, 55), "55 bytes are too short"],
  ["another magic", frame({ magic: "noFuseRp\0" }), "magic"],
  ["a magic without its NUL", frame({ magic: "noFuseRqx" }), "magic"],
  ["a length that is too short", frame({ len: 73 }), "of 74 bytes and says 73"],
  ["a length that is too long", frame({ len: 75 }), "of 74 bytes and says 75"],
  ["a length of 4 GiB", frame({ len: 0xffffffff }), "says 4294967295"],
  ["more than it says", bytes(frame(), "x"), "of 75 bytes and says 74"],
  ["parts that are less", frame({ lengths: [2, 5, 3, 5, 2] }), "parts are of 73 bytes"],
  ["parts that are more", frame({ lengths: [2, 5, 3, 5, 4] }), "parts are of 75 bytes"],
  ["a part of 4 GiB", frame({ lengths: [0xffffffff, 5, 3, 5, 3] }), "parts are of"],
  ["parts that sum up modulo 2^32", frame({ lengths: [0x80000002, 0x80000005, 3, 5, 3] }), "parts"],
  ["no NUL", frame({}, "sx", "/t/u\0", "ty\0", "fd=7\0", "/k\0"), "source does not end"],
  ["no NUL at the end", frame({}, "s\0", "/t/u\0", "ty\0", "fd=7\0", "/kx"), "socket does not end"],
  [
    "a NUL in the midst",
    frame({}, "s\0", "/t\0u\0", "ty\0", "fd=7\0", "/k\0"),
    "target does not end",
  ],
  ["two NULs", frame({}, "s\0", "/t/u\0", "t\0\0", "fd=7\0", "/k\0"), "type does not end"],
  ["no target", frame({ len: 59, lengths: [3] }, "ab\0"), "no target"],
  ["an empty target", frame({ len: 57, lengths: [0, 1] }, "\0"), "not an absolute path"],
  ["a relative target", frame({ len: 60, lengths: [0, 4] }, "mnt\0"), "not an absolute path"],
];

for (const [what, message, why] of HOSTILE)
  test(`refused: ${what}`, () => {
    expect(() => decodeMountFrame(message)).toThrow(
      expect.objectContaining({ code: "EPROTO", message: expect.stringContaining(why) }),
    );
  });

test("no bytes make it do anything else: each byte of a frame changed, each prefix", () => {
  const whole = frame();
  for (let at = 0; at < whole.length; at++) {
    for (const flip of [0x01, 0x80, 0xff]) {
      const changed = whole.slice();
      changed[at] = (changed[at] as number) ^ flip;
      try {
        expect(decodeMountFrame(changed).target).toStartWith("/");
      } catch (error) {
        expect(error).toMatchObject({ code: "EPROTO" });
      }
    }
    expect(() => decodeMountFrame(whole.slice(0, at))).toThrow(
      expect.objectContaining({ code: "EPROTO" }),
    );
  }
});

test("what cannot be sent is refused here", () => {
  const refused = (asked: Partial<MountFrame>, code: string) =>
    expect(() => encodeMountFrame({ ...FRAME, ...asked })).toThrow(
      expect.objectContaining({ code }),
    );
  refused({ target: "mnt" }, "EINVAL");
  refused({ target: "/a\0b" }, "EINVAL");
  refused({ data: "fd=1\0" }, "EINVAL");
  refused({ source: "x".repeat(LONGEST_FRAME) }, "ENAMETOOLONG");
});
