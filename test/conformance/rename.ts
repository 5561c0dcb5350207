import { expect } from "bun:test";
import { type Client, O_RDONLY, O_RDWR, type Stat } from "../support/client.ts";
import {
  exists,
  fails,
  type Ground,
  make,
  names,
  readAll,
  type Subject,
  table,
  text,
  using,
} from "./case.ts";

const NOREPLACE = 1;
const EXCHANGE = 2;

/** What can be at either end, and how it is made. */
const kinds = {
  file: (client: Client, path: string) => make(client, path, path),
  "empty directory": (client: Client, path: string) => client.mkdir(path),
  "full directory": async (client: Client, path: string) => {
    await client.mkdir(path);
    await client.mkdir(`${path}/inside`);
  },
  "symbolic link": (client: Client, path: string) => client.symlink("nowhere", path),
  FIFO: (client: Client, path: string) => client.mknod(path, 0o010644),
};

type Kind = keyof typeof kinds;

interface Row {
  readonly source: Kind;
  readonly target: Kind | "nothing";
  readonly flags: number;
  /** In another directory. */
  readonly away: boolean;
}

const sources: Kind[] = ["file", "empty directory", "full directory", "symbolic link", "FIFO"];
const rows: Row[] = sources.flatMap((source) =>
  (["nothing", ...sources] as const).flatMap((target) =>
    [0, NOREPLACE, EXCHANGE].flatMap((flags) =>
      [false, true].map((away) => ({ source, target, flags, away })),
    ),
  ),
);

/** What rename(2) says of it: an error's names, or none. */
function expected({ source, target, flags }: Row): string[] {
  if (flags === NOREPLACE) return target === "nothing" ? [] : ["EEXIST"];
  if (flags === EXCHANGE) return target === "nothing" ? ["ENOENT"] : [];
  if (target === "nothing") return [];
  if (isDirectory(source) && !isDirectory(target)) return ["ENOTDIR"];
  if (!isDirectory(source) && isDirectory(target)) return ["EISDIR"];
  return target === "full directory" ? ["ENOTEMPTY", "EEXIST"] : [];
}

function isDirectory(kind: Kind | "nothing"): boolean {
  return kind.endsWith("directory");
}

function title({ source, target, flags, away }: Row): string {
  const how = ["", " with NOREPLACE", " with EXCHANGE"][flags];
  return `a ${source} onto ${target === "nothing" ? target : `a ${target}`}${away ? " elsewhere" : ""}${how}`;
}

async function move({ client, at }: Ground, row: Row): Promise<void> {
  await client.mkdir(at("a"));
  await client.mkdir(at("b"));
  const [from, to] = [at("a/source"), at(row.away ? "b/target" : "a/target")];
  await kinds[row.source](client, from);
  if (row.target !== "nothing") await kinds[row.target](client, to);
  const source = await client.lstat(from);
  const target = row.target === "nothing" ? undefined : await client.lstat(to);
  const errors = expected(row);
  if (errors.length > 0) {
    await fails(client.rename(from, to, row.flags), ...errors);
    expect((await client.lstat(from)).ino).toBe(source.ino);
    if (target === undefined) expect(await exists(client, to)).toBe(false);
    else expect((await client.lstat(to)).ino).toBe(target.ino);
  } else {
    await client.rename(from, to, row.flags);
    expect(told(await client.lstat(to))).toEqual(told(source));
    if (row.flags === EXCHANGE) {
      expect(told(await client.lstat(from))).toEqual(told(target as Stat));
    } else {
      expect(await exists(client, from)).toBe(false);
    }
  }
  for (const directory of [at("a"), at("b")]) await countsItsDirectories(client, directory);
}

/** What a rename leaves alone. */
function told({ ino, mode, nlink, size, mtime }: Stat) {
  return { ino, mode, nlink, size, mtime };
}

async function countsItsDirectories(client: Client, path: string): Promise<void> {
  const entries = await client.readdir(path);
  const directories = entries.filter((entry) => entry.type === 4);
  expect((await client.stat(path)).nlink).toBe(directories.length);
  for (const { name, ino } of entries.filter(({ name }) => !/^\.\.?$/.test(name))) {
    expect((await client.lstat(`${path}/${name}`)).ino).toBe(ino);
  }
}

export const renaming: Subject = {
  name: "rename",
  needs: ["write", "symlinks", "special"],
  cases: table(
    rows.filter((row) => row.flags !== EXCHANGE),
    title,
    move,
  ),
};

export const exchanging: Subject = {
  name: "exchange",
  needs: ["write", "symlinks", "special", "exchange"],
  cases: {
    ...table(
      rows.filter((row) => row.flags === EXCHANGE),
      title,
      move,
    ),
    "of a directory with what it holds: EINVAL": async ({ client, at }) => {
      await client.mkdir(at("d"));
      await client.mkdir(at("d/e"));
      await fails(client.rename(at("d"), at("d/e"), EXCHANGE), "EINVAL");
      await fails(client.rename(at("d/e"), at("d"), EXCHANGE), "EINVAL", "ENOTEMPTY");
    },
    "of a name with itself is nothing": async ({ client, at }) => {
      await make(client, at("f"), "f");
      await client.rename(at("f"), at("f"), EXCHANGE);
      expect(await text(client, at("f"))).toBe("f");
    },
    "of two names of one file is nothing": async ({ client, at }) => {
      await make(client, at("f"), "f");
      await client.link(at("f"), at("g"));
      await client.rename(at("f"), at("g"), EXCHANGE);
      expect((await client.stat(at("f"))).nlink).toBe(2);
    },
    "of two trees": async ({ client, at }) => {
      for (const name of ["d", "e"]) {
        await client.mkdir(at(name));
        await client.mkdir(at(`${name}/sub`));
        await make(client, at(`${name}/sub/f`), name);
      }
      await client.rename(at("d/sub"), at("e"), EXCHANGE);
      expect(await text(client, at("e/f"))).toBe("d");
      expect(await text(client, at("d/sub/sub/f"))).toBe("e");
      expect((await client.stat(at("d/sub/.."))).ino).toBe((await client.stat(at("d"))).ino);
      expect((await client.stat(at("e/.."))).ino).toBe((await client.stat(at(""))).ino);
    },
  },
};

export const renamingRules: Subject = {
  name: "rename, besides",
  needs: ["write"],
  cases: {
    "of what is not there: ENOENT": async ({ client, at }) => {
      await make(client, at("f"));
      await fails(client.rename(at("no"), at("g")), "ENOENT");
      await fails(client.rename(at("no"), at("f")), "ENOENT");
      await fails(client.rename(at("no/f"), at("g")), "ENOENT");
      await fails(client.rename(at("f"), at("no/g")), "ENOENT");
    },
    "below a file: ENOTDIR": async ({ client, at }) => {
      await make(client, at("f"));
      await make(client, at("g"));
      await fails(client.rename(at("f"), at("g/h")), "ENOTDIR");
      await fails(client.rename(at("g/h"), at("f")), "ENOTDIR");
    },
    "onto itself is nothing": async ({ client, at }) => {
      await make(client, at("f"), "content");
      await client.mkdir(at("d"));
      await client.rename(at("f"), at("f"));
      await client.rename(at("d"), at("d"));
      expect(await text(client, at("f"))).toBe("content");
      expect(await names(client, at(""))).toEqual(["d", "f"]);
      await fails(client.rename(at("f"), at("f"), NOREPLACE), "EEXIST");
    },
    "of a directory into itself: EINVAL": async ({ client, at }) => {
      await client.mkdir(at("d"));
      await client.mkdir(at("d/e"));
      await fails(client.rename(at("d"), at("d/e/f")), "EINVAL");
      await fails(client.rename(at("d"), at("d/f")), "EINVAL");
      expect(await names(client, at("d"))).toEqual(["e"]);
    },
    "onto a directory above: ENOTEMPTY": async ({ client, at }) => {
      await client.mkdir(at("d"));
      await client.mkdir(at("d/e"));
      await client.mkdir(at("d/e/f"));
      await fails(client.rename(at("d/e/f"), at("d")), "ENOTEMPTY", "EEXIST");
    },
    "flags that exclude each other, or are not known: EINVAL": async ({ client, at }) => {
      await make(client, at("f"));
      await make(client, at("g"));
      await fails(client.rename(at("f"), at("g"), NOREPLACE | EXCHANGE), "EINVAL");
      await fails(client.rename(at("f"), at("g"), 0x100), "EINVAL");
    },
    "a moved directory has its new parent": async ({ client, at }) => {
      await client.mkdir(at("d"));
      await client.mkdir(at("d/e"));
      await make(client, at("d/e/f"), "content");
      await client.rename(at("d/e"), at("e"));
      expect(await text(client, at("e/f"))).toBe("content");
      const up = (await client.readdir(at("e"))).find(({ name }) => name === "..");
      expect(up?.ino).toBe((await client.stat(at(""))).ino);
      expect((await client.stat(at("e/.."))).ino).toBe((await client.stat(at(""))).ino);
      expect((await client.stat(at("d"))).nlink).toBe(2);
    },
    "an open file goes along": async ({ client, at }) => {
      await make(client, at("f"), "content");
      await using(client.open(at("f"), O_RDWR), async (file) => {
        await client.rename(at("f"), at("g"));
        await file.write(Buffer.from("CON"), 0);
        expect((await file.stat()).nlink).toBe(1);
      });
      expect(await text(client, at("g"))).toBe("CONtent");
    },
    "a replaced file lives on while it is open": async ({ client, at }) => {
      await make(client, at("f"), "new");
      await make(client, at("g"), "old");
      await using(client.open(at("g"), O_RDONLY), async (file) => {
        await client.rename(at("f"), at("g"));
        expect(Buffer.from(await readAll(file)).toString()).toBe("old");
        expect((await file.stat()).nlink).toBe(0);
      });
      expect(await text(client, at("g"))).toBe("new");
    },
    "a replaced directory is gone": async ({ client, at }) => {
      await client.mkdir(at("d"));
      await client.mkdir(at("e"));
      await using(client.open(at("e"), O_RDONLY), async (directory) => {
        await client.rename(at("d"), at("e"));
        expect((await directory.stat()).nlink).toBe(0);
        expect((await directory.stat()).ino).not.toBe((await client.stat(at("e"))).ino);
      });
    },
    "there and back, many times": async ({ client, at }) => {
      await client.mkdir(at("d"));
      await make(client, at("f"), "content");
      for (let round = 0; round < 50; round++) {
        await client.rename(at("f"), at("d/g"));
        await client.rename(at("d/g"), at("f"));
      }
      expect(await text(client, at("f"))).toBe("content");
      expect(await names(client, at("d"))).toEqual([]);
    },
    "to names of all lengths": async ({ client, at }) => {
      let name = "a";
      await make(client, at(name), "content");
      for (const length of [2, 10, 100, 254, 255]) {
        await client.rename(at(name), at("n".repeat(length)));
        name = "n".repeat(length);
      }
      expect(await names(client, at(""))).toEqual([name]);
    },
  },
};

export const renamingLinks: Subject = {
  name: "rename of hard links",
  needs: ["write", "links"],
  cases: {
    "onto another name of the same file is nothing": async ({ client, at }) => {
      await make(client, at("f"), "content");
      await client.link(at("f"), at("g"));
      await client.rename(at("f"), at("g"));
      expect(await names(client, at(""))).toEqual(["f", "g"]);
      expect((await client.stat(at("f"))).nlink).toBe(2);
    },
    "replacing one name leaves the others": async ({ client, at }) => {
      await make(client, at("f"), "f");
      await make(client, at("g"), "g");
      await client.link(at("g"), at("h"));
      await client.rename(at("f"), at("g"));
      expect((await client.stat(at("h"))).nlink).toBe(1);
      expect(await text(client, at("h"))).toBe("g");
    },
  },
};
