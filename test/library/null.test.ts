import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  chownSync,
  constants,
  mkdirSync,
  renameSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Errno } from "../../src/errno.ts";
import { type NullNode, nullLayer } from "../../src/library/null-layer.ts";
import type { Call } from "../../src/operations.ts";
import type { AnyPlugin } from "../../src/plugin.ts";
import { below } from "../plugins/passthrough/below.ts";
import { onCore } from "../support/core.ts";

/*
 * What the conformance kit does not see of the layer: the host's side. The kit itself runs over it in test/plugins/passthrough.
 */

let host: ReturnType<typeof below>;
beforeEach(() => {
  host = below();
});
afterEach(() => host.remove());

/** The layer on the core, perhaps changed. */
async function layer(change: (plain: Layer) => Layer = (plain) => plain) {
  const start = async () => change(await nullLayer(host.directory));
  return onCore({ name: "layer", description: "of the test", start } as AnyPlugin);
}

type Layer = Awaited<ReturnType<typeof nullLayer>>;

const at = (name: string) => join(host.directory, name);

test("what the host changes is seen", async () => {
  const { client, close } = await layer();
  await expect(client.stat("/new")).rejects.toThrow("ENOENT");
  writeFileSync(at("new"), "12345");
  expect((await client.stat("/new")).size).toBe(5);
  rmSync(at("new"));
  await expect(client.stat("/new")).rejects.toThrow("ENOENT");
  await close();
});

test("another file by the same name is another file", async () => {
  writeFileSync(at("file"), "old");
  writeFileSync(at("other"), "newer");
  const { client, close } = await layer();
  const before = await client.stat("/file");
  renameSync(at("other"), at("file"));
  const after = await client.stat("/file");
  expect([before.size, after.size]).toEqual([3, 5]);
  expect(after.ino).not.toBe(before.ino);
  await close();
});

test("a file that the host takes away stays with who has it open", async () => {
  writeFileSync(at("file"), "still here");
  const { client, close } = await layer();
  const file = await client.open("/file", constants.O_RDONLY);
  rmSync(at("file"));
  expect((await file.stat()).nlink).toBe(0);
  const bytes = await file.read(100, 0);
  expect(new TextDecoder().decode(bytes)).toBe("still here");
  await file.close();
  await close();
});

test("names below a directory that was renamed are found", async () => {
  mkdirSync(at("a/b"), { recursive: true });
  writeFileSync(at("a/b/c"), "x");
  const { client, close } = await layer();
  expect((await client.stat("/a/b/c")).size).toBe(1);
  await client.rename("/a", "/z");
  expect((await client.stat("/z/b/c")).size).toBe(1);
  await close();
});

test("it has all the operations that puffs_null has", async () => {
  const { node, fs } = await nullLayer(host.directory);
  // puffs_null_setops of lib/libpuffs/null.c, less unmount and sync, which do nothing
  const names =
    `lookup create mknod getattr setattr fsync remove link rename mkdir rmdir symlink readlink readdir read write
    reclaim`.split(/\s+/);
  expect(names.filter((name) => !(name in node))).toEqual([]);
  expect(Object.keys(fs ?? {}).toSorted()).toEqual(["fhtonode", "nodetofh", "statvfs"]);
});

test("operations can be taken out and replaced", async () => {
  writeFileSync(at("file"), "text");
  const { client, close } = await layer((plain) => {
    const { remove: _, ...node } = plain.node;
    return {
      ...plain,
      node: {
        ...node,
        lookup: (directory, name, call) => node.lookup(directory, name.toLowerCase(), call),
      },
    };
  });
  expect((await client.stat("/FILE")).size).toBe(4);
  await expect(client.unlink("/file")).rejects.toThrow("EPERM");
  await close();
});

test("what is no directory, or is not there, is no layer", async () => {
  writeFileSync(at("file"), "");
  await expect(nullLayer(at("file"))).rejects.toThrow(expect.objectContaining({ code: "ENOTDIR" }));
  await expect(nullLayer(at("none"))).rejects.toThrow(expect.objectContaining({ code: "ENOENT" }));
});

test("the space is that of the host", async () => {
  const { client, close } = await layer();
  const { bsize, blocks, files } = statfsSync(host.directory);
  expect(await client.statvfs("/")).toMatchObject({ frsize: bsize, blocks, files, namemax: 255 });
  await close();
});

test("file handles lead to the files that the kernel knows", async () => {
  mkdirSync(at("a"));
  writeFileSync(at("a/file"), "x");
  const { root, node, fs } = await nullLayer(host.directory);
  const call = { uid: 0, gid: 0 } as Call;
  const directory = (await node.lookup(root, "a", call)) as NullNode;
  const file = (await node.lookup(directory, "file", call)) as NullNode;
  const handle = (await fs?.nodetofh?.(file, call)) as Uint8Array;
  expect(handle.length).toBe(16);
  expect(await fs?.fhtonode?.(handle, call)).toBe(file);
  expect(await fs?.fhtonode?.((await fs.nodetofh?.(root, call)) as Uint8Array, call)).toBe(root);
  renameSync(at("a/file"), at("elsewhere"));
  await node.lookup(root, "elsewhere", call);
  expect(await fs?.fhtonode?.(handle, call)).toBe(file);
  node.reclaim?.(file);
  expect(await fs?.fhtonode?.(handle, call)).toEqual(new Errno("ESTALE"));
  for (const wrong of [new Uint8Array(0), new Uint8Array(16), new Uint8Array(60)])
    expect(await fs?.fhtonode?.(wrong, call)).toEqual(new Errno("ESTALE"));
});

const asRoot = process.geteuid?.() === 0 ? test : test.skip;

asRoot(
  "an ordinary user's layer writes files that were made without the right to write them",
  async () => {
    chownSync(host.directory, 1000, 1000);
    writeFileSync(at("theirs"), "root's", { mode: 0o644 });
    const program = join(import.meta.dir, "ordinary-layer.ts");
    const child = Bun.spawn([process.execPath, program, host.directory], { stderr: "inherit" });
    const said = JSON.parse(await new Response(child.stdout).text());
    expect(said).toEqual({
      ...{ "open written": "done", "write written": "done", "late written": "done" },
      written: ["laterndle", "444"],
      ...{ "open both": "done", "write both": "done", "late both": "done" },
      both: ["laterndle", "444"],
      theirs: "EACCES",
    });
  },
);
