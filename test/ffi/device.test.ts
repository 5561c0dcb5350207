import { afterEach, expect, test } from "bun:test";
import { constants, existsSync, readFileSync } from "node:fs";
import {
  closeDescriptor,
  EAGAIN,
  EPIPE,
  hasHungUp,
  openDescriptor,
  pageAligned,
  receive,
  send,
  sendParts,
  setBlocking,
  setNonBlocking,
  waitEither,
  waitReadable,
} from "../../ffi/device.ts";
import { socketPair } from "../../ffi/socket.ts";

const open = new Set<number>();

function pair(): [number, number] {
  const fds = socketPair("seqpacket");
  for (const fd of fds) open.add(fd);
  return fds;
}

function close(fd: number): void {
  open.delete(fd);
  closeDescriptor(fd);
}

afterEach(() => {
  for (const fd of open) close(fd);
});

const message = Uint8Array.of(1, 2, 3, 4, 5, 6);

test("send writes the first bytes, receive returns how many came and 0 at the end", () => {
  const [a, b] = pair();
  const buffer = new Uint8Array(10).fill(99);
  expect(send(a, message, 4)).toBe(4);
  expect(receive(b, buffer)).toBe(4);
  expect([...buffer]).toEqual([1, 2, 3, 4, 99, 99, 99, 99, 99, 99]);
  close(a);
  expect(receive(b, buffer)).toBe(0);
});

test("receive fills a view where it lies in its buffer", () => {
  const [a, b] = pair();
  const whole = new Uint8Array(8);
  send(a, message, 2);
  expect(receive(b, whole.subarray(3, 6))).toBe(2);
  expect([...whole]).toEqual([0, 0, 0, 1, 2, 0, 0, 0]);
});

test("failures are negated errno numbers, a different one for each", () => {
  const [a, b] = pair();
  setNonBlocking(b);
  expect(receive(b, new Uint8Array(8))).toBe(-EAGAIN);
  close(b);
  expect(send(a, message, 6)).toBe(-EPIPE);
  expect(sendParts(a, message, message)).toBe(-EPIPE);
  expect(receive(-1, new Uint8Array(8))).toBe(-9);
});

test("sendParts makes one message of two buffers, of their first bytes if told", () => {
  const [a, b] = pair();
  const buffer = new Uint8Array(16);
  const head = Uint8Array.of(7, 8);
  expect(sendParts(a, head, message)).toBe(8);
  expect(receive(b, buffer)).toBe(8);
  expect([...buffer.subarray(0, 8)]).toEqual([7, 8, 1, 2, 3, 4, 5, 6]);

  expect(sendParts(a, head, message.subarray(2), 1, 3)).toBe(4);
  expect(receive(b, buffer)).toBe(4);
  expect([...buffer.subarray(0, 4)]).toEqual([7, 3, 4, 5]);

  expect(sendParts(a, head, new Uint8Array(0))).toBe(2);
  expect(receive(b, buffer)).toBe(2);
});

test("waitReadable looks, and returns when its limit is over", () => {
  const [a, b] = pair();
  expect(waitReadable(b, 0)).toBe(false);
  expect(waitReadable(b, 2500)).toBe(false);
  expect(waitReadable(b, 1_000_001)).toBe(false);
  send(a, message, 1);
  expect(waitReadable(b, 0)).toBe(true);
  expect(waitReadable(b, 600e6)).toBe(true);
  receive(b, new Uint8Array(8));
  close(a);
  expect(waitReadable(b, 600e6)).toBe(true);
});

test("of two descriptors it is told which can be read, or written if that is asked", () => {
  const [one, other] = pair();
  const [third, fourth] = pair();
  expect(waitEither(one, third, false, 0)).toBe(0);
  send(other, Uint8Array.of(1), 1);
  expect(waitEither(one, third, false, 600e6)).toBe(1);
  expect(waitEither(one, third, true, 0)).toBe(3);
  send(fourth, Uint8Array.of(1), 1);
  receive(one, new Uint8Array(1));
  expect(waitEither(one, third, false, 600e6)).toBe(2);
});

test("a descriptor has hung up when its peer is closed, and not before", () => {
  const [one, other] = pair();
  send(other, Uint8Array.of(1), 1);
  expect(hasHungUp(one)).toBe(false);
  close(other);
  expect(hasHungUp(one)).toBe(true);
});

test("a descriptor is made to answer at once, and to wait again", () => {
  const [one] = pair();
  const flags = () => {
    const info = readFileSync(`/proc/self/fdinfo/${one}`, "utf8");
    return Number.parseInt(/^flags:\s*(\d+)$/m.exec(info)?.[1] ?? "", 8);
  };
  setNonBlocking(one);
  expect(flags() & constants.O_NONBLOCK).toBe(constants.O_NONBLOCK);
  expect(receive(one, new Uint8Array(1))).toBe(-EAGAIN);
  setBlocking(one);
  expect(flags() & constants.O_NONBLOCK).toBe(0);
});

test("mapped memory is zeroed, of the size asked, and good for messages", () => {
  const memory = pageAligned(100_000);
  expect(memory.length).toBe(100_000);
  expect(memory.every((byte) => byte === 0)).toBe(true);
  const [a, b] = pair();
  memory.set(message, 5000);
  expect(send(a, memory.subarray(5000), 6)).toBe(6);
  expect(receive(b, memory)).toBe(6);
  expect([...memory.subarray(0, 6)]).toEqual([...message]);
});

test("openDescriptor opens with close-on-exec and throws a SystemError", () => {
  const fd = openDescriptor("/dev/null", constants.O_RDWR);
  open.add(fd);
  const flags = /flags:\s*([0-7]+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1];
  expect(Number.parseInt(flags ?? "0", 8) & 0o2000003).toBe(0o2000002);
  expect(() => openDescriptor("/no/such/file", constants.O_RDONLY)).toThrow(
    expect.objectContaining({ code: "ENOENT", syscall: "open" }),
  );
});

test("closeDescriptor closes, and tells when there is nothing to close", () => {
  const fd = openDescriptor("/dev/null", constants.O_RDONLY);
  expect(existsSync(`/proc/self/fd/${fd}`)).toBe(true);
  closeDescriptor(fd);
  expect(() => closeDescriptor(-1)).toThrow(expect.objectContaining({ code: "EBADF" }));
});
