import type { Of } from "../struct.ts";
import type { Agreement, Connection } from "./connection.ts";
import {
  Constants,
  common,
  type InitFlag,
  InitFlags,
  initFlags,
  initWords,
  union,
} from "./flags.ts";
import type * as wire from "./structs.ts";

/** The largest write that is asked for: 256 pages, what /proc/sys/fs/fuse/max_pages_limit allows. */
export const MAX_WRITE = 1 << 20;

/** Room for the largest message of either direction: a write of MAX_WRITE and what comes before it. */
export const MESSAGE_ROOM = MAX_WRITE + 4096;

const PAGE = 4096;

/** Answer INIT. Without an agreement the kernel is to ask again (a newer major) or was refused by the answer itself. */
export function negotiate(
  asked: Of<typeof wire.InitIn>,
  connection: Connection,
): { agreement: Agreement | undefined; out: Of<typeof wire.InitOut> } {
  const out = {
    major: Constants.KERNEL_VERSION as number,
    minor: Constants.KERNEL_MINOR_VERSION as number,
    maxReadahead: 0,
    flags: 0,
    maxBackground: 0,
    congestionThreshold: 0,
    maxWrite: 0,
    timeGran: 1,
    maxPages: 0,
    mapAlignment: 0,
    flags2: 0,
    maxStackDepth: 0,
    requestTimeout: 0,
  };
  // A kernel of a newer major asks again with ours (fuse.4, "INIT").
  if (asked.major > Constants.KERNEL_VERSION) return { agreement: undefined, out };
  const { wishes } = connection;
  const minor = Math.min(asked.minor, Constants.KERNEL_MINOR_VERSION);
  const extended = (asked.flags & InitFlags.INIT_EXT) !== 0;
  const offered = initFlags(asked.flags, extended ? asked.flags2 : 0);
  const flags = common(offered, wanted(connection));
  const pages = (flags & InitFlags.MAX_PAGES) !== 0;
  const maxWrite = Math.min(wishes.maxWrite ?? MAX_WRITE, pages ? MAX_WRITE : 32 * PAGE);
  const words = initWords(flags);
  Object.assign(out, {
    minor,
    flags: words.flags,
    flags2: words.flags2,
    maxReadahead: Math.min(asked.maxReadahead, wishes.maxReadahead ?? asked.maxReadahead),
    maxBackground: wishes.maxBackground ?? 64,
    congestionThreshold:
      wishes.congestionThreshold ?? Math.floor(((wishes.maxBackground ?? 64) * 3) / 4),
    maxWrite,
    maxPages: pages ? Math.max(1, Math.ceil(maxWrite / PAGE)) : 0,
  });
  return { agreement: { minor, flags, maxWrite }, out };
}

/** Only what is honoured is claimed. */
function wanted(connection: Connection): number {
  const { node, wishes, fileSystem } = connection;
  const claims: readonly (readonly [InitFlag, boolean])[] = [
    ["ASYNC_READ", true],
    ["BIG_WRITES", true],
    ["ASYNC_DIO", true],
    ["PARALLEL_DIROPS", true],
    ["DO_READDIRPLUS", true],
    ["READDIRPLUS_AUTO", true],
    ["MAX_PAGES", true],
    ["INIT_EXT", true],
    ["ABORT_ERROR", true],
    ["NO_OPEN_SUPPORT", !connection.needsOpen],
    ["HANDLE_KILLPRIV_V2", true],
    ["HAS_EXPIRE_ONLY", true],
    ["HAS_RESEND", true],
    ["DIRECT_IO_ALLOW_MMAP", true],
    ["AUTO_INVAL_DATA", !fileSystem.keepsContent],
    ["EXPLICIT_INVAL_DATA", Boolean(fileSystem.keepsContent)],
    ["CACHE_SYMLINKS", Boolean(fileSystem.keepsContent)],
    ["WRITEBACK_CACHE", Boolean(wishes.writeback)],
    ["POSIX_LOCKS", node.advlock !== undefined && fileSystem.locks?.posix !== false],
    ["FLOCK_LOCKS", node.advlock !== undefined && fileSystem.locks?.flock !== false],
    ["HAS_IOCTL_DIR", node.ioctl !== undefined],
  ];
  return claims.reduce((set, [flag, claimed]) => (claimed ? union(set, InitFlags[flag]) : set), 0);
}
