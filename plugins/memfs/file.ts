import {
  type Call,
  type Done,
  EFBIG,
  EINVAL,
  EISDIR,
  ENOSPC,
  ENXIO,
  EOPNOTSUPP,
  type Errno,
  FALLOC_KEEP_SIZE,
  FALLOC_UNSHARE_RANGE,
  FALLOC_ZERO_RANGE,
  type NodeOperations,
  now,
  S_IFMT,
  S_IFREG,
} from "puffs";
import { Content } from "./content.ts";
import { Directory } from "./directory.ts";
import type { Inode } from "./inode.ts";
import type { Volume } from "./volume.ts";

type FileOperations = Required<
  Pick<NodeOperations<Inode>, "read" | "write" | "seek" | "fallocate" | "fdiscard" | "copyRange">
> & {
  /** truncate(2), less the times. */
  resize(node: Inode, size: number): Errno | undefined;
};

/** The operations on what regular files hold. */
export function files(volume: Volume): FileOperations {
  const scratch = new Uint8Array(SCRATCH);

  function contentOf(node: Inode): Content {
    node.content ??= new Content(volume);
    return node.content;
  }

  /** To be called after every change of a content. */
  function settle(node: Inode, content: Content, end: number, call: Call): void {
    if (end > node.size) node.size = end;
    node.blocks = content.pages * 8;
    if (!call.keepsTimes) node.modified(now());
  }

  function read(node: Inode, into: Uint8Array, offset: number, call: Call): number | Errno {
    if ((node.mode & S_IFMT) !== S_IFREG) return unfit(node);
    if (!call.keepsTimes) node.accessed();
    return fetch(node, into, offset);
  }

  function fetch(node: Inode, into: Uint8Array, offset: number): number {
    const length = Math.min(into.length, node.size - offset);
    if (length <= 0) return 0;
    if (node.content === undefined) into.fill(0, 0, length);
    else node.content.read(into, offset, length);
    return length;
  }

  function write(node: Inode, from: Uint8Array, offset: number, call: Call): number | Errno {
    if ((node.mode & S_IFMT) !== S_IFREG) return unfit(node);
    if (from.length === 0) return 0;
    if (offset >= SIZE_MAX) return EFBIG;
    const length = Math.min(from.length, SIZE_MAX - offset);
    const content = contentOf(node);
    const fit = Math.max(node.size, offset + length) <= FIT;
    const written = content.write(from, offset, length, fit);
    if (written === 0) return ENOSPC;
    settle(node, content, offset + written, call);
    return written;
  }

  return {
    read,
    write,

    resize(node, size) {
      if ((node.mode & S_IFMT) !== S_IFREG) return unfit(node);
      if (size > SIZE_MAX) return EFBIG;
      if (size <= node.size && node.content !== undefined) {
        node.content.punch(size, Infinity);
        node.blocks = node.content.pages * 8;
        if (node.blocks === 0) node.content = undefined;
      }
      node.size = size;
      return undefined;
    },

    seek(node, offset, whence) {
      if (offset >= node.size) return ENXIO;
      const { content, size } = node;
      if (whence === "hole") return content?.nextHole(offset, size) ?? offset;
      const data = content?.nextData(offset, size) ?? size;
      return data < size ? data : ENXIO;
    },

    fallocate(node, offset, length, mode, call): Done {
      if ((mode & ~(FALLOC_KEEP_SIZE | FALLOC_ZERO_RANGE | FALLOC_UNSHARE_RANGE)) !== 0)
        return EOPNOTSUPP;
      if ((node.mode & S_IFMT) !== S_IFREG) return unfit(node);
      if (length > SIZE_MAX - offset) return EFBIG;
      const content = contentOf(node);
      const end = offset + length;
      const done =
        (mode & FALLOC_ZERO_RANGE) !== 0
          ? content.clear(offset, end)
          : content.reserve(offset, end);
      if (!done) return ENOSPC;
      settle(node, content, (mode & FALLOC_KEEP_SIZE) !== 0 ? 0 : end, call);
    },

    fdiscard(node, offset, length, call): Done {
      if ((node.mode & S_IFMT) !== S_IFREG) return unfit(node);
      const content = contentOf(node);
      content.punch(offset, offset + length);
      settle(node, content, 0, call);
    },

    // The kernel has refused ranges of one file that overlap.
    copyRange(from, fromOffset, to, toOffset, length, call) {
      if (toOffset >= SIZE_MAX) return EFBIG;
      const total = Math.min(length, from.size - fromOffset, COPY_MAX, SIZE_MAX - toOffset);
      for (let done = 0; done < total; ) {
        const part = scratch.subarray(0, Math.min(SCRATCH, total - done));
        fetch(from, part, fromOffset + done);
        const written = write(to, part, toOffset + done, call);
        if (typeof written !== "number") return done > 0 ? done : written;
        done += written;
        if (written < part.length) return done;
      }
      return Math.max(0, total);
    },
  };
}

/** The error for a file that has no content to work on. */
function unfit(node: Inode): Errno {
  return node instanceof Directory ? EISDIR : EINVAL;
}

/** Largest size: what a number holds exactly. */
const SIZE_MAX = Number.MAX_SAFE_INTEGER;
/** Up to this size a file's blocks are cut to what is in them; beyond, what the last page wastes is below 5 %. */
const FIT = 80 * 1024;
/** Most that one copyRange copies, so that others get their turn: the caller asks again. */
const COPY_MAX = 2 ** 24;
const SCRATCH = 2 ** 17;
