import { readFileSync } from "node:fs";
import { join } from "node:path";

/*
 * Frames recorded between NetBSD's own kernel code (August 2016, in a rump kernel) and NetBSD's libpuffs with its dtfs test server,
 * on amd64: traces/NAME.trc.
 */

/** The recordings, by name. */
export const TRACES = ["basic", "basic-ttl", "attrs", "io-small", "xattr", "unmount"] as const;

export type Kind = (typeof KINDS)[number];

export interface Recorded {
  /**
   * "request": kernel to server; "reply": server to kernel; "handshake": an item of the start by PUFFS_COMFD; "command": a line
   * of the script as it starts; "result": how it went.
   */
  readonly kind: Kind;
  /** Nanoseconds since the start. */
  readonly time: number;
  readonly bytes: Uint8Array;
}

export function readTrace(name: (typeof TRACES)[number]): Recorded[] {
  const file = readFileSync(join(import.meta.dir, "traces", `${name}.trc`));
  return parseTrace(new Uint8Array(file));
}

/** "PUFFTRC1", then records: u32 kind, u32 length, u64 nanoseconds, bytes; little-endian. Throws if it is anything else. */
export function parseTrace(bytes: Uint8Array): Recorded[] {
  const magic = new TextDecoder().decode(bytes.subarray(0, MAGIC.length));
  if (magic !== MAGIC) throw new Error("no trace");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const records: Recorded[] = [];
  for (let at = MAGIC.length; at < bytes.length; ) {
    if (at + HEAD > bytes.length) throw new Error(`a record is cut off at ${at}`);
    const kind = KINDS[view.getUint32(at, true) - 1];
    const length = view.getUint32(at + 4, true);
    const time = view.getUint32(at + 12, true) * 2 ** 32 + view.getUint32(at + 8, true);
    const end = at + HEAD + length;
    if (!kind || end > bytes.length) throw new Error(`no record at ${at}`);
    records.push({ kind, time, bytes: bytes.slice(at + HEAD, end) });
    at = end;
  }
  return records;
}

/** The bytes of all records of a kind, in order. */
export function ofKind(records: readonly Recorded[], kind: Kind): Uint8Array[] {
  return records.filter((record) => record.kind === kind).map(({ bytes }) => bytes);
}

const KINDS = ["request", "reply", "handshake", "command", "result"] as const;
const MAGIC = "PUFFTRC1";
const HEAD = 16;
