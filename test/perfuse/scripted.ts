import { Opcode } from "../../src/fuse/opcodes.ts";
import type { Call, File, NodeOperations } from "../../src/operations.ts";
import { Channel } from "../../src/perfuse/channel.ts";
import { type Hosting, type HostOptions, host } from "../../src/perfuse/host.ts";
import type { PerfuseNode } from "../../src/perfuse/node.ts";
import type { Usermount } from "../../src/usermount.ts";
import { bytes, type Part, viewOf } from "../support/wire.ts";
import { NOWHERE, wideSocketPair } from "./support.ts";

/** A request as a scripted daemon gets it. */
export interface Asked {
  readonly opcode: number;
  readonly name: string;
  readonly unique: bigint;
  readonly nodeid: number;
  /** All 64 bits of it. */
  readonly whole: bigint;
  readonly uid: number;
  readonly body: Uint8Array;
  /** The text behind the struct, of a request whose struct has `size` bytes. */
  text(size: number): string;
}

/** What a handler answers: the payload, an errno, nothing now. */
export type Answer = Uint8Array | { readonly errno: number } | undefined;

type Handlers = Partial<Record<keyof typeof Opcode, (asked: Asked) => Answer>>;

const NAMES = new Map<number, string>(Object.entries(Opcode).map(([name, code]) => [code, name]));

/** A daemon that does as it is told, by opcode. What it is not told about is answered ENOSYS. */
export class Scripted {
  readonly socket: number;
  readonly asked: Asked[] = [];
  readonly handlers: Handlers;
  readonly #channel: Channel;
  #waiting: (() => void)[] = [];

  constructor(handlers: Handlers = {}) {
    this.handlers = { ...STANDARD, ...handlers };
    const [socket, end] = wideSocketPair();
    this.socket = socket;
    this.#channel = new Channel({
      descriptor: end,
      room: 1 << 22,
      receive: (message) => this.#hear(message.part().slice()),
      ended: () => {},
    });
  }

  /** Any bytes, whether a message or not. */
  send(...parts: Part[]): void {
    this.#channel.send(bytes(...parts));
  }

  /** A reply, late or not. */
  reply({ unique }: Pick<Asked, "unique">, answer: Answer): void {
    const errno = answer && "errno" in answer ? answer.errno : 0;
    const payload = answer instanceof Uint8Array ? answer : new Uint8Array(0);
    const message = new Uint8Array(16 + payload.length);
    message.set(bytes(message.length, -errno, unique));
    message.set(payload, 16);
    this.#channel.send(message);
  }

  /** A notification. */
  notify(code: number, ...payload: Part[]): void {
    const body = bytes(...payload);
    this.send(16 + body.length, code, 0n, body);
  }

  close(): void {
    this.#channel.close();
  }

  /** The requests that came, as "LOOKUP 1" or with more of them; without INIT. */
  heard(): string[] {
    return this.asked
      .filter(({ name }) => name !== "INIT")
      .map(({ name, nodeid }) => `${name} ${nodeid}`);
  }

  of(name: keyof typeof Opcode): Asked[] {
    return this.asked.filter((asked) => asked.name === name);
  }

  /** When so many requests of a kind have come. */
  async until(name: keyof typeof Opcode, count = 1): Promise<Asked> {
    while (this.of(name).length < count)
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return this.of(name)[count - 1] as Asked;
  }

  #hear(message: Uint8Array): void {
    const view = viewOf(message);
    const opcode = view.getUint32(4, true);
    const body = message.subarray(40);
    const asked: Asked = {
      opcode,
      name: NAMES.get(opcode) ?? String(opcode),
      unique: view.getBigUint64(8, true),
      nodeid: Number(view.getBigUint64(16, true)),
      whole: view.getBigUint64(16, true),
      uid: view.getUint32(24, true),
      body,
      text: (size) => new TextDecoder().decode(body.subarray(size)).replace(/\0$/, ""),
    };
    this.asked.push(asked);
    for (const resolve of this.#waiting.splice(0)) resolve();
    if (SILENT.has(asked.name)) return;
    const handler = this.handlers[asked.name as keyof typeof Opcode];
    const answer = handler ? handler(asked) : { errno: ENOSYS };
    if (answer) this.reply(asked, answer);
  }
}

const ENOSYS = 38;
const SILENT: ReadonlySet<string> = new Set([
  "FORGET",
  "BATCH_FORGET",
  "INTERRUPT",
  "NOTIFY_REPLY",
]);

/** fuse_init_out of 7.13. */
export function initOut({ minor = 13, flags = 0, maxWrite = 131072, maxReadahead = 131072 } = {}) {
  return bytes(7, minor, maxReadahead, flags, 0, maxWrite);
}

export interface Shape {
  readonly mode?: number;
  readonly size?: number;
  readonly ino?: number | bigint;
  readonly nlink?: number;
  readonly valid?: number;
  readonly generation?: number;
}

function attr({ mode = 0o100644, size = 0, ino = 7, nlink = 1 }: Shape): Uint8Array {
  return bytes(
    ...[BigInt(ino), BigInt(size), 1n], // ino, size, blocks
    ...[1000n, 2000n, 3000n, 1, 2, 3], // times, nanoseconds
    ...[mode, nlink, 0, 0, 0, 4096, 0], // mode, nlink, uid, gid, rdev, blksize, flags
  );
}

/** fuse_attr_out */
export function attrOut(shape: Shape = {}): Uint8Array {
  return bytes(BigInt(shape.valid ?? 1), 0, 0, attr(shape));
}

/** fuse_entry_out */
export function entryOut(nodeid: number | bigint, shape: Shape = {}): Uint8Array {
  const valid = BigInt(shape.valid ?? 1);
  return bytes(BigInt(nodeid), BigInt(shape.generation ?? 0), valid, valid, 0, 0, attr(shape));
}

/** fuse_open_out */
export function openOut(fh: number, flags = 0): Uint8Array {
  return bytes(BigInt(fh), flags, 0);
}

/** One entry of READDIR. */
export function dirent(name: string, off: number, ino = 9, type = 8): Uint8Array {
  const text = new TextEncoder().encode(name);
  const rest = new Uint8Array((8 - (text.length % 8)) % 8);
  return bytes(BigInt(ino), BigInt(off), text.length, type, text, rest);
}

export const DIRECTORY: Shape = { mode: 0o040755, nlink: 2 };

const DONE = new Uint8Array(0);

const STANDARD: Handlers = {
  INIT: () => initOut(),
  GETATTR: ({ nodeid }) => attrOut(nodeid === 1 ? DIRECTORY : {}),
  OPEN: () => openOut(50),
  OPENDIR: () => openOut(60),
  RELEASE: () => DONE,
  RELEASEDIR: () => DONE,
  FSYNC: () => DONE,
  UNLINK: () => DONE,
  RMDIR: () => DONE,
  RENAME: () => DONE,
  DESTROY: () => DONE,
};

/** A call of nobody's door. */
export function callOf(uid = 0, signal = new AbortController().signal): Call {
  return { uid, gid: uid, pid: 77, umask: 0, keepsTimes: false, file: undefined, signal };
}

export function fileOf(flags: number): File {
  return {
    flags,
    data: undefined,
    directIo: false,
    keepCache: false,
    stream: false,
    cacheDirectory: false,
    noFlush: false,
    parallelWrites: false,
  };
}

/** A scripted daemon, hosted. */
export interface Stage {
  readonly daemon: Scripted;
  readonly hosting: Hosting;
  readonly node: Required<NodeOperations<PerfuseNode>>;
  readonly root: PerfuseNode;
  readonly reports: string[];
  end(): Promise<void>;
}

export async function stage(
  handlers: Handlers = {},
  options: Partial<HostOptions> = {},
  usermount: Usermount = NOWHERE,
): Promise<Stage> {
  const daemon = new Scripted(handlers);
  const reports: string[] = [];
  const report = (message: string) => reports.push(message);
  const hosting = await host({ socket: daemon.socket, usermount, report, ...options });
  const { root, node } = hosting.fileSystem;
  return {
    daemon,
    hosting,
    node: node as Required<NodeOperations<PerfuseNode>>,
    root,
    reports,
    async end() {
      await hosting.close();
      daemon.close();
    },
  };
}

/** What a promise, or who answers one, rejects with, by name. */
export async function codeOf(action: unknown): Promise<string> {
  try {
    const value = await action;
    return (value as { code?: string } | undefined)?.code ?? "answered";
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}
