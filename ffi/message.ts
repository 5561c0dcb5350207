/** Messages with control data (see cmsg(3)), for the files of this folder. */
import { ptr } from "bun:ffi";
import { constants } from "node:os";
import { bind, errno } from "./libc.ts";

// <sys/socket.h>, the same on x86-64 and arm64
export const SOL_SOCKET = 1;
export const SCM_RIGHTS = 1;
export const SCM_CREDENTIALS = 2;

/**
 * A struct msghdr of one buffer and the room for one control message. musl has int and padding
 * where glibc has size_t; in little-endian the layouts are one.
 */
export class Message {
  /** The buffer: what is sent, or where what is received goes. */
  readonly data: Uint8Array;
  readonly #header = new Uint8Array(new ArrayBuffer(56));
  readonly #vector = new BigUint64Array(2);
  readonly #control: DataView<ArrayBuffer>;
  readonly #size: number;

  /** `size`: bytes of the control message's payload. */
  constructor(data: Uint8Array, size: number) {
    this.data = data;
    this.#size = size;
    this.#control = new DataView(new ArrayBuffer(CMSGHDR + Math.ceil(size / 8) * 8));
    this.#vector[0] = data.length === 0 ? 0n : BigInt(ptr(data));
    this.#vector[1] = BigInt(data.length);
    const header = new DataView(this.#header.buffer);
    header.setBigUint64(16, BigInt(ptr(this.#vector)), true);
    header.setUint32(24, 1, true);
    header.setBigUint64(32, BigInt(ptr(this.#control)), true);
    header.setUint32(CONTROL_LENGTH, this.#control.byteLength, true);
  }

  /** Makes the control message one of this kind and answers its payload, to be filled in. */
  attach(kind: number): DataView {
    this.#control.setUint32(0, CMSGHDR + this.#size, true);
    this.#control.setInt32(8, SOL_SOCKET, true);
    this.#control.setInt32(12, kind, true);
    return this.#payload;
  }

  /** The payload of the control message that was received, if there is one of this kind. */
  attached(kind: number): DataView | null {
    const length = new DataView(this.#header.buffer).getUint32(CONTROL_LENGTH, true);
    if (length < CMSGHDR + this.#size) return null;
    if (this.#control.getUint32(0, true) < CMSGHDR + this.#size) return null;
    if (this.#control.getInt32(8, true) !== SOL_SOCKET) return null;
    return this.#control.getInt32(12, true) === kind ? this.#payload : null;
  }

  /** sendmsg(2), never a SIGPIPE. Bytes sent or a negated errno; asks again after EINTR. */
  send(fd: number): number {
    for (;;) {
      const sent = libc.sendmsg(fd, this.#header, MSG_NOSIGNAL);
      const error = sent < 0 ? errno() : 0;
      if (error !== constants.errno.EINTR) return error === 0 ? sent : -error;
    }
  }

  /**
   * recvmsg(2), once for each Message; descriptors that come are closed on exec. Bytes received or
   * a negated errno; asks again after EINTR.
   */
  receive(fd: number, flags = 0): number {
    for (;;) {
      const received = libc.recvmsg(fd, this.#header, flags | MSG_CMSG_CLOEXEC);
      const error = received < 0 ? errno() : 0;
      if (error !== constants.errno.EINTR) return error === 0 ? received : -error;
    }
  }

  get #payload(): DataView {
    return new DataView(this.#control.buffer, CMSGHDR, this.#size);
  }
}

/** Bytes of a struct cmsghdr. */
const CMSGHDR = 16;
/** Where msg_controllen is. */
const CONTROL_LENGTH = 40;

const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x40000000;

const libc = bind({
  // One message is shorter than 2 GiB, so the low word holds the whole result.
  sendmsg: { args: ["i32", "ptr", "i32"], returns: "i32" },
  recvmsg: { args: ["i32", "ptr", "i32"], returns: "i32" },
});
