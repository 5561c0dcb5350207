import { totalmem } from "node:os";
import { definePlugin, type FileSystem, now, type OptionValues, S_IFDIR, S_IFMT } from "puffs";
import { Directory } from "./directory.ts";
import { extendedAttributes } from "./extended-attributes.ts";
import { files } from "./file.ts";
import { handles } from "./handles.ts";
import type { Inode } from "./inode.ts";
import { PAGE } from "./pool.ts";
import { tree } from "./tree.ts";
import { pagesFor, Volume } from "./volume.ts";

const options = {
  size: {
    type: "size",
    min: 0,
    percentOf: totalmem,
    description: "most that files may take, 0 for all of the memory; half of it if not given",
  },
  nr_blocks: {
    type: "size",
    min: 0,
    description: "the same in pages of 4096 bytes",
  },
  nr_inodes: {
    type: "size",
    min: 0,
    description:
      "most files there may be, 0 for no limit; one per two pages of memory if not given",
  },
  mode: { type: "mode", default: 0o1777, description: "permissions of the root directory" },
  uid: { type: "integer", min: 0, max: 2 ** 32 - 2, description: "its owner; else who mounts" },
  gid: {
    type: "integer",
    min: 0,
    max: 2 ** 32 - 2,
    description: "its group; else that of who mounts",
  },
} as const;

/** All that a POSIX file system is, in memory; with the options of tmpfs(5). */
export default definePlugin({
  name: "memfs",
  description: "a file system in memory, gone when it is unmounted",
  options,
  start({ options }): FileSystem<Inode> {
    const limits = limitsOf(options);
    const volume = new Volume(limits.pages || pagesFor(totalmem()), limits.inodes || Infinity);
    const names = tree(volume);
    const { resize, ...contents } = files(volume);
    const { forget: forgetAttributes, ...attributes } = extendedAttributes(volume);
    const { forget: forgetHandle, ...fileHandles } = handles();

    volume.takeInode();
    const uid = options.uid ?? process.geteuid?.() ?? 0;
    const gid = options.gid ?? process.getegid?.() ?? 0;
    const mode = S_IFDIR | options.mode;
    const root = new Directory(volume.nextIno(), mode, uid, gid, now(), undefined);

    return {
      root,
      // Nobody but the kernel changes anything here.
      timeouts: { attributes: Infinity, names: Infinity, absent: Infinity },
      keepsContent: true,

      fs: {
        ...fileHandles,

        // Without a limit there is nothing to tell: zeros, as tmpfs has it.
        statvfs: () => ({
          frsize: PAGE,
          blocks: limits.pages,
          bfree: limits.pages && limits.pages - volume.pages,
          bavail: limits.pages && limits.pages - volume.pages,
          files: limits.inodes,
          ffree: limits.inodes && limits.inodes - volume.inodes,
        }),
      },

      node: {
        ...names,
        ...contents,
        ...attributes,

        getattr: (node) => node,

        setattr(node, changes) {
          const time = now();
          if (changes.size !== undefined) {
            const refused = resize(node, changes.size);
            if (refused !== undefined) return refused;
            node.mtime = time;
          }
          if (changes.mode !== undefined)
            node.mode = (node.mode & S_IFMT) | (changes.mode & ~S_IFMT);
          if (changes.uid !== undefined) node.uid = changes.uid;
          if (changes.gid !== undefined) node.gid = changes.gid;
          if (changes.atime !== undefined) node.atime = changes.atime;
          if (changes.mtime !== undefined) node.mtime = changes.mtime;
          if (changes.birthtime !== undefined) node.birthtime = changes.birthtime;
          node.ctime = changes.ctime ?? time;
          return node;
        },

        reclaim(node) {
          if (node.nlink > 0) return;
          node.content?.punch(0, Infinity);
          node.content = undefined;
          forgetAttributes(node);
          forgetHandle(node);
          volume.giveInode();
        },
      },
    };
  },
});

/** Pages and inodes there may be; 0 is no limit. */
function limitsOf({ size, nr_blocks, nr_inodes }: OptionValues<typeof options>): {
  pages: number;
  inodes: number;
} {
  if (size !== undefined && nr_blocks !== undefined)
    throw new Error("size and nr_blocks say the same: give one of them");
  return {
    pages: nr_blocks ?? pagesFor(size ?? totalmem() / 2),
    inodes: nr_inodes ?? Math.floor(pagesFor(totalmem()) / 2),
  };
}
