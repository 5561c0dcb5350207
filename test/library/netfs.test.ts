import { afterEach, beforeEach, expect, test } from "bun:test";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { O_RDONLY, O_WRONLY } from "../support/client.ts";
import { PuffsClient } from "../support/puffs-client.ts";
import { type AtKernel, onComfd } from "./comfd.ts";
import { FileServer } from "./netfs/file-server.ts";
import { netfs } from "./netfs/netfs.ts";
import {
  askForRights,
  contentOf,
  crowd,
  furnish,
  LONG,
  moveThings,
  useFiles,
} from "./netfs/scenario.ts";

/*
 * A network file system, written with the library as one in C would be, behind NetBSD's protocol. On the real kernel of Linux:
 * netfs.mount.test.ts.
 */

let directory: string;
let remote: FileServer;
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "puffs-netfs-"));
  remote = new FileServer(join(directory, "socket"));
  furnish(remote);
  await remote.listen();
});
afterEach(() => {
  remote.die();
  rmSync(directory, { recursive: true });
});

type Server = Awaited<ReturnType<typeof netfs>>;

/** With a client of the kernel's, and what the file system asks of that. */
async function mounted(
  run: (at: AtKernel & { client: PuffsClient; server: Server; told: string[] }) => Promise<void>,
  onUnmount: () => void = () => {},
): Promise<Server> {
  const socket = connect(join(directory, "socket"));
  await once(socket, "connect");
  const server = await netfs(socket);
  const told: string[] = [];
  const events = {
    onUnmount,
    onFlush: ({ op, cookie, start, end }: Record<"op" | "cookie" | "start" | "end", number>) =>
      void told.push(`${op} of ${cookie}, ${start} to ${end}`),
  };
  await onComfd(server, (at) => run({ ...at, client: new PuffsClient(at.kernel), server, told }), {
    events,
  });
  server.specific.vector.removeFd(socket);
  return server;
}

test("files are read, written, made and listed over the network", async () => {
  const server = await mounted(async ({ client }) => useFiles(client, remote));
  const { began, ended } = server.specific;
  expect(began).toBeGreaterThan(10);
  expect(ended).toBe(began);
});

test("paths follow what is moved and removed", async () => {
  await mounted(async ({ client, server }) => {
    await moveThings(client, remote);
    client.reclaimAll();
    // The root, and nobody else.
    await client.statvfs("/");
    expect(server.nodes.size).toBe(1);
  });
});

test("who may do what is the file system's to say", async () => {
  await mounted(async ({ client }) => askForRights(client, remote));
});

test("many do many things at once", async () => {
  await mounted(async ({ client }) => crowd(client));
});

test("what changes at the server is forgotten in the kernel", async () => {
  await mounted(async ({ client, kernel, told, server }) => {
    await contentOf(client, "/long");
    const { newnode: cookie } = await kernel.lookup(
      kernel.root,
      { name: "long", nameiop: 0 },
      { uid: 0, gid: 0, groups: [], pid: 1, lid: 1 },
    );
    remote.put("/long", { text: "short" });
    remote.announce({ changed: "/long" });
    while (told.length < 1) await Bun.sleep(1);
    expect((await client.stat("/long")).size).toBe(5);
    remote.entries.delete("/long");
    remote.announce({ gone: "/long" });
    while (told.length < 2) await Bun.sleep(1);
    // PUFFS_INVAL_PAGECACHE_NODE_RANGE to the end, PUFFS_INVAL_NAMECACHE_DIR
    expect(told).toEqual([`3 of ${cookie}, 0 to 0`, `1 of ${kernel.root}, 0 to 0`]);
    await expect(client.stat("/long")).rejects.toThrow("ENOENT");
    remote.announce({ everything: true });
    while (told.length < 3) await Bun.sleep(1);
    // PUFFS_INVAL_NAMECACHE_ALL
    expect(told[2]).toMatch(/^2 of/);
    // What nobody knows is nobody's news.
    remote.announce({ changed: "/nowhere" });
    remote.announce({ gone: "/no/where" });
    await client.stat("/public");
    expect([told.length, server.state]).toEqual([3, "running"]);
  });
});

test("sync(2) reaches every file that was written", async () => {
  await mounted(async ({ client, kernel }) => {
    for (const name of ["/public/a", "/public/b", "/public/c"]) {
      remote.put(name, { mode: 0o100666 });
      const file = await client.open(name, O_WRONLY);
      await file.write(new Uint8Array(3), 0);
      await file.close();
    }
    const caller = { uid: 0, gid: 0, groups: [], pid: 1, lid: 1 };
    await kernel.sync(1, caller);
    expect(remote.asked.sync).toBe(3);
    await kernel.sync(1, caller);
    expect(remote.asked.sync).toBe(3);
  });
});

test("the server dies: who waits for it is told, and the mount goes away", async () => {
  const asked = Promise.withResolvers<void>();
  const server = await mounted(
    async ({ client, server }) => {
      const file = await client.open("/long", O_RDONLY);
      remote.silent = "read";
      const reads = [0, 1, 2].map((n) =>
        file.read(LONG.length, n).then(
          () => "read",
          (error: { code: string }) => error.code,
        ),
      );
      while ((remote.asked.read ?? 0) < 3) await Bun.sleep(1);
      remote.die();
      expect(await Promise.all(reads)).toEqual(["ECONNRESET", "ECONNRESET", "ECONNRESET"]);
      await asked.promise;
      expect(server.state).toBe("unmounting");
      await expect(client.stat("/long")).rejects.toThrow("ENXIO");
    },
    () => asked.resolve(),
  );
  expect(server.state).toBe("unmounted");
});
