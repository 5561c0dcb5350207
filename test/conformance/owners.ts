import { expect } from "bun:test";
import { O_CREAT, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } from "../support/client.ts";
import {
  ALICE,
  BOB,
  bytes,
  fails,
  type Ground,
  kind,
  make,
  permissions,
  type Subject,
  TEAM,
  table,
  using,
} from "./case.ts";

export const modes: Subject = {
  name: "chmod",
  needs: ["write", "owners"],
  cases: {
    ...table(
      [0o000, 0o111, 0o222, 0o444, 0o644, 0o777, 0o1777, 0o2755, 0o4755, 0o6711, 0o7777],
      (mode) => `to ${mode.toString(8)}, of a file and a directory`,
      async ({ client, at }, mode) => {
        await make(client, at("f"));
        await client.mkdir(at("d"));
        for (const name of ["f", "d"]) {
          const before = await client.lstat(at(name));
          await client.chmod(at(name), mode);
          const after = await client.lstat(at(name));
          expect([kind(after), permissions(after)]).toEqual([kind(before), mode]);
        }
      },
    ),
    "of an open file": async ({ client, at }) => {
      await make(client, at("f"));
      await using(client.open(at("f"), O_RDONLY), (file) => file.chmod(0o604));
      expect(permissions(await client.stat(at("f")))).toBe(0o604);
    },
    "of what is not there: ENOENT": async ({ client, at }) => {
      await fails(client.chmod(at("no"), 0o600), "ENOENT");
    },
    "by the owner": async ({ alice, at }) => {
      await make(alice, at("f"));
      await alice.chmod(at("f"), 0o4711);
      expect(permissions(await alice.stat(at("f")))).toBe(0o4711);
    },
    "by someone else: EPERM": async ({ alice, bob, at }) => {
      await make(alice, at("f"), "", 0o666);
      await fails(bob.chmod(at("f"), 0o777), "EPERM");
      expect(permissions(await alice.stat(at("f")))).toBe(0o666);
    },
    "set-group-id by an owner who is not in the group is dropped": async ({
      client,
      alice,
      at,
    }) => {
      await make(client, at("f"));
      await client.chown(at("f"), ALICE, BOB);
      await alice.chmod(at("f"), 0o2755);
      expect(permissions(await client.stat(at("f")))).toBe(0o755);
    },
    "set-group-id by an owner who is in the group is kept": async ({ client, alice, at }) => {
      await make(client, at("f"));
      for (const group of [ALICE, TEAM]) {
        await client.chown(at("f"), ALICE, group);
        await alice.chmod(at("f"), 0o2755);
        expect(permissions(await client.stat(at("f")))).toBe(0o2755);
      }
    },
    "permissions at once hold for all": async ({ alice, bob, at }) => {
      await make(alice, at("f"), "x", 0o600);
      await fails(bob.open(at("f"), O_RDONLY), "EACCES");
      await alice.chmod(at("f"), 0o604);
      await using(bob.open(at("f"), O_RDONLY), async () => {});
      await alice.chmod(at("f"), 0o600);
      await fails(bob.open(at("f"), O_RDONLY), "EACCES");
    },
    "what is open stays open": async ({ alice, at }) => {
      await make(alice, at("f"), "x", 0o600);
      await using(alice.open(at("f"), O_RDWR), async (file) => {
        await alice.chmod(at("f"), 0);
        expect(await file.write(bytes("y"), 0)).toBe(1);
        expect(await file.read(1, 0)).toEqual(bytes("y"));
      });
    },
  },
};

export const owners: Subject = {
  name: "chown",
  needs: ["write", "owners"],
  cases: {
    ...table(
      [
        [ALICE, BOB],
        [-1, BOB],
        [ALICE, -1],
        [-1, -1],
        [0, 0],
        [2 ** 31, 2 ** 32 - 2],
      ] as const,
      ([uid, gid]) => `by root to ${uid}:${gid}`,
      async ({ client, at }, [uid, gid]) => {
        await make(client, at("f"));
        await client.chown(at("f"), 7, 8);
        await client.chown(at("f"), uid, gid);
        const stat = await client.stat(at("f"));
        expect([stat.uid, stat.gid]).toEqual([uid === -1 ? 7 : uid, gid === -1 ? 8 : gid]);
      },
    ),
    "of a directory, of an open file": async ({ client, at }) => {
      await client.mkdir(at("d"));
      await client.chown(at("d"), 7, 8);
      expect((await client.stat(at("d"))).uid).toBe(7);
      await using(client.open(at("f"), O_CREAT | O_RDWR), async (file) => {
        await file.chown(9, 10);
        expect([(await file.stat()).uid, (await file.stat()).gid]).toEqual([9, 10]);
      });
    },
    "the owner may give a file to a group of his": async ({ client, alice, at }) => {
      await make(alice, at("f"));
      await alice.chown(at("f"), -1, TEAM);
      expect((await client.stat(at("f"))).gid).toBe(TEAM);
      await alice.chown(at("f"), ALICE, ALICE);
      expect((await client.stat(at("f"))).gid).toBe(ALICE);
    },
    "the owner may not give it to another group: EPERM": async ({ alice, at }) => {
      await make(alice, at("f"));
      await fails(alice.chown(at("f"), -1, BOB), "EPERM");
      await fails(alice.chown(at("f"), ALICE, 0), "EPERM");
    },
    "nobody but root gives files away: EPERM": async ({ alice, bob, at }) => {
      await make(alice, at("f"), "", 0o666);
      await fails(alice.chown(at("f"), BOB, -1), "EPERM");
      await fails(bob.chown(at("f"), BOB, -1), "EPERM");
      await fails(bob.chown(at("f"), -1, BOB), "EPERM");
    },
    "not even to who has them by anyone else: EPERM": async ({ alice, bob, at }) => {
      await make(alice, at("f"), "", 0o666);
      await fails(bob.chown(at("f"), ALICE, ALICE), "EPERM");
      await alice.chown(at("f"), ALICE, ALICE);
    },
    "takes set-id bits from what can be executed": async ({ client, alice, at }) => {
      await make(client, at("f"));
      await client.chown(at("f"), ALICE, ALICE);
      for (const mode of [0o4755, 0o2755, 0o6711]) {
        await client.chmod(at("f"), mode);
        await alice.chown(at("f"), -1, TEAM);
        expect(permissions(await client.stat(at("f")))).toBe(mode & 0o777);
        await client.chmod(at("f"), mode);
        await client.chown(at("f"), ALICE, ALICE);
        expect(permissions(await client.stat(at("f")))).toBe(mode & 0o777);
      }
    },
    "leaves set-group-id of a directory": async ({ client, at }) => {
      await client.mkdir(at("d"));
      await client.chmod(at("d"), 0o2755);
      await client.chown(at("d"), 7, 8);
      expect(permissions(await client.stat(at("d")))).toBe(0o2755);
    },
    "what is made belongs to who makes it": async ({ alice, at }) => {
      await make(alice, at("f"));
      await alice.mkdir(at("d"));
      await alice.mknod(at("p"), 0o010644);
      for (const name of ["f", "d", "p"]) {
        const stat = await alice.lstat(at(name));
        expect([stat.uid, stat.gid]).toEqual([ALICE, ALICE]);
      }
    },
  },
};

export const ownersOfLinks: Subject = {
  name: "chown of symbolic links",
  needs: ["write", "owners", "symlinks"],
  cases: {
    "chown follows, lchown does not": async ({ client, at }) => {
      await make(client, at("f"));
      await client.symlink("f", at("l"));
      await client.chown(at("l"), 7, 8);
      await client.lchown(at("l"), 9, 10);
      const [f, l] = [await client.lstat(at("f")), await client.lstat(at("l"))];
      expect([f.uid, f.gid, l.uid, l.gid]).toEqual([7, 8, 9, 10]);
    },
    "chmod follows": async ({ client, at }) => {
      await make(client, at("f"));
      await client.symlink("f", at("l"));
      await client.chmod(at("l"), 0o612);
      expect(permissions(await client.lstat(at("f")))).toBe(0o612);
      expect(permissions(await client.lstat(at("l")))).toBe(0o777);
    },
  },
};

/** What takes the set-id bits from a file when an ordinary user does it. */
const CHANGES: Record<string, (ground: Ground) => Promise<unknown>> = {
  write: ({ bob, at }) => using(bob.open(at("f"), O_WRONLY), (file) => file.write(bytes("new"), 0)),
  truncate: ({ bob, at }) => bob.truncate(at("f"), 1),
  ftruncate: ({ bob, at }) => using(bob.open(at("f"), O_WRONLY), (file) => file.truncate(50)),
  "open with O_TRUNC": ({ bob, at }) =>
    using(bob.open(at("f"), O_WRONLY | O_TRUNC), async () => {}),
};

export const setId: Subject = {
  name: "set-id bits",
  needs: ["write", "owners"],
  cases: {
    ...table(
      Object.entries(CHANGES).flatMap(([name, change]) =>
        [0o4777, 0o2777, 0o6777].map((mode) => ({ name, change, mode })),
      ),
      ({ name, mode }) => `${name} by an ordinary user takes them from ${mode.toString(8)}`,
      async (ground, { change, mode }) => {
        const { alice, at } = ground;
        await make(alice, at("f"), "content");
        await alice.chmod(at("f"), mode);
        expect(permissions(await alice.stat(at("f")))).toBe(mode);
        await change(ground);
        expect(permissions(await alice.stat(at("f")))).toBe(0o777);
      },
    ),
    "a write through root leaves them": async ({ client, at }) => {
      await make(client, at("f"));
      await client.chmod(at("f"), 0o6777);
      await using(client.open(at("f"), O_WRONLY), (file) => file.write(bytes("new"), 0));
      expect(permissions(await client.stat(at("f")))).toBe(0o6777);
    },
    "reading leaves them": async ({ alice, bob, at }) => {
      await make(alice, at("f"), "content");
      await alice.chmod(at("f"), 0o6777);
      await using(bob.open(at("f"), O_RDONLY), (file) => file.read(10, 0));
      expect(permissions(await alice.stat(at("f")))).toBe(0o6777);
    },
    "in a set-group-id directory all get its group": async ({ client, alice, at }) => {
      await client.mkdir(at("d"));
      await client.chown(at("d"), 0, BOB);
      await client.chmod(at("d"), 0o2777);
      await make(alice, at("d/f"));
      await alice.mkdir(at("d/e"), 0o755);
      await alice.mknod(at("d/p"), 0o010644);
      await alice.symlink("x", at("d/l"));
      for (const name of ["f", "e", "p", "l"]) {
        const stat = await client.lstat(at(`d/${name}`));
        expect([stat.uid, stat.gid]).toEqual([ALICE, BOB]);
      }
      expect(permissions(await client.stat(at("d/e")))).toBe(0o2755);
      expect(permissions(await client.stat(at("d/f")))).toBe(0o644);
    },
  },
};

export const setIdOfNew: Subject = {
  name: "set-id bits of new files",
  needs: ["write", "owners", "kernel"],
  cases: {
    "a set-group-id file cannot be made for a group one is not in": async ({
      client,
      alice,
      at,
    }) => {
      await client.mkdir(at("d"));
      await client.chown(at("d"), 0, BOB);
      await client.chmod(at("d"), 0o2777);
      await make(alice, at("d/f"), "", 0o2755);
      expect(permissions(await client.stat(at("d/f")))).toBe(0o755);
      await make(client, at("d/g"), "", 0o2755);
      expect(permissions(await client.stat(at("d/g")))).toBe(0o2755);
    },
  },
};
