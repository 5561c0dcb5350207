/**
 * Room for one request and its reply. `request` is read, `reply` is written; both are as long as the largest message. Frames are
 * pooled: the one who lends a frame gets it back when the reply is out.
 */
export interface Frame {
  readonly request: Uint8Array;
  readonly requestView: DataView;
  readonly reply: Uint8Array;
  readonly replyView: DataView;
  /** Bytes of `request` that are the message. */
  length: number;
  /** The view of a write's bytes and of a read's room, last lent to a plugin: the next one is often the same. */
  requestPart: Uint8Array | undefined;
  replyPart: Uint8Array | undefined;
  /** Answered while its operation still holds it: not to be lent again. */
  lost: boolean;
}

/** Answers messages. An engine, a socket or a test lends it frames. */
export interface Serving {
  /** Serve the request in `frame`: the bytes of its reply in `frame.reply`, 0 where none is due. Never throws or rejects. */
  serve(frame: Frame): number | Promise<number>;
}

export function frameOf(request: Uint8Array, reply: Uint8Array): Frame {
  return {
    request,
    requestView: viewOf(request),
    reply,
    replyView: viewOf(reply),
    length: 0,
    requestPart: undefined,
    replyPart: undefined,
    lost: false,
  };
}

/**
 * A message, or what is left of one, in a buffer that the next one is put into as well: whoever is given it keeps nothing of it beyond the
 * call without copying.
 */
export class Span {
  /** All of the buffer. */
  readonly bytes: Uint8Array;
  /** Of the same bytes. */
  readonly view: DataView;
  readonly start: number;
  readonly length: number;

  constructor(bytes: Uint8Array, view = viewOf(bytes), start = 0, length = bytes.length - start) {
    this.bytes = bytes;
    this.view = view;
    this.start = start;
    this.length = length;
  }

  /** What is behind the first `count` bytes, of which there are so many. */
  after(count: number): Span {
    return new Span(this.bytes, this.view, this.start + count, this.length - count);
  }

  /** Nothing but its bytes, as a view. */
  part(): Uint8Array {
    return this.bytes.subarray(this.start, this.start + this.length);
  }
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
