import { setBlocking, setNonBlocking } from "../../ffi/device.ts";
import type { DaemonReporter } from "../daemon.ts";
import { ENOTCONN, Errno } from "../errno.ts";
import type { LiveMount } from "../mount.ts";
import { FILE_SYSTEM_OPERATIONS, NODE_OPERATIONS } from "../operation-names.ts";
import type { Call } from "../operations.ts";
import type { AnyFileSystem, Plugin } from "../plugin.ts";
import { longestMessage } from "../puffs/longest.ts";
import type { Ending, Log } from "../session.ts";
import type { Usermount } from "../usermount.ts";
import { type Dispatch, Dispatcher } from "./dispatch.ts";
import { wishesOf } from "./flags.ts";
import type { DataOf, UsermountInit } from "./init.ts";
import { Loop } from "./loop.ts";
import { NodeList } from "./node.ts";
import { type Pathlike, type PathRules, Paths, standardPaths } from "./path.ts";
import { enter, leave } from "./signal.ts";
import { surround, withInstead } from "./surround.ts";
import { type GivenPaths, itself, type WithPaths, withPaths } from "./with-paths.ts";

/** Where a mount is in its life (puffs_getstate(3)). */
export type UsermountState = "before mount" | "running" | "unmounting" | "unmounted";

export interface UsermountMounting {
  /** As after -o of a mount program: "ro,allow_other". */
  readonly options?: string;
  /** The program reads requests from `selectable` itself, dispatches them, and writes the replies there. */
  readonly byHand?: boolean;
}

/** Begin a mount that this program serves itself (puffs_init(3)). Nothing happens yet. */
export function createUsermount<N extends object, S = undefined, P extends Pathlike = string>(
  init: UsermountInit<N, S, P>,
): UsermountServer<N, S, P> {
  return new UsermountServer(init);
}

/**
 * A mount of a program that is no plugin: it says itself when to mount and where, and goes on with other things. In order: `setRoot`,
 * perhaps `daemon`, `mount`, `mainloop`; `exit` at any time. A plugin has all of this from the mount programs.
 */
export class UsermountServer<N extends object, S = undefined, P extends Pathlike = string> {
  /** The file system's own (puffs_getspecific(3), puffs_setspecific(3)). */
  specific: S;
  /** The nodes of the library, if the file system uses them. */
  readonly nodes = new NodeList<DataOf<N>>();
  /** What paths they are known by. Kept with the flag BUILDPATH. */
  readonly paths: Paths<P>;
  readonly #init: UsermountInit<N, S, P>;
  readonly #loop = new Loop((cause) => this.#log.error("the loop function failed", cause));
  readonly #log: Log;
  #root: N | undefined;
  #state: UsermountState = "before mount";
  #wrapped: WithPaths<N, P> | undefined;
  #usermount: Usermount | undefined;
  #live: LiveMount | undefined;
  /** A mount that is not up yet. */
  #mounting: Promise<void> | undefined;
  #dispatcher: Dispatcher | undefined;
  #reporter: DaemonReporter | undefined;

  constructor(init: UsermountInit<N, S, P>) {
    const { pathRules = standardPaths as unknown as PathRules<P>, log = SILENT } = init;
    this.#init = init;
    this.#log = log;
    this.specific = init.specific as S;
    this.paths = new Paths(this.nodes, pathRules, { hash: this.#has("HASHPATH") });
  }

  get state(): UsermountState {
    return this.#state;
  }

  /** The node of the mount point. `path`: what it is known by, with the path framework. Before `mount`. */
  setRoot(node: N, path?: P): void {
    if (this.#state !== "before mount") throw new Errno("EBUSY", "the root is that of the mount");
    this.#root = node;
    if (path !== undefined)
      this.paths.assign((this.#init.nodeOf ?? itself)(node), this.paths.object(path));
  }

  get root(): N | undefined {
    return this.#root;
  }

  /** To tell the kernel what changed (puffs_flush(3)), and to ask it to unmount. Throws ENOTCONN before `mount`. */
  get usermount(): Usermount {
    if (!this.#usermount) throw ENOTCONN;
    return this.#usermount;
  }

  /**
   * Bytes of the longest request: what a read of `selectable` must have room for. Before the mount, and where an engine of ours does the
   * reading, it is what NetBSD's kernel makes of `maxRequestLength`.
   */
  get maxRequestLength(): number {
    return this.#dispatcher?.room ?? longestMessage(this.#init.maxRequestLength ?? 0);
  }

  /** The descriptor that requests come from, to be waited for (puffs_getselectable(3)). Throws ENOTCONN if nothing is mounted. */
  get selectable(): number {
    if (!this.#live || this.#state === "unmounted") throw ENOTCONN;
    return this.#live.descriptor;
  }

  /** Whether reads of `selectable` wait, as they do to begin with. Only for a mount that is served by hand: to our engine it must stay as it is (EBUSY). */
  setBlockingMode(mode: "block" | "nonblock"): void {
    const { selectable } = this;
    if (!this.#dispatcher && mode === "block") throw new Errno("EBUSY", "the main loop reads it");
    if (mode === "block") setBlocking(selectable);
    else setNonBlocking(selectable);
  }

  /** `call` is called in each turn of the event loop that has requests (puffs_ml_setloopfn(3)); undefined: nothing is. At any time. */
  setLoopFunction(call: (() => void) | undefined): void {
    this.#loop.setFunction(call);
  }

  /** Milliseconds after which the loop function is called at the latest; undefined: when there is something to do. */
  setLoopTimeout(timeout: number | undefined): void {
    this.#loop.setTimeout(timeout);
  }

  /** Within an operation that was given a name: its path (PUFFS_FLAG_BUILDPATH). */
  given(call: Call): GivenPaths<P> {
    if (!this.#wrapped) throw new Errno("EINVAL", "paths are built with the flag BUILDPATH");
    return this.#wrapped.given(call);
  }

  /**
   * Go on in the background (puffs_daemon(3)), before `mount`: the program is started again with the same arguments, detached, and comes
   * here again, where it goes on. This process waits for that one's `mount` and ends: with 0, or what was wrong on standard error and an
   * exit code of mount(8), 32 for what is the mount's fault. `nochdir`: stay in this directory, instead of the root's. `log`: a file for
   * what is written to standard output and error, which else is thrown away.
   */
  async daemon({ nochdir = false, log }: { nochdir?: boolean; log?: string } = {}): Promise<void> {
    if (this.#state !== "before mount") throw new Errno("EBUSY");
    const { daemonReporter, startDaemon } = await import("../daemon.ts");
    this.#reporter = daemonReporter();
    if (this.#reporter) {
      if (!nochdir) process.chdir("/");
      return;
    }
    const { spawnAgain } = await import("../self.ts");
    const { failureOf } = await import("../failure.ts");
    try {
      await startDaemon(this.#init.name, [], log, this.#log, spawnAgain);
    } catch (error) {
      const { message, exitCode } = failureOf(error, this.#init.name);
      process.stderr.write(`${this.#init.name}: ${message}\n`);
      process.exit(exitCode);
    }
    process.exit(0);
  }

  /** Mount (puffs_mount(3)). When it resolves requests are served, by hand or by us. Rejects with why not; then nothing is mounted. */
  async mount(directory: string, mounting: UsermountMounting = {}): Promise<void> {
    if (this.#state !== "before mount" || this.#mounting) throw new Errno("EBUSY");
    this.#mounting = this.#mount(directory, mounting);
    enter(this);
    try {
      await this.#mounting;
    } catch (error) {
      leave(this);
      throw error;
    } finally {
      this.#mounting = undefined;
    }
  }

  async #mount(directory: string, { options = "", byHand = false }: UsermountMounting) {
    const { mount } = await import("../mount.ts");
    const { parseOptions } = await import("../options/parse.ts");
    const { failureOf } = await import("../failure.ts");
    try {
      const live = await mount({
        plugin: this.#plugin(),
        special: this.#init.from,
        directory,
        options: parseOptions([options]),
        log: this.#log,
        wishes: this.#wishes(),
        ...(this.#has("OPDUMP") && { trace: (line: string) => this.#log.info(line) }),
        ...(byHand && {
          engine: (parts) => {
            this.#dispatcher = new Dispatcher(parts);
            return this.#dispatcher;
          },
        }),
      });
      this.#live = live;
      this.#state = "running";
      live.ended.then(() => this.#ended());
      this.#loop.start();
      this.#reporter?.mounted(live.directory);
    } catch (error) {
      this.#reporter?.failed(failureOf(error, this.#init.name));
      throw error;
    }
  }

  /** Until the mount has ended: in order ("unmounted"), or its descriptor said otherwise ("failed"). */
  async mainloop(): Promise<Ending> {
    if (!this.#live) throw ENOTCONN;
    return this.#live.ended;
  }

  /**
   * Unmount; a busy mount is detached after `grace` seconds. One that is about to be mounted is unmounted when it is. Rejects with why it
   * cannot be; then it goes on running.
   */
  async unmount(grace?: number): Promise<void> {
    await this.#mounting?.catch(() => {});
    if (this.#state === "running") await this.#unmount(grace);
  }

  /** End it, busy or not, and all that belongs to it (puffs_exit(3)). One that is about to be mounted is ended when it is. */
  async exit(): Promise<void> {
    await this.#mounting?.catch(() => {});
    const live = this.#live;
    if (!live) {
      this.#ended();
      return;
    }
    if (this.#dispatcher) this.#dispatcher.end();
    else if (this.#state !== "unmounted") await this.#unmount(0);
    await live.ended;
  }

  async #unmount(grace: number | undefined): Promise<void> {
    this.#state = "unmounting";
    try {
      await this.#live?.unmount(grace);
    } catch (error) {
      if (this.#state === "unmounting") this.#state = "running";
      throw error;
    }
  }

  /** A request that was read from `selectable` of a mount by hand (puffs_dispatch_create(3)). Throws ENOTCONN for other mounts. */
  dispatchCreate(request: Uint8Array): Dispatch {
    if (!this.#dispatcher) throw ENOTCONN;
    return this.#dispatcher.create(request);
  }

  #has(flag: NonNullable<UsermountInit<N, S, P>["flags"]>[number]): boolean {
    return this.#init.flags?.includes(flag) ?? false;
  }

  #ended(): void {
    this.#state = "unmounted";
    this.#loop.stop();
    leave(this);
  }

  #wishes() {
    const { flags = [], rootInfo, handles, cookieHash, maxRequestLength, onError } = this.#init;
    const wishes = wishesOf(new Set(flags));
    return {
      ...wishes,
      ...(maxRequestLength !== undefined && { maxWrite: writeRoom(maxRequestLength) }),
      puffs: {
        ...wishes.puffs,
        maxRequest: maxRequestLength,
        root: rootInfo,
        handles,
        cookieHash,
        onError,
      },
    };
  }

  #plugin(): Plugin {
    const { name } = this.#init;
    const fileSystem = this.#fileSystem();
    return {
      name,
      description: name,
      start: ({ usermount }) => {
        this.#usermount = usermount;
        return fileSystem;
      },
    };
  }

  /** The operations with all that is to be around them. */
  #fileSystem(): AnyFileSystem {
    const { before, after, nodeOf, modifyName, timeouts, keepsContent, readOnly } = this.#init;
    const root = this.#root;
    if (!root) throw new Errno("EINVAL", "setRoot() comes before mount()");
    const nodeNames = Object.keys(NODE_OPERATIONS);
    const fsNames = Object.keys(FILE_SYSTEM_OPERATIONS);
    let { node, fs = {} } = this.#init;
    if (this.#has("BUILDPATH")) {
      if (!this.paths.of((nodeOf ?? itself)(root)))
        throw new Errno("EINVAL", "paths begin with the root's: setRoot(node, path)");
      const how = {
        paths: this.paths,
        ...(nodeOf && { nodeOf }),
        ...(modifyName && { modifyName }),
      };
      this.#wrapped = withPaths(node, how);
      node = this.#wrapped.node;
    }
    const begin = () => {
      this.#loop.touch();
      before?.();
    };
    const end = () => after?.();
    node = surround(node, nodeNames, begin, end);
    fs = surround(fs, fsNames, begin, end);
    const { unmount } = fs;
    fs = withInstead(fs, fsNames, {
      unmount: async (pid?: number) => {
        const before = this.#state;
        if (before === "running") this.#state = "unmounting";
        try {
          const refused = await unmount?.call(fs, pid);
          if (refused instanceof Errno) throw refused;
        } catch (error) {
          this.#state = before;
          throw error;
        }
      },
    });
    return {
      root,
      node,
      fs,
      ...(timeouts && { timeouts }),
      ...(keepsContent !== undefined && { keepsContent }),
      ...(readOnly !== undefined && { readOnly }),
    };
  }
}

/** Bytes of a write in a request of so many. */
function writeRoom(maxRequestLength: number): number {
  return Math.max(4096, longestMessage(maxRequestLength) - 4096);
}

const SILENT: Log = { info: () => {}, warn: () => {}, error: () => {} };
