import { type Awaitable, isPromise } from "../../awaitable.ts";
import { Absent, ENOENT, Errno } from "../../errno.ts";
import { ROOT_ID } from "../../nodes.ts";
import { after, type Outcome } from "../../outcome.ts";
import type { Of } from "../../struct.ts";
import type * as a from "../arguments.ts";
import type { PuffsCall } from "../call.ts";
import { CnFlags, Nameiop } from "../flags.ts";
import * as r from "../reply.ts";
import { change, search } from "./allow.ts";

export function lookup(call: PuffsCall, { cn }: Of<typeof a.Lookup>): Outcome {
  call.intent = cn.flags & CnFlags.ISLASTCN ? cn.nameiop : Nameiop.LOOKUP;
  return search(call, call.name === ".." ? parent : child);
}

/** "..": the directory that led here; of one that a file handle led to only the plugin can know. Of a removed one there is none any more. */
function parent(call: PuffsCall): Outcome {
  const { vnode, connection } = call;
  if (vnode.id === ROOT_ID || vnode.removed) return ENOENT;
  if (vnode.parent) return r.found(call, vnode.parent.node);
  const answer = connection.node.lookup(call.node, "..", call) as Awaitable<object | null | Errno>;
  return after(call, answer, (c, node) => (node === null ? ENOENT : r.found(c, node)));
}

function child(call: PuffsCall): Outcome {
  const { node } = call.connection;
  const answer = node.lookup(call.node, call.name, call) as Awaitable<object | null | Errno>;
  if (isPromise(answer)) return Promise.resolve(answer).then((late) => answered(call, late));
  return answered(call, answer as object | null | Errno);
}

/** puffs has no word for how long a name is known to be absent. */
function answered(call: PuffsCall, answer: object | null | Errno): Outcome {
  if (!(answer instanceof Errno)) return looked(call, answer);
  return answer instanceof Absent ? looked(call, null) : answer;
}

/** What the caller is about to do with the name must be permitted now: for "go ahead" the kernel asks nobody again. */
function looked(call: PuffsCall, node: object | null): Outcome {
  const { intent } = call;
  if (node === null) {
    const makes = intent === Nameiop.CREATE || intent === Nameiop.RENAME;
    // Of a mount where nothing can be made the kernel says EROFS, once it hears that the name is free.
    return makes && !call.connection.wishes.readOnly
      ? change(call, call.node, undefined, absent)
      : ENOENT;
  }
  if (intent !== Nameiop.DELETE && intent !== Nameiop.RENAME) return r.found(call, node);
  r.handOut(call, node);
  return change(call, call.node, node, (c) => r.foundAgain(c, node));
}

function absent(): Errno {
  return ENOENT;
}
