import { appendFileSync, statSync } from "node:fs";
import { readdir, readFile, realpath, stat } from "node:fs/promises";
import {
  type Attributes,
  type Call,
  definePlugin,
  ENOENT,
  type FileSystem,
  S_IFDIR,
  S_IFLNK,
  S_IFREG,
  type Usermount,
} from "puffs";

interface Node {
  readonly name: string;
  readonly mode: number;
}

/**
 * A file system that misbehaves on demand. "file" and "endless" do not. OPERATION.MANNER, such as "read.throws", is a file whose
 * operation does that; where it is to make the file, there is none yet. "statvfs.MANNER" once looked up holds for the
 * file system. "self.WHAT" is a file whose reading makes the server use its own mount.
 */
export default definePlugin({
  name: "faulty",
  description: "misbehaves on demand",
  source: { description: "a file for what it has to tell" },
  options: {
    unmount: { type: "string", description: "the manner of unmount" },
    gather: { type: "integer", default: 1, description: "how many reads.gather are held at once" },
    lazy: { type: "boolean", description: "the kernel caches nothing" },
  },
  start({ options, source, usermount }): FileSystem<Node> {
    const tell = (line: string) => {
      if (source !== undefined) appendFileSync(source, `${line}\n`);
    };
    const root: Node = { name: "/", mode: S_IFDIR | 0o777 };
    const nodes = new Map<string, Node>();
    const gathered: (() => void)[] = [];
    let statvfs = "";
    const manners: Record<
      string,
      (operation: string, right: () => unknown, call?: Call) => unknown
    > = {
      throws: () => {
        throw new TypeError("a bug of faulty");
      },
      rejects: () => Promise.reject(new RangeError("a late bug of faulty")),
      "throws-text": () => {
        throw "EACCES";
      },
      "throws-undefined": () => {
        throw undefined;
      },
      "rejects-null": () => Promise.reject(null),
      nonsense: (operation) => NONSENSE[operation],
      "nonsense-later": (operation) => Promise.resolve(NONSENSE[operation]),
      never: (operation) => {
        tell(`never ${operation}`);
        return new Promise(() => {});
      },
      // In "remove" the kernel has the directory locked, and needs that lock to do this.
      awaits: () => usermount.invalidateName(root, "file"),
      patient: (operation, right, call) =>
        new Promise((resolve) => {
          tell(`began ${operation}`);
          call?.signal.addEventListener("abort", () => {
            tell(`gives up ${operation}`);
            resolve(right());
          });
        }),
      slow: async (operation, right) => {
        tell(`began ${operation}`);
        await Bun.sleep(20);
        tell(`ended ${operation}`);
        return right();
      },
      gather: (_operation, right) =>
        new Promise((resolve) => {
          gathered.push(() => resolve(right()));
          if (gathered.length < options.gather) return;
          tell(`gathered ${gathered.length}`);
          for (const answer of gathered.splice(0).reverse()) answer();
        }),
    };
    const act = <T>(operation: string, name: string, call: Call | undefined, right: () => T): T => {
      const [wanted, manner = ""] = name.split(".");
      if (wanted !== operation) return right();
      return (manners[manner] ?? right)(operation, right, call) as T;
    };
    // Not every name: programs look for such as bunfig.toml where they are started.
    const exists = (name: string) => {
      const [operation = "", manner = ""] = name.split(".");
      if (name === "file" || name === "endless" || name in SELF) return true;
      return !MAKERS.includes(operation) && Object.hasOwn(manners, manner);
    };
    const nodeOf = (name: string): Node => {
      const node = nodes.get(name) ?? { name, mode: modeOf(name) };
      nodes.set(name, node);
      return node;
    };
    const attributes = (node: Node): Attributes => ({
      mode: node.mode,
      nlink: 1,
      uid: 0,
      gid: 0,
      size: sizeOf(node),
      atime: TIME,
      mtime: TIME,
      ctime: TIME,
    });
    const make =
      (operation: string) =>
      (_directory: Node, name: string, ...rest: unknown[]) =>
        act(operation, name, rest.at(-1) as Call, () => nodeOf(name));
    const done =
      (operation: string) =>
      (node: Node, ...rest: unknown[]) =>
        act(operation, node.name, rest.at(-1) as Call, () => undefined);
    return {
      root,
      ...(options.lazy && { timeouts: { attributes: 0, names: 0 } }),
      fs: {
        statvfs: (call) =>
          act("statvfs", statvfs, call, () => ({
            frsize: 4096,
            blocks: 0,
            bfree: 0,
            bavail: 0,
            files: 0,
            ffree: 0,
          })),
        unmount: () => {
          tell("unmount");
          return act("unmount", `unmount.${options.unmount ?? ""}`, undefined, () => undefined);
        },
      },
      node: {
        lookup(_directory, name, call) {
          if (name.startsWith("statvfs.")) statvfs = name;
          return act("lookup", name, call, () =>
            nodes.has(name) || exists(name) ? nodeOf(name) : null,
          );
        },
        getattr: (node, call) => act("getattr", node.name, call, () => attributes(node)),
        setattr: (node, _changes, call) => act("setattr", node.name, call, () => attributes(node)),
        open(node, file, call) {
          file.directIo = true;
          return act("open", node.name, call, () => undefined);
        },
        close: done("close"),
        fsync: done("fsync"),
        create: make("create"),
        mknod: make("mknod"),
        mkdir: make("mkdir"),
        symlink: make("symlink"),
        link: (_directory, name, _node, call) => act("link", name, call, () => undefined),
        async remove(_directory, name, call) {
          await act("remove", name, call, () => undefined);
          nodes.delete(name);
        },
        rmdir: (_directory, name, call) => act("rmdir", name, call, () => ENOENT),
        rename: (_from, name, _to, _name, _flags, call) =>
          act("rename", name, call, () => undefined),
        readlink: (node, call) => act("readlink", node.name, call, () => "target"),
        readdir: (node, _from, call) =>
          act("readdir", node.name, call, () => [{ name: "file", mode: S_IFREG }]),
        read(node, into, offset, call) {
          const use = SELF[node.name];
          if (use !== undefined) return offset > 0 ? 0 : use(usermount).then(fill(into));
          return act("read", node.name, call, () => {
            const part = into.subarray(0, Math.max(0, sizeOf(node) - offset));
            part.fill(0);
            // What was asked for can be told from what was answered.
            if (part.length >= 8) new DataView(part.buffer, part.byteOffset).setFloat64(0, offset);
            return part.length;
          });
        },
        write: (node, from, _offset, call) => act("write", node.name, call, () => from.length),
        fallocate: (node, _offset, _length, _mode, call) =>
          act("fallocate", node.name, call, () => undefined),
        getextattr: (node, _namespace, _name, call) =>
          act("getextattr", node.name, call, () => new Uint8Array(3)),
        setextattr: (node, _namespace, _name, _value, _existing, call) =>
          act("setextattr", node.name, call, () => undefined),
        listextattr: (node, namespace, call) =>
          act("listextattr", node.name, call, () => (namespace === "user" ? ["a"] : [])),
        deleteextattr: (node, _namespace, _name, call) =>
          act("deleteextattr", node.name, call, () => undefined),
      },
    };
  },
});

const TIME = { sec: 1, nsec: 0 };

/** Names of files that are to be made. */
const MAKERS = ["create", "mknod", "mkdir", "symlink", "link"];

function modeOf(name: string): number {
  if (/^(readdir|rmdir|mkdir)\./.test(name)) return S_IFDIR | 0o755;
  return /^(readlink|symlink)\./.test(name) ? S_IFLNK | 0o777 : S_IFREG | 0o666;
}

function sizeOf({ name }: Node): number {
  return name === "endless" || name === "read.gather" ? 2 ** 50 : 4096;
}

/** By operation: an answer that cannot be. */
const NONSENSE: Record<string, unknown> = {
  lookup: "a node",
  getattr: {
    mode: S_IFREG,
    nlink: 1,
    uid: 0,
    gid: 0,
    size: -1,
    atime: TIME,
    mtime: TIME,
    ctime: TIME,
  },
  setattr: { size: "large" },
  create: null,
  mknod: 7,
  mkdir: "a directory",
  symlink: null,
  readlink: "",
  readdir: [{ name: "with/slash" }],
  read: -1,
  write: 2 ** 40,
  getextattr: "text",
  listextattr: [5],
  statvfs: { frsize: -1 },
};

/** What the server does with its own mount while it serves. What goes wrong there is what the file says. */
const SELF: Record<string, (usermount: Usermount) => Promise<string>> = {
  "self.realpath": ({ directory }) => realpath(`${directory}/file`),
  "self.stat": async ({ directory }) => String((await stat(`${directory}/file`)).size),
  "self.readFile": async ({ directory }) => String((await readFile(`${directory}/file`)).length),
  "self.readdir": async ({ directory }) => (await readdir(directory)).join(),
  "self.unmount": async (usermount) => {
    await usermount.unmount();
    return "unmounted";
  },
  "self.statSync": async ({ directory }) => String(statSync(`${directory}/file`).size),
};

function fill(into: Uint8Array): (text: string) => number {
  return (text) => new TextEncoder().encodeInto(text, into).written;
}
