import { monotonic } from "../../ffi/clock.ts";
import { isPromise } from "../awaitable.ts";
import { Errno, errnoOf } from "../errno.ts";
import type { Frame, Serving } from "../frame.ts";
import { decodeName } from "../name.ts";
import type { Vnode } from "../nodes.ts";
import type { Malformed } from "../struct.ts";
import { PuffsCall } from "./call.ts";
import type { Connection } from "./connection.ts";
import { vnodeOf } from "./cookie.ts";
import { errnoName, errnoNumber, NETBSD } from "./errno.ts";
import { CredType, Err, Limits, OPCLASS_MASK, Opclass, OpFlags } from "./flags.ts";
import { type Row, rowOf } from "./ops.ts";
import * as wire from "./structs.ts";
import { replyLine, requestLine } from "./trace.ts";
import { read64, write64 } from "./word.ts";

/**
 * The server's role: a request's bytes in, and in the same bytes the reply: `request` and `reply` of a frame must be the same memory,
 * with room for the longest reply that the request allows (`buflen`).
 */
export class PuffsServer implements Serving {
  readonly #connection: Connection;
  readonly #idle: PuffsCall[] = [];

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  serve(frame: Frame): number | Promise<number> {
    const view = frame.requestView;
    if (frame.length < HEADER) {
      this.#connection.report(`a message of ${frame.length} bytes was dropped: ${hex(frame)}`);
      return 0;
    }
    const opclass = view.getUint16(REQ.opclass, true);
    const number = view.getUint16(REQ.optype, true);
    const group = opclass & OPCLASS_MASK;
    const forgotten = (opclass & OpFlags.FAF) !== 0;
    if (opclass & OpFlags.ISRESPONSE) return this.#hear(view);
    if (group === Opclass.ERROR) return this.#complain(frame, number);
    const isVfs = group === Opclass.VFS;
    const row = isVfs || group === Opclass.VN ? rowOf(isVfs, number) : undefined;
    const absent = row ? this.#connection.absent[row.index] : NETBSD.EOPNOTSUPP;
    if (absent !== undefined) {
      const granted = row?.granted && byKernel(frame, row);
      return this.#refuse(frame, row, forgotten, granted ? 0 : absent);
    }
    const call = this.#idle.pop() ?? new PuffsCall(this.#connection);
    const error = this.#open(call, row as Row, frame, forgotten);
    if (error !== 0) {
      this.#idle.push(call);
      return this.#refuse(frame, row, forgotten, error);
    }
    return this.#run(call);
  }

  /** Everything that is still at work is told to give up. */
  abort(): void {
    for (const call of this.#connection.pending) call.abort("unmounted");
  }

  /** What the end of the mount leaves open is ended: `inactive`, then `reclaim` of all that is still known. */
  close(): void {
    const { vnodes } = this.#connection;
    for (const answer of this.#connection.questions.values()) answer(NETBSD.ENXIO);
    this.#connection.questions.clear();
    for (const vnode of [...vnodes.all()]) {
      this.#connection.endFiles(vnode.node);
      vnode.lookups = 0;
      vnode.byHandle = false;
      vnodes.release(vnode);
    }
  }

  /** The answer to a request of ours. */
  #hear(view: DataView): number {
    const { questions } = this.#connection;
    const id = read64(view, REQ.id);
    questions.get(id)?.(view.getInt32(REQ.rv, true));
    questions.delete(id);
    return 0;
  }

  /** The kernel has refused a reply, and says why. Its caller was told EPROTO. */
  #complain(frame: Frame, number: number): number {
    const { request, requestView, length } = frame;
    const names: readonly string[] = Object.keys(Err);
    const { error, str } = wire.PuffsError.offsets;
    if (length < str) return 0;
    const end = request.subarray(str, length).indexOf(0);
    const text = decodeName(request, str, end < 0 ? length : str + end);
    const code = requestView.getInt32(error, true);
    const { vnodes, report } = this.#connection;
    const { onError } = this.#connection.wishes.puffs ?? {};
    const fault = {
      operation: names[number] ?? String(number),
      error: errnoName(code) ?? String(code),
      text,
      node: vnodeOf(vnodes, read64(requestView, REQ.cookie))?.node,
    };
    if (onError) this.#connection.attempt("onError", () => onError(fault));
    else report(`the kernel refused a reply (${fault.operation}, ${fault.error}): ${text}`);
    return 0;
  }

  /** Decode into the call: 0, or NetBSD's number of what is wrong. */
  #open(call: PuffsCall, row: Row, frame: Frame, forgotten: boolean): number {
    const view = frame.requestView;
    const { statistics, wishes } = this.#connection;
    call.row = row;
    call.frame = frame;
    call.forgotten = forgotten;
    if (read64(view, REQ.framelen) !== frame.length) return this.#malformed(call, "its length");
    if (frame.length < row.message.size) return this.#malformed(call, "it is too short");
    const buflen = read64(view, REQ.buflen);
    if (buflen < row.message.size) return this.#malformed(call, "no room for the reply");
    call.buflen = Math.min(buflen, frame.reply.length);
    call.started = statistics.wantsTime(row.index) ? monotonic() : NEVER;
    call.pid = view.getInt32(REQ.pid, true);
    call.identify(row.credential);
    if (wishes.admits && !call.internal && !wishes.admits(call.uid)) return NETBSD.EACCES;
    if (row.node) {
      const vnode = vnodeOf(this.#connection.vnodes, read64(view, REQ.cookie));
      if (!vnode) return NETBSD.ESTALE;
      call.vnode = vnode;
    }
    if (row.in) {
      call.arguments[row.index] ??= row.in.create();
      try {
        row.in.readInto(view, 0, call.arguments[row.index] as never);
      } catch (thrown) {
        return this.#malformed(call, (thrown as Malformed).message);
      }
    }
    const [first, second] = row.names;
    if (first !== undefined) {
      const error = this.#name(call, first, true);
      if (error !== 0) return error;
    }
    return second === undefined ? 0 : this.#name(call, second, false);
  }

  /** Read the name of a struct puffs_kcn at `at`: 0, or the number of what is wrong with it. */
  #name(call: PuffsCall, at: number, first: boolean): number {
    const { request, requestView } = call.frame;
    const length = read64(requestView, at + KCN.namelen);
    const start = at + KCN.name;
    if (length > Limits.KERNEL_NAME_MAX) return NETBSD.ENAMETOOLONG;
    if (length === 0) return NETBSD.EINVAL;
    for (let i = start; i < start + length; i++)
      if (request[i] === 0 || request[i] === SLASH) return NETBSD.EINVAL;
    const name = decodeName(request, start, start + length);
    const isSearch = call.row.name === "LOOKUP" || call.row.name === "ABORTOP";
    if (name === "." || (name === ".." && !isSearch)) return NETBSD.EINVAL;
    if (first) call.name = name;
    else call.secondName = name;
    return 0;
  }

  #run(call: PuffsCall): number | Promise<number> {
    const { row, vnode } = call;
    if (row.node) vnode.pending++;
    this.#connection.wishes.trace?.(requestLine(call));
    const before = this.#connection.late.before(call);
    if (before)
      return this.#wait(
        call,
        before.then(() => (call.answered ? TOO_LATE : operate(call))),
      );
    let outcome: ReturnType<Row["run"]>;
    try {
      outcome = operate(call);
    } catch (thrown) {
      return this.#finish(call, this.#failure(call, thrown));
    }
    if (isPromise(outcome)) return this.#wait(call, outcome as Promise<number | Errno>);
    return this.#finish(call, outcome as number | Errno);
  }

  /** The operation answers later: until then it can be too late. */
  #wait(call: PuffsCall, outcome: Promise<number | Errno>): Promise<number> {
    const { pending, wishes } = this.#connection;
    pending.add(call);
    const ended = outcome.then(
      (value) => value,
      (thrown) => this.#failure(call, thrown),
    );
    this.#connection.late.add(call, ended);
    if (wishes.deadline === undefined || call.forgotten || call.row.parked)
      return ended.then((value) => {
        pending.delete(call);
        return this.#finish(call, value);
      });
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        call.answered = true;
        call.frame.lost = true;
        call.abort("deadline");
        this.#connection.report(
          `${call.row.name} took longer than ${wishes.deadline} ms: answered ETIMEDOUT`,
        );
        resolve(this.#answer(call, NETBSD.ETIMEDOUT, HEADER));
      }, wishes.deadline);
      ended.then((value) => {
        clearTimeout(timer);
        pending.delete(call);
        const length = this.#finish(call, value);
        resolve(length);
      });
    });
  }

  /** The end of a call: the reply, and whatever it held is let go. */
  #finish(call: PuffsCall, outcome: number | Errno): number {
    const failed = outcome instanceof Errno;
    const error = failed ? this.#number(call, outcome) : call.inverted ? NETBSD.EAGAIN : 0;
    if (failed || call.answered || call.forgotten) this.#takeBack(call);
    let length = 0;
    if (!call.answered && !call.forgotten)
      length = this.#answer(call, error, failed ? call.row.message.size : outcome);
    else if (!call.answered) {
      if (failed && outcome !== IO_ERROR) this.#unheard(call, outcome);
      this.#count(call, error);
    }
    this.#let(call);
    return length;
  }

  /** Nobody is told that it failed: it is logged, but of attributes that the kernel only brings up to date. */
  #unheard({ row }: PuffsCall, { code }: Errno): void {
    if (!row.granted)
      this.#connection.report(`${row.name} failed with ${code}; nobody waits for it`);
  }

  #number({ row }: PuffsCall, { code }: Errno): number {
    return row.attribute && code === "ENODATA" ? NETBSD.ENOATTR : errnoNumber(code);
  }

  /** What the operation made for the kernel is not told: the kernel will not forget it. */
  #takeBack(call: PuffsCall): void {
    for (const vnode of call.handedOut) this.#connection.vnodes.forget(vnode, 1);
  }

  #answer(call: PuffsCall, error: number, length: number): number {
    header(call.frame, length, error, error === 0 ? call.setbacks : 0);
    this.#count(call, error);
    this.#connection.wishes.trace?.(replyLine(call, error, length));
    return length;
  }

  #count(call: PuffsCall, error: number): void {
    const took = call.started === NEVER ? NEVER : monotonic() - call.started;
    this.#connection.statistics.count(call.row.index, took, error !== 0);
  }

  #let(call: PuffsCall): void {
    const { vnodes } = this.#connection;
    this.#connection.by = call.pid;
    if (call.row.node) letGo(vnodes, call.vnode);
    for (const vnode of call.held) letGo(vnodes, vnode);
    // A call that was too late is not used again: its plugin may still hold it.
    if (call.answered) return;
    call.reset();
    this.#idle.push(call);
  }

  /** Any failure as an errno: `.code` names one, anything else is a bug. */
  #failure(call: PuffsCall, thrown: unknown): Errno {
    const code = errnoOf(thrown);
    if (code !== undefined) return thrown instanceof Errno ? thrown : new Errno(code);
    const answer = call.forgotten ? "" : ", answered EIO";
    this.#connection.report(`${call.row.name}: the plugin failed${answer}`, thrown);
    return IO_ERROR;
  }

  #malformed({ row, frame }: PuffsCall, why: string): number {
    this.#connection.report(`a malformed ${row.name} was refused, ${why}: ${hex(frame)}`);
    return NETBSD.EINVAL;
  }

  /** A request that reaches no operation. */
  #refuse(frame: Frame, row: Row | undefined, forgotten: boolean, error: number): number {
    if (row) this.#connection.statistics.count(row.index, NEVER, error !== 0);
    if (forgotten) return 0;
    let length = HEADER;
    // What is granted goes back as it came, if that is allowed.
    if (error === 0 && row) {
      const buflen = read64(frame.requestView, REQ.buflen);
      length = Math.max(HEADER, Math.min(row.message.size, frame.length, buflen));
    }
    header(frame, length, error, 0);
    return length;
  }
}

const REQ = wire.PuffsReq.offsets;
const KCN = wire.Kcn.offsets;
const HEADER = wire.PuffsReq.size;
const SLASH = 0x2f;

/** In the place of a time: nobody looked at the clock. */
const NEVER = -1;

/** What a bug is answered, which was logged. */
const IO_ERROR = new Errno("EIO");
const TOO_LATE = new Errno("ETIMEDOUT");

function operate(call: PuffsCall): ReturnType<Row["run"]> {
  const { row } = call;
  return row.run(call, call.arguments[row.index] as never);
}

/** Whether the kernel asks for itself, and not for a process. */
function byKernel({ requestView, length }: Frame, { credential }: Row): boolean {
  const type = credential + wire.Kcred.offsets.type;
  return type < length && requestView.getUint8(type) !== CredType.UUC;
}

function letGo(vnodes: Connection["vnodes"], vnode: Vnode): void {
  vnode.pending--;
  vnodes.release(vnode);
}

/** The reply's header; the number and all else stay as they came. */
function header({ replyView }: Frame, length: number, error: number, setbacks: number): void {
  write64(replyView, REQ.framelen, length);
  write64(replyView, REQ.buflen, length);
  replyView.setInt32(REQ.rv, error, true);
  replyView.setUint32(REQ.setbacks, setbacks, true);
}

/** The beginning of a message, for the log. */
function hex(frame: Frame): string {
  const shown = frame.request.subarray(0, Math.min(frame.length, 96)).toHex();
  return frame.length > 96 ? `${shown}… (${frame.length} bytes)` : shown;
}
