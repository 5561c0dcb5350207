import { EBADF, EINVAL, ENOLCK } from "../../errno.ts";
import { LkFlags, LockType } from "../../fuse/flags.ts";
import type { Call, Done, Lock, LockOwner, NodeOperations } from "../../operations.ts";
import type { Context } from "../context.ts";
import type { PerfuseNode } from "../node.ts";
import type { Session } from "../session.ts";

/** fcntl(2) and flock(2) locks, of daemons that keep them. */
export function lockOperations(context: Context): Pick<NodeOperations<PerfuseNode>, "advlock"> {
  return {
    advlock: (node, operation, lock, owner, kind, call) =>
      advlock(context, node, operation, lock, owner, kind, call),
  };
}

/** Whether the daemon of now keeps locks. */
export function keepsLocks({ kernel }: Session): boolean {
  return kernel.agreed("POSIX_LOCKS") || kernel.agreed("FLOCK_LOCKS");
}

async function advlock(
  context: Context,
  node: PerfuseNode,
  operation: "get" | "set" | "wait",
  lock: Lock,
  owner: LockOwner,
  kind: "posix" | "flock",
  call: Call,
): Promise<Lock | Done> {
  const { start, end, pid, type } = lock;
  const isAll = type === "unlock" && start === 0 && end === Number.POSITIVE_INFINITY;
  // Each close(2) drops the locks of its process, most of which have none.
  if (isAll && !node.lockOwners?.has(owner)) return undefined;
  const handle = node.reader;
  if (!handle) throw EBADF;
  // It comes after one that kept them.
  if (!keepsLocks(context.session)) throw ENOLCK;
  const fields = {
    fh: handle.fh,
    owner,
    lk: { start, end, pid, type: TYPES[type] },
    lkFlags: kind === "flock" ? LkFlags.FLOCK : 0,
  };
  const { nodeid } = node;
  if (operation === "get") {
    const lk = await context.ask(node, call, (kernel, caller) =>
      kernel.getlk(nodeid, fields, caller),
    );
    const found = NAMES[lk.type];
    if (!found || lk.end < lk.start) throw EINVAL;
    const isWhole = lk.end >= Number.MAX_SAFE_INTEGER;
    return {
      type: found,
      start: lk.start,
      end: isWhole ? Number.POSITIVE_INFINITY : lk.end,
      pid: lk.pid,
    };
  }
  if (operation === "wait")
    // Whoever waits for a lock keeps nobody from taking the name away.
    await context.askAside(node, call, (kernel, caller) => kernel.setlkw(nodeid, fields, caller));
  else await context.ask(node, call, (kernel, caller) => kernel.setlk(nodeid, fields, caller));
  if (type !== "unlock") {
    node.lockOwners ??= new Set();
    node.lockOwners.add(owner);
    node.lockOwner = owner;
  } else if (isAll) {
    node.lockOwners?.delete(owner);
    if (node.lockOwner === owner) node.lockOwner = 0n;
  }
  return undefined;
}

const TYPES = { read: LockType.RDLCK, write: LockType.WRLCK, unlock: LockType.UNLCK };
const NAMES: readonly Lock["type"][] = ["read", "write", "unlock"];
