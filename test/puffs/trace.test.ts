import { describe, expect, test } from "bun:test";
import { FrameReader } from "../../src/puffs/frames.ts";
import { readHandshake } from "../../src/puffs/handshake.ts";
import { acceptKargs } from "../../src/puffs/mounted.ts";
import { PuffsReq } from "../../src/puffs/structs.ts";
import { ofKind, parseTrace, readTrace, TRACES } from "./trace.ts";

function headerOf(frame: Uint8Array) {
  return PuffsReq.read(new DataView(frame.buffer, frame.byteOffset, frame.byteLength), 0);
}

/** The recorded server answers it when there is something to tell, and then there never was. */
const POLL = 12;

describe.each(TRACES)("the recording %s", (name) => {
  const records = readTrace(name);
  const requests = ofKind(records, "request");
  const replies = ofKind(records, "reply");

  test("says how long each frame is", () => {
    expect(requests.length).toBeGreaterThan(10);
    for (const frame of [...requests, ...replies])
      expect(headerOf(frame).framelen).toBe(frame.length);
  });

  test("has one reply for each request but those that are forgotten, within the room it was given", () => {
    const due = ({ opclass, optype }: ReturnType<typeof headerOf>) =>
      (opclass & 0x10) === 0 && !(opclass === 2 && optype === POLL);
    const asked = requests.map(headerOf).filter(due);
    const answered = new Map(replies.map((frame) => [headerOf(frame).id, headerOf(frame)]));
    expect(answered.size).toBe(replies.length);
    expect([...answered.keys()].sort()).toEqual(asked.map(({ id }) => id).sort());
    for (const { id, buflen } of asked)
      expect(answered.get(id)?.framelen).toBeLessThanOrEqual(buflen);
  });

  test("begins with a handshake and arguments that the kernel takes", () => {
    const stream = Buffer.concat(ofKind(records, "handshake"));
    const { handshake, length } = readHandshake(stream) ?? {};
    expect(length).toBe(stream.length);
    expect(handshake).toMatchObject({ directory: "fictional", from: "/dev/puffs", flags: 0 });
    const mounted = acceptKargs(handshake?.kargs as Uint8Array);
    expect(mounted.type).toBe("dt");
    expect(mounted.args.rootVtype).toBe(2);
    expect(mounted.maxmsglen).toBe(131072);
    expect(handshake?.libraryFlags).toBe(0x10000000 + mounted.args.flags);
    for (let cut = 0; cut < stream.length; cut += 13)
      expect(readHandshake(stream.subarray(0, cut))).toBeUndefined();
  });

  test("comes out of a stream as it went in, however it is cut", () => {
    const stream = Buffer.concat(requests);
    for (const size of [1, 55, 4096]) {
      const reader = new FrameReader(131072);
      const frames: Uint8Array[] = [];
      for (let at = 0; at < stream.length; at += size)
        for (const frame of reader.push(stream.subarray(at, at + size))) frames.push(frame.slice());
      expect(frames).toEqual(requests);
      expect(reader.left).toBe(0);
    }
  });
});

test("what is no recording is refused", () => {
  const whole = Buffer.concat([
    Buffer.from("PUFFTRC1"),
    new Uint8Array([1, 0, 0, 0, 2, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0xaa, 0xbb]),
  ]);
  expect(parseTrace(whole)).toEqual([
    { kind: "request", time: 9, bytes: new Uint8Array([0xaa, 0xbb]) },
  ]);
  expect(() => parseTrace(whole.subarray(0, -1))).toThrow("no record at 8");
  expect(() => parseTrace(whole.subarray(0, 20))).toThrow("cut off at 8");
  expect(() => parseTrace(Buffer.from("PUFFTRC2"))).toThrow("no trace");
});
