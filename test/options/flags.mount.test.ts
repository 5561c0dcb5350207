import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mounted, mounting } from "../support/mounted.ts";

/*
 * Flags of puffs at the FUSE door: a plugin tells what it is asked.
 */

const PLUGIN = `
import { definePlugin, S_IFDIR, S_IFREG } from "puffs";
const time = { sec: 1, nsec: 0 };
const common = { nlink: 1, uid: 0, gid: 0, atime: time, mtime: time, ctime: time };
export default definePlugin({
  name: "telling",
  description: "tells what it is asked",
  start: () => ({
    root: { mode: S_IFDIR | 0o755, size: 0 },
    keepsContent: true,
    timeouts: { names: 60, attributes: 60 },
    node: {
      lookup(_, name) {
        if (name !== "file") return null;
        console.error("LOOKUP");
        return FILE;
      },
      getattr: ({ mode, size }) => ({ ...common, mode, size }),
      read(_, into, offset) {
        console.error("READ");
        return offset === 0 ? into.fill(65, 0, 100).length && 100 : 0;
      },
    },
  }),
});
const FILE = { mode: S_IFREG | 0o644, size: 100 };
`;

mounting("puffs_flags on FUSE", () => {
  for (const [flags, again] of [
    ["", { LOOKUP: false, READ: false }],
    ["NOCACHE_NAME", { LOOKUP: true, READ: false }],
    ["NOCACHE_PAGE+WTCACHE", { LOOKUP: false, READ: true }],
    ["NOCACHE", { LOOKUP: true, READ: true }],
  ] as const)
    test(`what is asked again: ${flags || "nothing, by default"}`, async () => {
      const directory = mkdtempSync(join(tmpdir(), "telling-"));
      const plugin = join(directory, "telling.ts");
      writeFileSync(plugin, PLUGIN);
      try {
        const more = flags === "" ? "" : `,puffs_flags=${flags}`;
        await using mount = await mounted(plugin, { options: `allow_other${more}` });
        const { client } = mount;
        const times = (word: string) => mount.output().split(word).length - 1;
        const read = async () => {
          const file = await client.open("/file", 0);
          await file.read(100, 0);
          await file.close();
        };
        await read();
        const before = { LOOKUP: times("LOOKUP"), READ: times("READ") };
        await read();
        await Bun.sleep(50);
        expect({
          LOOKUP: times("LOOKUP") > before.LOOKUP,
          READ: times("READ") > before.READ,
        }).toEqual(again);
      } finally {
        rmSync(directory, { recursive: true });
      }
    }, 60_000);
});
