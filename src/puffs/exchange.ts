import { Errno, type ErrnoName, errnoOf } from "../errno.ts";
import { viewOf } from "../frame.ts";
import { encodeName } from "../name.ts";
import { ELAST, errnoName, errnoNumber } from "./errno.ts";
import { Err, OPCLASS_MASK, Opclass, OpFlags } from "./flags.ts";
import { type Caller, compose, NOCRED, putHeader, Refusal } from "./message.ts";
import { PuffsError, PuffsReq } from "./structs.ts";

/** What was wrong with a message of the server's. If it answered something, that was rejected with `code`. */
export class ProtocolFault extends Error {
  override readonly name = "ProtocolFault";
  readonly code = "EPROTO";
}

/**
 * Takes the answer out of the reply, which lies over the request: what was not sent is as it went out. `length` is that of
 * the reply. Both are the decoder's to keep. Throws a Refusal or an Errno.
 */
export type Decode<T> = (bytes: Uint8Array, length: number) => T;

/** A request that waits. */
export interface Pending {
  readonly id: number;
  readonly opclass: number;
  readonly optype: number;
  readonly cookie: number;
  /** The second node that setbacks are about; 0 for none. */
  readonly second: number;
  /** As it was sent, with room for all that may come. */
  readonly bytes: Uint8Array;
  readonly decode: Decode<unknown>;
  /** The answer is taken whatever the error. */
  readonly always: boolean;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  /** Its caller was interrupted: whatever comes is ignored. */
  abandoned: boolean;
}

export interface Question<T> {
  readonly opclass: number;
  readonly optype: number;
  readonly cookie: number;
  readonly caller: Caller;
  readonly message: Uint8Array;
  readonly decode: Decode<T>;
  /** How many bytes the reply may be longer than the message. Left out: 0. */
  readonly more?: number;
  readonly second?: number;
  readonly always?: boolean;
}

/**
 * Requests and their replies as the kernel sees them: numbers them, matches them, checks what can be checked without
 * knowing the operation. Without a transport: frames leave through `send` and come in through `receive`.
 */
export abstract class Exchange {
  /** Of the request last sent: what `interrupt` wants. */
  lastId = -1;
  readonly #send: (frame: Uint8Array) => void;
  readonly #pending = new Map<number, Pending>();
  #ended: ErrnoName | undefined;

  /** `send` owns the frame it is given; it may answer before it returns. What it throws rejects the request. */
  constructor(send: (frame: Uint8Array) => void) {
    this.#send = send;
  }

  /** A reply is accepted: its setbacks. */
  protected abstract setback(setbacks: number, cookie: number, second: number): void;
  /** The server asks: the error that is the answer, or undefined. */
  protected abstract asked(opclass: number, message: Uint8Array): ErrnoName | undefined;
  /** The server broke the protocol. */
  protected abstract fault(fault: ProtocolFault): void;

  /** How many requests wait for their reply, those whose caller is gone among them. */
  get waiting(): number {
    return this.#pending.size;
  }

  /** Send a request; the promise rejects with the Errno that the server answered. */
  ask<T>(question: Question<T>): Promise<T> {
    if (this.#ended) return Promise.reject(new Errno(this.#ended));
    const { opclass, optype, cookie, caller, message, decode, more = 0 } = question;
    const { second = 0, always = false } = question;
    const id = ++this.lastId;
    const buflen = message.length + more;
    const { pid = 0, lid = 0 } = caller;
    putHeader(message, { id, cookie, opclass, optype, pid, lid, buflen });
    const bytes = new Uint8Array(buflen);
    bytes.set(message);
    return new Promise<T>((resolve, reject) => {
      const pending: Pending = {
        ...{ id, opclass, optype, cookie, second, bytes, decode, always, reject },
        resolve: resolve as Pending["resolve"],
        abandoned: false,
      };
      this.#pending.set(id, pending);
      try {
        this.#send(message);
      } catch (error) {
        this.#pending.delete(id);
        reject(error as Error);
      }
    });
  }

  /** Send what must not be answered; nothing once the server is gone. */
  tell(
    opclass: number,
    optype: number,
    cookie: number,
    message: Uint8Array,
    caller = NOCRED,
  ): void {
    if (this.#ended) return;
    const { pid = 0, lid = 0 } = caller;
    putHeader(message, { cookie, opclass: opclass | OpFlags.FAF, optype, pid, lid });
    this.#send(message);
  }

  /** The caller of request `id` got a signal: it has EINTR at once, the request stays outstanding. */
  interrupt(id: number): void {
    const pending = this.#pending.get(id);
    if (!pending || pending.abandoned) return;
    pending.abandoned = true;
    pending.reject(new Errno("EINTR"));
  }

  /** The server is gone: all that waits fails, and all that comes. */
  end(code: ErrnoName = "ENXIO"): void {
    this.#ended = code;
    const all = [...this.#pending.values()];
    this.#pending.clear();
    for (const { abandoned, reject } of all) if (!abandoned) reject(new Errno(code));
  }

  /** A whole frame of the server's. Copied where it must be kept; never throws. */
  receive(frame: Uint8Array): void {
    if (this.#ended) return;
    if (frame.length < PuffsReq.size) {
      this.fault(new ProtocolFault(`a message of ${frame.length} bytes`));
      this.#respond(frame, "EINVAL");
      return;
    }
    const header = PuffsReq.offsets;
    const view = viewOf(frame);
    const word = view.getUint16(header.opclass, true);
    const opclass = word & OPCLASS_MASK;
    if (opclass === Opclass.VFS || opclass === Opclass.VN) {
      if ((word & OpFlags.FAF) !== 0) this.fault(new ProtocolFault("an answer to fire and forget"));
      else this.#answered(frame, view);
    } else this.#respond(frame, this.asked(opclass, frame));
  }

  /** Tell the server what it did wrong. */
  protected complain(refusal: Refusal, cookie: number): void {
    const { error } = refusal;
    const number = typeof error === "number" ? error : errnoNumber(error);
    const message = compose(PuffsError, { error: number });
    encodeName(refusal.message.slice(0, 255), message, PuffsError.offsets.str);
    this.tell(Opclass.ERROR, refusal.type, cookie, message);
    this.fault(new ProtocolFault(refusal.message));
  }

  #answered(frame: Uint8Array, view: DataView): void {
    const { offsets } = PuffsReq;
    const id = view.getUint32(offsets.id + 4, true) * 2 ** 32 + view.getUint32(offsets.id, true);
    const rv = view.getInt32(offsets.rv, true);
    const pending = this.#pending.get(id);
    // The kernel drops it without a word.
    if (!pending) {
      this.fault(new ProtocolFault(`a reply to ${id}, which nobody waits for`));
      return;
    }
    this.#pending.delete(id);
    if (pending.abandoned) return;
    const { bytes, cookie, second, always } = pending;
    if (frame.length > bytes.length) {
      // Not a word of it to the server.
      const fault = new ProtocolFault(
        `a reply of ${frame.length} bytes, ${bytes.length} are the most`,
      );
      this.fault(fault);
      pending.reject(new Errno("EPROTO"));
      return;
    }
    bytes.set(frame);
    this.setback(view.getUint32(offsets.setbacks, true), cookie, second);
    if (rv < 0 || rv > ELAST) {
      this.complain(new Refusal(`error ${rv}`, Err.ERROR, rv), 0);
      pending.reject(new Errno("EPROTO"));
      return;
    }
    try {
      if (rv !== 0 && !always) pending.reject(new Errno(nameOf(rv)));
      else pending.resolve(pending.decode(bytes, frame.length));
    } catch (cause) {
      pending.reject(new Errno(errnoOf(cause) ?? "EPROTO"));
      if (cause instanceof Errno) return;
      const message = cause instanceof Error ? cause.message : String(cause);
      this.complain(cause instanceof Refusal ? cause : new Refusal(message, Err.ERROR), cookie);
    }
  }

  /** The answer to a message of the server's own: its header again, with all it had in the fields of identity. */
  #respond(frame: Uint8Array, code: ErrnoName | undefined): void {
    const response = new Uint8Array(PuffsReq.size);
    response.set(frame.subarray(0, PuffsReq.size));
    const view = viewOf(response);
    const { offsets } = PuffsReq;
    const opclass = view.getUint16(offsets.opclass, true);
    view.setUint32(offsets.framelen, response.length, true);
    view.setUint32(offsets.framelen + 4, 0, true);
    view.setUint16(offsets.opclass, opclass | OpFlags.ISRESPONSE | OpFlags.FAF, true);
    view.setInt32(offsets.rv, code === undefined ? 0 : errnoNumber(code), true);
    view.setUint32(offsets.buflen, response.length, true);
    view.setUint32(offsets.buflen + 4, 0, true);
    this.#send(response);
  }
}

/** The name of a reply's error; what has none here is EIO. */
export function nameOf(rv: number): ErrnoName {
  return errnoOf({ code: errnoName(rv) }) ?? "EIO";
}
