import type { FileSystemOperation, NodeOperation } from "../operations.ts";
import type { Outcome } from "../outcome.ts";
import type { Of, Struct } from "../struct.ts";
import * as a from "./arguments.ts";
import type { PuffsCall } from "./call.ts";
import { NETBSD } from "./errno.ts";
import { Vfs, Vn } from "./flags.ts";
import * as r from "./reply.ts";
import { access, pathconf, print } from "./request/about.ts";
import { fallocate, fdiscard, fsync, read, readdir, readlink, write } from "./request/data.ts";
import {
  deleteextattr,
  extattrctl,
  getextattr,
  listextattr,
  setextattr,
} from "./request/extattr.ts";
import { lookup } from "./request/lookup.ts";
import { create, link, mkdir, mknod, symlink } from "./request/make.ts";
import { fhtonode, nodetofh, statvfs, suspend, unmount } from "./request/mount.ts";
import { close, inactive, open, reclaim } from "./request/open.ts";
import { remove, rmdir } from "./request/remove.ts";
import { rename } from "./request/rename.ts";
import { advlock, poll } from "./request/wait.ts";
import { setattr } from "./setattr.ts";
import * as wire from "./structs.ts";

/** An operation of a plugin's. */
type Need = `fs.${FileSystemOperation}` | `node.${NodeOperation}`;

/**
 * All there is to know of one operation on the wire. Decoding, dispatch, what its absence means, what the mount asks for, tracing,
 * statistics, the tables in the docs and the tests read it here.
 */
export interface Row {
  /** The class of the message. */
  readonly group: "VFS" | "VN";
  /** `optype`. */
  readonly number: number;
  /** Where it is in `OPS`. */
  readonly index: number;
  /** As in puffs_msgif.h, less PUFFS_VN_ or PUFFS_VFS_. */
  readonly name: string;
  /** Request and reply in one. */
  readonly message: Struct<never>;
  /** What is read of the request. */
  readonly in?: Struct<never>;
  /** Where in it the names are (struct puffs_kcn), and the credentials. */
  readonly names: readonly number[];
  readonly credential: number;
  /** The operations that it becomes: the plugin needs one of them. Left out: it is served without. */
  readonly needs?: readonly Need[];
  /** The mount asks the kernel to send it if the plugin has one of these, instead of `needs`. */
  readonly asked?: "never" | readonly Need[];
  /** NetBSD's number of the error that answers it all the same, where the plugin lacks what it needs; 0: it is granted. */
  readonly absent: number;
  /** Where the kernel asks by itself it is granted then: it writes back what it keeps, whatever the mount said. */
  readonly granted: boolean;
  /** What the caller sees then: for the docs. */
  readonly otherwise?: string;
  /** The request is about a node: its cookie is looked up before. False: about the mount. */
  readonly node: boolean;
  /** It is answered when there is something to tell: no deadline holds. */
  readonly parked: boolean;
  /** "No such attribute" has a number of its own. */
  readonly attribute: boolean;
  /**
   * Serve it: a function of request/, where it is more than a call. An operation of `needs` is there when it runs. Answers how many bytes of
   * the message are the reply.
   */
  readonly run: (call: PuffsCall, argument: never) => Outcome;
}

// biome-ignore lint/suspicious/noExplicitAny: a struct of any fields
type AnyStruct = Struct<any>;

interface Definition<In extends AnyStruct> {
  readonly message: AnyStruct;
  readonly in?: In;
  readonly needs?: readonly Need[];
  readonly asked?: Row["asked"];
  readonly absent?: keyof typeof NETBSD | "OK";
  readonly granted?: true;
  readonly otherwise?: string;
  readonly node?: boolean;
  readonly attribute?: true;
  readonly parked?: true;
  readonly run: (call: PuffsCall, argument: Of<In>) => Outcome;
}

type Unnumbered = Omit<Row, "group" | "number" | "index" | "name">;

function op<In extends AnyStruct>(definition: Definition<In>): Unnumbered {
  const { absent = "EOPNOTSUPP", node = true, ...rest } = definition;
  const offsets = definition.message.offsets as Readonly<Record<string, number>>;
  const names = ["cn", "cnSrc", "cnTarg"].flatMap((key) => offsets[key] ?? []);
  const credential = offsets.cred ?? offsets.cnCred ?? offsets.cnSrcCred ?? 0;
  return {
    ...rest,
    names,
    credential,
    absent: absent === "OK" ? 0 : NETBSD[absent],
    node,
    granted: definition.granted ?? false,
    attribute: definition.attribute ?? false,
    parked: definition.parked ?? false,
  } as unknown as Unnumbered;
}

const REFUSED = "the call fails with EOPNOTSUPP";
const NAMELESS = "the kernel does it alone";

const VFS: Partial<Record<keyof typeof Vfs, Unnumbered>> = {
  UNMOUNT: op({
    message: wire.VfsmsgUnmount,
    in: a.Unmount,
    node: false,
    // Answered in time or not, the file system has ended then.
    parked: true,
    run: unmount,
  }),
  STATVFS: op({
    message: wire.VfsmsgStatvfs,
    otherwise: "df(1) shows zeros",
    node: false,
    run: statvfs,
  }),
  SYNC: op({
    message: wire.VfsmsgSync,
    needs: ["fs.sync"],
    absent: "OK",
    otherwise: "sync(2) succeeds",
    node: false,
    run: (c) => r.after(c, c.connection.fs.sync?.(c), r.empty),
  }),
  FHTOVP: op({
    message: wire.VfsmsgFhtonode,
    in: a.Fhtonode,
    needs: ["fs.fhtonode"],
    otherwise: "NFS cannot export the mount",
    node: false,
    run: fhtonode,
  }),
  VPTOFH: op({
    message: wire.VfsmsgNodetofh,
    in: a.Nodetofh,
    needs: ["fs.nodetofh"],
    otherwise: "NFS cannot export the mount",
    node: false,
    run: nodetofh,
  }),
  EXTATTRCTL: op({
    message: wire.VfsmsgExtattrctl,
    in: a.Extattrctl,
    needs: ["fs.extattrctl"],
    otherwise: "extattrctl(2) fails with EOPNOTSUPP",
    node: false,
    run: extattrctl,
  }),
  SUSPEND: op({
    message: wire.VfsmsgSuspend,
    in: a.Suspend,
    needs: ["fs.suspend"],
    absent: "OK",
    otherwise: "told, not asked",
    node: false,
    run: suspend,
  }),
};

const VN: Partial<Record<keyof typeof Vn, Unnumbered>> = {
  LOOKUP: op({
    message: wire.VnmsgLookup,
    in: a.Lookup,
    needs: ["node.lookup"],
    run: lookup,
  }),
  CREATE: op({
    message: wire.VnmsgCreate,
    in: a.Create,
    needs: ["node.create", "node.mknod"],
    otherwise: "open(2) with O_CREAT fails with EOPNOTSUPP",
    run: create,
  }),
  MKNOD: op({
    message: wire.VnmsgMknod,
    in: a.Mknod,
    needs: ["node.mknod", "node.create"],
    otherwise: REFUSED,
    run: mknod,
  }),
  OPEN: op({
    message: wire.VnmsgOpen,
    in: a.Open,
    asked: ["node.open", "node.close", "node.inactive", "node.setattr"],
    otherwise: "every open is granted",
    run: open,
  }),
  CLOSE: op({
    message: wire.VnmsgClose,
    in: a.Close,
    needs: ["node.close"],
    absent: "OK",
    otherwise: "close(2) succeeds",
    run: close,
  }),
  ACCESS: op({
    message: wire.VnmsgAccess,
    in: a.Access,
    otherwise: "mode, owner and group decide",
    run: access,
  }),
  GETATTR: op({
    message: wire.VnmsgSetgetattr,
    needs: ["node.getattr"],
    otherwise: "stat(2) fails with EOPNOTSUPP",
    run: (c) => r.after(c, r.attributesOf(c, c.node), r.attributes),
  }),
  SETATTR: op({
    message: wire.VnmsgSetgetattr,
    in: a.Setgetattr,
    needs: ["node.setattr"],
    granted: true,
    otherwise: "chmod(2), chown(2), truncate(2), utimes(2) fail with EOPNOTSUPP",
    run: setattr,
  }),
  READ: op({
    message: wire.VnmsgRw,
    in: a.Rw,
    needs: ["node.read"],
    otherwise: "read(2) fails with EOPNOTSUPP",
    run: read,
  }),
  WRITE: op({
    message: wire.VnmsgRw,
    in: a.Rw,
    needs: ["node.write"],
    otherwise: "files cannot be opened for writing: EROFS",
    run: write,
  }),
  POLL: op({
    message: wire.VnmsgPoll,
    in: a.Poll,
    needs: ["node.poll"],
    otherwise: "files are always readable and writable",
    parked: true,
    run: poll,
  }),
  MMAP: op({
    message: wire.VnmsgMmap,
    in: a.Mmap,
    needs: ["node.mmap"],
    absent: "OK",
    otherwise: NAMELESS,
    run: (c, { prot }) => r.after(c, c.connection.node.mmap?.(c.node, prot, c), r.empty),
  }),
  FSYNC: op({
    message: wire.VnmsgFsync,
    in: a.Fsync,
    needs: ["node.fsync"],
    absent: "OK",
    otherwise: "the kernel writes its pages, and fsync(2) succeeds",
    run: fsync,
  }),
  SEEK: op({
    message: wire.VnmsgSeek,
    asked: "never",
    otherwise: "never asked: any offset will do",
    run: r.empty,
  }),
  REMOVE: op({
    message: wire.VnmsgRemove,
    in: a.Remove,
    needs: ["node.remove"],
    otherwise: REFUSED,
    run: remove,
  }),
  LINK: op({
    message: wire.VnmsgLink,
    in: a.Link,
    needs: ["node.link"],
    otherwise: REFUSED,
    run: link,
  }),
  RENAME: op({
    message: wire.VnmsgRename,
    in: a.Rename,
    needs: ["node.rename"],
    otherwise: REFUSED,
    run: rename,
  }),
  MKDIR: op({
    message: wire.VnmsgMkdir,
    in: a.Mkdir,
    needs: ["node.mkdir"],
    otherwise: REFUSED,
    run: mkdir,
  }),
  RMDIR: op({
    message: wire.VnmsgRmdir,
    in: a.Rmdir,
    needs: ["node.rmdir"],
    otherwise: REFUSED,
    run: rmdir,
  }),
  SYMLINK: op({
    message: wire.VnmsgSymlink,
    in: a.Symlink,
    needs: ["node.symlink"],
    otherwise: REFUSED,
    run: symlink,
  }),
  READDIR: op({
    message: wire.VnmsgReaddir,
    in: a.Readdir,
    otherwise: "the directory shows empty",
    run: readdir,
  }),
  READLINK: op({
    message: wire.VnmsgReadlink,
    in: a.Readlink,
    needs: ["node.readlink"],
    otherwise: REFUSED,
    run: readlink,
  }),
  ABORTOP: op({
    message: wire.VnmsgAbortop,
    needs: ["node.abortop"],
    absent: "OK",
    otherwise: "not told",
    run: (c) => r.after(c, c.connection.node.abortop?.(c.node, c.name) as undefined, r.empty),
  }),
  INACTIVE: op({
    message: wire.VnmsgInactive,
    // What a rename has replaced can only be told so when its last reference is gone.
    asked: ["node.inactive", "node.rename"],
    otherwise: "files end when the kernel forgets the node",
    run: inactive,
  }),
  RECLAIM: op({
    message: wire.VnmsgReclaim,
    in: a.Reclaim,
    run: reclaim,
  }),
  PRINT: op({
    message: wire.VnmsgPrint,
    needs: ["node.print"],
    otherwise: "the kernel's debugger shows what it knows itself",
    run: print,
  }),
  PATHCONF: op({
    message: wire.VnmsgPathconf,
    in: a.Pathconf,
    otherwise: "the framework knows some limits; else pathconf(2) fails with EINVAL",
    run: pathconf,
  }),
  ADVLOCK: op({
    message: wire.VnmsgAdvlock,
    in: a.Advlock,
    needs: ["node.advlock"],
    otherwise: "the kernel keeps locks itself",
    run: advlock,
  }),
  GETEXTATTR: op({
    message: wire.VnmsgGetextattr,
    in: a.Getextattr,
    needs: ["node.getextattr"],
    otherwise: REFUSED,
    attribute: true,
    run: getextattr,
  }),
  LISTEXTATTR: op({
    message: wire.VnmsgListextattr,
    in: a.Listextattr,
    needs: ["node.listextattr"],
    otherwise: REFUSED,
    attribute: true,
    run: listextattr,
  }),
  DELETEEXTATTR: op({
    message: wire.VnmsgDeleteextattr,
    in: a.Deleteextattr,
    needs: ["node.deleteextattr"],
    otherwise: REFUSED,
    attribute: true,
    run: deleteextattr,
  }),
  SETEXTATTR: op({
    message: wire.VnmsgSetextattr,
    in: a.Setextattr,
    needs: ["node.setextattr"],
    otherwise: REFUSED,
    attribute: true,
    run: setextattr,
  }),
  FALLOCATE: op({
    message: wire.VnmsgFallocate,
    in: a.Fallocate,
    needs: ["node.fallocate"],
    otherwise: "posix_fallocate(2) fails with EOPNOTSUPP",
    run: fallocate,
  }),
  FDISCARD: op({
    message: wire.VnmsgFdiscard,
    in: a.Fdiscard,
    needs: ["node.fdiscard"],
    otherwise: "fdiscard(2) fails with EOPNOTSUPP",
    run: fdiscard,
  }),
};

/** Where the rows of the VFS class are, behind those of the VN class. */
const VFS_AT = 64;

/** All rows: those on nodes by their number, then those on the file system; holes are numbers that mean nothing here. */
export const OPS: readonly (Row | undefined)[] = rows();

/** The row of a message of class VN or VFS. */
export function rowOf(isVfs: boolean, number: number): Row | undefined {
  return number < VFS_AT ? OPS[isVfs ? VFS_AT + number : number] : undefined;
}

function rows(): (Row | undefined)[] {
  const all: (Row | undefined)[] = new Array(2 * VFS_AT).fill(undefined);
  for (const [name, row] of Object.entries(VN)) {
    const number = Vn[name as keyof typeof Vn];
    all[number] = { group: "VN", number, index: number, name, ...row };
  }
  for (const [name, row] of Object.entries(VFS)) {
    const number = Vfs[name as keyof typeof Vfs];
    const index = VFS_AT + number;
    all[index] = { group: "VFS", number, index, name: `VFS_${name}`, ...row };
  }
  return all;
}
