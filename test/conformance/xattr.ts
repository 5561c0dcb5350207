import { expect } from "bun:test";
import {
  bytes,
  type Case,
  fails,
  type Ground,
  make,
  pattern,
  type Subject,
  same,
  table,
} from "./case.ts";

const CREATE = 1;
const REPLACE = 2;

/** On a file f. */
function onFile(run: (ground: Ground, path: string) => Promise<unknown>): Case {
  return async (ground) => {
    await make(ground.client, ground.at("f"));
    await run(ground, ground.at("f"));
  };
}

export const xattr: Subject = {
  name: "extended attributes",
  needs: ["write", "xattr"],
  cases: {
    ...table(
      [
        "user.a",
        "trusted.a",
        "security.puffs",
        "user.a.b.c",
        "user. ",
        "user.grüße",
        "user.\udcff",
      ],
      (name) => `${JSON.stringify(name)} is set, read, listed and removed`,
      async ({ client, at }, name) => {
        await make(client, at("f"));
        await client.mkdir(at("d"));
        for (const path of [at("f"), at("d")]) {
          await client.setxattr(path, name, bytes("value"));
          expect(await client.getxattr(path, name)).toEqual(bytes("value"));
          expect(await client.listxattr(path)).toEqual([name]);
          await client.removexattr(path, name);
          await fails(client.getxattr(path, name), "ENODATA");
          expect(await client.listxattr(path)).toEqual([]);
        }
      },
    ),
    ...table(
      [0, 1, 255, 256, 4095, 4096, 4097, 65_536],
      (size) => `a value of ${size} bytes`,
      async ({ client, at }, size) => {
        await make(client, at("f"));
        await client.setxattr(at("f"), "trusted.a", pattern(size));
        same(await client.getxattr(at("f"), "trusted.a"), pattern(size));
      },
    ),
    "a value of 65537 bytes: E2BIG": onFile(({ client }, path) =>
      fails(client.setxattr(path, "user.a", pattern(65_537)), "E2BIG"),
    ),
    "a value of all bytes": onFile(async ({ client }, path) => {
      const all = Uint8Array.from({ length: 256 }, (_, byte) => byte);
      await client.setxattr(path, "user.a", all);
      expect(await client.getxattr(path, "user.a")).toEqual(all);
    }),
    "set again, longer and shorter": onFile(async ({ client }, path) => {
      for (const value of ["one", "a longer one", "", "x"]) {
        await client.setxattr(path, "user.a", bytes(value));
        expect(await client.getxattr(path, "user.a")).toEqual(bytes(value));
      }
      expect(await client.listxattr(path)).toEqual(["user.a"]);
    }),
    "CREATE of what exists: EEXIST": onFile(async ({ client }, path) => {
      await client.setxattr(path, "user.a", bytes("1"), CREATE);
      await fails(client.setxattr(path, "user.a", bytes("2"), CREATE), "EEXIST");
      expect(await client.getxattr(path, "user.a")).toEqual(bytes("1"));
    }),
    "REPLACE of what does not: ENODATA": onFile(async ({ client }, path) => {
      await fails(client.setxattr(path, "user.a", bytes("1"), REPLACE), "ENODATA");
      expect(await client.listxattr(path)).toEqual([]);
      await client.setxattr(path, "user.a", bytes("1"));
      await client.setxattr(path, "user.a", bytes("2"), REPLACE);
      expect(await client.getxattr(path, "user.a")).toEqual(bytes("2"));
    }),
    "what is not there: ENODATA": onFile(async ({ client }, path) => {
      await fails(client.getxattr(path, "user.a"), "ENODATA");
      await fails(client.removexattr(path, "user.a"), "ENODATA");
      await client.setxattr(path, "trusted.a", bytes("1"));
      await fails(client.getxattr(path, "user.a"), "ENODATA");
    }),
    "of a file that is not there: ENOENT": async ({ client, at }) => {
      await fails(client.getxattr(at("no"), "user.a"), "ENOENT");
      await fails(client.listxattr(at("no")), "ENOENT");
    },
    "too small a buffer for the value: ERANGE": onFile(async ({ client }, path) => {
      await client.setxattr(path, "user.a", bytes("value"));
      await fails(client.getxattr(path, "user.a", 4), "ERANGE");
      expect(await client.getxattr(path, "user.a", 5)).toEqual(bytes("value"));
    }),
    "too small a buffer for the list: ERANGE": onFile(async ({ client }, path) => {
      await client.setxattr(path, "user.a", bytes(""));
      await client.setxattr(path, "user.b", bytes(""));
      await fails(client.listxattr(path, 13), "ERANGE");
      expect((await client.listxattr(path, 14)).sort()).toEqual(["user.a", "user.b"]);
    }),
    "a name of 255 bytes, one of 256: ERANGE": onFile(async ({ client }, path) => {
      const name = `user.${"n".repeat(250)}`;
      await client.setxattr(path, name, bytes("value"));
      expect(await client.listxattr(path)).toEqual([name]);
      expect(await client.getxattr(path, name)).toEqual(bytes("value"));
      await fails(client.setxattr(path, `${name}n`, bytes("value")), "ERANGE");
    }),
    "a name without a namespace, or of none known: EOPNOTSUPP": onFile(async ({ client }, path) => {
      await fails(client.setxattr(path, "name", bytes("1")), "EOPNOTSUPP");
      await fails(client.setxattr(path, "nobodys.name", bytes("1")), "EOPNOTSUPP");
      await fails(client.getxattr(path, "nobodys.name"), "EOPNOTSUPP");
    }),
    "a namespace without a name: EINVAL": onFile(({ client }, path) =>
      fails(client.setxattr(path, "user.", bytes("1")), "EINVAL"),
    ),
    "a hundred of them": onFile(async ({ client }, path) => {
      const names = Array.from({ length: 100 }, (_, number) => `user.name${number}`);
      for (const name of names) await client.setxattr(path, name, bytes(name));
      expect((await client.listxattr(path)).sort()).toEqual([...names].sort());
      for (const name of names) expect(await client.getxattr(path, name)).toEqual(bytes(name));
    }),
    "go along with a rename": onFile(async ({ client, at }, path) => {
      await client.setxattr(path, "user.a", bytes("value"));
      await client.rename(path, at("g"));
      expect(await client.getxattr(at("g"), "user.a")).toEqual(bytes("value"));
    }),
    "a new file of the same name has none": onFile(async ({ client }, path) => {
      await client.setxattr(path, "user.a", bytes("value"));
      await client.unlink(path);
      await make(client, path);
      expect(await client.listxattr(path)).toEqual([]);
    }),
  },
};

export const xattrRights: Subject = {
  name: "extended attributes, who may",
  needs: ["write", "xattr", "owners", "symlinks", "special"],
  cases: {
    "user ones follow the mode of the file: EACCES": onFile(async ({ client, alice }, path) => {
      await client.setxattr(path, "user.a", bytes("value"));
      expect(await alice.getxattr(path, "user.a")).toEqual(bytes("value"));
      await fails(alice.setxattr(path, "user.a", bytes("new")), "EACCES");
      await fails(alice.removexattr(path, "user.a"), "EACCES");
      await client.chmod(path, 0o600);
      await fails(alice.getxattr(path, "user.a"), "EACCES");
      await client.chmod(path, 0o666);
      await alice.setxattr(path, "user.a", bytes("new"));
    }),
    "trusted ones are root's: EPERM": async ({ client, alice, at }) => {
      await make(alice, at("f"));
      await client.setxattr(at("f"), "trusted.a", bytes("value"));
      await fails(alice.setxattr(at("f"), "trusted.a", bytes("new")), "EPERM");
      await fails(alice.removexattr(at("f"), "trusted.a"), "EPERM");
      await fails(alice.getxattr(at("f"), "trusted.a"), "ENODATA");
    },
    "a symbolic link has trusted ones, but no user ones: EPERM": async ({ client, at }) => {
      await make(client, at("f"));
      await client.symlink("f", at("l"));
      await fails(client.setxattr(at("l"), "user.a", bytes("1")), "EPERM");
      await client.setxattr(at("l"), "trusted.a", bytes("1"));
      expect(await client.listxattr(at("l"))).toEqual(["trusted.a"]);
      expect(await client.listxattr(at("f"))).toEqual([]);
    },
    "a FIFO has trusted ones, but no user ones: EPERM": async ({ client, at }) => {
      await client.mknod(at("p"), 0o010644);
      await fails(client.setxattr(at("p"), "user.a", bytes("1")), "EPERM");
      await fails(client.getxattr(at("p"), "user.a"), "ENODATA");
      await client.setxattr(at("p"), "trusted.a", bytes("1"));
      expect(await client.getxattr(at("p"), "trusted.a")).toEqual(bytes("1"));
    },
  },
};

export const xattrOfLinks: Subject = {
  name: "extended attributes of hard links",
  needs: ["write", "xattr", "links"],
  cases: {
    "belong to the file, not to the name": onFile(async ({ client, at }, path) => {
      await client.link(path, at("g"));
      await client.setxattr(path, "user.a", bytes("value"));
      expect(await client.getxattr(at("g"), "user.a")).toEqual(bytes("value"));
    }),
  },
};
