import { expect, test } from "bun:test";
import { Errno } from "../../src/errno.ts";
import { FrameBuffer } from "../../src/library/framebuf.ts";
import { drain, FrameVector, type Sides, unmountOnClose } from "../../src/library/framevector.ts";
import { Random } from "../support/random.ts";
import { FRAMING, frame, numberOf, Scripted, textOf } from "./echo.ts";

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

test("a frame that nobody waits for is dropped where nobody takes it, and disturbs no request", async () => {
  const { vector, channel } = start();
  const reply = outcome(vector.enqueueCc(channel, frame(1, "ask")));
  await channel.give(frame(7, "stray"));
  await channel.give(frame(1, "told"));
  expect(await reply).toBe("told");
});

test("a frame is compared with each request that waits, in their order, until one is it", async () => {
  const asked: number[][] = [];
  let verdict: (sent: number, received: number) => boolean | "push" = (sent, received) =>
    sent === received;
  const { vector, channel } = start({
    compare(sent, received) {
      asked.push([numberOf(sent), numberOf(received)]);
      return verdict(numberOf(sent), numberOf(received));
    },
  });
  const replies = [1, 2, 3].map((n) => outcome(vector.enqueueCc(channel, frame(n, "ask"))));
  await channel.give(frame(2, "b"));
  expect(asked.splice(0)).toEqual([
    [1, 2],
    [2, 2],
  ]);
  await channel.give(frame(9, "stray"));
  expect(asked.splice(0)).toEqual([
    [1, 9],
    [3, 9],
  ]);
  verdict = () => "push";
  await channel.give(frame(1, "not a reply"));
  expect(asked.splice(0)).toEqual([[1, 1]]);
  verdict = (sent, received) => sent === received;
  await channel.give(frame(3, "c"));
  await channel.give(frame(1, "a"));
  expect(await Promise.all(replies)).toEqual(["a", "b", "c"]);
  await channel.give(frame(1, "late"));
  expect(asked.splice(0)).toEqual([
    [1, 3],
    [3, 3],
    [1, 1],
  ]);
});

test("a frame is read with one buffer until it is whole, and given out with the cursor at its beginning", async () => {
  const buffers: FrameBuffer[] = [];
  const { vector, channel } = start({
    read(incoming, from) {
      buffers.push(incoming);
      return FRAMING.read?.(incoming, from) ?? false;
    },
  });
  const reply = vector.enqueueCc(channel, frame(1, "ask"));
  await turn();
  for (const byte of frame(1, "ab").getAt(0, 4)) await channel.give([byte]);
  const got = await reply;
  expect([got.offset, got.size, textOf(got)]).toEqual([0, 4, "ab"]);
  // The next one has begun.
  expect(new Set(buffers.slice(0, -1))).toEqual(new Set([got]));
  expect(buffers.at(-1)).not.toBe(got);
});

test("without a way to read frames there is none to wait for", async () => {
  const vector = new FrameVector({});
  const channel = new Scripted();
  vector.addFd(channel);
  expect(await outcome(vector.enqueueCc(channel, frame(1, "ask")))).toBe("EINVAL");
  expect(await outcome(vector.enqueueDirectReceive(channel))).toBe("EINVAL");
  expect(await outcome(vector.enqueueDirectSend(channel, frame(2, "tell")))).toBe("done");
  expect(channel.sent).toEqual(["2 tell"]);
});

test("a reply that is waited for already can be awaited by others, later", async () => {
  const { vector, channel } = start();
  const reply = vector.enqueueCc(channel, frame(1, "ask"));
  await channel.give(frame(1, "told"));
  expect(await Promise.all([outcome(reply), outcome(reply)])).toEqual(["told", "told"]);
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
  expect(await outcome(vector.enqueueCc(channel, frame(4, "late")))).toBe("ENXIO");
  expect(await outcome(vector.enqueueDirectReceive(channel))).toBe("ENXIO");
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
  expect(await outcome(other.vector.enqueueDirectReceive(other.channel))).toBe("ENXIO");
});

test("a failing write fails what is to be sent", async () => {
  const { vector, channel } = start({ fdNotify: () => {} });
  channel.closed = true;
  expect(await outcome(vector.enqueueCc(channel, frame(1, "ask")))).toBe("EPIPE");
  expect(await outcome(vector.enqueueDirectSend(channel, frame(2, "late")))).toBe("ESHUTDOWN");
});

test("who may not write any more still gets what was asked for", async () => {
  const { vector, channel } = start({
    fdNotify: () => {},
    write(outgoing, to) {
      if (numberOf(outgoing) === 2) throw new Errno("EPIPE");
      return drain(outgoing, to);
    },
  });
  const first = outcome(vector.enqueueCc(channel, frame(1, "ask")));
  expect(await outcome(vector.enqueueCc(channel, frame(2, "ask")))).toBe("EPIPE");
  await channel.give(frame(1, "told"));
  expect(await first).toBe("told");
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
    expect.objectContaining({ code: "ENXIO" }),
  );
  // Twice is once.
  vector.removeFd(channel);
});

test("removing a channel is its end on both sides, one after the other, when who waited has failed", async () => {
  const heard: string[] = [];
  const { vector, channel } = start({
    fdNotify: (_, { read, write }) => void heard.push(read && write ? "both" : read ? "read" : "?"),
  });
  const hear = (name: string) => (_: FrameBuffer, error: Errno | undefined) =>
    void heard.push(`${name} ${error?.code}`);
  vector.enqueueCb(channel, frame(1, "ask"), hear("sent"));
  channel.room = 1;
  vector.enqueueCb(channel, frame(2, "begun"), hear("begun"));
  vector.removeFd(channel, "ECONNABORTED");
  expect(heard).toEqual(["sent ECONNABORTED", "begun ECONNABORTED", "read", "both"]);
  expect(channel.released).toBe(true);
});

test("who hears of one side's end may remove the channel at once", async () => {
  const heard: Sides[] = [];
  const { vector, channel } = start({
    fdNotify: (gone, sides, of) => {
      heard.push(sides);
      of.removeFd(gone, "EPIPE");
    },
  });
  const reply = outcome(vector.enqueueCc(channel, frame(1, "ask")));
  await channel.end();
  expect(await reply).toBe("ECONNRESET");
  expect(heard).toEqual([
    { read: true, write: false },
    { read: true, write: true },
  ]);
  expect(channel.released).toBe(true);
});

test("a frame is sent again when its reply is there, and not before", async () => {
  const { vector, channel } = start();
  const other = new Scripted();
  vector.addFd(other);
  const asking = frame(1, "ask");
  const reply = vector.enqueueCc(channel, asking);
  expect(await outcome(vector.enqueueCc(channel, asking))).toBe("EBUSY");
  expect(() => vector.enqueueJustSend(other, asking)).toThrow(
    expect.objectContaining({ code: "EBUSY" }),
  );
  await channel.give(frame(1, "told"));
  await reply;
  vector.enqueueJustSend(other, asking);
  vector.enqueueJustSend(other, asking);
  expect(other.sent).toEqual(["1 ask", "1 ask"]);
  other.room = 2;
  vector.enqueueJustSend(other, asking);
  expect(() => vector.enqueueJustSend(other, asking)).toThrow(
    expect.objectContaining({ code: "EBUSY" }),
  );
});

test("what is begun goes out whole, whatever its sender does with it when it has failed", async () => {
  const { vector, channel } = start({ fdNotify: () => {} });
  channel.room = 3;
  const asking = frame(1, "begun");
  const reply = outcome(vector.enqueueCc(channel, asking));
  await channel.end();
  expect(await reply).toBe("ECONNRESET");
  asking.recycle();
  asking.put(new Uint8Array(7));
  await channel.take(100);
  expect(channel.sent).toEqual(["1 begun"]);
});

test("what is thrown while a frame is handed out ends the reading, with its error", async () => {
  const broken = () => {
    throw new Errno("EILSEQ");
  };
  for (const [more, given] of [
    [{ compare: broken }, frame(1, "told")],
    [{ gotFrame: broken }, frame(0, "news")],
    [{ read: broken }, frame(1, "told")],
  ] as const) {
    const gone: Sides[] = [];
    const { vector, channel } = start({ ...more, fdNotify: (_, sides) => gone.push(sides) });
    const reply = outcome(vector.enqueueCc(channel, frame(1, "ask")));
    await channel.give(given);
    expect(await reply).toBe("EILSEQ");
    expect(gone).toEqual([{ read: true, write: false }]);
  }
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

test("several may wait for one event, and for more than one", async () => {
  const vector = new FrameVector(FRAMING);
  const channel = new Scripted();
  vector.addFd(channel, { read: false, write: false });
  const waits = [
    vector.waitEvent(channel, "read"),
    vector.waitEvent(channel, "read", "write"),
    vector.waitEvent(channel, "write"),
  ];
  await channel.give([1]);
  expect(await Promise.all(waits.slice(0, 2))).toEqual(["read", "read"]);
  await channel.take(1);
  expect(await waits[2]).toBe("write");
  expect(await outcome(vector.waitEvent(channel))).toBe("EINVAL");
});

test("an event is told where frames are read too, when they have been", async () => {
  const { vector, channel } = start();
  await turn();
  const heard: string[] = [];
  const reply = vector.enqueueCc(channel, frame(1, "ask")).then(() => heard.push("reply"));
  const event = vector.waitEvent(channel, "read").then(() => heard.push("event"));
  await channel.give(frame(1, "told"));
  await Promise.all([reply, event]);
  expect(heard).toEqual(["reply", "event"]);
});

test("who waits for an event of a side that is closed fails", async () => {
  const { vector, channel } = start({ fdNotify: () => {} });
  await turn();
  const waiting = outcome(vector.waitEvent(channel, "read", "write"));
  await channel.end();
  expect(await waiting).toBe("ECONNRESET");
  expect(await outcome(vector.waitEvent(channel, "read"))).toBe("ENXIO");
  channel.closed = true;
  vector.enqueueJustSend(channel, frame(1, "x"));
  expect(await outcome(vector.waitEvent(channel, "write"))).toBe("ESHUTDOWN");
});

test("a file system that needs its connection is unmounted when both sides are gone", async () => {
  let unmounts = 0;
  const unmount = async () => {
    unmounts++;
  };
  const { vector, channel } = start({ fdNotify: unmountOnClose({ unmount }) });
  const reply = outcome(vector.enqueueCc(channel, frame(1, "ask")));
  await channel.end();
  expect(await reply).toBe("ECONNRESET");
  expect([unmounts, channel.released]).toEqual([0, false]);
  channel.closed = true;
  vector.enqueueJustSend(channel, frame(2, "bye"));
  expect([unmounts, channel.released]).toEqual([1, true]);
  expect(await outcome(vector.enqueueCc(channel, frame(3, "late")))).toBe("ENXIO");
});

for (const seed of [1, 2, 3, 4])
  test(`whatever happens to a channel, each request ends once, seed ${seed}`, async () => {
    const random = new Random(seed);
    const below = (limit: number) => random.below(limit);
    for (let round = 0; round < 100; round++) {
      const { vector, channel } = start(below(2) === 0 ? { fdNotify: () => {} } : {});
      channel.room = below(3) === 0 ? below(40) : Number.POSITIVE_INFINITY;
      const ends = new Map<number, string[]>();
      const answered = new Set<number>();
      let asked = 0;
      const input: number[] = [];
      const steps: (() => unknown)[] = [
        () => {
          const number = ++asked;
          const heard: string[] = [];
          ends.set(number, heard);
          const hear = (reply: FrameBuffer, error: Errno | undefined) =>
            void heard.push(error?.code ?? textOf(reply));
          try {
            vector.enqueueCb(channel, frame(number, `ask${number}`), hear, {
              urgent: below(4) === 0,
            });
          } catch (error) {
            heard.push((error as Errno).code);
          }
        },
        () => {
          const sent = new Set(channel.sent);
          const open = [...ends.keys()].filter(
            (number) => sent.has(`${number} ask${number}`) && !answered.has(number),
          );
          if (open.length === 0) return;
          const number = random.pick(open);
          answered.add(number);
          input.push(...frame(number, `told${number}`).getAt(0, 6 + `${number}`.length));
        },
        () => input.push(...frame(200, "stray").getAt(0, 7)),
        () => channel.give(input.splice(0, 1 + below(12))),
        () => channel.take(below(30)),
        () => {
          try {
            vector.disableFd(channel, { read: below(2) === 0, write: below(2) === 0 });
          } catch {}
        },
        () => {
          try {
            vector.enableFd(channel, { read: true, write: true });
          } catch {}
        },
      ];
      for (let step = 0; step < 60 && asked < 100; step++) await random.pick(steps)();
      const wasWhole = below(2) === 0;
      if (wasWhole) {
        vector.enableFd(channel, { read: true, write: true });
        await channel.take(10_000);
        for (let number = 1; number <= asked; number++)
          if (!answered.has(number))
            input.push(...frame(number, `told${number}`).getAt(0, 6 + `${number}`.length));
        await channel.give(input.splice(0));
        await turn();
      } else if (below(2) === 0) {
        vector.enableFd(channel, { read: true, write: true });
        await channel.hangUp();
        await turn();
      } else vector.removeFd(channel, "ECONNABORTED");
      for (const [number, heard] of ends) {
        expect([round, number, heard.length]).toEqual([round, number, 1]);
        if (wasWhole) expect(heard).toEqual([`told${number}`]);
        else expect(heard[0]).toMatch(/^(told\d+|ECONNRESET|EPIPE|ECONNABORTED|ENXIO|ESHUTDOWN)$/);
      }
    }
  });
