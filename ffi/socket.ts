/** Local sockets, and descriptors sent over them (SCM_RIGHTS, see unix(7) and cmsg(3)). */
import { constants } from "node:os";
import { bind, check, SystemError } from "./libc.ts";
import { Message, SCM_RIGHTS } from "./message.ts";

/**
 * Two connected local sockets, closed on exec. "seqpacket" keeps the bounds of messages. Throws
 * SystemError.
 */
export function socketPair(type: "stream" | "seqpacket"): [number, number] {
  const pair = new Int32Array(2);
  const kind = type === "stream" ? SOCK_STREAM : SOCK_SEQPACKET;
  check(libc.socketpair(AF_UNIX, kind | SOCK_CLOEXEC, 0, pair), "socketpair");
  const [first = -1, second = -1] = pair;
  return [first, second];
}

/**
 * Sends a copy of `descriptor` with one NUL byte. The caller's own stays open. Throws SystemError.
 */
export function sendDescriptor(fd: number, descriptor: number): void {
  const message = new Message(new Uint8Array(1), DESCRIPTOR);
  message.attach(SCM_RIGHTS).setInt32(0, descriptor, true);
  const sent = message.send(fd);
  if (sent < 0) throw new SystemError("sendmsg", -sent);
}

/**
 * Waits for a byte and the descriptor sent with it, which is closed on exec; null if the peer has
 * closed. Throws SystemError, EBADMSG if the byte comes without a descriptor.
 */
export function receiveDescriptor(fd: number): number | null {
  const message = new Message(new Uint8Array(1), DESCRIPTOR);
  const length = message.receive(fd);
  if (length < 0) throw new SystemError("recvmsg", -length);
  if (length === 0) return null;
  const descriptor = message.attached(SCM_RIGHTS);
  if (descriptor === null) throw new SystemError("recvmsg", constants.errno.EBADMSG);
  return descriptor.getInt32(0, true);
}

/** Bytes of a descriptor. */
const DESCRIPTOR = 4;

// <sys/socket.h>, the same on x86-64 and arm64
const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_SEQPACKET = 5;
const SOCK_CLOEXEC = 0o2000000;

const libc = bind({ socketpair: { args: ["i32", "i32", "i32", "ptr"], returns: "i32" } });
