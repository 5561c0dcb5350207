/** Local sockets, and descriptors sent over them (SCM_RIGHTS, see unix(7) and cmsg(3)). */
import { constants } from "node:os";
import { bind, check, cstring, errno, SystemError } from "./libc.ts";
import { Message, SCM_RIGHTS } from "./message.ts";

/** `"dgram"` is for messages without a connection. */
export type SocketType = "stream" | "dgram" | "seqpacket";

/**
 * Two connected local sockets, closed on exec. "seqpacket" keeps the bounds of messages. Throws
 * SystemError.
 */
export function socketPair(type: "stream" | "seqpacket"): [number, number] {
  const pair = new Int32Array(2);
  check(libc.socketpair(AF_UNIX, TYPES[type] | SOCK_CLOEXEC, 0, pair), "socketpair");
  const [first = -1, second = -1] = pair;
  return [first, second];
}

/**
 * A new local socket, closed on exec, that `prepare` has bound or connected; closed again if that throws. Throws SystemError.
 */
export function openSocket(
  type: SocketType,
  nonBlocking: boolean,
  prepare: (fd: number) => void,
): number {
  const flags = SOCK_CLOEXEC | (nonBlocking ? SOCK_NONBLOCK : 0);
  const fd = check(libc.socket(AF_UNIX, TYPES[type] | flags, 0), "socket");
  try {
    prepare(fd);
    return fd;
  } catch (error) {
    libc.close(fd);
    throw error;
  }
}

/** bind(2) to a path, which must not exist. Throws SystemError: EADDRINUSE, ENAMETOOLONG from 108 bytes on. */
export function bindSocket(fd: number, path: string): void {
  const address = addressOf(path);
  check(libc.bind(fd, address, address.length), "bind", path);
}

/** connect(2) to a path. Throws SystemError: ENOENT, ECONNREFUSED, EACCES, EPROTOTYPE (a socket of another kind). */
export function connectSocket(fd: number, path: string): void {
  const address = addressOf(path);
  for (;;) {
    if (libc.connect(fd, address, address.length) === 0) return;
    const error = errno();
    if (error !== constants.errno.EINTR) throw new SystemError("connect", error, path);
  }
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

/** A struct sockaddr_un: the family, the path, a NUL. */
function addressOf(path: string): Uint8Array {
  const text = cstring(path);
  // An empty path would be an address that the kernel makes up.
  if (text.length === 1) throw new SystemError("bind", constants.errno.ENOENT, '""');
  if (text.length > PATH) throw new SystemError("bind", constants.errno.ENAMETOOLONG, path);
  const address = new Uint8Array(2 + text.length);
  address[0] = AF_UNIX;
  address.set(text, 2);
  return address;
}

/** Bytes of a socket's path with its NUL. */
const PATH = 108;

// <sys/socket.h>, the same on x86-64 and arm64
const AF_UNIX = 1;
const TYPES = { stream: 1, dgram: 2, seqpacket: 5 };
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;

const libc = bind({
  socketpair: { args: ["i32", "i32", "i32", "ptr"], returns: "i32" },
  socket: { args: ["i32", "i32", "i32"], returns: "i32" },
  bind: { args: ["i32", "ptr", "u32"], returns: "i32" },
  connect: { args: ["i32", "ptr", "u32"], returns: "i32" },
  close: { args: ["i32"], returns: "i32" },
});
