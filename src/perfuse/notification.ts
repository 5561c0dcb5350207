import { errnoOf } from "../errno.ts";
import { InvalEntryFlags } from "../fuse/flags.ts";
import { type Foreign, KERNEL } from "../fuse/kernel.ts";
import type { Notification } from "../fuse/notification.ts";
import type { Usermount } from "../usermount.ts";
import type { Context } from "./context.ts";
import type { PerfuseNode } from "./node.ts";
import type { Session } from "./session.ts";

/**
 * What the daemon says unasked goes on to the kernel that we serve. Nobody waits for that: the kernel may have to wait for an answer of
 * the daemon's first. What is said of nodes that are not known is nobody's business.
 */
export function passOn(context: Context, session: Session, notification: Notification): void {
  const { options } = context;
  const { usermount, report } = options;
  const node = (nodeid: Foreign) => session.table?.at(nodeid);
  const tell = (action: Promise<void>) => {
    action.catch((cause) => {
      if (errnoOf(cause) !== "ENOSYS") report(`"${notification.type}" was not passed on`, cause);
    });
  };
  switch (notification.type) {
    case "invalidateInode": {
      const known = node(notification.ino);
      if (!known) return;
      outdate(known);
      tell(usermount.invalidateNode(known, notification.off, Math.max(0, notification.len)));
      return;
    }
    case "invalidateEntry": {
      const parent = node(notification.parent);
      if (!parent) return;
      outdate(parent);
      parent.foresight?.drop();
      const expires = (notification.flags & InvalEntryFlags.EXPIRE_ONLY) !== 0;
      if (expires) tell(usermount.expireName(parent, notification.name));
      else tell(usermount.invalidateName(parent, notification.name));
      return;
    }
    case "delete": {
      const parent = node(notification.parent);
      const child = node(notification.child);
      if (!parent) return;
      outdate(parent);
      parent.foresight?.drop();
      if (child) tell(usermount.announceRemoved(parent, notification.name, child));
      else tell(usermount.invalidateName(parent, notification.name));
      return;
    }
    case "store": {
      const known = node(notification.nodeid);
      if (!known) return;
      outdate(known);
      tell(usermount.store(known, notification.offset, notification.data.slice()));
      return;
    }
    case "retrieve":
      void retrieve(context, session, notification);
      return;
    case "poll":
      session.wake(notification.kh);
      return;
    case "incrementEpoch":
      tell(forgetNames(usermount, session.table?.all() ?? []));
      return;
    case "prune":
      tell(usermount.prune(notification.nodeids.flatMap((nodeid) => node(nodeid) ?? [])));
      return;
    case "resend":
      if (!session.resend()) report("the daemon asks for its requests again, unlike agreed on");
  }
}

/** No name is believed any more. Kernels that cannot be told so in one word are told each name that is known. */
export async function forgetNames(
  usermount: Usermount,
  nodes: Iterable<PerfuseNode>,
): Promise<void> {
  const known = [...nodes];
  try {
    await usermount.invalidateAllNames();
  } catch (error) {
    if (errnoOf(error) !== "ENOSYS") throw error;
    const told = known.map(
      ({ parent, name }) => parent && name !== "" && usermount.invalidateName(parent, name),
    );
    await Promise.all(told);
  }
}

/** What was told of it is not true any more. */
function outdate(node: PerfuseNode): void {
  node.known.told = Number.NEGATIVE_INFINITY;
}

/**
 * The daemon wants what the cache of a file holds. Where there is no cache to ask, or nothing in it, it is what the daemon itself would
 * say: no answer leaves it waiting, and an empty one has been seen to end it.
 */
async function retrieve(
  context: Context,
  session: Session,
  asked: Notification & { readonly type: "retrieve" },
): Promise<void> {
  const { notifyUnique, nodeid, offset } = asked;
  const size = Math.min(asked.size, session.writeSize);
  const node = session.table?.at(nodeid);
  let data: Uint8Array = NOTHING;
  if (node) {
    data = await cached(context, node, offset, size);
    if (data.length === 0) {
      const fields = { fh: node.reader?.fh ?? 0, offset, size, flags: node.reader?.flags ?? 0 };
      data = await context
        .ask(node, KERNEL, (kernel, caller) => kernel.read(nodeid, fields, caller))
        .catch(() => NOTHING);
    }
  }
  try {
    session.kernel.notifyReply(notifyUnique, nodeid, offset, data);
  } catch {
    // It has gone.
  }
}

async function cached(
  { options }: Context,
  node: PerfuseNode,
  offset: number,
  size: number,
): Promise<Uint8Array> {
  try {
    const data = await options.usermount.retrieve(node, offset, size);
    return data instanceof Uint8Array ? data : NOTHING;
  } catch {
    return NOTHING;
  }
}

const NOTHING = new Uint8Array(0);
