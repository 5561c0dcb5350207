/** Local sockets with a path that keep the bounds of messages, and who is at their other end (see unix(7)). */
import { constants } from "node:os";
import { bind, check, errno, SystemError } from "./libc.ts";
import { Message, SCM_CREDENTIALS, SOL_SOCKET } from "./message.ts";
import { bindSocket, connectSocket, openSocket } from "./socket.ts";

/** A process, as the kernel vouches for it: effective user and group. */
export interface Credentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** What `receiveMessage` answers. */
export interface Received {
  /** Bytes of the message, more than the buffer has if the rest was cut off. 0 also if the peer has closed. */
  readonly length: number;
  /** Of who wrote it; null without SO_PASSCRED, also if it was not yet set when that was written, and at the end. */
  readonly credentials: Credentials | null;
}

/**
 * A socket that listens at `path`, which must not exist, non-blocking and closed on exec. Who may connect is who may write to the
 * path: its mode follows the umask. `backlog`: how many may wait. Throws SystemError: EADDRINUSE, ENAMETOOLONG from 108 bytes on.
 */
export function listenSeqpacket(path: string, backlog = 128): number {
  return openSocket("seqpacket", true, (fd) => {
    bindSocket(fd, path);
    check(libc.listen(fd, backlog), "listen", path);
  });
}

/** The next who connects, closed on exec and blocking; null if nobody waits, or has gone again. Throws SystemError. */
export function acceptSeqpacket(listener: number): number | null {
  for (;;) {
    const fd = libc.accept4(listener, null, null, SOCK_CLOEXEC);
    if (fd >= 0) return fd;
    const error = errno();
    if (error === EINTR) continue;
    if (error === EAGAIN || error === ECONNABORTED) return null;
    throw new SystemError("accept4", error);
  }
}

/**
 * Connects to who listens at `path`; waits while its backlog is full. The socket is blocking and closed on exec. Throws
 * SystemError: ENOENT, ECONNREFUSED (nobody listens), EACCES, EPROTOTYPE (a socket of another kind).
 */
export function connectSeqpacket(path: string): number {
  return openSocket("seqpacket", false, (fd) => connectSocket(fd, path));
}

/**
 * Room for what is sent and not yet read, in bytes: no message can be longer than the result less 32. Answers what the kernel made
 * of it: twice as much as asked for, within net.core.wmem_max unless the caller has CAP_NET_ADMIN. Throws SystemError.
 */
export function setSendBuffer(fd: number, bytes: number): number {
  return setBuffer(fd, bytes, SO_SNDBUFFORCE, SO_SNDBUF);
}

/** Likewise for what is received, within net.core.rmem_max. Local sockets of Linux count the sender's room only. */
export function setReceiveBuffer(fd: number, bytes: number): number {
  return setBuffer(fd, bytes, SO_RCVBUFFORCE, SO_RCVBUF);
}

/** Who connected, or, on the side that did, who listened (at that moment). Of a socket pair: who made it. Throws SystemError. */
export function peerCredentials(fd: number): Credentials {
  const ucred = new Uint8Array(UCRED);
  const size = Uint32Array.of(UCRED);
  check(libc.getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ucred, size), "getsockopt");
  return credentialsOf(new DataView(ucred.buffer));
}

/** The supplementary groups of who connected, see `peerCredentials`. Throws SystemError. */
export function peerGroups(fd: number): number[] {
  const groups = new Uint32Array(MOST_GROUPS);
  const size = Uint32Array.of(groups.byteLength);
  check(libc.getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, size), "getsockopt");
  return [...groups.subarray(0, (size[0] ?? 0) / 4)];
}

/** From now on the kernel notes down who sends each message to this socket, or no longer. Throws SystemError. */
export function passCredentials(fd: number, on = true): void {
  setOption(fd, SO_PASSCRED, on ? 1 : 0);
}

/**
 * The next message, with the credentials of its sender; null if there is none yet and the socket is non-blocking, or `wait` is false.
 * `peek` leaves it there. Descriptors that come along are closed by the kernel. Throws SystemError.
 */
export function receiveMessage(
  fd: number,
  buffer: Uint8Array,
  { peek = false, wait = true }: { readonly peek?: boolean; readonly wait?: boolean } = {},
): Received | null {
  const message = new Message(buffer, UCRED);
  const flags = (peek ? MSG_PEEK : 0) | (wait ? 0 : MSG_DONTWAIT);
  const length = message.receive(fd, MSG_TRUNC | flags);
  if (length === -EAGAIN) return null;
  if (length < 0) throw new SystemError("recvmsg", -length);
  const ucred = message.attached(SCM_CREDENTIALS);
  const credentials = ucred === null ? null : credentialsOf(ucred);
  // Of what was sent before anybody asked, the kernel says that process 0 of user 65534 ("nobody") wrote it.
  return { length, credentials: credentials?.pid === 0 ? null : credentials };
}

/** Ends the connection for every process that holds it: who reads gets the end, who writes EPIPE. ENOTCONN is no error. */
export function shutdown(fd: number): void {
  if (libc.shutdown(fd, SHUT_RDWR) === 0) return;
  const error = errno();
  if (error !== ENOTCONN) throw new SystemError("shutdown", error);
}

function setBuffer(fd: number, bytes: number, force: number, option: number): number {
  try {
    setOption(fd, force, bytes);
  } catch (error) {
    if (!(error instanceof SystemError && error.code === "EPERM")) throw error;
    setOption(fd, option, bytes);
  }
  const value = new Int32Array(1);
  check(libc.getsockopt(fd, SOL_SOCKET, option, value, Uint32Array.of(4)), "getsockopt");
  return value[0] ?? 0;
}

function setOption(fd: number, option: number, value: number): void {
  check(libc.setsockopt(fd, SOL_SOCKET, option, Int32Array.of(value), 4), "setsockopt");
}

/** A struct ucred. */
function credentialsOf(ucred: DataView): Credentials {
  return {
    pid: ucred.getInt32(0, true),
    uid: ucred.getUint32(4, true),
    gid: ucred.getUint32(8, true),
  };
}

const { EAGAIN, ECONNABORTED, EINTR, ENOTCONN } = constants.errno;

/** NGROUPS_MAX of <linux/limits.h>. */
const MOST_GROUPS = 65536;

/** Bytes of a struct ucred. */
const UCRED = 12;

// <sys/socket.h>, the same on x86-64 and arm64
const SOCK_CLOEXEC = 0o2000000;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const SO_PASSCRED = 16;
const SO_PEERCRED = 17;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const SO_PEERGROUPS = 59;
const MSG_PEEK = 0x2;
const MSG_TRUNC = 0x20;
const MSG_DONTWAIT = 0x40;
const SHUT_RDWR = 2;

const libc = bind({
  listen: { args: ["i32", "i32"], returns: "i32" },
  accept4: { args: ["i32", "ptr", "ptr", "i32"], returns: "i32" },
  getsockopt: { args: ["i32", "i32", "i32", "ptr", "ptr"], returns: "i32" },
  setsockopt: { args: ["i32", "i32", "i32", "ptr", "u32"], returns: "i32" },
  shutdown: { args: ["i32", "i32"], returns: "i32" },
});
