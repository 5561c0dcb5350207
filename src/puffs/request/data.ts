import type { Awaitable } from "../../awaitable.ts";
import { EINVAL, EISDIR, Errno } from "../../errno.ts";
import { Nonsense } from "../../nonsense.ts";
import { after, type Outcome } from "../../outcome.ts";
import type { Of } from "../../struct.ts";
import type * as a from "../arguments.ts";
import type { PuffsCall } from "../call.ts";
import { FileMode, FsyncFlags, IoFlags, Limits } from "../flags.ts";
import { list } from "../readdir.ts";
import * as r from "../reply.ts";
import { clearingSetId } from "../setattr.ts";
import * as wire from "../structs.ts";

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

export function fsync(call: PuffsCall, { flags }: Of<typeof a.Fsync>): Outcome {
  const { node, openings } = call.connection;
  call.file = openings.file(call.vnode, FileMode.WRITE);
  const dataOnly = (flags & FsyncFlags.DATAONLY) !== 0;
  return after(call, node.fsync?.(call.node, dataOnly, call), r.empty);
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
