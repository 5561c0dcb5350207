import { expect, test } from "bun:test";
import type { ObservedExchange } from "../../src/perfuse/host.ts";
import { operationName, Trace } from "../../src/perfuse/trace-file.ts";

const LOOKUP = 1;
const GETATTR = 3;
const READ = 15;
const INIT = 26;
const READDIRPLUS = 44;

let unique = 0;

function exchange(opcode: number, name = "", path?: string): ObservedExchange {
  unique += 2;
  return { opcode, unique, nodeid: 1, name, path };
}

/** A trace with a clock that the test turns: seconds and nanoseconds. */
function traced() {
  const time = { sec: 1000, nsec: 5 };
  const trace = new Trace(() => ({ ...time }));
  trace.enabled = true;
  const at = (sec: number, nsec: number) => Object.assign(time, { sec, nsec });
  return { trace, at };
}

const NAMES =
  `UNKNOWN LOOKUP FORGET GETATTR SETATTR READLINK SYMLINK UNKNOWN MKNOD MKDIR UNLINK RMDIR RENAME LINK OPEN READ WRITE
  STATFS RELEASE UNKNOWN FSYNC SETXATTR GETXATTR LISTXATTR REMOVEXATTR FLUSH INIT OPENDIR READDIR RELEASEDIR FSYNCDIR GETLK SETLK SETLKW
  ACCESS CREATE INTERRUPT BMAP DESTROY IOCTL POLL UNKNOWN UNKNOWN UNKNOWN`.split(/\s+/);

const ZERO = "0.000000000";

/** The table with these rows in the place of empty ones. */
function statistics(rows: Readonly<Record<string, string>>): string {
  return NAMES.map((name) => `${name}\t${rows[name] ?? `0\t${ZERO}\t${ZERO}\t${ZERO}`}\t\n`).join(
    "",
  );
}

test("the whole file", () => {
  const { trace, at } = traced();
  const init = exchange(INIT);
  trace.begin(init);
  at(1000, 1005);
  trace.end(init, undefined);

  const first = exchange(LOOKUP, "dir", "file");
  trace.begin(first);
  at(1001, 999_999_999);
  trace.end(first, "ENOENT");

  const second = exchange(LOOKUP, "dir", "other");
  at(1002, 0);
  trace.begin(second);
  at(1002, 2001);
  trace.end(second, undefined);

  at(1003, 42);
  trace.begin(exchange(READ, 'quote"d\n'));

  expect(trace.text({ nodes: 3, exchanges: 1, leaked: 2 })).toBe(
    "Last 4 operations\n" +
      '1000.000000005 INIT "" error = 0 elapsed = 0.000001000 \n' +
      '1000.000001005 LOOKUP "dir" path = "file" error = 2 elapsed = 1.999998994 \n' +
      '1002.000000000 LOOKUP "dir" path = "other" error = 0 elapsed = 0.000002001 \n' +
      '1003.000000042 READ "quote"d?" ongoing \n' +
      "\n" +
      "Statistics by operation\n" +
      "operation\tcount\tmin\tavg\tmax\n" +
      statistics({
        INIT: "1\t0.000001000\t0.000001000\t0.000001000",
        LOOKUP: "2\t0.000002001\t1.000000497\t1.999998994",
      }) +
      "\n\n" +
      "Global statistics\n" +
      "Nodes: 3\n" +
      "Exchanges: 1\n" +
      "Nodes possibly leaked: 2\n",
  );
});

test("nothing is noted down while it is off, but what began before is ended", () => {
  const { trace } = traced();
  const before = exchange(GETATTR, "a");
  trace.begin(before);
  trace.enabled = false;
  trace.begin(exchange(GETATTR, "b"));
  trace.end(before, "EIO");
  const text = trace.text({ nodes: 0, exchanges: 0, leaked: 0 });
  expect(text).toStartWith('Last 1 operations\n1000.000000005 GETATTR "a" error = 5 elapsed');
  trace.enabled = true;
  expect(trace.text({ nodes: 0, exchanges: 0, leaked: 0 })).toBe(text);
});

test("the oldest that have ended go, the one that has not stays and keeps what came after", () => {
  const { trace } = traced();
  const counts = { nodes: 0, exchanges: 0, leaked: 0 };
  const count = () => Number(/^Last (\d+)/.exec(trace.text(counts))?.[1]);
  const pass = (name: string) => {
    const one = exchange(GETATTR, name);
    trace.begin(one);
    trace.end(one, undefined);
  };
  for (let i = 0; i < 4097; i++) pass(`n${i}`);
  expect(count()).toBe(4096);
  expect(trace.text(counts)).toContain('"n1" ');
  expect(trace.text(counts)).not.toContain('"n0" ');

  const stuck = exchange(READ, "stuck");
  trace.begin(stuck);
  for (let i = 0; i < 4200; i++) pass("later");
  expect(count()).toBe(4201);
  trace.end(stuck, undefined);
  expect(count()).toBe(4096);
});

test("a clock that is set back gives no negative times", () => {
  const { trace, at } = traced();
  const one = exchange(GETATTR);
  trace.begin(one);
  at(999, 0);
  trace.end(one, undefined);
  expect(trace.text({ nodes: 0, exchanges: 0, leaked: 0 })).toContain(`elapsed = ${ZERO} \n`);
});

test("operations that came after perfused have their names, and a row if they were asked for", () => {
  expect(operationName(READDIRPLUS)).toBe("READDIRPLUS");
  expect(operationName(999)).toBe("UNKNOWN");
  const { trace } = traced();
  const one = exchange(READDIRPLUS);
  trace.begin(one);
  trace.end(one, undefined);
  expect(trace.text({ nodes: 0, exchanges: 0, leaked: 0 })).toContain(
    `UNKNOWN\t0\t${ZERO}\t${ZERO}\t${ZERO}\t\nREADDIRPLUS\t1\t${ZERO}\t${ZERO}\t${ZERO}\t\n\n\n`,
  );
});

test("names have at most 255 characters", () => {
  const { trace } = traced();
  trace.begin(exchange(GETATTR, "x".repeat(300)));
  expect(trace.text({ nodes: 0, exchanges: 0, leaked: 0 })).toContain(` "${"x".repeat(255)}" `);
});
