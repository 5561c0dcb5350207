import { expect } from "bun:test";
import { O_RDONLY, O_RDWR, O_WRONLY } from "../support/client.ts";
import {
  ALICE,
  BOB,
  type Case,
  exists,
  fails,
  type Ground,
  make,
  type Subject,
  TEAM,
  table,
  using,
} from "./case.ts";

/** Who wants to remove what belongs to whom from a sticky directory. */
interface Removal {
  readonly file: number;
  readonly directory: number;
  readonly allowed: boolean;
  readonly who: string;
}

const REMOVALS: readonly Removal[] = [
  { who: "the owner of the file", file: ALICE, directory: BOB, allowed: true },
  { who: "the owner of the directory", file: BOB, directory: ALICE, allowed: true },
  { who: "someone else", file: BOB, directory: BOB, allowed: false },
  { who: "someone else with root's file", file: 0, directory: 0, allowed: false },
];

type Removing = (ground: Ground, removal: Removal) => Promise<unknown>;

const WAYS: Record<string, Removing> = {
  unlinks: async ({ client, alice, at }, { file }) => {
    await make(client, at("s/f"));
    await client.lchown(at("s/f"), file, -1);
    return () => alice.unlink(at("s/f"));
  },
  "removes a directory": async ({ client, alice, at }, { file }) => {
    await client.mkdir(at("s/d"));
    await client.chown(at("s/d"), file, -1);
    return () => alice.rmdir(at("s/d"));
  },
  "renames away": async ({ client, alice, at }, { file }) => {
    await make(client, at("s/f"));
    await client.chown(at("s/f"), file, -1);
    return () => alice.rename(at("s/f"), at("g"));
  },
  "renames within": async ({ client, alice, at }, { file }) => {
    await make(client, at("s/f"));
    await client.chown(at("s/f"), file, -1);
    return () => alice.rename(at("s/f"), at("s/g"));
  },
  "renames over it": async ({ client, alice, at }, { file }) => {
    await make(client, at("s/f"));
    await client.chown(at("s/f"), file, -1);
    await make(alice, at("g"));
    return () => alice.rename(at("g"), at("s/f"));
  },
};

export const sticky: Subject = {
  name: "sticky directories",
  needs: ["write", "owners"],
  cases: {
    ...table(
      Object.entries(WAYS).flatMap(([way, prepare]) =>
        REMOVALS.map((removal) => ({ way, prepare, removal })),
      ),
      ({ way, removal }) => `${removal.who} ${way}: ${removal.allowed ? "done" : "EPERM"}`,
      async (ground, { prepare, removal }) => {
        const { client, at } = ground;
        await client.mkdir(at("s"), 0o777);
        const act = (await prepare(ground, removal)) as () => Promise<unknown>;
        await client.chown(at("s"), removal.directory, -1);
        await client.chmod(at("s"), 0o1777);
        if (removal.allowed) await act();
        else await fails(act(), "EPERM", "EACCES");
      },
    ),
    "root removes what it likes": async ({ client, alice, at }) => {
      await client.mkdir(at("s"), 0o1777);
      await make(alice, at("s/f"));
      await client.unlink(at("s/f"));
    },
  },
};

/** Whose bits of the mode count for ALICE: file's owner and group, and how far the bits are to be shifted. */
const CLASSES = [
  { name: "owner", uid: ALICE, gid: ALICE, shift: 6 },
  { name: "group", uid: 0, gid: ALICE, shift: 3 },
  { name: "supplementary group", uid: 0, gid: TEAM, shift: 3 },
  { name: "other", uid: 0, gid: 0, shift: 0 },
] as const;

/** What changes a directory: needs write and search permission. */
const CHANGERS: Record<string, (ground: Ground) => Promise<unknown>> = {
  create: ({ alice, at }) => make(alice, at("d/new")),
  mkdir: ({ alice, at }) => alice.mkdir(at("d/new")),
  mknod: ({ alice, at }) => alice.mknod(at("d/new"), 0o010644),
  symlink: ({ alice, at }) => alice.symlink("x", at("d/new")),
  link: ({ alice, at }) => alice.link(at("mine"), at("d/new")),
  unlink: ({ alice, at }) => alice.unlink(at("d/f")),
  rmdir: ({ alice, at }) => alice.rmdir(at("d/e")),
  "rename from": ({ alice, at }) => alice.rename(at("d/f"), at("new")),
  "rename to": ({ alice, at }) => alice.rename(at("mine"), at("d/new")),
};

async function guarded(ground: Ground, mode: number): Promise<void> {
  const { client, alice, at } = ground;
  await client.mkdir(at("d"), 0o777);
  await make(alice, at("d/f"), "content", 0o666);
  await alice.mkdir(at("d/e"));
  await make(alice, at("mine"));
  await client.chmod(at("d"), mode);
}

export const access: Subject = {
  name: "access",
  needs: ["write", "owners"],
  cases: {
    ...table(
      CLASSES.flatMap((of) => [0, 1, 2, 3, 4, 5, 6, 7].map((bits) => ({ ...of, bits }))),
      ({ name, bits }) => `${name} with bits ${bits}`,
      async ({ client, alice, at }, { uid, gid, shift, bits }) => {
        await make(client, at("f"), "content");
        await client.chown(at("f"), uid, gid);
        // The other classes have the opposite: that they do not count shows too.
        await client.chmod(at("f"), (0o777 & ~(7 << shift) & ~(bits * 0o111)) | (bits << shift));
        const allowed = (mask: number, call: Promise<unknown>) =>
          (bits & mask) === mask ? call : fails(call, "EACCES");
        for (const mask of [0, 1, 2, 3, 4, 5, 6, 7]) {
          await allowed(mask, alice.access(at("f"), mask));
        }
        const open = (flags: number) => using(alice.open(at("f"), flags), async () => {});
        await allowed(4, open(O_RDONLY));
        await allowed(2, open(O_WRONLY));
        await allowed(6, open(O_RDWR));
        await allowed(2, alice.truncate(at("f"), 3));
      },
    ),
    ...table(
      Object.entries(CHANGERS),
      ([name]) => `${name} in a directory that may not be written: EACCES`,
      async (ground, [, change]) => {
        await guarded(ground, 0o755);
        await fails(change(ground), "EACCES");
        await ground.client.chmod(ground.at("d"), 0o777);
        await change(ground);
      },
    ),
    ...table(
      Object.entries({
        ...CHANGERS,
        stat: (({ alice, at }) => alice.stat(at("d/f"))) as Case,
        open: (({ alice, at }) => using(alice.open(at("d/f"), O_RDONLY), async () => {})) as Case,
        chmod: (({ alice, at }) => alice.chmod(at("d/f"), 0o600)) as Case,
        truncate: (({ alice, at }) => alice.truncate(at("d/f"), 0)) as Case,
      }),
      ([name]) => `${name} in a directory that may not be searched: EACCES`,
      async (ground, [, change]) => {
        await guarded(ground, 0o666);
        await fails(change(ground), "EACCES");
      },
    ),
    "a directory that may be searched but not read": async ({ client, alice, at }) => {
      await client.mkdir(at("d"), 0o711);
      await make(client, at("d/f"));
      await alice.stat(at("d/f"));
      await fails(alice.readdir(at("d")), "EACCES");
    },
    "a directory that may be read but not searched": async ({ client, alice, at }) => {
      await client.mkdir(at("d"), 0o744);
      await make(client, at("d/f"));
      expect((await alice.readdir(at("d"))).length).toBe(3);
      await fails(alice.stat(at("d/f")), "EACCES");
      await fails(alice.lstat(at("d/no")), "EACCES");
    },
    "search permission far up the path": async ({ client, alice, at }) => {
      for (const path of ["d", "d/e", "d/e/f"]) await client.mkdir(at(path));
      await alice.stat(at("d/e/f"));
      await client.chmod(at("d"), 0o700);
      await fails(alice.stat(at("d/e/f")), "EACCES");
      await client.chmod(at("d"), 0o755);
      await alice.stat(at("d/e/f"));
    },
    "root reads and writes all": async ({ client, alice, at }) => {
      await make(alice, at("f"), "content", 0);
      await alice.mkdir(at("d"), 0);
      await using(client.open(at("f"), O_RDWR), async () => {});
      await make(client, at("d/f"));
      expect(await exists(client, at("d/f"))).toBe(true);
    },
    "root executes only what somebody may": async ({ client, at }) => {
      await make(client, at("f"), "", 0o666);
      await client.access(at("f"), 6);
      await fails(client.access(at("f"), 1), "EACCES");
      await client.chmod(at("f"), 0o010);
      await client.access(at("f"), 7);
    },
    "moving another's directory needs the right to write in it": async ({ client, alice, at }) => {
      await client.mkdir(at("d"), 0o755);
      await client.mkdir(at("to"), 0o777);
      await fails(alice.rename(at("d"), at("to/d")), "EACCES");
      await alice.rename(at("d"), at("e"));
    },
  },
};
