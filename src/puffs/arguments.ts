import { part } from "./part.ts";
import * as wire from "./structs.ts";

/*
 * What is read of each request; the rest of the message, the header, names, credentials and data, is dealt with where it lies.
 */

export const Unmount = part(wire.VfsmsgUnmount, "flags");
export const Fhtonode = part(wire.VfsmsgFhtonode, "dsize");
export const Nodetofh = part(wire.VfsmsgNodetofh, "fhcookie", "dsize");
export const Extattrctl = part(wire.VfsmsgExtattrctl, "cmd", "attrnamespace", "flags");
export const Suspend = part(wire.VfsmsgSuspend, "status");
export const Lookup = part(wire.VnmsgLookup, "cn");
export const Create = part(wire.VnmsgCreate, "va");
export const Mknod = part(wire.VnmsgMknod, "va");
export const Open = part(wire.VnmsgOpen, "mode");
export const Close = part(wire.VnmsgClose, "fflag");
export const Access = part(wire.VnmsgAccess, "mode");
export const Setgetattr = part(wire.VnmsgSetgetattr, "va");
export const Rw = part(wire.VnmsgRw, "offset", "resid", "ioflag");
export const Poll = part(wire.VnmsgPoll, "events");
export const Mmap = part(wire.VnmsgMmap, "prot");
export const Fsync = part(wire.VnmsgFsync, "flags");
export const Remove = part(wire.VnmsgRemove, "cookieTarg");
export const Link = part(wire.VnmsgLink, "cookieTarg");
export const Rename = part(wire.VnmsgRename, "cookieSrc", "cookieTarg", "cookieTargdir");
export const Mkdir = part(wire.VnmsgMkdir, "va");
export const Rmdir = part(wire.VnmsgRmdir, "cookieTarg");
export const Symlink = part(wire.VnmsgSymlink, "va");
export const Readdir = part(wire.VnmsgReaddir, "offset", "resid", "ncookies", "dentoff");
export const Readlink = part(wire.VnmsgReadlink, "linklen");
export const Reclaim = part(wire.VnmsgReclaim, "nlookup");
export const Pathconf = part(wire.VnmsgPathconf, "name");
export const Advlock = part(wire.VnmsgAdvlock, "fl", "id", "op", "flags");
export const Getextattr = part(wire.VnmsgGetextattr, "attrnamespace", "datasize", "resid");
export const Listextattr = part(
  wire.VnmsgListextattr,
  "attrnamespace",
  "datasize",
  "resid",
  "flag",
);
export const Deleteextattr = part(wire.VnmsgDeleteextattr, "attrnamespace");
export const Setextattr = part(wire.VnmsgSetextattr, "attrnamespace", "resid");
export const Fallocate = part(wire.VnmsgFallocate, "off", "len");
export const Fdiscard = part(wire.VnmsgFdiscard, "off", "len");
