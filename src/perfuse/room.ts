import { setReceiveBuffer, setSendBuffer } from "../../ffi/seqpacket.ts";
import { messageOf } from "../failure.ts";

/**
 * Makes room for what goes through a socket in either direction, and answers how long a message may surely be, in bytes: what was asked
 * for, or less where the system has a bound and this process no privilege. What fails is a warning.
 */
export function makeRoom(socket: number, bytes: number, warn: (message: string) => void): number {
  try {
    setReceiveBuffer(socket, bytes);
    // The kernel doubles it, for what it keeps with each message.
    return Math.floor(setSendBuffer(socket, bytes) / 2);
  } catch (error) {
    warn(`a socket has no room for ${bytes} bytes: ${messageOf(error)}`);
    return bytes;
  }
}
