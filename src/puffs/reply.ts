import type { Awaitable } from "../awaitable.ts";
import { EOPNOTSUPP, ERANGE, Errno } from "../errno.ts";
import { S_IFDIR, S_IFMT, S_IFREG } from "../mode.ts";
import { encodeName, nameLength } from "../name.ts";
import type { Vnode } from "../nodes.ts";
import { Nonsense } from "../nonsense.ts";
import type { Attributes, FileSystemStatistics } from "../operations.ts";
import { after, type Outcome } from "../outcome.ts";
import { deviceOf, fillVattr, setTtl, vtypeOf } from "./attr.ts";
import type { PuffsCall } from "./call.ts";
import { cookieOf } from "./cookie.ts";
import * as wire from "./structs.ts";
import { write64 } from "./word.ts";

/*
 * From what an operation answered to the reply, which is made in the bytes of the request. Each function answers how many bytes
 * the message has now, or an error.
 */

export { after };

/** An operation that answers nothing: the message goes back as it is. */
export function empty(call: PuffsCall): number {
  return call.row.message.size;
}

/** What the plugin tells of a node, asked through the call. */
export function attributesOf(call: PuffsCall, node: object): Awaitable<Attributes | Errno> {
  const { node: operations } = call.connection;
  return operations.getattr ? operations.getattr(node, call) : EOPNOTSUPP;
}

/** GETATTR; and SETATTR, where the kernel wants the result. */
export function attributes(call: PuffsCall, value: Attributes): number {
  const { connection, vattr, vnode, frame } = call;
  fillVattr(vattr, value, vnode);
  wire.Vattr.write(frame.replyView, GETATTR.va, vattr);
  if (connection.tells) writeTtl(call, GETATTR.vaTtl, attributeTtl(call, value));
  return wire.VnmsgSetgetattr.size;
}

const GETATTR = wire.VnmsgSetgetattr.offsets;

function attributeTtl({ connection }: PuffsCall, value: Attributes): number {
  const seconds = value.attrTimeout ?? connection.attributeTimeout;
  return seconds === Number.POSITIVE_INFINITY ? 0 : seconds;
}

function writeTtl(call: PuffsCall, at: number, seconds: number): void {
  setTtl(call.vattr.atime, seconds);
  wire.Timespec.write(call.frame.replyView, at, call.vattr.atime);
}

/** A node that is handed to the kernel under a name: LOOKUP. */
export function found(call: PuffsCall, node: object): Outcome {
  handOut(call, node);
  return foundAgain(call, node);
}

/** The same for one that is handed out already. */
export function foundAgain(call: PuffsCall, node: object): Outcome {
  return after(call, attributesOf(call, node), (c, value) => {
    const { replyView } = c.frame;
    replyView.setUint32(LOOKUP.vtype, vtypeOf(value.mode), true);
    write64(replyView, LOOKUP.size, sizeOf(value));
    write64(replyView, LOOKUP.rdev, deviceOf(value));
    return told(c, node, value);
  });
}

const LOOKUP = wire.VnmsgLookup.offsets;

/** The kernel takes the size of files only. */
export function sizeOf({ mode, size }: Attributes): number {
  return (mode & S_IFMT) === S_IFREG ? size : 0;
}

/**
 * A node that was made: CREATE, MKNOD, MKDIR, SYMLINK. One that the kernel knows already it would refuse, and take the name away again,
 * with what that leads to.
 */
export function made(call: PuffsCall, node: object): Outcome {
  const known = call.connection.vnodes.of(node);
  if (known && (known.lookups > 0 || known.byHandle))
    throw new Nonsense(`what was made as ${Bun.inspect(call.name)} is a node that was there`);
  handOut(call, node);
  return after(call, attributesOf(call, node), (c, value) => told(c, node, value));
}

/**
 * The kernel has one more lookup of the node from here on, if the reply goes out. Before anything can fail: a node that the plugin
 * answered is either known to the kernel or reclaimed.
 */
export function handOut(call: PuffsCall, node: object): void {
  checkNode(node);
  if (node === call.node)
    throw new Nonsense(`${Bun.inspect(call.name)} leads to the directory that it is in`);
  call.handedOut.push(call.connection.vnodes.handOut(node));
}

/** Nodes are objects. */
export function checkNode(node: object): void {
  if (typeof node !== "object" || node === null)
    throw new Nonsense(`a node is ${Bun.inspect(node)}`);
}

/** The reply that tells of a node which is handed out. */
function told(call: PuffsCall, node: object, value: Attributes): Outcome {
  const { connection, frame, row, vattr } = call;
  const vnode = connection.vnodes.of(node) as Vnode;
  fillVattr(vattr, value, vnode);
  if (isDirectory(value) && call.name !== "..")
    connection.vnodes.adopt(vnode, call.vnode, call.name);
  const at = row.message.offsets as Readonly<Record<"newnode" | "va" | "vaTtl" | "cnTtl", number>>;
  write64(frame.replyView, at.newnode, cookieOf(vnode));
  if (!connection.tells) return row.message.size;
  wire.Vattr.write(frame.replyView, at.va, vattr);
  return after(call, attributesOf(call, call.node), (c, directory) => {
    writeTtl(c, at.vaTtl, attributeTtl(c, value));
    // A name that the kernel knows it lets everyone use, whoever may search the directory.
    const open = (directory.mode & 0o111) === 0o111 && !connection.node.access;
    writeTtl(c, at.cnTtl, open ? (value.entryTimeout ?? connection.entryTimeout) : 0);
    return row.message.size;
  });
}

export function isDirectory(value: Attributes): boolean {
  return (value.mode & S_IFMT) === S_IFDIR;
}

/** READ: the operation says how many bytes it wrote in place. Behind them the reply has as many more as the struct is padded by. */
export function readCount(call: PuffsCall, count: number): number {
  if (count >>> 0 !== count || count > call.limit)
    throw new Nonsense(`read answered ${Bun.inspect(count)} of ${call.limit} bytes`);
  const { reply, replyView } = call.frame;
  const { resid } = call.arguments[call.row.index] as { resid: number };
  write64(replyView, RW.resid, resid - count);
  reply.fill(0, RW.data + count, wire.VnmsgRw.size + count);
  return wire.VnmsgRw.size + count;
}

/** WRITE: all was taken. */
export function written(call: PuffsCall): number {
  write64(call.frame.replyView, RW.resid, 0);
  return wire.VnmsgRw.size;
}

const RW = wire.VnmsgRw.offsets;

/** READLINK: no NUL is counted, and there is none. */
export function target(call: PuffsCall, text: string): number | Errno {
  if (typeof text !== "string") throw new Nonsense(`a link's target is ${Bun.inspect(text)}`);
  const length = nameLength(text);
  if (text.includes("\0"))
    throw new Nonsense(`a link's target is ${Bun.inspect(text.slice(0, 100))}, ${length} bytes`);
  if (length > call.limit) return TOO_LONG;
  encodeName(text, call.frame.reply, wire.VnmsgReadlink.offsets.link);
  write64(call.frame.replyView, wire.VnmsgReadlink.offsets.linklen, length);
  return wire.VnmsgReadlink.size;
}

const TOO_LONG = new Errno("ENAMETOOLONG");

/** STATVFS. What the kernel knows better it fills in itself. */
export function statistics(call: PuffsCall, value: FileSystemStatistics): number {
  const { frsize, blocks, bfree, bavail, files, ffree } = value;
  const counts = { frsize, blocks, bfree, bavail, files, ffree };
  const bsize = value.bsize ?? frsize;
  const namemax = value.namemax ?? 255;
  for (const [name, number] of Object.entries({ ...counts, bsize, namemax }))
    if (!(Number.isSafeInteger(number) && number >= 0))
      throw new Nonsense(`statvfs: ${name} is ${Bun.inspect(number)}`);
  const bresvd = Math.max(0, bfree - bavail);
  const rest = { bsize, namemax, iosize: bsize, bresvd, favail: ffree };
  const sb = { ...wire.Statvfs.create(), ...counts, ...rest };
  wire.VfsmsgStatvfs.write(call.frame.replyView, 0, { sb });
  return wire.VfsmsgStatvfs.size;
}

/**
 * GETEXTATTR, LISTEXTATTR: the bytes where there is room for them (`call.limit`), and how many they are where that is asked
 * for. `data`, `resid` and `datasize` are places in the message.
 */
export function attributeBytes(
  call: PuffsCall,
  value: Uint8Array,
  { data, resid, datasize }: { data: number; resid: number; datasize: number },
): number | Errno {
  if (!(value instanceof Uint8Array))
    throw new Nonsense(`an extended attribute is ${Bun.inspect(value)}`);
  const { reply, replyView } = call.frame;
  const asked = call.arguments[call.row.index] as { resid: number; datasize: number };
  if (asked.datasize !== 0) write64(replyView, datasize, value.length);
  if (asked.resid === 0) return data;
  if (value.length > call.limit) return ERANGE;
  reply.set(value, data);
  write64(replyView, resid, asked.resid - value.length);
  return data + value.length;
}

/** POLL: this kernel takes the events for good where an error is told, and for POLLERR where none is (puffs_vnops.c, puffs_vnop_poll). */
export function events(call: PuffsCall, revents: number): Outcome {
  if (revents >>> 0 !== revents) throw new Nonsense(`poll answered ${Bun.inspect(revents)}`);
  call.frame.replyView.setInt32(wire.VnmsgPoll.offsets.events, revents, true);
  call.inverted = true;
  return wire.VnmsgPoll.size;
}
