import { type Awaitable, isPromise } from "../awaitable.ts";
import { Errno } from "../errno.ts";
import { OpenFiles } from "../files.ts";
import { Vnodes } from "../nodes.ts";
import type { Done, FileSystemOperations, NodeOperations } from "../operations.ts";
import type { AnyFileSystem } from "../plugin.ts";
import { Statistics } from "../statistics.ts";
import type { Report, Wishes } from "../wishes.ts";
import type { FuseCall } from "./call.ts";
import { poll } from "./notify.ts";
import { OPS, type Row } from "./ops.ts";
import { type Validity, validity } from "./validity.ts";

/** What was agreed with the kernel in INIT. */
export interface Agreement {
  readonly minor: number;
  /** Bits of the INIT flags that both sides have. */
  readonly flags: number;
  readonly maxWrite: number;
}

/** All that the rows of one FUSE mount share. */
export class Connection {
  readonly fileSystem: AnyFileSystem;
  readonly wishes: Wishes;
  readonly report: Report;
  // biome-ignore lint/suspicious/noExplicitAny: nodes are only known inside the plugin
  readonly node: NodeOperations<any>;
  // biome-ignore lint/suspicious/noExplicitAny: nodes are only known inside the plugin
  readonly fs: FileSystemOperations<any>;
  readonly vnodes: Vnodes;
  readonly files = new OpenFiles();
  readonly statistics = new Statistics(OPS.map((row) => row?.name));
  readonly attributeValidity: Validity;
  readonly entryValidity: Validity;
  readonly negativeValidity: Validity;
  /** By opcode: the error that stands for an operation which the plugin lacks. */
  readonly absent: readonly (number | undefined)[];
  /** Calls whose operation has not ended, by the number of the request (`unique`). */
  readonly pending = new Map<number, FuseCall>();
  /** Opens that need not be told from each other are refused with ENOSYS: the kernel stops asking. */
  readonly needsOpen: boolean;
  /** Nodes and opens end without a process: the kernel tells of none. */
  readonly by = 0;
  agreement: Agreement | undefined;
  /** Called when INIT is agreed on, before its answer is out. */
  agreed: (() => void) | undefined;
  /** Sends a notification to the kernel: set while the mount is served. */
  notify: ((message: Uint8Array) => Promise<number>) | undefined;
  /** Takes what the kernel answers to NOTIFY_RETRIEVE, by the number of the question. */
  readonly retrieving = new Map<number, (offset: number, content: Uint8Array) => void>();

  constructor(fileSystem: AnyFileSystem, wishes: Wishes, report: Report) {
    this.fileSystem = fileSystem;
    this.wishes = wishes;
    this.report = report;
    this.node = fileSystem.node;
    this.fs = fileSystem.fs ?? {};
    this.vnodes = new Vnodes<object>(fileSystem.root, (node) => this.#reclaim(node));
    const { timeouts } = fileSystem;
    this.attributeValidity = validity(wishes.attributeTimeout ?? timeouts?.attributes ?? 1);
    this.entryValidity = validity(wishes.entryTimeout ?? timeouts?.names ?? 1);
    this.negativeValidity = validity(wishes.negativeTimeout ?? timeouts?.absent ?? 0);
    this.needsOpen = Boolean(
      this.node.open ||
        this.node.close ||
        this.node.inactive ||
        wishes.directIo ||
        !(fileSystem.keepsContent || wishes.kernelCache),
    );
    this.absent = OPS.map((row) => (row && !this.#has(row) ? row.absent : undefined));
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

  unmount(): Awaitable<Done> {
    return this.fs.unmount?.();
  }

  /** A file that is polled may have become ready: the kernel asks again. */
  wake(handle: bigint): void {
    this.attempt("the wake-up of a poller", () => this.notify?.(poll(handle)));
  }

  #reclaim(node: object): void {
    if (this.node.reclaim) this.attempt("reclaim", () => this.node.reclaim?.(node, this.by));
  }

  #has(row: Row): boolean {
    if (row.needs === undefined) return true;
    return row.needs.some((need) => {
      const [group, name] = need.split(".") as ["fs" | "node", string];
      return (this[group] as Record<string, unknown>)[name] !== undefined;
    });
  }
}
