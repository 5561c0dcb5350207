import { afterEach, expect, test } from "bun:test";
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { closeDescriptor, send } from "../../ffi/device.ts";
import { socketPair } from "../../ffi/socket.ts";
import type { Talkable } from "../../src/library/channel.ts";
import { FrameVector, fill } from "../../src/library/framevector.ts";
import { FRAMING, frame, numberOf, textOf } from "./echo.ts";

/*
 * The same conversation over everything that can be talked over. The other end is a vector too: it answers "text" with "TEXT",
 * in pairs and the second first.
 */

const ended: (() => void)[] = [];
afterEach(() => {
  for (const end of ended.splice(0)) end();
});

function answering(what: Talkable): FrameVector {
  const held: { number: number; text: string }[] = [];
  const vector = new FrameVector({
    ...FRAMING,
    gotFrame: (received, channel) => {
      held.push({ number: numberOf(received), text: textOf(received).toUpperCase() });
      if (held.length < 2) return;
      for (const { number, text } of held.splice(0).reverse())
        vector.enqueueJustSend(channel, frame(number, text));
    },
  });
  vector.addFd(what);
  return vector;
}

async function listening(): Promise<{ server: Server; port: number; accepted: Promise<Socket> }> {
  const { promise: accepted, resolve } = Promise.withResolvers<Socket>();
  const server = createServer(resolve).listen(0, "127.0.0.1");
  await once(server, "listening");
  ended.push(() => server.close());
  return { server, port: (server.address() as { port: number }).port, accepted };
}

/** Both ends of each kind: ours, and the other's. */
const KINDS: Record<string, () => Promise<[Talkable, Talkable]>> = {
  "a descriptor": async () => socketPair("stream"),
  "a socket of Node's": async () => {
    const { port, accepted } = await listening();
    const socket = connect(port, "127.0.0.1");
    return [socket, await accepted];
  },
  "a connection of Bun's": async () => {
    const { port, accepted } = await listening();
    const socket = await Bun.connect({ hostname: "127.0.0.1", port, socket: { data() {} } });
    return [socket as Talkable, await accepted];
  },
};

test("a descriptor: replies that came before the other end went are not lost", async () => {
  const [ours, theirs] = socketPair("stream");
  const vector = new FrameVector(FRAMING);
  vector.addFd(ours);
  const first = vector.enqueueCc(ours, frame(1, "ask"));
  const reply = frame(1, "told").getAt(0, 6);
  expect(send(theirs, reply, reply.length)).toBe(6);
  closeDescriptor(theirs);
  const second = vector.enqueueCc(ours, frame(2, "ask")).catch((error) => error.code);
  expect(textOf(await first)).toBe("told");
  expect(await second).toBe("EPIPE");
});

for (const [kind, pair] of Object.entries(KINDS)) {
  test(`${kind}: requests and replies, in any order`, async () => {
    const [ours, theirs] = await pair();
    const vector = new FrameVector(FRAMING);
    vector.addFd(ours);
    answering(theirs);
    const texts = Array.from({ length: 100 }, (_, n) => `request ${n}`);
    const replies = await Promise.all(
      texts.map((text, n) => vector.enqueueCc(ours, frame(n + 1, text))),
    );
    expect(replies.map(textOf)).toEqual(texts.map((text) => text.toUpperCase()));
    vector.removeFd(ours);
  });

  test(`${kind}: more than the other end takes at a time`, async () => {
    const [ours, theirs] = await pair();
    const size = 8 << 20;
    const big = {
      read: (received: ReturnType<typeof frame>, channel: Parameters<typeof fill>[1]) =>
        fill(received, channel, size),
      compare: () => "push" as const,
    };
    const sender = new FrameVector(big);
    sender.addFd(ours);
    const receiver = new FrameVector(big);
    receiver.addFd(theirs, { read: false, write: true });
    const message = frame(1, "");
    const content = message.window(0, size);
    for (let at = 0; at < size; at += 4096) content[at] = at / 4096;
    const sent = sender.enqueueDirectSend(ours, message);
    const received = await receiver.enqueueDirectReceive(theirs);
    await sent;
    expect(Bun.hash(received.getAt(0, size))).toBe(Bun.hash(message.getAt(0, size)));
    sender.removeFd(ours);
    receiver.removeFd(theirs);
  });

  test(`${kind}: the other end goes, and whoever waits fails`, async () => {
    const [ours, theirs] = await pair();
    const sides: boolean[] = [];
    const closed = Promise.withResolvers<void>();
    const vector = new FrameVector({
      ...FRAMING,
      fdNotify: (channel, gone) => {
        sides.push(gone.read && gone.write);
        if (!(gone.read && gone.write)) return;
        vector.removeFd(channel);
        closed.resolve();
      },
    });
    vector.addFd(ours);
    const other = new FrameVector(FRAMING);
    other.addFd(theirs);
    const reply = vector.enqueueCc(ours, frame(1, "ask"));
    other.removeFd(theirs);
    expect(await reply.catch((error) => error.code)).toBe("ECONNRESET");
    await closed.promise;
    expect(sides).toEqual([false, true]);
  });

  test(`${kind}: an event is waited for`, async () => {
    const [ours, theirs] = await pair();
    const vector = new FrameVector(FRAMING);
    const channel = vector.addFd(ours, { read: false, write: true });
    const other = new FrameVector(FRAMING);
    other.addFd(theirs);
    const event = vector.waitEvent(ours, "read");
    other.enqueueJustSend(theirs, frame(1, "hello"));
    await event;
    const into = new Uint8Array(7);
    expect(channel.read(into)).toBe(7);
    expect(new TextDecoder().decode(into.subarray(2))).toBe("hello");
    vector.removeFd(ours);
    other.removeFd(theirs);
  });

  test(`${kind}: what is so already is told too: input, the end of it, room`, async () => {
    const [ours, theirs] = await pair();
    const vector = new FrameVector(FRAMING);
    const channel = vector.addFd(ours, { read: false, write: true });
    const other = new FrameVector(FRAMING);
    other.addFd(theirs);
    expect(await vector.waitEvent(ours, "write")).toBe("write");
    await other.enqueueDirectSend(theirs, frame(1, "hello"));
    await vector.waitEvent(ours, "read");
    await Bun.sleep(1);
    // Nobody has read it.
    expect(await vector.waitEvent(ours, "read")).toBe("read");
    const into = new Uint8Array(100);
    expect(channel.read(into)).toBe(7);
    other.removeFd(theirs);
    await vector.waitEvent(ours, "read");
    await Bun.sleep(1);
    expect(await vector.waitEvent(ours, "read")).toBe("read");
    expect(channel.read(into)).toBeNull();
    vector.removeFd(ours);
  }, 5000);
}
