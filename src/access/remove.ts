import { Errno } from "../errno.ts";
import { S_IFDIR } from "../mode.ts";
import type { Client, Node } from "./client.ts";
import { below, type Manner } from "./manner.ts";

/** Take away what is at a path: a symbolic link itself, a directory with all that is in it if the manner is recursive. */
export async function remove(client: Client, path: string, manner: Manner): Promise<void> {
  await manner.attempt({ path }, async () => {
    using place = await client.place(path);
    using node = await client.lookup(place.directory, place.name);
    if (place.slash && node.kind !== S_IFDIR) throw new Errno("ENOTDIR");
    await removeNode(client, place.directory, place.name, node, path, manner);
  });
}

/** Whether it is gone, and nothing in it stayed. */
async function removeNode(
  client: Client,
  directory: Node,
  name: string,
  node: Node,
  path: string,
  manner: Manner,
): Promise<boolean> {
  if (node.kind !== S_IFDIR) {
    await client.unlink(directory, name);
    return true;
  }
  if (!manner.recursive) throw new Errno("EISDIR");
  let emptied = true;
  // All names first: a listing need not stand that names go away under it.
  for (const entry of await Array.fromAsync(client.list(node))) {
    const child = below(path, entry.name);
    let gone = false;
    await manner.attempt({ path: child }, async () => {
      using file = await client.lookup(node, entry.name);
      gone = await removeNode(client, node, entry.name, file, child, manner);
    });
    emptied &&= gone;
  }
  // What stayed has been told of: that the directory is not empty then is no news.
  if (emptied) await client.rmdir(directory, name);
  return emptied;
}
