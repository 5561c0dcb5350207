import { expect } from "bun:test";
import { O_RDONLY } from "../support/client.ts";
import {
  content,
  exists,
  fails,
  kind,
  make,
  names,
  permissions,
  type Subject,
  table,
  text,
  using,
} from "./case.ts";

const S_IFLNK = 0o120000;
const S_IFIFO = 0o010000;

export const removing: Subject = {
  name: "unlink",
  needs: ["write"],
  cases: {
    "takes the name away": async ({ client, at }) => {
      await make(client, at("f"));
      await client.unlink(at("f"));
      await fails(client.lstat(at("f")), "ENOENT");
      expect(await names(client, at(""))).toEqual([]);
    },
    "of what is not there: ENOENT": async ({ client, at }) => {
      await fails(client.unlink(at("no")), "ENOENT");
      await fails(client.unlink(at("no/f")), "ENOENT");
    },
    "below a file: ENOTDIR": async ({ client, at }) => {
      await make(client, at("f"));
      await fails(client.unlink(at("f/g")), "ENOTDIR");
    },
    "of a directory: EISDIR": async ({ client, at }) => {
      await client.mkdir(at("d"));
      await fails(client.unlink(at("d")), "EISDIR", "EPERM");
      expect(await exists(client, at("d"))).toBe(true);
    },
    "twice: ENOENT": async ({ client, at }) => {
      await make(client, at("f"));
      await client.unlink(at("f"));
      await fails(client.unlink(at("f")), "ENOENT");
    },
    "the name can be used again": async ({ client, at }) => {
      for (let round = 0; round < 20; round++) {
        await make(client, at("f"), `round ${round}`);
        expect(await text(client, at("f"))).toBe(`round ${round}`);
        await client.unlink(at("f"));
        await client.mkdir(at("f"));
        await client.rmdir(at("f"));
      }
    },
  },
};

export const hardLinks: Subject = {
  name: "hard links",
  needs: ["write", "links"],
  cases: {
    "are one file with several names": async ({ client, at }) => {
      await make(client, at("f"), "content", 0o640);
      await client.link(at("f"), at("g"));
      const [f, g] = [await client.lstat(at("f")), await client.lstat(at("g"))];
      expect(g).toEqual(f);
      expect(g.nlink).toBe(2);
      await make(client, at("g"), "CONTENT");
      expect(await text(client, at("f"))).toBe("CONTENT");
      await client.chmod(at("g"), 0o600);
      expect(permissions(await client.stat(at("f")))).toBe(0o600);
    },
    "the file lives until the last name is gone": async ({ client, at }) => {
      await make(client, at("f"), "content");
      await client.link(at("f"), at("g"));
      await client.link(at("f"), at("h"));
      expect((await client.stat(at("f"))).nlink).toBe(3);
      await client.unlink(at("f"));
      expect((await client.stat(at("g"))).nlink).toBe(2);
      await client.unlink(at("g"));
      expect((await client.stat(at("h"))).nlink).toBe(1);
      expect(await text(client, at("h"))).toBe("content");
    },
    "across directories": async ({ client, at }) => {
      await client.mkdir(at("d"));
      await make(client, at("f"), "content");
      await client.link(at("f"), at("d/g"));
      await client.unlink(at("f"));
      expect(await text(client, at("d/g"))).toBe("content");
    },
    "a hundred of them": async ({ client, at }) => {
      await make(client, at("f"));
      for (let count = 1; count <= 100; count++) await client.link(at("f"), at(`f${count}`));
      expect((await client.stat(at("f"))).nlink).toBe(101);
      for (let count = 1; count <= 100; count++) await client.unlink(at(`f${count}`));
      expect((await client.stat(at("f"))).nlink).toBe(1);
    },
    "to a name that exists: EEXIST": async ({ client, at }) => {
      await make(client, at("f"), "f");
      await make(client, at("g"), "g");
      await client.mkdir(at("d"));
      await fails(client.link(at("f"), at("g")), "EEXIST");
      await fails(client.link(at("f"), at("f")), "EEXIST");
      await fails(client.link(at("f"), at("d")), "EEXIST");
      expect((await client.stat(at("f"))).nlink).toBe(1);
    },
    "of what is not there, or to where nothing is: ENOENT": async ({ client, at }) => {
      await make(client, at("f"));
      await fails(client.link(at("no"), at("g")), "ENOENT");
      await fails(client.link(at("f"), at("no/g")), "ENOENT");
    },
    "below a file: ENOTDIR": async ({ client, at }) => {
      await make(client, at("f"));
      await make(client, at("g"));
      await fails(client.link(at("f"), at("g/h")), "ENOTDIR");
      await fails(client.link(at("g/h"), at("i")), "ENOTDIR");
    },
    "of a directory: EPERM": async ({ client, at }) => {
      await client.mkdir(at("d"));
      await fails(client.link(at("d"), at("e")), "EPERM");
    },
    "a removed name's file is not linked again by path: ENOENT": async ({ client, at }) => {
      await make(client, at("f"));
      await using(client.open(at("f"), O_RDONLY), async () => {
        await client.unlink(at("f"));
        await fails(client.link(at("f"), at("g")), "ENOENT");
      });
    },
  },
};

export const hardLinksOfOthers: Subject = {
  name: "hard links of other kinds",
  needs: ["write", "links", "symlinks", "special"],
  cases: {
    "of a symbolic link: of itself, not of its target": async ({ client, at }) => {
      await make(client, at("f"));
      await client.symlink("f", at("l"));
      await client.link(at("l"), at("m"));
      const stat = await client.lstat(at("m"));
      expect([kind(stat), stat.nlink]).toEqual([S_IFLNK, 2]);
      expect(await client.readlink(at("m"))).toBe("f");
      expect((await client.lstat(at("f"))).nlink).toBe(1);
    },
    "of a FIFO": async ({ client, at }) => {
      await client.mknod(at("p"), S_IFIFO | 0o644);
      await client.link(at("p"), at("q"));
      expect(await client.lstat(at("q"))).toEqual(await client.lstat(at("p")));
    },
  },
};

/** As many bytes that are a path to nowhere. */
function target(length: number): string {
  return "no/"
    .repeat(Math.ceil(length / 3))
    .slice(0, length - 1)
    .concat("x");
}

export const symbolicLinks: Subject = {
  name: "symbolic links",
  needs: ["write", "symlinks"],
  cases: {
    ...table(
      [1, 2, 59, 60, 61, 127, 128, 255, 256, 1023, 1024, 4094, 4095],
      (length) => `a target of ${length} bytes`,
      async ({ client, at }, length) => {
        await client.symlink(target(length), at("l"));
        expect(await client.readlink(at("l"))).toBe(target(length));
        const stat = await client.lstat(at("l"));
        expect([kind(stat), stat.size, stat.nlink]).toEqual([S_IFLNK, length, 1]);
        expect(permissions(stat)).toBe(0o777);
      },
    ),
    ...table(
      ["..", "a//b/", " ", "new\nline", "grüße/λ", "\udcff\udc80", "//absolute", "a\udce2\udc82"],
      (target) => `the target ${JSON.stringify(target)} stays as it is`,
      async ({ client, at }, target) => {
        await client.symlink(target, at("l"));
        expect(await client.readlink(at("l"))).toBe(target);
      },
    ),
    "a target of 4096 bytes: ENAMETOOLONG": async ({ client, at }) => {
      await fails(client.symlink(target(4096), at("l")), "ENAMETOOLONG");
    },
    "no target: ENOENT": async ({ client, at }) => {
      await fails(client.symlink("", at("l")), "ENOENT");
    },
    "to a name that exists: EEXIST": async ({ client, at }) => {
      await make(client, at("f"));
      await client.symlink("no", at("l"));
      await fails(client.symlink("x", at("f")), "EEXIST");
      await fails(client.symlink("x", at("l")), "EEXIST");
    },
    "readlink of anything else: EINVAL": async ({ client, at }) => {
      await make(client, at("f"));
      await client.mkdir(at("d"));
      await fails(client.readlink(at("f")), "EINVAL");
      await fails(client.readlink(at("d")), "EINVAL");
      await fails(client.readlink(at("no")), "ENOENT");
    },
    "stat is of the target, lstat of the link": async ({ client, at }) => {
      await make(client, at("f"), "content");
      await client.symlink("f", at("l"));
      expect(await client.stat(at("l"))).toEqual(await client.lstat(at("f")));
      expect((await client.lstat(at("l"))).ino).not.toBe((await client.lstat(at("f"))).ino);
    },
    "a dangling one: ENOENT": async ({ client, at }) => {
      await client.symlink("no", at("l"));
      await fails(client.stat(at("l")), "ENOENT");
      await fails(client.chmod(at("l"), 0o600), "ENOENT");
      await fails(client.truncate(at("l"), 0), "ENOENT");
      expect(kind(await client.lstat(at("l")))).toBe(S_IFLNK);
    },
    "round in circles: ELOOP": async ({ client, at }) => {
      await client.symlink("self", at("self"));
      await client.symlink("b", at("a"));
      await client.symlink("a", at("b"));
      for (const name of ["self", "a", "self/x"]) {
        await fails(client.stat(at(name)), "ELOOP");
        await fails(client.open(at(name), O_RDONLY), "ELOOP");
      }
      await fails(client.mkdir(at("a/d")), "ELOOP");
    },
    "to directories lead on": async ({ client, at }) => {
      await client.mkdir(at("d"));
      await client.mkdir(at("d/e"));
      await make(client, at("d/e/f"), "content");
      await client.symlink("d/e", at("l"));
      await client.symlink("../../l", at("d/e/up"));
      expect(await text(client, at("l/f"))).toBe("content");
      expect(await text(client, at("l/up/up/f"))).toBe("content");
      expect(await names(client, at("l"))).toEqual(["f", "up"]);
      expect((await client.stat(at("l/.."))).ino).toBe((await client.stat(at("d"))).ino);
    },
    "a trailing slash follows": async ({ client, at }) => {
      await client.mkdir(at("d"));
      await make(client, at("f"));
      await client.symlink("d", at("l"));
      await client.symlink("f", at("m"));
      expect((await client.lstat(at("l/"))).ino).toBe((await client.stat(at("d"))).ino);
      await fails(client.lstat(at("m/")), "ENOTDIR");
    },
    "unlink removes the link alone": async ({ client, at }) => {
      await client.mkdir(at("d"));
      await client.symlink("d", at("l"));
      await fails(client.rmdir(at("l")), "ENOTDIR");
      await client.unlink(at("l"));
      expect(await names(client, at(""))).toEqual(["d"]);
    },
    "mkdir where one dangles: EEXIST": async ({ client, at }) => {
      await client.symlink("no", at("l"));
      await fails(client.mkdir(at("l")), "EEXIST");
      await fails(client.mknod(at("l"), 0o100644), "EEXIST");
    },
    "are renamed themselves": async ({ client, at }) => {
      await make(client, at("f"), "content");
      await client.symlink("f", at("l"));
      await client.rename(at("l"), at("m"));
      expect(await client.readlink(at("m"))).toBe("f");
      expect(await names(client, at(""))).toEqual(["f", "m"]);
    },
    "belong to who made them": async ({ alice, client, at }) => {
      await alice.symlink("no", at("l"));
      const stat = await client.lstat(at("l"));
      expect([stat.uid, stat.gid]).toEqual([1001, 1001]);
    },
  },
};

export const chains: Subject = {
  name: "chains of symbolic links",
  needs: ["write", "symlinks", "kernel"],
  cases: {
    "40 are followed, 41 are not: ELOOP": async ({ client, at }) => {
      await make(client, at("l0"), "content");
      for (let count = 1; count <= 41; count++) {
        await client.symlink(`l${count - 1}`, at(`l${count}`));
      }
      expect((await content(client, at("l40"))).length).toBe(7);
      await fails(client.stat(at("l41")), "ELOOP");
    },
  },
};
