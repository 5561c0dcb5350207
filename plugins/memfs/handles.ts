import { ESTALE, type FileSystemOperations } from "puffs";
import type { Inode } from "./inode.ts";

type HandleOperations = Required<Pick<FileSystemOperations<Inode>, "nodetofh" | "fhtonode">> & {
  /** The file is gone: its handle is stale from now on. */
  forget(node: Inode): void;
};

/** File handles for NFS: inode numbers, which are never used again, and what tells this run from any other. */
export function handles(): HandleOperations {
  const run = crypto.getRandomValues(new Uint8Array(8));
  const byNumber = new Map<number, Inode>();

  return {
    nodetofh(node) {
      byNumber.set(node.ino, node);
      const handle = new Uint8Array(16);
      handle.set(run);
      new DataView(handle.buffer).setFloat64(8, node.ino);
      return handle;
    },

    fhtonode(handle) {
      if (handle.length !== 16 || run.some((byte, i) => handle[i] !== byte)) return ESTALE;
      const ino = new DataView(handle.buffer, handle.byteOffset).getFloat64(8);
      return byNumber.get(ino) ?? ESTALE;
    },

    forget(node) {
      byNumber.delete(node.ino);
    },
  };
}
