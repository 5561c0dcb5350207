import type {
  Call,
  Errno,
  FileSystemOperations,
  FileSystemStatistics,
  NodeOperations,
  Usermount,
} from "puffs";
import type { Inode } from "../../../plugins/memfs/inode.ts";
import memfs from "../../../plugins/memfs/memfs.ts";
import { BARE } from "../../support/bare.ts";

type Start = Parameters<typeof memfs.start>[0];

/** A file system whose operations are called as functions, as the framework would. */
export class Started {
  readonly root: Inode;
  readonly fs: Required<FileSystemOperations<Inode>>;
  readonly node: Required<NodeOperations<Inode>>;

  constructor(options: Partial<Start["options"]> = {}) {
    const all = {
      size: undefined,
      nr_blocks: undefined,
      nr_inodes: undefined,
      mode: 0o1777,
      uid: 0,
      gid: 0,
      ...options,
    };
    const started = memfs.start({
      options: all,
      ...BARE,
      usermount: {} as Usermount,
    });
    if (started instanceof Promise) throw new Error("started in a promise");
    this.root = started.root;
    this.fs = started.fs as Required<FileSystemOperations<Inode>>;
    this.node = started.node as Required<NodeOperations<Inode>>;
  }

  create(name: string, directory = this.root, mode = 0o100644, call = caller()): Inode {
    return made(this.node.create(directory, name, mode, call));
  }

  mkdir(name: string, directory = this.root, mode = 0o40755, call = caller()): Inode {
    return made(this.node.mkdir(directory, name, mode, call));
  }

  /** unlink(2) of a file that nobody has open, followed by the kernel forgetting it. */
  remove(name: string, directory = this.root): void {
    const node = made(this.node.lookup(directory, name, caller()));
    const refused = this.node.remove(directory, name, caller());
    if (refused !== undefined) throw refused;
    this.node.reclaim(node);
  }

  write(node: Inode, bytes: Uint8Array | string, offset: number): number | Errno {
    const from = typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
    return this.node.write(node, from, offset, caller()) as number | Errno;
  }

  /** What read(2) gives; the buffer is full of other bytes before. */
  read(node: Inode, offset: number, length: number): Uint8Array {
    const into = new Uint8Array(length).fill(0xee);
    const count = this.node.read(node, into, offset, caller());
    if (typeof count !== "number") throw count;
    return into.subarray(0, count);
  }

  truncate(node: Inode, size: number): unknown {
    return this.node.setattr(node, { size }, caller());
  }

  names(directory = this.root, from = 0): string[] {
    return [...this.scan(directory, from)].map((entry) => entry.name);
  }

  scan(directory = this.root, from = 0) {
    const entries = this.node.readdir(directory, from, caller());
    if (!(Symbol.iterator in entries)) throw entries;
    return entries;
  }

  statvfs(): FileSystemStatistics {
    return this.fs.statvfs(caller()) as FileSystemStatistics;
  }

  usedPages(): number {
    const { blocks, bfree } = this.statvfs();
    return blocks - bfree;
  }

  usedInodes(): number {
    const { files, ffree } = this.statvfs();
    return files - ffree;
  }
}

export function caller(uid = 0, gid = 0): Call {
  const signal = new AbortController().signal;
  return { uid, gid, pid: 1, umask: 0, keepsTimes: false, file: undefined, signal };
}

export function made(outcome: unknown): Inode {
  if (typeof outcome !== "object" || outcome === null || !("ino" in outcome)) throw outcome;
  return outcome as Inode;
}
