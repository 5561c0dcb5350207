import { checkedTimeout } from "../../attributes.ts";
import { type Awaitable, isPromise } from "../../awaitable.ts";
import { Absent, Errno } from "../../errno.ts";
import type { Outcome } from "../../outcome.ts";
import type { Of } from "../../struct.ts";
import type { FuseCall } from "../call.ts";
import * as r from "../reply.ts";
import * as wire from "../structs.ts";
import { validity } from "../validity.ts";
import { nodeidOf } from "./hold.ts";

export function lookup(call: FuseCall): Outcome {
  const { node } = call.connection;
  const answer = node.lookup(call.node, call.name, call) as Awaitable<object | null | Errno>;
  if (isPromise(answer)) return Promise.resolve(answer).then((late) => looked(call, late));
  return looked(call, answer as object | null | Errno);
}

function looked(call: FuseCall, answer: object | null | Errno): Outcome {
  if (!(answer instanceof Errno)) return r.found(call, answer);
  return answer instanceof Absent
    ? r.absent(call, validity(checkedTimeout(answer.seconds)))
    : answer;
}

/** FORGET names its node itself: the kernel forgets what we may have forgotten already. */
export function forget(call: FuseCall, { nlookup }: Of<typeof wire.ForgetIn>): Outcome {
  const { vnodes } = call.connection;
  const vnode = vnodes.at(nodeidOf(call));
  if (vnode) vnodes.forget(vnode, nlookup);
  return r.NO_REPLY;
}

export function batchForget(call: FuseCall, { count }: Of<typeof wire.BatchForgetIn>): Outcome {
  const { vnodes } = call.connection;
  const { frame } = call;
  const room = Math.floor((frame.length - call.dataAt) / wire.ForgetOne.size);
  for (let i = 0; i < Math.min(count, room); i++) {
    const one = wire.ForgetOne.read(frame.requestView, call.dataAt + i * wire.ForgetOne.size);
    const vnode = vnodes.at(one.nodeid);
    if (vnode) vnodes.forget(vnode, one.nlookup);
  }
  return r.NO_REPLY;
}
