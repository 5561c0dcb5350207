import { frameOf } from "../../src/frame.ts";
import { Connection } from "../../src/fuse/connection.ts";
import { FuseServer } from "../../src/fuse/server.ts";
import type { AnyFileSystem } from "../../src/plugin.ts";
import type { Wishes } from "../../src/wishes.ts";

/*
 * Messages of the FUSE protocol written by hand, as include/uapi/linux/fuse.h has them: nothing of src/struct.ts
 * is used, so that a wrong field there cannot cancel itself out.
 */

export type Part = number | bigint | string | Uint8Array;

/** Numbers are 32 bits, bigints 64, both little-endian; of text the UTF-8 (a NUL is written as "\0"). */
export function bytes(...parts: readonly Part[]): Uint8Array {
  return Uint8Array.from(
    parts.flatMap((part) => {
      if (typeof part === "string") return [...new TextEncoder().encode(part)];
      if (typeof part === "bigint") return littleEndian(BigInt.asUintN(64, part), 8);
      if (typeof part === "number") return littleEndian(BigInt.asUintN(32, BigInt(part)), 4);
      return [...part];
    }),
  );
}

/** 16 bits. */
export function u16(value: number): Uint8Array {
  return Uint8Array.of(value & 0xff, value >> 8);
}

function littleEndian(value: bigint, size: number): number[] {
  return Array.from({ length: size }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
}

/** A whole request of uid 1001, gid 1002, pid 1003. */
export function request(opcode: number, unique: bigint, node: bigint, ...body: Part[]): Uint8Array {
  const tail = bytes(...body);
  return bytes(40 + tail.length, opcode, unique, node, 1001, 1002, 1003, 0, tail);
}

/** A reply that says yes. */
export function reply(unique: bigint, ...payload: Part[]): Uint8Array {
  const tail = bytes(...payload);
  return bytes(16 + tail.length, 0, unique, tail);
}

/** A reply that says no. */
export function refusal(unique: bigint, errno: number): Uint8Array {
  return bytes(16, -errno, unique);
}

/** The errno of a reply, positive; 0 for success; undefined if there is no reply. */
export function errorOf(message: Uint8Array): number | undefined {
  return message.length === 0 ? undefined : 0 - viewOf(message).getInt32(4, true);
}

export function viewOf(message: Uint8Array): DataView {
  return new DataView(message.buffer, message.byteOffset, message.byteLength);
}

const ROOM = 2 ** 17;

/** A server for a file system, spoken to in bytes. */
export class Wire {
  readonly connection: Connection;
  readonly server: FuseServer;
  /** What the server complained of. */
  readonly reports: { readonly message: string; readonly cause: unknown }[] = [];
  /** What it told the kernel unasked. */
  readonly notifications: Uint8Array[] = [];
  /** Whether the last request was answered in the same turn, without a promise. */
  atOnce = false;
  #unique = 2n;
  #frame = frameOf(new Uint8Array(ROOM), new Uint8Array(ROOM));

  constructor(fileSystem: AnyFileSystem, wishes: Wishes = {}) {
    this.connection = new Connection(fileSystem, wishes, (message, cause) =>
      this.reports.push({ message, cause }),
    );
    this.connection.notify = async (message) => this.notifications.push(message);
    this.server = new FuseServer(this.connection);
  }

  /** The bytes that answer a message: none if it is never answered. */
  serve(message: Uint8Array): Uint8Array | Promise<Uint8Array> {
    const frame = this.#frame;
    frame.request.set(message);
    frame.length = message.length;
    const length = this.server.serve(frame);
    this.atOnce = typeof length === "number";
    if (typeof length === "number") return frame.reply.slice(0, length);
    this.#frame = frameOf(new Uint8Array(ROOM), new Uint8Array(ROOM));
    return length.then((late) => frame.reply.slice(0, late));
  }

  /** Number a request and serve it. */
  ask(opcode: number, node: number, ...body: Part[]): Uint8Array | Promise<Uint8Array> {
    return this.serve(request(opcode, this.next(), BigInt(node), ...body));
  }

  /** The number of the request that comes next. */
  next(): bigint {
    this.#unique += 2n;
    return this.#unique;
  }

  /** Shake hands. */
  init(minor = 45, flags = 0xffffffff, flags2 = 0xffffffff): Uint8Array {
    return this.ask(26, 0, 7, minor, 131072, flags, flags2, new Uint8Array(44)) as Uint8Array;
  }

  /** LOOKUP a name: the node's number. */
  async lookup(parent: number, name: string): Promise<number> {
    const answer = await this.ask(1, parent, `${name}\0`);
    if (errorOf(answer) !== 0) throw new Error(`LOOKUP ${name}: error ${errorOf(answer)}`);
    return Number(viewOf(answer).getBigUint64(16, true));
  }
}
