import { Errno, type ErrnoName, errnoOf } from "../errno.ts";
import type { Usermount } from "../usermount.ts";
import { type Channel, channelOf, type Talkable } from "./channel.ts";
import { FrameBuffer } from "./framebuf.ts";

/** What is there and what is gone of a channel: it has two sides, like a socket. */
export interface Sides {
  readonly read: boolean;
  readonly write: boolean;
}

type Side = keyof Sides;

/**
 * How the messages of a protocol of one's own are read, written and matched: the callbacks of puffs_framev_init. None may wait, and all
 * may be left out by who does not need them. What is thrown while a frame is read and handed out, by `compare`, `gotFrame` and the
 * callback of `enqueueCb` too, closes the side for reading.
 */
export interface Framing {
  /**
   * Read at most one frame into the buffer, and answer whether it is whole; called again with the same buffer until it is. `fill` does
   * most of it. Whoever gets the frame finds the cursor at its beginning. Left out:
   * nothing is read, and no reply can be awaited (EINVAL).
   */
  read?(frame: FrameBuffer, channel: Channel): boolean;
  /** Write from the cursor on, and answer whether the frame is out. What it throws closes the side for writing. Left out: `drain`. */
  write?(frame: FrameBuffer, channel: Channel): boolean;
  /**
   * Whether `received` is the reply to `sent`: asked for each request that waits, in the order they were written, until one answers
   * true. "push": it is the reply to nothing, and no other is asked. Left out: no frame is a reply.
   */
  compare?(sent: FrameBuffer, received: FrameBuffer): boolean | "push";
  /** A frame that nobody waits for. Left out: it is dropped. */
  gotFrame?(frame: FrameBuffer, channel: Channel): void;
  /**
   * One side is closed, and `gone` says which are by now: called once for each side, by `removeFd` too, when all who waited for that
   * side have failed. Left out: a channel is removed when both are (puffs_framev_removeonclose).
   */
  fdNotify?(channel: Channel, gone: Sides, vector: FrameVector): void;
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

/** For `fdNotify` of a file system that cannot be without its connection: remove it and unmount when both sides are gone. */
export function unmountOnClose(
  usermount: Pick<Usermount, "unmount">,
): NonNullable<Framing["fdNotify"]> {
  return (channel, gone, vector) => {
    if (!(gone.read && gone.write)) return;
    vector.removeFd(channel);
    usermount.unmount().catch(() => {});
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

/** Who waits for the channel itself. */
interface Watcher {
  readonly events: readonly Side[];
  readonly tell: (event: Side) => void;
  readonly fail: (error: Errno) => void;
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
  readonly watchers: Set<Watcher>;
  incoming: FrameBuffer | undefined;
  /** Whether frames are read and written now. */
  on: { read: boolean; write: boolean };
  gone: { read: boolean; write: boolean };
  /** What the channel was asked to tell. */
  readonly awaited: { read: boolean; write: boolean };
}

/**
 * Requests and replies over any number of channels (puffs_framebuf(3)): a file server talks to another server while its
 * operations wait. Replies may come in any order; a connection that ends fails whoever waits for it.
 *
 * The C library's file system yields in `enqueue_cc`; an async operation awaits the promise.
 *
 * Calls about a channel that is not there throw ENXIO, and so does waiting for a reply when nothing more comes from it; with nothing
 * more to be written to it they throw ESHUTDOWN. A frame is the vector's until its reply is there, or it is written if none is awaited:
 * to send it again meanwhile is EBUSY. What returns a promise rejects with these.
 */
export class FrameVector {
  readonly #framing: Framing;
  readonly #lines = new Map<Talkable, Line>();
  /** Frames that are on their way: they have one cursor, and replies are compared with them. */
  readonly #busy = new WeakSet<FrameBuffer>();

  constructor(framing: Framing) {
    this.#framing = framing;
  }

  /**
   * Begin with a descriptor, socket or channel, which is the vector's from now on. `on`: whether frames are read and written; left out,
   * both. Throws EEXIST if it is there already.
   */
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
      awaited: { read: false, write: false },
    };
    this.#lines.set(what, line);
    this.#lines.set(line.channel, line);
    line.channel.whenClosed?.(() => this.#end(line, "write", new Errno("EPIPE")));
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

  /** Frames are neither read nor written, or only one of it, until they are again: what is enqueued waits. */
  disableFd(what: Talkable, { read, write }: Partial<Sides>): void {
    const line = this.#line(what);
    line.on.read &&= !read;
    line.on.write &&= !write;
    this.#await(line);
  }

  /**
   * Let go of it: whoever waits for anything there fails with `error`, the sides that were still there are told to `fdNotify`, and it is
   * closed. What is not there, or not any more, is no error: who hears of one side's end may remove it at once.
   */
  removeFd(what: Talkable, error: ErrnoName = "ECONNRESET"): void {
    const line = this.#lines.get(what);
    if (!line) return;
    for (const [key, other] of this.#lines) if (other === line) this.#lines.delete(key);
    const cause = new Errno(error);
    this.#end(line, "read", cause);
    this.#end(line, "write", cause);
    line.channel.close();
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

  /**
   * The next frame that comes, whatever it is, also where frames are not read just now. For what comes before requests do, such as a
   * greeting.
   */
  enqueueDirectReceive(what: Talkable): Promise<FrameBuffer> {
    return this.#promise((settle) => {
      const line = this.#line(what);
      this.#requireInput(line);
      line.takers.push({ frame: new FrameBuffer(), awaited: true, settle });
      this.#listen(line);
    });
  }

  /**
   * Wait until the channel can be read or written, whether or not frames are; answers which of the `events` it was first. Where frames are
   * read, those that came are read before. Fails when a side that is waited for is closed.
   */
  async waitEvent(what: Talkable, ...events: readonly Side[]): Promise<Side> {
    const line = this.#line(what);
    if (events.length === 0) throw new Errno("EINVAL", "no event to wait for");
    for (const event of events) if (line.gone[event]) throw closed(event);
    return new Promise((tell, fail) => {
      line.watchers.add({ events, tell, fail });
      this.#await(line);
    });
  }

  #line(what: Talkable): Line {
    const line = this.#lines.get(what);
    if (!line) throw new Errno("ENXIO", "the channel is not there");
    return line;
  }

  #promise(enqueue: (settle: Message["settle"]) => void): Promise<FrameBuffer> {
    return new Promise((resolve, reject) =>
      enqueue((reply, error) => (error ? reject(error) : resolve(reply))),
    );
  }

  #requireInput(line: Line): void {
    if (!this.#framing.read) throw new Errno("EINVAL", "nothing says how frames are read");
    if (line.gone.read) throw closed("read");
  }

  #send(what: Talkable, message: Message, urgent: boolean): void {
    const line = this.#line(what);
    if (line.gone.write) throw closed("write");
    if (message.awaited) this.#requireInput(line);
    const { frame } = message;
    if (this.#busy.has(frame)) throw new Errno("EBUSY", "the frame is on its way");
    this.#busy.add(frame);
    frame.seek(0);
    const settle: Message["settle"] = (reply, error) => {
      this.#busy.delete(frame);
      message.settle(reply, error);
    };
    const { outgoing } = line;
    const next = outgoing[0]?.begun ? 1 : 0;
    outgoing.splice(urgent ? next : outgoing.length, 0, { ...message, settle });
    this.#output(line);
  }

  #writes({ on, gone, outgoing }: Line): boolean {
    return on.write && !gone.write && outgoing.length > 0;
  }

  #reads({ on, gone, takers }: Line): boolean {
    return this.#framing.read !== undefined && (on.read || takers.length > 0) && !gone.read;
  }

  /** Have the channel tell what somebody waits for, and no more than that. */
  #await(line: Line): void {
    const { channel, awaited } = line;
    const read = this.#reads(line) || isWatched(line, "read");
    const write = this.#writes(line) || isWatched(line, "write");
    if (read !== awaited.read) {
      awaited.read = read;
      channel.whenReadable(read ? () => this.#ready(line, "read") : undefined);
    }
    if (write !== awaited.write) {
      awaited.write = write;
      channel.whenWritable(write ? () => this.#ready(line, "write") : undefined);
    }
  }

  /** The channel told something, which it does once. */
  #ready(line: Line, side: Side): void {
    line.awaited[side] = false;
    if (side === "read") this.#input(line);
    else this.#output(line);
    for (const watcher of line.watchers) {
      if (!watcher.events.includes(side)) continue;
      line.watchers.delete(watcher);
      watcher.tell(side);
    }
    this.#await(line);
  }

  #output(line: Line): void {
    const { channel, outgoing, waiting } = line;
    const write = this.#framing.write ?? drain;
    try {
      while (this.#writes(line)) {
        const message = outgoing[0] as Message;
        if (!write(message.frame, channel)) {
          // Somebody else's writer need not move the cursor.
          if (message.frame.offset > 0 || write !== drain) message.begun = true;
          break;
        }
        outgoing.shift();
        if (message.awaited) waiting.push(message);
        else message.settle(message.frame, undefined);
      }
    } catch (thrown) {
      this.#close(line, "write", thrown);
    }
    this.#await(line);
  }

  /** Not at once: whoever adds a channel has not come to enqueue anything. */
  #listen(line: Line): void {
    queueMicrotask(() => this.#input(line));
  }

  #input(line: Line): void {
    const { read } = this.#framing;
    try {
      while (read && this.#reads(line)) {
        line.incoming ??= new FrameBuffer();
        if (!read.call(this.#framing, line.incoming, line.channel)) break;
        const frame = line.incoming;
        line.incoming = undefined;
        frame.seek(0);
        this.#received(line, frame);
      }
    } catch (thrown) {
      this.#close(line, "read", thrown);
    }
    this.#await(line);
  }

  #received(line: Line, frame: FrameBuffer): void {
    const message = line.takers.shift() ?? this.#asked(line, frame);
    if (message) message.settle(frame, undefined);
    else this.#framing.gotFrame?.(frame, line.channel);
  }

  /** The message that a frame is the reply to, which does not wait any longer. */
  #asked({ waiting }: Line, frame: FrameBuffer): Message | undefined {
    for (const [index, message] of waiting.entries()) {
      const verdict = this.#framing.compare?.(message.frame, frame);
      if (verdict === "push") return undefined;
      if (verdict) return waiting.splice(index, 1)[0];
    }
    return undefined;
  }

  /** One side is gone, and the other too if the channel says so, but not before what has come is read. */
  #close(line: Line, side: Side, thrown: unknown): void {
    const error = new Errno(errnoOf(thrown) ?? "EIO", String(thrown));
    this.#end(line, side, error);
    if (!line.channel.closed) return;
    if (side === "read") this.#end(line, "write", error);
    else this.#input(line);
  }

  /** A side is gone: who waits for it fails, and then it is told, once. */
  #end(line: Line, side: Side, error: Errno): void {
    const { gone, watchers, channel } = line;
    if (gone[side]) return;
    gone[side] = true;
    const lost = side === "read" ? unanswerable(line) : drained(line.outgoing);
    for (const message of lost) message.settle(message.frame, error);
    for (const watcher of watchers) {
      if (!watcher.events.includes(side)) continue;
      watchers.delete(watcher);
      watcher.fail(error);
    }
    this.#await(line);
    if (this.#framing.fdNotify) this.#framing.fdNotify(channel, { ...gone }, this);
    else if (gone.read && gone.write) this.removeFd(channel);
  }
}

function isWatched({ watchers }: Line, side: Side): boolean {
  for (const { events } of watchers) if (events.includes(side)) return true;
  return false;
}

function closed(side: Side): Errno {
  return side === "read"
    ? new Errno("ENXIO", "no reply can come any more")
    : new Errno("ESHUTDOWN", "nothing can be written any more");
}

/** Who waits for what does not come. What they have begun to write goes out whole: there may be more behind it. */
function unanswerable({ outgoing, waiting, takers }: Line): Message[] {
  const lost = drained(waiting, takers);
  for (const message of drained(outgoing)) {
    if (!message.awaited) outgoing.push(message);
    else if (message.begun) {
      const frame = message.frame.duplicate();
      outgoing.push({ frame, awaited: false, begun: true, settle: () => {} });
    }
    if (message.awaited) lost.push(message);
  }
  return lost;
}

/** All that was in the queues, which are empty then: who hears of it may fill them again. */
function drained(...queues: Message[][]): Message[] {
  return queues.flatMap((queue) => queue.splice(0));
}
