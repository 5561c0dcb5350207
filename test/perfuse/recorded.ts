import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseTrace, type Recorded } from "../puffs/trace.ts";

/*
 * What NetBSD's own perfused and libperfuse (2015) said between NetBSD's kernel code (2016, in a rump kernel) and a small FUSE server that
 * answers with Linux' numbers of errors, on amd64: traces/NAME.trc is the kernel's side, traces/NAME.ftrc the server's.
 */

export const RECORDINGS = ["basic", "attrs", "io-small", "xattr"] as const;

export type Recording = (typeof RECORDINGS)[number];

/** A request of perfused's, and what the server answered, if it did. */
export interface RecordedRequest {
  readonly message: Uint8Array;
  reply: Uint8Array | undefined;
}

export function kernelSide(name: Recording): Recorded[] {
  return parseTrace(bytesOf(`${name}.trc`));
}

/** In the order of the requests; without the mount frame. */
export function daemonSide(name: Recording): RecordedRequest[] {
  const bytes = bytesOf(`${name}.ftrc`);
  if (new TextDecoder().decode(bytes.subarray(0, 8)) !== "FUSETRC1") throw new Error("no trace");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const requests: RecordedRequest[] = [];
  const waiting = new Map<bigint, RecordedRequest>();
  let isFirst = true;
  for (let at = 8; at < bytes.length; ) {
    const kind = view.getUint32(at, true);
    const length = view.getUint32(at + 4, true);
    const message = bytes.slice(at + 16, at + 16 + length);
    at += 16 + length;
    const unique = new DataView(message.buffer).getBigUint64(8, true);
    if (isFirst) isFirst = false;
    else if (kind === 1) {
      const request = { message, reply: undefined };
      requests.push(request);
      waiting.set(unique, request);
    } else {
      const request = waiting.get(unique);
      if (!request) throw new Error(`a reply to ${unique}`);
      request.reply = message;
    }
  }
  return requests;
}

function bytesOf(name: string): Uint8Array {
  return new Uint8Array(readFileSync(join(import.meta.dir, "traces", name)));
}
