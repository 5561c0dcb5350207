import { checkAttributes } from "../attributes.ts";
import { type Awaitable, isPromise } from "../awaitable.ts";
import {
  Absent,
  E2BIG,
  EINVAL,
  EISDIR,
  ENOENT,
  EOPNOTSUPP,
  EPERM,
  Errno,
  ESTALE,
} from "../errno.ts";
import { OpenFile } from "../files.ts";
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFMT, S_IFREG, S_IFSOCK, S_ISGID } from "../mode.ts";
import { decodeName, encodeName, nameLength } from "../name.ts";
import { isWithin, ROOT_ID, type Vnode } from "../nodes.ts";
import { Nonsense } from "../nonsense.ts";
import type { AttributeNamespace, Attributes, Lock } from "../operations.ts";
import { after, attempt, type Outcome } from "../outcome.ts";
import type { Of } from "../struct.ts";
import type * as a from "./arguments.ts";
import { deviceOf, vtypeOf } from "./attr.ts";
import type { PuffsCall } from "./call.ts";
import { cookieOf, vnodeOf } from "./cookie.ts";
import {
  CnFlags,
  Extattrctl,
  ExtattrList,
  ExtattrNamespace,
  FhFlags,
  FileMode,
  FsyncFlags,
  IoFlags,
  KernelFlags,
  Limits,
  LockFlags,
  LockOp,
  LockType,
  MountFlags,
  Nameiop,
  NO_VALUE,
  O,
  OpenReply,
  Pathconf,
  Poll,
  Seek,
  Setback,
  Vn,
  Vtype,
} from "./flags.ts";
import { EXECUTE, READ, refuseAccess, refuseRemoval, WRITE } from "./permission.ts";
import { list } from "./readdir.ts";
import * as r from "./reply.ts";
import { clearingSetId, type Next } from "./setattr.ts";
import * as wire from "./structs.ts";
import { read64, write64 } from "./word.ts";

/*
 * From a decoded request to the plugin's operation: one function per row of ops.ts that needs more than a call. A row's operation is there
 * when its function runs, unless the row does not name one.
 *
 * The kernel leaves permissions to the server: `allow` and what is built on it are asked before anything is done.
 */

/** Go on if the caller may do `mask` with the node. A plugin with `access` decides that itself. */
function allow(call: PuffsCall, node: object, mask: number, next: Next): Outcome {
  const { access } = call.connection.node;
  if (call.internal) return next(call);
  if (access) return after(call, access(node, mask, call) as Awaitable<undefined | Errno>, next);
  return after(
    call,
    r.attributesOf(call, node),
    (c, value) => refuseAccess(value, mask, c) ?? next(c),
  );
}

/** Go on if the caller may search the directory. The superuser may, so nobody is asked: it is the way of every path. */
function search(call: PuffsCall, next: Next): Outcome {
  if (call.privileged && !call.connection.node.access) return next(call);
  return allow(call, call.node, EXECUTE, next);
}

/** Go on if the caller may change the directory, and there take away or replace `gone`. */
function change(call: PuffsCall, directory: object, gone: object | undefined, next: Next): Outcome {
  if (call.privileged && !call.connection.node.access) return next(call);
  return allow(call, directory, WRITE | EXECUTE, (c) => {
    if (!gone || c.privileged || c.connection.node.access) return next(c);
    return after(c, r.attributesOf(c, directory), (c2, own) =>
      after(c2, r.attributesOf(c2, gone), (c3, its) => refuseRemoval(own, its, c3) ?? next(c3)),
    );
  });
}

/**
 * Go on to make something in the call's directory. What is made has the directory's group, as everywhere on this system, and S_ISGID only
 * if the caller is in that.
 */
function making(call: PuffsCall, next: Next): Outcome {
  return change(call, call.node, undefined, (c) =>
    after(c, r.attributesOf(c, c.node), (c2, { gid }) => {
      c2.gid = gid;
      return next(c2);
    }),
  );
}

export function lookup(call: PuffsCall, { cn }: Of<typeof a.Lookup>): Outcome {
  call.intent = cn.flags & CnFlags.ISLASTCN ? cn.nameiop : Nameiop.LOOKUP;
  return search(call, call.name === ".." ? parent : child);
}

/** "..": the directory that led here; of one that a file handle led to only the plugin can know. Of a removed one there is none any more. */
function parent(call: PuffsCall): Outcome {
  const { vnode, connection } = call;
  if (vnode.id === ROOT_ID || vnode.removed) return ENOENT;
  if (vnode.parent) return r.found(call, vnode.parent.node);
  const answer = connection.node.lookup(call.node, "..", call) as Awaitable<object | null | Errno>;
  return after(call, answer, (c, node) => (node === null ? ENOENT : r.found(c, node)));
}

function child(call: PuffsCall): Outcome {
  const { node } = call.connection;
  const answer = node.lookup(call.node, call.name, call) as Awaitable<object | null | Errno>;
  if (isPromise(answer)) return Promise.resolve(answer).then((late) => answered(call, late));
  return answered(call, answer as object | null | Errno);
}

/** puffs has no word for how long a name is known to be absent. */
function answered(call: PuffsCall, answer: object | null | Errno): Outcome {
  if (!(answer instanceof Errno)) return looked(call, answer);
  return answer instanceof Absent ? looked(call, null) : answer;
}

/** What the caller is about to do with the name must be permitted now: for "go ahead" the kernel asks nobody again. */
function looked(call: PuffsCall, node: object | null): Outcome {
  const { intent } = call;
  if (node === null) {
    const makes = intent === Nameiop.CREATE || intent === Nameiop.RENAME;
    // Of a mount where nothing can be made the kernel says EROFS, once it hears that the name is free.
    return makes && !call.connection.wishes.readOnly
      ? change(call, call.node, undefined, absent)
      : ENOENT;
  }
  if (intent !== Nameiop.DELETE && intent !== Nameiop.RENAME) return r.found(call, node);
  r.handOut(call, node);
  return change(call, call.node, node, (c) => r.foundAgain(c, node));
}

function absent(): Errno {
  return ENOENT;
}

export function create(call: PuffsCall, { va }: Of<typeof a.Create>): Outcome {
  // bind(2) makes its socket by this message.
  const kind = va.type === Vtype.SOCK ? S_IFSOCK : S_IFREG;
  return making(call, (c) => makeFile(c, modeOf(c, va) | kind, 0));
}

export function mknod(call: PuffsCall, { va }: Of<typeof a.Mknod>): Outcome {
  const kind = KINDS[va.type];
  if (kind === undefined) return EINVAL;
  const device = va.rdev === NO_VALUE ? 0 : va.rdev >>> 0;
  return making(call, (c) => makeFile(c, modeOf(c, va) | kind, device));
}

/** The permission bits of what is made: see `making`. */
function modeOf(call: PuffsCall, { mode }: { readonly mode: number }): number {
  const may = call.privileged || call.inGroup(call.gid);
  return mode & (may ? 0o7777 : 0o7777 & ~S_ISGID);
}

/** By vtype, what mknod(2) makes. */
const KINDS: Readonly<Record<number, number>> = {
  [Vtype.REG]: S_IFREG,
  [Vtype.BLK]: S_IFBLK,
  [Vtype.CHR]: S_IFCHR,
  [Vtype.SOCK]: S_IFSOCK,
  [Vtype.FIFO]: S_IFIFO,
};

function makeFile(call: PuffsCall, mode: number, device: number): Outcome {
  const { node } = call.connection;
  const isFile = (mode & S_IFMT) === S_IFREG;
  const answer =
    isFile && node.create
      ? node.create(call.node, call.name, mode, call)
      : node.mknod
        ? node.mknod(call.node, call.name, mode, device, call)
        : EOPNOTSUPP;
  return after(call, answer as Awaitable<object | Errno>, r.made);
}

export function mkdir(call: PuffsCall, { va }: Of<typeof a.Mkdir>): Outcome {
  return making(call, (c) => {
    const mode = modeOf(c, va) | S_IFDIR;
    return after(
      c,
      c.connection.node.mkdir?.(c.node, c.name, mode, c) as Awaitable<object>,
      r.made,
    );
  });
}

/** The target may be empty here: symlink(7). The mode of a link is told with the mask applied. */
export function symlink(call: PuffsCall, { va }: Of<typeof a.Symlink>): Outcome {
  call.umask = 0o777 & ~va.mode;
  const { request } = call.frame;
  const at = wire.VnmsgSymlink.offsets.link;
  const end = request.subarray(at, at + Limits.MAXPATHLEN).indexOf(0);
  if (end < 0) return new Errno("ENAMETOOLONG");
  const text = decodeName(request, at, at + end);
  return making(call, (c) =>
    after(c, c.connection.node.symlink?.(c.node, c.name, text, c) as Awaitable<object>, r.made),
  );
}

/** OPEN is told after the kernel has checked permission; the File is that of all openers with no more access. */
export function open(call: PuffsCall, { mode }: Of<typeof a.Open>): Outcome {
  const { connection } = call;
  const { setattr } = connection.node;
  const access = mode & (FileMode.READ | FileMode.WRITE);
  const cached = (connection.flags & KernelFlags.NOCACHE_PAGE) === 0;
  // Writes come out of the page cache without a name: who opens a set-id file to write to it has as good as written.
  if (access & FileMode.WRITE && !call.privileged && cached && setattr)
    return clearingSetId(call, (c) => grant(c, mode, access));
  return grant(call, mode, access);
}

function grant(call: PuffsCall, mode: number, access: number): Outcome {
  const { node, openings, wishes } = call.connection;
  call.file = openings.file(call.vnode, access);
  if (call.file || !(node.open || node.close || node.inactive)) return opened(call);
  const file = new OpenFile(call.vnode, linuxFlags(mode), Boolean(wishes.directIo), false);
  call.file = file;
  return after(call, node.open?.(call.node, file, call), (c) => {
    openings.add(file);
    return opened(c);
  });
}

function opened(call: PuffsCall): number {
  const { file, frame, connection } = call;
  const flags = file?.directIo ? OpenReply.IO_DIRECT : 0;
  frame.replyView.setInt32(wire.VnmsgOpen.offsets.oflags, flags, true);
  // With IAONDEMAND the kernel tells the end only of what it was asked for.
  if (connection.node.inactive) call.setbacks |= Setback.INACT_N1;
  return r.empty(call);
}

/** What an open file's mode word is in open(2) on Linux: FREAD and FWRITE are the access mode and one. */
function linuxFlags(mode: number): number {
  const access = mode & (FileMode.READ | FileMode.WRITE);
  return LINUX.reduce(
    (flags, [theirs, ours]) => ((mode & theirs) === theirs ? flags | ours : flags),
    access === 0 ? 0 : access - 1,
  );
}

const LINUX: readonly (readonly [number, number])[] = [
  [O.APPEND, 0o2000],
  [O.NONBLOCK, 0o4000],
  [O.TRUNC, 0o1000],
  [O.SYNC, 0o4010000],
  [O.DSYNC, 0o10000],
  [O.DIRECT, 0o40000],
  [O.DIRECTORY, 0o200000],
];

export function close(call: PuffsCall, { fflag }: Of<typeof a.Close>): Outcome {
  const { node, openings } = call.connection;
  call.file = openings.file(call.vnode, fflag & (FileMode.READ | FileMode.WRITE));
  return after(call, node.close?.(call.node, call.file, call), r.empty);
}

export function access(call: PuffsCall, { mode }: Of<typeof a.Access>): Outcome {
  return allow(call, call.node, mode & 7, r.empty);
}

export function read(call: PuffsCall, { offset, resid }: Of<typeof a.Rw>): Outcome {
  const { connection } = call;
  if (connection.isDirectory(call.vnode)) return EISDIR;
  call.keepsTimes = call.internal && connection.keepsTimes;
  call.limit = Math.max(0, Math.min(resid, call.buflen - wire.VnmsgRw.size));
  call.file = connection.openings.file(call.vnode, FileMode.READ);
  const into = call.bytes(wire.VnmsgRw.offsets.data, call.limit);
  const answer = connection.node.read?.(call.node, into, offset, call) as Awaitable<number>;
  return after(call, answer, r.readCount);
}

export function write(call: PuffsCall, argument: Of<typeof a.Rw>): Outcome {
  const { offset, resid, ioflag } = argument;
  if (resid > call.frame.length - wire.VnmsgRw.offsets.data) return EINVAL;
  call.file = call.connection.openings.file(call.vnode, FileMode.WRITE);
  call.keepsTimes = call.internal && call.connection.keepsTimes;
  call.done = 0;
  call.limit = resid;
  call.offset = offset;
  const clears = !call.privileged && call.connection.node.setattr !== undefined;
  const next = clears ? (c: PuffsCall) => clearingSetId(c, writeRest) : writeRest;
  if ((ioflag & IoFlags.APPEND) === 0) return next(call);
  return after(call, r.attributesOf(call, call.node), (c, { size }) => {
    c.offset = size;
    return next(c);
  });
}

/** A plugin that takes less than all is given the rest: to this kernel a short write is an error. */
function writeRest(call: PuffsCall): Outcome {
  const { done, limit, offset } = call;
  if (done === limit) return r.written(call);
  const from = call.bytes(wire.VnmsgRw.offsets.data + done, limit - done);
  const { write: operation } = call.connection.node;
  const answer = operation?.(call.node, from, offset + done, call) as Awaitable<number | Errno>;
  return after(call, answer, (c, count) => {
    if (count >>> 0 !== count || count > c.limit - c.done)
      throw new Nonsense(`write answered ${Bun.inspect(count)} of ${c.limit - c.done} bytes`);
    if (count === 0) return new Errno("ENOSPC");
    c.done += count;
    return writeRest(c);
  });
}

/**
 * POLL is answered when there is something to tell, which may be never. What `notify` announces may be over when it is looked at.
 */
export function poll(call: PuffsCall, { events }: Of<typeof a.Poll>): Outcome {
  const { poll: operation } = call.connection.node;
  // What the kernel takes for the events where an error is told: see `events` in reply.ts.
  call.frame.replyView.setInt32(wire.VnmsgPoll.offsets.events, Poll.ERR, true);
  const look = async (): Promise<number | Errno | undefined> => {
    for (;;) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const revents = await operation?.(call.node, events, resolve, call);
      if (revents !== 0) return revents;
      // It may have fired while the plugin looked.
      if (!call.signal.aborted) {
        call.signal.addEventListener("abort", () => resolve());
        await promise;
      }
      if (call.signal.aborted) return new Errno("EINTR");
    }
  };
  return after(call, look() as Promise<number | Errno>, r.events);
}

export function fsync(call: PuffsCall, { flags }: Of<typeof a.Fsync>): Outcome {
  const { node, openings } = call.connection;
  call.file = openings.file(call.vnode, FileMode.WRITE);
  const dataOnly = (flags & FsyncFlags.DATAONLY) !== 0;
  return after(call, node.fsync?.(call.node, dataOnly, call), r.empty);
}

export function remove(call: PuffsCall, { cookieTarg }: Of<typeof a.Remove>): Outcome {
  const target = hold(call, cookieTarg);
  if (!target) return ESTALE;
  call.target = target;
  // The kernel lets it come this far, and means unlink(2) to say so.
  if (call.connection.isDirectory(target)) return EPERM;
  return change(call, call.node, target.node, (c) =>
    after(c, c.connection.node.remove?.(c.node, c.name, c), unnamed),
  );
}

/** A name of `call.target` is gone. Was it the last one, the kernel is told to forget the node as soon as nobody has it open. */
function unnamed(call: PuffsCall): Outcome {
  const target = call.target as Vnode;
  const value = attempt(() => r.attributesOf(call, target.node));
  return after(call, whether(value), (c, isGone) => {
    target.removed ||= isGone;
    if (target.removed) c.setbacks |= Setback.NOREF_N2;
    return r.empty(c);
  });
}

/** Whether these are the attributes of a node without a name: none at all, for some. */
function whether(value: Awaitable<Attributes | Errno>): Awaitable<boolean> {
  const judge = (known: Attributes | Errno) => known instanceof Errno || known.nlink === 0;
  return value instanceof Promise ? value.then(judge) : judge(value as Attributes | Errno);
}

export function rmdir(call: PuffsCall, { cookieTarg }: Of<typeof a.Rmdir>): Outcome {
  const target = hold(call, cookieTarg);
  if (!target) return ESTALE;
  call.target = target;
  return change(call, call.node, target.node, (c) =>
    after(c, c.connection.node.rmdir?.(c.node, c.name, c), (c2) => {
      target.removed = true;
      c2.setbacks |= Setback.NOREF_N2;
      return r.empty(c2);
    }),
  );
}

export function link(call: PuffsCall, { cookieTarg }: Of<typeof a.Link>): Outcome {
  const target = hold(call, cookieTarg);
  if (!target) return ESTALE;
  return change(call, call.node, undefined, (c) =>
    after(c, c.connection.node.link?.(c.node, c.name, target.node, c), r.empty),
  );
}

export function rename(call: PuffsCall, argument: Of<typeof a.Rename>): Outcome {
  const source = hold(call, argument.cookieSrc);
  const to = hold(call, argument.cookieTargdir);
  const target = argument.cookieTarg === 0 ? undefined : hold(call, argument.cookieTarg);
  call.source = source;
  call.targetDirectory = to;
  call.target = target;
  if (!(source && to) || (argument.cookieTarg !== 0 && !target)) return ESTALE;
  // Below its own: the kernel does not look.
  if (isWithin(to, source)) return EINVAL;
  const from = call.vnode;
  const moves = source.adopted && from !== to;
  return change(call, from.node, source.node, (c) =>
    change(c, to.node, target?.node, (c2) =>
      // A directory that moves is changed itself: its "..".
      moves ? allow(c2, source.node, WRITE, stillThere) : stillThere(c2),
    ),
  );
}

/**
 * The kernel looked for the source and then let go of its directory: the name may lead by now to what the caller may not move, or was not
 * meant to be taken away. Else the superuser moves what is there.
 */
function stillThere(call: PuffsCall): Outcome {
  const { node, vnodes } = call.connection;
  if (call.source?.removed) return ENOENT;
  if (call.privileged && call.target !== call.source) return renaming(call);
  const answer = node.lookup(call.node, call.name, call) as Awaitable<object | null | Errno>;
  return after(call, answer, (c, found) => {
    if (found === c.source?.node) return renaming(c);
    // A node that the kernel does not hear of now is not kept for it.
    if (found) {
      r.checkNode(found);
      vnodes.forget(vnodes.handOut(found), 1);
    }
    return ENOENT;
  });
}

function renaming(call: PuffsCall): Outcome {
  return call.target === call.source ? unnameOne(call) : renamed(call);
}

/** Of two names of one file rename(2) takes the first away here. Where both are the same it does not come this far. */
function unnameOne(call: PuffsCall): Outcome {
  const { node } = call.connection;
  const isSame = call.vnode === call.targetDirectory && call.name === call.secondName;
  if (isSame || !node.remove) return isSame ? r.empty(call) : EOPNOTSUPP;
  return after(call, node.remove(call.node, call.name, call), r.empty);
}

function renamed(call: PuffsCall): Outcome {
  const { node, vnodes } = call.connection;
  const to = call.targetDirectory as Vnode;
  const source = call.source as Vnode;
  const answer = node.rename?.(call.node, call.name, to.node, call.secondName, 0, call);
  return after(call, answer, (c) => {
    const wasThere = source.parent === c.vnode && source.name === c.name;
    if (source.adopted && wasThere) vnodes.adopt(source, to, c.secondName);
    const { target } = c;
    if (!target) return r.empty(c);
    const value = attempt(() => r.attributesOf(c, target.node));
    return after(c, whether(value), (c2, isGone) => {
      target.removed ||= isGone || target.adopted;
      return r.empty(c2);
    });
  });
}

export function readdir(call: PuffsCall, argument: Of<typeof a.Readdir>): Outcome {
  const { dentoff, ncookies } = argument;
  if (dentoff < 8 * ncookies || wire.VnmsgReaddir.size + dentoff > call.buflen) return EINVAL;
  return list(call, argument);
}

export function readlink(call: PuffsCall, { linklen }: Of<typeof a.Readlink>): Outcome {
  call.limit = Math.min(linklen, Limits.MAXPATHLEN);
  const answer = call.connection.node.readlink?.(call.node, call) as Awaitable<string | Errno>;
  return after(call, answer, r.target);
}

/** The last reference is gone. A node that has no name either need not be kept. */
export function inactive(call: PuffsCall): Outcome {
  const { vnode, connection } = call;
  const { node } = vnode;
  const ended = connection.endFiles(node, call.pid);
  const isWanted = connection.inactiveWanted.delete(node) && ended === 0;
  const told = isWanted
    ? connection.attempt("inactive", () => connection.node.inactive?.(node, undefined, call.pid))
    : undefined;
  return after(call, told, (c) => {
    if (c.vnode.removed) c.setbacks |= Setback.NOREF_N1;
    return r.empty(c);
  });
}

/** Nobody can be waiting for the node's events any more either: what polls is told to give up. */
export function reclaim(call: PuffsCall, { nlookup }: Of<typeof a.Reclaim>): Outcome {
  const { vnode, connection } = call;
  if (connection.node.poll) giveUp(call, "the node was reclaimed", ({ row }) => row.parked);
  vnode.byHandle = false;
  connection.vnodes.forget(vnode, Math.max(0, nlookup));
  return r.empty(call);
}

/** Calls about the same node that wait for what will not come. */
function giveUp(
  { vnode, connection }: PuffsCall,
  why: string,
  which: (call: PuffsCall) => boolean,
): void {
  for (const pending of connection.pending)
    if (pending.vnode === vnode && which(pending)) pending.abort(why);
}

export function print(call: PuffsCall): Outcome {
  const answer = call.connection.node.print?.(call.node) as Awaitable<string>;
  return after(call, answer, (c, line) => {
    if (typeof line !== "string") throw new Nonsense(`print answered ${Bun.inspect(line)}`);
    c.connection.report(`node ${c.vnode.id}: ${line}`);
    return r.empty(c);
  });
}

export function pathconf(call: PuffsCall, { name }: Of<typeof a.Pathconf>): Outcome {
  const { node } = call.connection;
  const answer = node.pathconf ? node.pathconf(call.node, name, call) : (LIMITS[name] ?? EINVAL);
  return after(call, answer, (c, value) => {
    if (!(Number.isSafeInteger(value) && value >= 0))
      throw new Nonsense(`pathconf answered ${Bun.inspect(value)}`);
    write64(c.frame.replyView, wire.VnmsgPathconf.offsets.retval, value);
    return r.empty(c);
  });
}

const LIMITS: Readonly<Record<number, number>> = {
  [Pathconf.LINK_MAX]: Limits.LINK_MAX,
  [Pathconf.NAME_MAX]: Limits.KERNEL_NAME_MAX,
  [Pathconf.PATH_MAX]: Limits.MAXPATHLEN,
  [Pathconf.PIPE_BUF]: 512,
  [Pathconf.CHOWN_RESTRICTED]: 1,
  [Pathconf.NO_TRUNC]: 1,
  [Pathconf.SYNC_IO]: 1,
  [Pathconf.FILESIZEBITS]: 54,
  [Pathconf.SYMLINK_MAX]: Limits.MAXPATHLEN,
  [Pathconf["2_SYMLINKS"]]: 1,
};

export function advlock(call: PuffsCall, argument: Of<typeof a.Advlock>): Outcome {
  const { fl } = argument;
  if (fl.whence !== Seek.END) return lockAt(call, argument, 0);
  return after(call, r.attributesOf(call, call.node), (c, { size }) => lockAt(c, argument, size));
}

function lockAt(
  call: PuffsCall,
  { fl, id, op, flags }: Of<typeof a.Advlock>,
  base: number,
): Outcome {
  const first = base + fl.start + Math.min(0, fl.len);
  const end = fl.len === 0 ? Number.POSITIVE_INFINITY : first + Math.abs(fl.len) - 1;
  if (first < 0) return EINVAL;
  const isUnlock = op === LockOp.UNLCK || fl.type === LockType.UNLCK;
  const type = isUnlock ? "unlock" : fl.type === LockType.WRLCK ? "write" : "read";
  const operation = op === LockOp.GETLK ? "get" : flags & LockFlags.WAIT ? "wait" : "set";
  const kind = flags & LockFlags.FLOCK ? "flock" : "posix";
  // So a file is closed. A caller that a signal took from its wait is not announced, but this is.
  if (isUnlock && first === 0 && end === Number.POSITIVE_INFINITY)
    giveUp(call, "the file was closed", (waiting) => waits(waiting, id));
  const asked: Lock = { type, start: first, end, pid: fl.pid };
  const { node } = call.connection;
  const answer = node.advlock?.(call.node, operation, asked, id, kind, call);
  return after(call, answer as Awaitable<Lock | undefined | Errno>, (c, lock) => {
    if (operation === "get") tellLock(c, lock as Lock);
    return r.empty(c);
  });
}

/** Whether the call is one of the owner's that waits for a lock. */
function waits({ row, arguments: read }: PuffsCall, owner: bigint): boolean {
  if (row.number !== Vn.ADVLOCK || row.group !== "VN") return false;
  const { id, flags } = read[row.index] as Of<typeof a.Advlock>;
  return id === owner && (flags & LockFlags.WAIT) !== 0;
}

/** The kernel does not look at it, whatever it says. */
function tellLock(call: PuffsCall, lock: Lock): void {
  const type = LOCK_TYPES.get(lock?.type);
  const { start, end, pid } = lock ?? {};
  const ends = end === Number.POSITIVE_INFINITY || (Number.isSafeInteger(end) && end >= start);
  if (!(type && Number.isSafeInteger(start) && start >= 0 && ends && pid >> 0 === pid))
    throw new Nonsense(`a lock is ${Bun.inspect(lock)}`);
  const len = end === Number.POSITIVE_INFINITY ? 0 : end - start + 1;
  const at = wire.VnmsgAdvlock.offsets.fl;
  wire.Flock.write(call.frame.replyView, at, { start, len, pid, type, whence: Seek.SET });
}

const LOCK_TYPES: ReadonlyMap<Lock["type"], number> = new Map([
  ["read", LockType.RDLCK],
  ["write", LockType.WRLCK],
  ["unlock", LockType.UNLCK],
]);

type Namespaced = { readonly attrnamespace: number };

function namespaceOf({ attrnamespace }: Namespaced): AttributeNamespace | undefined {
  if (attrnamespace === ExtattrNamespace.USER) return "user";
  return attrnamespace === ExtattrNamespace.SYSTEM ? "system" : undefined;
}

/** The name of an extended attribute, which has its NUL within 255 bytes. */
function attributeName(call: PuffsCall, at: number): string | undefined {
  const { request } = call.frame;
  const end = request.subarray(at, at + 255).indexOf(0);
  return end > 0 ? decodeName(request, at, at + end) : undefined;
}

/**
 * Go on if the caller may use attributes of this namespace so: those of users as they may the content of the file, those of the system
 * only the superuser (extattr_check_cred of NetBSD's kernel, which leaves it to the file system).
 */
function allowAttribute(
  call: PuffsCall,
  namespace: AttributeNamespace,
  mask: number,
  next: Next,
): Outcome {
  if (call.privileged && !call.connection.node.access) return next(call);
  if (namespace !== "user" && !call.privileged) return EPERM;
  return allow(call, call.node, mask, next);
}

export function getextattr(call: PuffsCall, asked: Of<typeof a.Getextattr>): Outcome {
  const places = wire.VnmsgGetextattr.offsets;
  const namespace = namespaceOf(asked);
  const name = attributeName(call, places.attrname);
  if (!(namespace && name)) return EINVAL;
  call.limit = Math.max(0, Math.min(asked.resid, call.buflen - places.data));
  return allowAttribute(call, namespace, READ, (c) => {
    const { node } = c.connection;
    const answer = node.getextattr?.(c.node, namespace, name, c) as Awaitable<Uint8Array>;
    return after(c, answer, (c2, value) => r.attributeBytes(c2, value, places));
  });
}

export function setextattr(call: PuffsCall, asked: Of<typeof a.Setextattr>): Outcome {
  const places = wire.VnmsgSetextattr.offsets;
  const namespace = namespaceOf(asked);
  const name = attributeName(call, places.attrname);
  if (!(namespace && name) || asked.resid > call.frame.length - places.data) return EINVAL;
  const value = call.bytes(places.data, asked.resid);
  return allowAttribute(call, namespace, WRITE, (c) => {
    const { node } = c.connection;
    return after(c, node.setextattr?.(c.node, namespace, name, value, "any", c), (c2) => {
      write64(c2.frame.replyView, places.resid, 0);
      return r.empty(c2);
    });
  });
}

export function deleteextattr(call: PuffsCall, asked: Of<typeof a.Deleteextattr>): Outcome {
  const namespace = namespaceOf(asked);
  const name = attributeName(call, wire.VnmsgDeleteextattr.offsets.attrname);
  if (!(namespace && name)) return EINVAL;
  return allowAttribute(call, namespace, WRITE, (c) =>
    after(c, c.connection.node.deleteextattr?.(c.node, namespace, name, c), r.empty),
  );
}

export function listextattr(call: PuffsCall, asked: Of<typeof a.Listextattr>): Outcome {
  const places = wire.VnmsgListextattr.offsets;
  const namespace = namespaceOf(asked);
  if (!namespace) return EINVAL;
  call.limit = Math.max(0, Math.min(asked.resid, call.buflen - places.data));
  const prefixed = (asked.flag & ExtattrList.LENPREFIX) !== 0;
  // Of the system's there is nothing to see for others, and no error: a list of all asks for both.
  const hidden = namespace !== "user" && !call.privileged;
  if (hidden) return r.attributeBytes(call, nameList([], prefixed), places);
  return allowAttribute(call, namespace, READ, (c) => {
    const { node } = c.connection;
    const answer = node.listextattr?.(c.node, namespace, c) as Awaitable<Iterable<string>>;
    return after(c, answer, (c2, names) => r.attributeBytes(c2, nameList(names, prefixed), places));
  });
}

/** Each name behind a byte with its length, or before a NUL. */
function nameList(names: Iterable<string>, prefixed: boolean): Uint8Array {
  const all = [...names];
  const bytes = new Uint8Array(all.reduce((sum, name) => sum + nameLength(name) + 1, 0));
  let at = 0;
  for (const name of all) {
    const length = nameLength(name);
    if (length === 0 || length > 255 || name.includes("\0"))
      throw new Nonsense(`an extended attribute is called ${Bun.inspect(name)}`);
    if (prefixed) bytes[at] = length;
    encodeName(name, bytes, prefixed ? at + 1 : at);
    at += length + 1;
  }
  return bytes;
}

/** The message of punching holes has the same number in some kernels: nothing but growing may come of this. */
export function fallocate(call: PuffsCall, { off, len }: Of<typeof a.Fallocate>): Outcome {
  const { node } = call.connection;
  return after(call, node.fallocate?.(call.node, off, len, 0, call), r.empty);
}

export function fdiscard(call: PuffsCall, { off, len }: Of<typeof a.Fdiscard>): Outcome {
  const { node } = call.connection;
  return after(call, node.fdiscard?.(call.node, off, len, call), r.empty);
}

/** The kernel has written back all and wants to go. Unless it will go anyway the file system is asked, and may refuse. */
export function unmount(call: PuffsCall, { flags }: Of<typeof a.Unmount>): Outcome {
  const isAsked = call.connection.fs.unmount && (flags & MountFlags.FORCE) === 0;
  return isAsked ? after(call, leave(call), left) : left(call);
}

async function leave(call: PuffsCall): Promise<void> {
  const { connection } = call;
  const others = () => [...connection.pending].filter((other) => other !== call);
  // Who asked for these is gone by now, but writes that nobody waits for are not to be given up.
  for (const other of others()) if (!other.forgotten) other.abort("unmounted");
  const deadline = Date.now() + FAREWELL;
  while (others().length > 0 && Date.now() < deadline) await Bun.sleep(5);
  await connection.unmount();
}

function left(call: PuffsCall): number {
  call.connection.unmounted?.();
  return r.empty(call);
}

/** Milliseconds that operations at work get to end before the file system does. */
const FAREWELL = 2000;

export function statvfs(call: PuffsCall): Outcome {
  const { fs } = call.connection;
  return after(call, fs.statvfs ? fs.statvfs(call) : NO_STATISTICS, r.statistics);
}

const NO_STATISTICS = { frsize: 4096, blocks: 0, bfree: 0, bavail: 0, files: 0, ffree: 0 };

export function fhtonode(call: PuffsCall, { dsize }: Of<typeof a.Fhtonode>): Outcome {
  const places = wire.VfsmsgFhtonode.offsets;
  const { connection } = call;
  if (dsize > call.frame.length - places.data) return EINVAL;
  const handle = call.bytes(places.data, dsize);
  return after(call, connection.fs.fhtonode?.(handle, call) as Awaitable<object>, (c, node) => {
    r.checkNode(node);
    return after(c, r.attributesOf(c, node), (c2, value) => {
      checkAttributes(value, value.ino ?? ROOT_ID);
      const vnode = connection.vnodes.handOut(node);
      // A kernel that is not told will not reclaim it.
      vnode.byHandle ||= !(c2.answered || c2.forgotten);
      connection.vnodes.forget(vnode, 1);
      const { replyView } = c2.frame;
      write64(replyView, places.fhcookie, cookieOf(vnode));
      replyView.setUint32(places.vtype, vtypeOf(value.mode), true);
      write64(replyView, places.size, r.sizeOf(value));
      write64(replyView, places.rdev, deviceOf(value));
      return r.empty(c2);
    });
  });
}

export function nodetofh(call: PuffsCall, asked: Of<typeof a.Nodetofh>): Outcome {
  const places = wire.VfsmsgNodetofh.offsets;
  const { connection } = call;
  const vnode = hold(call, asked.fhcookie);
  if (!vnode) return ESTALE;
  const most = Math.min(asked.dsize, call.buflen - places.data);
  const answer = connection.fs.nodetofh?.(vnode.node, call) as Awaitable<Uint8Array | Errno>;
  return after(call, answer, (c, handle) => {
    checkHandle(c, handle);
    write64(c.frame.replyView, places.dsize, handle.length);
    // Whoever asks how long it is, getfh(2) does so first, gets this error, and the length all the same.
    if (handle.length > most) return E2BIG;
    c.frame.reply.set(handle, places.data);
    return places.data + handle.length;
  });
}

/** One that the kernel would not take back: see `handles` of createUsermount. */
function checkHandle({ connection }: PuffsCall, handle: Uint8Array): void {
  if (!(handle instanceof Uint8Array))
    throw new Nonsense(`a file handle is ${Bun.inspect(handle)}`);
  const { size, flags } = connection.handles;
  const { length } = handle;
  const fits = flags & FhFlags.DYNAMIC ? length <= size : length === size;
  if (!(fits || flags & FhFlags.PASSTHROUGH))
    throw new Nonsense(`a file handle has ${length} bytes, where the mount says ${size}`);
}

export function extattrctl(call: PuffsCall, asked: Of<typeof a.Extattrctl>): Outcome {
  const { connection, frame } = call;
  const namespace = namespaceOf(asked);
  const name = attributeName(call, wire.VfsmsgExtattrctl.offsets.attrname) ?? "";
  const vnode =
    asked.flags & Extattrctl.HASNODE
      ? hold(call, read64(frame.requestView, wire.PuffsReq.offsets.cookie))
      : undefined;
  if (!namespace) return EINVAL;
  if (asked.flags & Extattrctl.HASNODE && !vnode) return ESTALE;
  const { fs } = connection;
  return after(call, fs.extattrctl?.(asked.cmd, vnode?.node, namespace, name, call), r.empty);
}

export function suspend(call: PuffsCall, { status }: Of<typeof a.Suspend>): Outcome {
  const word = SUSPENSIONS[status];
  return word ? after(call, call.connection.fs.suspend?.(word), r.empty) : EINVAL;
}

const SUSPENSIONS = ["start", "suspended", "resume", "error"] as const;

/** A second node, held until the call has ended. */
function hold(call: PuffsCall, cookie: number): Vnode | undefined {
  const vnode = vnodeOf(call.connection.vnodes, cookie);
  if (vnode) {
    vnode.pending++;
    call.held.push(vnode);
  }
  return vnode;
}
