import { viewOf } from "../frame.ts";
import { decodeName } from "../name.ts";
import { FramingError } from "./frames.ts";

/** What a server says of its mount at the start of the stream that PUFFS_COMFD names. */
export interface Handshake {
  readonly directory: string;
  readonly from: string;
  /** Flags of mount(2). */
  readonly flags: number;
  /** `struct puffs_kargs` as it came. */
  readonly kargs: Uint8Array;
  /** All flags of puffs_init(3), the library's own among them. */
  readonly libraryFlags: number;
}

/** More than this is no path and no arguments. */
const LONGEST = 65536;

/**
 * Reads the handshake at the beginning of `bytes` and says how long it is; undefined while there is more to come. Nothing is
 * answered to it: frames follow. Throws a FramingError when a length is absurd.
 */
export function readHandshake(
  bytes: Uint8Array,
): { handshake: Handshake; length: number } | undefined {
  const view = viewOf(bytes);
  let at = 0;
  const word = (): number | undefined => {
    if (at + 4 > bytes.length) return undefined;
    at += 4;
    return view.getUint32(at - 4, true);
  };
  const counted = (): Uint8Array | undefined => {
    if (at + 8 > bytes.length) return undefined;
    const size = view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
    if (size > LONGEST) throw new FramingError(`${size} bytes in the handshake`);
    if (at + 8 + size > bytes.length) return undefined;
    at += 8 + size;
    return bytes.slice(at - size, at);
  };
  const directory = counted();
  const from = directory && counted();
  const flags = from && word();
  const kargs = flags === undefined ? undefined : counted();
  const libraryFlags = kargs && word();
  if (!directory || !from || !kargs || flags === undefined || libraryFlags === undefined)
    return undefined;
  const handshake = {
    directory: textOf(directory),
    from: textOf(from),
    flags,
    kargs,
    libraryFlags,
  };
  return { handshake, length: at };
}

/** Text that is sent with its NUL. */
function textOf(bytes: Uint8Array): string {
  if (bytes.at(-1) !== 0) throw new FramingError("text without a NUL");
  return decodeName(bytes, 0, bytes.length - 1);
}
