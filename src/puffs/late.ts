import type { Vnode } from "../nodes.ts";
import type { PuffsCall } from "./call.ts";
import { Vn } from "./flags.ts";

/** Requests that may change what they ask for, or are what the kernel takes for the end of a file. */
const WAITING: ReadonlySet<number> = new Set([
  Vn.GETATTR,
  Vn.SETATTR,
  Vn.READ,
  Vn.WRITE,
  Vn.FSYNC,
  Vn.FALLOCATE,
  Vn.INACTIVE,
]);

/**
 * What the kernel brings late, content and attributes of its caches, without waiting for it: what it asks of the same node next it
 * asks in the belief that all of that is done. Operations that answer at once are; for those that answer with a promise the order is
 * kept here.
 */
export class Late {
  readonly #byVnode = new Map<Vnode, Map<Promise<unknown>, boolean>>();

  /** The call's operation is at work until `ended` settles. */
  add({ vnode, row, internal, forgotten }: PuffsCall, ended: Promise<unknown>): void {
    if (!(internal || forgotten) || row.group !== "VN") return;
    if (row.number !== Vn.WRITE && row.number !== Vn.SETATTR) return;
    const works = this.#byVnode.get(vnode) ?? new Map<Promise<unknown>, boolean>();
    this.#byVnode.set(vnode, works);
    works.set(ended, row.number === Vn.WRITE);
    const done = () => {
      works.delete(ended);
      if (works.size === 0 && this.#byVnode.get(vnode) === works) this.#byVnode.delete(vnode);
    };
    ended.then(done, done);
  }

  /** What must have ended before the call's operation begins, if anything. Pages do not wait for each other: no two are the same. */
  before({ vnode, row, internal }: PuffsCall): Promise<unknown> | undefined {
    if (this.#byVnode.size === 0 || row.group !== "VN" || !WAITING.has(row.number))
      return undefined;
    const works = this.#byVnode.get(vnode);
    if (!works) return undefined;
    const isPage = internal && (row.number === Vn.WRITE || row.number === Vn.READ);
    const first = [...works].filter(([, isWrite]) => !(isPage && isWrite));
    return first.length === 0 ? undefined : Promise.allSettled(first.map(([ended]) => ended));
  }
}
