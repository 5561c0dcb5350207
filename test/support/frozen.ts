import { type Attributes, definePlugin, EIO, now, S_IFDIR, S_IFREG } from "puffs";

const time = now();
const common: Omit<Attributes, "mode"> = {
  ...{ nlink: 1, uid: 0, gid: 0, size: 0 },
  ...{ atime: time, mtime: time, ctime: time },
};

/** A file system that says it cannot be changed, and would not refuse it itself. */
export default definePlugin({
  name: "frozen",
  description: "one empty file, for reading",
  start() {
    const root = { ...common, mode: S_IFDIR | 0o755 };
    const file = { ...common, mode: S_IFREG | 0o666 };
    const reached = () => EIO;
    return {
      root,
      readOnly: true,
      node: {
        lookup: (_, name) => (name === "file" ? file : null),
        getattr: (node) => node,
        readdir: () => [{ name: "file", node: file }],
        read: () => 0,
        create: reached,
        write: reached,
        setattr: reached,
        remove: reached,
      },
    };
  },
});
