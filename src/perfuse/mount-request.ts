import {
  type Credentials,
  passCredentials,
  type Received,
  receiveMessage,
} from "../../ffi/seqpacket.ts";
import { Failure, messageOf, sysexits } from "../failure.ts";
import { decodeMountFrame, LONGEST_FRAME, type MountFrame } from "./mount-frame.ts";

/** What a daemon asks for, and who it is: by the kernel's word, for that message. */
export interface MountRequest {
  readonly frame: MountFrame;
  readonly owner: Credentials;
}

/**
 * The mount frame that waits at a socket, which `passCredentials` was called on before it came; null if there is none
 * yet. `peek` leaves it there for the process that will serve it. Throws a Failure: the daemon has gone, or says
 * something else, or the kernel does not say who it is.
 */
export function receiveMountRequest(
  socket: number,
  { peek = false }: { readonly peek?: boolean } = {},
): MountRequest | null {
  const buffer = new Uint8Array(LONGEST_FRAME);
  const received = receive(socket, buffer, peek);
  if (received === null) return null;
  const { length, credentials } = received;
  if (length === 0 && credentials === null)
    throw refusal("the daemon has gone without a mount frame");
  if (credentials === null) throw refusal("the mount frame came without credentials");
  if (length > buffer.length)
    throw refusal(`the mount frame is refused: ${length} bytes are too long`);
  if (!peek) passCredentials(socket, false);
  try {
    return { frame: decodeMountFrame(buffer.subarray(0, length)), owner: credentials };
  } catch (error) {
    throw refusal(`${messageOf(error)} (process ${credentials.pid}, user ${credentials.uid})`);
  }
}

function receive(socket: number, buffer: Uint8Array, peek: boolean): Received | null {
  try {
    return receiveMessage(socket, buffer, { peek, wait: false });
  } catch (error) {
    throw refusal(`the mount frame cannot be read: ${messageOf(error)}`);
  }
}

function refusal(message: string): Failure {
  return new Failure(message, sysexits.protocol);
}
