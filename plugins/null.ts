import { type Attributes, definePlugin, type FileSystem, now, S_IFDIR, S_IFREG } from "puffs";

const SIZE = 2 ** 30;

/** What the framework itself costs: a file of zeros that forgets what is written. */
export default definePlugin({
  name: "null",
  description: "one 1 GiB file, f: reads give zeros, writes are counted and dropped",
  start(): FileSystem<Attributes> {
    const time = now();
    const common = { uid: 0, gid: 0, atime: time, mtime: time, ctime: time };
    const root = { ...common, mode: S_IFDIR | 0o755, nlink: 2, size: 0 };
    const file = { ...common, mode: S_IFREG | 0o666, nlink: 1, size: SIZE };
    let written = 0;
    return {
      root,
      fs: {
        statvfs: () => ({
          frsize: 4096,
          blocks: SIZE / 4096,
          bfree: 0,
          bavail: 0,
          files: 2,
          ffree: 0,
        }),
        unmount: () => console.log(`${written} bytes written to f`),
      },
      node: {
        lookup: (directory, name) => (directory === root && name === "f" ? file : null),
        getattr: (node) => node,
        setattr: (node) => node,
        readdir: () => [{ name: "f", mode: S_IFREG, node: file }],
        read(_node, into, offset) {
          const length = Math.max(0, Math.min(into.length, SIZE - offset));
          into.fill(0, 0, length);
          return length;
        },
        write(_node, from) {
          written += from.length;
          return from.length;
        },
      },
    };
  },
});
