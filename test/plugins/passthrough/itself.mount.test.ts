import { expect, test } from "bun:test";
import { tmpdir } from "node:os";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { mounted, mounting } from "../../support/mounted.ts";

const PLUGIN = fileURLToPath(new URL("../../../plugins/passthrough.ts", import.meta.url));

mounting("passthrough, mounted on what it passes through", () => {
  test("the mount does not contain itself", async () => {
    await using mount = await mounted(PLUGIN, { special: tmpdir() });
    const { client, directory } = mount;
    await expect(client.stat(`/${basename(directory)}`)).rejects.toThrow("ELOOP");
    expect((await client.readdir("/")).map(({ name }) => name)).toContain(basename(directory));
  }, 60_000);
});
