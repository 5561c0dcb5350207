import { afterEach, describe, expect, test } from "bun:test";
import {
  closeDescriptor,
  ENODEV,
  receive,
  send,
  setNonBlocking,
  waitReadable,
} from "../ffi/device.ts";
import { socketPair } from "../ffi/socket.ts";
import type { Companion } from "../src/companion.ts";
import { DeviceEngine } from "../src/engine.ts";
import type { Frame, Serving } from "../src/frame.ts";
import { playCompanion } from "./support/companion.ts";
import { until } from "./support/mounted.ts";

const ROOM = 256;

const cleanups: (() => void)[] = [];

afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

/** An engine whose device is one end of a socket that keeps the bounds of messages; the test is the kernel at the other. */
function running(
  serve: (frame: Frame) => number | Promise<number>,
  companion?: () => Companion | undefined,
) {
  const [device, kernel] = socketPair("seqpacket");
  setNonBlocking(kernel);
  const reports: string[] = [];
  const serving: Serving = { serve };
  const engine = new DeviceEngine(
    device,
    serving,
    ROOM,
    (message) => reports.push(message),
    companion,
  );
  const ended = engine.run();
  let isOpen = true;
  const hangUp = () => {
    if (isOpen) closeDescriptor(kernel);
    isOpen = false;
  };
  cleanups.push(() => {
    hangUp();
    engine.stop();
    closeDescriptor(device);
  });
  const buffer = new Uint8Array(ROOM);
  return {
    engine,
    ended,
    reports,
    hangUp,
    ask: (...message: number[]) => send(kernel, Uint8Array.from(message), message.length),
    /** The next reply; waits for it, with the event loop free. */
    async reply(): Promise<number[]> {
      for (;;) {
        const length = receive(kernel, buffer);
        if (length > 0) return [...buffer.subarray(0, length)];
        await Bun.sleep(1);
      }
    },
  };
}

/** Answers with the request backwards. */
function backwards(frame: Frame): number {
  frame.reply.set(frame.request.slice(0, frame.length).reverse());
  return frame.length;
}

const answering: readonly (readonly [string, (frame: Frame) => number | Promise<number>])[] = [
  ["at once", backwards],
  ["in a microtask", async (frame) => backwards(frame)],
  ["after a timer", (frame) => Bun.sleep(1).then(() => backwards(frame))],
  [
    "now so, now so",
    (f) => (f.request[0] === 1 ? backwards(f) : Bun.sleep(1).then(() => backwards(f))),
  ],
];

describe.each(answering)("a server that answers %s", (_name, serve) => {
  test("is given each message whole, and its replies go out", async () => {
    const { ask, reply } = running(serve);
    for (let i = 1; i < 5; i++) {
      ask(i, 2, 3);
      expect(await reply()).toEqual([3, 2, i]);
      // A mount that was quiet is woken.
      if (i === 2) await Bun.sleep(20);
    }
  });

  test("answers bursts, each request once", async () => {
    const { ask, reply } = running(serve);
    for (let round = 0; round < 5; round++) {
      for (let i = 0; i < 40; i++) expect(ask(i, round)).toBe(2);
      const replies: number[][] = [];
      while (replies.length < 40) replies.push(await reply());
      const sorted = replies.map(([, i]) => i as number).sort((a, b) => a - b);
      expect(sorted).toEqual(Array.from({ length: 40 }, (_, i) => i));
      expect(replies.every(([answered]) => answered === round)).toBe(true);
    }
  });
});

test("no reply is sent where none is due", async () => {
  const { ask, reply } = running((frame) => (frame.request[0] === 0 ? 0 : backwards(frame)));
  for (let i = 0; i < 10; i++) ask(0);
  ask(9);
  expect(await reply()).toEqual([9]);
});

test("a request waits for nobody: those after it are answered before", async () => {
  const turn = Promise.withResolvers<void>();
  const { ask, reply } = running((frame) =>
    frame.request[0] === 1 ? turn.promise.then(() => backwards(frame)) : backwards(frame),
  );
  ask(1);
  ask(2);
  expect(await reply()).toEqual([2]);
  // Also when the engine has gone to sleep meanwhile.
  await Bun.sleep(20);
  ask(3);
  expect(await reply()).toEqual([3]);
  turn.resolve();
  expect(await reply()).toEqual([1]);
});

test("a frame that is lost is never lent again, and any other is", async () => {
  const lent: Frame[] = [];
  let loses = true;
  const { ask, reply } = running((frame) => {
    lent.push(frame);
    frame.lost = loses;
    return backwards(frame);
  });
  ask(1);
  await reply();
  loses = false;
  for (let i = 0; i < 5; i++) {
    ask(i);
    await reply();
  }
  const [lost, next, ...others] = lent;
  expect(next).not.toBe(lost as Frame);
  expect(others.every((frame) => frame === next)).toBe(true);
});

test("timers, promises and signals get their turn while requests never end", async () => {
  let feeding = true;
  let asked = 0;
  const { ask, ended } = running((frame) => {
    // The kernel has the next request ready before this one is answered.
    if (feeding && ++asked < 3_000_000) ask(2);
    return frame.request[0] === 1 ? Promise.resolve(0) : 0;
  });
  const events = { timer: 0, immediate: 0, signal: 0 };
  const onSignal = () => events.signal++;
  process.on("SIGUSR2", onSignal);
  cleanups.push(() => process.off("SIGUSR2", onSignal));
  // One that is answered later comes first: it must not change how turns are counted.
  ask(1);
  const done = new Promise<void>((resolve) => {
    const look = () => {
      events.immediate++;
      if (events.timer >= 20 && events.signal > 0) resolve();
      else setImmediate(look);
    };
    look();
  });
  const timer = setInterval(() => {
    if (events.timer++ === 10) process.kill(process.pid, "SIGUSR2");
  }, 1);
  cleanups.push(() => clearInterval(timer));
  await done;
  expect(asked).toBeLessThan(3_000_000);
  expect(asked).toBeGreaterThan(events.timer);
  feeding = false;
  void ended;
});

test("idle it uses no CPU, with a request pending too", async () => {
  const { ask, reply } = running((frame) =>
    frame.request[0] === 1 ? new Promise<number>(() => {}) : backwards(frame),
  );
  ask(1);
  ask(2);
  await reply();
  await Bun.sleep(50);
  const before = process.cpuUsage();
  const span = 400;
  await Bun.sleep(span);
  const { user, system } = process.cpuUsage(before);
  // Looking for requests all the time would be all of it.
  expect((user + system) / 1000).toBeLessThan(span / 2);
});

describe("the end", () => {
  test("of the other side ends it, asleep or not", async () => {
    for (const pause of [0, 20]) {
      const { ended, hangUp } = running(backwards);
      await Bun.sleep(pause);
      hangUp();
      expect(await ended).toBe(ENODEV);
    }
  });

  test("of a device that fails is told by its errno", async () => {
    const { constants } = await import("node:os");
    const { openSync, closeSync } = await import("node:fs");
    const directory = openSync("/", "r");
    const engine = new DeviceEngine(directory, { serve: () => 0 }, ROOM, () => {});
    expect(await engine.run()).toBe(constants.errno.EISDIR);
    closeSync(directory);
  });

  test("does not wait for what is at work, whose late answer goes nowhere", async () => {
    const turn = Promise.withResolvers<void>();
    const { ask, ended, hangUp, reports } = running((frame) =>
      turn.promise.then(() => backwards(frame)),
    );
    ask(1);
    await Bun.sleep(5);
    hangUp();
    expect(await ended).toBe(ENODEV);
    turn.resolve();
    await Bun.sleep(5);
    expect(reports).toEqual([]);
  });

  test("by `stop` waits for what is at work, and its answer goes out", async () => {
    const turn = Promise.withResolvers<void>();
    let served = 0;
    const { ask, ended, engine, reply } = running((frame) => {
      served++;
      return turn.promise.then(() => backwards(frame));
    });
    ask(7);
    while (served === 0) await Bun.sleep(1);
    engine.stop();
    engine.stop();
    const first = await Promise.race([ended, Bun.sleep(10).then(() => "still at work")]);
    expect(first).toBe("still at work");
    turn.resolve();
    expect([await ended, await reply()]).toEqual([ENODEV, [7]]);
  });
});

test("a reply that is refused becomes EIO, with a report", async () => {
  const [device, kernel] = socketPair("seqpacket");
  const closed = { at: device };
  cleanups.push(() => closeDescriptor(kernel));
  const reports: string[] = [];
  const engine = new DeviceEngine(
    device,
    {
      // Larger than the socket takes as one message: EMSGSIZE.
      serve: (frame) => frame.reply.length,
    },
    8 << 20,
    (message) => reports.push(message),
  );
  const ended = engine.run();
  send(kernel, Uint8Array.of(1, 2, 3), 3);
  setNonBlocking(kernel);
  const answer = new Uint8Array(64);
  let length = receive(kernel, answer);
  while (length < 0) {
    await Bun.sleep(1);
    length = receive(kernel, answer);
  }
  const view = new DataView(answer.buffer);
  expect([length, view.getUint32(0, true), view.getInt32(4, true)]).toEqual([16, 16, -5]);
  expect(reports.length).toBe(1);
  engine.stop();
  await ended;
  closeDescriptor(closed.at);
});

test("what operations wait for is waited for along with requests", async () => {
  const other = playCompanion();
  cleanups.push(other.close);
  const serve = async (frame: Frame) => {
    frame.reply[0] = await other.ask();
    return 1;
  };
  const { ask, reply, engine, ended } = running(serve, () => other);
  for (let i = 1; i < 40; i++) {
    ask(i);
    while (other.waiting === 0) await Bun.sleep(i % 3);
    // Also when the engine has gone to sleep over it.
    if (i % 10 === 0) await Bun.sleep(20);
    send(other.far, Uint8Array.of(100 + i), 1);
    expect(await reply()).toEqual([100 + i]);
  }
  expect(other.selfless).toBe(true);
  engine.stop();
  await ended;
  // From now on nobody else does it.
  expect(other.selfless).toBe(false);
});

test("a companion that says something unasked is heard", async () => {
  const other = playCompanion();
  cleanups.push(other.close);
  const { ask, reply } = running(backwards, () => other);
  ask(1);
  expect(await reply()).toEqual([1]);
  for (const pause of [1, 20]) {
    await Bun.sleep(pause);
    send(other.far, Uint8Array.of(9), 1);
    await until(() => !waitReadable(other.descriptor, 0), "the look of who waits");
  }
});
