import { afterEach, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { closeDescriptor, EINTR, receive, send } from "../../ffi/device.ts";
import { socketPair } from "../../ffi/socket.ts";
import { Waiter } from "../../ffi/waiter.ts";

const byte = Uint8Array.of(1);
const cleanups: (() => void)[] = [];

function makeWaiter(options?: { reads?: boolean; hurries?: boolean }): Waiter {
  const waiter = new Waiter(options);
  cleanups.push(() => waiter.close());
  return waiter;
}

function makePair(): [number, number] {
  const pair = socketPair("stream");
  for (const fd of pair) cleanups.push(() => closeDescriptor(fd));
  return pair;
}

afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

const ready = (waiter: Waiter, ...fds: number[]) =>
  new Promise<void>((resolve) => waiter.wait(fds, resolve));

test("wakes when a descriptor becomes readable, again and again", async () => {
  const waiter = makeWaiter();
  const [a, b] = makePair();
  for (let round = 0; round < 500; round++) {
    let woken = false;
    const waiting = ready(waiter, b).then(() => {
      woken = true;
    });
    await new Promise(setImmediate);
    expect(woken).toBe(false);
    send(a, byte, 1);
    await waiting;
    expect(receive(b, new Uint8Array(4))).toBe(1);
  }
});

test("any of several descriptors will do", async () => {
  const waiter = makeWaiter();
  const pairs = [makePair(), makePair(), makePair()];
  const readers = pairs.map(([, reader]) => reader);
  for (const [writer, reader] of pairs) {
    const waiting = ready(waiter, ...readers);
    send(writer, byte, 1);
    await waiting;
    expect(receive(reader, new Uint8Array(4))).toBe(1);
  }
});

test("what is readable already, hung up or not open is ready", async () => {
  const waiter = makeWaiter();
  const [a, b] = makePair();
  send(a, byte, 1);
  let called = false;
  const waiting = new Promise<void>((resolve) =>
    waiter.wait([b], () => {
      called = true;
      resolve();
    }),
  );
  expect(called).toBe(false);
  await waiting;

  const [c, d] = socketPair("stream");
  closeDescriptor(c);
  await ready(waiter, d);
  closeDescriptor(d);
  await ready(waiter, 1_000_000);
});

test("ready is called once for one wait", async () => {
  const waiter = makeWaiter();
  const [a, b] = makePair();
  const [c, d] = makePair();
  let calls = 0;
  send(a, byte, 1);
  await new Promise<void>((resolve) =>
    waiter.wait([b], () => {
      calls++;
      resolve();
    }),
  );
  send(a, byte, 1);
  send(c, byte, 1);
  await ready(waiter, d);
  expect(calls).toBe(1);
});

test("a new wait takes the place of the one before", async () => {
  const waiter = makeWaiter();
  const [a, b] = makePair();
  const [c, d] = makePair();
  let replaced = false;
  for (let round = 0; round < 200; round++) {
    waiter.wait([b], () => {
      replaced = true;
    });
    if (round % 3 !== 0) await Bun.sleep(0);
    const waiting = ready(waiter, d);
    send(c, byte, 1);
    await waiting;
    receive(d, new Uint8Array(4));
  }
  send(a, byte, 1);
  expect(replaced).toBe(false);
});

test("a cancelled wait is not called, and the next one works", async () => {
  const waiter = makeWaiter();
  const [a, b] = makePair();
  const [c, d] = makePair();
  let cancelled = false;
  waiter.wait([b], () => {
    cancelled = true;
  });
  waiter.cancel();
  send(a, byte, 1);
  send(c, byte, 1);
  await ready(waiter, d);
  expect(cancelled).toBe(false);
});

test("cancelling lets go of the file, so that closing it reaches the peer", async () => {
  const waiter = makeWaiter();
  const [a] = makePair();
  const [c, d] = socketPair("stream");
  cleanups.push(() => closeDescriptor(c));
  waiter.wait([d, a], () => {});
  await Bun.sleep(20);
  waiter.cancel();
  closeDescriptor(d);
  const other = makeWaiter();
  await ready(other, c);
  expect(receive(c, new Uint8Array(4))).toBe(0);
});

test("more descriptors than fit are refused", () => {
  const waiter = makeWaiter();
  expect(() => waiter.wait(new Array(65).fill(0), () => {})).toThrow(RangeError);
});

test("a read that waits takes what comes, and ends after a moment if nothing does", async () => {
  const waiter = makeWaiter({ reads: true });
  const [a, b] = makePair();
  const buffer = new Uint8Array(9);
  for (let round = 0; round < 20; round++) {
    // Attended to again after each sleep.
    const waiting = ready(waiter, b);
    if (round % 2 === 0) await Bun.sleep(2);
    send(a, byte, 1);
    await waiting;
    expect(waiter.read(b, buffer)).toBe(1);
    const begun = performance.now();
    expect(waiter.read(b, buffer)).toBe(-EINTR);
    expect(performance.now() - begun).toBeLessThan(1000);
    send(a, byte, 1);
    expect(waiter.read(b, buffer)).toBe(1);
  }
}, 30_000);

test("so it is with a wait for either of two", async () => {
  const waiter = makeWaiter({ reads: true });
  const [a, b] = makePair();
  const [c, d] = makePair();
  send(a, byte, 1);
  await ready(waiter, b);
  expect(waiter.either(b, d, false)).toBe(1);
  send(c, byte, 1);
  expect(waiter.either(b, d, false)).toBe(3);
  for (const fd of [b, d]) receive(fd, new Uint8Array(9));
  const begun = performance.now();
  expect(waiter.either(b, d, false)).toBe(0);
  expect(performance.now() - begun).toBeLessThan(1000);
  expect(waiter.either(b, d, true)).toBe(2);
}, 30_000);

test("what waits besides such calls is left alone", async () => {
  const waiter = makeWaiter({ reads: true });
  const [a, b] = makePair();
  send(a, byte, 1);
  await ready(waiter, b);
  expect(waiter.read(b, new Uint8Array(9))).toBe(1);
  const later = ["sh", "-c", "sleep 0.1; printf x >&3"];
  const child = Bun.spawn(later, { stdio: ["ignore", "ignore", "ignore", a] });
  expect(receive(b, new Uint8Array(9))).toBe(1);
  await child.exited;
}, 30_000);

const machine = join(import.meta.dir, "../../ffi");

/** Closes waiters in every state, and ends when their threads have given all back. */
const closing = `
  import { readdirSync, readlinkSync } from "node:fs";
  import { send } from ${JSON.stringify(join(machine, "device.ts"))};
  import { socketPair } from ${JSON.stringify(join(machine, "socket.ts"))};
  import { Waiter } from ${JSON.stringify(join(machine, "waiter.ts"))};
  const isEvent = (fd) => {
    try {
      return readlinkSync("/proc/self/fd/" + fd).includes("eventfd");
    } catch {
      return false;
    }
  };
  const events = () => readdirSync("/proc/self/fd").filter(isEvent).length;
  const [a, b] = socketPair("stream");
  const before = events();

  const beginning = new Waiter();
  const waiting = new Waiter();
  waiting.wait([b], () => console.log("never"));
  const resting = new Waiter();
  const [c, d] = socketPair("stream");
  send(c, new Uint8Array(1), 1);
  await new Promise((resolve) => {
    setTimeout(() => {}, 100);
    resting.wait([d], resolve);
  });

  console.log(events() >= before + 3);
  for (const waiter of [beginning, waiting, resting, new Waiter()]) waiter.close();
  waiting.close();
  while (events() > before) await Bun.sleep(1);
  console.log("all given back");
`;

test("closing ends the thread in whatever state it is", async () => {
  const child = Bun.spawn([process.execPath, "-e", closing], { stdout: "pipe", timeout: 30_000 });
  expect((await child.stdout.text()).trim().split("\n")).toEqual(["true", "all given back"]);
}, 40_000);

test("a closed waiter cannot wait", () => {
  const waiter = makeWaiter();
  waiter.close();
  expect(() => waiter.wait([], () => {})).toThrow("closed");
});

/** Is woken, has a message sent, then ends by itself although a thread still waits. */
const program = `
  import { receive, send } from ${JSON.stringify(join(machine, "device.ts"))};
  import { BlockingSender } from ${JSON.stringify(join(machine, "sender.ts"))};
  import { socketPair } from ${JSON.stringify(join(machine, "socket.ts"))};
  import { Waiter } from ${JSON.stringify(join(machine, "waiter.ts"))};
  const [a, b] = socketPair("stream");
  const waiter = new Waiter();
  const sender = new BlockingSender(a);
  const alive = setTimeout(() => {}, 60_000);
  waiter.wait([b], () => {
    console.log("woken", receive(b, new Uint8Array(9)));
    waiter.wait([b], () => console.log("never"));
    clearTimeout(alive);
  });
  console.log("sent", await sender.send(new Uint8Array(5)));
`;

test("a process that only waits ends", async () => {
  const child = Bun.spawn([process.execPath, "-e", program], { stdout: "pipe", timeout: 30_000 });
  const lines = (await child.stdout.text()).trim().split("\n");
  expect(lines.toSorted()).toEqual(["sent 5", "woken 5"]);
  expect(await child.exited).toBe(0);
}, 40_000);

test("the threads are part of a compiled binary", async () => {
  const directory = mkdtempSync(join(tmpdir(), "compiled-"));
  try {
    const source = join(directory, "program.ts");
    const binary = join(directory, "program");
    writeFileSync(source, program);
    const build = [process.execPath, "build", "--compile", "--minify", source, "--outfile", binary];
    expect(Bun.spawnSync(build, { cwd: directory }).exitCode).toBe(0);
    const child = Bun.spawn([binary], { cwd: "/", stdout: "pipe", timeout: 30_000 });
    const lines = (await child.stdout.text()).trim().split("\n");
    expect(lines.toSorted()).toEqual(["sent 5", "woken 5"]);
    expect(await child.exited).toBe(0);
  } finally {
    rmSync(directory, { recursive: true });
  }
}, 90_000);

test("one that hurries ends the calls that wait, of another, when a descriptor is ready", async () => {
  const reading = makeWaiter({ reads: true });
  const hurrying = makeWaiter({ hurries: true });
  for (let round = 0; round < 20; round++) {
    const [silent, quiet] = makePair();
    const [a, b] = makePair();
    // Nobody else ends the call: the waiter that reads has not been ready yet. This is for when it is not ended at all.
    const late = spawn("sh", ["-c", "sleep 5; echo >&3"], {
      stdio: ["ignore", "ignore", "ignore", quiet],
    });
    const heard = ready(hurrying, b);
    send(a, byte, 1);
    expect(reading.read(silent, new Uint8Array(1))).toBe(-EINTR);
    await heard;
    late.kill("SIGKILL");
    receive(b, new Uint8Array(1));
  }
});
