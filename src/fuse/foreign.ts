/**
 * Structs as the kernel's side has them: handles and node ids are the server's own, whoever wrote it, and any 64 bits. Lock owners and places
 * in listings, which the server's side has no use for, are there.
 */
import { foreign64, type Of, opaque64, since, struct } from "../struct.ts";
import * as wire from "./structs.ts";

/** A server's own number, of a node or of what is open: 0 to 2 ** 64 - 1. */
export type Foreign = Of<typeof foreign64>;

const fh = foreign64;
const nodeid = foreign64;

export const InHeader = struct({ ...wire.InHeader.fields, unique: foreign64, nodeid });
export const EntryOut = struct({ ...wire.EntryOut.fields, nodeid, generation: foreign64 });
export const ForgetOne = struct({ ...wire.ForgetOne.fields, nodeid });
export const RenameIn = struct({ newdir: nodeid });
export const Rename2In = struct({ ...wire.Rename2In.fields, newdir: nodeid });
export const LinkIn = struct({ oldnodeid: nodeid });
export const NotifyInvalInodeOut = struct({ ...wire.NotifyInvalInodeOut.fields, ino: nodeid });
export const NotifyInvalEntryOut = struct({ ...wire.NotifyInvalEntryOut.fields, parent: nodeid });
export const NotifyDeleteOut = struct({
  ...wire.NotifyDeleteOut.fields,
  parent: nodeid,
  child: nodeid,
});
export const NotifyStoreOut = struct({ ...wire.NotifyStoreOut.fields, nodeid });
export const NotifyRetrieveOut = struct({
  ...wire.NotifyRetrieveOut.fields,
  notifyUnique: foreign64,
  nodeid,
});

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
export const CopyFileRangeIn = struct({
  ...wire.CopyFileRangeIn.fields,
  fhIn: fh,
  nodeidOut: nodeid,
  fhOut: fh,
});
