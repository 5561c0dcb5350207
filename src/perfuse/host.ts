import type { ErrnoName } from "../errno.ts";
import type { Foreign } from "../fuse/kernel.ts";
import type { FileSystem } from "../plugin.ts";
import type { Usermount } from "../usermount.ts";
import type { Report } from "../wishes.ts";
import { Context, kernelFor, NOBODY } from "./context.ts";
import type { PerfuseNode } from "./node.ts";
import { forgetNames, passOn } from "./notification.ts";
import { attributeOperations } from "./operations/attributes.ts";
import { dataOperations } from "./operations/data.ts";
import { directoryOperations } from "./operations/directories.ts";
import { keepsLocks, lockOperations } from "./operations/locks.ts";
import { nameOperations } from "./operations/names.ts";
import { openOperations, releaseAll } from "./operations/open.ts";
import { fileSystemOperations, otherOperations } from "./operations/others.ts";
import { xattrOperations } from "./operations/xattr.ts";
import type { Notified } from "./session.ts";

/** How a FUSE daemon is hosted: what `host` is given. */
export interface HostOptions {
  /** A connected SOCK_SEQPACKET socket to the daemon, its send buffer as long as the longest message; closed by the hosting. */
  readonly socket: number;
  /** The mount that the daemon's file system is served by: notifications of the daemon are passed on to it. */
  readonly usermount: Usermount;
  /** Ask the daemon with ACCESS, until it does not know it. Left out: permissions are checked here, from attributes. */
  readonly access?: boolean | undefined;
  /** Use CREATE until the daemon does not know it, else MKNOD and OPEN. Left out: true. */
  readonly create?: boolean | undefined;
  /**
   * Tell the daemon of each close(2) with FLUSH, as Linux does, until it does not know it. With false changed files are
   * synced when their last opener is gone, as perfused(8) does. Left out: true.
   */
  readonly flush?: boolean | undefined;
  /** Minor version to offer: 12 to 45. Left out: 13, the last at which libfuse keeps each reply in one message. */
  readonly minor?: number | undefined;
  /** Bytes of a READ at most, for daemons whose longer replies come in pieces. */
  readonly maxRead?: number | undefined;
  /** Milliseconds until INIT must be answered. Left out: 30,000. */
  readonly patience?: number | undefined;
  readonly report: Report;
  /** Sees each exchange: for traces and statistics. */
  readonly observe?: Observer | undefined;
}

/** Sees what is said to the daemon and what it answers. What these throw ends the process: they must not. */
export interface Observer {
  /** A request is sent. One that has no answer (FORGET, INTERRUPT) is ended in the same turn. */
  begin?(exchange: ObservedExchange): void;
  /** It was answered, or never will be; `error` is undefined if it went well. The object is that of `begin`. */
  end?(exchange: ObservedExchange, error: ErrnoName | undefined): void;
  /** Each message as it is on the socket, valid during the call: requests before `begin`, answers before `end`. */
  message?(direction: "sent" | "received", message: Uint8Array): void;
}

/** One request to the daemon. */
export interface ObservedExchange {
  /** One of `Opcode`. */
  readonly opcode: number;
  readonly unique: Foreign;
  readonly nodeid: Foreign;
  /** The last name of the node that it is about; "" for the root, and where there is none (INIT). */
  readonly name: string;
  /** What is looked up, of a LOOKUP. */
  readonly path: string | undefined;
}

/** A daemon that is hosted. */
export interface Hosting {
  readonly fileSystem: FileSystem<PerfuseNode>;
  /** The daemon of now has gone; every request that waited was answered ENOTCONN, as all others are. After `resume` another promise. */
  readonly ended: Promise<void>;
  /** Another daemon takes over at this socket: INIT with it; nodes of the old one are stale, the root is the new root. Rejects like `host`. */
  resume(socket: number): Promise<void>;
  /** RELEASE all, FORGET, DESTROY, wait for the reply, close. What `fs.unmount` of the file system does. */
  close(): Promise<void>;
  /** For the statistics of SIGUSR1: nodes that are known, requests without an answer yet, nodes whose FORGET could not be sent. */
  readonly counts: { readonly nodes: number; readonly exchanges: number; readonly leaked: number };
}

/**
 * Plays the kernel to a FUSE daemon at the other end of a socket: settles the protocol with it (INIT) and answers its file system.
 * Rejects with an Errno that says what was wrong (ETIMEDOUT: no answer; ENOTCONN: it has gone; EPROTO: none of the protocol; else
 * the daemon's own error), the socket closed.
 */
export async function host(options: HostOptions): Promise<Hosting> {
  const context = new Context(options);
  const onNotify: Notified = (notification, session) => passOn(context, session, notification);
  await context.connect(options.socket, onNotify);
  let closing: Promise<void> | undefined;
  const close = (pid = NOBODY) => {
    closing ??= end(context, pid);
    return closing;
  };
  return {
    fileSystem: fileSystemOf(context, close),
    get ended() {
      return context.session.ended;
    },
    async resume(socket) {
      const old = context.session;
      await context.connect(socket, onNotify);
      old.end();
      outdate(context, old.table.all());
    },
    close: () => close(),
    get counts() {
      const { table, kernel } = context.session;
      return { nodes: table.size, exchanges: kernel.waiting, leaked: context.leaked };
    },
  };
}

/** Which operations there are follows from what is offered; from what the first daemon is able to only who keeps the locks. */
function fileSystemOf(
  context: Context,
  close: (pid?: number) => Promise<void>,
): FileSystem<PerfuseNode> {
  const { kernel } = context.session;
  return {
    root: context.root,
    companion: () => context.session.channel,
    fs: { ...fileSystemOperations(context), unmount: close },
    node: {
      ...nameOperations(context),
      ...attributeOperations(context),
      ...openOperations(context),
      ...dataOperations(context),
      ...directoryOperations(context),
      ...xattrOperations(context),
      ...otherOperations(context),
      ...(keepsLocks(context.session) && lockOperations(context)),
    },
    // A flock belongs to an open, and all opens of a node are one to the daemon: Linux keeps these itself, NetBSD cannot.
    locks: { posix: kernel.agreed("POSIX_LOCKS"), flock: false },
  };
}

/** What the kernel believes of the daemon before is not true of this one. */
function outdate({ options }: Context, nodes: Iterable<PerfuseNode>): void {
  const { usermount, report } = options;
  forgetNames(usermount, nodes).catch((cause) =>
    report("the names of the old daemon stay until they time out", cause),
  );
}

/** Everything that is open is released, everything that is known forgotten; then the daemon may end. */
async function end(context: Context, pid: number): Promise<void> {
  const { session } = context;
  if (session.over) return;
  const { kernel, table } = session;
  for (const { foresight } of [...table.all()]) foresight?.drop();
  const nodes = [...table.all()];
  await within(FAREWELL, async () => {
    await Promise.all(nodes.map((node) => releaseAll(context, node, pid)));
    await context.reclaiming.none();
    for (const node of nodes) {
      context.giveBack(node.nodeid, node.nlookup, pid);
      node.nlookup = 0;
    }
    // Some do not know it; none is asked for anything after it.
    await kernel.destroy(kernelFor(pid)).catch(() => {});
  });
  session.end();
}

/** Wait for an action, but not longer than that. */
async function within(milliseconds: number, action: () => Promise<void>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const late = setTimeout(resolve, milliseconds);
  await Promise.race([promise, action()]);
  clearTimeout(late);
}

/** Milliseconds that a daemon has for its last requests. */
const FAREWELL = 5000;
