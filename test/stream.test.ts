import { afterEach, describe, expect, test } from "bun:test";
import { closeDescriptor, EAGAIN, receive, send, setNonBlocking } from "../ffi/device.ts";
import { socketPair } from "../ffi/socket.ts";
import type { Companion } from "../src/companion.ts";
import type { Frame, Serving } from "../src/frame.ts";
import { StreamEngine } from "../src/stream.ts";
import { playCompanion } from "./support/companion.ts";

/*
 * The engine of a stream, with a server that is played: it answers each message by its number and as many bytes of payload as the
 * message asks for. Messages are headers of 56 bytes (length, number, and at 48 the most that the reply may have) and payload.
 */

const HEADER = 56;
const LIMIT = 1 << 17;
const ENODEV = 19;
const EPROTO = 71;

interface Answer {
  readonly number: number;
  readonly bytes: Uint8Array;
}

/** The other end, and the engine at this one. */
interface Line {
  readonly end: number;
  readonly engine: StreamEngine;
  readonly ended: Promise<number>;
  readonly reports: string[];
  /** Write some bytes, waiting for room; reads what comes meanwhile. */
  write(bytes: Uint8Array): Promise<void>;
  /** Wait for so many answers, in all. */
  answers(count: number): Promise<readonly Answer[]>;
}

const open: { end: number; ours: number; engine: StreamEngine; ended: Promise<number> }[] = [];

function line(serve: Serving["serve"], companion?: () => Companion): Line {
  const [end, ours] = socketPair("stream");
  setNonBlocking(end);
  const reports: string[] = [];
  const report = (message: string) => reports.push(message);
  const engine = new StreamEngine(ours, { serve }, LIMIT, report, companion);
  const ended = engine.run();
  open.push({ end, ours, engine, ended });
  const buffer = new Uint8Array(1 << 20);
  let left = new Uint8Array(0);
  const got: Answer[] = [];
  const read = (): boolean => {
    const count = receive(end, buffer);
    if (count <= 0) return false;
    const all = new Uint8Array(left.length + count);
    all.set(left);
    all.set(buffer.subarray(0, count), left.length);
    let at = 0;
    while (at + 8 <= all.length) {
      const view = new DataView(all.buffer, at);
      const length = view.getUint32(0, true);
      if (at + length > all.length) break;
      got.push({ number: view.getUint32(8, true), bytes: all.slice(at, at + length) });
      at += length;
    }
    left = all.slice(at);
    return true;
  };
  return {
    end,
    engine,
    ended,
    reports,
    async write(bytes) {
      for (let done = 0; done < bytes.length; ) {
        const part = bytes.subarray(done);
        const sent = send(end, part, part.length);
        if (sent > 0) done += sent;
        else if (sent === -EAGAIN && !read()) await Bun.sleep(0);
        else if (sent < 0 && sent !== -EAGAIN) throw new Error(`write failed: ${sent}`);
      }
    },
    async answers(count) {
      while (got.length < count) if (!read()) await Bun.sleep(0);
      return got;
    },
  };
}

afterEach(async () => {
  for (const { end, ours, engine, ended } of open.splice(0)) {
    engine.stop();
    await ended;
    closeDescriptor(end);
    closeDescriptor(ours);
  }
});

function message(number: number, payload = 0, reply = HEADER): Uint8Array {
  const bytes = new Uint8Array(HEADER + payload);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  view.setUint32(8, number, true);
  view.setUint32(48, reply, true);
  bytes.fill(number & 0xff, HEADER);
  return bytes;
}

/** The reply in the bytes of the request, as long as it may be. */
function answer({ requestView, reply }: Frame): number {
  const number = requestView.getUint32(8, true);
  const length = requestView.getUint32(48, true);
  reply.fill((number + 1) & 0xff, HEADER, length);
  requestView.setUint32(0, length, true);
  return length;
}

describe("messages", () => {
  test("byte by byte", async () => {
    const { write, answers } = line(answer);
    for (let number = 0; number < 3; number++)
      for (const byte of message(number, 20, 300)) await write(Uint8Array.of(byte));
    const all = await answers(3);
    expect(all.map(({ number }) => number)).toEqual([0, 1, 2]);
    expect(all.map(({ bytes }) => bytes.length)).toEqual([300, 300, 300]);
    expect([...(all[2]?.bytes.subarray(HEADER) ?? [])].every((byte) => byte === 3)).toBe(true);
  });

  test("many in one piece, of all lengths, each once and whole", async () => {
    const seen = new Map<number, number>();
    const { write, answers } = line((frame) => {
      const number = frame.requestView.getUint32(8, true);
      const isWhole = frame.request
        .subarray(HEADER, frame.length)
        .every((b) => b === (number & 0xff));
      seen.set(number, isWhole ? frame.length : -1);
      return answer(frame);
    });
    const lengths = Array.from({ length: 500 }, (_, i) => (i * 37) % 9000);
    const all = lengths.map((length, i) => message(i, length, HEADER + ((i * 91) % 9000)));
    const bytes = new Uint8Array(all.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const one of all) {
      bytes.set(one, at);
      at += one.length;
    }
    await write(bytes);
    const got = await answers(500);
    expect([...seen.values()]).toEqual(lengths.map((length) => HEADER + length));
    expect(got.map(({ bytes }) => bytes.length)).toEqual(
      all.map((_, i) => HEADER + ((i * 91) % 9000)),
    );
  });

  test("ten thousand at work at a time, answered the other way round", async () => {
    const waiting: { frame: Frame; resolve: (length: number) => void }[] = [];
    const { write, answers } = line((frame) => {
      const { promise, resolve } = Promise.withResolvers<number>();
      waiting.push({ frame, resolve });
      if (waiting.length === 10_000)
        setImmediate(() => {
          for (const one of waiting.reverse()) one.resolve(answer(one.frame));
        });
      return promise;
    });
    for (let number = 0; number < 10_000; number++) await write(message(number));
    const all = await answers(10_000);
    expect(all[0]?.number).toBe(9_999);
    expect(new Set(all.map(({ number }) => number)).size).toBe(10_000);
  });

  test("replies that the other end does not read yet are kept, in order, while requests go on", async () => {
    let served = 0;
    const { write, answers } = line((frame) => {
      served++;
      return answer(frame);
    });
    for (let number = 0; number < 100; number++) await write(message(number, 0, 100_000));
    while (served < 100) await Bun.sleep(1);
    const all = await answers(100);
    expect(all.map(({ number }) => number)).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect(all.every(({ bytes, number }) => bytes[99_999] === ((number + 1) & 0xff))).toBe(true);
  });

  test("of our own go out between the replies", async () => {
    const { engine, write, answers } = line(answer);
    engine.send(message(7));
    await write(message(8));
    expect((await answers(2)).map(({ number }) => number)).toEqual([7, 8]);
  });

  test("that are not to be answered are not", async () => {
    const { write, answers } = line((frame) =>
      frame.requestView.getUint32(8, true) % 2 ? 0 : answer(frame),
    );
    for (let number = 0; number < 6; number++) await write(message(number));
    expect((await answers(3)).map(({ number }) => number)).toEqual([0, 2, 4]);
  });
});

describe("the end", () => {
  test("of the other side ends it", async () => {
    const { end, ended, write, answers } = line(answer);
    await write(message(1));
    await answers(1);
    closeDescriptor(end);
    const [closed] = open.splice(0);
    expect(await ended).toBe(ENODEV);
    if (closed) closeDescriptor(closed.ours);
  });

  test("of the other side in the midst of a frame ends it with a report, what came before being served", async () => {
    const { end, ended, write, answers, reports } = line(answer);
    await write(message(1));
    await write(message(2).subarray(0, 20));
    expect((await answers(1))[0]?.number).toBe(1);
    closeDescriptor(end);
    const [closed] = open.splice(0);
    expect(await ended).toBe(EPROTO);
    expect(reports).toEqual(["the stream broke off behind byte 20 of a frame"]);
    if (closed) closeDescriptor(closed.ours);
  });

  test("a stream out of step ends it, with a report", async () => {
    const { ended, write, reports } = line(answer);
    await write(new Uint8Array(8).fill(0xff));
    expect(await ended).toBe(EPROTO);
    expect(reports.length).toBe(1);
  });

  test("by `stop` lets the reply out that is being made", async () => {
    const { engine, ended, write, answers } = line((frame) => {
      engine.stop();
      return answer(frame);
    });
    await write(message(5, 0, 60_000));
    expect((await answers(1))[0]?.bytes.length).toBe(60_000);
    expect(await ended).toBe(ENODEV);
  });
});

test("what operations wait for is waited for along with requests", async () => {
  const other = playCompanion();
  const serve = async (frame: Frame) => {
    await other.ask();
    return answer(frame);
  };
  const { write, answers, engine, ended } = line(serve, () => other);
  try {
    for (let number = 1; number < 40; number++) {
      await write(message(number));
      while (other.waiting === 0) await Bun.sleep(number % 3);
      // Also when the engine has gone to sleep over it.
      if (number % 10 === 0) await Bun.sleep(20);
      send(other.far, Uint8Array.of(1), 1);
      const all = await answers(number);
      expect(all.at(-1)?.number).toBe(number);
    }
    expect(other.selfless).toBe(true);
    engine.stop();
    await ended;
    // From now on nobody else does it.
    expect(other.selfless).toBe(false);
  } finally {
    other.close();
  }
});
