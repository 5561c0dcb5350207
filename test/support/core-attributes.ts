import { Access, FattrFlags, GetattrFlags } from "../../src/fuse/flags.ts";
import { S_IFMT, S_ISGID } from "../../src/mode.ts";
import type { Moment, NewTime, Stat } from "./client.ts";
import { fail, isDirectory, type Node } from "./core-mount.ts";
import { isMember, isOwner, withoutSetId } from "./core-rights.ts";
import type { Walk } from "./core-walk.ts";

/*
 * What notify_change and fuse_setattr of Linux do for chmod, chown, truncate and utimes. `fh` is the handle of an open file,
 * undefined when the call was made with a path.
 */

type Setattr = Parameters<Walk["mount"]["kernel"]["setattr"]>[1];

/** The attributes as stat(2) tells them. */
export async function statOf(walk: Walk, { nodeid }: Node, fh?: number | bigint): Promise<Stat> {
  const fields = fh === undefined ? {} : { getattrFlags: GetattrFlags.FH, fh };
  const { attr } = await walk.mount.kernel.getattr(nodeid, fields, walk.caller);
  const { ino, mode, nlink, uid, gid, rdev, size, blocks } = attr;
  return {
    ...{ ino, mode, nlink, uid, gid, rdev, size, blocks },
    atime: { sec: attr.atime, nsec: attr.atimensec },
    mtime: { sec: attr.mtime, nsec: attr.mtimensec },
    ctime: { sec: attr.ctime, nsec: attr.ctimensec },
  };
}

export async function changeMode(
  walk: Walk,
  node: Node,
  mode: number,
  fh?: number | bigint,
): Promise<void> {
  const { attr } = node;
  if (!mayOwn(walk, node)) fail("EPERM");
  const stranger = walk.who.uid !== 0 && !isMember(attr.gid, walk.who);
  const permissions = mode & 0o7777 & (stranger ? ~S_ISGID : 0o7777);
  const fields = { valid: FattrFlags.MODE, mode: (attr.mode & S_IFMT) | permissions };
  await change(walk, node, fields, fh);
}

export async function changeOwner(
  walk: Walk,
  node: Node,
  uid: number,
  gid: number,
  fh?: number | bigint,
): Promise<void> {
  const { attr } = node;
  const { who } = walk;
  if (walk.mount.defaultPermissions && who.uid !== 0) {
    if (uid !== -1 && (who.uid !== attr.uid || uid !== attr.uid)) fail("EPERM");
    if (gid !== -1 && (who.uid !== attr.uid || (gid !== attr.gid && !isMember(gid, who))))
      fail("EPERM");
  }
  const given = (uid === -1 ? 0 : FattrFlags.UID) | (gid === -1 ? 0 : FattrFlags.GID);
  const owner = { uid: uid === -1 ? 0 : uid, gid: gid === -1 ? 0 : gid };
  const killed = isDirectory(node) ? { valid: 0 } : withoutPrivileges(walk, node);
  const fields = { ...owner, ...killed, valid: given | killed.valid };
  if (fields.valid !== 0) await change(walk, node, fields, fh);
}

export async function changeSize(
  walk: Walk,
  node: Node,
  size: number,
  fh?: number | bigint,
): Promise<void> {
  const killed = walk.who.uid === 0 ? { valid: 0 } : withoutPrivileges(walk, node);
  const lock = walk.mount.kernel.minor >= 9 ? FattrFlags.LOCKOWNER : 0;
  const fields = { ...killed, size, valid: FattrFlags.SIZE | lock | killed.valid };
  await change(walk, node, fields, fh);
}

export async function changeTimes(
  walk: Walk,
  node: Node,
  atime: NewTime,
  mtime: NewTime,
  fh?: number | bigint,
): Promise<void> {
  if (atime === "omit" && mtime === "omit") return;
  if (atime === "now" && mtime === "now") {
    if (!mayOwn(walk, node)) walk.permit(node, Access.W);
  } else if (!mayOwn(walk, node)) fail("EPERM");
  const accessed = timeFields(walk, atime, FattrFlags.ATIME, FattrFlags.ATIME_NOW);
  const modified = timeFields(walk, mtime, FattrFlags.MTIME, FattrFlags.MTIME_NOW);
  const fields = {
    valid: accessed.valid | modified.valid,
    ...{ atime: accessed.sec, atimensec: accessed.nsec },
    ...{ mtime: modified.sec, mtimensec: modified.nsec },
  };
  await change(walk, node, fields, fh);
}

/** Before a write without HANDLE_KILLPRIV_V2: take the set-id bits away with a request of its own. */
export async function removePrivileges(walk: Walk, { nodeid }: Node): Promise<void> {
  const { kernel } = walk.mount;
  if (walk.who.uid === 0 || handlesPrivileges(walk)) return;
  const { attr } = await kernel.getattr(nodeid, {}, walk.caller);
  const killed = withoutPrivileges(walk, { nodeid, attr });
  if (killed.valid !== 0) await kernel.setattr(nodeid, killed, walk.caller);
}

function mayOwn(walk: Walk, { attr }: Node): boolean {
  return !walk.mount.defaultPermissions || isOwner(attr, walk.who);
}

function handlesPrivileges({ mount: { kernel } }: Walk): boolean {
  return kernel.agreed("HANDLE_KILLPRIV") || kernel.agreed("HANDLE_KILLPRIV_V2");
}

/** How set-id bits go: by the server if it said so, else by a new mode. */
function withoutPrivileges(walk: Walk, { attr }: Node): { valid: number; mode?: number } {
  if (walk.mount.kernel.agreed("HANDLE_KILLPRIV_V2")) return { valid: FattrFlags.KILL_SUIDGID };
  const mode = withoutSetId(attr.mode);
  if (mode === attr.mode || handlesPrivileges(walk)) return { valid: 0 };
  return { valid: FattrFlags.MODE, mode };
}

function timeFields(
  { mount: { kernel } }: Walk,
  time: NewTime,
  set: number,
  now: number,
): Moment & { valid: number } {
  if (time === "omit") return { valid: 0, sec: 0, nsec: 0 };
  if (time !== "now") return { ...time, valid: set };
  const milliseconds = Date.now();
  const sec = Math.floor(milliseconds / 1000);
  const nsec = (milliseconds - sec * 1000) * 1_000_000;
  return { sec, nsec, valid: set | (kernel.minor >= 9 ? now : 0) };
}

async function change(
  walk: Walk,
  node: Node,
  fields: Setattr,
  fh?: number | bigint,
): Promise<void> {
  const { valid = 0 } = fields;
  const whole = fh === undefined ? fields : { ...fields, valid: valid | FattrFlags.FH, fh };
  await walk.mount.kernel.setattr(node.nodeid, whole, walk.caller);
}
