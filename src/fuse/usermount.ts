import { EINVAL, ENOSYS, ENOTCONN, Errno } from "../errno.ts";
import { isName } from "../name.ts";
import type { Usermount } from "../usermount.ts";
import type { Connection } from "./connection.ts";
import { errnoName } from "./errno.ts";
import { Notify } from "./flags.ts";
import * as notify from "./notify.ts";

/** Since which minor of the protocol the kernel takes which notification (include/uapi/linux/fuse.h). */
const SINCE: Readonly<Record<number, number>> = {
  [Notify.POLL]: 11,
  [Notify.INVAL_INODE]: 12,
  [Notify.INVAL_ENTRY]: 12,
  [Notify.STORE]: 15,
  [Notify.RETRIEVE]: 15,
  [Notify.DELETE]: 18,
  [Notify.RESEND]: 40,
  [Notify.INC_EPOCH]: 44,
  [Notify.PRUNE]: 45,
};

/** A plugin's hold on a FUSE mount: nodes to numbers, calls to notifications. */
export class FuseUsermount implements Usermount {
  readonly directory: string;
  /** What `unmount` was told. */
  failure: string | undefined;
  readonly #connected = Promise.withResolvers<Connection>();
  #connection: Connection | undefined;
  #detach: (() => Promise<void>) | undefined;
  #gone = false;
  #retrievals = 0;

  constructor(directory: string) {
    this.directory = directory;
    this.#connected.promise.catch(() => {});
  }

  /** The mount is up: what was asked for before is done now. */
  connect(connection: Connection, detach: () => Promise<void>): void {
    this.#connection = connection;
    this.#detach = detach;
    this.#connected.resolve(connection);
  }

  /** The mount is gone. */
  disconnect(): void {
    this.#gone = true;
    this.#connected.reject(ENOTCONN);
    for (const give of this.#connection?.retrieving.values() ?? []) give(0, new Uint8Array(0));
  }

  async invalidateNode(node: object, offset = 0, length = 0): Promise<void> {
    const connection = await this.#connected.promise;
    const vnode = connection.vnodes.of(node);
    whole(offset, Number.MIN_SAFE_INTEGER);
    whole(length, 0);
    if (vnode) await this.#send(Notify.INVAL_INODE, notify.invalInode(vnode.id, offset, length));
  }

  /** Dirty pages are written back before they are dropped (invalidate_inode_pages2 of the kernel). */
  async flushNode(node: object, offset = 0, length = 0): Promise<void> {
    whole(offset, 0);
    await this.invalidateNode(node, offset, length);
  }

  async invalidateName(directory: object, name: string): Promise<void> {
    await this.#entry(directory, name, false);
  }

  async invalidateNames(_directory: object): Promise<void> {
    await this.invalidateAllNames();
  }

  async expireName(directory: object, name: string): Promise<void> {
    await this.#entry(directory, name, true);
  }

  async invalidateAllNames(): Promise<void> {
    await this.#send(Notify.INC_EPOCH, notify.incEpoch());
  }

  async announceRemoved(directory: object, name: string, node: object): Promise<void> {
    const { vnodes } = await this.#connected.promise;
    const parent = vnodes.of(directory);
    const child = vnodes.of(node);
    if (!isName(name)) throw EINVAL;
    if (parent && child) await this.#send(Notify.DELETE, notify.removed(parent.id, child.id, name));
  }

  async store(node: object, offset: number, content: Uint8Array): Promise<void> {
    const connection = await this.#connected.promise;
    const vnode = connection.vnodes.of(node);
    whole(offset, 0);
    if (vnode) await this.#send(Notify.STORE, notify.store(vnode.id, offset, content));
  }

  async retrieve(node: object, offset: number, length: number): Promise<Uint8Array> {
    const connection = await this.#connected.promise;
    const vnode = connection.vnodes.of(node);
    whole(offset, 0);
    whole(length, 0);
    if (!vnode) return new Uint8Array(0);
    const number = ++this.#retrievals;
    const answer = Promise.withResolvers<Uint8Array>();
    connection.retrieving.set(number, (_offset, content) => answer.resolve(content));
    try {
      const size = Math.min(length, 0xffffffff);
      await this.#send(Notify.RETRIEVE, notify.retrieve(number, vnode.id, offset, size));
    } catch (failure) {
      connection.retrieving.delete(number);
      if ((failure as Errno).code === "ENOENT") return new Uint8Array(0);
      throw failure;
    }
    return answer.promise;
  }

  async prune(nodes: Iterable<object>): Promise<void> {
    const { vnodes } = await this.#connected.promise;
    const ids = [...nodes].flatMap((node) => vnodes.of(node)?.id ?? []);
    for (let i = 0; i < ids.length; i += MOST_PRUNED)
      await this.#send(Notify.PRUNE, notify.prune(ids.slice(i, i + MOST_PRUNED)));
  }

  async resend(): Promise<void> {
    await this.#send(Notify.RESEND, notify.resend());
  }

  suspend(): Promise<void> {
    return Promise.reject(ENOSYS);
  }

  knows(node: object): boolean {
    return this.#connection?.vnodes.of(node) !== undefined;
  }

  async unmount(failure?: string): Promise<void> {
    await this.#connected.promise;
    if (this.#gone) return;
    this.failure ??= failure;
    await this.#detach?.();
  }

  async #entry(directory: object, name: string, expireOnly: boolean): Promise<void> {
    const { vnodes } = await this.#connected.promise;
    const parent = vnodes.of(directory);
    if (!isName(name)) throw EINVAL;
    const message = parent && notify.invalEntry(parent.id, name, expireOnly);
    if (message) await this.#send(Notify.INVAL_ENTRY, message);
  }

  /** ENOENT: the kernel does not have it, which is as good. */
  async #send(kind: number, message: Uint8Array): Promise<void> {
    const connection = await this.#connected.promise;
    if (this.#gone || !connection.notify) throw ENOTCONN;
    if ((connection.agreement?.minor ?? 0) < (SINCE[kind] ?? 0)) throw ENOSYS;
    const result = await connection.notify(message);
    if (result >= 0) return;
    const code = errnoName(-result);
    if (code === "ENOENT" && kind !== Notify.RETRIEVE) return;
    throw new Errno((code ?? "EIO") as ConstructorParameters<typeof Errno>[0]);
  }
}

/** Node ids in one message; more are sent in several. */
const MOST_PRUNED = 512;

function whole(value: number, least: number): void {
  if (!(Number.isSafeInteger(value) && value >= least)) throw EINVAL;
}
