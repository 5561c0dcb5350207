import { Abortable } from "../abortable.ts";
import type { ErrnoName } from "../errno.ts";
import type { OpenFile } from "../files.ts";
import type { Frame } from "../frame.ts";
import type { Vnode } from "../nodes.ts";
import type { Call } from "../operations.ts";
import type { Connection } from "./connection.ts";
import type { Row } from "./ops.ts";
import * as wire from "./structs.ts";

/** Where the payload of a reply begins: behind the header. */
export const PAYLOAD = wire.OutHeader.size;

/** Structs that replies are put together in: one set a call, so that a pending one keeps its own. */
interface Scratch {
  readonly entry: ReturnType<typeof wire.EntryOut.create>;
  readonly attr: ReturnType<typeof wire.AttrOut.create>;
  readonly open: ReturnType<typeof wire.OpenOut.create>;
}

/**
 * One request at work: the header, the nodes it is about, and the frame that its reply is written to. What the
 * plugin sees of it is `Call`. Calls are pooled: one serves all requests that are answered at once.
 */
export class FuseCall extends Abortable implements Call {
  readonly connection: Connection;
  readonly scratch: Scratch = {
    entry: wire.EntryOut.create(),
    attr: wire.AttrOut.create(),
    open: wire.OpenOut.create(),
  };
  /** The in-struct of each row, made when it is first asked for. */
  readonly arguments: (object | undefined)[] = [];
  frame!: Frame;
  row!: Row;
  uid = 0;
  gid = 0;
  pid = 0;
  umask = 0;
  keepsTimes = false;
  /** Both times of a SETATTR are to be now. */
  touching = false;
  /** What the request is about; undefined only in rows about the whole file system. */
  vnode!: Vnode;
  /** The second node of link, rename and copy. */
  other: Vnode | undefined;
  file: OpenFile | undefined;
  /** The names that follow the in-struct. */
  name = "";
  secondName = "";
  /** Where in the request the bytes behind struct and names begin. */
  dataAt = 0;
  /** How many bytes the answer may have, or may say were taken. */
  limit = 0;
  /** open(2)'s flags of a file that is being made. */
  openFlags = 0;
  started = 0;
  /** Nodes that the reply tells the kernel of: taken back if it does not go out. */
  readonly handedOut: Vnode[] = [];
  /** The reply tells of `file`, which is open now. */
  opened = false;
  /** An answer is out, by `giveUp`; what the operation still says is dropped. */
  answered = false;
  /** While the operation is at work: fire its signal and answer this error in its place. False if it is answered already. */
  giveUp: ((code: ErrnoName, reason: string) => boolean) | undefined;

  constructor(connection: Connection) {
    super();
    this.connection = connection;
  }

  /** Ready for another request. */
  reset(): void {
    this.resetAbort();
    this.other = undefined;
    this.file = undefined;
    this.umask = 0;
    this.keepsTimes = false;
    this.touching = false;
    // Setting a length is a call of the runtime, twenty times as dear as looking.
    if (this.handedOut.length > 0) this.handedOut.length = 0;
    this.opened = false;
    this.answered = false;
    this.giveUp = undefined;
  }

  /** The number of the request; above 2^53 rounded, which no kernel has come to. */
  get unique(): number {
    const view = this.frame.requestView;
    return (view.getUint32(12, true) & 0x7fffffff) * 0x100000000 + view.getUint32(8, true);
  }

  /** The plugin's object of the request's node. */
  get node(): object {
    return this.vnode.node;
  }

  /** Bytes of the request behind struct and names, `length` of them: a view, not a copy. */
  data(length: number): Uint8Array {
    const { frame } = this;
    const known = frame.requestPart;
    if (
      known &&
      known.length === length &&
      known.byteOffset === frame.request.byteOffset + this.dataAt
    )
      return known;
    const part = frame.request.subarray(this.dataAt, this.dataAt + length);
    frame.requestPart = part;
    return part;
  }

  /** `length` bytes of the reply's payload, to be filled in place. */
  room(length: number): Uint8Array {
    const { frame } = this;
    const known = frame.replyPart;
    if (known && known.length === length) return known;
    const part = frame.reply.subarray(PAYLOAD, PAYLOAD + length);
    frame.replyPart = part;
    return part;
  }
}
