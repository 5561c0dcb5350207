import type { FileSystem } from "../plugin.ts";
import type { Log } from "../session.ts";
import type { Usermount } from "../usermount.ts";
import type { PerfuseNode } from "./node.ts";
import type { RouteName } from "./routes/pick.ts";

export type { PerfuseNode } from "./node.ts";
export type { RouteName } from "./routes/pick.ts";

/** A FUSE daemon as a command, and how it is hosted. What is left out is decided by what the daemon is, or asked for by default. */
export interface HostedCommand {
  /** The program, found along PATH, and its arguments; `{}` in these stands for the mount point that the daemon is told. */
  readonly command: readonly string[];
  /** The mount that the daemon's file system is served by: it ends when the daemon does. */
  readonly usermount: Usermount;
  /** Gets what the daemon says, and how it ended. */
  readonly log: Log;
  /** How the daemon gets its socket. */
  readonly route?: RouteName | undefined;
  /** Minor version of the protocol to offer: 12 to 45. */
  readonly minor?: number | undefined;
  /** Bytes of a READ at most. */
  readonly maxRead?: number | undefined;
  /** The daemon is asked who may do what (ACCESS); left out: modes and owners decide. */
  readonly access?: boolean | undefined;
  /** Files are made by CREATE, until the daemon does not know it; left out: true. */
  readonly create?: boolean | undefined;
  /** Milliseconds until the daemon must answer INIT; left out: 30,000. */
  readonly patience?: number | undefined;
  /** When the daemon dies it is started again, and the mount stays; left out: the mount ends. */
  readonly restart?: boolean | undefined;
}

/**
 * Starts a FUSE daemon, whoever wrote it, plays the kernel to it and answers what it serves as a file system, whose `fs.unmount` ends it.
 * Rejects with an error that says how the daemon ended and what it said, if it does not come to be one.
 */
export async function hostCommand(options: HostedCommand): Promise<FileSystem<PerfuseNode>> {
  // Loaded when it is asked for: every plugin would wait for it.
  const { superviseCommand } = await import("./supervise.ts");
  return superviseCommand(options);
}
