import { describe, expect, test } from "bun:test";
import { ENOSPC, EPERM } from "../../src/errno.ts";
import { S_IFDIR, S_IFREG } from "../../src/mode.ts";
import type { FileSystemOperations, NodeOperations } from "../../src/operations.ts";
import {
  ExtattrNamespace,
  FileMode,
  LockFlags,
  LockOp,
  LockType,
  Vtype,
} from "../../src/puffs/flags.ts";
import type { PuffsKernel } from "../../src/puffs/kernel.ts";
import { OPS } from "../../src/puffs/ops.ts";
import { find, ROOT, rig, TIME } from "./rig.ts";

/*
 * Every request whose answer the kernel waits for, over each way in which its operation can fail: one answer each, and the mount lives.
 */

/** What is asked about: their cookies. */
interface Known {
  readonly root: number;
  readonly file: number;
  readonly folder: number;
}

const USER = ExtattrNamespace.USER;
const LOCK = {
  op: LockOp.SETLK,
  flags: LockFlags.POSIX,
  id: 7n,
  fl: { start: 0, len: 0, pid: 1, type: LockType.WRLCK, whence: 0 },
};

/** By operation: what makes the kernel ask for it. */
const DRIVEN: Readonly<Record<string, (kernel: PuffsKernel, known: Known) => Promise<unknown>>> = {
  "node.lookup": (kernel) => find(kernel, "other"),
  "node.create": (kernel, { root }) => kernel.create(root, "new", 0o644, ROOT),
  "node.mknod": (kernel, { root }) =>
    kernel.mknod(root, "new", { type: Vtype.FIFO, mode: 0o644 }, ROOT),
  "node.mkdir": (kernel, { root }) => kernel.mkdir(root, "new", 0o755, ROOT),
  "node.symlink": (kernel, { root }) => kernel.symlink(root, "new", "target", 0o777, ROOT),
  "node.open": (kernel, { file }) => kernel.open(file, FileMode.READ, ROOT),
  "node.access": (kernel, { file }) => kernel.access(file, 4, ROOT),
  "node.getattr": (kernel, { file }) => kernel.getattr(file, ROOT),
  "node.setattr": (kernel, { file }) => kernel.setattr(file, { mode: 0o600 }, ROOT),
  "node.read": (kernel, { file }) => kernel.read(file, 0, 3, ROOT),
  "node.write": (kernel, { file }) => kernel.write(file, 0, Uint8Array.of(1, 2), ROOT),
  "node.fsync": (kernel, { file }) => kernel.fsync(file),
  "node.remove": (kernel, { root, file }) => kernel.remove(root, "file", file, ROOT),
  "node.rmdir": (kernel, { root, folder }) => kernel.rmdir(root, "folder", folder, ROOT),
  "node.link": (kernel, { root, file }) => kernel.link(root, "new", file, ROOT),
  "node.rename": (kernel, { root: directory, file }) =>
    kernel.rename(
      { directory, name: "file", node: file },
      { directory, name: "new", node: 0 },
      ROOT,
    ),
  "node.readdir": (kernel, { root }) => kernel.readdir(root, { offset: 0, room: 4096 }, ROOT),
  "node.readlink": (kernel, { file }) => kernel.readlink(file, ROOT),
  "node.pathconf": (kernel, { file }) => kernel.pathconf(file, 4),
  "node.advlock": (kernel, { file }) => kernel.advlock(file, LOCK, ROOT),
  "node.getextattr": (kernel, { file }) => kernel.getextattr(file, USER, "name", 64, ROOT),
  "node.setextattr": (kernel, { file }) =>
    kernel.setextattr(file, USER, "name", Uint8Array.of(1), ROOT),
  "node.listextattr": (kernel, { file }) => kernel.listextattr(file, USER, 64, ROOT),
  "node.deleteextattr": (kernel, { file }) => kernel.deleteextattr(file, USER, "name", ROOT),
  "node.fallocate": (kernel, { file }) => kernel.fallocate(file, 0, 10),
  "fs.statvfs": (kernel) => kernel.statvfs(),
  "fs.sync": (kernel) => kernel.sync(),
};

/** Not asked, or asked with nobody to hear of it: in other tests. */
const UNHEARD = [
  ...["close", "reclaim", "inactive", "print", "abortop", "mmap", "seek", "poll", "fdiscard"],
  ...["unmount", "fhtonode", "nodetofh", "suspend", "extattrctl"],
];

interface Way {
  readonly operation: () => unknown;
  readonly code: string;
  /** Whether it is a bug, and logged once. */
  readonly bug: boolean;
}

const WAYS: Readonly<Record<string, Way>> = {
  "answers an error": { operation: () => EPERM, code: "EPERM", bug: false },
  "throws one": {
    operation: () => {
      throw ENOSPC;
    },
    code: "ENOSPC",
    bug: false,
  },
  "rejects with one of node:fs": {
    operation: () => Promise.reject(Object.assign(new Error("no"), { code: "EROFS" })),
    code: "EROFS",
    bug: false,
  },
  "has a bug": {
    operation: () => {
      throw new TypeError("undefined is not an object");
    },
    code: "EIO",
    bug: true,
  },
  "has one later": {
    operation: () => Bun.sleep(1).then(() => Promise.reject(new Error("a bug"))),
    code: "EIO",
    bug: true,
  },
};

describe.each(Object.entries(DRIVEN))("%s", (name, drive) => {
  test.each(Object.entries(WAYS))("that %s is answered once", async (_, way) => {
    const [group = "", operation = ""] = name.split(".");
    let failing = false;
    const fails = () => (failing ? way.operation() : undefined);
    const kinds = new Map([
      ["file", {}],
      ["folder", {}],
    ]);
    const root = {};
    const common = { nlink: 1, uid: 0, gid: 0, size: 3, atime: TIME, mtime: TIME, ctime: TIME };
    const plain: Partial<NodeOperations<object>> = {
      lookup: (_directory, entry) => kinds.get(entry) ?? null,
      getattr: (node) => ({
        ...common,
        mode: node === kinds.get("file") ? S_IFREG | 0o666 : S_IFDIR | 0o755,
      }),
    };
    const own = (plain as Record<string, unknown>)[operation] as
      | ((...args: unknown[]) => unknown)
      | undefined;
    const wrong = { [operation]: (...args: unknown[]) => fails() ?? own?.(...args) };
    const node = { ...plain, ...(group === "node" && wrong) } as NodeOperations<object>;
    const fs = (group === "fs" ? wrong : {}) as FileSystemOperations<object>;
    const { kernel, reports } = rig({ root, node, fs });
    const known = {
      root: kernel.root,
      file: (await find(kernel, "file")).newnode,
      folder: (await find(kernel, "folder")).newnode,
    };
    failing = true;
    let answers = 0;
    const answer = await drive(kernel, known).then(
      () => "OK",
      (error) => {
        answers++;
        return error.code as string;
      },
    );
    expect([answer, answers]).toEqual([way.code, 1]);
    expect(reports.length).toBe(way.bug ? 1 : 0);
    failing = false;
    expect((await kernel.getattr(known.file, ROOT)).va.size).toBe(3);
    expect(kernel.waiting).toBe(0);
  });
});

test("all operations are among those", () => {
  const needed = OPS.flatMap((row) => [...(row?.needs ?? [])]);
  const known = [...Object.keys(DRIVEN), ...UNHEARD];
  expect(
    needed.filter((name) => !known.includes(name) && !UNHEARD.includes(name.split(".")[1] ?? "")),
  ).toEqual([]);
});
