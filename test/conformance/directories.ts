import { expect } from "bun:test";
import { O_DIRECTORY, O_RDONLY } from "../support/client.ts";
import { Random } from "../support/random.ts";
import {
  exists,
  fails,
  type Ground,
  kind,
  make,
  names,
  permissions,
  type Subject,
  table,
  using,
} from "./case.ts";

const S_IFDIR = 0o040000;

export const directories: Subject = {
  name: "mkdir and rmdir",
  needs: ["write"],
  cases: {
    ...table(
      [0o755, 0o700, 0o777, 0o000, 0o1777],
      (mode) => `mkdir with mode ${mode.toString(8)}`,
      async ({ client, at }, mode) => {
        await client.mkdir(at("d"), mode);
        const stat = await client.lstat(at("d"));
        expect([kind(stat), permissions(stat), stat.nlink]).toEqual([S_IFDIR, mode, 2]);
      },
    ),
    "mkdir of what exists: EEXIST": async ({ client, at }) => {
      await make(client, at("f"));
      await client.mkdir(at("d"));
      await fails(client.mkdir(at("f")), "EEXIST");
      await fails(client.mkdir(at("d")), "EEXIST");
      await fails(client.mkdir(at("d/.")), "EEXIST");
      await fails(client.mkdir(at("d/..")), "EEXIST");
    },
    "mkdir where nothing is: ENOENT": async ({ client, at }) => {
      await fails(client.mkdir(at("no/d")), "ENOENT");
    },
    "mkdir below a file: ENOTDIR": async ({ client, at }) => {
      await make(client, at("f"));
      await fails(client.mkdir(at("f/d")), "ENOTDIR");
    },
    "mkdir with a trailing slash": async ({ client, at }) => {
      await client.mkdir(at("d/"));
      expect(await exists(client, at("d"))).toBe(true);
    },
    "rmdir takes it away": async ({ client, at }) => {
      await client.mkdir(at("d"));
      await client.rmdir(at("d"));
      expect(await exists(client, at("d"))).toBe(false);
    },
    "rmdir of one that is not empty: ENOTEMPTY": async ({ client, at }) => {
      await client.mkdir(at("d"));
      await make(client, at("d/f"));
      await fails(client.rmdir(at("d")), "ENOTEMPTY", "EEXIST");
      await client.unlink(at("d/f"));
      await client.mkdir(at("d/e"));
      await fails(client.rmdir(at("d")), "ENOTEMPTY", "EEXIST");
      await client.rmdir(at("d/e"));
      await client.rmdir(at("d"));
    },
    "rmdir of a file: ENOTDIR": async ({ client, at }) => {
      await make(client, at("f"));
      await fails(client.rmdir(at("f")), "ENOTDIR");
    },
    "rmdir of what is not there: ENOENT": async ({ client, at }) => {
      await fails(client.rmdir(at("no")), "ENOENT");
    },
    'rmdir of ".": EINVAL, of "..": ENOTEMPTY': async ({ client, at }) => {
      await client.mkdir(at("d"));
      await client.mkdir(at("d/e"));
      await fails(client.rmdir(at("d/e/.")), "EINVAL");
      await fails(client.rmdir(at("d/e/..")), "ENOTEMPTY", "EEXIST");
    },
    'a rename of or to "." or "..": EBUSY': async ({ client, at }) => {
      await client.mkdir(at("d"));
      await client.mkdir(at("e"));
      for (const name of ["d/.", "d/.."]) {
        await fails(client.rename(at(name), at("f")), "EBUSY", "EINVAL");
        await fails(client.rename(at("e"), at(name)), "EBUSY", "EINVAL", "EEXIST", "ENOTEMPTY");
      }
    },
    "what is in a directory counts in its links": async ({ client, at }) => {
      await client.mkdir(at("d"));
      for (const name of ["a", "b", "c"]) await client.mkdir(at(`d/${name}`));
      await make(client, at("d/f"));
      expect((await client.stat(at("d"))).nlink).toBe(5);
      await client.rmdir(at("d/b"));
      expect((await client.stat(at("d"))).nlink).toBe(4);
    },
    "a hundred levels": async ({ client, at }) => {
      let path = at("d");
      for (let level = 0; level < 100; level++) {
        await client.mkdir(path);
        path += "/d";
      }
      await make(client, path);
      expect((await client.stat(path)).size).toBe(0);
    },
    'trailing slashes, "." and ".." on the way': async ({ client, at }) => {
      await client.mkdir(at("d"));
      await make(client, at("f"));
      const { ino } = await client.stat(at("d"));
      for (const path of ["d/", "d//", "d/.", "./d", "d/../d", "d/./../d/."]) {
        expect((await client.lstat(at(path))).ino).toBe(ino);
      }
      await fails(client.lstat(at("f/")), "ENOTDIR");
      await fails(client.lstat(at("f/.")), "ENOTDIR");
      await fails(client.unlink(at("f/")), "ENOTDIR");
      await fails(client.lstat(at("no/..")), "ENOENT");
    },
  },
};

/** Makes as many entries, beside each other. */
async function fill({ client, at }: Ground, count: number): Promise<string[]> {
  const made = Array.from({ length: count }, (_, number) => `entry ${number}`);
  for (let from = 0; from < count; from += 500) {
    await Promise.all(made.slice(from, from + 500).map((name) => client.mknod(at(name), 0o100644)));
  }
  return made;
}

function visible(entries: { name: string }[]): string[] {
  return entries.map(({ name }) => name).filter((name) => name !== "." && name !== "..");
}

export const listing: Subject = {
  name: "readdir",
  needs: ["write"],
  cases: {
    ...table(
      [0, 1, 2, 50, 1000, 10_000],
      (count) => `${count} entries, each once`,
      async (ground, count) => {
        const made = await fill(ground, count);
        const found = visible(await ground.client.readdir(ground.directory));
        expect(found.sort()).toEqual(made.sort());
      },
    ),
    '"." and ".." with the right inodes': async ({ client, directory, at }) => {
      await client.mkdir(at("d"));
      const entries = await client.readdir(at("d"));
      const inodes = Object.fromEntries(entries.map(({ name, ino }) => [name, ino]));
      expect(inodes).toEqual({
        ".": (await client.stat(at("d"))).ino,
        "..": (await client.stat(directory)).ino,
      });
      expect(entries.map(({ type }) => type)).toEqual([4, 4]);
    },
    "inodes are those of lstat": async (ground) => {
      await fill(ground, 100);
      for (const { name, ino } of await ground.client.readdir(ground.directory)) {
        if (name !== "..") expect((await ground.client.lstat(ground.at(name))).ino).toBe(ino);
      }
    },
    "a scan goes on from any entry": async (ground) => {
      await fill(ground, 200);
      await using(ground.client.open(ground.directory, O_RDONLY | O_DIRECTORY), async (file) => {
        const all = await file.readdir();
        for (const [index, entry] of all.entries()) {
          if (index % 20 !== 3) continue;
          const rest = await file.readdir(entry.offset);
          expect(visible(rest)).toEqual(visible(all.slice(index + 1)));
        }
      });
    },
    "in small steps": async (ground) => {
      const made = await fill(ground, 1000);
      await using(ground.client.open(ground.directory, O_RDONLY | O_DIRECTORY), async (file) => {
        const found: string[] = [];
        for (let from = 0; ; ) {
          const step = await file.readdir(from, 7);
          const last = step.at(-1);
          if (last === undefined) break;
          found.push(...visible(step));
          from = last.offset;
        }
        expect(found.sort()).toEqual(made.sort());
      });
    },
    ...table(
      [21, 22, 23, 24],
      (seed) => `what stays is seen once while others come and go, seed ${seed}`,
      async (ground, seed) => {
        const random = new Random(seed);
        const { client, at } = ground;
        const made = await fill(ground, 600);
        const stay = new Set(made.filter(() => random.oneIn(2)));
        const going = made.filter((name) => !stay.has(name));
        let fresh = 0;
        await using(client.open(ground.directory, O_RDONLY | O_DIRECTORY), async (file) => {
          const found: string[] = [];
          for (let from = 0; ; ) {
            const step = await file.readdir(from, random.between(1, 60));
            const last = step.at(-1);
            if (last === undefined) break;
            found.push(...visible(step));
            from = last.offset;
            for (let change = 0; change < 10; change++) {
              if (random.oneIn(2)) await make(client, at(`new ${fresh++}`));
              const gone = random.oneIn(2) ? going.pop() : undefined;
              if (gone !== undefined) await client.unlink(at(gone));
            }
            if (fresh > 2000) break;
          }
          expect(found.length).toBe(new Set(found).size);
          if (fresh <= 2000) {
            expect(found.filter((name) => stay.has(name)).sort()).toEqual([...stay].sort());
          }
        });
      },
    ),
    "rewound, a scan sees what is new": async ({ client, directory, at }) => {
      await make(client, at("a"));
      await using(client.open(directory, O_RDONLY | O_DIRECTORY), async (file) => {
        expect(visible(await file.readdir())).toEqual(["a"]);
        await make(client, at("b"));
        expect(visible(await file.readdir()).sort()).toEqual(["a", "b"]);
        await client.unlink(at("a"));
        expect(visible(await file.readdir())).toEqual(["b"]);
      });
    },
    "everything can be removed during a scan": async (ground) => {
      const { client, at } = ground;
      await fill(ground, 300);
      await using(client.open(ground.directory, O_RDONLY | O_DIRECTORY), async (file) => {
        for (let from = 0; ; ) {
          const step = await file.readdir(from, 50);
          const last = step.at(-1);
          if (last === undefined) break;
          for (const name of visible(step)) await client.unlink(at(name));
          from = last.offset;
        }
      });
      expect(await names(client, ground.directory)).toEqual([]);
    },
    "of a file: ENOTDIR": async ({ client, at }) => {
      await make(client, at("f"));
      await fails(client.readdir(at("f")), "ENOTDIR");
    },
  },
};

export const listingKinds: Subject = {
  name: "readdir, kinds",
  needs: ["write", "symlinks", "special"],
  cases: {
    "each entry tells what it is": async ({ client, directory, at }) => {
      await make(client, at("file"));
      await client.mkdir(at("directory"));
      await client.symlink("x", at("link"));
      await client.mknod(at("fifo"), 0o010644);
      await client.mknod(at("socket"), 0o140644);
      await client.mknod(at("character"), 0o020644, 0x103);
      await client.mknod(at("block"), 0o060644, 0x801);
      const entries = await client.readdir(directory);
      expect(Object.fromEntries(entries.map(({ name, type }) => [name, type]))).toEqual({
        ".": 4,
        "..": 4,
        file: 8,
        directory: 4,
        link: 10,
        fifo: 1,
        socket: 12,
        character: 2,
        block: 6,
      });
    },
  },
};
