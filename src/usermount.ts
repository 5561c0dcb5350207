/**
 * A plugin's hold on its own mount: tell the kernel what changed behind its back, and end. Every call may be made at
 * any time, within an operation too, and none blocks the server: messages go to the kernel from a thread of their own, in order.
 * Each promise settles when the kernel has taken the message. A node or name that the kernel does not know is no error.
 * Calls that this kernel or door cannot do reject with ENOSYS.
 *
 * Await them outside operations only: the kernel may have to wait for the very operation to end.
 */
export interface Usermount {
  /** Where it is mounted: an absolute path. */
  readonly directory: string;

  /**
   * Attributes and cached content of `node` have changed: bytes from `offset` on, `length` of them, 0 meaning to the end.
   * An offset below 0 leaves the content alone. Linux: FUSE_NOTIFY_INVAL_INODE; puffs: PUFFS_INVAL_PAGECACHE_NODE (range).
   */
  invalidateNode(node: object, offset?: number, length?: number): Promise<void>;

  /**
   * Changed content that the kernel has not brought yet is written now: bytes from `offset` on, `length` of them, 0 meaning to the end.
   * puffs: PUFFS_FLUSH_PAGECACHE_NODE (range). Linux: by FUSE_NOTIFY_INVAL_INODE, which writes before it forgets.
   */
  flushNode(node: object, offset?: number, length?: number): Promise<void>;

  /** The name is to be looked up again. Linux: FUSE_NOTIFY_INVAL_ENTRY; puffs: PUFFS_INVAL_NAMECACHE_NODE. */
  invalidateName(directory: object, name: string): Promise<void>;

  /** All names in a directory are to be looked up again. puffs: PUFFS_INVAL_NAMECACHE_DIR. Linux cannot say so: all names of the mount. */
  invalidateNames(directory: object): Promise<void>;

  /** Like `invalidateName`, but what is mounted or open below stays: only the time out is brought forward. */
  expireName(directory: object, name: string): Promise<void>;

  /** Nobody believes any name any more. Linux 6.16 and later: FUSE_NOTIFY_INC_EPOCH; puffs: PUFFS_INVAL_NAMECACHE_ALL. */
  invalidateAllNames(): Promise<void>;

  /** `name`, which was `node`, is gone: watchers (inotify(7)) are told. Linux: FUSE_NOTIFY_DELETE. */
  announceRemoved(directory: object, name: string, node: object): Promise<void>;

  /** Put bytes into the page cache of a node. Linux: FUSE_NOTIFY_STORE. */
  store(node: object, offset: number, content: Uint8Array): Promise<void>;

  /** What the page cache holds of a node: from `offset` on, at most `length` bytes, short where it holds none. Linux: FUSE_NOTIFY_RETRIEVE. */
  retrieve(node: object, offset: number, length: number): Promise<Uint8Array>;

  /** Ask the kernel to forget these nodes where it can; `reclaim` follows for those. Linux 6.18 and later: FUSE_NOTIFY_PRUNE. */
  prune(nodes: Iterable<object>): Promise<void>;

  /** Ask the kernel to send again what is not answered. Linux 6.9 and later: FUSE_NOTIFY_RESEND. */
  resend(): Promise<void>;

  /** Ask the kernel to suspend the file system for a snapshot (puffs_suspend(3)): no kernel can, and EOPNOTSUPP is what NetBSD's says. */
  suspend(): Promise<void>;

  /** Whether the kernel holds the node (it was handed out and not reclaimed). */
  knows(node: object): boolean;

  /**
   * Unmount: new requests are refused, `fs.unmount` is called, the program ends. A busy mount is detached (MNT_DETACH). `failure` says, in
   * a line, why the file system cannot go on: the mount is then said to have failed, and the exit code is not 0.
   */
  unmount(failure?: string): Promise<void>;
}
