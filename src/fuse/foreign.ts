/**
 * Structs as the kernel's side has them: handles are the server's own, whoever wrote it, and any 64 bits. Lock owners and places in
 * listings, which the server's side has no use for, are there.
 */
import { foreign64, opaque64, since, struct } from "../struct.ts";
import * as wire from "./structs.ts";

const fh = foreign64;

export const OpenOut = struct({ ...wire.OpenOut.fields, fh });
export const GetattrIn = struct({ ...wire.GetattrIn.fields, fh: since(9, fh) });
export const StatxIn = struct({ ...wire.StatxIn.fields, fh });
export const SetattrIn = struct({ ...wire.SetattrIn.fields, fh: since(3, fh, 0) });
export const ReleaseIn = struct({ ...wire.ReleaseIn.fields, fh });
export const FlushIn = struct({ ...wire.FlushIn.fields, fh });
export const ReadIn = struct({ ...wire.ReadIn.fields, fh, lockOwner: since(9, opaque64) });
export const WriteIn = struct({ ...wire.WriteIn.fields, fh, lockOwner: since(9, opaque64) });
export const ReaddirIn = struct({ ...ReadIn.fields, offset: opaque64 });
export const FsyncIn = struct({ ...wire.FsyncIn.fields, fh });
export const LkIn = struct({ ...wire.LkIn.fields, fh });
export const IoctlIn = struct({ ...wire.IoctlIn.fields, fh });
export const PollIn = struct({ ...wire.PollIn.fields, fh });
export const FallocateIn = struct({ ...wire.FallocateIn.fields, fh });
export const LseekIn = struct({ ...wire.LseekIn.fields, fh });
export const CopyFileRangeIn = struct({ ...wire.CopyFileRangeIn.fields, fhIn: fh, fhOut: fh });
