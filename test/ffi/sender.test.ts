import { expect, test } from "bun:test";
import { closeDescriptor, receive, setNonBlocking, waitReadable } from "../../ffi/device.ts";
import { BlockingSender } from "../../ffi/sender.ts";
import { socketPair } from "../../ffi/socket.ts";

/** More than a socket takes in before it blocks. */
const LARGE = 4 << 20;

/** Reads so many bytes, letting the event loop turn between. */
async function drain(fd: number, length: number): Promise<Uint8Array> {
  const all = new Uint8Array(length);
  for (let filled = 0; filled < length; ) {
    if (waitReadable(fd, 0)) filled += receive(fd, all.subarray(filled));
    else await Bun.sleep(1);
  }
  return all;
}

for (const blocking of [true, false]) {
  test(`messages arrive whole and in order, ${blocking ? "" : "non-"}blocking descriptor`, async () => {
    const [a, b] = socketPair("stream");
    if (!blocking) setNonBlocking(a);
    const sender = new BlockingSender(a);
    const large = sender.send(new Uint8Array(LARGE).fill(7));
    const small = Uint8Array.of(9, 1, 2, 9).subarray(1, 3);
    const last = sender.send(small);
    small.fill(0);
    let settled = false;
    large.then(() => {
      settled = true;
    });
    await Bun.sleep(20);
    // The socket is full and nobody reads: the write waits, this thread does not.
    expect(settled).toBe(false);

    const received = await drain(b, LARGE + 2);
    expect(await large).toBe(LARGE);
    expect(await last).toBe(2);
    expect(received.subarray(0, LARGE).every((value) => value === 7)).toBe(true);
    expect([...received.subarray(LARGE)]).toEqual([1, 2]);
    await sender.close();
    closeDescriptor(a);
    closeDescriptor(b);
  });
}

test("a failed write resolves with the negated errno, and the next one is tried", async () => {
  const [a, b] = socketPair("stream");
  closeDescriptor(b);
  const sender = new BlockingSender(a);
  const EPIPE = 32;
  expect(await sender.send(new Uint8Array(3))).toBe(-EPIPE);
  expect(await sender.send(new Uint8Array(3))).toBe(-EPIPE);
  await sender.close();
  closeDescriptor(a);
});

test("close waits for what was sent; after it nothing is", async () => {
  const [a, b] = socketPair("stream");
  const sender = new BlockingSender(a);
  const sent = sender.send(new Uint8Array(LARGE));
  let closed = false;
  const closing = sender.close().then(() => {
    closed = true;
  });
  const EBADF = 9;
  expect(await sender.send(new Uint8Array(1))).toBe(-EBADF);
  expect(closed).toBe(false);
  await drain(b, LARGE);
  expect(await sent).toBe(LARGE);
  await closing;
  expect(waitReadable(b, 0)).toBe(false);
  closeDescriptor(a);
  closeDescriptor(b);
});

test("a sender that sent nothing closes at once, and twice", async () => {
  const sender = new BlockingSender(-1);
  await sender.close();
  await sender.close();
});
