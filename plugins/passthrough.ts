import { definePlugin, type FileSystem, type NullNode, nullLayer } from "puffs";

/** A directory once more, elsewhere: the beginning of whatever is to be the same but for something. */
export default definePlugin({
  name: "passthrough",
  description: "a directory of the host, passed through",
  source: { description: "the directory", required: true },
  start({ source = "", usermount }): Promise<FileSystem<NullNode>> {
    // The caller's has been applied: the server's own would take away more.
    process.umask(0);
    return nullLayer(source, usermount);
  },
});
