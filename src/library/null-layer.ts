import type { FileSystem } from "../plugin.ts";
import type { Usermount } from "../usermount.ts";
import type { NullNode } from "./null-node.ts";

export type { NullNode } from "./null-node.ts";

/**
 * A file system that is a directory of the host (puffs_null_setops(3)): to begin with, and to change what is to be other than below.
 * Each operation may be taken out of it, replaced, or called from a new one.
 *
 * All waiting is asynchronous, so the tree may lie on anything but this very mount: what leads there from below is ELOOP. Files are
 * made for the caller where the server may do that. Extended attributes, holes and locks of the tree below do not show. File handles
 * are good for as long as the kernel knows the file.
 */
export async function nullLayer(
  directory: string,
  usermount?: Pick<Usermount, "directory">,
): Promise<FileSystem<NullNode>> {
  // Loaded when it is asked for: every plugin would wait for it.
  const { makeNullLayer } = await import("./null.ts");
  return makeNullLayer(directory, usermount);
}
