import { Errno, type ErrnoName } from "../errno.ts";
import { viewOf } from "../frame.ts";
import { encodeName, nameLength } from "../name.ts";
import type { Of } from "../struct.ts";
import { Constants, CredInternal, CredType, Err, Limits, NO_VALUE, NO_VALUE_32 } from "./flags.ts";
import { Kcn, Kcred, PuffsReq, Uucred, type Vattr } from "./structs.ts";

/** In whose name the kernel asks. */
export interface Caller {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups, 16 at most. Left out: none. */
  readonly groups?: readonly number[];
  /** Left out: 0, as are threads that have no process. */
  readonly pid?: number;
  readonly lid?: number;
  /** Not a user but the kernel: writing back pages, or where nobody asks. */
  readonly internal?: keyof typeof CredInternal;
}

/** The kernel itself, without a credential. */
export const NOCRED: Caller = { uid: 0, gid: 0, internal: "NOCRED" };

/** The kernel itself, for the file system: pages that are written back. */
export const FSCRED: Caller = { uid: 0, gid: 0, internal: "FSCRED" };

/** A struct of a message, whatever its fields. */
export interface Layout<T> {
  readonly size: number;
  create(): T;
  read(view: DataView, offset: number): T;
  write(view: DataView, offset: number, source: Readonly<T>): void;
}

/**
 * The reply was not what the protocol allows. `type` and `error` are those of the ERROR message that the server is sent; a number is told
 * as it is.
 */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly type: number;
  readonly error: ErrnoName | number;
  /** What the caller gets. */
  readonly code: ErrnoName = "EPROTO";

  constructor(message: string, type: number = Err.ERROR, error: ErrnoName | number = "EINVAL") {
    super(message);
    this.type = type;
    this.error = error;
  }
}

/** The message with its header empty; fields left out are zero. `more` bytes of data follow the struct. */
export function compose<T extends object>(
  layout: Layout<T>,
  fields: Partial<T> = {},
  more = 0,
): Uint8Array {
  const bytes = new Uint8Array(layout.size + more);
  layout.write(viewOf(bytes), 0, Object.assign(layout.create(), fields));
  return bytes;
}

/** The header, once it is known how long the message is. */
export function putHeader(message: Uint8Array, fields: Partial<Of<typeof PuffsReq>>): void {
  const { length } = message;
  const header = Object.assign(PuffsReq.create(), { framelen: length, buflen: length }, fields);
  PuffsReq.write(viewOf(message), 0, header);
}

export function putCred(message: Uint8Array, at: number, caller: Caller): void {
  const { uid, gid, groups = [], internal } = caller;
  const view = viewOf(message);
  const ngroups = Math.min(groups.length, Limits.NGROUPS);
  if (internal === undefined)
    Kcred.write(view, at, { uuc: { uid, gid, ngroups }, type: CredType.UUC, internal: 0 });
  else
    Kcred.write(view, at, {
      uuc: Uucred.create(),
      type: CredType.INTERNAL,
      internal: CredInternal[internal],
    });
  const list = at + Kcred.offsets["uuc.groups"];
  groups.slice(0, ngroups).forEach((group, i) => {
    view.setUint32(list + 4 * i, group, true);
  });
}

/** A name and what is to become of it. `rest` is what follows it in the path, told with LOOKUP_FULLPNBUF. */
export interface ComponentName {
  readonly name: string;
  readonly nameiop?: number;
  readonly flags?: number;
  readonly rest?: string;
}

export function putComponentName(message: Uint8Array, at: number, cn: ComponentName): void {
  const { name, nameiop = 0, flags = 0, rest = "" } = cn;
  const namelen = nameLength(name);
  if (namelen + nameLength(rest) > Constants.NAMELEN) throw new Errno("ENAMETOOLONG");
  Kcn.write(viewOf(message), at, { nameiop, flags, namelen, consume: 0 });
  encodeName(name + rest, message, at + Kcn.offsets.name);
}

/** Text in an array of `size` bytes; it must leave room for the NUL. */
export function putText(message: Uint8Array, at: number, text: string, size: number): void {
  if (nameLength(text) >= size) throw new Errno("ENAMETOOLONG");
  encodeName(text, message, at);
}

/** VNOVAL in all fields but those given. */
export function vattrOf(fields: Partial<Of<typeof Vattr>> = {}): Of<typeof Vattr> {
  const va: Of<typeof Vattr> = {
    type: 0,
    mode: NO_VALUE_32,
    nlink: NO_VALUE_32,
    uid: NO_VALUE_32,
    gid: NO_VALUE_32,
    fsid: NO_VALUE,
    fileid: NO_VALUE,
    size: NO_VALUE,
    blocksize: NO_VALUE,
    atime: noTime(),
    mtime: noTime(),
    ctime: noTime(),
    birthtime: noTime(),
    gen: NO_VALUE,
    flags: NO_VALUE,
    rdev: NO_VALUE,
    bytes: NO_VALUE,
    filerev: 0,
    vaflags: 0,
  };
  return Object.assign(va, fields);
}

function noTime(): Of<typeof Vattr>["atime"] {
  return { sec: NO_VALUE, nsec: NO_VALUE };
}
