import { viewOf } from "../frame.ts";
import { Opcode } from "../fuse/opcodes.ts";
import { InHeader, OutHeader } from "../fuse/structs.ts";
import type { DiagFlag, Diagnostics } from "./diagnostics.ts";
import type { ObservedExchange, Observer } from "./host.ts";
import { operationName } from "./trace-file.ts";

/**
 * Says what passes between perfused and a daemon, as far as the diagnostic flags of the moment ask for it: a line for each message, with
 * `dump` also its bytes. `fuse` is for all of them, others for the operations of one subject.
 */
export class DiagnosticObserver implements Observer {
  readonly #diagnostics: Diagnostics;
  /** Requests without an answer, by the digits of their number. */
  readonly #asked = new Map<string, Asked>();

  constructor(diagnostics: Diagnostics) {
    this.#diagnostics = diagnostics;
  }

  message(direction: "sent" | "received", message: Uint8Array): void {
    const sent = direction === "sent";
    if (message.length < (sent ? InHeader.size : OutHeader.size)) return;
    const view = viewOf(message);
    const unique = String(view.getBigUint64(InHeader.offsets.unique, true));
    const asked = sent ? requestOf(view) : this.#asked.get(unique);
    if (sent && asked !== undefined) this.#asked.set(unique, asked);
    if (!sent) this.#asked.delete(unique);
    if (!this.#wants(asked?.opcode)) return;
    const about =
      asked === undefined
        ? ""
        : `, nodeid = ${asked.nodeid}, opcode = ${operationName(asked.opcode)} (${asked.opcode})`;
    const error = sent ? "" : `, error = ${view.getInt32(OutHeader.offsets.error, true)}`;
    this.#diagnostics.info(`${sent ? ">" : "<"} unique = ${unique}${about}${error}`);
    if (!this.#diagnostics.has("dump")) return;
    for (const line of hexDump(message)) this.#diagnostics.info(line);
  }

  begin({ opcode, name, path }: ObservedExchange): void {
    if (!this.#diagnostics.has("filename")) return;
    const looked = path === undefined ? "" : ` path = ${JSON.stringify(path)}`;
    this.#diagnostics.info(`${operationName(opcode)} ${JSON.stringify(name)}${looked}`);
  }

  /** Also of what never has an answer. */
  end({ unique }: ObservedExchange): void {
    this.#asked.delete(String(unique));
  }

  #wants(opcode: number | undefined): boolean {
    if (this.#diagnostics.has("fuse") || this.#diagnostics.has("dump")) return true;
    return SUBJECTS.some(
      ([flag, opcodes]) =>
        this.#diagnostics.has(flag) && opcode !== undefined && opcodes.includes(opcode),
    );
  }
}

/** Sixteen bytes a line: where they are in the message, in hexadecimal, and as text. */
export function hexDump(message: Uint8Array): string[] {
  const lines: string[] = [];
  for (let at = 0; at < message.length; at += 16) {
    const row = [...message.subarray(at, at + 16)];
    const digits = row.map((byte) => byte.toString(16).padStart(2, "0"));
    const groups = [0, 4, 8, 12].map((first) => digits.slice(first, first + 4).join(" "));
    const text = row.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "."));
    const address = at.toString(16).padStart(8, "0");
    lines.push(`${address}  ${groups.join("  ").padEnd(GROUPS)}  ${text.join("")}`);
  }
  return lines;
}

/** Columns of the hexadecimal digits: four groups of four bytes. */
const GROUPS = 4 * 11 + 3 * 2;

interface Asked {
  readonly opcode: number;
  readonly nodeid: string;
}

function requestOf(view: DataView): Asked {
  return {
    opcode: view.getUint32(InHeader.offsets.opcode, true),
    nodeid: String(view.getBigUint64(InHeader.offsets.nodeid, true)),
  };
}

const { OPEN, OPENDIR, CREATE, RELEASE, RELEASEDIR, FORGET, BATCH_FORGET } = Opcode;
const { READDIR, READDIRPLUS, FLUSH, FSYNC, FSYNCDIR, SETATTR, WRITE } = Opcode;

const SUBJECTS: readonly (readonly [DiagFlag, readonly number[]])[] = [
  ["fh", [OPEN, OPENDIR, CREATE, RELEASE, RELEASEDIR]],
  ["reclaim", [FORGET, BATCH_FORGET]],
  ["readdir", [OPENDIR, READDIR, READDIRPLUS, RELEASEDIR]],
  ["sync", [FLUSH, FSYNC, FSYNCDIR]],
  ["resize", [SETATTR, WRITE]],
];
