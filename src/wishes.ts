/** What a mount wants of the protocol, apart from its file system. */
export interface Wishes {
  /** Seconds; undefined: what the file system says, else the default. */
  readonly attributeTimeout?: number | undefined;
  readonly entryTimeout?: number | undefined;
  readonly negativeTimeout?: number | undefined;
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
  /** Milliseconds after which a pending operation is answered ETIMEDOUT. */
  readonly deadline?: number | undefined;
  /** Whom to serve; others get EACCES. */
  readonly admits?: ((uid: number) => boolean) | undefined;
  readonly trace?: ((line: string) => void) | undefined;
}

/** A bug in a plugin, or a message that is not of the protocol: what happened, and the cause with its stack. */
export type Report = (message: string, cause?: unknown) => void;
