import type { ErrnoName } from "../errno.ts";
import { viewOf } from "../frame.ts";
import { Exchange, type ProtocolFault } from "./exchange.ts";
import { Err, FlushOp, KernelFlags, Opclass, Setback, Vn, Vtype } from "./flags.ts";
import { type Caller, compose, NOCRED, Refusal } from "./message.ts";
import { isThere, type Mounted } from "./mounted.ts";
import { PuffsFlush, VnmsgInactive, VnmsgReclaim } from "./structs.ts";

export interface KernelEvents {
  /** The server broke the protocol. What the real kernel tolerates in silence is told here too. */
  readonly onFault?: (fault: ProtocolFault) => void;
  /** The server wants caches dropped or written back, and it may. */
  readonly onFlush?: (flush: ReturnType<typeof PuffsFlush.read>) => void;
  /** The server wants to be unmounted. The answer is on its way; what is due now is `detach`. */
  readonly onUnmount?: () => void;
}

/** A vnode. */
export interface KernelNode {
  readonly cookie: number;
  readonly vtype: number;
  /** Of a regular file, as far as was told. */
  size: number;
  /** How many replies named it. */
  lookups: number;
  /** The server wants INACTIVE for it (IAONDEMAND). */
  wantsInactive: boolean;
  /** The server knows no name of it: to be reclaimed right after INACTIVE. */
  unreferenced: boolean;
}

/** Which nodes the kernel holds, and the requests of a server's that are about them. */
export abstract class KernelNodes extends Exchange {
  readonly mount: Mounted;
  /** By cookie, the root among them. */
  readonly nodes = new Map<number, KernelNode>();
  readonly #events: KernelEvents;

  constructor(send: (frame: Uint8Array) => void, mount: Mounted, events: KernelEvents = {}) {
    super(send);
    this.mount = mount;
    this.#events = events;
    const { rootCookie, rootVtype, rootVsize } = mount.args;
    this.#enter(rootCookie, rootVtype, rootVsize);
  }

  get root(): number {
    return this.mount.args.rootCookie;
  }

  /** Whether the server has the operation. */
  has(optype: number): boolean {
    return isThere(this.mount, optype);
  }

  /**
   * The last reference from above is gone. INACTIVE is sent if it is wanted, and the node reclaimed if the server said that
   * nothing leads to it, and `isIdle` that nobody has come for it since: then the answer is true.
   */
  async release(
    cookie: number,
    caller: Caller = NOCRED,
    isIdle: () => boolean = () => true,
  ): Promise<boolean> {
    const node = this.nodes.get(cookie);
    if (!node) return false;
    const onDemand = (this.mount.args.flags & KernelFlags.IAONDEMAND) !== 0;
    if (this.has(Vn.INACTIVE) && (!onDemand || node.wantsInactive)) {
      node.wantsInactive = false;
      await this.inactive(cookie, caller).catch(() => {});
    }
    if (!node.unreferenced || cookie === this.root || !isIdle()) return false;
    this.reclaim(cookie);
    return true;
  }

  /** INACTIVE whatever the mount says: see `release`. */
  inactive(cookie: number, caller: Caller = NOCRED): Promise<void> {
    const message = compose(VnmsgInactive);
    const about = { opclass: Opclass.VN, optype: Vn.INACTIVE, cookie, caller, message };
    return this.ask({ ...about, decode: () => undefined });
  }

  /** Forget a node and say by how many replies it was known. The root stays. */
  reclaim(cookie: number): void {
    const node = this.nodes.get(cookie);
    if (!node || cookie === this.root) return;
    this.nodes.delete(cookie);
    if (!this.has(Vn.RECLAIM)) return;
    this.tell(Opclass.VN, Vn.RECLAIM, cookie, compose(VnmsgReclaim, { nlookup: node.lookups }));
  }

  /** A reply leads to a node, known or not; only a file handle does so without being counted. Throws a Refusal. */
  protected found(cookie: number, vtype: number, size: number, counts = true): void {
    if (cookie === 0) throw new Refusal("no cookie", Err.MAKENODE);
    const known = this.nodes.get(cookie);
    // By a handle the kernel looks for what it knows first.
    if ((counts || !known) && (vtype <= Vtype.NON || vtype >= Vtype.BAD))
      throw new Refusal(`a node of type ${vtype}`, Err.MAKENODE);
    const node = known ?? this.#enter(cookie, vtype, size);
    if (counts) node.lookups++;
  }

  /** A reply leads to what was just made. Throws a Refusal. */
  protected made(cookie: number, vtype: number): void {
    if (this.nodes.has(cookie))
      throw new Refusal(`cookie ${cookie} is in use`, Err.MAKENODE, "EEXIST");
    this.found(cookie, vtype, 0);
  }

  /**
   * What a reply told of cannot be entered: the server is to forget it again. Before that, what was made is taken away by the user.
   */
  protected async abandon(cookie: number): Promise<void> {
    const onDemand = (this.mount.args.flags & KernelFlags.IAONDEMAND) !== 0;
    const all = (this.mount.args.flags & KernelFlags.ALLOPS) !== 0;
    if (this.has(Vn.INACTIVE) && (!onDemand || all)) await this.inactive(cookie).catch(() => {});
    if (!this.has(Vn.RECLAIM)) return;
    this.tell(Opclass.VN, Vn.RECLAIM, cookie, compose(VnmsgReclaim, { nlookup: 1 }));
  }

  /** The file is known to have at least this many bytes. */
  protected grown(cookie: number, size: number): void {
    const node = this.nodes.get(cookie);
    if (node && node.size < size) node.size = size;
  }

  protected override setback(setbacks: number, cookie: number, second: number): void {
    const one = this.nodes.get(cookie);
    const two = this.nodes.get(second);
    if (one && (setbacks & Setback.INACT_N1) !== 0) one.wantsInactive = true;
    if (two && (setbacks & Setback.INACT_N2) !== 0) two.wantsInactive = true;
    if (one && (setbacks & Setback.NOREF_N1) !== 0) one.unreferenced = true;
    if (two && (setbacks & Setback.NOREF_N2) !== 0) two.unreferenced = true;
  }

  protected override asked(opclass: number, message: Uint8Array): ErrnoName | undefined {
    if (opclass === Opclass.UNMOUNT) {
      // Once the answer is out.
      queueMicrotask(() => this.#events.onUnmount?.());
      return undefined;
    }
    return opclass === Opclass.FLUSH ? this.#flush(message) : "EOPNOTSUPP";
  }

  protected override fault(fault: ProtocolFault): void {
    this.#events.onFault?.(fault);
  }

  #flush(message: Uint8Array): ErrnoName | undefined {
    if (message.length !== PuffsFlush.size) return "EINVAL";
    const flush = flushOf(message);
    if (!flush) return "EINVAL";
    const { op, cookie, start, end } = flush;
    if (op === FlushOp.INVAL_NAMECACHE_NODE || !FLUSH_OPS.has(op)) return "EINVAL";
    const node = this.nodes.get(cookie);
    if (op !== FlushOp.INVAL_NAMECACHE_ALL && !node) return "ENOENT";
    const pages = op !== FlushOp.INVAL_NAMECACHE_ALL && op !== FlushOp.INVAL_NAMECACHE_DIR;
    if (pages && (end > (node?.size ?? 0) || (end !== 0 && start > end))) return "EINVAL";
    this.#events.onFlush?.(flush);
    return undefined;
  }

  #enter(cookie: number, vtype: number, size: number): KernelNode {
    const state = { lookups: 0, wantsInactive: false, unreferenced: false };
    const node = { cookie, vtype, size, ...state };
    this.nodes.set(cookie, node);
    return node;
  }
}

const FLUSH_OPS: ReadonlySet<number> = new Set(Object.values(FlushOp));

/** Undefined if an offset is beyond all files. */
function flushOf(message: Uint8Array): ReturnType<typeof PuffsFlush.read> | undefined {
  try {
    return PuffsFlush.read(viewOf(message), 0);
  } catch {
    return undefined;
  }
}
