/** What is seen of another process, by number, whose system call waits. All of it may be another's by now: ask then whether the call still waits. */
import { closeSync, openSync, readlinkSync, readSync } from "node:fs";

/** A NUL-terminated text in its memory, up to PATH_MAX; undefined if it cannot be read. */
export function textIn(pid: number, address: bigint): string | undefined {
  return withMemory(pid, (read) => {
    const text = Buffer.alloc(PATH_MAX);
    for (let length = 0; length < PATH_MAX; ) {
      // Not beyond a page: the next one need not be there.
      const position = address + BigInt(length);
      const room = PAGE - Number(position % BigInt(PAGE));
      const count = read(text.subarray(length, length + room), position);
      if (count === 0) return undefined;
      const end = text.indexOf(0, length);
      length += count;
      if (end !== -1 && end < length) return text.toString("utf8", 0, end);
    }
    return undefined;
  });
}

/** A number of 64 bits in its memory; undefined if it cannot be read. */
export function numberIn(pid: number, address: bigint): bigint | undefined {
  return withMemory(pid, (read) => {
    const bytes = Buffer.alloc(8);
    return read(bytes, address) === bytes.length ? bytes.readBigUInt64LE() : undefined;
  });
}

/** Its working directory; undefined if that cannot be looked at. */
export function directoryOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return undefined;
  }
}

/** Where this process finds what that one calls `path`, seen from the directory that is open as `descriptor`, or AT_FDCWD. */
export function pathFrom(pid: number, descriptor: number, path: string): string {
  const own = /^\/proc\/(?:self|thread-self)(?=\/)|^\/dev(?=\/fd\/)/;
  if (own.test(path)) return path.replace(own, `/proc/${pid}`);
  if (path.startsWith("/")) return `/proc/${pid}/root${path}`;
  return descriptor === AT_FDCWD
    ? `/proc/${pid}/cwd/${path}`
    : `/proc/${pid}/fd/${descriptor}/${path}`;
}

type Read = (into: Buffer, address: bigint) => number;

function withMemory<T>(pid: number, use: (read: Read) => T): T | undefined {
  let memory: number | undefined;
  try {
    const file = openSync(`/proc/${pid}/mem`, "r");
    memory = file;
    return use((into, address) => readSync(file, into, 0, into.length, address));
  } catch {
    return undefined;
  } finally {
    if (memory !== undefined) closeSync(memory);
  }
}

// <fcntl.h>
export const AT_FDCWD = -100;

const PATH_MAX = 4096;
/** The smallest page of the supported machines. */
const PAGE = 4096;
