import { Vn } from "../../src/puffs/flags.ts";
import * as wire from "../../src/puffs/structs.ts";

/* Where the cookies of nodes are in messages about nodes: what must be translated to replay them to another server. */

/** In requests, besides the header. */
export const COOKIES: Readonly<Record<number, readonly number[]>> = {
  [Vn.REMOVE]: [wire.VnmsgRemove.offsets.cookieTarg],
  [Vn.RMDIR]: [wire.VnmsgRmdir.offsets.cookieTarg],
  [Vn.LINK]: [wire.VnmsgLink.offsets.cookieTarg],
  [Vn.RENAME]: [
    wire.VnmsgRename.offsets.cookieSrc,
    wire.VnmsgRename.offsets.cookieTarg,
    wire.VnmsgRename.offsets.cookieTargdir,
  ],
};

/** In replies: that of a node that the kernel is told of. */
export const NEW_NODES: Readonly<Record<number, number>> = {
  [Vn.LOOKUP]: wire.VnmsgLookup.offsets.newnode,
  [Vn.CREATE]: wire.VnmsgCreate.offsets.newnode,
  [Vn.MKNOD]: wire.VnmsgMknod.offsets.newnode,
  [Vn.MKDIR]: wire.VnmsgMkdir.offsets.newnode,
  [Vn.SYMLINK]: wire.VnmsgSymlink.offsets.newnode,
};
