import { Abortable } from "../abortable.ts";
import { ENOTCONN, Errno, type ErrnoName, ESTALE } from "../errno.ts";
import { type Caller, type Foreign, type FuseKernel, KERNEL } from "../fuse/kernel.ts";
import type { Call } from "../operations.ts";
import type { HostOptions } from "./host.ts";
import { PerfuseNode, ROOT } from "./node.ts";
import { Busy } from "./queue.ts";
import { type Feature, type Notified, Session } from "./session.ts";
import { Table } from "./table.ts";

/** What the operations of one mount share. */
export class Context {
  readonly options: HostOptions;
  /** The daemon of now. */
  session!: Session;
  root!: PerfuseNode;
  /** Nodes that were forgotten here, but could not be told to the daemon. */
  leaked = 0;
  /** Nodes that are about to be forgotten. */
  readonly reclaiming = new Busy();

  constructor(options: HostOptions) {
    this.options = options;
  }

  /** The daemon at `socket` is the one of now. The root is its root, and all other nodes are stale. Rejects if it is none; the old one then stays. */
  async connect(socket: number, onNotify: Notified): Promise<void> {
    const session = await Session.open(this.options, socket, onNotify);
    this.root ??= new PerfuseNode(session, ROOT, 0);
    this.root.renew(session);
    session.table = new Table(session, this.root);
    this.session = session;
  }

  /** Whether the daemon is said not to know something. */
  lacks(feature: Feature): boolean {
    return this.session.lacks.has(feature);
  }

  /**
   * Ask the daemon about a node, in the name of the call's process. An interrupted call interrupts the request. Rejects with ESTALE if
   * the node is another daemon's.
   */
  ask<T>(node: PerfuseNode, asker: Asker, send: Send<T>): Promise<T> {
    return this.#ask(node, asker, send, node.exchanges);
  }

  /** The same for what may take for ever and nobody is to wait for: locks, events. */
  askAside<T>(node: PerfuseNode, asker: Asker, send: Send<T>): Promise<T> {
    return this.#ask(node, asker, send, undefined);
  }

  #ask<T>(node: PerfuseNode, asker: Asker, send: Send<T>, exchanges: Busy | undefined): Promise<T> {
    const gone = this.gone(node);
    if (gone) return Promise.reject(gone);
    const { kernel } = node.session;
    const question = new Question(kernel, asker, exchanges);
    const { lastUnique } = kernel;
    const answer = send(kernel, question);
    if (kernel.lastUnique === lastUnique) question.answered();
    else question.asked(kernel.lastUnique);
    return answer;
  }

  /** Why nobody can be asked about a node any more: its daemon is not the one of now, or has gone. */
  gone({ session }: PerfuseNode): Errno | undefined {
    if (session !== this.session) return ESTALE;
    return session.over ? ENOTCONN : undefined;
  }

  /** What the daemon counted and we will not keep is given back. */
  giveBack(nodeid: Foreign, count = 1, pid = NOBODY): void {
    if (nodeid === ROOT || count === 0) return;
    try {
      this.session.kernel.forget(nodeid, count, kernelFor(pid));
    } catch {
      this.leaked++;
    }
  }
}

/** Who asks: a call, or one without: the kernel itself, and what goes on after a call. */
export type Asker = Call | Caller;

/** The kernel asks for no process. */
export const NOBODY = 0;

/** The kernel itself, for a process. */
export function kernelFor(pid: number): Caller {
  return pid === NOBODY ? KERNEL : { ...KERNEL, pid };
}

/** The process of a call. Where the framework has put the group of what is made in its place, the daemon is told its own. */
export function callerOf(call: Call): Caller {
  return { uid: call.uid, gid: gidOf(call), pid: call.pid };
}

function gidOf(call: Call): number {
  return (call as Call & { readonly ownGid?: number }).ownGid ?? call.gid;
}

/** One thing that the daemon is asked, until it is answered: no promise hangs on what is to be done then. */
class Question implements Caller {
  readonly uid: number;
  readonly gid: number;
  readonly pid: number;
  readonly #kernel: FuseKernel;
  readonly #call: Call | undefined;
  readonly #exchanges: Busy | undefined;
  #isAnswered = false;
  #unlisten: (() => void) | undefined;

  constructor(kernel: FuseKernel, asker: Asker, exchanges: Busy | undefined) {
    const call = "signal" in asker ? asker : undefined;
    this.uid = asker.uid;
    this.gid = call ? gidOf(call) : asker.gid;
    this.pid = asker.pid;
    this.#kernel = kernel;
    this.#call = call;
    this.#exchanges = exchanges;
    exchanges?.enter();
  }

  /** The request is out, under that number: from now on an interrupted call interrupts it. */
  asked(unique: number): void {
    const call = this.#call;
    if (!call || this.#isAnswered) return;
    const abort = () => interrupt(this.#kernel, unique);
    if (isAborted(call)) abort();
    else this.#unlisten = whenAborted(call, abort);
  }

  answered(): void {
    this.#isAnswered = true;
    this.#unlisten?.();
    this.#exchanges?.leave();
  }
}

/** Sends one request, or none, in the same turn, in the name of the caller that it is given. */
type Send<T> = (kernel: FuseKernel, caller: Caller) => Promise<T>;

function isAborted(call: Call): boolean {
  return call instanceof Abortable ? call.isAborted : call.signal.aborted;
}

/** Answers how not to be told any more. */
function whenAborted(call: Call, listener: () => void): () => void {
  if (call instanceof Abortable) return call.onAbort(listener);
  const { signal } = call;
  signal.addEventListener("abort", listener);
  return () => signal.removeEventListener("abort", listener);
}

function interrupt(kernel: FuseKernel, unique: number): void {
  try {
    kernel.interrupt(unique);
  } catch {
    // The daemon has gone: the request will be told so.
  }
}

/** Whether a daemon's answer was this error. */
export function isCode(error: unknown, ...codes: readonly ErrnoName[]): boolean {
  return error instanceof Errno && codes.includes(error.code);
}

/** Which request of its door a call is, such as "LOOKUP"; undefined for one of no door. */
export function requestOf(call: Call): string | undefined {
  return (call as Call & { readonly row?: { readonly name: string } }).row?.name;
}

/** Whether a call comes from NetBSD's kernel, or who speaks its protocol. */
export function isPuffs(call: Call): boolean {
  return "lwp" in call;
}
