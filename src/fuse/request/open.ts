import { type Awaitable, then } from "../../awaitable.ts";
import { ENOSYS } from "../../errno.ts";
import type { OpenFile } from "../../files.ts";
import type { Lock } from "../../operations.ts";
import type { Outcome } from "../../outcome.ts";
import { Scan } from "../../scan.ts";
import type { Of } from "../../struct.ts";
import type { FuseCall } from "../call.ts";
import type { Connection } from "../connection.ts";
import { has, InitFlags, O, OpenFlags, ReleaseFlags } from "../flags.ts";
import * as r from "../reply.ts";
import type * as wire from "../structs.ts";
import { clearingSetId } from "./attributes.ts";
import { useFile } from "./hold.ts";

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

/** The end of an open, also of those that the mount's end leaves. Nobody is told that it failed: it is logged. */
export function closeFile(call: FuseCall): Outcome {
  const file = call.file as OpenFile;
  const { connection } = call;
  connection.files.remove(file);
  file.scan?.end();
  const ended = connection.attempt("inactive", () =>
    connection.node.inactive?.(file.vnode.node, file, connection.by),
  );
  return then(ended, r.empty);
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

/** ENOSYS to OPEN grants this open and all to come; a kernel that does not know of that would fail the open(2). */
export function grantsUnasked({ agreement }: Connection): boolean {
  return has(agreement?.flags ?? 0, InitFlags.NO_OPEN_SUPPORT);
}
