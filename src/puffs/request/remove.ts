import type { Awaitable } from "../../awaitable.ts";
import { EPERM, Errno, ESTALE } from "../../errno.ts";
import type { Vnode } from "../../nodes.ts";
import type { Attributes } from "../../operations.ts";
import { after, attempt, type Outcome } from "../../outcome.ts";
import type { Of } from "../../struct.ts";
import type * as a from "../arguments.ts";
import type { PuffsCall } from "../call.ts";
import { Setback } from "../flags.ts";
import * as r from "../reply.ts";
import { change } from "./allow.ts";
import { hold } from "./hold.ts";

export function remove(call: PuffsCall, { cookieTarg }: Of<typeof a.Remove>): Outcome {
  const target = hold(call, cookieTarg);
  if (!target) return ESTALE;
  call.target = target;
  // The kernel lets it come this far, and means unlink(2) to say so.
  if (call.connection.isDirectory(target)) return EPERM;
  return change(call, call.node, target.node, (c) =>
    after(c, c.connection.node.remove?.(c.node, c.name, c), unnamed),
  );
}

/** A name of `call.target` is gone. Was it the last one, the kernel is told to forget the node as soon as nobody has it open. */
function unnamed(call: PuffsCall): Outcome {
  const target = call.target as Vnode;
  const value = attempt(() => r.attributesOf(call, target.node));
  return after(call, whether(value), (c, isGone) => {
    target.removed ||= isGone;
    if (target.removed) c.setbacks |= Setback.NOREF_N2;
    return r.empty(c);
  });
}

/** Whether these are the attributes of a node without a name: none at all, for some. */
export function whether(value: Awaitable<Attributes | Errno>): Awaitable<boolean> {
  const judge = (known: Attributes | Errno) => known instanceof Errno || known.nlink === 0;
  return value instanceof Promise ? value.then(judge) : judge(value as Attributes | Errno);
}

export function rmdir(call: PuffsCall, { cookieTarg }: Of<typeof a.Rmdir>): Outcome {
  const target = hold(call, cookieTarg);
  if (!target) return ESTALE;
  call.target = target;
  return change(call, call.node, target.node, (c) =>
    after(c, c.connection.node.rmdir?.(c.node, c.name, c), (c2) => {
      target.removed = true;
      c2.setbacks |= Setback.NOREF_N2;
      return r.empty(c2);
    }),
  );
}
