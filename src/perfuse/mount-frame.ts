import { Errno } from "../errno.ts";
import { viewOf } from "../frame.ts";
import { decodeName, encodeName, nameLength } from "../name.ts";
import { bytes, i32, opaque64, struct, u32 } from "../struct.ts";

/** What perfuse_mount(3) asks of perfused: the first message of a daemon. */
export interface MountFrame {
  /** What is mounted, as mount(8) shows it. */
  readonly source?: string | undefined;
  /** The directory: an absolute path. */
  readonly target: string;
  /** The daemon's word for its file system, such as "glusterfs". */
  readonly type?: string | undefined;
  /** NetBSD's MNT_* (`MountFlags` of src/puffs/flags.ts), 32 bits. */
  readonly flags: number;
  /** Words separated by commas, as in the last argument of Linux' mount(2). */
  readonly data?: string | undefined;
  /** Where the daemon's own socket is bound: for datagrams only. */
  readonly socket?: string | undefined;
}

/**
 * The head of the frame as perfuse_if.h of NetBSD's libperfuse has it on a 64-bit machine. It begins as fuse_out_header does, so
 * that one reader serves both. The lengths are those of the strings that follow, each with its NUL; 0 is for none.
 */
export const MountHeader = struct({
  len: u32,
  error: i32,
  unique: opaque64,
  magic: bytes(9),
  sourceLen: u32,
  targetLen: u32,
  typeLen: u32,
  flags: u32,
  dataLen: u32,
  socketLen: u32,
});

/** Bytes of the longest frame that is believed. Paths and options of mount(2) have a page each at most. */
export const LONGEST_FRAME = 32768;

/** The message's bytes. Throws an Errno: EINVAL for a NUL in a text or a target that is not absolute, ENAMETOOLONG. */
export function encodeMountFrame(frame: MountFrame): Uint8Array {
  checkTarget(frame.target, "EINVAL");
  const texts = textsOf(frame).map((text) => (text === undefined ? NOTHING : terminated(text)));
  const [source = NOTHING, target = NOTHING, type = NOTHING, data = NOTHING, socket = NOTHING] =
    texts;
  const len = texts.reduce((sum, text) => sum + text.length, MountHeader.size);
  if (len > LONGEST_FRAME) throw new Errno("ENAMETOOLONG", `a mount frame of ${len} bytes`);
  const message = new Uint8Array(len);
  MountHeader.write(viewOf(message), 0, {
    len,
    error: 0,
    unique: NO_NUMBER,
    magic: MAGIC,
    sourceLen: source.length,
    targetLen: target.length,
    typeLen: type.length,
    flags: frame.flags >>> 0,
    dataLen: data.length,
    socketLen: socket.length,
  });
  let at = MountHeader.size;
  for (const text of texts) {
    message.set(text, at);
    at += text.length;
  }
  return message;
}

/** What a message says. Throws an Errno, EPROTO with what is wrong, unless every byte of it is accounted for. */
export function decodeMountFrame(message: Uint8Array): MountFrame {
  if (message.length < MountHeader.size) throw refusal(`${message.length} bytes are too short`);
  const header = MountHeader.read(viewOf(message), 0);
  if (header.magic.some((byte, index) => byte !== MAGIC[index]))
    throw refusal("it has not the magic word");
  if (header.len !== message.length)
    throw refusal(`it is of ${message.length} bytes and says ${header.len}`);
  const { sourceLen, targetLen, typeLen, dataLen, socketLen } = header;
  const sum = MountHeader.size + sourceLen + targetLen + typeLen + dataLen + socketLen;
  if (sum !== header.len)
    throw refusal(`its parts are of ${sum} bytes, all of it of ${header.len}`);
  let at = MountHeader.size;
  const text = (name: string, length: number): string | undefined => {
    if (length === 0) return undefined;
    const end = at + length - 1;
    if (message.indexOf(0, at) !== end) throw refusal(`its ${name} does not end with its only NUL`);
    const value = decodeName(message, at, end);
    at = end + 1;
    return value;
  };
  const source = text("source", sourceLen);
  const target = text("target", targetLen);
  const type = text("type", typeLen);
  const data = text("data", dataLen);
  const socket = text("socket", socketLen);
  if (target === undefined) throw refusal("it has no target");
  checkTarget(target, "EPROTO");
  return { source, target, type, flags: header.flags, data, socket };
}

function textsOf({ source, target, type, data, socket }: MountFrame) {
  return [source, target, type, data, socket];
}

function checkTarget(target: string, code: "EINVAL" | "EPROTO"): void {
  if (!target.startsWith("/"))
    throw new Errno(code, `${JSON.stringify(target)} is not an absolute path`);
}

function terminated(text: string): Uint8Array {
  if (text.includes("\0")) throw new Errno("EINVAL", `a NUL in ${JSON.stringify(text)}`);
  const ended = new Uint8Array(nameLength(text) + 1);
  encodeName(text, ended, 0);
  return ended;
}

function refusal(why: string): Errno {
  return new Errno("EPROTO", `the mount frame is refused: ${why}`);
}

const MAGIC = new TextEncoder().encode("noFuseRq\0");
const NOTHING = new Uint8Array();

/** In the place of a request's number. */
const NO_NUMBER = 2n ** 64n - 1n;
