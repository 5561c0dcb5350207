/**
 * The structs of the puffs protocol, PUFFSVERSION 30, as NetBSD's amd64 compiler lays out sys/fs/puffs/puffs_msgif.h and what
 * it includes: the header's order, its words in our spelling and without their prefixes.
 *
 * Text, lists and data are `room`: they are in `offsets` and in no value, and no `write` touches them; `data` is where the
 * variable part of a message begins, which may be before the struct's `size`. A message begins with `pr`, the header, which is
 * `room` too: it is `PuffsReq`, read and written by itself.
 */
import {
  bytes,
  i32,
  length64,
  limit64,
  nearest64,
  opaque64,
  pad,
  room,
  signed64,
  struct,
  u8,
  u16,
  u32,
  unread64,
} from "../struct.ts";

/** A node's cookie: what is beyond 2 ** 53, and so none of ours, is still a number. 0 is no node. */
const cookie = nearest64;

/** A 64-bit member of vattr, or dev_t anywhere: -1 is VNOVAL. */
const orNoValue64 = signed64;

export const PutterHdr = struct({
  framelen: length64,
});

export const Timespec = struct({
  sec: signed64,
  nsec: signed64,
});

/** `groups` are 16 times u32, of which the first `ngroups` count. */
export const Uucred = struct({
  unused: pad(2),
  uid: u32,
  gid: u32,
  ngroups: u16,
  groups: room(64, 4),
});

/** In 32 bits VNOVAL is 0xffffffff. `bytes` is what is held on disk, `gen` is for NFS. */
export const Vattr = struct({
  type: u32,
  mode: u32,
  nlink: u32,
  uid: u32,
  gid: u32,
  fsid: orNoValue64,
  fileid: orNoValue64,
  size: orNoValue64,
  blocksize: orNoValue64,
  atime: Timespec,
  mtime: Timespec,
  ctime: Timespec,
  birthtime: Timespec,
  gen: orNoValue64,
  flags: orNoValue64,
  rdev: orNoValue64,
  bytes: orNoValue64,
  filerev: orNoValue64,
  vaflags: u32,
  spare: unread64,
});

/** `len` 0 is "to the end"; below 0 it is what lies before `start`. */
export const Flock = struct({
  start: signed64,
  len: signed64,
  pid: i32,
  type: u16,
  whence: u16,
});

/**
 * As of 2016: later systems keep this form on the wire, as puffs_statvfs, whatever their own has become. The names are the
 * kernel's business. Counts are `limit64`: file systems without bounds say so with Infinity.
 */
export const Statvfs = struct({
  flag: length64,
  bsize: length64,
  frsize: length64,
  iosize: length64,
  blocks: limit64,
  bfree: limit64,
  bavail: limit64,
  bresvd: limit64,
  files: limit64,
  ffree: limit64,
  favail: limit64,
  fresvd: limit64,
  syncreads: nearest64,
  syncwrites: nearest64,
  asyncreads: nearest64,
  asyncwrites: nearest64,
  fsidx: { ...pad(8), align: 4 },
  fsid: nearest64,
  namemax: length64,
  owner: u32,
  spare: pad(16),
  fstypename: room(32),
  mntonname: room(1024),
  mntfromname: room(1024),
});

/** On the wire only `reclen` bytes of it; `name` has `namlen` bytes and a NUL. */
export const Dirent = struct({
  fileno: nearest64,
  reclen: u16,
  namlen: u16,
  type: u8,
  name: room(512),
});

/** What mount(2) is given. `rootDevice` is the union whose member `dev` the header calls pa_root_rdev. */
export const Kargs = struct({
  vers: u32,
  fd: i32,
  flags: u32,
  maxmsglen: length64,
  nhashbuckets: i32,
  fhsize: length64,
  fhflags: i32,
  vnopmask: bytes(78),
  typename: bytes(32),
  mntfromname: bytes(1024),
  rootCookie: cookie,
  rootVtype: u32,
  rootVsize: length64,
  rootDevice: orNoValue64,
  svfsb: Statvfs,
  time32: u32,
  spare: { ...pad(508), align: 4 },
});

/**
 * The header of every message. `id` is the kernel's count from 0, or what a server gave its own request: one that is told
 * apart by more than 53 bits must be compared as bytes. `buf` is where the message goes on.
 */
export const PuffsReq = struct({
  framelen: length64,
  id: nearest64,
  cookie,
  opclass: u16,
  optype: u16,
  rv: i32,
  setbacks: u32,
  pid: i32,
  lid: i32,
  buflen: length64,
  buf: room(0),
});

/** Room for the header of a message. */
const header = room(PuffsReq.size, PuffsReq.align);

/** The server's request to drop or write back what the kernel has cached. `end` 0 is "to the end of the file". */
export const PuffsFlush = struct({
  req: header,
  cookie,
  op: i32,
  start: length64,
  end: length64,
});

export const Kcred = struct({
  uuc: Uucred,
  type: u8,
  internal: u8,
});

/** `namelen` counts the name without its NUL, `consume` what a LOOKUP ate of the path behind it. */
export const Kcn = struct({
  nameiop: u32,
  flags: u32,
  name: room(1024),
  namelen: length64,
  consume: length64,
});

export const VfsmsgUnmount = struct({
  pr: header,
  flags: i32,
});

export const VfsmsgStatvfs = struct({
  pr: header,
  sb: Statvfs,
});

export const VfsmsgSync = struct({
  pr: header,
  cred: Kcred,
  waitfor: i32,
});

export const VfsmsgFhtonode = struct({
  pr: header,
  fhcookie: cookie,
  vtype: u32,
  size: length64,
  rdev: orNoValue64,
  dsize: length64,
  data: room(0),
});

export const VfsmsgNodetofh = struct({
  pr: header,
  fhcookie: cookie,
  dsize: length64,
  data: room(0),
});

export const VfsmsgSuspend = struct({
  pr: header,
  status: i32,
});

export const VfsmsgExtattrctl = struct({
  pr: header,
  cmd: i32,
  attrnamespace: i32,
  flags: i32,
  attrname: room(255),
});

export const VnmsgLookup = struct({
  pr: header,
  cn: Kcn,
  cnCred: Kcred,
  newnode: cookie,
  vtype: u32,
  size: length64,
  rdev: orNoValue64,
  va: Vattr,
  vaTtl: Timespec,
  cnTtl: Timespec,
});

export const VnmsgCreate = struct({
  pr: header,
  cn: Kcn,
  cnCred: Kcred,
  va: Vattr,
  newnode: cookie,
  vaTtl: Timespec,
  cnTtl: Timespec,
});

export const VnmsgMknod = struct({
  pr: header,
  cn: Kcn,
  cnCred: Kcred,
  va: Vattr,
  newnode: cookie,
  vaTtl: Timespec,
  cnTtl: Timespec,
});

export const VnmsgOpen = struct({
  pr: header,
  cred: Kcred,
  mode: i32,
  oflags: i32,
});

export const VnmsgClose = struct({
  pr: header,
  cred: Kcred,
  fflag: i32,
});

export const VnmsgAccess = struct({
  pr: header,
  cred: Kcred,
  mode: i32,
});

/** GETATTR and SETATTR. */
export const VnmsgSetgetattr = struct({
  pr: header,
  cred: Kcred,
  va: Vattr,
  vaTtl: Timespec,
});

/** READ and WRITE. The data begin at 164, 4 bytes before the end of the struct. */
export const VnmsgRw = struct({
  pr: header,
  cred: Kcred,
  offset: limit64,
  resid: length64,
  ioflag: i32,
  data: room(0),
});

export const VnmsgFcnioctl = struct({
  pr: header,
  cred: Kcred,
  command: nearest64,
  pid: i32,
  fflag: i32,
  data: nearest64,
  datalen: length64,
  copyback: i32,
});

export const VnmsgPoll = struct({
  pr: header,
  events: i32,
});

export const VnmsgFsync = struct({
  pr: header,
  cred: Kcred,
  offlo: limit64,
  offhi: limit64,
  flags: i32,
});

export const VnmsgSeek = struct({
  pr: header,
  cred: Kcred,
  oldoff: limit64,
  newoff: limit64,
});

export const VnmsgRemove = struct({
  pr: header,
  cn: Kcn,
  cnCred: Kcred,
  cookieTarg: cookie,
});

export const VnmsgMkdir = struct({
  pr: header,
  cn: Kcn,
  cnCred: Kcred,
  va: Vattr,
  newnode: cookie,
  vaTtl: Timespec,
  cnTtl: Timespec,
});

export const VnmsgRmdir = struct({
  pr: header,
  cn: Kcn,
  cnCred: Kcred,
  cookieTarg: cookie,
});

export const VnmsgLink = struct({
  pr: header,
  cn: Kcn,
  cnCred: Kcred,
  cookieTarg: cookie,
});

/** `cookieTarg` 0: the target does not exist. */
export const VnmsgRename = struct({
  pr: header,
  cnSrc: Kcn,
  cnSrcCred: Kcred,
  cnTarg: Kcn,
  cnTargCred: Kcred,
  cookieSrc: cookie,
  cookieTarg: cookie,
  cookieTargdir: cookie,
});

export const VnmsgSymlink = struct({
  pr: header,
  cn: Kcn,
  cnCred: Kcred,
  va: Vattr,
  newnode: cookie,
  link: room(1024),
  vaTtl: Timespec,
  cnTtl: Timespec,
});

/** The data are `ncookies` times u64, then, from `dentoff` on, the dirents. `offset` is whatever the server last said. */
export const VnmsgReaddir = struct({
  pr: header,
  cred: Kcred,
  offset: nearest64,
  resid: length64,
  ncookies: length64,
  eofflag: i32,
  dentoff: length64,
  data: room(0),
});

export const VnmsgReadlink = struct({
  pr: header,
  cred: Kcred,
  linklen: length64,
  link: room(1024),
});

export const VnmsgReclaim = struct({
  pr: header,
  nlookup: i32,
});

export const VnmsgInactive = struct({
  pr: header,
});

export const VnmsgPrint = struct({
  pr: header,
});

export const VnmsgPathconf = struct({
  pr: header,
  name: i32,
  retval: signed64,
});

/** `id` is the address of whoever locks: only to be compared. */
export const VnmsgAdvlock = struct({
  pr: header,
  fl: Flock,
  id: opaque64,
  op: i32,
  flags: i32,
});

export const VnmsgMmap = struct({
  pr: header,
  prot: i32,
  cred: Kcred,
});

export const VnmsgAbortop = struct({
  pr: header,
  cn: Kcn,
  cnCred: Kcred,
});

export const VnmsgGetextattr = struct({
  pr: header,
  attrnamespace: i32,
  attrname: room(255),
  cred: Kcred,
  datasize: length64,
  resid: length64,
  data: room(0),
});

export const VnmsgSetextattr = struct({
  pr: header,
  attrnamespace: i32,
  attrname: room(255),
  cred: Kcred,
  resid: length64,
  data: room(0),
});

export const VnmsgListextattr = struct({
  pr: header,
  attrnamespace: i32,
  cred: Kcred,
  datasize: length64,
  resid: length64,
  flag: i32,
  data: room(0, 8),
});

export const VnmsgDeleteextattr = struct({
  pr: header,
  attrnamespace: i32,
  attrname: room(255),
  cred: Kcred,
});

export const VnmsgFallocate = struct({
  pr: header,
  off: limit64,
  len: limit64,
});

export const VnmsgFdiscard = struct({
  pr: header,
  off: limit64,
  len: limit64,
});

export const Cacherun = struct({
  runstart: length64,
  runend: length64,
});

/** `runs` are `nruns` times Cacherun. */
export const Cacheinfo = struct({
  pr: header,
  type: i32,
  nruns: length64,
  runs: room(0),
});

/** What the kernel has to say of a reply that it refused; `str` ends with a NUL. */
export const PuffsError = struct({
  pr: header,
  error: i32,
  str: room(256),
});
