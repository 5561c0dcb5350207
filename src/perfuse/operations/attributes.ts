import { ENOENT, type Errno } from "../../errno.ts";
import { FattrFlags, GetattrFlags } from "../../fuse/flags.ts";
import { credentialOf } from "../../library/credential.ts";
import type { Attributes, Call, Changes, Done, NodeOperations } from "../../operations.ts";
import { refuseAccess, refuseChanges } from "../../puffs/permission.ts";
import { type Context, isCode, isPuffs, requestOf } from "../context.ts";
import type { Known } from "../known.ts";
import type { PerfuseNode } from "../node.ts";

/** What stat(2), chmod(2) and their kin ask. */
export function attributeOperations(
  context: Context,
): Pick<NodeOperations<PerfuseNode>, "getattr" | "setattr" | "access"> {
  return {
    getattr: (node, call) =>
      isInternal(call) && node.known.fresh && node.session === context.session
        ? node.known
        : fetch(context, node, call),
    setattr: (node, changes, call) => setattr(context, node, changes, call),
    ...(context.options.access && {
      access: (node, mask, call) => access(context, node, mask, call),
    }),
  };
}

/**
 * Whether the framework asks for itself, to check permissions or to fill an answer. Only who wants to know what the file is like now is
 * sent to the daemon; the end of the file that NetBSD's kernel appends at is part of that.
 */
function isInternal(call: Call): boolean {
  const request = requestOf(call);
  if (request === undefined || request === "GETATTR" || request === "STATX") return false;
  return !(request === "WRITE" && isPuffs(call));
}

/** GETATTR: through the handle, of an open file. */
export function fetch(context: Context, node: PerfuseNode, call: Call): Promise<Known> {
  if (node.isResizing) return node.resizing.idle().then(() => fetch(context, node, call));
  if (node.removed && !node.isOpen) return Promise.reject(ENOENT);
  const handle = node.isDirectory ? undefined : node.reader;
  const fields = handle ? { getattrFlags: GetattrFlags.FH, fh: handle.fh } : {};
  const { sizes } = node.session;
  return context
    .ask(node, call, (kernel, caller) => kernel.getattr(node.nodeid, fields, caller))
    .then((out) => node.learn(out, sizes));
}

async function setattr(
  context: Context,
  node: PerfuseNode,
  changes: Changes,
  call: Call,
): Promise<Attributes | Done> {
  if (node.removed && !node.isOpen) throw ENOENT;
  if (context.options.access && context.lacks("access")) {
    const refused = refuse(node, changes, call);
    if (refused) throw refused;
  }
  if (changes.size === undefined) return change(context, node, changes, call);
  return node.resizing.during(() => {
    const { size, ...others } = changes;
    const handle = !node.isDirectory && node.write;
    // Daemons of old took only one of the two through a handle.
    if (!(handle && changes.mode !== undefined)) return change(context, node, changes, call);
    return change(context, node, { size: size as number }, call).then(() =>
      change(context, node, others, call),
    );
  });
}

async function change(
  context: Context,
  node: PerfuseNode,
  changes: Changes,
  call: Call,
): Promise<Attributes | Done> {
  const { mode, uid, gid, size } = changes;
  const { known, lockOwner } = node;
  const { atime = known.atime, mtime = known.mtime } = changes;
  const asked =
    (mode === undefined ? 0 : FattrFlags.MODE) |
    (uid === undefined ? 0 : FattrFlags.UID) |
    (gid === undefined ? 0 : FattrFlags.GID) |
    (size === undefined ? 0 : FattrFlags.SIZE) |
    (changes.atime ? FattrFlags.ATIME : 0) |
    (changes.mtime ? FattrFlags.MTIME : 0);
  if (asked === 0) return known;
  const handle = node.isDirectory ? undefined : node.write;
  const fields = {
    valid: asked | (handle ? FattrFlags.FH : 0) | (lockOwner === 0n ? 0 : FattrFlags.LOCKOWNER),
    fh: handle?.fh ?? 0,
    size: size ?? 0,
    lockOwner,
    // Times that do not count are those of now: a daemon has been seen to set them all the same.
    atime: atime.sec,
    atimensec: atime.nsec,
    mtime: mtime.sec,
    mtimensec: mtime.nsec,
    mode: mode ?? 0,
    uid: uid ?? 0,
    gid: gid ?? 0,
  };
  if (size !== undefined) node.resized();
  const out = await context.ask(node, call, (kernel, caller) =>
    kernel.setattr(node.nodeid, fields, caller),
  );
  node.changed = true;
  if (size !== undefined) node.resized();
  return node.learn(out);
}

/** What the framework leaves to who has `access`, of a daemon that turned out not to know it. */
function refuse(node: PerfuseNode, changes: Changes, call: Call): Errno | undefined {
  const who = credentialOf(call);
  const writes = changes.size !== undefined && !node.write;
  return (
    refuseChanges(node.known, changes, false, who) ??
    (writes ? refuseAccess(node.known, 2, who) : undefined)
  );
}

/** ACCESS, or from attributes where the daemon does not know that. */
async function access(
  context: Context,
  node: PerfuseNode,
  mask: number,
  call: Call,
): Promise<Done> {
  if (node.removed) throw ENOENT;
  if (!context.lacks("access")) {
    try {
      return await context.ask(node, call, (kernel, caller) =>
        kernel.access(node.nodeid, mask & 7, caller),
      );
    } catch (error) {
      if (!isCode(error, "ENOSYS")) throw error;
      context.session.lacks.add("access");
    }
  }
  const known = node.known.fresh ? node.known : await fetch(context, node, call);
  const refused = refuseAccess(known, mask & 7, credentialOf(call));
  if (refused) throw refused;
}
