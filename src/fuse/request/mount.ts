import { EPROTO } from "../../errno.ts";
import type { Outcome } from "../../outcome.ts";
import type { Of } from "../../struct.ts";
import { type FuseCall, PAYLOAD } from "../call.ts";
import { releaseWhenDying } from "../dying.ts";
import { Constants } from "../flags.ts";
import { negotiate } from "../init.ts";
import * as r from "../reply.ts";
import * as wire from "../structs.ts";

/** INIT: agree on minor, flags and sizes. */
export function init(call: FuseCall, argument: Of<typeof wire.InitIn>): Outcome {
  const { connection } = call;
  if (argument.major < Constants.KERNEL_VERSION) return EPROTO;
  const { agreement, out } = negotiate(argument, connection);
  if (agreement) {
    connection.agreement = agreement;
    connection.agreed?.();
  }
  const layout = wire.InitOut.at(argument.major === 7 ? argument.minor : 45);
  layout.write(call.frame.replyView, PAYLOAD, out);
  return layout.size;
}

export function statfs(call: FuseCall): Outcome {
  const { fs } = call.connection;
  return r.after(call, fs.statvfs ? fs.statvfs(call) : NO_STATISTICS, r.statistics);
}

const NO_STATISTICS = { frsize: 4096, blocks: 0, bfree: 0, bavail: 0, files: 0, ffree: 0 };

export function interrupt(call: FuseCall, { unique }: Of<typeof wire.InterruptIn>): Outcome {
  const interrupted = call.connection.pending.get(Number(unique & 0x7fffffffffffffffn));
  interrupted?.abort("interrupted");
  if (interrupted?.giveUp) releaseWhenDying(interrupted);
  return r.NO_REPLY;
}
