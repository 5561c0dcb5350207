/** What a mount wants of the protocol, apart from its file system. */
export interface Wishes {
  /** Seconds; undefined: what the file system says, else the default. */
  readonly attributeTimeout?: number | undefined;
  readonly entryTimeout?: number | undefined;
  readonly negativeTimeout?: number | undefined;
  /** No name is believed, whatever the file system says of it. */
  readonly noNames?: boolean | undefined;
  readonly directIo?: boolean | undefined;
  readonly kernelCache?: boolean | undefined;
  readonly writeback?: boolean | undefined;
  readonly maxRead?: number | undefined;
  readonly maxWrite?: number | undefined;
  readonly maxReadahead?: number | undefined;
  readonly maxBackground?: number | undefined;
  readonly congestionThreshold?: number | undefined;
  /** On puffs: more of the kernel's flags (PUFFS_KFLAG_*) than follow from the rest. */
  readonly puffsFlags?: number | undefined;
  /** Likewise: what of struct puffs_kargs does not follow from the file system. */
  readonly puffs?: PuffsWishes | undefined;
  /** Nothing can be changed: the kernel sees to it. */
  readonly readOnly?: boolean | undefined;
  /** Milliseconds after which a pending operation is answered ETIMEDOUT. */
  readonly deadline?: number | undefined;
  /** Whom to serve; others get EACCES. */
  readonly admits?: ((uid: number) => boolean) | undefined;
  readonly trace?: ((line: string) => void) | undefined;
}

/** What a program may set between puffs_init(3) and puffs_mount(3). */
export interface PuffsWishes {
  /** Bytes of the longest message; the kernel makes of it what it likes, and does not tell. */
  readonly maxRequest?: number | undefined;
  /** Buckets for nodes in the kernel. */
  readonly cookieHash?: number | undefined;
  /** Of file handles: bytes, and PUFFS_FHFLAG_*. */
  readonly handles?: { readonly size: number; readonly flags: number } | undefined;
  /** What the kernel takes the root for: a VT_ number, bytes, the device. */
  readonly root?:
    | { readonly type: number; readonly size: number; readonly device: number }
    | undefined;
  /** PUFFS_FLAG_*, for whoever reads the announcement of a mount. */
  readonly libraryFlags?: number | undefined;
  /** The kernel has refused a reply and says why. Left out: it is reported. */
  readonly onError?: ((fault: KernelFault) => void) | undefined;
}

/** What an ERROR message of the kernel's says: the operation ("LOOKUP"), the error's name, the words, the node's object if it has one. */
export interface KernelFault {
  readonly operation: string;
  readonly error: string;
  readonly text: string;
  readonly node: object | undefined;
}

/** A bug in a plugin, or a message that is not of the protocol: what happened, and the cause with its stack. */
export type Report = (message: string, cause?: unknown) => void;
