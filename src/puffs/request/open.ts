import { OpenFile } from "../../files.ts";
import { after, type Outcome } from "../../outcome.ts";
import type { Of } from "../../struct.ts";
import type * as a from "../arguments.ts";
import type { PuffsCall } from "../call.ts";
import { FileMode, KernelFlags, O, OpenReply, Setback } from "../flags.ts";
import * as r from "../reply.ts";
import { clearingSetId } from "../setattr.ts";
import * as wire from "../structs.ts";
import { giveUp } from "./wait.ts";

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
