import { S_IFDIR, S_IFMT, S_IFREG } from "../../src/mode.ts";
import type { Client, Descriptor } from "../support/client.ts";
import * as flags from "../support/client.ts";
import type { Random } from "../support/random.ts";
import { Choice } from "./choice.ts";

/** One of the two file systems that get the same steps: who acts there, and what they have open. */
export interface Side {
  readonly actors: readonly Client[];
  readonly open: (OpenFile | undefined)[];
  /** Inode numbers of files that fallocate(2) reserved space in. */
  readonly reserved: Set<number>;
}

/** An open file and the number of who opened it: descriptors are of one process. */
interface OpenFile {
  readonly by: number;
  readonly descriptor: Descriptor;
}

/** Something that one of the actors does. */
export interface Step {
  /** The name of the call, and all of it as a person would write it. */
  readonly name: string;
  readonly text: string;
  /** Names that it is about, and numbers of open files. */
  readonly paths: readonly string[];
  readonly files: readonly number[];
  /** Does it. What it answers is to be the same on both sides, or what it fails with. */
  readonly run: (side: Side) => Promise<unknown>;
}

/** A step that fits nothing in particular: most of them hit something, as there are few names. */
export function randomStep(random: Random, actors: number): Step {
  const total = STEPS.reduce((sum, [weight]) => sum + weight, 0);
  let left = random.below(total);
  for (const [weight, make] of STEPS) {
    left -= weight;
    if (left < 0) return made(make(new Choice(random)), random.below(actors));
  }
  throw new Error("unreachable");
}

/** A step before it is known who does it. */
interface Draft {
  readonly name: string;
  readonly parameters: readonly unknown[];
  readonly paths?: readonly string[];
  readonly files?: readonly number[];
  readonly run: (client: Client, side: Side, actor: number) => Promise<unknown>;
}

function made({ name, parameters, paths = [], files = [], run }: Draft, actor: number): Step {
  const list = [...files.map((file) => `#${file}`), ...parameters.map(print)].join(", ");
  return {
    name,
    text: `${actor}: ${name}(${list})`,
    paths,
    files,
    run: (side) => run(side.actors[actor] as Client, side, actor),
  };
}

function print(parameter: unknown): string {
  if (parameter instanceof Uint8Array) return `${parameter.length} bytes`;
  const text = JSON.stringify(parameter);
  return text.length > 60 ? `${text.slice(0, 50)}...(${text.length})` : text;
}

/** A call on one path. */
function onPath<P extends [] | unknown[]>(
  name: string,
  path: string,
  parameters: P,
  run: (client: Client, path: string, ...parameters: P) => Promise<unknown>,
): Draft {
  return {
    name,
    parameters: [path, ...parameters],
    paths: [path],
    run: (client) => run(client, path, ...parameters),
  };
}

/** A call on two paths. */
function onPaths(
  name: string,
  [from, to]: [string, string],
  run: (client: Client) => Promise<unknown>,
  ...more: unknown[]
): Draft {
  return { name, parameters: [from, to, ...more], paths: [from, to], run };
}

/** A call on an open file, which is not open sometimes. */
function onFile<P extends [] | unknown[]>(
  name: string,
  file: number,
  parameters: P,
  run: (file: Descriptor, ...parameters: [...P, Side]) => Promise<unknown>,
): Draft {
  return {
    name,
    parameters,
    files: [file],
    run: async (_, side) => {
      const opened = side.open[file];
      return opened ? run(opened.descriptor, ...parameters, side) : "not open";
    },
  };
}

/** Opens what `open` opens under a number; what had the number is closed. */
function opening(
  name: string,
  path: string,
  parameters: unknown[],
  file: number,
  open: (client: Client) => Promise<Descriptor>,
): Draft {
  return {
    name,
    parameters: [path, ...parameters],
    paths: [path],
    files: [file],
    run: async (client, side, by) => {
      const descriptor = await open(client);
      await close(side, file);
      side.open[file] = { by, descriptor };
    },
  };
}

async function close({ open }: Side, file: number): Promise<void> {
  const opened = open[file];
  open[file] = undefined;
  await opened?.descriptor.close();
}

/** Every call with how often it is made. */
const STEPS: readonly (readonly [weight: number, (choice: Choice) => Draft])[] = [
  [5, (c) => onPath("mkdir", c.path(), [c.mode()], (by, path, mode) => by.mkdir(path, mode))],
  [6, (c) => onPath("rmdir", c.path(), [], (by, path) => by.rmdir(path))],
  [8, (c) => onPath("unlink", c.path(), [], (by, path) => by.unlink(path))],
  [2, (c) => onPath("readlink", c.path(), [], (by, path) => by.readlink(path))],
  [5, (c) => onPath("chmod", c.path(), [c.mode()], (by, path, mode) => by.chmod(path, mode))],
  [4, (c) => onPath("chown", c.path(), c.owners(), (by, path, u, g) => by.chown(path, u, g))],
  [2, (c) => onPath("lchown", c.path(), c.owners(), (by, path, u, g) => by.lchown(path, u, g))],
  [
    3,
    (c) =>
      onPath("utimes", c.path(), [c.time(), c.time()], (by, path, a, m) => by.utimes(path, a, m)),
  ],
  [
    1,
    (c) =>
      onPath("lutimes", c.path(), [c.time(), c.time()], (by, path, a, m) => by.lutimes(path, a, m)),
  ],
  [
    4,
    (c) =>
      onPath("truncate", c.path(), [c.offset()], async (by, path, size) => {
        const { mode, size: old } = await by.stat(path);
        if ((mode & S_IFMT) === S_IFREG && old === size) return "of no account";
        return by.truncate(path, size);
      }),
  ],
  [
    3,
    (c) =>
      onPath("access", c.path(), [c.random.below(8)], (by, path, mask) => by.access(path, mask)),
  ],
  [
    3,
    (c) =>
      onPath("readdir", c.path(), [], async (by, path) => {
        const entries = await by.readdir(path);
        return entries.map(({ name, type }) => `${type} ${name}`).sort();
      }),
  ],
  [
    3,
    (c) => {
      const kind = c.random.pick([
        0, 0o010000, 0o140000, 0o100000, 0o020000, 0o060000, 0o040000, 0o120000,
      ]);
      return onPath("mknod", c.path(), [kind | c.mode()], (by, path, mode) =>
        by.mknod(path, mode, 0x103),
      );
    },
  ],
  [
    4,
    (c) =>
      onPath("symlink", c.path(), [c.target()], (by, path, target) => by.symlink(target, path)),
  ],
  [
    6,
    (c) => {
      const [from, to] = [c.path(), c.path()];
      return onPaths("link", [from, to], (by) => by.link(from, to));
    },
  ],
  [
    10,
    (c) => {
      // RENAME_NOREPLACE 1, RENAME_EXCHANGE 2, and both, which is refused. <linux/fs.h>
      const [from, to, how] = [c.path(), c.path(), c.random.pick([0, 0, 0, 0, 1, 2, 2, 3])];
      return onPaths("rename", [from, to], (by) => by.rename(from, to, how), how);
    },
  ],

  [
    5,
    (c) =>
      onPath(
        "setxattr",
        c.path(),
        [c.attribute(), c.value(), c.random.pick([0, 0, 1, 2])],
        (by, path, name, value, how) => by.setxattr(path, name, value, how),
      ),
  ],
  [
    3,
    (c) =>
      onPath(
        "getxattr",
        c.path(),
        [c.attribute(), c.random.pick([0, 10, 65_536])],
        (by, path, name, room) => by.getxattr(path, name, room),
      ),
  ],
  [
    2,
    (c) =>
      onPath("listxattr", c.path(), [c.random.pick([0, 4, 65_536])], async (by, path, room) =>
        (await by.listxattr(path, room)).sort(),
      ),
  ],
  [
    2,
    (c) =>
      onPath("removexattr", c.path(), [c.attribute()], (by, path, name) =>
        by.removexattr(path, name),
      ),
  ],

  [
    16,
    (c) => {
      const [path, how, mode] = [c.path(), c.flags(), c.mode()];
      const shown = [`0${how.toString(8)}`, `0${mode.toString(8)}`];
      return opening("open", path, shown, c.file(), (by) => by.open(path, how, mode));
    },
  ],
  [
    2,
    (c) => {
      const [path, mode] = [c.path(), c.mode()];
      const how =
        flags.O_TMPFILE |
        c.random.pick([flags.O_RDWR, flags.O_WRONLY, flags.O_RDWR | flags.O_EXCL]);
      return opening("tmpfile", path, [mode], c.file(), (by) => by.open(path, how, mode));
    },
  ],
  [
    2,
    (c) => {
      const [file, path] = [c.file(), c.path()];
      return {
        name: "linkat",
        parameters: [path],
        files: [file],
        paths: [path],
        run: async (_, { actors, open }) => {
          const opened = open[file];
          if (opened === undefined) return "not open";
          return actors[opened.by]?.linkDescriptor(opened.descriptor, path);
        },
      };
    },
  ],
  [
    12,
    (c) =>
      onFile("write", c.file(), [c.content(), c.offset()], (file, bytes, at) =>
        file.write(bytes, at),
      ),
  ],
  [
    8,
    (c) =>
      onFile("read", c.file(), [c.length(), c.offset()], (file, length, at) =>
        file.read(length, at),
      ),
  ],
  [4, (c) => onFile("ftruncate", c.file(), [c.offset()], (file, size) => file.truncate(size))],
  [
    2,
    (c) => onFile("fsync", c.file(), [c.random.oneIn(2)], (file, dataOnly) => file.sync(dataOnly)),
  ],
  [
    4,
    (c) =>
      onFile(
        "lseek",
        c.file(),
        [c.offset(), c.random.pick(["data", "hole"] as const)],
        async (file, at, whence, { reserved }) => {
          const { mode, ino } = await file.stat();
          if ((mode & S_IFMT) === S_IFDIR || reserved.has(ino)) return "of no account";
          return file.seek(at, whence);
        },
      ),
  ],
  // Nothing, FALLOC_FL_KEEP_SIZE, with it FALLOC_FL_PUNCH_HOLE, FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_INSERT_RANGE. <linux/falloc.h>
  [
    5,
    (c) =>
      onFile(
        "fallocate",
        c.file(),
        [c.random.pick([0, 1, 3, 3, 8, 0x20]), c.offset(), c.length()],
        async (file, mode, at, length, { reserved }) => {
          if (mode !== 3) reserved.add((await file.stat()).ino);
          await file.allocate(mode, at, length);
        },
      ),
  ],
  [2, (c) => onFile("fchmod", c.file(), [c.mode()], (file, mode) => file.chmod(mode))],
  [2, (c) => onFile("fchown", c.file(), c.owners(), (file, u, g) => file.chown(u, g))],
  [2, (c) => onFile("futimes", c.file(), [c.time(), c.time()], (file, a, m) => file.utimes(a, m))],
  [
    3,
    (c) => {
      const [from, to, length] = [c.file(), c.file(), c.length()];
      const [fromOffset, toOffset] = [c.offset(), c.offset()];
      return {
        name: "copy_file_range",
        parameters: [fromOffset, toOffset, length],
        files: [from, to],
        run: async (_, { open }) => {
          const [source, sink] = [open[from], open[to]];
          if (source === undefined || source.by !== sink?.by) return "not open";
          return source.descriptor.copyTo(sink.descriptor, fromOffset, toOffset, length);
        },
      };
    },
  ],
  [
    1,
    (c) => {
      const file = c.file();
      return {
        name: "close",
        parameters: [],
        files: [file],
        run: (_, side) => close(side, file),
      };
    },
  ],
];
