/**
 * The flags and numbers of the puffs protocol, PUFFSVERSION 30, each family an object from name to number, less the
 * prefix; then those of NetBSD that pass through it.
 */

/** `req.opclass & OPCLASS_MASK` (PUFFSOP_*): what a message is about. The kernel asks with the first two and ERROR, a server with FLUSH and UNMOUNT. */
export const Opclass = {
  VFS: 1,
  VN: 2,
  CACHE: 3,
  ERROR: 4,
  FLUSH: 5,
  SUSPEND: 6,
  UNMOUNT: 7,
} as const;

export const OPCLASS_MASK = 0x7;

/** The other bits of `req.opclass` (PUFFSOPFLAG_*). FAF, fire and forget: must not be answered. */
export const OpFlags = {
  FAF: 0x10,
  ISRESPONSE: 0x20,
} as const;

/** `req.optype` in class VFS. */
export const Vfs = {
  MOUNT: 0,
  START: 1,
  UNMOUNT: 2,
  ROOT: 3,
  QUOTACTL: 4,
  STATVFS: 5,
  SYNC: 6,
  VGET: 7,
  FHTOVP: 8,
  VPTOFH: 9,
  INIT: 10,
  DONE: 11,
  SNAPSHOT: 12,
  EXTATTRCTL: 13,
  SUSPEND: 14,
} as const;

/** `req.optype` in class VN, and the index in `kargs.vnopmask`. */
export const Vn = {
  LOOKUP: 0,
  CREATE: 1,
  MKNOD: 2,
  OPEN: 3,
  CLOSE: 4,
  ACCESS: 5,
  GETATTR: 6,
  SETATTR: 7,
  READ: 8,
  WRITE: 9,
  IOCTL: 10,
  FCNTL: 11,
  POLL: 12,
  KQFILTER: 13,
  REVOKE: 14,
  MMAP: 15,
  FSYNC: 16,
  SEEK: 17,
  REMOVE: 18,
  LINK: 19,
  RENAME: 20,
  MKDIR: 21,
  RMDIR: 22,
  SYMLINK: 23,
  READDIR: 24,
  READLINK: 25,
  ABORTOP: 26,
  INACTIVE: 27,
  RECLAIM: 28,
  LOCK: 29,
  UNLOCK: 30,
  BMAP: 31,
  STRATEGY: 32,
  PRINT: 33,
  ISLOCKED: 34,
  PATHCONF: 35,
  ADVLOCK: 36,
  LEASE: 37,
  WHITEOUT: 38,
  GETPAGES: 39,
  PUTPAGES: 40,
  GETEXTATTR: 41,
  LISTEXTATTR: 42,
  OPENEXTATTR: 43,
  DELETEEXTATTR: 44,
  SETEXTATTR: 45,
  CLOSEEXTATTR: 46,
  FALLOCATE: 47,
  FDISCARD: 48,
} as const;

/** `req.optype` in class ERROR (PUFFS_ERR_*): in which operation the server misbehaved. */
export const Err = {
  ERROR: 0,
  MAKENODE: 1,
  LOOKUP: 2,
  READDIR: 3,
  READLINK: 4,
  READ: 5,
  WRITE: 6,
  VPTOFH: 7,
  GETEXTATTR: 8,
  LISTEXTATTR: 9,
} as const;

/**
 * `kargs.flags` (PUFFS_KFLAG_*). NOCACHE_ATTR has a number, but a mount(2) with it is refused: see KERNEL_FLAGS_MASK. NOCACHE
 * is NOCACHE_NAME and NOCACHE_PAGE.
 */
export const KernelFlags = {
  NOCACHE: 0x3,
  NOCACHE_NAME: 0x1,
  NOCACHE_PAGE: 0x2,
  ALLOPS: 0x4,
  WTCACHE: 0x8,
  IAONDEMAND: 0x10,
  LOOKUP_FULLPNBUF: 0x20,
  NOCACHE_ATTR: 0x40,
  CACHE_FS_TTL: 0x80,
  CACHE_DOTDOT: 0x100,
  NOFLUSH_META: 0x200,
} as const;

export const KERNEL_FLAGS_MASK = 0x3bf;

/** Of puffs_init(3), the library's own (PUFFS_FLAG_*); `>>> 0` keeps a word with them positive. */
export const LibraryFlags = {
  PNCOOKIE: 0x10000000,
  HASHPATH: 0x20000000,
  OPDUMP: 0x40000000,
  BUILDPATH: 0x80000000,
} as const;

export const LIBRARY_FLAGS_MASK = 0xf0000000;

/** `kargs.fhflags` (PUFFS_FHFLAG_*). With NFSV2 or NFSV3 the size is checked against what such a handle holds. */
export const FhFlags = {
  DYNAMIC: 0x1,
  NFSV2: 0x2,
  NFSV3: 0x4,
  PASSTHROUGH: 0x8,
} as const;

export const FH_FLAGS_MASK = 0xf;

/** `req.setbacks` of a reply (PUFFS_SETBACK_*). Node 1 is that of the header, node 2 the target of REMOVE or RMDIR. */
export const Setback = {
  INACT_N1: 0x1,
  INACT_N2: 0x2,
  NOREF_N1: 0x4,
  NOREF_N2: 0x8,
} as const;

export const SETBACK_MASK = 0xf;

/** `flush.op`. INVAL_NAMECACHE_NODE has a number, but the kernel answers EINVAL. */
export const FlushOp = {
  INVAL_NAMECACHE_NODE: 0,
  INVAL_NAMECACHE_DIR: 1,
  INVAL_NAMECACHE_ALL: 2,
  INVAL_PAGECACHE_NODE_RANGE: 3,
  FLUSH_PAGECACHE_NODE_RANGE: 4,
} as const;

/** `kcred.type` (PUFFCRED_TYPE_*). */
export const CredType = { UUC: 1, INTERNAL: 2 } as const;

/** `kcred.internal` (PUFFCRED_CRED_*): the kernel itself. */
export const CredInternal = { NOCRED: 1, FSCRED: 2 } as const;

/** `rw_open.oflags` that a server may set in its reply to OPEN (PUFFS_OPEN_*). */
export const OpenReply = { IO_DIRECT: 0x1 } as const;

/** `suspend.status` (PUFFS_SUSPEND_*). */
export const Suspend = { START: 0, SUSPENDED: 1, RESUME: 2, ERROR: 3 } as const;

/** `extattrctl.flags` (PUFFS_EXTATTRCTL_*): which of the node and the name is there. */
export const Extattrctl = { HASNODE: 0x1, HASATTRNAME: 0x2 } as const;

/** `cacheinfo.type` (PCACHE_TYPE_*). */
export const CacheType = { READ: 0, WRITE: 1 } as const;

/** Versions, sizes in bytes and highest numbers. */
export const Constants = {
  VERSION: 30,
  VFS_MAX: 14,
  VN_MAX: 48,
  VN_SPARE: 30,
  ERR_MAX: 9,
  TYPELEN: 24,
  NAMELEN: 1023,
  NAMESIZE: 32,
  EXTNAMELEN: 255,
  FHSIZE_MAX: 1020,
  MSG_MAXSIZE: 131072,
  MSGSTRUCT_MAX: 4096,
  /** Below this the kernel does not go with `kargs.maxmsglen` (sys/fs/puffs/puffs_vfsops.c). */
  MSG_MINSIZE: 8192,
} as const;

// What follows is NetBSD's own and passes through the protocol.

/** `vtype`: the kind of a node, sys/vnode.h. */
export const Vtype = {
  NON: 0,
  REG: 1,
  DIR: 2,
  BLK: 3,
  CHR: 4,
  LNK: 5,
  SOCK: 6,
  FIFO: 7,
  BAD: 8,
} as const;

/** VNOVAL in a member of 32 bits; in one of 64 it is -1. */
export const NO_VALUE_32 = 0xffffffff;
export const NO_VALUE = -1;

/** `vattr.vaflags` (VA_*). UTIMES_NULL: the times are those of now, for one who may only write. */
export const VattrFlags = { UTIMES_NULL: 0x1, EXCLUSIVE: 0x2 } as const;

/** `vattr.flags`, chflags(2): UF_* are the owner's, SF_* root's. */
export const FileFlags = {
  UF_NODUMP: 0x1,
  UF_IMMUTABLE: 0x2,
  UF_APPEND: 0x4,
  UF_OPAQUE: 0x8,
  SF_ARCHIVED: 0x10000,
  SF_IMMUTABLE: 0x20000,
  SF_APPEND: 0x40000,
  SF_SNAPSHOT: 0x200000,
  SF_LOG: 0x400000,
  SF_SNAPINVAL: 0x800000,
} as const;

/** `kcn.nameiop`, sys/namei.h: what the caller is about to do with the last name of the path. */
export const Nameiop = { LOOKUP: 0, CREATE: 1, DELETE: 2, RENAME: 3 } as const;

/** `kcn.flags`, sys/namei.h. */
export const CnFlags = {
  LOCKLEAF: 0x4,
  LOCKPARENT: 0x8,
  TRYEMULROOT: 0x10,
  NOCACHE: 0x20,
  FOLLOW: 0x40,
  EMULROOTSET: 0x80,
  NOCROSSMOUNT: 0x100,
  RDONLY: 0x200,
  ISDOTDOT: 0x2000,
  MAKEENTRY: 0x4000,
  ISLASTCN: 0x8000,
  ISWHITEOUT: 0x20000,
  DOWHITEOUT: 0x40000,
  REQUIREDIR: 0x80000,
  CREATEDIR: 0x200000,
  NOCHROOT: 0x1000000,
} as const;

/** `access.mode`, sys/vnode.h: the letters of a mode. */
export const Access = { EXEC: 0x1, WRITE: 0x2, READ: 0x4 } as const;

/** `rw.ioflag` (IO_*), sys/vnode.h. SYNC includes DSYNC and comes first, for whoever names them in this order. */
export const IoFlags = {
  SYNC: 0x240,
  DSYNC: 0x200,
  UNIT: 0x10,
  APPEND: 0x20,
  NODELOCKED: 0x80,
  NDELAY: 0x100,
  ALTSEMANTICS: 0x400,
  NORMAL: 0x800,
  EXT: 0x1000,
  DIRECT: 0x2000,
  JOURNALLOCKED: 0x4000,
} as const;

/** `fsync.flags` (FSYNC_*), sys/vnode.h. */
export const FsyncFlags = {
  WAIT: 0x1,
  DATAONLY: 0x2,
  RECLAIM: 0x4,
  LAZY: 0x8,
  NOLOG: 0x10,
  CACHE: 0x100,
} as const;

/** `open.mode`, `close.fflag`: FREAD and FWRITE, sys/fcntl.h; the rest of the word is `O` without its access mode. */
export const FileMode = { READ: 0x1, WRITE: 0x2 } as const;

/** Flags of open(2), sys/fcntl.h. The access mode is `flags & O_ACCMODE`. */
export const O = {
  RDONLY: 0,
  WRONLY: 0x1,
  RDWR: 0x2,
  NONBLOCK: 0x4,
  APPEND: 0x8,
  SHLOCK: 0x10,
  EXLOCK: 0x20,
  ASYNC: 0x40,
  SYNC: 0x80,
  NOFOLLOW: 0x100,
  CREAT: 0x200,
  TRUNC: 0x400,
  EXCL: 0x800,
  NOCTTY: 0x8000,
  DSYNC: 0x10000,
  RSYNC: 0x20000,
  ALT_IO: 0x40000,
  DIRECT: 0x80000,
  DIRECTORY: 0x200000,
  CLOEXEC: 0x400000,
  SEARCH: 0x800000,
  NOSIGPIPE: 0x1000000,
} as const;

export const O_ACCMODE = 0x3;

/** `flock.type`, sys/fcntl.h. */
export const LockType = { RDLCK: 1, UNLCK: 2, WRLCK: 3 } as const;

/** `advlock.op`. */
export const LockOp = { UNLCK: 2, GETLK: 7, SETLK: 8 } as const;

/** `advlock.flags` (F_*), sys/fcntl.h. */
export const LockFlags = { WAIT: 0x10, FLOCK: 0x20, POSIX: 0x40 } as const;

/** `flock.whence`, lseek(2). */
export const Seek = { SET: 0, CUR: 1, END: 2 } as const;

/** `poll.events`, poll(2). WRNORM is the same as OUT. */
export const Poll = {
  IN: 0x1,
  PRI: 0x2,
  OUT: 0x4,
  ERR: 0x8,
  HUP: 0x10,
  NVAL: 0x20,
  RDNORM: 0x40,
  RDBAND: 0x80,
  WRBAND: 0x100,
} as const;

/** `mmap.prot` (VM_PROT_*). */
export const Protection = { READ: 0x1, WRITE: 0x2, EXECUTE: 0x4 } as const;

/** `pathconf.name` (_PC_*), unistd.h. */
export const Pathconf = {
  LINK_MAX: 1,
  MAX_CANON: 2,
  MAX_INPUT: 3,
  NAME_MAX: 4,
  PATH_MAX: 5,
  PIPE_BUF: 6,
  CHOWN_RESTRICTED: 7,
  NO_TRUNC: 8,
  VDISABLE: 9,
  SYNC_IO: 10,
  FILESIZEBITS: 11,
  SYMLINK_MAX: 12,
  "2_SYMLINKS": 13,
  ACL_EXTENDED: 14,
  MIN_HOLE_SIZE: 15,
} as const;

/** `attrnamespace` (EXTATTR_NAMESPACE_*), sys/extattr.h. */
export const ExtattrNamespace = { USER: 1, SYSTEM: 2 } as const;

/** `extattrctl.cmd` (EXTATTR_CMD_*). */
export const ExtattrCommand = { START: 1, STOP: 2 } as const;

/** `listextattr.flag`: each name is after a byte with its length, not before a NUL. */
export const ExtattrList = { LENPREFIX: 0x1 } as const;

/** `sync.waitfor` (MNT_*), sys/mount.h. */
export const Waitfor = { WAIT: 1, NOWAIT: 2, LAZY: 3 } as const;

/** Flags of mount(2), unmount(2) and statvfs(2) (MNT_*), sys/fstypes.h: unsigned, so `>>> 0`. */
export const MountFlags = {
  RDONLY: 0x1,
  SYNCHRONOUS: 0x2,
  NOEXEC: 0x4,
  NOSUID: 0x8,
  NODEV: 0x10,
  UNION: 0x20,
  ASYNC: 0x40,
  EXRDONLY: 0x80,
  EXPORTED: 0x100,
  DEFEXPORTED: 0x200,
  EXPORTANON: 0x400,
  EXKERB: 0x800,
  LOCAL: 0x1000,
  QUOTA: 0x2000,
  ROOTFS: 0x4000,
  NOCOREDUMP: 0x8000,
  UPDATE: 0x10000,
  RELATIME: 0x20000,
  RELOAD: 0x40000,
  FORCE: 0x80000,
  IGNORE: 0x100000,
  GETARGS: 0x400000,
  DISCARD: 0x800000,
  EXTATTR: 0x1000000,
  LOG: 0x2000000,
  NOATIME: 0x4000000,
  EXNORESPORT: 0x8000000,
  EXPUBLIC: 0x10000000,
  SYMPERM: 0x20000000,
  NODEVMTIME: 0x40000000,
  SOFTDEP: 0x80000000,
} as const;

/** `dirent.type` (DT_*), dirent.h: the file type of a mode, shifted right by 12. */
export const DirentType = {
  UNKNOWN: 0,
  FIFO: 1,
  CHR: 2,
  DIR: 4,
  BLK: 6,
  REG: 8,
  LNK: 10,
  SOCK: 12,
  WHT: 14,
} as const;

/** Of sys/syslimits.h, sys/param.h and sys/fhandle.h, in bytes; NGROUPS is a count. */
export const Limits = {
  /** The longest name; `d_name` has room for twice as much. */
  KERNEL_NAME_MAX: 255,
  MAXNAMLEN: 511,
  MAXPATHLEN: 1024,
  NGROUPS: 16,
  LINK_MAX: 32767,
  FHANDLE_SIZE_MAX: 1024,
  FHANDLE_SIZE_COMPAT: 28,
} as const;

/** ioctl(2): non-blocking, on /dev/puffs. */
export const FIONBIO = 0x8004667e;
