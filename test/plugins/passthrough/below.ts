import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import passthrough from "../../../plugins/passthrough.ts";
import type { AnyPlugin } from "../../../src/plugin.ts";
import { EVERYTHING, type Started } from "../../conformance.ts";

/** What of a directory of the host can be passed through: what node:fs knows. Its space is shared with all that is written elsewhere. */
const NOT_PASSED = ["xattr", "tmpfile", "allocate", "holes", "exchange", "copy", "statvfs"];
export const FEATURES = EVERYTHING.filter((feature) => !NOT_PASSED.includes(feature));

/** An empty directory of the host, and how to be rid of it. */
export function below(): { directory: string; remove(): void } {
  const directory = mkdtempSync(join(tmpdir(), "puffs-below-"));
  chmodSync(directory, 0o755);
  return { directory, remove: () => rmSync(directory, { recursive: true, force: true }) };
}

/** Run `begin` with the plugin on a directory of its own, which goes when that is closed. */
export async function onBelow<S extends Started>(
  begin: (plugin: AnyPlugin) => Promise<S>,
): Promise<Pick<S, "client" | "close">> {
  const { directory, remove } = below();
  const plugin: AnyPlugin = {
    ...passthrough,
    start: (context) => passthrough.start({ ...context, source: directory } as never),
  };
  const { client, close } = await begin(plugin);
  return { client, close: () => close().finally(remove) };
}
