import { describe, expect, test } from "bun:test";
import type { Frame, Serving } from "../../src/frame.ts";
import { KERNEL } from "../../src/fuse/kernel.ts";
import { connect } from "../../src/fuse/loopback.ts";

/** Answers the request in the frame with its own body. */
function echo(frame: Frame): number {
  const body = frame.request.subarray(40, frame.length);
  frame.reply.set(body, 16);
  frame.replyView.setUint32(0, 16 + body.length, true);
  frame.replyView.setInt32(4, 0, true);
  frame.replyView.setBigUint64(8, frame.requestView.getBigUint64(8, true), true);
  return 16 + body.length;
}

function ask(kernel: ReturnType<typeof connect>, text: string): Promise<string> {
  const { reply } = kernel.request(4095, 1, KERNEL, Buffer.from(text));
  return reply.then((bytes) => Buffer.from(bytes).toString());
}

describe("loopback", () => {
  test("a reply of the same turn is there before anything else happens", async () => {
    const kernel = connect({ serve: echo });
    const answer = ask(kernel, "at once");
    expect(kernel.waiting).toBe(0);
    expect(await answer).toBe("at once");
  });

  test("late replies in reverse order, each from its own frame", async () => {
    const late: (() => void)[] = [];
    const frames = new Set<Frame>();
    const serving: Serving = {
      serve(frame) {
        frames.add(frame);
        return new Promise((resolve) => late.push(() => resolve(echo(frame))));
      },
    };
    const kernel = connect(serving);
    const answers = ["one", "two", "three"].map((text) => ask(kernel, text));
    expect(kernel.waiting).toBe(3);
    expect(frames.size).toBe(3);
    for (const answer of late.reverse()) answer();
    expect(await Promise.all(answers)).toEqual(["one", "two", "three"]);
    const again = ask(kernel, "four");
    late.at(-1)?.();
    expect(await again).toBe("four");
    expect(frames.size).toBe(3);
  });

  test("a frame that the server keeps is not lent again", async () => {
    const frames = new Set<Frame>();
    const kernel = connect({
      serve(frame) {
        frames.add(frame);
        frame.lost = true;
        return echo(frame);
      },
    });
    await ask(kernel, "one");
    await ask(kernel, "two");
    expect(frames.size).toBe(2);
  });

  test("1 MiB and its header fit", async () => {
    const lengths: number[] = [];
    const kernel = connect({
      serve(frame) {
        lengths.push(frame.length);
        return 0;
      },
    });
    kernel.write(1, {}, new Uint8Array(2 ** 20), KERNEL);
    expect(lengths).toEqual([40 + 40 + 2 ** 20]);
  });
});
