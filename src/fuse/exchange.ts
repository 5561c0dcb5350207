import { Errno, type ErrnoName, errnoOf } from "../errno.ts";
import { type Span, viewOf } from "../frame.ts";
import { errnoName } from "./errno.ts";
import { Constants } from "./flags.ts";
import { type Foreign, InHeader } from "./foreign.ts";
import { decodeNotification, type Notification } from "./notification.ts";
import { Opcode } from "./opcodes.ts";
import { dataPart, type Part, Refusal, structPart } from "./parts.ts";
import { InterruptIn, OutHeader } from "./structs.ts";

/** In whose name the kernel asks. */
export interface Caller {
  readonly uid: number;
  readonly gid: number;
  readonly pid: number;
  /** Only create, mknod, mkdir and tmpfile tell it. Left out: 0. */
  readonly umask?: number;
  /** Called when a request of this caller's has its answer, or never will, before whoever awaits that goes on. */
  answered?(): void;
}

/** The kernel itself: INIT, DESTROY, FORGET and what has no process behind it. */
export const KERNEL: Caller = { uid: 0, gid: 0, pid: 0 };

export interface KernelEvents {
  /** The server said something unasked. Views in it are valid during the call. */
  readonly onNotify?: (notification: Notification) => void;
  /** The server broke the protocol; what it answered to, if anything, was rejected with EPROTO. */
  readonly onFault?: (fault: ProtocolFault) => void;
  /** A request is about to leave: all of them, INTERRUPT and FORGET too. */
  readonly onRequest?: (request: SentRequest) => void;
  /** The request was answered (`code` undefined), refused, or nobody will answer it any more. Not called for what gets no reply. */
  readonly onReply?: (unique: number, code: ErrnoName | undefined) => void;
}

/** A request on its way; `message` is the whole of it, valid during the call. */
export interface SentRequest {
  readonly opcode: number;
  readonly unique: Foreign;
  readonly nodeid: Foreign;
  readonly message: Uint8Array;
  /** Whether it gets a reply. */
  readonly asks: boolean;
}

/** What was wrong with a message of the server's. /dev/fuse refuses such a write(2) with EINVAL. */
export class ProtocolFault extends Error {
  override readonly name = "ProtocolFault";
  readonly code = "EPROTO";
  /** Of the request that was answered; undefined if none was. */
  readonly opcode: number | undefined;

  constructor(message: string, opcode?: number) {
    super(message);
    this.opcode = opcode;
  }
}

/** Takes the answer out of the bytes after the header, which are valid during the call. Throws if they are none. */
export type Decode<T> = (body: Span) => T;

interface Pending {
  readonly opcode: number;
  readonly caller: Caller;
  readonly decode: Decode<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  /** The request, while it may have to be sent again. */
  message?: Uint8Array;
}

/** Uniques are even, so that an INTERRUPT can have that of its request and one more (fs/fuse/dev.c: FUSE_INT_REQ_BIT). */
const STEP = 2;

/** The worst error that Linux takes: -512 and below are its own restart codes (fs/fuse/dev.c, fuse_dev_do_write). */
const LAST_ERROR = -511;

/**
 * Requests and their replies as the kernel sees them: numbers them, matches them, checks what can be checked without
 * knowing the operation. Without a transport: messages leave through `send` and come in through `receive`.
 */
export class Exchange {
  /** What is offered in INIT, then what was agreed. */
  minor: number = Constants.KERNEL_MINOR_VERSION;
  /** Of the request last sent: what `interrupt` wants. */
  lastUnique = 0;
  readonly #send: (message: Uint8Array) => void;
  readonly #events: KernelEvents;
  readonly #pending = new Map<number, Pending>();
  #interrupts = true;
  /** Requests are kept until they are answered, for `resend`. */
  protected keeps = false;
  /** Some were sent twice: there may be an answer too many. */
  #hasResent = false;
  /** What messages are put together in, and how it is seen as the last of them. */
  #buffer = new Uint8Array(FIRST_ROOM);
  #view = viewOf(this.#buffer);
  #message = this.#buffer;

  /**
   * The message that `send` is given is valid during the call; it may be answered before that returns. What it throws rejects the
   * request.
   */
  constructor(send: (message: Uint8Array) => void, events: KernelEvents = {}) {
    this.#send = send;
    this.#events = events;
  }

  /** How many requests wait for their reply. */
  get waiting(): number {
    return this.#pending.size;
  }

  /** Any request, its body as it is: for tests and fuzzers. The reply is what follows the header. */
  request(
    opcode: number,
    nodeid: Foreign,
    caller: Caller,
    body: Uint8Array,
  ): { unique: number; reply: Promise<Uint8Array> } {
    const reply = this.ask(opcode, nodeid, caller, copyOf, dataPart(body));
    return { unique: this.lastUnique, reply };
  }

  /** Send a request; the promise rejects with the Errno that the server answered. */
  ask<T>(
    opcode: number,
    nodeid: Foreign,
    caller: Caller,
    decode: Decode<T>,
    ...parts: readonly Part[]
  ): Promise<T> {
    const unique = this.lastUnique + STEP;
    this.lastUnique = unique;
    return new Promise<T>((resolve, reject) => {
      const settle = resolve as Pending["resolve"];
      const pending: Pending = { opcode, caller, decode, resolve: settle, reject };
      this.#pending.set(unique, pending);
      try {
        const message = this.#post(opcode, unique, nodeid, caller, parts, true);
        if (this.keeps) pending.message = message.slice();
      } catch (error) {
        this.#pending.delete(unique);
        this.#refuse(unique, pending, errnoOf(error) ?? "EIO", error as Error);
      }
    });
  }

  /** Send what gets no reply. */
  tell(opcode: number, nodeid: Foreign, caller: Caller, ...parts: readonly Part[]): void {
    this.lastUnique += STEP;
    this.#post(opcode, this.lastUnique, nodeid, caller, parts, false);
  }

  /** The same for what answers the server's own question: the number is the server's. */
  protected tellAs(
    unique: Foreign,
    opcode: number,
    nodeid: Foreign,
    caller: Caller,
    ...parts: readonly Part[]
  ): void {
    this.#post(opcode, unique, nodeid, caller, parts, false);
  }

  /** Its caller got a signal. Nothing happens if the request is answered already or the server does not know INTERRUPT. */
  interrupt(unique: number): void {
    if (!this.#interrupts || !this.#pending.has(unique)) return;
    const body = structPart(InterruptIn, { unique: BigInt(unique) });
    this.#post(Opcode.INTERRUPT, unique + 1, 0, KERNEL, [body], false);
  }

  #post(
    opcode: number,
    unique: Foreign,
    nodeid: Foreign,
    caller: Caller,
    parts: readonly Part[],
    asks: boolean,
  ): Uint8Array {
    const message = this.#compose(opcode, unique, nodeid, caller, parts);
    this.#events.onRequest?.({ opcode, unique, nodeid, message, asks });
    this.#send(message);
    return message;
  }

  /**
   * All that waits for a reply is sent again, in the order of its numbers, which say so by their highest bit. Nothing happens unless the server
   * said that it knows that. Which of them it has read cannot be told from here, so that it may get one twice.
   */
  resend(): void {
    for (const { message } of [...this.#pending.values()]) {
      if (!message) continue;
      const again = message.slice();
      again[LAST_OF_UNIQUE] = (again[LAST_OF_UNIQUE] as number) | RESENT;
      this.#hasResent = true;
      this.#send(again);
    }
  }

  #compose(
    opcode: number,
    unique: Foreign,
    nodeid: Foreign,
    { uid, gid, pid }: Caller,
    parts: readonly Part[],
  ): Uint8Array {
    let len = InHeader.size;
    for (const part of parts) len += part.size;
    if (len > this.#buffer.length) {
      this.#buffer = new Uint8Array(2 * len);
      this.#view = viewOf(this.#buffer);
    }
    const bytes = this.#buffer;
    const view = this.#view;
    InHeader.write(view, 0, { len, opcode, unique, nodeid, uid, gid, pid, totalExtlen: 0 });
    let end = InHeader.size;
    for (const part of parts) {
      part.put(bytes, view, end);
      end += part.size;
    }
    if (this.#message.length !== len) this.#message = bytes.subarray(0, len);
    return this.#message;
  }

  /** The server is gone: everything outstanding fails, as after an abort of the connection. */
  end(code: ErrnoName = "ENOTCONN"): void {
    const all = [...this.#pending];
    this.#pending.clear();
    for (const [unique, pending] of all) this.#refuse(unique, pending, code);
  }

  /** A message of the server's: a reply or a notification. Copied where it must be kept; never throws. */
  receive(message: Span): void {
    try {
      this.#accept(message);
    } catch (error) {
      this.#fault(error, undefined);
    }
  }

  #accept(message: Span): void {
    if (message.length < OutHeader.size) throw new Refusal(`a message of ${message.length} bytes`);
    const { view, start } = message;
    const len = view.getUint32(start + OutHeader.offsets.len, true);
    const error = view.getInt32(start + OutHeader.offsets.error, true);
    const unique = readUnique(view, start + OutHeader.offsets.unique, this.keeps);
    const body = message.after(OutHeader.size);
    if (unique === 0) {
      if (len !== message.length)
        throw new Refusal(`a notification of ${message.length} bytes says ${len}`);
      this.#events.onNotify?.(decodeNotification(error, body));
      return;
    }
    const pending = this.#pending.get(unique);
    if (!pending && unique % STEP === 1 && error <= 0) {
      this.#interruptAnswered(unique - 1, error);
      return;
    }
    if (!pending && this.#hasResent && unique % STEP === 0 && unique <= this.lastUnique) return;
    if (!pending) throw new Refusal(`a reply to ${unique}, which nobody asked`);
    this.#pending.delete(unique);
    try {
      if (len !== message.length)
        throw new Refusal(`a reply of ${message.length} bytes says ${len}`);
      if (error > 0 || error < LAST_ERROR) throw new Refusal(`error ${error}`);
      if (error !== 0 && body.length > 0)
        throw new Refusal(`error ${error} with ${body.length} bytes`);
      if (error !== 0) {
        this.#refuse(unique, pending, nameOf(error));
        return;
      }
      const value = pending.decode(body);
      this.#events.onReply?.(unique, undefined);
      pending.caller.answered?.();
      pending.resolve(value);
    } catch (cause) {
      this.#refuse(unique, pending, cause instanceof Errno ? cause.code : "EPROTO");
      this.#fault(cause, pending.opcode);
    }
  }

  #refuse(unique: number, pending: Pending, code: ErrnoName, error: Error = new Errno(code)): void {
    this.#events.onReply?.(unique, code);
    pending.caller.answered?.();
    pending.reject(error);
  }

  /** ENOSYS: never again. EAGAIN: the server has not seen the request yet; ask again while it matters. */
  #interruptAnswered(unique: number, error: number): void {
    const code = error === 0 ? undefined : nameOf(error);
    if (code === "ENOSYS") this.#interrupts = false;
    if (code === "EAGAIN" && this.#pending.has(unique)) setImmediate(() => this.interrupt(unique));
  }

  #fault(cause: unknown, opcode: number | undefined): void {
    const message = cause instanceof Error ? cause.message : String(cause);
    this.#events.onFault?.(new ProtocolFault(message, opcode));
  }
}

/** The name of a reply's error; what has none here is EIO. */
function nameOf(error: number): ErrnoName {
  return errnoOf({ code: errnoName(-error) }) ?? "EIO";
}

function copyOf(body: Span): Uint8Array {
  return body.part().slice();
}

/** Bytes that the buffer of messages begins with: all requests but those that bring data are shorter. */
const FIRST_ROOM = 8192;

const WORD = 2 ** 32;

/** FUSE_UNIQUE_RESEND (include/uapi/linux/fuse.h) is the highest bit of the number: in its last byte. */
const RESENT = 0x80;
const LAST_OF_UNIQUE = InHeader.offsets.unique + 7;

/**
 * By halves, for the structs' `unique` is a bigint. What is beyond 2 ** 53 is none of ours, precise or not. `resent`: without the bit that a
 * request has which was sent again, as the server gives it back.
 */
function readUnique(view: DataView, at: number, resent: boolean): number {
  const high = view.getUint32(at + 4, true);
  return view.getUint32(at, true) + (resent ? high & 0x7fffffff : high) * WORD;
}
