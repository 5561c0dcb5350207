import { setReceiveBuffer, setSendBuffer } from "../../ffi/seqpacket.ts";
import { messageOf } from "../failure.ts";

/** Room for what goes through a socket in either direction. Without it long messages do not pass: a warning. */
export function makeRoom(socket: number, bytes: number, warn: (message: string) => void): void {
  try {
    setSendBuffer(socket, bytes);
    setReceiveBuffer(socket, bytes);
  } catch (error) {
    warn(`a socket has no room for ${bytes} bytes: ${messageOf(error)}`);
  }
}
