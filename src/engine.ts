import { drainMicrotasks } from "bun:jsc";
import { monotonic } from "../ffi/clock.ts";
import {
  EAGAIN,
  EINTR,
  ENODEV,
  ENOENT,
  pageAligned,
  send,
  setBlocking,
  waitReadable,
} from "../ffi/device.ts";
import { Waiter } from "../ffi/waiter.ts";
import { Beside, type Companion } from "./companion.ts";
import { type Frame, frameOf, type Serving } from "./frame.ts";

/** What moves the bytes between the kernel and whoever serves: the session does not see how. */
export interface Engine {
  /** Serve until the descriptor's other end is gone. Resolves with the errno that said so, ENODEV for an unmount. */
  run(): Promise<number>;
  /** Stop serving: `run` resolves once what is at work is answered. */
  stop(): void;
}

/** What an engine is made for. */
export interface EngineParts {
  readonly descriptor: number;
  readonly serving: Serving;
  /** Bytes of the longest message. */
  readonly room: number;
  /** Replies are made in the bytes of their requests. */
  readonly inPlace: boolean;
}

/** Makes an engine that also takes messages of the server's own. */
export type EngineMaker = (parts: EngineParts) => Engine & { send(message: Uint8Array): void };

/**
 * The engine of a device that is read and written a message at a time, like /dev/fuse.
 *
 * While requests come it drains the device; then it stays close, by sleeping in read(2) for moments; then a thread waits
 * and the process sleeps. Between, turns of the event loop let timers, promises and signals run. It never spins: a
 * sleeper is woken where its client runs, and the two then share a CPU, which is several times quicker than
 * calling across. Sleeping in read(2) itself is one system call for a request; to look, sleep and read are three.
 */
export class DeviceEngine implements Engine {
  readonly #fd: number;
  readonly #serving: Serving;
  readonly #room: number;
  readonly #report: (message: string) => void;
  readonly #beside: Beside;
  readonly #first: Frame;
  readonly #idle: Frame[] = [];
  readonly #waiter = new Waiter({ reads: true });
  readonly #ended = Promise.withResolvers<number>();
  /** Requests whose answer is still to come. */
  #outstanding = 0;
  #lastRequest = 0;
  /** Nothing more is read. */
  #stopped = false;
  /** Nothing more is written either. */
  #over = false;
  #hold: ReturnType<typeof setInterval> | undefined;

  /** `room`: bytes of the longest message. `companion`: what the operations wait for, which may change. */
  constructor(
    fd: number,
    serving: Serving,
    room: number,
    report: (message: string) => void,
    companion?: () => Companion | undefined,
  ) {
    this.#fd = fd;
    this.#beside = new Beside(companion);
    this.#serving = serving;
    this.#room = room;
    this.#report = report;
    const used = spare.findIndex(({ request }) => request.length === room);
    this.#first =
      spare.splice(used, used < 0 ? 0 : 1)[0] ?? frameOf(pageAligned(room), pageAligned(room));
    this.#idle.push(this.#first);
  }

  run(): Promise<number> {
    setBlocking(this.#fd);
    // A waiting thread does not keep the process alive; a mount must.
    this.#hold = setInterval(() => {}, 2 ** 30);
    this.#lastRequest = monotonic();
    setImmediate(this.#turn);
    return this.#ended.promise;
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    if (this.#outstanding === 0) this.#end(ENODEV);
  }

  /** One turn of the event loop: serve what is there, for at most a moment, then decide how to wait. */
  readonly #turn = (): void => {
    if (this.#stopped) return;
    const begun = monotonic();
    this.#beside.turn();
    for (;;) {
      const frame = this.#idle.pop() ?? this.#frame();
      const result = this.#receive(frame);
      if (result > 0) {
        frame.length = result;
        this.#serve(frame);
        if (this.#stopped) return;
        if (this.#outstanding > 0 || (this.#burst & 15) === 0) {
          const now = monotonic();
          if (now - begun > LONGEST_TURN) {
            this.#lastRequest = now;
            setImmediate(this.#turn);
            return;
          }
        }
        continue;
      }
      this.#idle.push(frame);
      // The request was interrupted before it was read.
      if (result === -ENOENT) continue;
      if (result === -EAGAIN || result === -EINTR) {
        this.#rest();
        return;
      }
      this.#stopped = true;
      this.#end(result === 0 ? ENODEV : -result);
      return;
    }
  };
  #burst = 0;

  /**
   * A request; -EAGAIN or, after a moment of waiting, -EINTR if there is none. Only a look where what is outstanding needs the event loop,
   * and before the thread has started that ends the waiting.
   */
  #receive({ request }: Frame): number {
    for (let looks = 0; this.#isAtWork(); looks++) {
      const found = this.#beside.look(this.#fd, this.#attended ? this.#waiter : undefined);
      if (found === "request") return this.#waiter.read(this.#fd, request);
      if (found === "nothing" || looks === MOST_LOOKS) return -EAGAIN;
      this.#lastRequest = monotonic();
    }
    if (!this.#attended && !waitReadable(this.#fd, 0)) return -EAGAIN;
    return this.#waiter.read(this.#fd, request);
  }

  /** Whether anything is outstanding, when all that can be answered now is: promises that are settled need no turn of the event loop. */
  #isAtWork(): boolean {
    if (this.#outstanding > 0) drainMicrotasks();
    return this.#outstanding > 0;
  }
  #attended = false;

  /** Nothing is there: a turn of the event loop, or sleep if there has been nothing for long. */
  #rest(): void {
    const now = monotonic();
    if (this.#burst !== this.#seen) {
      this.#seen = this.#burst;
      this.#lastRequest = now;
    }
    if (now - this.#lastRequest > PATIENCE) this.#sleep();
    else setImmediate(this.#turn);
  }
  #seen = 0;

  #sleep(): void {
    const { fds, writing } = this.#beside.sleepers(this.#fd);
    const woken = () => {
      this.#attended = true;
      this.#lastRequest = monotonic();
      this.#turn();
    };
    this.#waiter.wait(fds, woken, writing);
  }

  #serve(frame: Frame): void {
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
      if (this.#stopped && this.#outstanding === 0) this.#end(ENODEV);
    });
  }

  #answer(frame: Frame, length: number): void {
    // Once ended the descriptor is the owner's to close: the number may be another file's by now.
    if (length > 0 && !this.#over) {
      const sent = send(this.#fd, frame.reply, length);
      // ENOENT: the asker has given up. ENODEV: unmounted. Neither leaves anyone waiting.
      if (sent < 0 && sent !== -ENOENT && sent !== -ENODEV) this.#refused(frame, -sent);
    }
    if (frame.lost) return;
    if (this.#idle.length < MOST_IDLE) this.#idle.push(frame);
  }

  /** The kernel did not like a reply: its asker must not wait for ever. */
  #refused(frame: Frame, errno: number): void {
    this.#report(`the kernel refused a reply (errno ${errno}); answered EIO instead`);
    frame.replyView.setUint32(0, 16, true);
    frame.replyView.setInt32(4, -EIO, true);
    send(this.#fd, frame.reply, 16);
  }

  #frame(): Frame {
    return frameOf(new Uint8Array(this.#room), new Uint8Array(this.#room));
  }

  #end(errno: number): void {
    if (this.#over) return;
    this.#over = true;
    this.#beside.end();
    this.#waiter.close();
    clearInterval(this.#hold);
    if (this.#idle.includes(this.#first)) spare.push(this.#first);
    this.#ended.resolve(errno);
  }
}

/** First frames of engines that have ended, for the next ones: their memory cannot be given back. */
const spare: Frame[] = [];

const EIO = 5;

/** Nanoseconds. Timers, signals and promises wait this long at most under full load. */
const LONGEST_TURN = 1_000_000;
/** How long a quiet mount is stayed close to before the process sleeps. */
const PATIENCE = 2_000_000;
/** Answers of a companion that are taken one by one before the event loop has a turn. */
const MOST_LOOKS = 64;
/** Frames kept for the next requests; more come and go. */
const MOST_IDLE = 16;
