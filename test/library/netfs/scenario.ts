import { expect } from "bun:test";
import { S_IFDIR, S_IFREG } from "puffs";
import { type Client, O_CREAT, O_EXCL, O_RDONLY, O_RDWR, O_WRONLY } from "../../support/client.ts";
import type { FileServer } from "./file-server.ts";

/*
 * What is done with the network file system at either door.
 */

const ALICE = 1001;
const BOB = 1002;
const TEAM = 2001;

export const LONG = Array.from({ length: 10_000 }, (_, n) => `line ${n}\n`).join("");

/** The files that the server has to begin with. */
export function furnish(remote: FileServer): void {
  remote.put("/long", { text: LONG });
  remote.put("/private", { mode: S_IFDIR | 0o700, uid: ALICE, gid: ALICE });
  remote.put("/private/secret", { mode: S_IFREG | 0o600, uid: ALICE, gid: ALICE, text: "secret" });
  remote.put("/team", { mode: S_IFDIR | 0o770, uid: ALICE, gid: TEAM });
  remote.put("/public", { mode: S_IFDIR | 0o777 });
}

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (words: string) => new TextEncoder().encode(words);
const failing = (code: string) => expect.objectContaining({ code });

export async function contentOf(client: Client, path: string): Promise<string> {
  const file = await client.open(path, O_RDONLY);
  try {
    return text(await file.read(1 << 20, 0));
  } finally {
    await file.close();
  }
}

async function save(client: Client, path: string, words: string): Promise<void> {
  const file = await client.open(path, O_WRONLY | O_CREAT | O_EXCL);
  await file.write(bytes(words), 0);
  await file.sync();
  await file.close();
}

export async function useFiles(client: Client, remote: FileServer): Promise<void> {
  expect(await contentOf(client, "/long")).toBe(LONG);
  // A read of many pieces has them all under way at once, and gets them in the reverse order.
  expect(remote.mostWaiting).toBeGreaterThan(4);
  await expect(client.stat("/absent")).rejects.toEqual(failing("ENOENT"));
  await save(client, "/public/new", "written here");
  expect(text(remote.entries.get("/public/new")?.content ?? bytes(""))).toBe("written here");
  expect(remote.asked.sync).toBe(1);
  await client.symlink("new", "/public/link");
  expect(await client.readlink("/public/link")).toBe("new");
  expect(await contentOf(client, "/public/link")).toBe("written here");
  const names = (await client.readdir("/public")).map(({ name }) => name);
  expect(names.toSorted()).toEqual([".", "..", "link", "new"]);
  await client.truncate("/public/new", 7);
  expect((await client.stat("/public/new")).size).toBe(7);
}

/** Paths follow their files. */
export async function moveThings(client: Client, remote: FileServer): Promise<void> {
  await client.mkdir("/public/a");
  await client.mkdir("/public/a/b");
  await save(client, "/public/a/b/file", "deep");
  const open = await client.open("/public/a/b/file", O_RDONLY);
  await client.rename("/public/a", "/public/z");
  expect(remote.entries.has("/public/z/b/file")).toBe(true);
  expect(await contentOf(client, "/public/z/b/file")).toBe("deep");
  expect((await open.stat()).size).toBe(4);
  await expect(client.stat("/public/a/b/file")).rejects.toEqual(failing("ENOENT"));
  // What is removed lives on for who has it open, and is not what comes there next.
  await client.unlink("/public/z/b/file");
  await save(client, "/public/z/b/file", "another file");
  expect([(await open.stat()).nlink, (await open.stat()).size]).toEqual([0, 4]);
  expect(text(await open.read(100, 0))).toBe("deep");
  await open.close();
  await expect(client.rmdir("/public/z")).rejects.toEqual(failing("ENOTEMPTY"));
  await client.unlink("/public/z/b/file");
  await client.rmdir("/public/z/b");
  await client.rmdir("/public/z");
}

/** The server checks nothing: the file system does. */
export async function askForRights(client: Client, remote: FileServer): Promise<void> {
  const alice = client.as({ uid: ALICE, gid: ALICE, groups: [] });
  const bob = client.as({ uid: BOB, gid: BOB, groups: [] });
  const member = client.as({ uid: BOB, gid: BOB, groups: [TEAM] });
  expect(await contentOf(alice, "/private/secret")).toBe("secret");
  await expect(bob.stat("/private/secret")).rejects.toEqual(failing("EACCES"));
  await expect(save(bob, "/private/mine", "")).rejects.toEqual(failing("EACCES"));
  await expect(save(bob, "/team/mine", "")).rejects.toEqual(failing("EACCES"));
  await save(member, "/team/ours", "from bob");
  const made = remote.entries.get("/team/ours");
  expect([made?.uid, made?.mode]).toEqual([BOB, S_IFREG | 0o644]);
  await expect(alice.chmod("/team/ours", 0o600)).rejects.toEqual(failing("EPERM"));
  await expect(alice.open("/team/ours", O_RDWR)).rejects.toEqual(failing("EACCES"));
  await expect(member.chown("/team/ours", ALICE, -1)).rejects.toEqual(failing("EPERM"));
  await member.chown("/team/ours", -1, TEAM);
  await member.chmod("/team/ours", 0o660);
  await client.chown("/team/ours", ALICE, -1);
  expect(remote.entries.get("/team/ours")).toMatchObject({
    ...{ uid: ALICE, gid: TEAM, mode: S_IFREG | 0o660 },
  });
  const time = { sec: 5, nsec: 0 };
  await expect(member.utimes("/team/ours", time, time)).rejects.toEqual(failing("EPERM"));
  await alice.utimes("/team/ours", time, time);
  expect(remote.entries.get("/team/ours")?.mtime).toEqual(time);
  // To now whoever may write may set them.
  await member.utimes("/team/ours", "now", "now");
  expect(remote.entries.get("/team/ours")?.mtime.sec).toBeGreaterThan(1_000_000_000);
  await expect(member.utimes("/team/ours", "now", "omit")).rejects.toEqual(failing("EPERM"));
  await alice.chmod("/team/ours", 0o640);
  await expect(member.utimes("/team/ours", "now", "now")).rejects.toEqual(failing("EACCES"));
  await expect(bob.unlink("/team/ours")).rejects.toEqual(failing("EACCES"));
  await member.unlink("/team/ours");
}

/** Several at once, of several users. */
export async function crowd(client: Client): Promise<void> {
  const names = Array.from({ length: 12 }, (_, n) => `/public/crowd${n}`);
  await Promise.all(
    names.map((name, n) => save(client.as({ uid: 3000 + (n % 3), gid: 3000 }), name, name)),
  );
  expect(await Promise.all(names.map((name) => contentOf(client, name)))).toEqual(names);
  const owners = await Promise.all(names.map(async (name) => (await client.stat(name)).uid));
  expect(owners).toEqual(names.map((_, n) => 3000 + (n % 3)));
  await Promise.all(names.map((name) => client.unlink(name)));
}
