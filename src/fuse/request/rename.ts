import { EINVAL, ESTALE } from "../../errno.ts";
import type { Outcome } from "../../outcome.ts";
import type { FuseCall } from "../call.ts";
import { Rename } from "../flags.ts";
import * as r from "../reply.ts";
import { hold } from "./hold.ts";

export function rename(call: FuseCall, newdir: number, flags: number): Outcome {
  const to = hold(call, newdir);
  if (!to) return ESTALE;
  if (flags & ~(Rename.NOREPLACE | Rename.EXCHANGE | Rename.WHITEOUT)) return EINVAL;
  const { node } = call.connection;
  return r.after(
    call,
    node.rename?.(call.node, call.name, to.node, call.secondName, flags, call),
    r.empty,
  );
}
