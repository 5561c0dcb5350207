import type { Awaitable } from "../../awaitable.ts";
import { ENOSYS, EPROTO, type Errno } from "../../errno.ts";
import type { Outcome } from "../../outcome.ts";
import type { Of } from "../../struct.ts";
import { type FuseCall, PAYLOAD } from "../call.ts";
import { PollFlags } from "../flags.ts";
import * as r from "../reply.ts";
import * as wire from "../structs.ts";
import { useFile } from "./hold.ts";

export function ioctl(call: FuseCall, argument: Of<typeof wire.IoctlIn>): Outcome {
  const { inSize, outSize } = argument;
  if (inSize > call.frame.length - call.dataAt) return EPROTO;
  useFile(call, argument.fh);
  call.limit = Math.min(outSize, call.frame.reply.length - PAYLOAD - wire.IoctlOut.size);
  const { node } = call.connection;
  const answer = node.ioctl?.(call.node, argument.cmd, call.data(inSize), call.limit, call);
  return r.after(call, answer as never, r.ioctlResult);
}

export function poll(call: FuseCall, argument: Of<typeof wire.PollIn>): Outcome {
  useFile(call, argument.fh);
  const { connection } = call;
  // Taken out now: `notify` may be called when the argument is that of another request.
  const { kh } = argument;
  const notify = argument.flags & PollFlags.SCHEDULE_NOTIFY ? () => connection.wake(kh) : undefined;
  const answer = connection.node.poll?.(call.node, argument.events, notify, call) as Awaitable<
    number | Errno
  >;
  return r.after(call, answer, r.events);
}

/** The kernel's answer to NOTIFY_RETRIEVE, under the number that the question had. */
export function notifyReply(call: FuseCall, argument: Of<typeof wire.NotifyRetrieveIn>): Outcome {
  const { retrieving } = call.connection;
  const size = Math.min(argument.size, call.frame.length - call.dataAt);
  retrieving.get(call.unique)?.(argument.offset, call.data(size).slice());
  retrieving.delete(call.unique);
  return r.NO_REPLY;
}

export function unsupported(): Errno {
  return ENOSYS;
}
