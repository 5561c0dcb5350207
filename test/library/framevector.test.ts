import { expect, test } from "bun:test";
import type { Errno } from "../../src/errno.ts";
import { FrameBuffer } from "../../src/library/framebuf.ts";
import { FrameVector, type Sides, unmountOnClose } from "../../src/library/framevector.ts";
import { FRAMING, frame, Scripted, textOf } from "./echo.ts";

function start(more: Partial<typeof FRAMING> = {}) {
  const vector = new FrameVector({ ...FRAMING, ...more });
  const channel = new Scripted();
  vector.addFd(channel);
  return { vector, channel };
}

/** What a promise came to. */
function outcome(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    (reply) => (reply instanceof FrameBuffer ? textOf(reply) : "done"),
    (error: { code?: string }) => error.code ?? String(error),
  );
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test("replies find their requests in any order", async () => {
  const { vector, channel } = start();
  const replies = [1, 2, 3].map((n) => outcome(vector.enqueueCc(channel, frame(n, `ask${n}`))));
  expect(channel.sent).toEqual(["1 ask1", "2 ask2", "3 ask3"]);
  for (const n of [3, 1, 2]) await channel.give(frame(n, `told${n}`));
  expect(await Promise.all(replies)).toEqual(["told1", "told2", "told3"]);
});

test("a frame that comes byte by byte is one frame", async () => {
  const { vector, channel } = start();
  const reply = outcome(vector.enqueueCc(channel, frame(1, "ask")));
  for (const byte of frame(1, "slow").getAt(0, 6)) await channel.give([byte]);
  expect(await reply).toBe("slow");
});

test("two frames that come at once are two", async () => {
  const { vector, channel } = start();
  const replies = [1, 2].map((n) => outcome(vector.enqueueCc(channel, frame(n, "ask"))));
  await channel.give([...frame(1, "a").getAt(0, 3), ...frame(2, "b").getAt(0, 3)]);
  expect(await Promise.all(replies)).toEqual(["a", "b"]);
});

test("what is not taken at once is written later, frames whole and in order", async () => {
  const { vector, channel } = start();
  channel.room = 3;
  const sent = [outcome(vector.enqueueDirectSend(channel, frame(1, "first")))];
  sent.push(outcome(vector.enqueueDirectSend(channel, frame(2, "second"))));
  expect(channel.written.length).toBe(3);
  await channel.take(5);
  expect(await sent[0]).toBe("done");
  await channel.take(100);
  expect(await sent[1]).toBe("done");
  expect(channel.sent).toEqual(["1 first", "2 second"]);
});

test("an urgent frame goes before the others, but not into one that is begun", async () => {
  const { vector, channel } = start();
  channel.room = 1;
  vector.enqueueJustSend(channel, frame(1, "begun"));
  vector.enqueueJustSend(channel, frame(2, "patient"));
  vector.enqueueJustSend(channel, frame(3, "urgent"), { urgent: true });
  await channel.take(100);
  expect(channel.sent).toEqual(["1 begun", "3 urgent", "2 patient"]);
});

test("a callback gets the reply, and why there is none", async () => {
  const { vector, channel } = start();
  const heard: string[] = [];
  const hear = (reply: FrameBuffer, error: Errno | undefined) =>
    heard.push(`${textOf(reply)} ${error?.code}`);
  vector.enqueueCb(channel, frame(1, "ask"), hear);
  vector.enqueueCb(channel, frame(2, "again"), hear);
  await channel.give(frame(1, "told"));
  await channel.end();
  expect(heard).toEqual(["told undefined", "again ECONNRESET"]);
});

test("the reply to what was just sent is dropped where one is expected", async () => {
  const pushed: string[] = [];
  const { vector, channel } = start({ gotFrame: (frame) => pushed.push(textOf(frame)) });
  vector.enqueueJustSend(channel, frame(1, "expects"), { reply: true });
  vector.enqueueJustSend(channel, frame(2, "does not"));
  await channel.give(frame(1, "dropped"));
  await channel.give(frame(2, "nobody's"));
  expect(pushed).toEqual(["nobody's"]);
});

test("what is no reply is handed out, and disturbs no request", async () => {
  const pushed: string[] = [];
  const { vector, channel } = start({ gotFrame: (frame) => pushed.push(textOf(frame)) });
  const reply = outcome(vector.enqueueCc(channel, frame(1, "ask")));
  await channel.give(frame(0, "news"));
  await channel.give(frame(1, "told"));
  expect(pushed).toEqual(["news"]);
  expect(await reply).toBe("told");
});

test("a frame that nobody waits for is a fault where nobody takes it", async () => {
  const { vector, channel } = start();
  const reply = outcome(vector.enqueueCc(channel, frame(1, "ask")));
  await channel.give(frame(7, "stray"));
  expect(await reply).toBe("EPROTO");
});

test("a frame is received directly, before all requests", async () => {
  const { vector, channel } = start();
  const greeting = outcome(vector.enqueueDirectReceive(channel));
  const reply = outcome(vector.enqueueCc(channel, frame(1, "ask")));
  await channel.give(frame(1, "hello"));
  await channel.give(frame(1, "told"));
  expect(await greeting).toBe("hello");
  expect(await reply).toBe("told");
});

test("the end of input fails all who wait, and what they send later", async () => {
  const gone: Sides[] = [];
  const { vector, channel } = start({ fdNotify: (_, sides) => gone.push(sides) });
  channel.room = 5;
  const requests = [1, 2, 3].map((n) => outcome(vector.enqueueCc(channel, frame(n, "ask"))));
  const direct = outcome(vector.enqueueDirectReceive(channel));
  await channel.end();
  expect(await Promise.all([...requests, direct])).toEqual([
    "ECONNRESET",
    "ECONNRESET",
    "ECONNRESET",
    "ECONNRESET",
  ]);
  expect(gone).toEqual([{ read: true, write: false }]);
  expect(await outcome(vector.enqueueCc(channel, frame(4, "late")))).toBe("ECONNRESET");
  // The other side is still there: what was begun goes out whole, what needs no reply too, the rest not.
  vector.enqueueJustSend(channel, frame(5, "bye"));
  await channel.take(100);
  expect(channel.sent).toEqual(["1 ask", "5 bye"]);
});

test("a frame that was begun as the input ended goes out whole", async () => {
  const { vector, channel } = start({ fdNotify: () => {} });
  channel.room = 2;
  const reply = outcome(vector.enqueueCc(channel, frame(1, "begun")));
  await channel.end();
  expect(await reply).toBe("ECONNRESET");
  vector.enqueueJustSend(channel, frame(2, "bye"));
  await channel.take(100);
  expect(channel.sent).toEqual(["1 begun", "2 bye"]);
});

test("each side's end is told once, and a channel without both is let go unless somebody else decides", async () => {
  const gone: Sides[] = [];
  const { channel } = start({ fdNotify: (_, sides) => gone.push(sides) });
  await channel.hangUp();
  expect(gone).toEqual([
    { read: false, write: true },
    { read: true, write: true },
  ]);
  expect(channel.released).toBe(false);
  const other = start();
  await other.channel.hangUp();
  expect(other.channel.released).toBe(true);
  expect(await outcome((async () => other.vector.enqueueDirectReceive(other.channel))())).toBe(
    "EBADF",
  );
});

test("a failing write fails what is to be sent", async () => {
  const { vector, channel } = start({ fdNotify: () => {} });
  channel.closed = true;
  expect(await outcome(vector.enqueueCc(channel, frame(1, "ask")))).toBe("EPIPE");
});

test("removing a channel fails all who wait there with the error that is given", async () => {
  const { vector, channel } = start();
  const other = new Scripted();
  vector.addFd(other);
  const waits = [
    outcome(vector.enqueueCc(channel, frame(1, "ask"))),
    outcome(vector.enqueueDirectReceive(channel)),
  ];
  const elsewhere = outcome(vector.enqueueCc(other, frame(1, "ask")));
  vector.removeFd(channel, "ETIMEDOUT");
  expect(await Promise.all(waits)).toEqual(["ETIMEDOUT", "ETIMEDOUT"]);
  expect(channel.released).toBe(true);
  await other.give(frame(1, "told"));
  expect(await elsewhere).toBe("told");
  expect(() => vector.enqueueJustSend(channel, frame(2, "x"))).toThrow(
    expect.objectContaining({ code: "EBADF" }),
  );
});

test("a channel is added once", () => {
  const { vector, channel } = start();
  expect(() => vector.addFd(channel)).toThrow(expect.objectContaining({ code: "EEXIST" }));
});

test("frames are read and written only while that is enabled", async () => {
  const { vector, channel } = start();
  vector.disableFd(channel, { read: true, write: true });
  const reply = outcome(vector.enqueueCc(channel, frame(1, "ask")));
  await channel.give(frame(1, "told"));
  expect(channel.sent).toEqual([]);
  vector.enableFd(channel, { write: true });
  expect(channel.sent).toEqual(["1 ask"]);
  await turn();
  vector.enableFd(channel, { read: true });
  expect(await reply).toBe("told");
});

test("events of a channel without frames are waited for", async () => {
  const vector = new FrameVector(FRAMING);
  const channel = new Scripted();
  vector.addFd(channel, { read: false, write: false });
  let seen = "";
  const waiting = vector.waitEvent(channel, "read").then(() => {
    seen += "read";
  });
  await turn();
  expect(seen).toBe("");
  await channel.give([1, 2]);
  await waiting;
  expect(seen).toBe("read");
  const lost = outcome(vector.waitEvent(channel, "write"));
  vector.removeFd(channel);
  expect(await lost).toBe("ECONNRESET");
});

test("events cannot be waited for where frames are read", async () => {
  const { vector, channel } = start();
  expect(await outcome(vector.waitEvent(channel, "read"))).toBe("EBUSY");
});

test("a file system that needs its connection is unmounted when both sides are gone", () => {
  let unmounts = 0;
  const unmount = async () => {
    unmounts++;
  };
  const notify = unmountOnClose({ unmount });
  notify?.(new Scripted(), { read: true, write: false });
  expect(unmounts).toBe(0);
  notify?.(new Scripted(), { read: true, write: true });
  expect(unmounts).toBe(1);
});
