import { Connection } from "../../src/fuse/connection.ts";
import { FuseServer } from "../../src/fuse/server.ts";
import { parseOptions } from "../../src/options/parse.ts";
import type { AnyPlugin } from "../../src/plugin.ts";
import type { Usermount } from "../../src/usermount.ts";
import { BARE } from "./bare.ts";
import { CoreClient } from "./core-client.ts";

/**
 * A plugin on the core: its operations behind the FUSE protocol, called by a client in the kernel's role. No kernel, no
 * privilege, no mount. `options` as given to -o. A bug of the plugin's that is reported fails `close`.
 */
export async function onCore(
  plugin: AnyPlugin,
  options: string[] = [],
): Promise<{ client: CoreClient; close(): Promise<void> }> {
  const fileSystem = await plugin.start({
    options: parseOptions(options, plugin.options).plugin,
    ...BARE,
    usermount: NOWHERE,
  });
  const bugs: unknown[] = [];
  const report = (message: string, cause?: unknown) => bugs.push(cause ?? message);
  const client = await CoreClient.make(new FuseServer(new Connection(fileSystem, {}, report)));
  return {
    client,
    async close() {
      client.forgetAll();
      await fileSystem.fs?.unmount?.();
      if (bugs.length > 0) throw new AggregateError(bugs, `${bugs.length} bugs were reported`);
    },
  };
}

/** There is no kernel whose caches could be out of date. */
const NOWHERE = new Proxy({} as Usermount, {
  get: (_, name) => (name === "directory" ? "/" : () => Promise.resolve()),
});
