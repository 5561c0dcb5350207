import { expect } from "bun:test";
import {
  O_APPEND,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_RDONLY,
  O_RDWR,
  O_TMPFILE,
  O_TRUNC,
  O_WRONLY,
} from "../support/client.ts";
import {
  bytes,
  exists,
  fails,
  kind,
  make,
  names,
  permissions,
  readAll,
  type Subject,
  table,
  text,
  using,
} from "./case.ts";

const S_IFREG = 0o100000;
const S_IFIFO = 0o010000;
const S_IFSOCK = 0o140000;
const O_NONBLOCK = 0o4000;

export const open: Subject = {
  name: "open",
  needs: ["write"],
  cases: {
    ...table(
      [0o644, 0o600, 0o777, 0o000, 0o4755, 0o2755, 0o1644],
      (mode) => `O_CREAT makes an empty file of mode ${mode.toString(8)}`,
      async ({ client, at }, mode) => {
        await using(client.open(at("f"), O_CREAT | O_WRONLY, mode), async (file) => {
          const stat = await file.stat();
          expect(kind(stat)).toBe(S_IFREG);
          expect(permissions(stat)).toBe(mode);
          expect([stat.size, stat.nlink, stat.blocks]).toEqual([0, 1, 0]);
        });
      },
    ),
    ...table(
      [0o022, 0o077, 0o777],
      (umask) => `the umask ${umask.toString(8)} takes bits from the mode`,
      async ({ client, at }, umask) => {
        await make(client.as({ umask }), at("f"), "", 0o777);
        await client.as({ umask }).mkdir(at("d"), 0o777);
        expect(permissions(await client.stat(at("f")))).toBe(0o777 & ~umask);
        expect(permissions(await client.stat(at("d")))).toBe(0o777 & ~umask);
      },
    ),
    "a mode without write permission does not hinder the one who creates": async ({
      alice,
      at,
    }) => {
      await using(alice.open(at("f"), O_CREAT | O_RDWR, 0o000), async (file) => {
        expect(await file.write(bytes("x"), 0)).toBe(1);
        expect(await file.read(9, 0)).toEqual(bytes("x"));
      });
    },
    "O_CREAT of a file that exists keeps its mode and content": async ({ client, at }) => {
      await make(client, at("f"), "old", 0o600);
      await using(client.open(at("f"), O_CREAT | O_RDWR, 0o777), async () => {});
      expect(permissions(await client.stat(at("f")))).toBe(0o600);
      expect(await text(client, at("f"))).toBe("old");
    },
    "O_CREAT | O_EXCL makes a new file": async ({ client, at }) => {
      await using(client.open(at("f"), O_CREAT | O_EXCL | O_RDWR), async () => {});
      expect(await names(client, at(""))).toEqual(["f"]);
    },
    "O_CREAT | O_EXCL of what exists: EEXIST": async ({ client, at }) => {
      await make(client, at("f"));
      await client.mkdir(at("d"));
      for (const name of ["f", "d"]) {
        await fails(client.open(at(name), O_CREAT | O_EXCL | O_RDWR), "EEXIST");
      }
    },
    "O_CREAT in a directory that is not there: ENOENT": async ({ client, at }) => {
      await fails(client.open(at("no/f"), O_CREAT | O_RDWR), "ENOENT");
    },
    "O_CREAT below a file: ENOTDIR": async ({ client, at }) => {
      await make(client, at("f"));
      await fails(client.open(at("f/g"), O_CREAT | O_RDWR), "ENOTDIR");
    },
    "O_CREAT of a directory: EISDIR": async ({ client, at }) => {
      await client.mkdir(at("d"));
      await fails(client.open(at("d"), O_CREAT | O_RDWR), "EISDIR");
    },
    "what is not there: ENOENT": async ({ client, at }) => {
      await fails(client.open(at("f"), O_RDONLY), "ENOENT");
      await fails(client.open(at("no/f"), O_RDONLY), "ENOENT");
    },
    "O_TRUNC empties": async ({ client, at }) => {
      await make(client, at("f"), "something");
      await using(client.open(at("f"), O_TRUNC | O_WRONLY), async (file) => {
        expect((await file.stat()).size).toBe(0);
      });
      expect(await text(client, at("f"))).toBe("");
    },
    "O_CREAT | O_TRUNC empties a file that exists": async ({ client, at }) => {
      await make(client, at("f"), "something", 0o640);
      await using(client.open(at("f"), O_CREAT | O_TRUNC | O_RDWR, 0o777), async () => {});
      const stat = await client.stat(at("f"));
      expect([stat.size, permissions(stat)]).toEqual([0, 0o640]);
    },
    "O_TRUNC of one open is seen by another": async ({ client, at }) => {
      await make(client, at("f"), "something");
      await using(client.open(at("f"), O_RDONLY), async (file) => {
        await using(client.open(at("f"), O_TRUNC | O_RDWR), async () => {});
        expect(await file.read(10, 0)).toEqual(bytes(""));
      });
    },
    "O_APPEND writes at the end": async ({ client, at }) => {
      await make(client, at("f"), "one");
      await using(client.open(at("f"), O_APPEND | O_WRONLY), async (file) => {
        await file.write(bytes("two"));
        await file.write(bytes("three"));
      });
      expect(await text(client, at("f"))).toBe("onetwothree");
    },
    "O_APPEND writes at the end that others have moved": async ({ client, at }) => {
      await make(client, at("f"));
      await using(client.open(at("f"), O_APPEND | O_WRONLY), async (one) => {
        await using(client.open(at("f"), O_APPEND | O_WRONLY), async (other) => {
          for (let round = 0; round < 50; round++) {
            await one.write(bytes("1"));
            await other.write(bytes("22"));
          }
        });
      });
      expect(await text(client, at("f"))).toBe("122".repeat(50));
    },
    "O_DIRECTORY of a file: ENOTDIR": async ({ client, at }) => {
      await make(client, at("f"));
      await fails(client.open(at("f"), O_DIRECTORY | O_RDONLY), "ENOTDIR");
    },
    "a directory opens for reading only": async ({ client, at }) => {
      await client.mkdir(at("d"));
      await using(client.open(at("d"), O_RDONLY), async () => {});
      await fails(client.open(at("d"), O_WRONLY), "EISDIR");
      await fails(client.open(at("d"), O_RDWR), "EISDIR");
    },
    "reading a directory as a file: EISDIR": async ({ client, at }) => {
      await client.mkdir(at("d"));
      await using(client.open(at("d"), O_RDONLY), (file) => fails(file.read(1, 0), "EISDIR"));
    },
    "reading what is open for writing: EBADF": async ({ client, at }) => {
      await using(client.open(at("f"), O_CREAT | O_WRONLY), (file) =>
        fails(file.read(1, 0), "EBADF"),
      );
    },
    "writing what is open for reading: EBADF": async ({ client, at }) => {
      await make(client, at("f"), "a");
      await using(client.open(at("f"), O_RDONLY), (file) =>
        fails(file.write(bytes("b"), 0), "EBADF"),
      );
    },
    "a descriptor closed twice: EBADF": async ({ client, at }) => {
      const file = await client.open(at("f"), O_CREAT | O_RDWR);
      await file.close();
      await fails(file.close(), "EBADF");
    },
    "a removed file lives on while it is open": async ({ client, at }) => {
      await make(client, at("f"), "still");
      await using(client.open(at("f"), O_RDWR), async (file) => {
        await client.unlink(at("f"));
        expect(await exists(client, at("f"))).toBe(false);
        expect(Buffer.from(await readAll(file)).toString()).toBe("still");
        await file.write(bytes(" here"), 5);
        expect(Buffer.from(await readAll(file)).toString()).toBe("still here");
        await file.truncate(2);
        await file.chmod(0o600);
        const stat = await file.stat();
        expect([stat.nlink, stat.size, permissions(stat)]).toEqual([0, 2, 0o600]);
      });
    },
    "a new file of the same name is another file": async ({ client, at }) => {
      await make(client, at("f"), "first");
      await using(client.open(at("f"), O_RDWR), async (file) => {
        await client.unlink(at("f"));
        await make(client, at("f"), "second");
        expect(Buffer.from(await readAll(file)).toString()).toBe("first");
        expect((await file.stat()).ino).not.toBe((await client.stat(at("f"))).ino);
        expect(await text(client, at("f"))).toBe("second");
      });
    },
    "an open directory can be removed": async ({ client, at }) => {
      await client.mkdir(at("d"));
      await using(client.open(at("d"), O_RDONLY | O_DIRECTORY), async (directory) => {
        await client.rmdir(at("d"));
        expect((await directory.stat()).nlink).toBe(0);
        const left = await directory.readdir().catch((error: { code?: string }) => {
          expect(error.code).toBe("ENOENT");
          return [];
        });
        expect(left.filter(({ name }) => name !== "." && name !== "..")).toEqual([]);
      });
    },
    "fsync and fdatasync of files and directories": async ({ client, at }) => {
      await make(client, at("f"), "x");
      await client.mkdir(at("d"));
      for (const name of ["f", "d"]) {
        await using(client.open(at(name), O_RDONLY), async (file) => {
          await file.sync();
          await file.sync(true);
        });
      }
    },
  },
};

export const openOfLinks: Subject = {
  name: "open of symbolic links",
  needs: ["write", "symlinks"],
  cases: {
    "opens what the link leads to": async ({ client, at }) => {
      await make(client, at("f"), "content");
      await client.symlink("f", at("l"));
      expect(await text(client, at("l"))).toBe("content");
    },
    "O_NOFOLLOW: ELOOP": async ({ client, at }) => {
      await make(client, at("f"));
      await client.symlink("f", at("l"));
      await fails(client.open(at("l"), O_NOFOLLOW | O_RDONLY), "ELOOP");
    },
    "O_NOFOLLOW follows links that are not the last component": async ({ client, at }) => {
      await client.mkdir(at("d"));
      await make(client, at("d/f"));
      await client.symlink("d", at("l"));
      await using(client.open(at("l/f"), O_NOFOLLOW | O_RDONLY), async () => {});
    },
    "O_NOFOLLOW | O_DIRECTORY of a link to a directory: ENOTDIR": async ({ client, at }) => {
      await client.mkdir(at("d"));
      await client.symlink("d", at("l"));
      await fails(client.open(at("l"), O_NOFOLLOW | O_DIRECTORY), "ENOTDIR", "ELOOP");
    },
    "O_CREAT through a dangling link makes its target": async ({ client, at }) => {
      await client.symlink("f", at("l"));
      await make(client, at("l"), "made");
      expect(await text(client, at("f"))).toBe("made");
    },
    "O_CREAT | O_EXCL of a link, dangling or not: EEXIST": async ({ client, at }) => {
      await make(client, at("f"));
      await client.symlink("f", at("l"));
      await client.symlink("no", at("dangling"));
      for (const name of ["l", "dangling"]) {
        await fails(client.open(at(name), O_CREAT | O_EXCL | O_RDWR), "EEXIST");
      }
      expect(await exists(client, at("no"))).toBe(false);
    },
    "O_TRUNC empties what the link leads to": async ({ client, at }) => {
      await make(client, at("f"), "content");
      await client.symlink("f", at("l"));
      await using(client.open(at("l"), O_TRUNC | O_WRONLY), async () => {});
      expect((await client.lstat(at("f"))).size).toBe(0);
      expect(await client.readlink(at("l"))).toBe("f");
    },
  },
};

export const openSpecial: Subject = {
  name: "open of special files",
  needs: ["write", "special", "kernel"],
  cases: {
    "a FIFO without a reader, O_NONBLOCK for writing: ENXIO": async ({ client, at }) => {
      await client.mknod(at("p"), S_IFIFO | 0o666);
      await fails(client.open(at("p"), O_WRONLY | O_NONBLOCK), "ENXIO");
    },
    "a FIFO opens at both ends and has no offsets": async ({ client, at }) => {
      await client.mknod(at("p"), S_IFIFO | 0o666);
      await using(client.open(at("p"), O_RDONLY | O_NONBLOCK), () =>
        using(client.open(at("p"), O_WRONLY | O_NONBLOCK), async (writer) => {
          await fails(writer.write(bytes("x"), 0), "ESPIPE");
        }),
      );
    },
    "a socket: ENXIO": async ({ client, at }) => {
      await client.mknod(at("s"), S_IFSOCK | 0o666);
      await fails(client.open(at("s"), O_RDWR), "ENXIO");
    },
  },
};

export const tmpfile: Subject = {
  name: "O_TMPFILE",
  needs: ["write", "tmpfile"],
  cases: {
    "a file without a name": async ({ client, directory }) => {
      await using(client.open(directory, O_TMPFILE | O_RDWR, 0o640), async (file) => {
        const stat = await file.stat();
        expect([kind(stat), permissions(stat), stat.nlink, stat.size]).toEqual([
          S_IFREG,
          0o640,
          0,
          0,
        ]);
        await file.write(bytes("content"), 0);
        expect(Buffer.from(await readAll(file)).toString()).toBe("content");
        expect(await names(client, directory)).toEqual([]);
      });
    },
    "gets a name by linkat": async ({ client, directory, at }) => {
      await using(client.open(directory, O_TMPFILE | O_RDWR, 0o640), async (file) => {
        await file.write(bytes("content"), 0);
        await client.linkDescriptor(file, at("f"));
        expect((await file.stat()).nlink).toBe(1);
        expect((await file.stat()).ino).toBe((await client.lstat(at("f"))).ino);
      });
      expect(await text(client, at("f"))).toBe("content");
      await client.unlink(at("f"));
    },
    "gets two names": async ({ client, directory, at }) => {
      await using(client.open(directory, O_TMPFILE | O_RDWR), async (file) => {
        await client.linkDescriptor(file, at("f"));
        await client.link(at("f"), at("g"));
        expect((await file.stat()).nlink).toBe(2);
      });
    },
    "the name must be free: EEXIST": async ({ client, directory, at }) => {
      await make(client, at("f"), "old");
      await using(client.open(directory, O_TMPFILE | O_RDWR), (file) =>
        fails(client.linkDescriptor(file, at("f")), "EEXIST"),
      );
      expect(await text(client, at("f"))).toBe("old");
    },
    "for reading only: EINVAL": async ({ client, directory }) => {
      await fails(client.open(directory, O_TMPFILE | O_RDONLY), "EINVAL");
    },
    "belongs to who made it": async ({ alice, directory, at }) => {
      await using(alice.open(directory, O_TMPFILE | O_RDWR), async (file) => {
        await alice.linkDescriptor(file, at("f"));
        const stat = await file.stat();
        expect([stat.uid, stat.gid]).toEqual([1001, 1001]);
      });
    },
    "needs the right to write in the directory": async ({ client, alice, at }) => {
      await client.mkdir(at("d"), 0o755);
      await fails(alice.open(at("d"), O_TMPFILE | O_RDWR), "EACCES");
    },
  },
};

export const tmpfileExclusive: Subject = {
  name: "O_TMPFILE with O_EXCL",
  needs: ["write", "tmpfile", "kernel"],
  cases: {
    "with O_EXCL never gets a name: ENOENT": async ({ client, directory, at }) => {
      await using(client.open(directory, O_TMPFILE | O_RDWR | O_EXCL), (file) =>
        fails(client.linkDescriptor(file, at("f")), "ENOENT"),
      );
    },
  },
};

export const appending: Subject = {
  name: "O_APPEND of several processes",
  needs: ["write", "kernel"],
  cases: {
    "writers of several processes append whole": async ({ client, at }) => {
      await make(client, at("f"));
      const writers = [0, 1, 2, 3].map((umask) => client.as({ umask }));
      const lines = await Promise.all(
        writers.map((writer, number) =>
          using(writer.open(at("f"), O_APPEND | O_WRONLY), async (file) => {
            const own = Array.from({ length: 50 }, (_, line) => `${number}:${line}\n`);
            for (const line of own) await file.write(bytes(line));
            return own;
          }),
        ),
      );
      const written = (await text(client, at("f"))).split(/(?<=\n)/);
      expect(written.sort()).toEqual(lines.flat().sort());
    },
  },
};
