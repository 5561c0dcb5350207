import { drainMicrotasks } from "bun:jsc";
import { constants } from "node:os";
import { monotonic } from "../ffi/clock.ts";
import { EAGAIN, EINTR, ENODEV, ENOENT, EPIPE, waitReadable } from "../ffi/device.ts";
import { Waiter } from "../ffi/waiter.ts";
import { Beside, type Companion } from "./companion.ts";
import type { Engine } from "./engine.ts";
import { type Frame, frameOf, type Serving, viewOf } from "./frame.ts";
import { type Line, lineOf } from "./line.ts";
import { FrameReader, FramingError } from "./puffs/frames.ts";

/** Bytes that could not be written yet, and the frame they lie in. */
interface Unsent {
  readonly bytes: Uint8Array;
  readonly frame: Frame | undefined;
}

/**
 * The engine of a stream of puffs frames: a socket, or /dev/puffs, which is read in pieces and written a frame at a time.
 *
 * Each request gets a frame of its own, as long as its reply may become, so that any number can be at work; what cannot be written
 * at once is queued, and written when the other end reads. Waiting is as in DeviceEngine.
 */
export class StreamEngine implements Engine {
  readonly #fd: number;
  readonly #serving: Serving;
  readonly #reader: FrameReader;
  readonly #limit: number;
  readonly #report: (message: string) => void;
  readonly #idle: Frame[][] = [];
  readonly #unsent: Unsent[] = [];
  readonly #beside: Beside;
  readonly #waiter = new Waiter();
  readonly #ended = Promise.withResolvers<number>();
  #line: Line | undefined;
  /** Class of the frame that the next request is read into: that of the last one. */
  #likely = 0;
  #unsentBytes = 0;
  #outstanding = 0;
  #lastRequest = 0;
  #burst = 0;
  /** The thread waits; no turn is arranged for. */
  #asleep = false;
  /** Nothing more is read. */
  #stopped = false;
  /** Nothing more is written either. */
  #over = false;
  #hold: ReturnType<typeof setInterval> | undefined;

  /** `limit`: bytes of the longest frame. `companion`: what the operations wait for, which may change. */
  constructor(
    fd: number,
    serving: Serving,
    limit: number,
    report: (message: string) => void,
    companion?: () => Companion | undefined,
  ) {
    this.#fd = fd;
    this.#beside = new Beside(companion);
    this.#serving = serving;
    this.#limit = limit;
    this.#reader = new FrameReader(limit);
    this.#report = report;
  }

  run(): Promise<number> {
    this.#line = lineOf(this.#fd, NAP);
    // A waiting thread does not keep the process alive; a mount must.
    this.#hold = setInterval(() => {}, 2 ** 30);
    this.#lastRequest = monotonic();
    setImmediate(this.#turn);
    return this.#ended.promise;
  }

  /** What is being answered is written first; operations still at work are not waited for. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#waiter.cancel();
    setImmediate(() => this.#drain(monotonic() + FAREWELL));
  }

  /** A message of ours, behind the replies that are due. */
  send(message: Uint8Array): void {
    if (!this.#over) this.#write(message, message.length, undefined);
  }

  /** One turn of the event loop: serve what is there, for at most a moment, then decide how to wait. */
  readonly #turn = (): void => {
    if (this.#stopped) return;
    const begun = monotonic();
    this.#beside.turn();
    for (;;) {
      if (this.#unsent.length > 0 && !this.#flush()) return;
      if (this.#unsentBytes > MOST_UNSENT) {
        setTimeout(this.#turn, 1);
        return;
      }
      const result = this.#receive();
      if (result > 0) {
        if (!this.#serveAll()) return;
        if (monotonic() - begun > LONGEST_TURN) {
          setImmediate(this.#turn);
          return;
        }
        continue;
      }
      if (result === -EINTR) continue;
      if (result === -EAGAIN) {
        if (this.#wait(begun)) continue;
        return;
      }
      this.#gone(-result);
      return;
    }
  };

  /**
   * Read, and serve at once what is one whole request in a frame with room for its reply: it need not be moved. All else is the reader's.
   */
  #receive(): number {
    const line = this.#line as Line;
    const wait = line.waits && this.#unsent.length === 0 && this.#outstanding === 0;
    if (this.#reader.left > 0) {
      const result = line.receive(this.#reader.room(), wait);
      if (result > 0) this.#reader.took(result);
      return result;
    }
    const frame = this.#take(this.#likely);
    const result = line.receive(frame.request, wait);
    const isWhole = result >= BUFLEN + 8 && frame.requestView.getUint32(0, true) === result;
    if (isWhole && frame.requestView.getUint32(4, true) === 0) {
      const room = replyRoom(frame.requestView, result, this.#limit);
      this.#likely = sizeClass(room);
      if (room <= frame.request.length) {
        this.#serveFrame(frame, result);
        return result;
      }
    }
    if (result > 0) {
      this.#reader.room().set(frame.request.subarray(0, result));
      this.#reader.took(result);
    }
    this.#release(frame);
    return result;
  }

  /** Serve the frames that are there; false: that was the end. */
  #serveAll(): boolean {
    if (this.#stopped) return false;
    if (this.#reader.left === 0) return true;
    try {
      for (let bytes = this.#reader.next(); bytes; bytes = this.#reader.next()) {
        this.#serve(bytes);
        if (this.#stopped) return false;
      }
      return true;
    } catch (error) {
      if (!(error instanceof FramingError)) throw error;
      this.#report(`the stream is out of step: ${error.message}`);
      this.#break(EPROTO);
      return false;
    }
  }

  #serve(bytes: Uint8Array): void {
    const room = replyRoom(viewOf(bytes), bytes.length, this.#limit);
    this.#likely = sizeClass(room);
    const frame = this.#take(this.#likely);
    frame.request.set(bytes);
    this.#serveFrame(frame, bytes.length);
  }

  #serveFrame(frame: Frame, length: number): void {
    frame.length = length;
    this.#burst++;
    const reply = this.#serving.serve(frame);
    if (typeof reply === "number") {
      this.#answer(frame, reply);
      return;
    }
    this.#outstanding++;
    reply.then((late) => {
      this.#outstanding--;
      this.#answer(frame, late);
    });
  }

  #answer(frame: Frame, length: number): void {
    if (length === 0 || this.#over) this.#release(frame);
    // What an operation still holds it may still write to.
    else if (frame.lost) this.#write(frame.reply.slice(0, length), length, undefined);
    else this.#write(frame.reply, length, frame);
  }

  /** Write now, or as far as it goes and the rest later. */
  #write(bytes: Uint8Array, length: number, frame: Frame | undefined): void {
    let sent = 0;
    if (this.#unsent.length === 0) {
      do sent = this.#send(bytes, length);
      while (sent === -EINTR);
      if (sent === length) {
        if (frame) this.#release(frame);
        return;
      }
      if (sent < 0 && sent !== -EAGAIN) {
        if (frame) this.#release(frame);
        this.#refused(-sent);
        return;
      }
      sent = Math.max(0, sent);
    }
    this.#unsent.push({ bytes: bytes.subarray(sent, length), frame });
    this.#unsentBytes += length - sent;
    // Until now it was waited for requests alone.
    if (this.#asleep) this.#sleep();
  }

  #send(bytes: Uint8Array, length: number): number {
    return (this.#line as Line).send(bytes, length);
  }

  /** Write what is queued, as far as it goes; false: the other end is gone. */
  #flush(): boolean {
    for (;;) {
      const first = this.#unsent[0];
      if (!first) return true;
      const { bytes, frame } = first;
      const sent = this.#send(bytes, bytes.length);
      if (sent === -EINTR) continue;
      if (sent === -EAGAIN) return true;
      if (sent < 0) return this.#refused(-sent);
      this.#unsentBytes -= sent;
      if (sent < bytes.length) this.#unsent[0] = { bytes: bytes.subarray(sent), frame };
      else {
        this.#unsent.shift();
        if (frame) this.#release(frame);
      }
    }
  }

  /** Nothing is there. True: something is now; otherwise the next turn is arranged for. */
  #wait(begun: number): boolean {
    const now = monotonic();
    if (this.#burst > 0) {
      this.#burst = 0;
      this.#lastRequest = now;
    }
    if (this.#unsent.length > 0 || now - this.#lastRequest > PATIENCE) {
      this.#sleep();
      return false;
    }
    // Promises that are settled need no turn of the event loop.
    if (this.#outstanding > 0) drainMicrotasks();
    if (this.#outstanding > 0) {
      const found = this.#beside.look(this.#fd);
      if (found === "settled") {
        this.#lastRequest = now;
        drainMicrotasks();
      }
      if (found !== "nothing" && now - begun <= LONGEST_TURN) return true;
      setImmediate(this.#turn);
      return false;
    }
    if (now - begun > LONGEST_TURN) {
      setImmediate(this.#turn);
      return false;
    }
    // A line that waits has done so.
    if (!this.#line?.waits && waitReadable(this.#fd, NAP)) return true;
    setImmediate(this.#turn);
    return false;
  }

  #sleep(): void {
    this.#asleep = true;
    const { fds, writing } = this.#beside.sleepers(this.#fd);
    this.#waiter.wait(fds, this.#woken, this.#unsent.length > 0 ? this.#fd : writing);
  }

  readonly #woken = (): void => {
    this.#asleep = false;
    this.#lastRequest = monotonic();
    this.#turn();
  };

  /** A write failed: the other end is gone, and reading will say so too; false. */
  #refused(errno: number): false {
    this.#break(errno);
    return false;
  }

  #take(size: number): Frame {
    const idle = this.#idle[size]?.pop();
    if (idle) return idle;
    const room = new Uint8Array(SMALLEST << size);
    return frameOf(room, room);
  }

  #release(frame: Frame): void {
    if (frame.lost) return;
    const size = sizeClass(frame.request.length);
    this.#idle[size] ??= [];
    const idle = this.#idle[size];
    if (idle.length < MOST_IDLE >> size) idle.push(frame);
  }

  /** Reading found the end, 0, or an error. A stream that ends in the midst of a frame is not how a mount ends. */
  #gone(errno: number): void {
    const { left } = this.#reader;
    const isCut = left > 0 && (errno === 0 || errno === ECONNRESET);
    if (isCut) this.#report(`the stream broke off behind byte ${left} of a frame`);
    this.#break(isCut ? EPROTO : errno || ENODEV);
  }

  #break(errno: number): void {
    this.#stopped = true;
    this.#end(GONE.has(errno) ? ENODEV : errno);
  }

  /** The last replies go out, if the other end takes them in time. */
  #drain(deadline: number): void {
    if (this.#over || (this.#unsent.length > 0 && !this.#flush())) return;
    if (this.#unsent.length === 0 || monotonic() > deadline) this.#end(ENODEV);
    else setTimeout(() => this.#drain(deadline), 1);
  }

  #end(errno: number): void {
    if (this.#over) return;
    this.#over = true;
    this.#beside.end();
    this.#waiter.close();
    clearInterval(this.#hold);
    this.#ended.resolve(errno);
  }
}

/** Bytes that a request and the reply to it may have: what its header says (`buflen`), if it has one, within the limit. */
function replyRoom(view: DataView, length: number, limit: number): number {
  if (length < BUFLEN + 8) return length;
  const wanted = view.getUint32(BUFLEN + 4, true) > 0 ? limit : view.getUint32(BUFLEN, true);
  return Math.max(length, Math.min(wanted, limit));
}

/** Frames come in sizes of powers of two. */
function sizeClass(length: number): number {
  return Math.max(0, 32 - Math.clz32(length - 1) - SMALLEST_BITS);
}

const SMALLEST_BITS = 12;
const SMALLEST = 1 << SMALLEST_BITS;
/** Where `preq_buflen` is. */
const BUFLEN = 48;

const { EPROTO, ENXIO, ECONNRESET } = constants.errno;

/** What reads and writes say when there is no one any more: the device, that the mount is gone; a socket, that the peer is. */
const GONE: ReadonlySet<number> = new Set([ENODEV, ENXIO, ENOENT, EPIPE, ECONNRESET]);

/** Nanoseconds. Timers, signals and promises wait this long at most under full load. */
const LONGEST_TURN = 1_000_000;
/** How long a quiet mount is stayed close to before the process sleeps. */
const PATIENCE = 2_000_000;
/** For how long the last replies are tried to be written. */
const FAREWELL = 2_000_000_000;
/** Microseconds of sleep in the kernel between two turns of the event loop. */
const NAP = 500;
/** Smallest frames kept for the next requests; of each next size half as many. */
const MOST_IDLE = 256;
/** Bytes of replies that wait to be written, from which on no more requests are read. */
const MOST_UNSENT = 64 * 2 ** 20;
