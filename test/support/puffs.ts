import { parseOptions } from "../../src/options/parse.ts";
import type { AnyPlugin } from "../../src/plugin.ts";
import { Connection } from "../../src/puffs/connection.ts";
import { connect } from "../../src/puffs/loopback.ts";
import { kargs } from "../../src/puffs/mount.ts";
import { PuffsServer } from "../../src/puffs/server.ts";
import type { Usermount } from "../../src/usermount.ts";
import type { Wishes } from "../../src/wishes.ts";
import { EVERYTHING_BUT_THE_KERNEL } from "../conformance.ts";
import { BARE } from "./bare.ts";
import { PuffsClient } from "./puffs-client.ts";

/** The features of the conformance kit that have a message on puffs. Holes cannot be punched: it comes as FALLOCATE. */
export const FEATURES_ON_PUFFS = EVERYTHING_BUT_THE_KERNEL.filter(
  (feature) => !["tmpfile", "exchange", "copy", "allocate", "holes"].includes(feature),
);

/**
 * A plugin behind the puffs protocol, called by a client in the kernel's role: no kernel, no privilege, no mount. `options` as given
 * to -o. A bug of the plugin's, or a fault in the protocol, that is reported fails `close`.
 */
export async function onPuffs(
  plugin: AnyPlugin,
  options: string[] = [],
  wishes: Wishes = {},
): Promise<{ client: PuffsClient; connection: Connection; close(): Promise<void> }> {
  const fileSystem = await plugin.start({
    options: parseOptions(options, plugin.options).plugin,
    ...BARE,
    usermount: NOWHERE,
  });
  const bugs: unknown[] = [];
  const report = (message: string, cause?: unknown) => bugs.push(cause ?? message);
  const connection = new Connection(fileSystem, wishes, report);
  const names = { type: plugin.name, source: plugin.name };
  const kernel = connect(new PuffsServer(connection), kargs(connection, names), {
    onFault: (fault) => bugs.push(fault),
  });
  return {
    client: new PuffsClient(kernel),
    connection,
    async close() {
      await kernel.detach();
      if (bugs.length > 0) throw new AggregateError(bugs, `${bugs.length} bugs were reported`);
    },
  };
}

/** Cases where NetBSD has rules of its own. */
export const EXCEPTED_ON_PUFFS: Readonly<Record<string, readonly string[]>> = {
  "what is made has the group of its directory, whoever makes it": [
    "chown > what is made belongs to who makes it",
    "chown > the owner may not give it to another group: EPERM",
    "symbolic links > belong to who made them",
    "set-id bits > reading leaves them",
    ...["write", "truncate", "ftruncate", "open with O_TRUNC"].flatMap((change) =>
      [2777, 6777].map(
        (mode) => `set-id bits > ${change} by an ordinary user takes them from ${mode}`,
      ),
    ),
  ],
  "set-group-id for a group that one is not in is EPERM": [
    "chmod > set-group-id by an owner who is not in the group is dropped",
  ],
  "paths have 1023 bytes at most": [
    "names > a path through long names",
    ...[1024, 4094, 4095].map((size) => `symbolic links > a target of ${size} bytes`),
  ],
  "attributes by name have two namespaces, in which names have 254 bytes at most, whole or not": [
    'extended attributes > "trusted.a" is set, read, listed and removed',
    'extended attributes > "security.puffs" is set, read, listed and removed',
    "extended attributes > a name of 255 bytes, one of 256: ERANGE",
    "extended attributes, who may > trusted ones are root's: EPERM",
    "extended attributes, who may > a symbolic link has trusted ones, but no user ones: EPERM",
    "extended attributes, who may > a FIFO has trusted ones, but no user ones: EPERM",
  ],
};

/** There is no kernel whose caches could be out of date. */
const NOWHERE = new Proxy({} as Usermount, {
  get: (_, name) => (name === "directory" ? "/" : () => Promise.resolve()),
});
