import { EINVAL, ENOSYS, ENOTCONN, Errno, errnoOf } from "../errno.ts";
import { viewOf } from "../frame.ts";
import { isName } from "../name.ts";
import type { Usermount } from "../usermount.ts";
import type { Connection } from "./connection.ts";
import { cookieOf } from "./cookie.ts";
import { errnoName, NETBSD } from "./errno.ts";
import { FlushOp, Opclass } from "./flags.ts";
import * as wire from "./structs.ts";
import { write64 } from "./word.ts";

/** A plugin's hold on a puffs mount: calls to FLUSH and UNMOUNT requests, which the kernel answers. */
export class PuffsUsermount implements Usermount {
  readonly directory: string;
  /** What `unmount` was told. */
  failure: string | undefined;
  readonly #connected = Promise.withResolvers<Connection>();
  #connection: Connection | undefined;
  #gone = false;
  #asked = 0;

  constructor(directory: string) {
    this.directory = directory;
    this.#connected.promise.catch(() => {});
  }

  /** The mount is up: what was asked for before is done now. */
  connect(connection: Connection): void {
    this.#connection = connection;
    this.#connected.resolve(connection);
  }

  /** The mount is gone. */
  disconnect(): void {
    this.#gone = true;
    this.#connected.reject(ENOTCONN);
  }

  /** Attributes are never cached without a time to live, which cannot be cut short: this is about content alone. */
  async invalidateNode(node: object, offset = 0, length = 0): Promise<void> {
    whole(offset, Number.MIN_SAFE_INTEGER);
    whole(length, 0);
    if (offset >= 0)
      await this.#flush(
        FlushOp.INVAL_PAGECACHE_NODE_RANGE,
        node,
        offset,
        length && offset + length,
      );
  }

  /** What the kernel has in its cache of a node is written back: bytes from `offset` on, `length` of them, 0 meaning to the end. */
  async flushNode(node: object, offset = 0, length = 0): Promise<void> {
    whole(offset, 0);
    whole(length, 0);
    await this.#flush(FlushOp.FLUSH_PAGECACHE_NODE_RANGE, node, offset, length && offset + length);
  }

  /** This kernel cannot forget a single name: all of the directory go. */
  async invalidateName(directory: object, name: string): Promise<void> {
    if (!isName(name)) throw EINVAL;
    await this.invalidateNames(directory);
  }

  /** All names in a directory are to be looked up again. */
  async invalidateNames(directory: object): Promise<void> {
    await this.#flush(FlushOp.INVAL_NAMECACHE_DIR, directory, 0, 0);
  }

  async expireName(directory: object, name: string): Promise<void> {
    await this.invalidateName(directory, name);
  }

  async invalidateAllNames(): Promise<void> {
    const { fileSystem } = await this.#connected.promise;
    await this.#flush(FlushOp.INVAL_NAMECACHE_ALL, fileSystem.root, 0, 0);
  }

  async announceRemoved(directory: object, name: string, _node: object): Promise<void> {
    await this.invalidateName(directory, name);
  }

  store(): Promise<void> {
    return Promise.reject(ENOSYS);
  }

  retrieve(): Promise<Uint8Array> {
    return Promise.reject(ENOSYS);
  }

  prune(): Promise<void> {
    return Promise.reject(ENOSYS);
  }

  resend(): Promise<void> {
    return Promise.reject(ENOSYS);
  }

  async suspend(): Promise<void> {
    await this.#ask(Opclass.SUSPEND, new Uint8Array(wire.PuffsReq.size));
  }

  knows(node: object): boolean {
    return this.#connection?.vnodes.of(node) !== undefined;
  }

  /** The kernel says yes, and then unmounts by force: requests follow, the one to unmount last. */
  async unmount(failure?: string): Promise<void> {
    await this.#connected.promise;
    if (this.#gone) return;
    this.failure ??= failure;
    await this.#ask(Opclass.UNMOUNT, new Uint8Array(wire.PuffsReq.size));
  }

  async #flush(op: number, node: object, start: number, end: number): Promise<void> {
    const { vnodes } = await this.#connected.promise;
    const vnode = vnodes.of(node);
    if (!vnode) return;
    const message = new Uint8Array(wire.PuffsFlush.size);
    wire.PuffsFlush.write(viewOf(message), 0, { cookie: cookieOf(vnode), op, start, end });
    await this.#ask(Opclass.FLUSH, message);
  }

  /**
   * Send a request of ours and wait for what the kernel says. ENOENT: it does not have it, which is as good. ENXIO: the mount has ended
   * meanwhile, and with it what was to be forgotten.
   */
  async #ask(opclass: number, message: Uint8Array): Promise<void> {
    const { questions, send } = await this.#connected.promise;
    if (this.#gone || !send) throw ENOTCONN;
    const id = OURS + this.#asked++;
    const view = viewOf(message);
    write64(view, REQ.framelen, message.length);
    write64(view, REQ.id, id);
    write64(view, REQ.buflen, message.length);
    view.setUint16(REQ.opclass, opclass, true);
    const error = await new Promise<number>((resolve) => {
      questions.set(id, resolve);
      send(message);
    });
    if (error === 0 || error === NETBSD.ENOENT || error === NETBSD.ENXIO) return;
    throw new Errno(errnoOf({ code: errnoName(error) }) ?? "EIO");
  }
}

const REQ = wire.PuffsReq.offsets;

/** Far above the kernel's own numbers, to be told apart in traces. */
const OURS = 2 ** 52;

function whole(value: number, least: number): void {
  if (!(Number.isSafeInteger(value) && value >= least)) throw EINVAL;
}
