import { viewOf } from "../frame.ts";
import { encodeName, nameLength } from "../name.ts";
import type { AnyFileSystem } from "../plugin.ts";
import type { PuffsWishes, Wishes } from "../wishes.ts";
import type { Connection } from "./connection.ts";
import { ROOT_COOKIE } from "./cookie.ts";
import { Constants, FhFlags, KERNEL_FLAGS_MASK, KernelFlags, Limits, Vtype } from "./flags.ts";
import { OPS } from "./ops.ts";
import * as wire from "./structs.ts";

/**
 * What a mount asks of the kernel (PUFFS_KFLAG_*).
 *
 * Names are not cached unless they have a time to live, since the kernel asks nobody whether a directory may be searched for a
 * name that it knows. Pages are if nobody else changes the files, and written through: what one program wrote is there for all.
 */
export function kernelFlags({ keepsContent }: AnyFileSystem, wishes: Wishes): number {
  const { puffsFlags = 0, directIo, kernelCache, writeback } = wishes;
  const pages = !directIo && (keepsContent || kernelCache);
  const flags =
    (puffsFlags & KernelFlags.CACHE_FS_TTL ? 0 : KernelFlags.NOCACHE_NAME) |
    (pages ? 0 : KernelFlags.NOCACHE_PAGE) |
    (writeback ? 0 : KernelFlags.WTCACHE) |
    puffsFlags;
  return flags & KERNEL_FLAGS_MASK;
}

/** What the mount is called. */
export interface MountNames {
  /** The kernel calls the type "puffs|" and this, 31 bytes at most. */
  readonly type: string;
  /** Shown as what is mounted. */
  readonly source: string;
}

/** struct puffs_kargs: what mount(2) is given, with the descriptor of the device; -1 where there is none. */
export function kargs(
  connection: Connection,
  { type, source }: MountNames,
  descriptor = -1,
): Uint8Array {
  const message = new Uint8Array(wire.Kargs.size);
  const { handles, wishes } = connection;
  const { maxRequest, cookieHash = 0, root } = wishes.puffs ?? {};
  const blank = wire.Kargs.create();
  wire.Kargs.write(viewOf(message), 0, {
    ...blank,
    vers: Constants.VERSION,
    fd: descriptor,
    flags: connection.flags,
    maxmsglen: maxRequest ?? messageWish(wishes),
    nhashbuckets: cookieHash,
    fhsize: handles.size,
    fhflags: handles.flags,
    vnopmask: operationMask(connection),
    typename: text(type, Constants.NAMESIZE),
    mntfromname: text(source, wire.Kargs.fields.mntfromname.size),
    rootCookie: ROOT_COOKIE,
    rootVtype: root?.type ?? Vtype.DIR,
    rootVsize: root?.size ?? 0,
    rootDevice: root?.device ?? 0,
    // What df(1) shows without asking; nobody divides by zero.
    svfsb: {
      ...blank.svfsb,
      bsize: BLOCK,
      frsize: BLOCK,
      iosize: BLOCK,
      namemax: Limits.KERNEL_NAME_MAX,
    },
  });
  return message;
}

type Handles = NonNullable<PuffsWishes["handles"]>;

/** How long file handles are, in bytes, and FhFlags: what was asked for, else any length; none without the operations. */
export function handlesOf({ fs }: AnyFileSystem, { puffs }: Wishes): Handles {
  const exports = fs?.fhtonode && fs.nodetofh;
  return (
    puffs?.handles ?? (exports ? { size: LONGEST_HANDLE, flags: FhFlags.DYNAMIC } : NO_HANDLES)
  );
}

const NO_HANDLES = { size: 0, flags: 0 };

/** 0: what the kernel likes. */
function messageWish({ maxWrite }: Wishes): number {
  if (maxWrite === undefined) return 0;
  return Math.max(maxWrite + Constants.MSGSTRUCT_MAX, Constants.MSG_MINSIZE);
}

/** Which operations on nodes the kernel is to ask for, a byte each. */
export function operationMask(connection: Connection): Uint8Array {
  const mask = new Uint8Array(wire.Kargs.fields.vnopmask.size);
  for (const row of OPS) {
    if (row?.group !== "VN" || row.asked === "never") continue;
    const needs = row.asked ?? row.needs;
    if (needs === undefined || needs.some((need) => connection.hasOperation(need)))
      mask[row.number] = 1;
  }
  return mask;
}

/**
 * What PUFFS_COMFD is told before the first frame: directory, source, flags of mount(2), kargs, all flags of puffs_init(3).
 * Each item is to be written by itself.
 */
export function handshake(
  directory: string,
  source: string,
  mountFlags: number,
  args: Uint8Array,
  libraryFlags: number,
): Uint8Array[] {
  return [
    ...counted(text(directory, wire.Kargs.fields.mntfromname.size)),
    ...counted(text(source, wire.Kargs.fields.mntfromname.size)),
    word32(mountFlags),
    ...counted(args),
    word32(libraryFlags),
  ];
}

function counted(bytes: Uint8Array): [Uint8Array, Uint8Array] {
  const length = new Uint8Array(8);
  viewOf(length).setUint32(0, bytes.length, true);
  return [length, bytes];
}

function word32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  viewOf(bytes).setUint32(0, value, true);
  return bytes;
}

/** The unit of the kernel's own statistics (DEV_BSIZE), in bytes. */
const BLOCK = 512;

/** File handles have as many bytes as the plugin gives them, up to what NFSv3 leaves (operations.ts, `nodetofh`). */
const LONGEST_HANDLE = 60;

/** Text with its NUL in at most `size` bytes, cut if it must be. */
function text(value: string, size: number): Uint8Array {
  const bytes = new Uint8Array(nameLength(value) + 1);
  encodeName(value, bytes, 0);
  const cut = bytes.slice(0, size);
  cut[cut.length - 1] = 0;
  return cut;
}
