import { Errno } from "../../src/errno.ts";
import type { Serving } from "../../src/frame.ts";
import { InitFlags, InitMinors, union } from "../../src/fuse/flags.ts";
import type { Foreign, FuseKernel, KernelEvents } from "../../src/fuse/kernel.ts";
import { connect } from "../../src/fuse/loopback.ts";
import type * as wire from "../../src/fuse/structs.ts";
import { S_IFDIR, S_IFMT } from "../../src/mode.ts";
import type { Of } from "../../src/struct.ts";

export type Attr = Of<typeof wire.Attr>;

/** A file as the kernel has just been told of it. */
export interface Node {
  readonly nodeid: Foreign;
  readonly attr: Attr;
}

export interface CoreOptions {
  /** The protocol's minor version that is offered. Left out: 45. */
  readonly minor?: number;
  /** Flags of INIT that are not offered. */
  readonly without?: readonly (keyof typeof InitFlags)[];
  /** Mounted with `-o ro`. */
  readonly readOnly?: boolean;
  /** Mounted with `-o default_permissions`. Left out: yes. */
  readonly defaultPermissions?: boolean;
  readonly events?: KernelEvents;
}

/** What Linux offers on a mount of this kind. */
const OFFERED = [
  "ASYNC_READ",
  "POSIX_LOCKS",
  "ATOMIC_O_TRUNC",
  "EXPORT_SUPPORT",
  "BIG_WRITES",
  "DONT_MASK",
  "FLOCK_LOCKS",
  "HAS_IOCTL_DIR",
  "AUTO_INVAL_DATA",
  "DO_READDIRPLUS",
  "READDIRPLUS_AUTO",
  "ASYNC_DIO",
  "NO_OPEN_SUPPORT",
  "PARALLEL_DIROPS",
  "HANDLE_KILLPRIV",
  "POSIX_ACL",
  "ABORT_ERROR",
  "MAX_PAGES",
  "CACHE_SYMLINKS",
  "NO_OPENDIR_SUPPORT",
  "EXPLICIT_INVAL_DATA",
  "HANDLE_KILLPRIV_V2",
  "SETXATTR_EXT",
  "INIT_EXT",
  "HAS_EXPIRE_ONLY",
  "HAS_RESEND",
] as const;

/**
 * The state that the VFS has of one mount: which nodes it holds, by how many lookups, which opcodes the server does not
 * have. Attributes and names are not cached.
 */
export class CoreMount {
  readonly kernel: FuseKernel;
  readonly readOnly: boolean;
  readonly defaultPermissions: boolean;
  readonly #missing = new Set<string>();
  readonly #lookups = new Map<Foreign, number>();
  readonly #opened = new Map<Foreign, number>();
  readonly #doomed = new Set<Foreign>();
  #active = 0;

  constructor(kernel: FuseKernel, { readOnly = false, defaultPermissions = true }: CoreOptions) {
    this.kernel = kernel;
    this.readOnly = readOnly;
    this.defaultPermissions = defaultPermissions;
  }

  /** Shake hands with the server. */
  static async make(serving: Serving, options: CoreOptions = {}): Promise<CoreMount> {
    const kernel = connect(serving, options.events);
    const { minor = 45, without = [] } = options;
    const known = OFFERED.filter((name) => InitMinors[name] <= minor && !without.includes(name));
    const flags = known.reduce((set, name) => union(set, InitFlags[name]), 0);
    await kernel.init({ minor, flags, maxReadahead: 2 ** 17 });
    return new CoreMount(kernel, options);
  }

  /** All that happens for one call: nodes that nobody needs any more are forgotten when no call is under way. */
  async during<T>(call: () => Promise<T>): Promise<T> {
    this.#active++;
    try {
      return await call();
    } finally {
      this.#active--;
      this.#forgetDoomed();
    }
  }

  /** The server told of a node and counted one lookup. */
  keep<E extends Node>(entry: E): E {
    const { nodeid } = entry;
    this.#lookups.set(nodeid, (this.#lookups.get(nodeid) ?? 0) + 1);
    this.#doomed.delete(nodeid);
    return entry;
  }

  opened(nodeid: Foreign): void {
    this.#opened.set(nodeid, (this.#opened.get(nodeid) ?? 0) + 1);
  }

  closed(nodeid: Foreign): void {
    const left = (this.#opened.get(nodeid) ?? 0) - 1;
    if (left > 0) this.#opened.set(nodeid, left);
    else this.#opened.delete(nodeid);
  }

  /** The node lost a name: to be forgotten once it is not open. */
  doom(nodeid: Foreign): void {
    if (this.#lookups.has(nodeid)) this.#doomed.add(nodeid);
  }

  /** Drop all caches, as `echo 2 > /proc/sys/vm/drop_caches` does: open files stay, until they are closed. */
  forgetAll(): void {
    for (const nodeid of this.#lookups.keys()) this.#doomed.add(nodeid);
    this.#forgetDoomed();
  }

  /** How many lookups the server must have counted for each node, less those that were forgotten. */
  outstanding(): ReadonlyMap<Foreign, number> {
    return new Map(this.#lookups);
  }

  /** `ask`, unless the server has once said that it does not know this: then `instead`, now and ever after. */
  async optional<T>(
    what: string,
    ask: () => Promise<T>,
    instead: () => T | Promise<T>,
  ): Promise<T> {
    if (!this.#missing.has(what)) {
      try {
        return await ask();
      } catch (error) {
        if ((error as Errno).code !== "ENOSYS") throw error;
        this.#missing.add(what);
      }
    }
    return instead();
  }

  #forgetDoomed(): void {
    if (this.#active > 0) return;
    const forgets = [...this.#doomed]
      .filter((nodeid) => !this.#opened.has(nodeid))
      .map((nodeid) => ({ nodeid, nlookup: this.#lookups.get(nodeid) ?? 0 }));
    for (const { nodeid } of forgets) {
      this.#doomed.delete(nodeid);
      this.#lookups.delete(nodeid);
    }
    if (forgets.length > 1 && this.kernel.minor >= 16) this.kernel.batchForget(forgets);
    else for (const { nodeid, nlookup } of forgets) this.kernel.forget(nodeid, nlookup);
  }
}

export function fail(code: ConstructorParameters<typeof Errno>[0]): never {
  throw new Errno(code);
}

export function kindOf({ attr }: Node): number {
  return attr.mode & S_IFMT;
}

export function isDirectory(node: Node): boolean {
  return kindOf(node) === S_IFDIR;
}
