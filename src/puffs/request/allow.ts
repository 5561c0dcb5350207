import type { Awaitable } from "../../awaitable.ts";
import type { Errno } from "../../errno.ts";
import { after, type Outcome } from "../../outcome.ts";
import type { PuffsCall } from "../call.ts";
import { EXECUTE, refuseAccess, refuseRemoval, WRITE } from "../permission.ts";
import * as r from "../reply.ts";
import type { Next } from "../setattr.ts";

// The kernel leaves permissions to the server: this is asked before anything is done.

/** Go on if the caller may do `mask` with the node. A plugin with `access` decides that itself. */
export function allow(call: PuffsCall, node: object, mask: number, next: Next): Outcome {
  const { access } = call.connection.node;
  if (call.internal) return next(call);
  if (access) return after(call, access(node, mask, call) as Awaitable<undefined | Errno>, next);
  return after(
    call,
    r.attributesOf(call, node),
    (c, value) => refuseAccess(value, mask, c) ?? next(c),
  );
}

/** Go on if the caller may search the directory. The superuser may, so nobody is asked: it is the way of every path. */
export function search(call: PuffsCall, next: Next): Outcome {
  if (call.privileged && !call.connection.node.access) return next(call);
  return allow(call, call.node, EXECUTE, next);
}

/** Go on if the caller may change the directory, and there take away or replace `gone`. */
export function change(
  call: PuffsCall,
  directory: object,
  gone: object | undefined,
  next: Next,
): Outcome {
  if (call.privileged && !call.connection.node.access) return next(call);
  return allow(call, directory, WRITE | EXECUTE, (c) => {
    if (!gone || c.privileged || c.connection.node.access) return next(c);
    return after(c, r.attributesOf(c, directory), (c2, own) =>
      after(c2, r.attributesOf(c2, gone), (c3, its) => refuseRemoval(own, its, c3) ?? next(c3)),
    );
  });
}

/**
 * Go on to make something in the call's directory. What is made has the directory's group, as everywhere on this system, and S_ISGID only
 * if the caller is in that.
 */
export function making(call: PuffsCall, next: Next): Outcome {
  return change(call, call.node, undefined, (c) =>
    after(c, r.attributesOf(c, c.node), (c2, { gid }) => {
      c2.gid = gid;
      return next(c2);
    }),
  );
}
