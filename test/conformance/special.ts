import { expect } from "bun:test";
import { fails, kind, make, names, permissions, type Subject, table, text } from "./case.ts";

const KINDS = {
  FIFO: 0o010000,
  "character device": 0o020000,
  "block device": 0o060000,
  socket: 0o140000,
} as const;

export const special: Subject = {
  name: "special files",
  needs: ["write", "special"],
  cases: {
    ...table(
      Object.entries(KINDS).flatMap(([name, type]) =>
        [0o644, 0o000, 0o7777].map((mode) => ({ name, type, mode })),
      ),
      ({ name, mode }) => `a ${name} of mode ${mode.toString(8)}`,
      async ({ client, at, directory }, { type, mode }) => {
        await client.mknod(at("n"), type | mode, 0x102);
        const stat = await client.lstat(at("n"));
        expect([kind(stat), permissions(stat), stat.nlink, stat.size]).toEqual([type, mode, 1, 0]);
        expect(await names(client, directory)).toEqual(["n"]);
        await fails(client.mknod(at("n"), type | mode), "EEXIST");
        await client.unlink(at("n"));
        expect(await names(client, directory)).toEqual([]);
      },
    ),
    ...table(
      [0x103, 0x811, 0xffff, 0xfff_00, 0x00f0_0102, 0xfff0_0fff],
      (device) => `device number 0x${device.toString(16)}`,
      async ({ client, at }, device) => {
        for (const type of [KINDS["character device"], KINDS["block device"]]) {
          await client.mknod(at(`n${type}`), type | 0o600, device);
          expect((await client.lstat(at(`n${type}`))).rdev).toBe(device);
        }
      },
    ),
    "mknod makes regular files too": async ({ client, at }) => {
      await client.mknod(at("f"), 0o100640);
      await make(client, at("f"), "content");
      expect(await text(client, at("f"))).toBe("content");
      await client.mknod(at("g"), 0o640);
      expect(kind(await client.lstat(at("g")))).toBe(0o100000);
    },
    "mknod of a directory: EPERM": async ({ client, at }) => {
      await fails(client.mknod(at("d"), 0o040755), "EPERM", "EINVAL");
    },
    "mknod of an unknown kind: EINVAL": async ({ client, at }) => {
      await fails(client.mknod(at("x"), 0o170644), "EINVAL");
    },
    "mknod where it cannot be": async ({ client, at }) => {
      await make(client, at("f"));
      await fails(client.mknod(at("f"), 0o010644), "EEXIST");
      await fails(client.mknod(at("f/p"), 0o010644), "ENOTDIR");
      await fails(client.mknod(at("no/p"), 0o010644), "ENOENT");
    },
    "the umask counts": async ({ client, at }) => {
      await client.as({ umask: 0o027 }).mknod(at("p"), 0o010777);
      expect(permissions(await client.lstat(at("p")))).toBe(0o750);
    },
    "ordinary users make FIFOs and sockets, but no devices: EPERM": async ({ alice, at }) => {
      await alice.mknod(at("p"), 0o010644);
      await alice.mknod(at("s"), 0o140644);
      await fails(alice.mknod(at("c"), 0o020644, 0x103), "EPERM");
      await fails(alice.mknod(at("b"), 0o060644, 0x801), "EPERM");
      expect((await alice.lstat(at("p"))).uid).toBe(1001);
    },
    "mode, owner and times of a FIFO can be changed": async ({ client, at }) => {
      await client.mknod(at("p"), 0o010644);
      await client.chmod(at("p"), 0o600);
      await client.chown(at("p"), 5, 6);
      await client.utimes(at("p"), { sec: 1, nsec: 2 }, { sec: 3, nsec: 4 });
      const stat = await client.lstat(at("p"));
      expect([stat.mode, stat.uid, stat.gid, stat.mtime]).toEqual([
        0o010600,
        5,
        6,
        { sec: 3, nsec: 4 },
      ]);
    },
  },
};
