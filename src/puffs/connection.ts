import { type Awaitable, isPromise } from "../awaitable.ts";
import { Errno } from "../errno.ts";
import { ROOT_ID, type Vnode, Vnodes } from "../nodes.ts";
import type { FileSystemOperations, NodeOperations } from "../operations.ts";
import type { AnyFileSystem } from "../plugin.ts";
import { Statistics } from "../statistics.ts";
import type { Report, Wishes } from "../wishes.ts";
import type { PuffsCall } from "./call.ts";
import { KernelFlags, Vtype } from "./flags.ts";
import { Late } from "./late.ts";
import { handlesOf, kernelFlags } from "./mount.ts";
import { Openings } from "./opening.ts";
import { OPS, type Row } from "./ops.ts";

/** All that the rows of one puffs mount share. */
export class Connection {
  readonly fileSystem: AnyFileSystem;
  readonly wishes: Wishes;
  readonly report: Report;
  // biome-ignore lint/suspicious/noExplicitAny: nodes are only known inside the plugin
  readonly node: NodeOperations<any>;
  // biome-ignore lint/suspicious/noExplicitAny: nodes are only known inside the plugin
  readonly fs: FileSystemOperations<any>;
  readonly vnodes: Vnodes;
  readonly openings = new Openings();
  /** Of which nodes the file system asked to hear when they are inactive, whether or not anything is open. */
  readonly inactiveWanted = new WeakSet<object>();
  readonly late = new Late();
  readonly statistics = new Statistics(OPS.map((row) => row?.name));
  /** What the mount asks of the kernel (PUFFS_KFLAG_*). */
  readonly flags: number;
  /** Of file handles: bytes, and FhFlags. */
  readonly handles: ReturnType<typeof handlesOf>;
  /**
   * Seconds that the kernel may believe attributes and names for, where it wants to be told (CACHE_FS_TTL). Attributes that only its own
   * calls change are not believed: it does not notice that a link or a name more changes them, as Linux does.
   */
  readonly attributeTimeout: number;
  readonly entryTimeout: number;
  /** By index: the error that stands for an operation which the plugin lacks. */
  readonly absent: readonly (number | undefined)[];
  /** Calls whose operation has not ended. */
  readonly pending = new Set<PuffsCall>();
  /** The process whose request has ended last: nodes and opens end with requests, and it is named to the plugin. */
  by = 0;
  /** Sends a request of ours to the kernel: set while the mount is served. */
  send: ((message: Uint8Array) => void) | undefined;
  /** Who waits for the answers to them, by number. */
  readonly questions = new Map<number, (error: number) => void>();
  /** Has the kernel look up all names in a directory again: set while the mount is served. */
  forgetNames: ((directory: object) => void) | undefined;
  /** The kernel has unmounted; the reply that lets it is being written. */
  unmounted: (() => void) | undefined;
  #leaving: Promise<void> | undefined;
  /** `fs.unmount` has succeeded: nothing is called any more. */
  #hasLeft = false;

  constructor(fileSystem: AnyFileSystem, wishes: Wishes, report: Report) {
    this.fileSystem = fileSystem;
    this.wishes = wishes;
    this.report = report;
    this.node = fileSystem.node;
    this.fs = fileSystem.fs ?? {};
    this.vnodes = new Vnodes<object>(fileSystem.root, (node) => this.#reclaim(node));
    this.flags = kernelFlags(fileSystem, wishes);
    this.handles = handlesOf(fileSystem, wishes);
    const { timeouts } = fileSystem;
    this.attributeTimeout = wishes.attributeTimeout ?? timeouts?.attributes ?? 1;
    this.entryTimeout = wishes.entryTimeout ?? timeouts?.names ?? 1;
    this.absent = OPS.map((row) => (row && !this.has(row) ? row.absent : undefined));
  }

  /** Whether replies are to tell attributes along, and for how long all is good. */
  get tells(): boolean {
    return (this.flags & KernelFlags.CACHE_FS_TTL) !== 0;
  }

  /** Whether the kernel keeps the times of files that it has in its cache, and brings them later. */
  get keepsTimes(): boolean {
    return (this.flags & KernelFlags.NOFLUSH_META) === 0;
  }

  /** Whether the plugin has what the row needs. */
  has({ needs }: Row): boolean {
    return needs === undefined || needs.some((need) => this.hasOperation(need));
  }

  hasOperation(need: string): boolean {
    const [group, name] = need.split(".") as ["fs" | "node", string];
    return (this[group] as Record<string, unknown>)[name] !== undefined;
  }

  /** Whether the node is a directory, as far as it is known; one that only file handles led to is not. */
  isDirectory({ id, adopted }: Vnode): boolean {
    return id === ROOT_ID ? (this.wishes.puffs?.root?.type ?? Vtype.DIR) === Vtype.DIR : adopted;
  }

  /** Do what no request waits for: what goes wrong is logged. */
  attempt<T>(operation: string, action: () => Awaitable<T>): Awaitable<T | undefined> {
    const failed = (cause: unknown) => {
      this.report(`${operation} failed`, cause);
      return undefined;
    };
    const settled = (result: T) => (result instanceof Errno ? failed(result) : result);
    try {
      const result = action();
      return isPromise(result) ? Promise.resolve(result).then(settled, failed) : settled(result);
    } catch (cause) {
      return failed(cause);
    }
  }

  /**
   * The last of all calls, behind `reclaim` of what is known. Rejects with what the file system refuses it with, which goes on then
   * and is asked another time.
   */
  unmount(): Promise<void> {
    this.#leaving ??= this.#leave().catch((error) => {
      this.#leaving = undefined;
      throw error;
    });
    return this.#leaving;
  }

  async #leave(): Promise<void> {
    for (const { node } of this.vnodes.all()) this.#reclaim(node);
    const refused = await this.fs.unmount?.(this.by);
    if (refused instanceof Errno) throw refused;
    this.#hasLeft = true;
  }

  /** The last opener of a node is gone: each of its files ends. Answers how many there were. */
  endFiles(node: object, pid = this.by): number {
    const files = this.openings.end(node);
    for (const file of files)
      if (this.node.inactive) this.attempt("inactive", () => this.node.inactive?.(node, file, pid));
    return files.length;
  }

  #reclaim(node: object): void {
    if (this.#hasLeft) return;
    this.endFiles(node);
    if (this.node.reclaim) this.attempt("reclaim", () => this.node.reclaim?.(node, this.by));
  }
}
