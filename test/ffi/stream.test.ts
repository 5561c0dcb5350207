import { expect, test } from "bun:test";
import { closeSync, openSync } from "node:fs";
import { closeDescriptor, EAGAIN, EPIPE } from "../../ffi/device.ts";
import { socketPair } from "../../ffi/socket.ts";
import { limitReceive, receiveOf, sendNow } from "../../ffi/stream.ts";

test("a read waits as long as it may and not at all if it is not to; a write never waits", () => {
  const [a, b] = socketPair("stream");
  const bytes = new Uint8Array(4096);
  expect(limitReceive(b, 20_000)).toBe(true);
  const begun = Bun.nanoseconds();
  expect(receiveOf(b, bytes, false)).toBe(-EAGAIN);
  expect(Bun.nanoseconds() - begun).toBeLessThan(15e6);
  expect(receiveOf(b, bytes, true)).toBe(-EAGAIN);
  expect(Bun.nanoseconds() - begun).toBeGreaterThan(15e6);
  let sent = 0;
  for (let count = 0; count >= 0; count = sendNow(a, bytes, bytes.length)) sent += count;
  expect(sent).toBeGreaterThan(4096);
  expect(receiveOf(b, bytes, true)).toBe(4096);
  closeDescriptor(b);
  expect(sendNow(a, bytes, 1)).toBe(-EPIPE);
  closeDescriptor(a);
});

test("what is no socket cannot be told how long to wait", () => {
  const file = openSync("/dev/null", "r");
  expect(limitReceive(file, 1000)).toBe(false);
  closeSync(file);
});
