import type { Duplex } from "node:stream";
import type { Socket } from "bun";
import { Errno, errnoOf } from "../errno.ts";
import type { Channel } from "./channel.ts";

/** What all have that are told by events: wishes, and why nothing more comes or goes. */
abstract class EventChannel implements Channel {
  #readable: (() => void) | undefined;
  #writable: (() => void) | undefined;
  #closed: (() => void) | undefined;
  #error: unknown;
  protected ended = false;
  closed = false;

  abstract write(from: Uint8Array): number;
  abstract close(): void;
  /** The next bytes that came, of any length. */
  protected abstract take(): Uint8Array | null;
  protected abstract giveBack(rest: Uint8Array): void;
  /** Whether something has come and was not taken yet, and whether something would be taken: events do not tell that again. */
  protected abstract get hasInput(): boolean;
  protected abstract get hasRoom(): boolean;

  read(into: Uint8Array): number | null {
    const chunk = this.take();
    if (chunk === null) {
      if (!this.ended) return 0;
      this.check();
      return null;
    }
    const count = Math.min(chunk.length, into.length);
    into.set(chunk.subarray(0, count));
    if (count < chunk.length) this.giveBack(chunk.subarray(count));
    return count;
  }

  whenReadable(tell: (() => void) | undefined): void {
    this.#readable = tell;
    if (tell && (this.ended || this.hasInput)) setImmediate(this.onInput);
  }

  whenWritable(tell: (() => void) | undefined): void {
    this.#writable = tell;
    if (tell && (this.closed || this.hasRoom)) setImmediate(this.onRoom);
  }

  whenClosed(tell: () => void): void {
    this.#closed = tell;
  }

  /** Throws what broke it. */
  protected check(): void {
    if (this.#error !== undefined) throw new Errno(errnoOf(this.#error) ?? "EIO");
  }

  protected readonly onInput = (): void => {
    const tell = this.#readable;
    this.#readable = undefined;
    tell?.();
  };

  protected readonly onRoom = (): void => {
    const tell = this.#writable;
    this.#writable = undefined;
    tell?.();
  };

  protected readonly onEnd = (): void => {
    this.ended = true;
    this.onInput();
  };

  protected readonly onError = (error: unknown): void => {
    this.#error ??= error;
  };

  protected readonly onClose = (): void => {
    this.closed = true;
    this.onEnd();
    this.onRoom();
    this.#closed?.();
  };
}

/** A channel over a duplex stream of Node's: net.Socket, tls.TLSSocket, both ends of a program. */
export class StreamChannel extends EventChannel {
  readonly #stream: Duplex;

  constructor(stream: Duplex) {
    super();
    this.#stream = stream;
    stream
      .on("readable", this.onInput)
      .on("drain", this.onRoom)
      .on("end", this.onEnd)
      .on("error", this.onError)
      .on("close", this.onClose);
  }

  /** The stream keeps the bytes until they are out, so it gets its own. */
  write(from: Uint8Array): number {
    this.check();
    if (this.closed || !this.#stream.writable) throw new Errno("EPIPE");
    if (this.#stream.writableNeedDrain) return 0;
    this.#stream.write(from.slice());
    return from.length;
  }

  close(): void {
    this.#stream.end(() => this.#stream.destroy());
  }

  protected get hasInput(): boolean {
    // An end that nobody has read up to is told when it is.
    this.#stream.read(0);
    return this.#stream.readableLength > 0;
  }

  protected get hasRoom(): boolean {
    return !this.#stream.writableNeedDrain;
  }

  protected take(): Uint8Array | null {
    return this.#stream.read();
  }

  protected giveBack(rest: Uint8Array): void {
    this.#stream.unshift(rest);
  }
}

/** A channel over a connection that Bun.connect made. */
export class BunSocketChannel extends EventChannel {
  readonly #socket: Socket<unknown>;
  readonly #chunks: Uint8Array[] = [];
  /** Not all of the last write was taken. */
  #full = false;

  constructor(socket: Socket<unknown>) {
    super();
    this.#socket = socket;
    socket.reload({
      socket: {
        // What is handed over is only lent.
        data: (_, bytes) => {
          this.#chunks.push(bytes.slice());
          this.onInput();
        },
        drain: () => {
          this.#full = false;
          this.onRoom();
        },
        end: this.onEnd,
        error: (_, error) => this.onError(error),
        close: this.onClose,
      },
    });
  }

  write(from: Uint8Array): number {
    this.check();
    const count = this.closed ? -1 : this.#socket.write(from);
    if (count < 0) throw new Errno("EPIPE");
    this.#full = count < from.length;
    return count;
  }

  close(): void {
    this.#socket.end();
  }

  protected get hasInput(): boolean {
    return this.#chunks.length > 0;
  }

  protected get hasRoom(): boolean {
    return !this.#full;
  }

  protected take(): Uint8Array | null {
    return this.#chunks.shift() ?? null;
  }

  protected giveBack(rest: Uint8Array): void {
    this.#chunks.unshift(rest);
  }
}
