import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { closeDescriptor, receive, setNonBlocking } from "../../ffi/device.ts";
import { bindSocket, openSocket } from "../../ffi/socket.ts";
import { openSyslog } from "../../src/perfuse/syslog.ts";

const directory = mkdtempSync(join(tmpdir(), "syslog-"));
const path = join(directory, "log");

afterAll(() => rmSync(directory, { recursive: true }));

/** A daemon of the log's. */
function receiver(): number {
  rmSync(path, { force: true });
  const fd = openSocket("dgram", true, (fd) => bindSocket(fd, path));
  setNonBlocking(fd);
  return fd;
}

function next(fd: number): string {
  const buffer = new Uint8Array(1024);
  const length = receive(fd, buffer);
  return length < 0 ? "" : new TextDecoder().decode(buffer.subarray(0, length));
}

test("a message is one datagram: facility daemon, severity, time, program, process, text", () => {
  const fd = receiver();
  const syslog = openSyslog("perfused", path);
  for (const [severity, number] of [
    ["error", 27],
    ["warning", 28],
    ["info", 30],
  ] as const) {
    syslog(severity, "50 % of größe");
    expect(next(fd)).toMatch(
      new RegExp(
        `^<${number}>[A-Z][a-z]{2} [ \\d]\\d \\d\\d:\\d\\d:\\d\\d perfused\\[${process.pid}\\]: 50 % of größe$`,
      ),
    );
  }
  closeDescriptor(fd);
});

test("nobody there: dropped; there again: heard, after a change of the socket too", () => {
  rmSync(path, { force: true });
  const syslog = openSyslog("perfused", path);
  syslog("info", "one");
  const first = receiver();
  syslog("info", "two");
  expect(next(first)).toEndWith(": two");
  closeDescriptor(first);
  syslog("info", "three");
  const second = receiver();
  syslog("info", "four");
  expect(next(second)).toEndWith(": four");
  expect(next(second)).toBe("");
  closeDescriptor(second);
});

test("a log that does not read is not waited for", () => {
  const fd = receiver();
  const syslog = openSyslog("perfused", path);
  for (let i = 0; i < 5000; i++) syslog("info", "x".repeat(500));
  expect(next(fd)).toContain("xxx");
  closeDescriptor(fd);
});
