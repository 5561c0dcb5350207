import { describe, expect, test } from "bun:test";
import memfs from "../../plugins/memfs/memfs.ts";
import { O_CREAT, O_RDWR } from "./client.ts";
import { onPuffs } from "./puffs.ts";

/** A mount with /d/f, made by root. */
async function small() {
  const started = await onPuffs(memfs, ["size=16m"]);
  const { client } = started;
  await client.mkdir("/d", 0o755);
  const file = await client.open("/d/f", O_CREAT | O_RDWR, 0o644);
  await file.write(new Uint8Array([1, 2, 3]), 0);
  return { ...started, file };
}

describe("references", () => {
  test("the server forgets what the kernel does: the counts agree", async () => {
    const { client, connection, file, close } = await small();
    for (let i = 0; i < 3; i++) await client.stat("/d/f");
    client.reclaimAll();
    // The root, the open file and its directory are held.
    expect(client.kernel.nodes.size).toBe(3);
    await file.close();
    client.reclaimAll();
    expect(client.kernel.nodes.size).toBe(1);
    expect([...connection.vnodes.all()]).toHaveLength(1);
    expect((await client.stat("/d/f")).size).toBe(3);
    await close();
  });

  test("a removed file is there as long as it is open, and reclaimed by the setback of its removal", async () => {
    const { client, file, close } = await small();
    await client.unlink("/d/f");
    expect([...(await file.read(10, 0))]).toEqual([1, 2, 3]);
    const { cookie } = file.node;
    expect(client.kernel.nodes.has(cookie)).toBe(true);
    await file.close();
    expect(client.kernel.nodes.has(cookie)).toBe(false);
    await close();
  });
});

test("permissions are the server's: a directory that may not be searched hides what is in it", async () => {
  const { client, file, close } = await small();
  await file.close();
  await client.chmod("/d", 0o700);
  const other = client.as({ uid: 1001, gid: 1001, groups: [] });
  const code = await other.stat("/d/f").catch((error: { code?: string }) => error.code);
  expect(code).toBe("EACCES");
  expect((await client.stat("/d/f")).size).toBe(3);
  await close();
});
