import { expect, test } from "bun:test";
import { DiagnosticObserver, hexDump } from "../../src/perfuse/diagnostic-observer.ts";
import { Diagnostics, diagFlags } from "../../src/perfuse/diagnostics.ts";
import { bytes, refusal, reply, request } from "../support/wire.ts";

const FOREGROUND = 0x1;
const SYSLOG = 0x400;

function diagnostics(flags: number) {
  const said: string[] = [];
  const made = new Diagnostics(flags, {
    syslog: (severity, message) => said.push(`${severity}: ${message}`),
    out: (line) => said.push(`out: ${line}`),
    err: (line) => said.push(`err: ${line}`),
  });
  return { made, said };
}

for (const [list, flags] of [
  ["fuse", 0x2],
  ["dump", 0x4],
  ["puffs", 0x8],
  ["fh", 0x10],
  ["reclaim", 0x20],
  ["readdir", 0x40],
  ["requeue", 0x80],
  ["sync", 0x100],
  ["misc", 0x200],
  ["filename", 0x800],
  ["reize", 0x1000],
  ["resize", 0x1000],
  ["fuse,dump,fuse,sync", 0x106],
] as const)
  test(`-d ${list}`, () => {
    expect(
      diagFlags(list, (message) => {
        throw new Error(message);
      }),
    ).toBe(flags);
  });

test("an unknown type is a warning, and so are those that are not for users", () => {
  const warnings: string[] = [];
  expect(diagFlags("fues,fuse,trace,syslog,,Dump", (line) => warnings.push(line))).toBe(0x2);
  expect(warnings.length).toBe(5);
  expect(warnings[0]).toBe("-d fues: did you mean fuse?");
  expect(warnings[1]).toContain(
    "they are fuse dump puffs fh reclaim readdir requeue sync misc filename resize",
  );
});

test("messages go where their level says", () => {
  const { made, said } = diagnostics(FOREGROUND | SYSLOG);
  made.info("hello");
  made.warn("beware");
  made.error("over");
  expect(said.splice(0)).toEqual([
    "info: hello",
    "out: hello",
    "warning: beware",
    "err: beware",
    "error: over",
    "err: over",
  ]);
  made.flags = SYSLOG;
  made.info("hello");
  made.warn("beware");
  expect(said.splice(0)).toEqual(["info: hello", "warning: beware", "err: beware"]);
  made.flags = 0;
  made.info("hello");
  made.warn("beware");
  made.error("over");
  expect(said).toEqual(["err: beware", "error: over", "err: over"]);
});

test("an error brings its cause", () => {
  const { made, said } = diagnostics(SYSLOG);
  made.error("it broke", new Error("the cause"));
  expect(said[0]).toStartWith("error: it broke: Error: the cause");
});

test("-s: all off at first, then as it was, and off again", () => {
  const { made, said } = diagnostics(FOREGROUND | SYSLOG | 0x2);
  made.swap();
  expect(made.flags).toBe(0);
  made.swap();
  expect(made.flags).toBe(FOREGROUND | SYSLOG | 0x2);
  made.swap();
  expect(made.flags).toBe(0);
  expect(said.filter((line) => line.startsWith("info"))).toEqual([
    "info: debug disabled",
    "info: debug enabled",
    "info: debug disabled",
  ]);
});

const GETATTR = request(3, 8n, 5n, 0, 0, 0n);
const FORGET = request(2, 10n, 5n, 1n);

/** What the flags make of one GETATTR that fails, one FORGET, one LOOKUP that succeeds. */
function conversation(flags: number): string[] {
  const { made, said } = diagnostics(flags | FOREGROUND);
  const observer = new DiagnosticObserver(made);
  const getattr = { opcode: 3, unique: 8, nodeid: 5, name: "file", path: undefined };
  const forget = { opcode: 2, unique: 10, nodeid: 5, name: "file", path: undefined };
  observer.message("sent", GETATTR);
  observer.begin(getattr);
  observer.message("received", refusal(8n, 2));
  observer.end(getattr);
  observer.message("sent", FORGET);
  observer.begin(forget);
  observer.end(forget);
  observer.message("received", reply(10n));
  observer.message("sent", new Uint8Array(3));
  return said.map((line) => line.slice("out: ".length));
}

test("fuse: a line for each message; what answers nothing has no operation", () => {
  expect(conversation(0x2)).toEqual([
    "> unique = 8, nodeid = 5, opcode = GETATTR (3)",
    "< unique = 8, nodeid = 5, opcode = GETATTR (3), error = -2",
    "> unique = 10, nodeid = 5, opcode = FORGET (2)",
    "< unique = 10, error = 0",
  ]);
});

test("a subject's flag is for its operations, none is for nothing", () => {
  expect(conversation(0x20)).toEqual(["> unique = 10, nodeid = 5, opcode = FORGET (2)"]);
  expect(conversation(0x10 | 0x40 | 0x100 | 0x80)).toEqual([]);
});

test("filename: what it is about", () => {
  expect(conversation(0x800)).toEqual(['GETATTR "file"', 'FORGET "file"']);
});

test("dump: the bytes after the line", () => {
  const lines = conversation(0x4);
  expect(lines[1]).toBe(
    "00000000  38 00 00 00  03 00 00 00  08 00 00 00  00 00 00 00  8...............",
  );
  expect(lines[5]).toBe("< unique = 8, nodeid = 5, opcode = GETATTR (3), error = -2");
  expect(lines[6]).toBe(
    "00000000  10 00 00 00  fe ff ff ff  08 00 00 00  00 00 00 00  ................",
  );
});

test("a dump's last line keeps its columns", () => {
  expect(hexDump(bytes("abcdefghijklmnop", "~\x7f z"))).toEqual([
    "00000000  61 62 63 64  65 66 67 68  69 6a 6b 6c  6d 6e 6f 70  abcdefghijklmnop",
    "00000010  7e 7f 20 7a                                         ~. z",
  ]);
  expect(hexDump(new Uint8Array())).toEqual([]);
});
