/** What the cases of the conformance kit are made of. */
import { expect } from "bun:test";
import {
  type Client,
  type Descriptor,
  type Moment,
  O_CREAT,
  O_RDONLY,
  O_RDWR,
  type Stat,
} from "../support/client.ts";

/** What a file system, or the door it is seen through, may lack; the cases that need it are then left out. */
export type Feature =
  /** Anything can be changed at all. */
  | "write"
  | "links"
  | "symlinks"
  /** FIFOs, sockets, devices. */
  | "special"
  /** Modes, owners and groups are kept, and decide who may do what. */
  | "owners"
  /** Times are kept and follow what is done. */
  | "times"
  | "xattr"
  | "tmpfile"
  /** fallocate(2), holes punched among it. */
  | "allocate"
  /** SEEK_DATA and SEEK_HOLE tell holes from data, and holes take no space. */
  | "holes"
  /** RENAME_EXCHANGE. */
  | "exchange"
  | "copy"
  /** statvfs(3) counts what is used. */
  | "statvfs"
  /** What only a kernel does: walking paths, keeping locks, knowing processes. */
  | "kernel";

/** One case: fails by throwing. Each has a directory of its own, empty and open to all. */
export type Case = (ground: Ground) => Promise<unknown>;

export interface Ground {
  /** Root, like all three with an umask of 0. */
  readonly client: Client;
  /** Ordinary users; ALICE also belongs to the group TEAM. */
  readonly alice: Client;
  readonly bob: Client;
  readonly directory: string;
  /** The path of a name in the directory. */
  at(name: string): string;
}

export interface Subject {
  readonly name: string;
  readonly needs: readonly Feature[];
  readonly cases: Readonly<Record<string, Case>>;
}

export const ALICE = 1001;
export const BOB = 1002;
export const TEAM = 2000;

/** One case per row of a table. */
export function table<Row>(
  rows: Iterable<Row>,
  name: (row: Row) => string,
  run: (ground: Ground, row: Row) => Promise<void>,
): Record<string, Case> {
  const cases: Record<string, Case> = {};
  for (const row of rows) {
    if (name(row) in cases) throw new Error(`two cases are called ${name(row)}`);
    cases[name(row)] = (ground) => run(ground, row);
  }
  return cases;
}

/** The call fails with one of these errors. */
export async function fails(call: Promise<unknown>, ...codes: string[]): Promise<void> {
  const outcome = await call.then(
    () => "success",
    (error: { code?: string }) => error.code ?? String(error),
  );
  expect(outcome).toBeOneOf(codes);
}

/** Makes a file, or fills one that exists. */
export async function make(
  client: Client,
  path: string,
  content: string | Uint8Array = "",
  mode = 0o644,
): Promise<void> {
  await using(client.open(path, O_RDWR | O_CREAT, mode), async (file) => {
    if (content.length > 0) await writeAll(file, bytes(content), 0);
  });
}

export async function using<T>(
  opening: Promise<Descriptor>,
  run: (file: Descriptor) => Promise<T>,
): Promise<T> {
  const file = await opening;
  try {
    return await run(file);
  } finally {
    await file.close();
  }
}

export async function writeAll(file: Descriptor, content: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < content.length; ) {
    const written = await file.write(content.subarray(done), at + done);
    expect(written).toBeGreaterThan(0);
    done += written;
  }
}

/** What a file holds from `from` on: `length` bytes, or all up to its end. */
export async function readAll(
  file: Descriptor,
  from = 0,
  length = Number.POSITIVE_INFINITY,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let at = from;
  while (at < from + length) {
    const part = await file.read(Math.min(1 << 20, from + length - at), at);
    if (part.length === 0) break;
    parts.push(part);
    at += part.length;
  }
  return new Uint8Array(Buffer.concat(parts));
}

export function content(client: Client, path: string): Promise<Uint8Array> {
  return using(client.open(path, O_RDONLY), (file) => readAll(file));
}

export async function text(client: Client, path: string): Promise<string> {
  return Buffer.from(await content(client, path)).toString();
}

/** Compares without printing megabytes when it fails. */
export function same(actual: Uint8Array, expected: Uint8Array): void {
  expect(actual.length).toBe(expected.length);
  if (Buffer.compare(actual, expected) === 0) return;
  const at = actual.findIndex((byte, index) => byte !== expected[index]);
  throw new Error(`byte ${at} is ${actual[at]}, not ${expected[at]}`);
}

export function bytes(content: string | Uint8Array): Uint8Array {
  return typeof content === "string" ? new Uint8Array(Buffer.from(content)) : content;
}

/** Bytes of which none is 0 and no two pages look alike. */
export function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => 1 + ((index + (index >>> 8) * 7) % 255));
}

export function permissions({ mode }: Stat): number {
  return mode & 0o7777;
}

export function kind({ mode }: Stat): number {
  return mode & 0o170000;
}

/** The names in a directory, sorted, without "." and "..". */
export async function names(client: Client, path: string): Promise<string[]> {
  const entries = await client.readdir(path);
  return entries
    .map((entry) => entry.name)
    .filter((name) => name !== "." && name !== "..")
    .sort();
}

export async function exists(client: Client, path: string): Promise<boolean> {
  return client.lstat(path).then(
    () => true,
    (error: { code?: string }) => {
      expect(error.code).toBe("ENOENT");
      return false;
    },
  );
}

/** Below zero: `a` is earlier than `b`. */
export function compare(a: Moment, b: Moment): number {
  return a.sec - b.sec || a.nsec - b.nsec;
}

/** Waits until the file system's clock shows more than all times of these files: what changes then changes visibly. */
export async function tick({ client, at }: Ground, ...stats: Stat[]): Promise<void> {
  const clock = at("clock");
  await make(client, clock);
  await eventually(async () => {
    await client.utimes(clock, "now", "now");
    const { mtime } = await client.stat(clock);
    return stats.every((stat) => compare(mtime, stat.mtime) > 0 && compare(mtime, stat.ctime) > 0);
  });
}

/** Waits for something that comes true in its own time. */
export async function eventually(check: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + 20_000;
  while (!(await check())) {
    if (Date.now() > end) throw new Error("waited for in vain");
    await Bun.sleep(1);
  }
}
