import type { Awaitable } from "../../awaitable.ts";
import { EINVAL, ENOENT, EOPNOTSUPP, type Errno, ESTALE } from "../../errno.ts";
import { isWithin, type Vnode } from "../../nodes.ts";
import { after, attempt, type Outcome } from "../../outcome.ts";
import type { Of } from "../../struct.ts";
import type * as a from "../arguments.ts";
import type { PuffsCall } from "../call.ts";
import { WRITE } from "../permission.ts";
import * as r from "../reply.ts";
import { allow, change } from "./allow.ts";
import { hold } from "./hold.ts";
import { whether } from "./remove.ts";

export function rename(call: PuffsCall, argument: Of<typeof a.Rename>): Outcome {
  const source = hold(call, argument.cookieSrc);
  const to = hold(call, argument.cookieTargdir);
  const target = argument.cookieTarg === 0 ? undefined : hold(call, argument.cookieTarg);
  call.source = source;
  call.targetDirectory = to;
  call.target = target;
  if (!(source && to) || (argument.cookieTarg !== 0 && !target)) return ESTALE;
  // Below its own: the kernel does not look.
  if (isWithin(to, source)) return EINVAL;
  const from = call.vnode;
  const moves = source.adopted && from !== to;
  return change(call, from.node, source.node, (c) =>
    change(c, to.node, target?.node, (c2) =>
      // A directory that moves is changed itself: its "..".
      moves ? allow(c2, source.node, WRITE, stillThere) : stillThere(c2),
    ),
  );
}

/**
 * The kernel looked for the source and then let go of its directory: the name may lead by now to what the caller may not move, or was not
 * meant to be taken away. Else the superuser moves what is there.
 */
function stillThere(call: PuffsCall): Outcome {
  const { node, vnodes } = call.connection;
  if (call.source?.removed) return ENOENT;
  if (call.privileged && call.target !== call.source) return renaming(call);
  const answer = node.lookup(call.node, call.name, call) as Awaitable<object | null | Errno>;
  return after(call, answer, (c, found) => {
    if (found === c.source?.node) return renaming(c);
    // A node that the kernel does not hear of now is not kept for it.
    if (found) {
      r.checkNode(found);
      vnodes.forget(vnodes.handOut(found), 1);
    }
    return ENOENT;
  });
}

function renaming(call: PuffsCall): Outcome {
  return call.target === call.source ? unnameOne(call) : renamed(call);
}

/** Of two names of one file rename(2) takes the first away here. Where both are the same it does not come this far. */
function unnameOne(call: PuffsCall): Outcome {
  const { node } = call.connection;
  const isSame = call.vnode === call.targetDirectory && call.name === call.secondName;
  if (isSame || !node.remove) return isSame ? r.empty(call) : EOPNOTSUPP;
  return after(call, node.remove(call.node, call.name, call), r.empty);
}

function renamed(call: PuffsCall): Outcome {
  const { node, vnodes } = call.connection;
  const to = call.targetDirectory as Vnode;
  const source = call.source as Vnode;
  const answer = node.rename?.(call.node, call.name, to.node, call.secondName, 0, call);
  return after(call, answer, (c) => {
    const wasThere = source.parent === c.vnode && source.name === c.name;
    if (source.adopted && wasThere) vnodes.adopt(source, to, c.secondName);
    const { target } = c;
    if (!target) return r.empty(c);
    const value = attempt(() => r.attributesOf(c, target.node));
    return after(c, whether(value), (c2, isGone) => {
      target.removed ||= isGone || target.adopted;
      return r.empty(c2);
    });
  });
}
