import { describe, expect, test } from "bun:test";
import type { Frame, Serving } from "../../src/frame.ts";
import { connect } from "../../src/puffs/loopback.ts";
import { kargsBytes, outcome, ROOT } from "./scripted.ts";

const USER = { uid: 1, gid: 1 };

/** Answers PATHCONF in the request's own bytes: the name doubled. */
function double({ reply, replyView, requestView }: Frame): number {
  expect(reply.buffer).toBe(requestView.buffer as ArrayBuffer);
  replyView.setBigInt64(64, BigInt(2 * requestView.getInt32(56, true)), true);
  return 72;
}

describe("loopback", () => {
  test("a reply of the same turn is there before anything else happens", async () => {
    const kernel = connect({ serve: double }, kargsBytes());
    const answer = kernel.pathconf(ROOT, 21);
    expect(kernel.waiting).toBe(0);
    expect(await answer).toBe(42);
  });

  test("late replies in reverse order, each from its own frame, which is used again", async () => {
    const late: (() => void)[] = [];
    const frames = new Set<Frame>();
    const serving: Serving = {
      serve(frame) {
        frames.add(frame);
        return new Promise((resolve) => late.push(() => resolve(double(frame))));
      },
    };
    const kernel = connect(serving, kargsBytes());
    const round = async () => {
      const answers = [1, 2, 3].map((name) => kernel.pathconf(ROOT, name));
      expect(kernel.waiting).toBe(3);
      for (const answer of late.splice(0).reverse()) answer();
      expect(await Promise.all(answers)).toEqual([2, 4, 6]);
    };
    await round();
    await round();
    expect(frames.size).toBe(3);
  });

  test("a frame that its operation still holds is not used again", async () => {
    const frames: Frame[] = [];
    const serving: Serving = {
      serve(frame) {
        frame.lost = frames.push(frame) === 1;
        return double(frame);
      },
    };
    const kernel = connect(serving, kargsBytes());
    for (const name of [1, 2, 3]) await kernel.pathconf(ROOT, name);
    expect(frames[1]).not.toBe(frames[0] as Frame);
    expect(frames[2]).toBe(frames[1] as Frame);
  });

  test("what is told without an answer gets none", () => {
    const kernel = connect({ serve: () => 0 }, kargsBytes());
    kernel.close(ROOT, 1, USER);
    expect(kernel.waiting).toBe(0);
  });

  test("data in one request are as long as the mount allows", async () => {
    const lengths: number[] = [];
    const serving: Serving = {
      serve(frame) {
        lengths.push(frame.length);
        frame.replyView.setBigUint64(152, 0n, true);
        return 168;
      },
    };
    const kernel = connect(serving, kargsBytes({ maxmsglen: 16384 }));
    expect(await kernel.write(ROOT, 0, new Uint8Array(20_000), USER)).toBe(12_288);
    expect(lengths).toEqual([168 + 12_288]);
  });

  test("arguments that no kernel takes are refused", () => {
    expect(() => connect({ serve: double }, kargsBytes({ vers: 31 }))).toThrow("version 31");
  });
});

test("a fault of the server's is told", async () => {
  const faults: string[] = [];
  const serving: Serving = {
    serve({ replyView, requestView }) {
      if (requestView.getUint16(24, true) === 0x14) return 0;
      replyView.setInt32(28, -5, true);
      return 72;
    },
  };
  const onFault = ({ message }: Error) => faults.push(message);
  const kernel = connect(serving, kargsBytes(), { onFault });
  expect(await outcome(kernel.pathconf(ROOT, 1))).toBe("EPROTO");
  expect(faults).toEqual(["error -5"]);
});
