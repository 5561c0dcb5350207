import { type Attributes, definePlugin, type FileSystem, now, S_IFDIR, S_IFREG } from "puffs";

export default definePlugin({
  name: "hello",
  description: "one file with one greeting",
  options: {
    text: { type: "string", default: "Hello, world!", description: "what the file says" },
  },
  start({ options }): FileSystem<Attributes> {
    const started = now();
    const times = { atime: started, mtime: started, ctime: started, uid: 0, gid: 0 };
    const content = new TextEncoder().encode(`${options.text}\n`);
    const root = { mode: S_IFDIR | 0o755, nlink: 2, size: 0, ...times };
    const file = { mode: S_IFREG | 0o444, nlink: 1, size: content.length, ...times };
    return {
      root,
      node: {
        lookup: (directory, name) => (directory === root && name === "hello" ? file : null),
        getattr: (node) => node,
        readdir: () => [{ name: "hello", mode: S_IFREG, node: file }],
        read(_node, into, offset) {
          const part = content.subarray(offset, offset + into.length);
          into.set(part);
          return part.length;
        },
      },
    };
  },
});
