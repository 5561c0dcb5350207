import { isMode } from "../../attributes.ts";
import type { Awaitable } from "../../awaitable.ts";
import { EINVAL, ENOSYS, EPERM, type Errno, ESTALE } from "../../errno.ts";
import { S_IFDIR, S_IFMT, S_IFREG } from "../../mode.ts";
import type { Vnode } from "../../nodes.ts";
import type { Outcome } from "../../outcome.ts";
import type { Of } from "../../struct.ts";
import { type FuseCall, PAYLOAD } from "../call.ts";
import { O } from "../flags.ts";
import * as r from "../reply.ts";
import type * as wire from "../structs.ts";
import { hold } from "./hold.ts";
import { grantsUnasked } from "./open.ts";

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

export function link(call: FuseCall, { oldnodeid }: Of<typeof wire.LinkIn>): Outcome {
  const old = hold(call, oldnodeid);
  if (!old) return ESTALE;
  return r.after(call, call.connection.node.link?.(call.node, call.name, old.node, call), linked);
}

function linked(call: FuseCall): Outcome {
  return r.entry(call, (call.other as Vnode).node);
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
