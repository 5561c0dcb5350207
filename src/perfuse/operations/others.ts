import { ENOSYS } from "../../errno.ts";
import { Poll, PollFlags } from "../../fuse/flags.ts";
import type {
  Call,
  FileSystemOperations,
  FileSystemStatistics,
  NodeOperations,
} from "../../operations.ts";
import { Limits, Pathconf } from "../../puffs/flags.ts";
import { type Context, isCode, kernelFor } from "../context.ts";
import type { PerfuseNode } from "../node.ts";

/** df(1). */
export function fileSystemOperations(
  context: Context,
): Pick<FileSystemOperations<PerfuseNode>, "statvfs"> {
  return { statvfs: (call) => statvfs(context, call) };
}

async function statvfs(context: Context, { pid }: Call): Promise<FileSystemStatistics> {
  const { root } = context;
  const st = await context.ask(root, kernelFor(pid), (kernel, caller) =>
    kernel.statfs(root.nodeid, caller),
  );
  const { blocks, bfree, bavail, files, ffree, bsize, frsize, namelen } = st;
  const unit = frsize || bsize || 512;
  return {
    ...{ blocks, bfree, bavail, files, ffree },
    frsize: unit,
    bsize: bsize || unit,
    namemax: namelen || 255,
  };
}

/** What is asked of any kind of file, and rarely. */
export function otherOperations(
  context: Context,
): Pick<NodeOperations<PerfuseNode>, "poll" | "ioctl" | "bmap" | "pathconf"> {
  return {
    poll: (node, events, notify, call) => poll(context, node, events, notify, call),
    async ioctl(node, command, input, outputSize, call) {
      const fields = { fh: node.reader?.fh ?? 0, cmd: command, outSize: outputSize };
      const { result, data } = await context.ask(node, call, (kernel, caller) =>
        kernel.ioctl(node.nodeid, fields, input, caller),
      );
      return { result, output: data };
    },
    bmap: (node, block, blocksize, call) =>
      context.ask(node, call, (kernel, caller) =>
        kernel.bmap(node.nodeid, { block, blocksize }, caller),
      ),
    async pathconf(_node, name, call) {
      if (name === Pathconf.NAME_MAX) return (await statvfs(context, call)).namemax ?? 255;
      const limit = LIMITS[name];
      if (limit === undefined) throw ENOSYS;
      return limit;
    },
  };
}

/** A daemon that does not know POLL has files that never keep anyone waiting. */
async function poll(
  context: Context,
  node: PerfuseNode,
  events: number,
  notify: (() => void) | undefined,
  call: Call,
): Promise<number> {
  if (context.lacks("poll")) return events & READY;
  const fh = node.reader?.fh ?? 0;
  const kh = BigInt(node.nodeid);
  if (notify) context.session.poll(kh, notify);
  const fields = {
    fh,
    kh: notify ? kh : 0n,
    flags: notify ? PollFlags.SCHEDULE_NOTIFY : 0,
    events,
  };
  try {
    return await context.askAside(node, call, (kernel, caller) =>
      kernel.poll(node.nodeid, fields, caller),
    );
  } catch (error) {
    if (!isCode(error, "ENOSYS")) throw error;
    context.session.lacks.add("poll");
    return events & READY;
  }
}

const READY = Poll.IN | Poll.OUT | Poll.RDNORM | Poll.WRNORM;

/** pathconf(2) on NetBSD. */
const LIMITS: Readonly<Record<number, number>> = {
  [Pathconf.LINK_MAX]: Limits.LINK_MAX,
  [Pathconf.PATH_MAX]: Limits.MAXPATHLEN,
  [Pathconf.PIPE_BUF]: 512,
  [Pathconf.CHOWN_RESTRICTED]: 1,
  [Pathconf.NO_TRUNC]: 1,
  [Pathconf.SYNC_IO]: 1,
  [Pathconf.FILESIZEBITS]: 42,
  [Pathconf.SYMLINK_MAX]: Limits.MAXPATHLEN,
  [Pathconf["2_SYMLINKS"]]: 1,
};
