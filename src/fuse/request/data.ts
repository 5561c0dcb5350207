import type { Awaitable } from "../../awaitable.ts";
import { EBADF, EINVAL, EOPNOTSUPP, EPROTO, type Errno } from "../../errno.ts";
import type { Outcome } from "../../outcome.ts";
import type { Of } from "../../struct.ts";
import { type FuseCall, PAYLOAD } from "../call.ts";
import { Fallocate, FsyncFlags, has, InitFlags, Seek, WriteFlags } from "../flags.ts";
import { list } from "../readdir.ts";
import * as r from "../reply.ts";
import type * as wire from "../structs.ts";
import { clearingSetId } from "./attributes.ts";
import { useFile } from "./hold.ts";

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

export function fsync(call: FuseCall, argument: Of<typeof wire.FsyncIn>): Outcome {
  useFile(call, argument.fh);
  const dataOnly = (argument.fsyncFlags & FsyncFlags.FDATASYNC) !== 0;
  return r.after(call, call.connection.node.fsync?.(call.node, dataOnly, call), r.empty);
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

export function lseek(call: FuseCall, argument: Of<typeof wire.LseekIn>): Outcome {
  useFile(call, argument.fh);
  const { whence } = argument;
  if (whence !== Seek.DATA && whence !== Seek.HOLE) return EINVAL;
  const kind = whence === Seek.DATA ? "data" : "hole";
  const answer = call.connection.node.seek?.(call.node, argument.offset, kind, call);
  return r.after(call, answer as Awaitable<number | Errno>, r.position);
}

export function readdir(call: FuseCall, argument: Of<typeof wire.ReadIn>, plus: boolean): Outcome {
  if (argument.size > call.frame.reply.length - PAYLOAD) return EINVAL;
  useFile(call, argument.fh);
  call.limit = argument.size;
  const scan = call.file?.scan;
  return scan ? list(call, scan, argument.offset, plus) : EBADF;
}
