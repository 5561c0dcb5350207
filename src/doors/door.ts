import type { ParsedOptions } from "../options/parse.ts";
import type { Protocol } from "../protocol.ts";
import type { Log } from "../session.ts";

/** What is mounted, for the one who does it. */
export interface Mounting {
  readonly directory: string;
  /** Shown as the source unless `fsname` says otherwise, and as the type. */
  readonly fsname: string;
  readonly subtype: string;
  /** Whether the kernel checks modes and owners, where it can. */
  readonly checksPermissions: boolean;
  readonly options: ParsedOptions;
  readonly log: Log;
}

/** A way to a kernel. A door is for one mount. */
export interface Door {
  /** Whether the mount is one of this system's: then /proc shows it, umount(8) ends it, and it must not be left behind. */
  readonly isLocal: boolean;
  /** Make sure that `path` can be mounted on, and answer what it is called from now on. Rejects with a Failure. */
  prepare(path: string, log: Log): Promise<string>;
  /** The side of the session; `prepare` answered the directory. */
  protocol(directory: string): Protocol;
  /** Mount, and answer the descriptor of the mount. Rejects with a Failure; then nothing is mounted. */
  attach(mounting: Mounting): Promise<number>;
  /** Unmount; a busy mount is detached after `grace` seconds (0: at once), if it can be. */
  unmount(directory: string, grace: number | undefined): Promise<void>;
}

/** The variable that names the inherited descriptor over which a mount is made, if it is set. */
export const COMFD = "PUFFS_COMFD";
