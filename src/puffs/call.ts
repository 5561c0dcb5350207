import { Abortable } from "../abortable.ts";
import type { OpenFile } from "../files.ts";
import type { Frame } from "../frame.ts";
import type { Vnode } from "../nodes.ts";
import type { Call } from "../operations.ts";
import type { Connection } from "./connection.ts";
import { CredInternal, CredType } from "./flags.ts";
import type { Row } from "./ops.ts";
import type { Credentials } from "./permission.ts";
import * as wire from "./structs.ts";

/**
 * One request at work: its header, its nodes, who asks, and the frame, whose bytes become the reply. What the plugin sees of it
 * is `Call`. Calls are pooled: one serves all requests that are answered at once.
 */
export class PuffsCall extends Abortable implements Call, Credentials {
  readonly connection: Connection;
  /** What is read of each row's messages, made when it is first asked for. */
  readonly arguments: (object | undefined)[] = [];
  /** What replies are put together in, so that a pending call keeps its own. */
  readonly vattr = wire.Vattr.create();
  frame!: Frame;
  row!: Row;
  uid = 0;
  gid = 0;
  pid = 0;
  /** The kernel has applied it, but to links: see `symlink` in request/make.ts. */
  umask = 0;
  keepsTimes = false;
  /** The superuser, or the kernel itself. */
  privileged = false;
  /** The kernel itself, for no one: writing back its caches. */
  internal = false;
  /** What the request is about; undefined only in rows about the whole file system. */
  vnode!: Vnode;
  /** Further nodes that the request is about, kept until it has ended. */
  readonly held: Vnode[] = [];
  /** Those of a rename; the one that a remove takes a name of. */
  source: Vnode | undefined;
  target: Vnode | undefined;
  targetDirectory: Vnode | undefined;
  file: OpenFile | undefined;
  name = "";
  secondName = "";
  /** What the caller is about to do with the name: `nameiop` of its last component, else LOOKUP. */
  intent = 0;
  /** How many bytes the answer may have. */
  limit = 0;
  /** Where they begin in the message. */
  dataAt = 0;
  /** Of a write: how many bytes the plugin took so far, and where they begin in the file. */
  done = 0;
  offset = 0;
  /** What the reply asks of the kernel (PUFFS_SETBACK_*). */
  setbacks = 0;
  /** Both times of a SETATTR are to be now: VA_UTIMES_NULL. */
  touching = false;
  /** A good answer is told as an error: see `events` in reply.ts. */
  inverted = false;
  /** Whether nobody waits for an answer. */
  forgotten = false;
  /** The most that the reply may have, from the request: its own length is written over it. */
  buflen = 0;
  started = 0;
  /** Nodes that the reply tells the kernel of: taken back if it does not go out. */
  readonly handedOut: Vnode[] = [];
  /** An answer is out, by deadline; what the operation still says is dropped. */
  answered = false;
  /** Where in the message the credentials are; 0 if it has none. */
  #credential = 0;

  constructor(connection: Connection) {
    super();
    this.connection = connection;
  }

  /** Take the caller from the credentials at `at`; with 0 there are none, and it is the kernel. */
  identify(at: number): void {
    const view = this.frame.requestView;
    this.#credential = at;
    this.internal = at === 0 || view.getUint8(at + TYPE) !== CredType.UUC;
    this.uid = this.internal ? 0 : view.getUint32(at + UID, true);
    this.gid = this.ownGid;
    this.privileged = this.uid === 0;
  }

  /** The caller's effective group; `gid` is that of what is being made. */
  get ownGid(): number {
    const at = this.#credential;
    return this.internal ? 0 : this.frame.requestView.getUint32(at + GID, true);
  }

  /** The lightweight process that asks. */
  get lwp(): number {
    return this.frame.requestView.getInt32(LID, true);
  }

  /** Whose credentials the request has, and the groups in them. */
  identity(): { kind: "user" | "kernel" | "fs"; groups: number[] } {
    const at = this.#credential;
    const view = this.frame.requestView;
    if (this.internal) {
      const isFs = at !== 0 && view.getUint8(at + INTERNAL) === CredInternal.FSCRED;
      return { kind: isFs ? "fs" : "kernel", groups: [] };
    }
    const count = Math.min(view.getUint16(at + NGROUPS, true), MOST_GROUPS);
    const groups = Array.from({ length: count }, (_, i) =>
      view.getUint32(at + GROUPS + 4 * i, true),
    );
    return { kind: "user", groups };
  }

  inGroup(gid: number): boolean {
    const at = this.#credential;
    if (at === 0) return false;
    const view = this.frame.requestView;
    if (view.getUint32(at + GID, true) === gid) return true;
    const count = Math.min(view.getUint16(at + NGROUPS, true), MOST_GROUPS);
    for (let i = 0; i < count; i++)
      if (view.getUint32(at + GROUPS + 4 * i, true) === gid) return true;
    return false;
  }

  /** Ready for another request. */
  reset(): void {
    this.resetAbort();
    this.source = undefined;
    this.target = undefined;
    this.targetDirectory = undefined;
    this.file = undefined;
    this.umask = 0;
    this.keepsTimes = false;
    this.held.length = 0;
    if (this.handedOut.length > 0) this.handedOut.length = 0;
    this.setbacks = 0;
    this.touching = false;
    this.inverted = false;
    this.answered = false;
  }

  /** The plugin's object of the request's node. */
  get node(): object {
    return this.vnode.node;
  }

  /** `length` bytes of the message from `at` on: a view, not a copy. */
  bytes(at: number, length: number): Uint8Array {
    const { frame } = this;
    const known = frame.requestPart;
    if (
      known &&
      known.length === length &&
      known.byteOffset === frame.request.byteOffset + at &&
      known.buffer === frame.request.buffer
    )
      return known;
    const part = frame.request.subarray(at, at + length);
    frame.requestPart = part;
    return part;
  }
}

const { offsets } = wire.Kcred;
const TYPE = offsets.type;
const UID = offsets["uuc.uid"];
const GID = offsets["uuc.gid"];
const NGROUPS = offsets["uuc.ngroups"];
const GROUPS = offsets["uuc.groups"];
const INTERNAL = offsets.internal;
const LID = wire.PuffsReq.offsets.lid;
const MOST_GROUPS = 16;
