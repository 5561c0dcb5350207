/**
 * The structs of the FUSE protocol, 7.45, as include/uapi/linux/fuse.h has them: its order, its words in our spelling. What
 * is called `padding`, `dummy`, `unused`, `spare` or `reserved` is there for the layout and not in the values.
 * `S.at(minor)` is the layout of an older peer; `since(minor, type, 0)` took the place of padding and moved nothing.
 */
import {
  bytes,
  folded64,
  i32,
  id53,
  length64,
  limit64,
  nearest64,
  opaque64,
  pad,
  signed64,
  since,
  struct,
  u16,
  u32,
  unread64,
} from "../struct.ts";

/** Flags in 64 bits of which few are used: a number is enough. */
const flags64 = length64;

/**
 * What the kernel keeps of an inode. `rdev` has the low 8 bits of the minor number, 12 bits of the major from bit 8 on
 * and the rest of the minor from bit 20 on (new_encode_dev of linux/kdev_t.h).
 */
export const Attr = struct({
  ino: folded64,
  size: length64,
  blocks: length64,
  atime: signed64,
  mtime: signed64,
  ctime: signed64,
  atimensec: u32,
  mtimensec: u32,
  ctimensec: u32,
  mode: u32,
  nlink: u32,
  uid: u32,
  gid: u32,
  rdev: u32,
  blksize: since(9, u32),
  flags: since(32, u32, 9),
});

export const SxTime = struct({
  tvSec: signed64,
  tvNsec: u32,
  reserved: pad(4),
});

export const Statx = struct({
  mask: u32,
  blksize: u32,
  attributes: flags64,
  nlink: u32,
  uid: u32,
  gid: u32,
  mode: u16,
  spare0: pad(2),
  ino: nearest64,
  size: length64,
  blocks: length64,
  attributesMask: flags64,
  atime: SxTime,
  btime: SxTime,
  ctime: SxTime,
  mtime: SxTime,
  rdevMajor: u32,
  rdevMinor: u32,
  devMajor: u32,
  devMinor: u32,
  spare2: pad(112),
});

/** Counts are `limit64`: file systems without bounds say so with Infinity. */
export const Kstatfs = struct({
  blocks: limit64,
  bfree: limit64,
  bavail: limit64,
  files: limit64,
  ffree: limit64,
  bsize: u32,
  namelen: u32,
  frsize: since(4, u32),
  padding: since(4, pad(4)),
  spare: since(4, pad(24)),
});

/** `end` is the last byte that is locked, "to the end of the file" is 2 ** 63 - 1. */
export const FileLock = struct({
  start: length64,
  end: limit64,
  type: u32,
  pid: u32,
});

/** The answer to LOOKUP and its kin. A validity of Infinity seconds is "for ever". `nodeid` 0 is a negative entry. */
export const EntryOut = struct({
  nodeid: id53,
  generation: nearest64,
  entryValid: limit64,
  attrValid: limit64,
  entryValidNsec: u32,
  attrValidNsec: u32,
  attr: Attr,
});

export const ForgetIn = struct({
  nlookup: length64,
});

export const ForgetOne = struct({
  nodeid: id53,
  nlookup: length64,
});

/** Followed by `count` times ForgetOne. */
export const BatchForgetIn = struct({
  count: u32,
  dummy: pad(4),
});

/** Nothing at all below 7.9. */
export const GetattrIn = struct({
  getattrFlags: since(9, u32),
  dummy: since(9, pad(4)),
  fh: since(9, id53),
});

export const AttrOut = struct({
  attrValid: limit64,
  attrValidNsec: u32,
  dummy: pad(4),
  attr: Attr,
});

export const StatxIn = struct({
  getattrFlags: u32,
  reserved: pad(4),
  fh: id53,
  sxFlags: u32,
  sxMask: u32,
});

export const StatxOut = struct({
  attrValid: limit64,
  attrValidNsec: u32,
  flags: u32,
  spare: pad(16),
  stat: Statx,
});

export const MknodIn = struct({
  mode: u32,
  rdev: u32,
  umask: since(12, u32),
  padding: since(12, pad(4)),
});

export const MkdirIn = struct({
  mode: u32,
  umask: since(12, u32, 0),
});

export const RenameIn = struct({
  newdir: id53,
});

export const Rename2In = struct({
  newdir: id53,
  flags: u32,
  padding: pad(4),
});

export const LinkIn = struct({
  oldnodeid: id53,
});

export const SetattrIn = struct({
  valid: u32,
  padding: pad(4),
  fh: since(3, id53, 0),
  size: length64,
  lockOwner: since(9, opaque64, 0),
  atime: signed64,
  mtime: signed64,
  ctime: since(23, signed64, 0),
  atimensec: u32,
  mtimensec: u32,
  ctimensec: since(23, u32, 0),
  mode: u32,
  unused4: pad(4),
  uid: u32,
  gid: u32,
  unused5: pad(4),
});

export const OpenIn = struct({
  flags: u32,
  openFlags: since(33, u32, 0),
});

/** 8 bytes below 7.12: `flags` and `mode`, as libfuse's do_create reads them. */
export const CreateIn = struct({
  flags: u32,
  mode: u32,
  umask: since(12, u32),
  openFlags: since(33, u32, 12),
});

export const OpenOut = struct({
  fh: id53,
  openFlags: u32,
  backingId: since(40, i32, 0),
});

/** `releaseFlags` were padding and `lockOwner` was not there below 7.8. */
export const ReleaseIn = struct({
  fh: id53,
  flags: u32,
  releaseFlags: since(8, u32, 0),
  lockOwner: since(8, opaque64),
});

export const FlushIn = struct({
  fh: id53,
  unused: pad(4),
  padding: pad(4),
  lockOwner: opaque64,
});

/** The lock owner is not read, to keep bigints off the hot path: it is at `offsets.lockOwner` if `readFlags` say so. */
export const ReadIn = struct({
  fh: id53,
  offset: length64,
  size: u32,
  readFlags: since(9, u32, 0),
  lockOwner: since(9, unread64),
  flags: since(9, u32),
  padding: since(9, pad(4)),
});

/** The lock owner is not read, to keep bigints off the hot path: it is at `offsets.lockOwner` if `writeFlags` say so. */
export const WriteIn = struct({
  fh: id53,
  offset: length64,
  size: u32,
  writeFlags: u32,
  lockOwner: since(9, unread64),
  flags: since(9, u32),
  padding: since(9, pad(4)),
});

export const WriteOut = struct({
  size: u32,
  padding: pad(4),
});

export const StatfsOut = struct({
  st: Kstatfs,
});

export const FsyncIn = struct({
  fh: id53,
  fsyncFlags: u32,
  padding: pad(4),
});

/** The second half follows SETXATTR_EXT and not the minor: without that flag take `at(32)`. */
export const SetxattrIn = struct({
  size: u32,
  flags: u32,
  setxattrFlags: since(33, u32),
  padding: since(33, pad(4)),
});

export const GetxattrIn = struct({
  size: u32,
  padding: pad(4),
});

export const GetxattrOut = struct({
  size: u32,
  padding: pad(4),
});

/** `lkFlags` (FLOCK) came with 7.9. */
export const LkIn = struct({
  fh: id53,
  owner: opaque64,
  lk: FileLock,
  lkFlags: since(9, u32),
  padding: since(9, pad(4)),
});

export const LkOut = struct({
  lk: FileLock,
});

export const AccessIn = struct({
  mask: u32,
  padding: pad(4),
});

/** The kernel sends its own minor, and the layout of that minor: the length of the message says which. */
export const InitIn = struct({
  major: u32,
  minor: u32,
  maxReadahead: since(6, u32),
  flags: since(6, u32),
  flags2: since(36, u32),
  unused: since(36, pad(44)),
});

/** 8 bytes below 7.5, 24 below 7.23; take the layout of the minor that the kernel sent. */
export const InitOut = struct({
  major: u32,
  minor: u32,
  maxReadahead: since(6, u32, 5),
  flags: since(5, u32),
  maxBackground: since(13, u16, 5),
  congestionThreshold: since(13, u16, 5),
  maxWrite: since(5, u32),
  timeGran: since(23, u32),
  maxPages: since(28, u16, 23),
  mapAlignment: since(31, u16, 23),
  flags2: since(36, u32, 23),
  maxStackDepth: since(40, u32, 23),
  requestTimeout: since(43, u16, 23),
  unused: since(23, pad(22)),
});

export const CuseInitIn = struct({
  major: u32,
  minor: u32,
  unused: pad(4),
  flags: u32,
});

/** Followed by the device's environment, "DEVNAME=...", each with a NUL. */
export const CuseInitOut = struct({
  major: u32,
  minor: u32,
  unused: pad(4),
  flags: u32,
  maxRead: u32,
  maxWrite: u32,
  devMajor: u32,
  devMinor: u32,
  spare: pad(40),
});

export const InterruptIn = struct({
  unique: opaque64,
});

export const BmapIn = struct({
  block: length64,
  blocksize: u32,
  padding: pad(4),
});

export const BmapOut = struct({
  block: length64,
});

/** `arg` is whatever the caller passed to ioctl(2), a pointer or a number. */
export const IoctlIn = struct({
  fh: id53,
  flags: u32,
  cmd: u32,
  arg: opaque64,
  inSize: u32,
  outSize: u32,
});

export const IoctlIovec = struct({
  base: opaque64,
  len: length64,
});

export const IoctlOut = struct({
  result: i32,
  flags: u32,
  inIovs: u32,
  outIovs: u32,
});

export const PollIn = struct({
  fh: id53,
  kh: opaque64,
  flags: u32,
  events: since(21, u32, 0),
});

export const PollOut = struct({
  revents: u32,
  padding: pad(4),
});

export const NotifyPollWakeupOut = struct({
  kh: opaque64,
});

export const FallocateIn = struct({
  fh: id53,
  offset: length64,
  length: limit64,
  mode: u32,
  padding: pad(4),
});

/** Before every request. The session copies `unique` as bytes, from `offsets.unique`, and does not read it here. */
export const InHeader = struct({
  len: u32,
  opcode: u32,
  unique: opaque64,
  nodeid: id53,
  uid: u32,
  gid: u32,
  pid: u32,
  totalExtlen: since(38, u16, 0),
  padding: pad(2),
});

/** Before every reply. `error` is 0 or a negated errno; 0 in `unique` is a notification whose code is in `error`. */
export const OutHeader = struct({
  len: u32,
  error: i32,
  unique: opaque64,
});

/** Followed by `namelen` bytes of name and zeros up to a multiple of 8. `off` is the cookie of the next entry. */
export const Dirent = struct({
  ino: folded64,
  off: id53,
  namelen: u32,
  type: u32,
});

/** Followed by the name, as a dirent is. */
export const Direntplus = struct({
  entryOut: EntryOut,
  dirent: Dirent,
});

/** A negative `off` invalidates attributes only; `len` 0 or less is to the end of the file. */
export const NotifyInvalInodeOut = struct({
  ino: id53,
  off: signed64,
  len: signed64,
});

/** Followed by the name and a NUL, which `namelen` does not count. */
export const NotifyInvalEntryOut = struct({
  parent: id53,
  namelen: u32,
  flags: since(38, u32, 0),
});

/** Followed by the name and a NUL, which `namelen` does not count. */
export const NotifyDeleteOut = struct({
  parent: id53,
  child: id53,
  namelen: u32,
  padding: pad(4),
});

export const NotifyStoreOut = struct({
  nodeid: id53,
  offset: length64,
  size: u32,
  padding: pad(4),
});

export const NotifyRetrieveOut = struct({
  notifyUnique: id53,
  nodeid: id53,
  offset: length64,
  size: u32,
  padding: pad(4),
});

/** In the place of a header's struct when the kernel answers NOTIFY_RETRIEVE; its `unique` is our `notifyUnique`. */
export const NotifyRetrieveIn = struct({
  dummy1: unread64,
  offset: length64,
  size: u32,
  dummy2: pad(4),
  dummy3: unread64,
  dummy4: unread64,
});

/** Followed by `count` node ids. */
export const NotifyPruneOut = struct({
  count: u32,
  padding: pad(4),
  spare: unread64,
});

/** The argument of the ioctl DEV_IOC_BACKING_OPEN. */
export const BackingMap = struct({
  fd: i32,
  flags: u32,
  padding: unread64,
});

export const LseekIn = struct({
  fh: id53,
  offset: length64,
  whence: u32,
  padding: pad(4),
});

export const LseekOut = struct({
  offset: length64,
});

export const CopyFileRangeIn = struct({
  fhIn: id53,
  offIn: length64,
  nodeidOut: id53,
  fhOut: id53,
  offOut: length64,
  len: limit64,
  flags: flags64,
});

export const CopyFileRangeOut = struct({
  bytesCopied: length64,
});

export const SetupmappingIn = struct({
  fh: id53,
  foffset: length64,
  len: length64,
  flags: flags64,
  moffset: length64,
});

/** Followed by `count` times RemovemappingOne. */
export const RemovemappingIn = struct({
  count: u32,
});

export const RemovemappingOne = struct({
  moffset: length64,
  len: length64,
});

export const SyncfsIn = struct({
  padding: unread64,
});

/** Followed by the name of the attribute, a NUL, and `size` bytes of context. */
export const Secctx = struct({
  size: u32,
  padding: pad(4),
});

/** Followed by `nrSecctx` times Secctx. */
export const SecctxHeader = struct({
  size: u32,
  nrSecctx: u32,
});

/** Before each extension that follows a request; `size` counts the header and is a multiple of 8. `type`: ExtType. */
export const ExtHeader = struct({
  size: u32,
  type: u32,
});

/** Followed by `nrGroups` times u32. */
export const SuppGroups = struct({
  nrGroups: u32,
});

export const UringEntInOut = struct({
  flags: flags64,
  commitId: opaque64,
  payloadSz: u32,
  padding: pad(4),
  reserved: unread64,
});

/** Shared with the kernel per entry of a ring: headers of the message, struct of the opcode, state of the entry. */
export const UringReqHeader = struct({
  inOut: bytes(128),
  opIn: bytes(128),
  ringEntInOut: UringEntInOut,
});

export const UringCmdReq = struct({
  flags: flags64,
  commitId: opaque64,
  qid: u16,
  padding: pad(6),
});
