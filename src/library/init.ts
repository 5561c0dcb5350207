import type { FileSystemOperations, NodeOperations } from "../operations.ts";
import type { FileSystem } from "../plugin.ts";
import type { Log } from "../session.ts";
import type { PuffsWishes } from "../wishes.ts";
import type { PuffsFlag } from "./flags.ts";
import type { PuffsNode } from "./node.ts";
import type { Pathlike, PathRules } from "./path.ts";
import type { PathFramework } from "./with-paths.ts";

/** The data of the library's nodes, where the operations' are such. */
export type DataOf<N> = N extends PuffsNode<infer Data> ? Data : unknown;

/** All that is settled before a mount: the arguments of puffs_init(3), and of what may be called between it and puffs_mount(3). */
export interface UsermountInit<N extends object, S, P extends Pathlike>
  extends Pick<FileSystem<N>, "timeouts" | "keepsContent" | "readOnly"> {
  /** The type: shown as "puffs|name", or "fuse.name" on Linux. */
  readonly name: string;
  /** Shown as what is mounted. Left out: the name. */
  readonly from?: string;
  readonly node: NodeOperations<N>;
  readonly fs?: FileSystemOperations<N>;
  readonly flags?: readonly PuffsFlag[];
  /** The file system's own: `specific` of the mount. */
  readonly specific?: S;
  /** What the root is to NetBSD's kernel, by the VT_ number of its kind, if it is no directory (puffs_setrootinfo(3)). Linux asks for attributes. */
  readonly rootInfo?: PuffsWishes["root"];
  /** Bytes of the longest request, the data in it less 4096: 8192 to 131072 on NetBSD; on Linux the longest write (puffs_setmaxreqlen(3)). */
  readonly maxRequestLength?: number;
  /** Of file handles for NFS: bytes, and FhFlags (puffs_setfhsize(3)). Left out: as long as `nodetofh` makes them. Linux has its own. */
  readonly handles?: PuffsWishes["handles"];
  /** Buckets for nodes in NetBSD's kernel (puffs_setncookiehash(3)). */
  readonly cookieHash?: number;
  /** Accepted for old programs, and of no use (puffs_setstacksize(3)): an operation that waits has no stack. */
  readonly stackSize?: number;
  /** Other paths than those with slashes (puffs_set_pathbuild and its like). */
  readonly pathRules?: PathRules<P>;
  /** Which of the library's nodes an operation's node is (puffs_set_cmap). Left out: they are the same. */
  readonly nodeOf?: PathFramework<N, P>["nodeOf"];
  /** See PathFramework (puffs_set_namemod). */
  readonly modifyName?: PathFramework<N, P>["modifyName"];
  /** Called before each operation, and when it has ended (puffs_set_prepost). */
  readonly before?: () => void;
  readonly after?: () => void;
  /** The kernel has refused a reply (puffs_set_errnotify). Left out: it is logged. Linux does not say what was wrong. */
  readonly onError?: PuffsWishes["onError"];
  /** For messages to people. Left out: there are none. */
  readonly log?: Log;
}
