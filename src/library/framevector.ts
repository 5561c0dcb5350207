import { Errno, type ErrnoName, errnoOf } from "../errno.ts";
import type { Usermount } from "../usermount.ts";
import { type Channel, channelOf, type Talkable } from "./channel.ts";
import { FrameBuffer } from "./framebuf.ts";

/** What is there and what is gone of a channel: it has two sides, like a socket. */
export interface Sides {
  readonly read: boolean;
  readonly write: boolean;
}

/** How the messages of a protocol of one's own are read, written and matched: the callbacks of puffs_framev_init. None may wait. */
export interface Framing {
  /**
   * Read at most one frame into the buffer, and answer whether it is whole; called again with the same buffer until it is. `fill` does
   * most of it. What it throws closes the side for reading.
   */
  read(frame: FrameBuffer, channel: Channel): boolean;
  /** Write from the cursor on, and answer whether the frame is out. What it throws closes the side for writing. Left out: `drain`. */
  write?(frame: FrameBuffer, channel: Channel): boolean;
  /** Whether `received` is the reply to `sent`; "push": it is the reply to nothing. */
  compare(sent: FrameBuffer, received: FrameBuffer): boolean | "push";
  /** A frame that nobody waits for. Left out: it is a fault, and the side for reading is closed with EPROTO. */
  gotFrame?(frame: FrameBuffer, channel: Channel): void;
  /** One side is closed: `gone` says which are by now. Left out: a channel is removed when both are. */
  fdNotify?(channel: Channel, gone: Sides): void;
}

/**
 * Read until the first `size` bytes of the frame are there, and answer whether they are: the cursor is where the next ones go.
 * Throws ECONNRESET at the end of the channel.
 */
export function fill(frame: FrameBuffer, channel: Channel, size: number): boolean {
  while (frame.offset < size) {
    const count = channel.read(frame.window(frame.offset, size - frame.offset));
    if (count === null) throw new Errno("ECONNRESET");
    if (count === 0) return false;
    frame.seek(frame.offset + count);
  }
  return true;
}

/** Write what is left of the frame behind its cursor, as much as is taken; answers whether all of it is out. */
export function drain(frame: FrameBuffer, channel: Channel): boolean {
  while (frame.remaining > 0) {
    const count = channel.write(frame.window(frame.offset, frame.remaining));
    if (count === 0) return false;
    frame.seek(frame.offset + count);
  }
  return true;
}

/** For `fdNotify` of a file system that cannot be without its connection: unmount when both sides are gone. */
export function unmountOnClose(usermount: Pick<Usermount, "unmount">): Framing["fdNotify"] {
  return (_channel, gone) => {
    if (gone.read && gone.write) usermount.unmount().catch(() => {});
  };
}

/** A frame on its way, and who is to hear of it. */
interface Message {
  readonly frame: FrameBuffer;
  /** Whether a reply is awaited when it is out. */
  readonly awaited: boolean;
  /** Some of it may be written. */
  begun?: true;
  readonly settle: (reply: FrameBuffer, error: Errno | undefined) => void;
}

/** A channel at work. */
interface Line {
  readonly channel: Channel;
  /** To be written; the first may be so in part. */
  readonly outgoing: Message[];
  /** Written, waiting for their replies. */
  readonly waiting: Message[];
  /** Who takes the next frames, whatever they are. */
  readonly takers: Message[];
  /** Who waits for the channel itself. */
  readonly watchers: Set<(error: Errno) => void>;
  incoming: FrameBuffer | undefined;
  /** Whether frames are read and written now. */
  on: { read: boolean; write: boolean };
  gone: { read: boolean; write: boolean };
}

/**
 * Requests and replies over any number of channels (puffs_framebuf(3)): a file server talks to another server while its
 * operations wait. Replies may come in any order; a connection that ends fails whoever waits for it.
 *
 * The C library's file system yields in `enqueue_cc`; an async operation awaits the promise.
 */
export class FrameVector {
  readonly #framing: Framing;
  readonly #lines = new Map<Talkable, Line>();

  constructor(framing: Framing) {
    this.#framing = framing;
  }

  /** Begin with a descriptor, socket or channel, which is the vector's from now on. `on`: whether frames are read and written. */
  addFd(what: Talkable, on: Sides = { read: true, write: true }): Channel {
    if (this.#lines.has(what)) throw new Errno("EEXIST");
    const line: Line = {
      channel: channelOf(what),
      outgoing: [],
      waiting: [],
      takers: [],
      watchers: new Set(),
      incoming: undefined,
      on: { ...on },
      gone: { read: false, write: false },
    };
    this.#lines.set(what, line);
    this.#lines.set(line.channel, line);
    line.channel.whenClosed?.(() => this.#close(line, "write", new Errno("EPIPE")));
    this.#listen(line);
    return line.channel;
  }

  /** Frames are read, or written, from now on. */
  enableFd(what: Talkable, { read, write }: Partial<Sides>): void {
    const line = this.#line(what);
    line.on.read ||= read ?? false;
    line.on.write ||= write ?? false;
    this.#listen(line);
    this.#output(line);
  }

  /** Frames are neither read nor written, or only one of it, until they are again. */
  disableFd(what: Talkable, { read, write }: Partial<Sides>): void {
    const line = this.#line(what);
    line.on.read &&= !read;
    line.on.write &&= !write;
    this.#listen(line);
    if (!line.on.write) line.channel.whenWritable(undefined);
  }

  /** Let go of it: whoever waits for anything there fails with `error`, and it is closed. */
  removeFd(what: Talkable, error: ErrnoName = "ECONNRESET"): void {
    const line = this.#line(what);
    for (const [key, other] of this.#lines) if (other === line) this.#lines.delete(key);
    line.gone = { read: true, write: true };
    line.channel.whenReadable(undefined);
    line.channel.whenWritable(undefined);
    line.channel.close();
    const cause = new Errno(error);
    for (const message of drained(line.outgoing, line.waiting, line.takers))
      message.settle(message.frame, cause);
    for (const fail of line.watchers) fail(cause);
  }

  /** Send a frame and wait for its reply. `urgent`: before all that are not begun. */
  enqueueCc(what: Talkable, frame: FrameBuffer, { urgent = false } = {}): Promise<FrameBuffer> {
    return this.#promise((settle) => this.#send(what, { frame, awaited: true, settle }, urgent));
  }

  /** Send a frame; `callback` gets its reply, or the frame itself and why there is none. */
  enqueueCb(
    what: Talkable,
    frame: FrameBuffer,
    callback: (reply: FrameBuffer, error: Errno | undefined) => void,
    { urgent = false } = {},
  ): void {
    this.#send(what, { frame, awaited: true, settle: callback }, urgent);
  }

  /** Send a frame. `reply`: one comes, and is dropped. Nobody learns how it went. */
  enqueueJustSend(
    what: Talkable,
    frame: FrameBuffer,
    { reply = false, urgent = false } = {},
  ): void {
    this.#send(what, { frame, awaited: reply, settle: () => {} }, urgent);
  }

  /** Send a frame and wait until it is written. */
  async enqueueDirectSend(
    what: Talkable,
    frame: FrameBuffer,
    { urgent = false } = {},
  ): Promise<void> {
    await this.#promise((settle) => this.#send(what, { frame, awaited: false, settle }, urgent));
  }

  /** The next frame that comes, whatever it is. For what comes before requests do, such as a greeting. */
  enqueueDirectReceive(what: Talkable): Promise<FrameBuffer> {
    const line = this.#line(what);
    return this.#promise((settle) => {
      if (line.gone.read) throw new Errno("ECONNRESET");
      line.takers.push({ frame: new FrameBuffer(), awaited: true, settle });
      this.#listen(line);
    });
  }

  /** Wait until the channel, on which no frames are read (or written) just now, can be read (or written). */
  async waitEvent(what: Talkable, event: "read" | "write"): Promise<void> {
    const line = this.#line(what);
    if (line.on[event]) throw new Errno("EBUSY", `frames are ${event} there`);
    if (line.gone[event]) throw new Errno("ECONNRESET");
    await new Promise<void>((resolve, reject) => {
      line.watchers.add(reject);
      const tell = () => {
        line.watchers.delete(reject);
        resolve();
      };
      if (event === "read") line.channel.whenReadable(tell);
      else line.channel.whenWritable(tell);
    });
  }

  #line(what: Talkable): Line {
    const line = this.#lines.get(what);
    if (!line) throw new Errno("EBADF");
    return line;
  }

  #promise(enqueue: (settle: Message["settle"]) => void): Promise<FrameBuffer> {
    return new Promise((resolve, reject) =>
      enqueue((reply, error) => (error ? reject(error) : resolve(reply))),
    );
  }

  #send(what: Talkable, message: Message, urgent: boolean): void {
    const line = this.#line(what);
    if (line.gone.write || (message.awaited && line.gone.read)) throw new Errno("ECONNRESET");
    message.frame.seek(0);
    const { outgoing } = line;
    const next = outgoing[0]?.begun ? 1 : 0;
    outgoing.splice(urgent ? next : outgoing.length, 0, message);
    this.#output(line);
  }

  #output(line: Line): void {
    const { channel, outgoing, waiting } = line;
    const write = this.#framing.write ?? drain;
    try {
      while (line.on.write && !line.gone.write) {
        const [message] = outgoing;
        if (!message) return;
        if (!write(message.frame, channel)) {
          // Somebody else's writer need not move the cursor.
          if (message.frame.offset > 0 || write !== drain) message.begun = true;
          channel.whenWritable(() => this.#output(line));
          return;
        }
        outgoing.shift();
        if (message.awaited) waiting.push(message);
        else message.settle(message.frame, undefined);
      }
    } catch (thrown) {
      this.#close(line, "write", thrown);
    }
  }

  #listen(line: Line): void {
    const wants = (line.on.read || line.takers.length > 0) && !line.gone.read;
    // Not at once: whoever adds a channel has not come to enqueue anything.
    if (wants) queueMicrotask(() => this.#input(line));
    else line.channel.whenReadable(undefined);
  }

  #input(line: Line): void {
    try {
      while ((line.on.read || line.takers.length > 0) && !line.gone.read) {
        line.incoming ??= new FrameBuffer();
        if (!this.#framing.read(line.incoming, line.channel)) {
          line.channel.whenReadable(() => this.#input(line));
          return;
        }
        const frame = line.incoming;
        line.incoming = undefined;
        frame.seek(0);
        this.#received(line, frame);
      }
    } catch (thrown) {
      this.#close(line, "read", thrown);
    }
  }

  #received(line: Line, frame: FrameBuffer): void {
    const message = line.takers.shift() ?? this.#asked(line, frame);
    if (message) message.settle(frame, undefined);
    else if (this.#framing.gotFrame) this.#framing.gotFrame(frame, line.channel);
    else throw new Errno("EPROTO", "a frame that nobody waits for");
  }

  /** The message that a frame is the reply to, which does not wait any longer. */
  #asked({ waiting }: Line, frame: FrameBuffer): Message | undefined {
    for (const [index, message] of waiting.entries()) {
      const verdict = this.#framing.compare(message.frame, frame);
      if (verdict === "push") return undefined;
      if (verdict) return waiting.splice(index, 1)[0];
    }
    return undefined;
  }

  /** One side is gone, and the other too if the channel says so. */
  #close(line: Line, side: "read" | "write", thrown: unknown): void {
    const error = new Errno(errnoOf(thrown) ?? "EIO", String(thrown));
    const other = side === "read" ? "write" : "read";
    const sides = line.channel.closed ? ([side, other] as const) : [side];
    for (const gone of sides) {
      if (line.gone[gone]) continue;
      line.gone[gone] = true;
      this.#fail(line, gone, error);
      if (this.#framing.fdNotify) this.#framing.fdNotify(line.channel, { ...line.gone });
      else if (line.gone.read && line.gone.write && this.#lines.has(line.channel))
        this.removeFd(line.channel);
    }
  }

  #fail(line: Line, side: "read" | "write", error: Errno): void {
    const { outgoing, waiting, takers, channel } = line;
    if (side === "write") {
      channel.whenWritable(undefined);
      for (const message of drained(outgoing)) message.settle(message.frame, error);
      return;
    }
    channel.whenReadable(undefined);
    const lost = drained(waiting, takers);
    for (const message of drained(outgoing)) {
      if (!message.awaited) outgoing.push(message);
      // What is begun must go out whole: there may be more behind it.
      else if (message.begun) outgoing.push({ ...message, awaited: false, settle: () => {} });
      if (message.awaited) lost.push(message);
    }
    for (const message of lost) message.settle(message.frame, error);
  }
}

/** All that was in the queues, which are empty then: who hears of it may fill them again. */
function drained(...queues: Message[][]): Message[] {
  return queues.flatMap((queue) => queue.splice(0));
}
