import type { NodeOperations } from "../../src/operations.ts";
import type { AnyFileSystem } from "../../src/plugin.ts";
import type { Connection } from "../../src/puffs/connection.ts";
import {
  Extattrctl,
  ExtattrNamespace,
  FileMode,
  FsyncFlags,
  IoFlags,
  LockFlags,
  LockOp,
  LockType,
  Opclass,
  Suspend,
  Vfs,
  Vn,
  Vtype,
} from "../../src/puffs/flags.ts";
import type { PuffsKernel } from "../../src/puffs/kernel.ts";
import { compose, NOCRED } from "../../src/puffs/message.ts";
import * as wire from "../../src/puffs/structs.ts";
import { everything } from "../support/everything.ts";
import { bytes } from "../support/wire.ts";
import { ALICE, find, ROOT } from "./rig.ts";

/*
 * Every request of puffs, as the kernel's role asks it, and the operations that it becomes.
 */

/** What is asked about: their cookies. */
export interface Known {
  readonly root: number;
  readonly file: number;
}

export interface Request {
  /** The row of ops.ts. */
  readonly row: string;
  /** Where there are several of a row: which one it is. */
  readonly title?: string;
  /** The operations that are called for it, in the order of the calls. */
  readonly calls: readonly string[];
  /** Nobody waits for it, and no answer must come. */
  readonly faf?: true;
  readonly drive: (kernel: PuffsKernel, known: Known) => Promise<unknown>;
}

const { USER } = ExtattrNamespace;
/** Which the kernel hands on, where an error is told. */
const POLLERR = 0x8;
const HANDLE = Uint8Array.of(7, 7, 7, 7);
const LOCK = {
  op: LockOp.SETLK,
  flags: LockFlags.POSIX,
  id: 7n,
  fl: { start: 0, len: 0, pid: 1, type: LockType.WRLCK, whence: 0 },
};

/** A file system that has all operations: those of `changed` ("node.read") in the place of right ones, without those of `lacking`. */
export function whole(
  changed: Readonly<Record<string, unknown>> = {},
  lacking: readonly string[] = [],
): AnyFileSystem {
  const all = everything();
  const groups: Record<string, Record<string, unknown>> = {
    node: all.node as unknown as Record<string, unknown>,
    fs: {
      ...all.fs,
      fhtonode: () => ({ ...all.root }),
      nodetofh: () => HANDLE,
      suspend: () => {},
      extattrctl: () => {},
    },
  };
  const right = (name: string) => {
    const [group = "", operation = ""] = name.split(".");
    return { of: groups[group] as Record<string, unknown>, operation };
  };
  for (const [name, value] of Object.entries(changed)) {
    const { of, operation } = right(name);
    of[operation] = value;
  }
  for (const name of lacking) {
    const { of, operation } = right(name);
    delete of[operation];
  }
  const { node, fs } = groups;
  return {
    root: all.root,
    node: node as unknown as NodeOperations<object>,
    fs: fs as object,
    // Files without pages in the kernel's cache cannot be mapped.
    keepsContent: true,
  };
}

type Anything = (...parameters: unknown[]) => unknown;

/** The operation as it should be. */
export function rightAnswer(name: string): Anything {
  const [group, operation] = name.split(".") as ["node" | "fs", string];
  return (whole()[group] as Record<string, unknown>)[operation] as Anything;
}

/** Asked whatever the mount says: those that the kernel's role has no call for, or leaves out by the mask. */
const raw = (kernel: PuffsKernel, optype: number, cookie: number, message: Uint8Array) =>
  kernel.request(optype, cookie, message).reply;

const suspend = (kernel: PuffsKernel) =>
  kernel.ask({
    opclass: Opclass.VFS,
    optype: Vfs.SUSPEND,
    cookie: 0,
    caller: NOCRED,
    message: compose(wire.VfsmsgSuspend, { status: Suspend.START }),
    decode: () => undefined,
  });

const told = async (action: () => unknown) => {
  action();
};

const making = ["node.access", "node.getattr"];

export const REQUESTS: readonly Request[] = [
  {
    row: "LOOKUP",
    calls: ["node.access", "node.lookup", "node.getattr"],
    drive: (kernel) => find(kernel, "one"),
  },
  {
    row: "CREATE",
    calls: [...making, "node.create"],
    drive: (kernel, { root }) => kernel.create(root, "new", 0o644, ROOT),
  },
  {
    row: "MKNOD",
    calls: [...making, "node.mknod"],
    drive: (kernel, { root }) => kernel.mknod(root, "new", { type: Vtype.FIFO, mode: 0o644 }, ROOT),
  },
  {
    row: "OPEN",
    calls: ["node.open"],
    drive: (kernel, { file }) => kernel.open(file, FileMode.READ, ROOT),
  },
  {
    row: "CLOSE",
    calls: ["node.close"],
    faf: true,
    drive: (kernel, { file }) => told(() => kernel.close(file, FileMode.READ, ROOT)),
  },
  {
    row: "ACCESS",
    calls: ["node.access"],
    drive: (kernel, { file }) => kernel.access(file, 4, ROOT),
  },
  {
    row: "GETATTR",
    calls: ["node.getattr"],
    drive: (kernel, { file }) => kernel.getattr(file, ROOT),
  },
  {
    row: "SETATTR",
    calls: ["node.setattr"],
    drive: (kernel, { file }) => kernel.setattr(file, { mode: 0o600 }, ROOT),
  },
  {
    row: "SETATTR",
    title: "of what the kernel kept",
    calls: ["node.setattr"],
    faf: true,
    drive: (kernel, { file }) => told(() => kernel.flushAttributes(file, { size: 1 })),
  },
  {
    row: "SETATTR",
    title: "of a size, by a user",
    calls: ["node.getattr", "node.setattr"],
    drive: (kernel, { file }) => kernel.setattr(file, { size: 1 }, ALICE),
  },
  {
    row: "READ",
    calls: ["node.read"],
    drive: (kernel, { file }) => kernel.read(file, 0, 3, ROOT),
  },
  {
    row: "WRITE",
    calls: ["node.write"],
    drive: (kernel, { file }) => kernel.write(file, 0, Uint8Array.of(1, 2), ROOT),
  },
  {
    row: "WRITE",
    title: "out of the page cache",
    calls: ["node.write"],
    faf: true,
    drive: (kernel, { file }) => told(() => kernel.writeBack(file, 0, Uint8Array.of(1, 2))),
  },
  {
    row: "WRITE",
    title: "at the end, by a user",
    calls: ["node.getattr", "node.write"],
    drive: (kernel, { file }) => kernel.write(file, 0, Uint8Array.of(1, 2), ALICE, IoFlags.APPEND),
  },
  {
    row: "POLL",
    calls: ["node.poll"],
    drive: async (kernel, { file }) => {
      const { error, events } = await kernel.poll(file, 0x41, ROOT);
      // What the kernel takes for an error is how events are told.
      if (error === "EAGAIN") return;
      if (events !== POLLERR) throw new Error(`a poll that failed told the events ${events}`);
      throw Object.assign(new Error(error), { code: error });
    },
  },
  {
    row: "MMAP",
    calls: ["node.mmap"],
    drive: (kernel, { file }) => kernel.mmap(file, 1, ROOT),
  },
  {
    row: "FSYNC",
    calls: ["node.fsync"],
    drive: (kernel, { file }) => kernel.fsync(file),
  },
  {
    row: "FSYNC",
    title: "by and by",
    calls: ["node.fsync"],
    faf: true,
    drive: (kernel, { file }) => kernel.fsync(file, FsyncFlags.LAZY),
  },
  {
    row: "SEEK",
    calls: [],
    drive: (kernel, { file }) => raw(kernel, Vn.SEEK, file, compose(wire.VnmsgSeek)),
  },
  {
    row: "REMOVE",
    calls: ["node.access", "node.remove", "node.getattr"],
    drive: (kernel, { root, file }) => kernel.remove(root, "one", file, ROOT),
  },
  {
    row: "LINK",
    calls: ["node.access", "node.link"],
    drive: (kernel, { root, file }) => kernel.link(root, "new", file, ROOT),
  },
  {
    row: "RENAME",
    calls: ["node.access", "node.rename"],
    drive: (kernel, { root: directory, file }) =>
      kernel.rename(
        { directory, name: "one", node: file },
        { directory, name: "new", node: 0 },
        ROOT,
      ),
  },
  {
    row: "MKDIR",
    calls: [...making, "node.mkdir"],
    drive: (kernel, { root }) => kernel.mkdir(root, "new", 0o755, ROOT),
  },
  {
    row: "RMDIR",
    calls: ["node.access", "node.rmdir"],
    drive: (kernel, { root, file }) => kernel.rmdir(root, "one", file, ROOT),
  },
  {
    row: "SYMLINK",
    calls: [...making, "node.symlink"],
    drive: (kernel, { root }) => kernel.symlink(root, "new", "target", 0o777, ROOT),
  },
  {
    row: "READDIR",
    calls: ["node.getattr", "node.readdir"],
    drive: (kernel, { root }) => kernel.readdir(root, { offset: 0, room: 4096 }, ROOT),
  },
  {
    row: "READLINK",
    calls: ["node.readlink"],
    drive: (kernel, { file }) => kernel.readlink(file, ROOT),
  },
  {
    row: "ABORTOP",
    calls: ["node.abortop"],
    faf: true,
    drive: (kernel, { root }) => told(() => kernel.abortop(root, { name: "new" }, ROOT)),
  },
  {
    row: "INACTIVE",
    calls: ["node.inactive"],
    drive: async (kernel, { file }) => {
      await kernel.open(file, FileMode.READ, ROOT);
      await kernel.inactive(file);
    },
  },
  {
    row: "RECLAIM",
    calls: ["node.inactive", "node.reclaim"],
    faf: true,
    drive: async (kernel, { file }) => {
      await kernel.open(file, FileMode.READ, ROOT);
      kernel.reclaim(file);
    },
  },
  {
    row: "PRINT",
    calls: ["node.print"],
    drive: (kernel, { file }) => kernel.print(file),
  },
  {
    row: "PATHCONF",
    calls: ["node.pathconf"],
    drive: (kernel, { file }) => kernel.pathconf(file, 4),
  },
  {
    row: "ADVLOCK",
    calls: ["node.advlock"],
    drive: (kernel, { file }) => kernel.advlock(file, LOCK, ROOT),
  },
  {
    row: "ADVLOCK",
    title: "asked for, from the end",
    calls: ["node.getattr", "node.advlock"],
    drive: (kernel, { file }) =>
      kernel.advlock(file, { ...LOCK, op: LockOp.GETLK, fl: { ...LOCK.fl, whence: 2 } }, ROOT),
  },
  {
    row: "GETEXTATTR",
    calls: ["node.access", "node.getextattr"],
    drive: (kernel, { file }) => kernel.getextattr(file, USER, "name", 64, ROOT),
  },
  {
    row: "LISTEXTATTR",
    calls: ["node.access", "node.listextattr"],
    drive: (kernel, { file }) => kernel.listextattr(file, USER, 64, ROOT),
  },
  {
    row: "DELETEEXTATTR",
    calls: ["node.access", "node.deleteextattr"],
    drive: (kernel, { file }) => kernel.deleteextattr(file, USER, "name", ROOT),
  },
  {
    row: "SETEXTATTR",
    calls: ["node.access", "node.setextattr"],
    drive: (kernel, { file }) => kernel.setextattr(file, USER, "name", bytes("value"), ROOT),
  },
  {
    row: "FALLOCATE",
    calls: ["node.fallocate"],
    drive: (kernel, { file }) => kernel.fallocate(file, 0, 10),
  },
  {
    row: "FDISCARD",
    calls: ["node.fdiscard"],
    drive: (kernel, { file }) =>
      raw(kernel, Vn.FDISCARD, file, compose(wire.VnmsgFdiscard, { off: 0, len: 10 })),
  },
  { row: "VFS_UNMOUNT", calls: ["fs.unmount"], drive: (kernel) => kernel.unmount() },
  { row: "VFS_STATVFS", calls: ["fs.statvfs"], drive: (kernel) => kernel.statvfs() },
  { row: "VFS_SYNC", calls: ["fs.sync"], drive: (kernel) => kernel.sync() },
  {
    row: "VFS_FHTOVP",
    calls: ["fs.fhtonode", "node.getattr"],
    drive: (kernel) => kernel.fhtonode(HANDLE),
  },
  {
    row: "VFS_VPTOFH",
    calls: ["fs.nodetofh"],
    drive: (kernel, { file }) => kernel.nodetofh(file, 60),
  },
  {
    row: "VFS_EXTATTRCTL",
    calls: ["fs.extattrctl"],
    drive: (kernel, { file }) => kernel.extattrctl(1, file, USER, "name", Extattrctl.HASNODE),
  },
  { row: "VFS_SUSPEND", calls: ["fs.suspend"], drive: suspend },
];

/** What the kernel is believed to know of: lookups of each node, and requests at work. */
export function counted({ vnodes }: Connection): string {
  return [...vnodes.all()]
    .map(({ id, lookups, opens, pending, byHandle }) =>
      [id, lookups, opens, pending, byHandle].join(" "),
    )
    .join(", ");
}
