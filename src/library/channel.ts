import type { Duplex } from "node:stream";
import type { Socket } from "bun";
import { DescriptorChannel } from "./descriptor-channel.ts";
import { BunSocketChannel, StreamChannel } from "./socket-channel.ts";

/** Something to talk over, of which no call waits. What calls throw has an errno name in `code`. */
export interface Channel {
  /** Bytes that have come, into `into`: how many; 0: none now; null: no more will come. */
  read(into: Uint8Array): number | null;
  /** How many bytes were taken; 0: none now. */
  write(from: Uint8Array): number;
  /** Whether nothing can be written any more, as far as is known. */
  readonly closed: boolean;
  /**
   * Calls back once, later, when `read` may have something to say, also if it has already. Takes the place of an earlier wish;
   * undefined: no more.
   */
  whenReadable(tell: (() => void) | undefined): void;
  /** Likewise for `write`. */
  whenWritable(tell: (() => void) | undefined): void;
  /** Calls back once, later, when it is closed, as soon as that is known. Left out: the next write tells. */
  whenClosed?(tell: () => void): void;
  /** Let go of it: the descriptor is closed, the socket ended. */
  close(): void;
}

/** An open descriptor, a socket or another duplex stream of Node's, a connection of Bun's, or a channel already. */
export type Talkable = number | Duplex | Socket<unknown> | Channel;

/**
 * A channel over what is open. A descriptor is made non-blocking, and a thread waits for it: for many connections
 * use sockets. A stream must have no other reader. Of a connection made by Bun.connect the handlers are replaced, so hand it over in the
 * same turn as it is connected.
 */
export function channelOf(what: Talkable): Channel {
  if (typeof what === "number") return new DescriptorChannel(what);
  if ("whenReadable" in what) return what;
  return "reload" in what ? new BunSocketChannel(what) : new StreamChannel(what);
}
