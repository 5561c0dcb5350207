import type { Awaitable } from "../../awaitable.ts";
import { EINVAL, Errno } from "../../errno.ts";
import { Nonsense } from "../../nonsense.ts";
import type { Lock } from "../../operations.ts";
import { after, type Outcome } from "../../outcome.ts";
import type { Of } from "../../struct.ts";
import type * as a from "../arguments.ts";
import type { PuffsCall } from "../call.ts";
import { LockFlags, LockOp, LockType, Poll, Seek, Vn } from "../flags.ts";
import * as r from "../reply.ts";
import * as wire from "../structs.ts";

/**
 * POLL is answered when there is something to tell, which may be never. What `notify` announces may be over when it is looked at.
 */
export function poll(call: PuffsCall, { events }: Of<typeof a.Poll>): Outcome {
  const { poll: operation } = call.connection.node;
  // What the kernel takes for the events where an error is told: see `events` in reply.ts.
  call.frame.replyView.setInt32(wire.VnmsgPoll.offsets.events, Poll.ERR, true);
  const look = async (): Promise<number | Errno | undefined> => {
    for (;;) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const revents = await operation?.(call.node, events, resolve, call);
      if (revents !== 0) return revents;
      // It may have fired while the plugin looked.
      if (!call.signal.aborted) {
        call.signal.addEventListener("abort", () => resolve());
        await promise;
      }
      if (call.signal.aborted) return new Errno("EINTR");
    }
  };
  return after(call, look() as Promise<number | Errno>, r.events);
}

export function advlock(call: PuffsCall, argument: Of<typeof a.Advlock>): Outcome {
  const { fl } = argument;
  if (fl.whence !== Seek.END) return lockAt(call, argument, 0);
  return after(call, r.attributesOf(call, call.node), (c, { size }) => lockAt(c, argument, size));
}

function lockAt(
  call: PuffsCall,
  { fl, id, op, flags }: Of<typeof a.Advlock>,
  base: number,
): Outcome {
  const first = base + fl.start + Math.min(0, fl.len);
  const end = fl.len === 0 ? Number.POSITIVE_INFINITY : first + Math.abs(fl.len) - 1;
  if (first < 0) return EINVAL;
  const isUnlock = op === LockOp.UNLCK || fl.type === LockType.UNLCK;
  const type = isUnlock ? "unlock" : fl.type === LockType.WRLCK ? "write" : "read";
  const operation = op === LockOp.GETLK ? "get" : flags & LockFlags.WAIT ? "wait" : "set";
  const kind = flags & LockFlags.FLOCK ? "flock" : "posix";
  // So a file is closed. A caller that a signal took from its wait is not announced, but this is.
  if (isUnlock && first === 0 && end === Number.POSITIVE_INFINITY)
    giveUp(call, "the file was closed", (waiting) => waits(waiting, id));
  const asked: Lock = { type, start: first, end, pid: fl.pid };
  const { node } = call.connection;
  const answer = node.advlock?.(call.node, operation, asked, id, kind, call);
  return after(call, answer as Awaitable<Lock | undefined | Errno>, (c, lock) => {
    if (operation === "get") tellLock(c, lock as Lock);
    return r.empty(c);
  });
}

/** Whether the call is one of the owner's that waits for a lock. */
function waits({ row, arguments: read }: PuffsCall, owner: bigint): boolean {
  if (row.number !== Vn.ADVLOCK || row.group !== "VN") return false;
  const { id, flags } = read[row.index] as Of<typeof a.Advlock>;
  return id === owner && (flags & LockFlags.WAIT) !== 0;
}

/** The kernel does not look at it, whatever it says. */
function tellLock(call: PuffsCall, lock: Lock): void {
  const type = LOCK_TYPES.get(lock?.type);
  const { start, end, pid } = lock ?? {};
  const ends = end === Number.POSITIVE_INFINITY || (Number.isSafeInteger(end) && end >= start);
  if (!(type && Number.isSafeInteger(start) && start >= 0 && ends && pid >> 0 === pid))
    throw new Nonsense(`a lock is ${Bun.inspect(lock)}`);
  const len = end === Number.POSITIVE_INFINITY ? 0 : end - start + 1;
  const at = wire.VnmsgAdvlock.offsets.fl;
  wire.Flock.write(call.frame.replyView, at, { start, len, pid, type, whence: Seek.SET });
}

const LOCK_TYPES: ReadonlyMap<Lock["type"], number> = new Map([
  ["read", LockType.RDLCK],
  ["write", LockType.WRLCK],
  ["unlock", LockType.UNLCK],
]);

/** Calls about the same node that wait for what will not come. */
export function giveUp(
  { vnode, connection }: PuffsCall,
  why: string,
  which: (call: PuffsCall) => boolean,
): void {
  for (const pending of connection.pending)
    if (pending.vnode === vnode && which(pending)) pending.abort(why);
}
