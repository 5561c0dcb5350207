import { monotonic } from "../../ffi/clock.ts";
import { isPromise } from "../awaitable.ts";
import { Errno, type ErrnoName, errnoOf } from "../errno.ts";
import type { Frame, Serving } from "../frame.ts";
import { decodeName } from "../name.ts";
import type { Vnode } from "../nodes.ts";
import type { Malformed } from "../struct.ts";
import { FuseCall, PAYLOAD } from "./call.ts";
import type { Connection } from "./connection.ts";
import { errnoNumber } from "./errno.ts";
import { OPS, type Row } from "./ops.ts";
import { NO_REPLY } from "./reply.ts";
import { closeFile } from "./request/open.ts";
import { InHeader, OutHeader } from "./structs.ts";
import { refusalLine, replyLine, requestLine } from "./trace.ts";

/** The server's role: a request's bytes in, the reply's bytes out. */
export class FuseServer implements Serving {
  readonly #connection: Connection;
  readonly #idle: FuseCall[] = [];
  /** In-structs in the layouts of the agreed minor, by opcode. */
  #layouts: readonly (Layout | undefined)[] = layoutsOf(45);
  #minor = 45;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  serve(frame: Frame): number | Promise<number> {
    const view = frame.requestView;
    if (frame.length < InHeader.size) {
      this.#connection.report(`a message of ${frame.length} bytes was dropped: ${hex(frame)}`);
      return 0;
    }
    const opcode = view.getUint32(4, true);
    const row = OPS[opcode];
    const refusal = row ? this.#refusal(row, frame) : ENOSYS;
    if (refusal !== undefined) return this.#refuse(frame, row, refusal);
    const call = this.#idle.pop() ?? new FuseCall(this.#connection);
    const opened = this.#open(call, row as Row, frame);
    if (opened !== 0) {
      this.#idle.push(call);
      return this.#refuse(frame, row, opened);
    }
    return this.#run(call);
  }

  /** What is at work now, to be answered EIO if it still is when that is called. */
  atWork(): (() => void)[] {
    return [...this.#connection.pending.values()].flatMap(({ row, giveUp }) => {
      const end = () => {
        if (giveUp?.("EIO", "unmounted"))
          this.#connection.report(`${row.name} did not end: answered EIO`);
      };
      return giveUp ? end : [];
    });
  }

  /** Everything that is still at work is told to give up. */
  abort(): void {
    for (const call of this.#connection.pending.values()) call.abort("unmounted");
  }

  /** The opens that the end of the mount leaves are ended: `inactive`, then `reclaim` of all that is still known. */
  async close(): Promise<void> {
    const { files, vnodes } = this.#connection;
    for (const file of [...files.all()]) {
      const call = new FuseCall(this.#connection);
      call.file = file;
      await closeFile(call);
    }
    for (const vnode of [...vnodes.all()]) {
      vnode.lookups = 0;
      vnodes.release(vnode);
    }
  }

  /** Why a request is not even decoded: an errno number, or undefined. */
  #refusal(row: Row, frame: Frame): number | undefined {
    const view = frame.requestView;
    if (view.getUint32(0, true) !== frame.length)
      return this.#malformed(row, frame, "its length is wrong");
    const { agreement, wishes } = this.#connection;
    if ((agreement === undefined) !== (row.opcode === INIT))
      return row.opcode === INIT ? EINVAL : EPROTO;
    const absent = this.#connection.absent[row.opcode];
    if (absent !== undefined) return absent;
    if (wishes.admits && needsAdmission(row) && !wishes.admits(view.getUint32(24, true)))
      return EACCES;
    if (view.getUint32(12, true) >>> 31 !== 0 && this.#resent(view)) return NONE;
    return undefined;
  }

  /** A request that came again (NOTIFY_RESEND) while its operation is at work is answered under its new number. */
  #resent(view: DataView): boolean {
    const unique = (view.getUint32(12, true) & 0x7fffffff) * 0x100000000 + view.getUint32(8, true);
    const call = this.#connection.pending.get(unique);
    call?.frame.requestView.setUint32(12, view.getUint32(12, true), true);
    return call !== undefined;
  }

  /** Decode into the call: 0, or the errno number of what is wrong. */
  #open(call: FuseCall, row: Row, frame: Frame): number {
    const view = frame.requestView;
    call.row = row;
    call.frame = frame;
    call.started = this.#connection.statistics.wantsTime(row.opcode) ? monotonic() : NEVER;
    call.uid = view.getUint32(24, true);
    call.gid = view.getUint32(28, true);
    call.pid = view.getUint32(32, true);
    if (row.node) {
      const vnode = this.#connection.vnodes.at(
        view.getUint32(20, true) * 0x100000000 + view.getUint32(16, true),
      );
      if (!vnode) return ESTALE;
      call.vnode = vnode;
    }
    const end = frame.length - extensions(view);
    let at = InHeader.size;
    if (this.#minor !== (this.#connection.agreement?.minor ?? 45)) this.#agree();
    const layout = this.#layouts[row.opcode];
    if (layout) {
      // INIT is longer or shorter than its minor has it: what is not there counts as zero.
      if (row.opcode === INIT) clearBehind(frame, at + layout.size);
      else if (at + layout.size > end) return this.#malformed(row, frame, "it is too short");
      call.arguments[row.opcode] ??= layout.create();
      try {
        layout.readInto(view, at, call.arguments[row.opcode] as never);
      } catch (thrown) {
        const malformed = thrown as Malformed;
        // Offsets and sizes from 2^53 on are legal to the kernel; no file here grows that far.
        if (MEASURES.has(malformed.field)) return EFBIG;
        return this.#malformed(row, frame, malformed.message);
      }
      at += layout.size;
    }
    if (row.names !== undefined) {
      const next = this.#name(call, row, at, end, true);
      if (next < 0) return -next;
      at = next;
      if (row.names === 2) {
        const last = this.#name(call, row, at, end, false);
        if (last < 0) return -last;
        at = last;
      }
    }
    call.dataAt = at;
    return 0;
  }

  /** Read a name at `at` and answer where it ends, or a negated errno number. */
  #name(call: FuseCall, row: Row, at: number, end: number, first: boolean): number {
    const { request } = call.frame;
    const stop = request.indexOf(0, at);
    if (stop < 0 || stop >= end) return -this.#malformed(row, call.frame, "a name has no end");
    const isTarget = row.text === "target" && !first;
    // The kernel calls a file without a name "/".
    const unnamed = row.name === "TMPFILE";
    const inDirectory = row.text !== "attribute" && !isTarget && !unnamed;
    if (stop === at && !unnamed) return isTarget ? -ENOENT : -EINVAL;
    if (stop - at > (isTarget ? LONGEST_TARGET : LONGEST_NAME))
      return -(row.text === "attribute" ? ERANGE : ENAMETOOLONG);
    const name = decodeName(request, at, stop);
    if (
      inDirectory &&
      (name.includes("/") || (row.name !== "LOOKUP" && (name === "." || name === "..")))
    )
      return -EINVAL;
    if (first) call.name = name;
    else call.secondName = name;
    return stop + 1;
  }

  #run(call: FuseCall): number | Promise<number> {
    const { row, vnode } = call;
    const { wishes } = this.#connection;
    if (row.node) vnode.pending++;
    wishes.trace?.(requestLine(call));
    let outcome: ReturnType<Row["run"]>;
    try {
      outcome = row.run(call, call.arguments[row.opcode] as never);
    } catch (thrown) {
      return this.#finish(call, this.#failure(call, thrown));
    }
    if (isPromise(outcome)) return this.#wait(call, outcome as Promise<number | Errno>);
    return this.#finish(call, outcome as number | Errno);
  }

  /** The operation answers later: until then it can be interrupted, and can be too late. */
  #wait(call: FuseCall, outcome: Promise<number | Errno>): Promise<number> {
    const { pending, wishes } = this.#connection;
    const { unique } = call;
    pending.set(unique, call);
    if (!call.row.reply) return new Promise((resolve) => this.#whenEnded(call, outcome, resolve));
    return new Promise((resolve) => {
      const giveUp = (code: ErrnoName, reason: string) => {
        if (call.giveUp !== giveUp || call.answered) return false;
        call.answered = true;
        call.frame.lost = true;
        call.abort(reason);
        resolve(this.#answer(call, errnoNumber(code), 0));
        return true;
      };
      call.giveUp = giveUp;
      const late = () => {
        const { name } = call.row;
        if (giveUp("ETIMEDOUT", "deadline"))
          this.#connection.report(
            `${name} took longer than ${wishes.deadline} ms: answered ETIMEDOUT`,
          );
      };
      const timer = wishes.deadline === undefined ? undefined : setTimeout(late, wishes.deadline);
      this.#whenEnded(call, outcome, (length) => {
        if (timer !== undefined) clearTimeout(timer);
        resolve(length);
      });
    });
  }

  /** When the operation has ended the call has, too: `next` is told the length of its reply. */
  #whenEnded(
    call: FuseCall,
    outcome: Promise<number | Errno>,
    next: (length: number) => void,
  ): void {
    const { unique } = call;
    const end = (value: number | Errno) => {
      this.#connection.pending.delete(unique);
      next(this.#finish(call, value));
    };
    outcome.then(end, (thrown) => end(this.#failure(call, thrown)));
  }

  /** The end of a call: the reply, and whatever it held is let go. */
  #finish(call: FuseCall, outcome: number | Errno): number {
    const failed = outcome instanceof Errno;
    const payload = failed ? 0 : outcome;
    const error = failed ? errnoNumber(outcome.code) : 0;
    if (failed || call.answered) this.#takeBack(call);
    const length =
      call.answered || payload === NO_REPLY || !call.row.reply
        ? 0
        : this.#answer(call, error, payload);
    if (length === 0 && !call.answered) this.#count(call, error);
    this.#let(call);
    return length;
  }

  /** What the operation made for the kernel is not told: the kernel will neither close nor forget it. */
  #takeBack(call: FuseCall): void {
    if (call.opened) void closeFile(call);
    for (const vnode of call.handedOut) this.#connection.vnodes.forget(vnode, 1);
  }

  /** Header of the reply, statistics, trace. */
  #answer(call: FuseCall, error: number, payload: number): number {
    const length = PAYLOAD + payload;
    header(call.frame, length, error);
    this.#count(call, error);
    this.#connection.wishes.trace?.(replyLine(call, error, length));
    return length;
  }

  #count(call: FuseCall, error: number): void {
    const took = call.started === NEVER ? NEVER : monotonic() - call.started;
    this.#connection.statistics.count(call.row.opcode, took, error !== 0);
  }

  #let(call: FuseCall): void {
    const { vnodes } = this.#connection;
    const { vnode, other } = call;
    if (call.row.node) letGo(vnodes, vnode);
    if (other) letGo(vnodes, other);
    // A call that was too late is not used again: its plugin may still hold it.
    if (call.answered) return;
    call.reset();
    this.#idle.push(call);
  }

  /** Any failure as an errno: `.code` names one, anything else is a bug. */
  #failure(call: FuseCall, thrown: unknown): Errno {
    const code = errnoOf(thrown);
    if (code !== undefined) return thrown instanceof Errno ? thrown : new Errno(code);
    this.#connection.report(`${call.row.name}: the plugin failed, answered EIO`, thrown);
    return IO_ERROR;
  }

  #malformed(row: Row, frame: Frame, why: string): number {
    this.#connection.report(`a malformed ${row.name} was refused, ${why}: ${hex(frame)}`);
    return EPROTO;
  }

  /** A request that reaches no operation. */
  #refuse(frame: Frame, row: Row | undefined, error: number): number {
    if (error === NONE || (row && !row.reply)) return 0;
    const { statistics, wishes } = this.#connection;
    header(frame, PAYLOAD, error);
    if (row) statistics.count(row.opcode, NEVER, error !== 0);
    wishes.trace?.(refusalLine(frame, row, error));
    return PAYLOAD;
  }

  #agree(): void {
    this.#minor = this.#connection.agreement?.minor ?? 45;
    this.#layouts = layoutsOf(this.#minor);
  }
}

/** What is asked through an open file (its struct begins with the handle) goes on for whoever was given the file. */
function needsAdmission({ node, in: argument }: Row): boolean {
  const offsets: { readonly fh?: number; readonly fhIn?: number } = argument?.offsets ?? {};
  return node && offsets.fh !== 0 && offsets.fhIn !== 0;
}

interface Layout {
  readonly size: number;
  create(): object;
  readInto(view: DataView, offset: number, target: never): void;
}

/** SETXATTR's second half comes with a flag that is not claimed. */
function layoutsOf(minor: number): (Layout | undefined)[] {
  return OPS.map((row) => {
    const layout = row?.in as { at(minor: number): Layout } | undefined;
    return layout?.at(row?.name === "SETXATTR" ? Math.min(minor, 32) : minor);
  });
}

const INIT = 26;
/** Fields that come from the arguments of a system call as they are. */
const MEASURES: ReadonlySet<string> = new Set([
  "size",
  "offset",
  "length",
  "offIn",
  "offOut",
  "atime",
  "mtime",
  "lk.start",
]);

const LONGEST_NAME = 255;
const LONGEST_TARGET = 4095;

/** In the place of a time: nobody looked at the clock. */
const NEVER = -1;

/** Not an error: no answer is due. */
const NONE = -1;

// Linux numbers of the errors that the protocol itself gives.
const ENOENT = errnoNumber("ENOENT");
const EACCES = errnoNumber("EACCES");
const EINVAL = errnoNumber("EINVAL");
const EFBIG = errnoNumber("EFBIG");
const ERANGE = errnoNumber("ERANGE");
const ENAMETOOLONG = errnoNumber("ENAMETOOLONG");
const ENOSYS = errnoNumber("ENOSYS");
const EPROTO = errnoNumber("EPROTO");
const ESTALE = errnoNumber("ESTALE");

const IO_ERROR = new Errno("EIO");

function letGo(vnodes: Connection["vnodes"], vnode: Vnode): void {
  vnode.pending--;
  vnodes.release(vnode);
}

/** The reply's header. `unique` is copied as it came. */
function header(frame: Frame, length: number, error: number): void {
  const { replyView, requestView } = frame;
  replyView.setUint32(0, length, true);
  replyView.setInt32(OutHeader.offsets.error, -error, true);
  replyView.setUint32(8, requestView.getUint32(8, true), true);
  replyView.setUint32(12, requestView.getUint32(12, true), true);
}

/** Bytes of extensions at the message's end (`total_extlen`, in units of 8), which nothing claimed here makes the kernel send. */
function extensions(view: DataView): number {
  return view.getUint16(InHeader.offsets.totalExtlen, true) * 8;
}

function clearBehind(frame: Frame, end: number): void {
  if (frame.length < end) frame.request.fill(0, frame.length, end);
}

/** The beginning of a message, for the log. */
function hex(frame: Frame): string {
  const shown = frame.request.subarray(0, Math.min(frame.length, 96)).toHex();
  return frame.length > 96 ? `${shown}… (${frame.length} bytes)` : shown;
}
