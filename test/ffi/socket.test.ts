import { expect, test } from "bun:test";
import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { closeDescriptor, receive, send } from "../../ffi/device.ts";
import { receiveDescriptor, sendDescriptor, socketPair } from "../../ffi/socket.ts";

for (const type of ["stream", "seqpacket"] as const) {
  test(`${type}: a descriptor that arrives is another one of the same file`, () => {
    const directory = mkdtempSync(join(tmpdir(), "socket-"));
    const [a, b] = socketPair(type);
    try {
      const path = join(directory, "file");
      writeFileSync(path, "the file's own text");
      const sent = openSync(path, "r");
      sendDescriptor(a, sent);
      closeSync(sent);
      const received = receiveDescriptor(b);
      expect(received).not.toBeNull();
      const fd = received as number;
      expect(readFileSync(fd, "utf8")).toBe("the file's own text");
      const info = readFileSync(`/proc/self/fdinfo/${fd}`, "utf8");
      expect(Number.parseInt(/flags:\s*(\d+)/.exec(info)?.[1] ?? "0", 8) & 0o2000000).not.toBe(0);
      closeDescriptor(fd);

      closeDescriptor(a);
      expect(receiveDescriptor(b)).toBeNull();
    } finally {
      closeDescriptor(b);
      rmSync(directory, { recursive: true });
    }
  });
}

test("descriptors arrive in the order they were sent", () => {
  const [a, b] = socketPair("stream");
  const files = ["/dev/null", "/dev/zero"].map((path) => openSync(path, "r"));
  for (const fd of files) sendDescriptor(a, fd);
  for (const path of ["/dev/null", "/dev/zero"]) {
    const fd = receiveDescriptor(b) as number;
    expect(statSync(`/proc/self/fd/${fd}`).rdev).toBe(statSync(path).rdev);
    closeDescriptor(fd);
  }
  for (const fd of [...files, a, b]) closeDescriptor(fd);
});

test("a byte without a descriptor is EBADMSG, a dead peer EPIPE without a signal", () => {
  const [a, b] = socketPair("stream");
  send(a, Uint8Array.of(0), 1);
  expect(() => receiveDescriptor(b)).toThrow(expect.objectContaining({ code: "EBADMSG" }));
  closeDescriptor(b);
  expect(() => sendDescriptor(a, a)).toThrow(expect.objectContaining({ code: "EPIPE" }));
  closeDescriptor(a);
});

test("seqpacket keeps the bounds of messages, stream does not", () => {
  for (const [type, first] of [
    ["seqpacket", 2],
    ["stream", 5],
  ] as const) {
    const [a, b] = socketPair(type);
    send(a, new Uint8Array(2), 2);
    send(a, new Uint8Array(3), 3);
    expect(receive(b, new Uint8Array(9))).toBe(first);
    closeDescriptor(a);
    closeDescriptor(b);
  }
});
