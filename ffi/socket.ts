/** Local sockets, and descriptors sent over them (SCM_RIGHTS, see unix(7) and cmsg(3)). */
import { ptr } from "bun:ffi";
import { constants } from "node:os";
import { bind, check, errno, SystemError } from "./libc.ts";

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
  const message = new Message(descriptor);
  for (;;) {
    if (libc.sendmsg(fd, message.header, MSG_NOSIGNAL) >= 0) return;
    const error = errno();
    if (error !== constants.errno.EINTR) throw new SystemError("sendmsg", error);
  }
}

/**
 * Waits for a byte and the descriptor sent with it, which is closed on exec; null if the peer has
 * closed. Throws SystemError, EBADMSG if the byte comes without a descriptor.
 */
export function receiveDescriptor(fd: number): number | null {
  for (;;) {
    const message = new Message(-1);
    const length = libc.recvmsg(fd, message.header, MSG_CMSG_CLOEXEC);
    const error = length < 0 ? errno() : 0;
    if (error === constants.errno.EINTR) continue;
    if (error !== 0) throw new SystemError("recvmsg", error);
    if (length === 0) return null;
    const descriptor = message.descriptor;
    if (descriptor === null) throw new SystemError("recvmsg", constants.errno.EBADMSG);
    return descriptor;
  }
}

/**
 * A struct msghdr of one byte of data and one control message: a struct cmsghdr and the descriptor.
 * musl has int and padding where glibc has size_t; in little-endian the layouts are one.
 */
class Message {
  readonly header = new Uint8Array(new ArrayBuffer(56));
  readonly #vector = new BigUint64Array(2);
  readonly #data = new Uint8Array(1);
  // A cmsghdr of 16 bytes, the descriptor, and padding to a multiple of 8: CMSG_SPACE(4).
  readonly #control = new Uint8Array(new ArrayBuffer(24));

  constructor(descriptor: number) {
    const control = new DataView(this.#control.buffer);
    control.setUint32(0, CMSG_LENGTH, true);
    control.setInt32(8, SOL_SOCKET, true);
    control.setInt32(12, SCM_RIGHTS, true);
    control.setInt32(16, descriptor, true);

    this.#vector[0] = BigInt(ptr(this.#data));
    this.#vector[1] = 1n;

    const header = new DataView(this.header.buffer);
    header.setBigUint64(16, BigInt(ptr(this.#vector)), true);
    header.setUint32(24, 1, true);
    header.setBigUint64(32, BigInt(ptr(this.#control)), true);
    header.setUint32(40, this.#control.length, true);
  }

  /** The descriptor that a received message brought, if any. */
  get descriptor(): number | null {
    const header = new DataView(this.header.buffer);
    const control = new DataView(this.#control.buffer);
    const whole = header.getUint32(40, true) >= CMSG_LENGTH;
    const rights = control.getInt32(8, true) === SOL_SOCKET;
    if (!whole || !rights || control.getInt32(12, true) !== SCM_RIGHTS) return null;
    return control.getInt32(16, true);
  }
}

// <sys/socket.h>, the same on x86-64 and arm64
const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_SEQPACKET = 5;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x40000000;
const CMSG_LENGTH = 20;

const libc = bind({
  socketpair: { args: ["i32", "i32", "i32", "ptr"], returns: "i32" },
  sendmsg: { args: ["i32", "ptr", "i32"], returns: "i32" },
  recvmsg: { args: ["i32", "ptr", "i32"], returns: "i32" },
});
