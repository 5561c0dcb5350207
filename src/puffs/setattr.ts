import { type Awaitable, then } from "../awaitable.ts";
import { EINVAL, EISDIR, EOPNOTSUPP, type Errno } from "../errno.ts";
import { S_IFDIR, S_IFMT, S_IFREG, S_ISGID, S_ISUID } from "../mode.ts";
import type { Attributes, Changes } from "../operations.ts";
import { after, attempt, type Outcome } from "../outcome.ts";
import type { Of } from "../struct.ts";
import type * as a from "./arguments.ts";
import { changesOf } from "./attr.ts";
import type { PuffsCall } from "./call.ts";
import { NO_VALUE, VattrFlags } from "./flags.ts";
import { keptOf, truncates, withoutKept, withoutShorter } from "./kept.ts";
import { refuseChanges } from "./permission.ts";
import * as r from "./reply.ts";

export type Next = (call: PuffsCall) => Outcome;

/** A user's request, taken apart. */
interface Asked {
  readonly changes: Changes;
  /** A mode or an owner is among them: then no times are. */
  readonly owned: boolean;
  /** Times are among what was asked for, and both are to be now. */
  readonly timed: boolean;
  readonly touching: boolean;
  /** The set-id bits go with it: with a new owner the kernel asks for that itself, by the mode. */
  readonly clears: boolean;
  /** What the kernel sent along of what it keeps itself: it holds even if the caller is refused. */
  readonly kept: Changes;
}

export function setattr(call: PuffsCall, { va }: Of<typeof a.Setgetattr>): Outcome {
  const changes = changesOf(va);
  const { size, mode, uid, gid } = changes;
  if (size !== undefined && size < 0) return EINVAL;
  call.touching = (va.vaflags & VattrFlags.UTIMES_NULL) !== 0;
  if (call.internal) return keep(call, changes, told);
  // There are no file flags (chflags(2)); clearing them all is done.
  if (va.flags !== NO_VALUE && va.flags !== 0)
    return refuse(call, keptOf(changes, true), EOPNOTSUPP);
  const owned = mode !== undefined || uid !== undefined || gid !== undefined;
  const kept = keptOf(changes, owned);
  const timed = withoutKept(changes, owned);
  const { touching } = call;
  const clears = !owned && size !== undefined && !call.privileged;
  const asked = { changes, owned, timed, touching, clears, kept };
  const trusted = call.privileged || call.connection.node.access !== undefined;
  if (trusted && !clears && size === undefined) return set(call, changes);
  return after(call, r.attributesOf(call, call.node), (c, value) =>
    permitted(c, value, asked, trusted),
  );
}

function permitted(call: PuffsCall, value: Attributes, asked: Asked, trusted: boolean): Outcome {
  const { changes, owned, touching, clears, kept } = asked;
  const kind = value.mode & S_IFMT;
  // Beside these a size is surely the kernel's.
  if (owned || touching) withoutShorter(changes, value);
  if (!trusted) {
    const { atime, mtime, ...others } = changes;
    const timed = asked.timed && !truncates(changes, value, kept);
    const refused = refuseChanges(value, timed ? changes : others, touching, call);
    if (refused) return refuse(call, kept, refused);
    if (!timed && !owned && call.uid !== value.uid) {
      delete changes.atime;
      delete changes.mtime;
    }
  }
  if (changes.size !== undefined && kind !== S_IFREG) {
    if (kind === S_IFDIR) return EISDIR;
    // open(2) with O_TRUNC of a FIFO or a device, to which that means nothing.
    delete changes.size;
  }
  const left = withoutSetId(value.mode);
  if (clears && left !== value.mode && kind !== S_IFDIR) changes.mode = left & 0o7777;
  return Object.keys(changes).length === 0 ? told(call, value) : set(call, changes);
}

/** The caller is refused. The kernel will not bring again what it sent along. */
function refuse(call: PuffsCall, kept: Changes, refused: Errno): Outcome {
  return then(
    attempt(() => keep(call, kept, r.empty)),
    () => refused,
  );
}

/**
 * Sizes and times that the kernel kept itself. That a file was read is no change of it: its ctime stays. Who else writes to it may have
 * made it longer.
 */
function keep(
  call: PuffsCall,
  kept: Changes,
  next: (call: PuffsCall, changed: Attributes | undefined) => Outcome,
): Outcome {
  const { setattr: change } = call.connection.node;
  if (Object.keys(kept).length === 0 || !change) return next(call, undefined);
  const { atime, mtime, ctime, size } = kept;
  const isRead = atime && !mtime && !ctime && size === undefined;
  const isShared = size !== undefined && !call.connection.fileSystem.keepsContent;
  const go = (c: PuffsCall) => {
    const answer = change(c.node, kept, c) as Awaitable<Attributes | undefined | Errno>;
    return after(c, answer, next);
  };
  if (!(isRead || isShared)) return go(call);
  return after(call, r.attributesOf(call, call.node), (c, value) => {
    if (isRead) kept.ctime = value.ctime;
    withoutShorter(kept, value);
    return go(c);
  });
}

function set(call: PuffsCall, changes: Changes): Outcome {
  const { node } = call.connection;
  const { mode, uid, gid } = changes;
  const permits = mode !== undefined || uid !== undefined || gid !== undefined;
  const answer = node.setattr?.(call.node, changes, call) as Awaitable<Attributes | undefined>;
  return after(call, answer, permits ? searched : told);
}

/** Who may search a directory has changed: names that the kernel knows it would go on letting everyone use. */
function searched(call: PuffsCall, changed: Attributes | undefined): Outcome {
  const { connection, vnode } = call;
  if (connection.tells && connection.isDirectory(vnode)) connection.forgetNames?.(vnode.node);
  return told(call, changed);
}

/** Where the kernel wants to hear of them it is told the attributes that result. */
function told(call: PuffsCall, changed: Attributes | undefined): Outcome {
  if (!call.connection.tells) return r.empty(call);
  return changed
    ? r.attributes(call, changed)
    : after(call, r.attributesOf(call, call.node), r.attributes);
}

/** A mode after the file was written or changed hands: S_ISGID without group execution marks nothing to clear. */
function withoutSetId(mode: number): number {
  return mode & ~(S_ISUID | (mode & 0o010 ? S_ISGID : 0));
}

/** Clear the set-id bits before content changes by someone without privilege, then go on. */
export function clearingSetId(call: PuffsCall, next: Next): Outcome {
  return after(call, r.attributesOf(call, call.node), (c, { mode }) => {
    const left = withoutSetId(mode);
    const { setattr: change } = c.connection.node;
    if (left === mode || (mode & S_IFMT) !== S_IFREG || !change) return next(c);
    const answer = change(c.node, { mode: left & 0o7777 }, c) as Awaitable<undefined | Errno>;
    return after(c, answer, next);
  });
}
