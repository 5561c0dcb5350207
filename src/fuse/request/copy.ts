import type { Awaitable } from "../../awaitable.ts";
import { type Errno, ESTALE } from "../../errno.ts";
import { Nonsense } from "../../nonsense.ts";
import type { Outcome } from "../../outcome.ts";
import type { Of } from "../../struct.ts";
import type { FuseCall } from "../call.ts";
import * as r from "../reply.ts";
import * as wire from "../structs.ts";
import { clearingSetId } from "./attributes.ts";
import { hold, useFile } from "./hold.ts";

export function copyRange(
  call: FuseCall,
  argument: Of<typeof wire.CopyFileRangeIn>,
  encode: (call: FuseCall, count: number) => number,
  most: number,
): Outcome {
  const to = hold(call, argument.nodeidOut);
  if (!to) return ESTALE;
  useFile(call, argument.fhIn);
  const length = Math.min(argument.len, most);
  call.limit = length;
  const { node } = call.connection;
  const act = (c: FuseCall) =>
    r.after(
      c,
      node.copyRange?.(c.node, argument.offIn, to.node, argument.offOut, length, c) as Awaitable<
        number | Errno
      >,
      encode,
    );
  return call.uid === 0 ? act(call) : clearingSetId(call, to, act);
}

/** COPY_FILE_RANGE_64. */
export function copied(call: FuseCall, bytesCopied: number): number {
  if (!(Number.isSafeInteger(bytesCopied) && bytesCopied >= 0 && bytesCopied <= call.limit))
    throw new Nonsense(`copyRange answered ${Bun.inspect(bytesCopied)} of ${call.limit} bytes`);
  return r.put(call, wire.CopyFileRangeOut, { bytesCopied });
}
