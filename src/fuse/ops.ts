import type { FileSystemOperation, NodeOperation } from "../operations.ts";
import type { Of, Struct } from "../struct.ts";
import type { FuseCall } from "./call.ts";
import { Opcode } from "./opcodes.ts";
import * as r from "./reply.ts";
import { getattr, setattr } from "./request/attributes.ts";
import { copied, copyRange } from "./request/copy.ts";
import { fallocate, fsync, lseek, read, readdir, write } from "./request/data.ts";
import { getxattr, listxattr, removexattr, setxattr } from "./request/extattr.ts";
import { useFile } from "./request/hold.ts";
import { getlk, setlk } from "./request/lock.ts";
import { batchForget, forget, lookup } from "./request/lookup.ts";
import { create, link, mkdir, mknod, tmpfile } from "./request/make.ts";
import { init, interrupt, statfs } from "./request/mount.ts";
import { flush, open, opendir, release } from "./request/open.ts";
import { ioctl, notifyReply, poll, unsupported } from "./request/others.ts";
import { rename } from "./request/rename.ts";
import * as wire from "./structs.ts";

/**
 * All there is to know of one opcode. Decoding, dispatch, what its absence means, tracing, statistics, the tables in the
 * docs and the tests read it here.
 */
export interface Row {
  readonly opcode: number;
  /** As in linux/fuse.h, less FUSE_. */
  readonly name: string;
  /** The struct behind the header. */
  readonly in?: Struct<never>;
  /** How many NUL-ended names follow it. */
  readonly names?: 1 | 2;
  /** What the first name is: a name in a directory (at most 255 bytes, no slash), any text, or an extended attribute's. */
  readonly text?: "name" | "target" | "attribute";
  /** Whether bytes follow. */
  readonly data?: true;
  /** The struct that the payload of the reply begins with. */
  readonly out?: Struct<never>;
  /** The operations that it becomes: the plugin needs one of them. Left out: it is served without, if not as well. */
  readonly needs?: readonly (`fs.${FileSystemOperation}` | `node.${NodeOperation}`)[];
  /** The error that answers it, as a number of errno(3) on Linux, where the plugin lacks that; 0: it is granted. */
  readonly absent: number;
  /** What the caller sees then: for the docs. */
  readonly otherwise?: string;
  /** The request is about a node: its number is looked up before. False: about the mount. */
  readonly node: boolean;
  /** False: never answered. */
  readonly reply: boolean;
  /**
   * Serve it: a function of request/, where it is more than a call. An operation of `needs` is there when it runs. Answers the bytes of
   * payload written.
   */
  readonly run: (call: FuseCall, argument: never) => r.Outcome;
}

// biome-ignore lint/suspicious/noExplicitAny: a struct of any fields
type AnyStruct = Struct<any>;

interface Definition<In extends AnyStruct> {
  readonly in?: In;
  readonly names?: 1 | 2;
  readonly text?: "name" | "target" | "attribute";
  readonly data?: true;
  readonly out?: AnyStruct;
  readonly needs?: Row["needs"];
  readonly absent?: "ENOSYS" | "EPERM" | "EOPNOTSUPP" | "EINVAL" | "ENOTTY" | "OK";
  readonly otherwise?: string;
  readonly node?: false;
  readonly reply?: false;
  readonly run: (call: FuseCall, argument: Of<In>) => r.Outcome;
}

const NUMBERS = { ENOSYS: 38, EPERM: 1, EOPNOTSUPP: 95, EINVAL: 22, ENOTTY: 25, OK: 0 };

function op<In extends AnyStruct>(definition: Definition<In>): Omit<Row, "opcode" | "name"> {
  const { absent = "ENOSYS", node = true, reply = true, ...rest } = definition;
  return { ...rest, absent: NUMBERS[absent], node, reply } as unknown as Omit<
    Row,
    "opcode" | "name"
  >;
}

const STOPS = "the kernel stops asking and";
const REFUSED = "the call fails with EPERM";

const TABLE: Readonly<Record<keyof typeof Opcode, Omit<Row, "opcode" | "name">>> = {
  LOOKUP: op({
    names: 1,
    out: wire.EntryOut,
    needs: ["node.lookup"],
    run: lookup,
  }),
  FORGET: op({ in: wire.ForgetIn, reply: false, node: false, run: forget }),
  GETATTR: op({
    in: wire.GetattrIn,
    out: wire.AttrOut,
    needs: ["node.getattr"],
    otherwise: "stat(2) fails with ENOSYS",
    run: getattr,
  }),
  SETATTR: op({
    in: wire.SetattrIn,
    out: wire.AttrOut,
    needs: ["node.setattr"],
    absent: "EPERM",
    otherwise: "chmod(2), chown(2), truncate(2), utimensat(2) fail with EPERM",
    run: setattr,
  }),
  READLINK: op({
    needs: ["node.readlink"],
    absent: "EINVAL",
    otherwise: "readlink(2) fails with EINVAL",
    run: (c) => r.after(c, c.connection.node.readlink?.(c.node, c) as never, r.target),
  }),
  SYMLINK: op({
    names: 2,
    text: "target",
    out: wire.EntryOut,
    needs: ["node.symlink"],
    absent: "EPERM",
    otherwise: REFUSED,
    run: (c) =>
      r.after(c, c.connection.node.symlink?.(c.node, c.name, c.secondName, c) as never, r.entry),
  }),
  MKNOD: op({
    in: wire.MknodIn,
    names: 1,
    out: wire.EntryOut,
    needs: ["node.mknod", "node.create"],
    absent: "EPERM",
    otherwise: "mknod(2) fails with EPERM; a regular file needs one of both, others `mknod`",
    run: mknod,
  }),
  MKDIR: op({
    in: wire.MkdirIn,
    names: 1,
    out: wire.EntryOut,
    needs: ["node.mkdir"],
    absent: "EPERM",
    otherwise: REFUSED,
    run: mkdir,
  }),
  UNLINK: op({
    names: 1,
    needs: ["node.remove"],
    absent: "EPERM",
    otherwise: REFUSED,
    run: (c) => r.after(c, c.connection.node.remove?.(c.node, c.name, c), r.empty),
  }),
  RMDIR: op({
    names: 1,
    needs: ["node.rmdir"],
    absent: "EPERM",
    otherwise: REFUSED,
    run: (c) => r.after(c, c.connection.node.rmdir?.(c.node, c.name, c), r.empty),
  }),
  RENAME: op({
    in: wire.RenameIn,
    names: 2,
    needs: ["node.rename"],
    absent: "EPERM",
    otherwise: REFUSED,
    run: (c, { newdir }) => rename(c, newdir, 0),
  }),
  LINK: op({
    in: wire.LinkIn,
    names: 1,
    out: wire.EntryOut,
    needs: ["node.link"],
    absent: "EPERM",
    otherwise: REFUSED,
    run: link,
  }),
  OPEN: op({
    in: wire.OpenIn,
    out: wire.OpenOut,
    otherwise: "every open is granted",
    run: open,
  }),
  READ: op({
    in: wire.ReadIn,
    needs: ["node.read"],
    absent: "EOPNOTSUPP",
    otherwise: "read(2) fails with EOPNOTSUPP",
    run: read,
  }),
  WRITE: op({
    in: wire.WriteIn,
    data: true,
    out: wire.WriteOut,
    needs: ["node.write"],
    absent: "EOPNOTSUPP",
    otherwise: "write(2) fails with EOPNOTSUPP",
    run: write,
  }),
  STATFS: op({
    out: wire.StatfsOut,
    otherwise: "df(1) shows zeros",
    node: false,
    run: statfs,
  }),
  RELEASE: op({ in: wire.ReleaseIn, run: release }),
  FSYNC: op({
    in: wire.FsyncIn,
    needs: ["node.fsync"],
    otherwise: `${STOPS} fsync(2) succeeds`,
    run: fsync,
  }),
  SETXATTR: op({
    in: wire.SetxattrIn,
    names: 1,
    text: "attribute",
    data: true,
    needs: ["node.setextattr"],
    otherwise: `${STOPS} setxattr(2) fails with EOPNOTSUPP`,
    run: setxattr,
  }),
  GETXATTR: op({
    in: wire.GetxattrIn,
    names: 1,
    text: "attribute",
    needs: ["node.getextattr"],
    otherwise: `${STOPS} getxattr(2) fails with EOPNOTSUPP`,
    run: getxattr,
  }),
  LISTXATTR: op({
    in: wire.GetxattrIn,
    needs: ["node.listextattr"],
    otherwise: `${STOPS} listxattr(2) fails with EOPNOTSUPP`,
    run: listxattr,
  }),
  REMOVEXATTR: op({
    names: 1,
    text: "attribute",
    needs: ["node.deleteextattr"],
    otherwise: `${STOPS} removexattr(2) fails with EOPNOTSUPP`,
    run: removexattr,
  }),
  FLUSH: op({
    in: wire.FlushIn,
    otherwise: `${STOPS} close(2) succeeds`,
    run: flush,
  }),
  INIT: op({ in: wire.InitIn, out: wire.InitOut, node: false, run: init }),
  OPENDIR: op({
    in: wire.OpenIn,
    out: wire.OpenOut,
    otherwise: "every open is granted",
    run: opendir,
  }),
  READDIR: op({
    in: wire.ReadIn,
    out: wire.Dirent,
    otherwise: "the directory shows empty",
    run: (c, a) => readdir(c, a, false),
  }),
  RELEASEDIR: op({ in: wire.ReleaseIn, run: release }),
  FSYNCDIR: op({
    in: wire.FsyncIn,
    needs: ["node.fsync"],
    otherwise: `${STOPS} fsync(2) succeeds`,
    run: fsync,
  }),
  GETLK: op({
    in: wire.LkIn,
    out: wire.LkOut,
    needs: ["node.advlock"],
    otherwise: "the kernel keeps locks itself",
    run: getlk,
  }),
  SETLK: op({
    in: wire.LkIn,
    needs: ["node.advlock"],
    otherwise: "the kernel keeps locks itself",
    run: (c, a) => setlk(c, a, "set"),
  }),
  SETLKW: op({
    in: wire.LkIn,
    needs: ["node.advlock"],
    otherwise: "the kernel keeps locks itself",
    run: (c, a) => setlk(c, a, "wait"),
  }),
  ACCESS: op({
    in: wire.AccessIn,
    needs: ["node.access"],
    otherwise: "the kernel checks permissions itself",
    run: (c, { mask }) => r.after(c, c.connection.node.access?.(c.node, mask & 7, c), r.empty),
  }),
  CREATE: op({
    in: wire.CreateIn,
    names: 1,
    out: wire.EntryOut,
    needs: ["node.create", "node.mknod"],
    absent: "EPERM",
    otherwise: "open(2) with O_CREAT fails with EPERM",
    run: create,
  }),
  INTERRUPT: op({
    in: wire.InterruptIn,
    reply: false,
    node: false,
    run: interrupt,
  }),
  BMAP: op({
    in: wire.BmapIn,
    out: wire.BmapOut,
    needs: ["node.bmap"],
    otherwise: `${STOPS} ioctl(FIBMAP) fails with EINVAL`,
    run: (c, a) =>
      r.after(c, c.connection.node.bmap?.(c.node, a.block, a.blocksize, c) as never, r.block),
  }),
  DESTROY: op({ node: false, run: r.empty }),
  IOCTL: op({
    in: wire.IoctlIn,
    data: true,
    out: wire.IoctlOut,
    needs: ["node.ioctl"],
    absent: "ENOTTY",
    otherwise: "ioctl(2) fails with ENOTTY",
    run: ioctl,
  }),
  POLL: op({
    in: wire.PollIn,
    out: wire.PollOut,
    needs: ["node.poll"],
    otherwise: `${STOPS} files are always readable and writable`,
    run: poll,
  }),
  NOTIFY_REPLY: op({
    in: wire.NotifyRetrieveIn,
    data: true,
    reply: false,
    node: false,
    run: notifyReply,
  }),
  BATCH_FORGET: op({
    in: wire.BatchForgetIn,
    data: true,
    reply: false,
    node: false,
    run: batchForget,
  }),
  FALLOCATE: op({
    in: wire.FallocateIn,
    needs: ["node.fallocate", "node.fdiscard"],
    absent: "EOPNOTSUPP",
    otherwise: "fallocate(2) fails with EOPNOTSUPP",
    run: fallocate,
  }),
  READDIRPLUS: op({
    in: wire.ReadIn,
    out: wire.Direntplus,
    otherwise: "the directory shows empty",
    run: (c, a) => readdir(c, a, true),
  }),
  RENAME2: op({
    in: wire.Rename2In,
    names: 2,
    needs: ["node.rename"],
    absent: "EPERM",
    otherwise: REFUSED,
    run: (c, { newdir, flags }) => rename(c, newdir, flags),
  }),
  LSEEK: op({
    in: wire.LseekIn,
    out: wire.LseekOut,
    needs: ["node.seek"],
    otherwise: `${STOPS} the whole file is data`,
    run: lseek,
  }),
  COPY_FILE_RANGE: op({
    in: wire.CopyFileRangeIn,
    out: wire.WriteOut,
    needs: ["node.copyRange"],
    otherwise: `${STOPS} copies by reading and writing`,
    run: (c, a) => copyRange(c, a, r.written, 0x7ffff000),
  }),
  SETUPMAPPING: op({
    in: wire.SetupmappingIn,
    otherwise: "never asked: DAX is virtiofs' own",
    run: unsupported,
  }),
  REMOVEMAPPING: op({
    in: wire.RemovemappingIn,
    data: true,
    otherwise: "never asked: DAX is virtiofs' own",
    run: unsupported,
  }),
  SYNCFS: op({
    in: wire.SyncfsIn,
    needs: ["fs.sync"],
    otherwise: `${STOPS} syncfs(2) succeeds`,
    node: false,
    run: (c) => r.after(c, c.connection.fs.sync?.(c), r.empty),
  }),
  TMPFILE: op({
    in: wire.CreateIn,
    names: 1,
    out: wire.EntryOut,
    needs: ["node.tmpfile"],
    otherwise: `${STOPS} open(2) with O_TMPFILE fails with EOPNOTSUPP`,
    run: tmpfile,
  }),
  STATX: op({
    in: wire.StatxIn,
    out: wire.StatxOut,
    needs: ["node.getattr"],
    run: (c, a) => {
      useFile(c, a.fh);
      return r.after(c, r.attributesOf(c, c.node), r.statx);
    },
  }),
  COPY_FILE_RANGE_64: op({
    in: wire.CopyFileRangeIn,
    out: wire.CopyFileRangeOut,
    needs: ["node.copyRange"],
    otherwise: `${STOPS} copies by reading and writing`,
    run: (c, a) => copyRange(c, a, copied, Number.MAX_SAFE_INTEGER),
  }),
  CUSE_INIT: op({
    in: wire.CuseInitIn,
    otherwise: "never asked: character devices have a device of their own, /dev/cuse",
    node: false,
    run: unsupported,
  }),
};

/** The rows by opcode; holes are numbers that mean nothing. */
export const OPS: readonly (Row | undefined)[] = Object.entries(TABLE).reduce<(Row | undefined)[]>(
  (rows, [name, row]) => {
    const opcode = Opcode[name as keyof typeof Opcode];
    rows[opcode] = { opcode, name, ...row };
    return rows;
  },
  [],
);
