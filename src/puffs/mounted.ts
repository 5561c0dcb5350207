import { Errno } from "../errno.ts";
import { viewOf } from "../frame.ts";
import { decodeName } from "../name.ts";
import type { Of } from "../struct.ts";
import {
  Constants,
  FH_FLAGS_MASK,
  FhFlags,
  KERNEL_FLAGS_MASK,
  KernelFlags,
  Vn,
  Vtype,
} from "./flags.ts";
import { longestMessage } from "./longest.ts";
import { Kargs } from "./structs.ts";

/** What mount(2) settled: the arguments as the kernel keeps them. */
export interface Mounted {
  readonly args: Of<typeof Kargs>;
  /** `pa_typename` and `pa_mntfromname` as text. */
  readonly type: string;
  readonly from: string;
  /** The longest frame; data may take 4096 bytes less. */
  readonly maxmsglen: number;
}

/** What goes before a request's data at most, and is not available for them. */
const HEADROOM = 4096;

/** The largest handles of NFS version 2 and 3 (nfs/nfsproto.h), and what the kernel puts before the server's bytes. */
const NFSV2_MOST = 32;
const NFSV3_MOST = 64;
const HANDLE_HEAD = 4;

/** What the kernel makes of the arguments of a mount. Throws EINVAL as puffs_vfsop_mount does. */
export function acceptKargs(bytes: Uint8Array): Mounted {
  if (bytes.length < Kargs.size) throw new Errno("EINVAL", `${bytes.length} bytes of arguments`);
  const args = Kargs.read(viewOf(bytes), 0);
  const spare = bytes.subarray(Kargs.offsets.spare, Kargs.size);
  refuseIf(args.vers !== Constants.VERSION, `version ${args.vers}`);
  refuseIf((args.flags & ~KERNEL_FLAGS_MASK) !== 0, `flags 0x${args.flags.toString(16)}`);
  refuseIf((args.fhflags & ~FH_FLAGS_MASK) !== 0, `handle flags 0x${args.fhflags.toString(16)}`);
  refuseIf(
    spare.some((byte) => byte !== 0),
    "the spare room is in use",
  );
  refuseIf(args.rootVtype >= Vtype.BAD, `a root of type ${args.rootVtype}`);
  refuseIf(!fits(args), `handles of ${args.fhsize} bytes`);
  return {
    args,
    type: textOf(args.typename),
    from: textOf(args.mntfromname),
    maxmsglen: longestMessage(args.maxmsglen),
  };
}

/** How many bytes of data one request may carry. */
export function mostData({ maxmsglen }: Mounted): number {
  return maxmsglen - HEADROOM;
}

/** Whether the server has the operation. LOOKUP and FALLOCATE are asked for whatever it says. */
export function isThere({ args }: Mounted, optype: number): boolean {
  if (optype === Vn.LOOKUP || optype === Vn.FALLOCATE || optype === Vn.FDISCARD) return true;
  return (args.flags & KernelFlags.ALLOPS) !== 0 || args.vnopmask[optype] !== 0;
}

function refuseIf(wrong: boolean, what: string): void {
  if (wrong) throw new Errno("EINVAL", `mount: ${what}`);
}

function fits({ fhsize, fhflags }: Of<typeof Kargs>): boolean {
  if (fhsize > Constants.FHSIZE_MAX) return false;
  if (fhsize === 0) return true;
  const whole = fhsize + HANDLE_HEAD;
  if ((fhflags & FhFlags.NFSV2) !== 0 && whole > NFSV2_MOST) return false;
  return (fhflags & FhFlags.NFSV3) === 0 || whole <= NFSV3_MOST;
}

/** Up to the NUL; what cannot be printed becomes a dot. */
function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  const text = decodeName(bytes, 0, end === -1 ? bytes.length : end);
  return text.replace(/[^ -~]/g, ".");
}
