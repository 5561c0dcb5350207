import type { Awaitable } from "../../awaitable.ts";
import { EINVAL, EOPNOTSUPP, Errno, ESTALE } from "../../errno.ts";
import {
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  S_ISGID,
} from "../../mode.ts";
import { decodeName } from "../../name.ts";
import { after, type Outcome } from "../../outcome.ts";
import type { Of } from "../../struct.ts";
import type * as a from "../arguments.ts";
import type { PuffsCall } from "../call.ts";
import { Limits, NO_VALUE, Vtype } from "../flags.ts";
import * as r from "../reply.ts";
import * as wire from "../structs.ts";
import { change, making } from "./allow.ts";
import { hold } from "./hold.ts";

export function create(call: PuffsCall, { va }: Of<typeof a.Create>): Outcome {
  // bind(2) makes its socket by this message.
  const kind = va.type === Vtype.SOCK ? S_IFSOCK : S_IFREG;
  return making(call, (c) => makeFile(c, modeOf(c, va) | kind, 0));
}

export function mknod(call: PuffsCall, { va }: Of<typeof a.Mknod>): Outcome {
  const kind = KINDS[va.type];
  if (kind === undefined) return EINVAL;
  const device = va.rdev === NO_VALUE ? 0 : va.rdev >>> 0;
  return making(call, (c) => makeFile(c, modeOf(c, va) | kind, device));
}

/** The permission bits of what is made: see `making`. */
function modeOf(call: PuffsCall, { mode }: { readonly mode: number }): number {
  const may = call.privileged || call.inGroup(call.gid);
  return mode & (may ? 0o7777 : 0o7777 & ~S_ISGID);
}

/** By vtype, what mknod(2) makes. */
const KINDS: Readonly<Record<number, number>> = {
  [Vtype.REG]: S_IFREG,
  [Vtype.BLK]: S_IFBLK,
  [Vtype.CHR]: S_IFCHR,
  [Vtype.SOCK]: S_IFSOCK,
  [Vtype.FIFO]: S_IFIFO,
};

function makeFile(call: PuffsCall, mode: number, device: number): Outcome {
  const { node } = call.connection;
  const isFile = (mode & S_IFMT) === S_IFREG;
  const answer =
    isFile && node.create
      ? node.create(call.node, call.name, mode, call)
      : node.mknod
        ? node.mknod(call.node, call.name, mode, device, call)
        : EOPNOTSUPP;
  return after(call, answer as Awaitable<object | Errno>, r.made);
}

export function mkdir(call: PuffsCall, { va }: Of<typeof a.Mkdir>): Outcome {
  return making(call, (c) => {
    const mode = modeOf(c, va) | S_IFDIR;
    return after(
      c,
      c.connection.node.mkdir?.(c.node, c.name, mode, c) as Awaitable<object>,
      r.made,
    );
  });
}

/** The target may be empty here: symlink(7). The mode of a link is told with the mask applied. */
export function symlink(call: PuffsCall, { va }: Of<typeof a.Symlink>): Outcome {
  call.umask = 0o777 & ~va.mode;
  const { request } = call.frame;
  const at = wire.VnmsgSymlink.offsets.link;
  const end = request.subarray(at, at + Limits.MAXPATHLEN).indexOf(0);
  if (end < 0) return new Errno("ENAMETOOLONG");
  const text = decodeName(request, at, at + end);
  return making(call, (c) =>
    after(c, c.connection.node.symlink?.(c.node, c.name, text, c) as Awaitable<object>, r.made),
  );
}

export function link(call: PuffsCall, { cookieTarg }: Of<typeof a.Link>): Outcome {
  const target = hold(call, cookieTarg);
  if (!target) return ESTALE;
  return change(call, call.node, undefined, (c) =>
    after(c, c.connection.node.link?.(c.node, c.name, target.node, c), r.empty),
  );
}
