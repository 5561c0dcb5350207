import type { FilterWishes } from "./filter.ts";

/** One daemon's way to its socket: what a route changes about how it is started. */
export interface Passage {
  /** What the daemon believes to mount on. */
  readonly mountpoint: string;
  /** The program that becomes the daemon's, and the arguments before the daemon's own path and arguments. */
  readonly before?: readonly string[];
  /** Of the environment, what is other for the daemon. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Whether the daemon is born with its socket, as descriptor 3. */
  readonly inherits: boolean;
  readonly filter: FilterWishes;
  /** The process is there. `report` is the listener of a filter that asks. */
  started?(listener: number | undefined): void;
  /** The process that was started has ended: unless it has left another behind, nobody will come any more. */
  forsaken?(): void;
  /** Take away all that was made for it. */
  close(): void;
}

/** What a passage is made for. */
export interface PassageContext {
  /** The daemon's end of the connection. The passage's, which closes it when the daemon has it. */
  readonly socket: number;
  /** Whether the daemon looks for GO_FUSE_MARK. */
  readonly goFuse: boolean;
  /** What is mounted there already with another daemon: in a mount namespace of this daemon it would outlive its unmounting. */
  readonly successorOn: string | undefined;
  readonly warn: (message: string) => void;
}
