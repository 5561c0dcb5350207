import type { Awaitable } from "../../awaitable.ts";
import { EINVAL } from "../../errno.ts";
import { Nonsense } from "../../nonsense.ts";
import { after, type Outcome } from "../../outcome.ts";
import type { Of } from "../../struct.ts";
import type * as a from "../arguments.ts";
import type { PuffsCall } from "../call.ts";
import { Limits, Pathconf } from "../flags.ts";
import * as r from "../reply.ts";
import * as wire from "../structs.ts";
import { write64 } from "../word.ts";
import { allow } from "./allow.ts";

export function access(call: PuffsCall, { mode }: Of<typeof a.Access>): Outcome {
  return allow(call, call.node, mode & 7, r.empty);
}

export function print(call: PuffsCall): Outcome {
  const answer = call.connection.node.print?.(call.node) as Awaitable<string>;
  return after(call, answer, (c, line) => {
    if (typeof line !== "string") throw new Nonsense(`print answered ${Bun.inspect(line)}`);
    c.connection.report(`node ${c.vnode.id}: ${line}`);
    return r.empty(c);
  });
}

export function pathconf(call: PuffsCall, { name }: Of<typeof a.Pathconf>): Outcome {
  const { node } = call.connection;
  const answer = node.pathconf ? node.pathconf(call.node, name, call) : (LIMITS[name] ?? EINVAL);
  return after(call, answer, (c, value) => {
    if (!(Number.isSafeInteger(value) && value >= 0))
      throw new Nonsense(`pathconf answered ${Bun.inspect(value)}`);
    write64(c.frame.replyView, wire.VnmsgPathconf.offsets.retval, value);
    return r.empty(c);
  });
}

const LIMITS: Readonly<Record<number, number>> = {
  [Pathconf.LINK_MAX]: Limits.LINK_MAX,
  [Pathconf.NAME_MAX]: Limits.KERNEL_NAME_MAX,
  [Pathconf.PATH_MAX]: Limits.MAXPATHLEN,
  [Pathconf.PIPE_BUF]: 512,
  [Pathconf.CHOWN_RESTRICTED]: 1,
  [Pathconf.NO_TRUNC]: 1,
  [Pathconf.SYNC_IO]: 1,
  [Pathconf.FILESIZEBITS]: 54,
  [Pathconf.SYMLINK_MAX]: Limits.MAXPATHLEN,
  [Pathconf["2_SYMLINKS"]]: 1,
};
