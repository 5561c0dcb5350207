import { mountFlags } from "../../ffi/mount.ts";
import type { Option } from "../plugin.ts";

/**
 * The options of every mount, beside the plugin's own. Parsing, contradictions, help and the tables of docs/options.md
 * come from this table.
 *
 * - "flag" takes no value; "seconds" a decimal number of 0 or more; "text" any value or none; "words" some of a list, joined by "+";
 *   the others as in plugins.
 */
export type MountOption = Kind & {
  /** Who it is for: the kernel's mount flags, FUSE in the kernel, this program, or nobody (fstab(5) has it). */
  readonly for: "kernel" | "fuse" | "session" | "nobody";
  readonly description: string;
  /** Bits of mount(2)'s flags, set and cleared. */
  readonly sets?: number;
  readonly clears?: number;
  /** Options that cannot be given beside it. Said at one of the two. */
  readonly against?: readonly string[];
};

type Kind =
  | { readonly type: "flag" | "text" }
  | { readonly type: "seconds"; readonly default?: number }
  | { readonly type: "words"; readonly words: readonly string[] }
  | Exclude<Option, { type: "boolean" }>;

const { MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_SYNCHRONOUS, MS_DIRSYNC } = mountFlags;
const { MS_NOSYMFOLLOW, MS_NOATIME, MS_NODIRATIME, MS_RELATIME } = mountFlags;
const { MS_STRICTATIME, MS_LAZYTIME } = mountFlags;

export const MS_READ_ONLY = MS_RDONLY;

/** What holds unless the options say otherwise. */
export const DEFAULT_FLAGS = MS_NOSUID | MS_NODEV;

export const MOUNT_OPTIONS = {
  ro: sets(MS_RDONLY, "nothing can be changed"),
  rw: clears(MS_RDONLY, "things can be changed (the default)", ["ro"]),
  nosuid: sets(MS_NOSUID, "set-user-ID and set-group-ID bits have no effect (the default)"),
  suid: clears(MS_NOSUID, "they have; for root only", ["nosuid"]),
  nodev: sets(MS_NODEV, "device files cannot be opened (the default)"),
  dev: clears(MS_NODEV, "they can; for root only", ["nodev"]),
  noexec: sets(MS_NOEXEC, "programs cannot be run"),
  exec: clears(MS_NOEXEC, "programs can be run (the default)", ["noexec"]),
  sync: sets(MS_SYNCHRONOUS, "writes return when they are durable"),
  async: clears(MS_SYNCHRONOUS, "writes may be cached (the default)", ["sync"]),
  dirsync: sets(MS_DIRSYNC, "changes of directories return when they are durable"),
  nosymfollow: sets(MS_NOSYMFOLLOW, "symbolic links are not followed"),
  symfollow: clears(MS_NOSYMFOLLOW, "symbolic links are followed (the default)", ["nosymfollow"]),
  noatime: sets(MS_NOATIME, "reading does not change access times"),
  atime: clears(MS_NOATIME, "access times as the kernel does by default, see relatime", [
    "noatime",
  ]),
  nodiratime: sets(MS_NODIRATIME, "reading directories does not change their access times"),
  diratime: clears(MS_NODIRATIME, "it does (the default)", ["nodiratime"]),
  relatime: sets(
    MS_RELATIME,
    "access times change once after each change, or daily (the default)",
    ["noatime"],
  ),
  norelatime: clears(MS_RELATIME, "not so", ["relatime"]),
  strictatime: sets(MS_STRICTATIME, "access times change with every access", [
    "noatime",
    "relatime",
  ]),
  nostrictatime: clears(MS_STRICTATIME, "not so", ["strictatime"]),
  lazytime: sets(MS_LAZYTIME, "times are kept in memory and written late"),
  nolazytime: clears(MS_LAZYTIME, "not so (the default)", ["lazytime"]),

  allow_other: fuse("flag", "all users may use the mount, not only the one who mounted"),
  allow_root: {
    ...fuse("flag", "root and the user who mounted may use it, nobody else"),
    against: ["allow_other"],
  },
  default_permissions: fuse(
    "flag",
    "the kernel checks modes and owners even if the plugin has `access`; without `access` it always does",
  ),
  fsname: fuse(
    "string",
    "what is shown as the source of the mount; the source or the plugin's name",
  ),
  subtype: fuse("string", "what is shown as its type, after `fuse.`; the plugin's name"),
  max_read: { ...fuse("size", "longest read the kernel may ask for"), min: 4096, max: 2 ** 30 },
  blkdev: fuse("flag", "the source is a block device and the mount's (fuseblk); for root only"),
  blksize: {
    ...fuse("size", "block size of the device of a `blkdev` mount"),
    min: 512,
    max: 65536,
  },
  auto_unmount: fuse("flag", "unmount when the server dies: always done, accepted for old habits"),

  attr_timeout: session("seconds", "how long the kernel may believe attributes; the plugin's wish"),
  entry_timeout: session("seconds", "how long the kernel may believe names; the plugin's wish"),
  negative_timeout: session(
    "seconds",
    "how long it may believe that a name does not exist; the plugin's wish",
  ),
  direct_io: session("flag", "reads and writes bypass the page cache"),
  kernel_cache: {
    ...session("flag", "cached content survives from one open to the next"),
    against: ["direct_io"],
  },
  writeback: {
    ...session("flag", "the kernel may keep writes and bring them later"),
    against: ["direct_io", "sync"],
  },
  max_write: {
    ...session("size", "longest write the kernel may bring"),
    min: 4096,
    max: 2 ** 20,
  },
  max_readahead: { ...session("size", "how far the kernel may read ahead"), max: 2 ** 30 },
  max_background: {
    ...session("integer", "how many background requests (read-ahead, writing back) may wait"),
    min: 1,
    max: 65535,
  },
  congestion_threshold: {
    ...session("integer", "how many of them mean that the mount is busy"),
    min: 1,
    max: 65535,
  },
  deadline: session("seconds", "an operation that takes longer is answered ETIMEDOUT; none"),
  grace: {
    ...session("seconds", "how long a busy mount is given, after a signal, before it is detached"),
    default: 5,
  },
  door: {
    ...session(
      "choice",
      "the way to the kernel: fuse, Linux' own; puffs, NetBSD's; comfd, puffs over the descriptor that PUFFS_COMFD names, which is the default where that is set",
    ),
    choices: ["fuse", "puffs", "comfd"],
  },
  puffs_flags: {
    ...session(
      "words",
      "flags of puffs_init(3), less PUFFS_KFLAG_, such as NOCACHE_NAME+WTCACHE; what each means to NetBSD's kernel and to Linux is in puffs.md",
    ),
    words: [
      ...["NOCACHE_NAME", "NOCACHE_PAGE", "NOCACHE", "ALLOPS", "WTCACHE", "IAONDEMAND"],
      ...["LOOKUP_FULLPNBUF", "CACHE_FS_TTL", "CACHE_DOTDOT", "NOFLUSH_META"],
    ],
  },
  log: session(
    "string",
    "file for the messages of the detached server; without it they are dropped",
  ),
  trace: session("string", "file to which each request and its answer is added, a line each"),

  defaults: nobody("the defaults"),
  auto: nobody("mounted at boot"),
  noauto: nobody("not mounted at boot"),
  user: nobody("who may mount it is decided by mount(8)"),
  users: nobody("likewise"),
  nouser: nobody("likewise"),
  nousers: nobody("likewise"),
  owner: nobody("likewise"),
  noowner: nobody("likewise"),
  group: nobody("likewise"),
  nogroup: nobody("likewise"),
  fail: nobody("whether boot may go on without it"),
  nofail: nobody("likewise"),
  _netdev: nobody("mounted when the network is up"),
  comment: nobody("a remark"),
  silent: nobody("for mount(8)"),
  loud: nobody("for mount(8)"),
  nomand: nobody("for mount(8)"),
  iversion: nobody("for mount(8)"),
  noiversion: nobody("for mount(8)"),
  uhelper: nobody("for umount(8)"),
  helper: nobody("for mount(8)"),
} as const satisfies Readonly<Record<string, MountOption>>;

/** Options that begin so are comments of fstab(5): for mount(8), systemd and others. */
export const COMMENT_PREFIXES = ["x-", "X-"] as const;

/** Not an option of a new mount: what to do instead. */
export const REFUSED: Readonly<Record<string, string>> = {
  remount: "a live mount's flags are changed without this program: mount -i -o remount,... DIR",
  bind: "this is not a bind mount: mount --bind OLD NEW",
  rbind: "this is not a bind mount: mount --rbind OLD NEW",
  loop: "the source is not a loop device",
};

export type MountOptionName = keyof typeof MOUNT_OPTIONS;

type ValueOf<Row> = Row extends { type: "flag" | "text" }
  ? true
  : Row extends { type: "string" | "choice" | "words" }
    ? string
    : number;

/** What was given for FUSE and for this program, by name; the kernel's flags are in the bits. */
export type MountValues = {
  readonly [Name in MountOptionName as (typeof MOUNT_OPTIONS)[Name]["for"] extends
    | "fuse"
    | "session"
    ? Name
    : never]?: ValueOf<(typeof MOUNT_OPTIONS)[Name]>;
};

function sets(bits: number, description: string, against: readonly string[] = []) {
  return { for: "kernel", type: "flag", sets: bits, description, against } as const;
}

function clears(bits: number, description: string, against: readonly string[]) {
  return { for: "kernel", type: "flag", clears: bits, description, against } as const;
}

function fuse<const Type extends Kind["type"]>(type: Type, description: string) {
  return { for: "fuse", type, description } as const;
}

function session<const Type extends Kind["type"]>(type: Type, description: string) {
  return { for: "session", type, description } as const;
}

function nobody(description: string) {
  return { for: "nobody", type: "text", description } as const;
}
