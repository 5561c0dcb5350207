import { receive, send, setBlocking, setNonBlocking } from "../ffi/device.ts";
import { limitReceive, receiveOf, sendNow } from "../ffi/stream.ts";

/** A descriptor as an engine of frames reads and writes it; what answers a number answers bytes or a negated errno. */
export interface Line {
  /** Whether `receive` can wait by itself. */
  readonly waits: boolean;
  /** Into the whole buffer: -EAGAIN where nothing is there, or comes within a nap if it is to wait. */
  receive(buffer: Uint8Array, wait: boolean): number;
  /** As much of the first `length` bytes as goes without waiting. */
  send(bytes: Uint8Array, length: number): number;
}

/**
 * Takes a descriptor over. A socket is left blocking: a read that waits for so many microseconds, once, takes the place of one that
 * finds nothing, of poll(2) and of another.
 */
export function lineOf(fd: number, nap: number): Line {
  if (limitReceive(fd, nap)) {
    setBlocking(fd);
    return {
      waits: true,
      receive: (buffer, wait) => receiveOf(fd, buffer, wait),
      send: (bytes, length) => sendNow(fd, bytes, length),
    };
  }
  setNonBlocking(fd);
  return {
    waits: false,
    receive: (buffer) => receive(fd, buffer),
    send: (bytes, length) => send(fd, bytes, length),
  };
}
