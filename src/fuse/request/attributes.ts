import { now } from "../../../ffi/clock.ts";
import type { Awaitable } from "../../awaitable.ts";
import type { Errno } from "../../errno.ts";
import { S_IFDIR, S_IFMT, S_IFREG, S_ISGID, S_ISUID } from "../../mode.ts";
import type { Vnode } from "../../nodes.ts";
import type { Attributes, Changes } from "../../operations.ts";
import type { Outcome } from "../../outcome.ts";
import type { Of } from "../../struct.ts";
import { changesOf } from "../attr.ts";
import type { FuseCall } from "../call.ts";
import { FattrFlags } from "../flags.ts";
import * as r from "../reply.ts";
import type * as wire from "../structs.ts";
import { useFile } from "./hold.ts";

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
export function clearingSetId(
  call: FuseCall,
  vnode: Vnode,
  next: (call: FuseCall) => Outcome,
): Outcome {
  return r.after(call, r.attributesOf(call, vnode.node), (c, { mode }) => {
    const left = withoutSetId(mode);
    if (left === mode || (mode & S_IFMT) !== S_IFREG || !c.connection.node.setattr) return next(c);
    const answer = c.connection.node.setattr(vnode.node, { mode: left & 0o7777 }, c) as Awaitable<
      undefined | Errno
    >;
    return r.after(c, answer, next);
  });
}
