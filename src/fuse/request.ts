import { now } from "../../ffi/clock.ts";
import { checkedTimeout, isMode } from "../attributes.ts";
import { type Awaitable, isPromise, then } from "../awaitable.ts";
import {
  Absent,
  EBADF,
  EINVAL,
  ENOSYS,
  EOPNOTSUPP,
  EPERM,
  EPROTO,
  Errno,
  ESTALE,
} from "../errno.ts";
import type { OpenFile } from "../files.ts";
import { S_IFDIR, S_IFMT, S_IFREG, S_ISGID, S_ISUID } from "../mode.ts";
import { encodeName, nameLength } from "../name.ts";
import type { Vnode } from "../nodes.ts";
import { Nonsense } from "../nonsense.ts";
import type { AttributeNamespace, Attributes, Changes, Lock } from "../operations.ts";
import { Scan } from "../scan.ts";
import type { Of } from "../struct.ts";
import { changesOf } from "./attr.ts";
import { type FuseCall, PAYLOAD } from "./call.ts";
import type { Connection } from "./connection.ts";
import { releaseWhenDying } from "./dying.ts";
import {
  Constants,
  Fallocate,
  FattrFlags,
  FsyncFlags,
  has,
  InitFlags,
  LkFlags,
  O,
  OpenFlags,
  PollFlags,
  ReleaseFlags,
  Rename,
  Seek,
  WriteFlags,
  Xattr,
} from "./flags.ts";
import { negotiate } from "./init.ts";
import { list } from "./readdir.ts";
import * as r from "./reply.ts";
import * as wire from "./structs.ts";
import { validity } from "./validity.ts";

/*
 * From a decoded request to the plugin's operation: one function per row of ops.ts that needs more than a call. A row's operation is there when its
 * function runs, unless the row does not name one.
 */

type Outcome = r.Outcome;

/** INIT: agree on minor, flags and sizes. */
export function init(call: FuseCall, argument: Of<typeof wire.InitIn>): Outcome {
  const { connection } = call;
  if (argument.major < Constants.KERNEL_VERSION) return EPROTO;
  const { agreement, out } = negotiate(argument, connection);
  if (agreement) {
    connection.agreement = agreement;
    connection.agreed?.();
  }
  const layout = wire.InitOut.at(argument.major === 7 ? argument.minor : 45);
  layout.write(call.frame.replyView, PAYLOAD, out);
  return layout.size;
}

export function lookup(call: FuseCall): Outcome {
  const { node } = call.connection;
  const answer = node.lookup(call.node, call.name, call) as Awaitable<object | null | Errno>;
  if (isPromise(answer)) return Promise.resolve(answer).then((late) => looked(call, late));
  return looked(call, answer as object | null | Errno);
}

function looked(call: FuseCall, answer: object | null | Errno): Outcome {
  if (!(answer instanceof Errno)) return r.found(call, answer);
  return answer instanceof Absent
    ? r.absent(call, validity(checkedTimeout(answer.seconds)))
    : answer;
}

/** FORGET names its node itself: the kernel forgets what we may have forgotten already. */
export function forget(call: FuseCall, { nlookup }: Of<typeof wire.ForgetIn>): Outcome {
  const { vnodes } = call.connection;
  const vnode = vnodes.at(nodeidOf(call));
  if (vnode) vnodes.forget(vnode, nlookup);
  return r.NO_REPLY;
}

export function batchForget(call: FuseCall, { count }: Of<typeof wire.BatchForgetIn>): Outcome {
  const { vnodes } = call.connection;
  const { frame } = call;
  const room = Math.floor((frame.length - call.dataAt) / wire.ForgetOne.size);
  for (let i = 0; i < Math.min(count, room); i++) {
    const one = wire.ForgetOne.read(frame.requestView, call.dataAt + i * wire.ForgetOne.size);
    const vnode = vnodes.at(one.nodeid);
    if (vnode) vnodes.forget(vnode, one.nlookup);
  }
  return r.NO_REPLY;
}

export function getattr(call: FuseCall, { getattrFlags, fh }: Of<typeof wire.GetattrIn>): Outcome {
  if (getattrFlags !== 0) useFile(call, fh);
  return r.after(
    call,
    call.connection.node.getattr?.(call.node, call) as Awaitable<Attributes | Errno>,
    r.attributes,
  );
}

export function setattr(call: FuseCall, argument: Of<typeof wire.SetattrIn>): Outcome {
  const { valid } = argument;
  if (valid & FattrFlags.FH) useFile(call, argument.fh);
  const changes = changesOf(argument, now);
  const both = FattrFlags.ATIME_NOW | FattrFlags.MTIME_NOW;
  call.touching = (valid & both) === both;
  // chown(2) clears set-id bits of all but directories, whoever calls it; Linux sends chown(path, -1, -1) as no change at all.
  const asked =
    valid & ~(FattrFlags.FH | FattrFlags.LOCKOWNER | FattrFlags.KILL_SUIDGID | FattrFlags.CTIME);
  const kills =
    changes.mode === undefined &&
    ((valid & (FattrFlags.KILL_SUIDGID | FattrFlags.UID | FattrFlags.GID)) !== 0 || asked === 0);
  if (!kills) return change(call, changes);
  return r.after(call, r.attributesOf(call, call.node), (c, { mode, uid }) => {
    const left = withoutSetId(mode);
    // Where nothing is asked for, the kernel has not looked at who asks; a write by anyone says so itself.
    const may = asked !== 0 || c.uid === 0 || c.uid === uid;
    if (may && left !== mode && (mode & S_IFMT) !== S_IFDIR) changes.mode = left & 0o7777;
    return change(c, changes);
  });
}

function change(call: FuseCall, changes: Changes): Outcome {
  const answer = call.connection.node.setattr?.(call.node, changes, call) as Awaitable<
    Attributes | undefined | Errno
  >;
  return r.after(call, answer, (c, changed) =>
    changed === undefined
      ? r.after(c, r.attributesOf(c, c.node), r.attributes)
      : r.attributes(c, changed),
  );
}

/** A mode after the file was written or changed hands: S_ISGID without group execution marks nothing to clear. */
function withoutSetId(mode: number): number {
  return mode & ~(S_ISUID | (mode & 0o010 ? S_ISGID : 0));
}

/** Clear the set-id bits before content changes by someone without privilege, then go on. */
function clearingSetId(call: FuseCall, vnode: Vnode, next: (call: FuseCall) => Outcome): Outcome {
  return r.after(call, r.attributesOf(call, vnode.node), (c, { mode }) => {
    const left = withoutSetId(mode);
    if (left === mode || (mode & S_IFMT) !== S_IFREG || !c.connection.node.setattr) return next(c);
    const answer = c.connection.node.setattr(vnode.node, { mode: left & 0o7777 }, c) as Awaitable<
      undefined | Errno
    >;
    return r.after(c, answer, next);
  });
}

export function mknod(call: FuseCall, argument: Of<typeof wire.MknodIn>): Outcome {
  const { node } = call.connection;
  const { mode } = argument;
  if (!isMode(mode)) return EINVAL;
  call.umask = argument.umask;
  if ((mode & S_IFMT) === S_IFREG && node.create)
    return r.after(call, node.create(call.node, call.name, mode, call), r.entry);
  if (!node.mknod) return EPERM;
  return r.after(call, node.mknod(call.node, call.name, mode, argument.rdev, call), r.entry);
}

export function mkdir(call: FuseCall, argument: Of<typeof wire.MkdirIn>): Outcome {
  call.umask = argument.umask;
  const mode = (argument.mode & 0o7777) | S_IFDIR;
  return r.after(
    call,
    call.connection.node.mkdir?.(call.node, call.name, mode, call) as never,
    r.entry,
  );
}

export function rename(call: FuseCall, newdir: number, flags: number): Outcome {
  const to = hold(call, newdir);
  if (!to) return ESTALE;
  if (flags & ~(Rename.NOREPLACE | Rename.EXCHANGE | Rename.WHITEOUT)) return EINVAL;
  const { node } = call.connection;
  return r.after(
    call,
    node.rename?.(call.node, call.name, to.node, call.secondName, flags, call),
    r.empty,
  );
}

export function link(call: FuseCall, { oldnodeid }: Of<typeof wire.LinkIn>): Outcome {
  const old = hold(call, oldnodeid);
  if (!old) return ESTALE;
  return r.after(call, call.connection.node.link?.(call.node, call.name, old.node, call), linked);
}

function linked(call: FuseCall): Outcome {
  return r.entry(call, (call.other as Vnode).node);
}

export function open(call: FuseCall, argument: Of<typeof wire.OpenIn>): Outcome {
  if (grantsUnasked(call.connection)) return ENOSYS;
  if (argument.openFlags & OpenFlags.KILL_SUIDGID && argument.flags & O.TRUNC)
    return clearingSetId(call, call.vnode, (c) => grant(c, argument.flags));
  return grant(call, argument.flags);
}

function grant(call: FuseCall, flags: number): Outcome {
  const { node } = call.connection;
  call.file = r.newFile(call, call.node, flags & ~(O.CREAT | O.EXCL | O.NOCTTY));
  return r.after(call, node.open?.(call.node, call.file, call), r.opened);
}

export function opendir(call: FuseCall, argument: Of<typeof wire.OpenIn>): Outcome {
  const { node } = call.connection;
  const file = r.newFile(call, call.node, argument.flags);
  file.directIo = false;
  file.keepCache = false;
  file.scan = scanOf(call);
  call.file = file;
  return r.after(call, node.open?.(call.node, file, call), r.opened);
}

/** The plugin's listing of the call's directory. It outlives the call, and is asked again with the call of the day. */
function scanOf(call: FuseCall): Scan {
  const { connection, vnode } = call;
  return new Scan((from, current) =>
    connection.node.readdir ? connection.node.readdir(vnode.node, from, current) : [],
  );
}

export function read(call: FuseCall, argument: Of<typeof wire.ReadIn>): Outcome {
  const { size } = argument;
  if (size > call.frame.reply.length - PAYLOAD) return EINVAL;
  useFile(call, argument.fh);
  call.limit = size;
  const answer = call.connection.node.read?.(
    call.node,
    call.room(size),
    argument.offset,
    call,
  ) as Awaitable<number | Errno>;
  return r.after(call, answer, r.readCount);
}

export function write(call: FuseCall, argument: Of<typeof wire.WriteIn>): Outcome {
  const { size } = argument;
  if (size > call.frame.length - call.dataAt) return EPROTO;
  useFile(call, argument.fh);
  call.limit = size;
  const agreed = call.connection.agreement?.flags ?? 0;
  call.keepsTimes =
    (argument.writeFlags & WriteFlags.CACHE) !== 0 && has(agreed, InitFlags.WRITEBACK_CACHE);
  if (argument.writeFlags & WriteFlags.KILL_SUIDGID)
    return clearingSetId(call, call.vnode, (c) => writeAt(c, size, argument.offset));
  return writeAt(call, size, argument.offset);
}

function writeAt(call: FuseCall, size: number, offset: number): Outcome {
  const answer = call.connection.node.write?.(
    call.node,
    call.data(size),
    offset,
    call,
  ) as Awaitable<number | Errno>;
  return r.after(call, answer, r.written);
}

export function statfs(call: FuseCall): Outcome {
  const { fs } = call.connection;
  return r.after(call, fs.statvfs ? fs.statvfs(call) : NO_STATISTICS, r.statistics);
}

const NO_STATISTICS = { frsize: 4096, blocks: 0, bfree: 0, bavail: 0, files: 0, ffree: 0 };

/** RELEASE, RELEASEDIR: nobody waits for the answer. */
export function release(call: FuseCall, argument: Of<typeof wire.ReleaseIn>): Outcome {
  const { connection } = call;
  const file = connection.files.at(argument.fh);
  if (!file) return 0;
  call.file = file;
  if ((argument.releaseFlags & ReleaseFlags.FLOCK_UNLOCK) === 0) return closeFile(call);
  return then(unlock(call, argument.lockOwner, "flock"), () => closeFile(call));
}

/** Drop all locks of an owner. It goes with a close, which cannot fail because of it. */
function unlock(call: FuseCall, owner: bigint, kind: "posix" | "flock"): Awaitable<unknown> {
  const { connection } = call;
  return connection.attempt<unknown>("unlocking", () =>
    connection.node.advlock?.(call.node, "set", UNLOCKED, owner, kind, call),
  );
}

/** The end of an open, also of those that the mount's end leaves. */
export function closeFile(call: FuseCall): Outcome {
  const file = call.file as OpenFile;
  const { files, node } = call.connection;
  files.remove(file);
  file.scan?.end();
  return r.after(
    call,
    node.inactive?.(file.vnode.node, file, call.connection.by) as Awaitable<undefined | Errno>,
    r.empty,
  );
}

export function flush(call: FuseCall, argument: Of<typeof wire.FlushIn>): Outcome {
  const { node } = call.connection;
  if (!(node.close || node.advlock)) return ENOSYS;
  useFile(call, argument.fh);
  // close(2) drops the POSIX locks of its process on the file: fcntl(2).
  return then(unlock(call, argument.lockOwner, "posix"), () =>
    r.after(call, node.close?.(call.node, call.file, call), r.empty),
  );
}

const UNLOCKED: Lock = { type: "unlock", start: 0, end: Number.POSITIVE_INFINITY, pid: 0 };

export function fsync(call: FuseCall, argument: Of<typeof wire.FsyncIn>): Outcome {
  useFile(call, argument.fh);
  const dataOnly = (argument.fsyncFlags & FsyncFlags.FDATASYNC) !== 0;
  return r.after(call, call.connection.node.fsync?.(call.node, dataOnly, call), r.empty);
}

const NAMESPACES: readonly AttributeNamespace[] = ["user", "trusted", "security", "system"];

/** "user.mime_type" as namespace and name. As in Linux, a namespace alone is EINVAL. */
function attributeName(full: string): { namespace: AttributeNamespace; name: string } | Errno {
  const dot = full.indexOf(".");
  const namespace = NAMESPACES.find((known) => known.length === dot && full.startsWith(known));
  if (!namespace) return EOPNOTSUPP;
  return full.length > dot + 1 ? { namespace, name: full.slice(dot + 1) } : EINVAL;
}

export function setxattr(call: FuseCall, argument: Of<typeof wire.SetxattrIn>): Outcome {
  const { size, flags } = argument;
  if (size > call.frame.length - call.dataAt) return EPROTO;
  const named = attributeName(call.name);
  if (named instanceof Errno) return named;
  if (flags === (Xattr.CREATE | Xattr.REPLACE)) return EINVAL;
  const existing = flags & Xattr.CREATE ? "create" : flags & Xattr.REPLACE ? "replace" : "any";
  const { node } = call.connection;
  return r.after(
    call,
    node.setextattr?.(call.node, named.namespace, named.name, call.data(size), existing, call),
    r.empty,
  );
}

export function getxattr(call: FuseCall, { size }: Of<typeof wire.GetxattrIn>): Outcome {
  const named = attributeName(call.name);
  if (named instanceof Errno) return named;
  call.limit = size;
  const { node } = call.connection;
  const answer = node.getextattr?.(call.node, named.namespace, named.name, call) as Awaitable<
    Uint8Array | Errno
  >;
  return r.after(call, answer, r.attributeBytes);
}

export function removexattr(call: FuseCall): Outcome {
  const named = attributeName(call.name);
  if (named instanceof Errno) return named;
  const { node } = call.connection;
  return r.after(call, node.deleteextattr?.(call.node, named.namespace, named.name, call), r.empty);
}

export function listxattr(call: FuseCall, { size }: Of<typeof wire.GetxattrIn>): Outcome {
  call.limit = size;
  return listNamespaces(call, 0, []);
}

/** The plugin lists one namespace at a time, the kernel wants all. One that it does not support is empty. */
function listNamespaces(call: FuseCall, next: number, full: string[]): Outcome {
  for (let i = next; i < NAMESPACES.length; i++) {
    const namespace = NAMESPACES[i] as AttributeNamespace;
    // For the privileged only, says xattr(7). The kernel sees to that in all calls but this one.
    if (namespace === "trusted" && call.uid !== 0) continue;
    const answer = r.attempt<Iterable<string>>(
      () => call.connection.node.listextattr?.(call.node, namespace, call) as never,
    );
    if (isPromise(answer))
      return Promise.resolve(answer).then(
        (names) => addNames(full, namespace, names) ?? listNamespaces(call, i + 1, full),
      );
    const failed = addNames(full, namespace, answer as Iterable<string> | Errno);
    if (failed) return failed;
  }
  const bytes = new Uint8Array(full.reduce((sum, name) => sum + nameLength(name) + 1, 0));
  let at = 0;
  for (const name of full) at += encodeName(name, bytes, at) + 1;
  return r.attributeBytes(call, bytes);
}

function addNames(
  full: string[],
  namespace: string,
  names: Iterable<string> | Errno,
): Errno | undefined {
  if (names instanceof Errno) return names.code === "EOPNOTSUPP" ? undefined : names;
  for (const name of names) {
    if (typeof name !== "string" || name === "" || name.includes("\0"))
      throw new Nonsense(`an extended attribute is called ${Bun.inspect(name)}`);
    full.push(`${namespace}.${name}`);
  }
  return undefined;
}

export function getlk(call: FuseCall, argument: Of<typeof wire.LkIn>): Outcome {
  const lock = lockOf(argument);
  if (!lock) return EINVAL;
  useFile(call, argument.fh);
  const { node } = call.connection;
  const answer = node.advlock?.(call.node, "get", lock, argument.owner, kindOf(argument), call);
  return r.after(call, answer as Awaitable<Lock | Errno>, r.lock);
}

export function setlk(
  call: FuseCall,
  argument: Of<typeof wire.LkIn>,
  operation: "set" | "wait",
): Outcome {
  const lock = lockOf(argument);
  if (!lock) return EINVAL;
  useFile(call, argument.fh);
  const { node } = call.connection;
  const answer = node.advlock?.(call.node, operation, lock, argument.owner, kindOf(argument), call);
  return r.after(call, answer as Awaitable<Lock | Errno>, r.empty);
}

function lockOf({ lk }: Of<typeof wire.LkIn>): Lock | undefined {
  const type = LOCK_TYPES[lk.type];
  if (!type || lk.end < lk.start) return undefined;
  const end = lk.end === Number.MAX_SAFE_INTEGER ? Number.POSITIVE_INFINITY : lk.end;
  return { type, start: lk.start, end, pid: lk.pid };
}

const LOCK_TYPES: readonly Lock["type"][] = ["read", "write", "unlock"];

function kindOf({ lkFlags }: Of<typeof wire.LkIn>): "posix" | "flock" {
  return lkFlags & LkFlags.FLOCK ? "flock" : "posix";
}

/** ENOSYS to OPEN grants this open and all to come; a kernel that does not know of that would fail the open(2). */
function grantsUnasked({ agreement }: Connection): boolean {
  return has(agreement?.flags ?? 0, InitFlags.NO_OPEN_SUPPORT);
}

export function create(call: FuseCall, argument: Of<typeof wire.CreateIn>): Outcome {
  const { connection } = call;
  const { node } = connection;
  // Of MKNOD and an open that need not be asked for, nothing is left to be closed: one request less than with CREATE.
  if (grantsUnasked(connection)) return ENOSYS;
  const mode = (argument.mode & 0o7777) | S_IFREG;
  call.umask = argument.umask;
  call.openFlags = argument.flags;
  const answer = node.create
    ? node.create(call.node, call.name, mode, call)
    : node.mknod
      ? node.mknod(call.node, call.name, mode, 0, call)
      : EPERM;
  return r.after(call, answer as Awaitable<object | Errno>, created);
}

export function tmpfile(call: FuseCall, argument: Of<typeof wire.CreateIn>): Outcome {
  const mode = (argument.mode & 0o7777) | S_IFREG;
  call.umask = argument.umask;
  call.openFlags = argument.flags;
  return r.after(call, call.connection.node.tmpfile?.(call.node, mode, call) as never, created);
}

/** A new file is handed out, then opened: both structs in one reply. */
function created(call: FuseCall, node: object): Outcome {
  return r.after(call, r.entry(call, node), (c, size) => {
    const file = r.newFile(c, node, c.openFlags & ~(O.CREAT | O.EXCL | O.NOCTTY));
    c.file = file;
    const answer = c.connection.node.open?.(node, file, c);
    return r.after(c, answer, () => size + r.openOut(c, PAYLOAD + size));
  });
}

export function interrupt(call: FuseCall, { unique }: Of<typeof wire.InterruptIn>): Outcome {
  const interrupted = call.connection.pending.get(Number(unique & 0x7fffffffffffffffn));
  interrupted?.abort("interrupted");
  if (interrupted?.giveUp) releaseWhenDying(interrupted);
  return r.NO_REPLY;
}

export function ioctl(call: FuseCall, argument: Of<typeof wire.IoctlIn>): Outcome {
  const { inSize, outSize } = argument;
  if (inSize > call.frame.length - call.dataAt) return EPROTO;
  useFile(call, argument.fh);
  call.limit = Math.min(outSize, call.frame.reply.length - PAYLOAD - wire.IoctlOut.size);
  const { node } = call.connection;
  const answer = node.ioctl?.(call.node, argument.cmd, call.data(inSize), call.limit, call);
  return r.after(call, answer as never, r.ioctlResult);
}

export function poll(call: FuseCall, argument: Of<typeof wire.PollIn>): Outcome {
  useFile(call, argument.fh);
  const { connection } = call;
  // Taken out now: `notify` may be called when the argument is that of another request.
  const { kh } = argument;
  const notify = argument.flags & PollFlags.SCHEDULE_NOTIFY ? () => connection.wake(kh) : undefined;
  const answer = connection.node.poll?.(call.node, argument.events, notify, call) as Awaitable<
    number | Errno
  >;
  return r.after(call, answer, r.events);
}

/** The kernel's answer to NOTIFY_RETRIEVE, under the number that the question had. */
export function notifyReply(call: FuseCall, argument: Of<typeof wire.NotifyRetrieveIn>): Outcome {
  const { retrieving } = call.connection;
  const size = Math.min(argument.size, call.frame.length - call.dataAt);
  retrieving.get(call.unique)?.(argument.offset, call.data(size).slice());
  retrieving.delete(call.unique);
  return r.NO_REPLY;
}

export function fallocate(call: FuseCall, argument: Of<typeof wire.FallocateIn>): Outcome {
  const { node } = call.connection;
  const { mode, offset, length } = argument;
  useFile(call, argument.fh);
  const punch = (mode & Fallocate.PUNCH_HOLE) !== 0;
  if (punch ? !node.fdiscard : !node.fallocate) return EOPNOTSUPP;
  const act = (c: FuseCall) =>
    r.after(
      c,
      punch
        ? node.fdiscard?.(c.node, offset, length, c)
        : node.fallocate?.(c.node, offset, length, mode, c),
      r.empty,
    );
  // The kernel leaves set-id bits to us here, and does not say whether the caller may keep them.
  return call.uid === 0 ? act(call) : clearingSetId(call, call.vnode, act);
}

export function readdir(call: FuseCall, argument: Of<typeof wire.ReadIn>, plus: boolean): Outcome {
  if (argument.size > call.frame.reply.length - PAYLOAD) return EINVAL;
  useFile(call, argument.fh);
  call.limit = argument.size;
  const scan = call.file?.scan;
  return scan ? list(call, scan, argument.offset, plus) : EBADF;
}

export function lseek(call: FuseCall, argument: Of<typeof wire.LseekIn>): Outcome {
  useFile(call, argument.fh);
  const { whence } = argument;
  if (whence !== Seek.DATA && whence !== Seek.HOLE) return EINVAL;
  const kind = whence === Seek.DATA ? "data" : "hole";
  const answer = call.connection.node.seek?.(call.node, argument.offset, kind, call);
  return r.after(call, answer as Awaitable<number | Errno>, r.position);
}

export function copyRange(
  call: FuseCall,
  argument: Of<typeof wire.CopyFileRangeIn>,
  encode: (call: FuseCall, count: number) => number,
  most: number,
): Outcome {
  const to = hold(call, argument.nodeidOut);
  if (!to) return ESTALE;
  useFile(call, argument.fhIn);
  const length = Math.min(argument.len, most);
  call.limit = length;
  const { node } = call.connection;
  const act = (c: FuseCall) =>
    r.after(
      c,
      node.copyRange?.(c.node, argument.offIn, to.node, argument.offOut, length, c) as Awaitable<
        number | Errno
      >,
      encode,
    );
  return call.uid === 0 ? act(call) : clearingSetId(call, to, act);
}

/** COPY_FILE_RANGE_64. */
export function copied(call: FuseCall, bytesCopied: number): number {
  if (!(Number.isSafeInteger(bytesCopied) && bytesCopied >= 0 && bytesCopied <= call.limit))
    throw new Nonsense(`copyRange answered ${Bun.inspect(bytesCopied)} of ${call.limit} bytes`);
  return r.put(call, wire.CopyFileRangeOut, { bytesCopied });
}

export function unsupported(): Errno {
  return ENOSYS;
}

/** The file behind a handle, if it is one of the call's node: 0 and what is not known are no file. */
export function useFile(call: FuseCall, handle: number): void {
  if (handle === 0) return;
  const file = call.connection.files.at(handle);
  if (file?.vnode === call.vnode) call.file = file;
}

/** A second node, held until the call has ended. */
function hold(call: FuseCall, nodeid: number): Vnode | undefined {
  const vnode = call.connection.vnodes.at(nodeid);
  if (vnode) {
    vnode.pending++;
    call.other = vnode;
  }
  return vnode;
}

export function nodeidOf(call: FuseCall): number {
  const view = call.frame.requestView;
  return view.getUint32(20, true) * 0x100000000 + view.getUint32(16, true);
}
