import {
  access,
  accessChmod,
  accessChown,
  accessTimes,
  type Call,
  type Changes,
  createUsermount,
  credentialOf,
  EACCES,
  Errno,
  type ErrnoName,
  FrameVector,
  isTouching,
  type Log,
  type PathObject,
  type PuffsFlag,
  type PuffsNode,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  type Talkable,
  type UsermountServer,
  unmountOnClose,
} from "puffs";
import type { Entry } from "./file-server.ts";
import { dataOf, FRAMING, frameOf, type Words, wordsOf } from "./protocol.ts";

/*
 * A network file system as mount_psshfs is one: it asks another server by path, keeps nodes of the library's, and checks
 * permissions itself. What is written there in C with puffs_framebuf, BUILDPATH, puffs_pn_nodewalk and puffs_access is written
 * so here.
 */

/** What belongs to a node. */
interface Remote {
  /** There is something that the server was not told to make durable. */
  dirty: boolean;
  /** Not everyone may search the directory that it is in: the kernel, which would ask nobody, is not to remember the name. */
  guarded: boolean;
}

type Node = PuffsNode<Remote>;
type Stat = Omit<Entry, "content"> & { readonly size: number };

/** What puffs_getspecific would answer. */
interface Conversation {
  readonly vector: FrameVector;
  tag: number;
  /** How often an operation began and ended. */
  began: number;
  ended: number;
}

/** Bytes in one request to the server: longer reads and writes are several, all outstanding at once. */
const CHUNK = 4096;

const [READ, WRITE, EXECUTE] = [4, 2, 1];

/** Greet the server at the other end of `socket`, and begin a file system that is its tree. */
export async function netfs(socket: Talkable, flags: readonly PuffsFlag[] = [], log?: Log) {
  const vector = new FrameVector({
    ...FRAMING,
    gotFrame: (frame) => heard(wordsOf(frame)),
    fdNotify: unmountOnClose({ unmount: () => server.unmount(0) }),
  });

  const server: UsermountServer<Node, Conversation> = createUsermount<Node, Conversation>({
    name: "netfs",
    flags: ["BUILDPATH", "HASHPATH", ...flags],
    specific: { vector, tag: 0, began: 0, ended: 0 },
    timeouts: { names: 1000, attributes: 1000 },
    keepsContent: true,
    ...(log && { log }),
    before: () => void server.specific.began++,
    after: () => void server.specific.ended++,
    fs: {
      statvfs: () => ({ frsize: 4096, blocks: 1000, bfree: 500, bavail: 400, files: 0, ffree: 0 }),
      sync: syncAll,
      unmount: syncAll,
    },
    node: {
      async lookup(directory, _, call) {
        await permit(directory, EXECUTE, call);
        const { path } = server.given(call);
        const stat = (await ask({ do: "stat", path: path.path }).catch(absent)) as Stat | null;
        return stat && nodeAt(path, stat, directory);
      },
      async getattr(node) {
        const path = server.paths.of(node);
        if (!path && node.attributes) return { ...node.attributes, nlink: 0 };
        return told(node, await ask({ do: "stat", path: path?.path }));
      },
      async setattr(node, changes, call) {
        const { attributes = await attributesOf(node) } = node;
        const refused = refusal(attributes, changes, call);
        if (refused) throw refused;
        told(node, await ask({ do: "set", path: server.paths.of(node)?.path, ...changes }));
      },
      create: (directory, _, mode, call) => make(directory, mode, call),
      mkdir: (directory, _, mode, call) => make(directory, mode, call),
      symlink: (directory, _, target, call) => make(directory, S_IFLNK | 0o777, call, target),
      readlink: async (node) => (await ask({ do: "stat", ...placeOf(node) })).target as string,
      remove: (directory, _, call) => remove(directory, call),
      rmdir: (directory, _, call) => remove(directory, call),
      async rename(from, _name, to, _newName, _flags, call) {
        await permit(from, WRITE, call);
        await permit(to, WRITE, call);
        const { path, target } = server.given(call);
        const replaced = target && server.paths.find(target);
        await ask({ do: "rename", path: path.path, target: target?.path });
        if (replaced) server.nodes.remove(replaced as Node);
      },
      // With it no kernel checks anything by itself.
      access: (node, mask, call) => permit(node, mask, call),
      async open(node, file, call) {
        await permit(node, [READ, WRITE, READ | WRITE][file.flags & 3] ?? READ, call);
        if (((await attributesOf(node)).mode & S_IFMT) === S_IFDIR) return;
        file.data = (await ask({ do: "open", ...placeOf(node) })).handle;
      },
      inactive(_node, file) {
        if (typeof file?.data !== "number") return;
        const { frame } = request({ do: "close", handle: file.data });
        try {
          vector.enqueueJustSend(socket, frame, { reply: true });
        } catch {
          // The connection is gone, and the handle with it.
        }
      },
      async read(node, into, offset, call) {
        const place = call.file?.data === undefined ? placeOf(node) : { handle: call.file.data };
        const parts = await Promise.all(
          chunks(into.length).map(([at, length]) =>
            exchange({ do: "read", ...place, offset: offset + at, length }),
          ),
        );
        let done = 0;
        for (const part of parts) {
          const bytes = dataOf(part);
          into.set(bytes, done);
          done += bytes.length;
          if (bytes.length < CHUNK) break;
        }
        return done;
      },
      async write(node, from, offset, call) {
        const place = call.file?.data === undefined ? placeOf(node) : { handle: call.file.data };
        node.data.dirty = true;
        const { attributes } = node;
        if (attributes && attributes.size < offset + from.length)
          node.attributes = { ...attributes, size: offset + from.length };
        await Promise.all(
          chunks(from.length).map(([at, length]) =>
            exchange(
              { do: "write", ...place, offset: offset + at },
              from.subarray(at, at + length),
            ),
          ),
        );
        return from.length;
      },
      fsync: (node) => sync(node),
      async *readdir(directory) {
        const { names } = await ask({ do: "list", ...placeOf(directory) });
        yield* names as { name: string; mode: number; ino: number }[];
      },
      reclaim: (node) => server.nodes.put(node),
    },
  });

  function request(words: Words, data?: Uint8Array) {
    const tag = ++server.specific.tag;
    return { tag, frame: frameOf(tag, words, data) };
  }

  /** Yields until the reply is there. */
  async function exchange(words: Words, data?: Uint8Array) {
    const reply = await vector.enqueueCc(socket, request(words, data).frame);
    const { error } = wordsOf(reply);
    if (typeof error === "string") throw new Errno(error as ErrnoName);
    return reply;
  }

  const ask = async (words: Words) => wordsOf(await exchange(words));

  const placeOf = (node: Node) => ({ path: server.paths.of(node)?.path });

  function told(node: Node, said: Words) {
    const { mode, uid, gid, size, mtime, ino } = said as unknown as Stat;
    const times = { atime: mtime, mtime, ctime: mtime };
    const own = node.data.guarded ? { entryTimeout: 0 } : {};
    node.attributes = { mode, uid, gid, size, ino, nlink: 1, ...times, ...own };
    return node.attributes;
  }

  const attributesOf = async (node: Node) =>
    node.attributes ?? told(node, await ask({ do: "stat", ...placeOf(node) }));

  function nodeAt(path: PathObject<string>, stat: Stat, directory: Node): Node {
    const known = server.nodes.walk((node) => server.paths.matches(node, path) && node);
    const node = known ?? server.nodes.create({ dirty: false, guarded: false });
    if (!known) server.paths.assign(node, path);
    node.data.guarded = ((directory.attributes?.mode ?? 0) & 0o111) !== 0o111;
    told(node, stat as unknown as Words);
    return node;
  }

  async function permit(node: Node, mask: number, call: Call): Promise<void> {
    const who = credentialOf(call);
    if (access(await attributesOf(node), mask, who)) throw EACCES;
  }

  function refusal(
    attributes: NonNullable<Node["attributes"]>,
    changes: Changes,
    call: Call,
  ): Errno | undefined {
    const who = credentialOf(call);
    const { mode, uid, gid, size, atime, mtime } = changes;
    const owns = uid !== undefined || gid !== undefined;
    return (
      (owns ? accessChown(attributes, uid, gid, who) : undefined) ??
      (mode === undefined ? undefined : accessChmod(attributes, mode, who)) ??
      (size === undefined || call.file ? undefined : access(attributes, WRITE, who)) ??
      (atime || mtime ? accessTimes(attributes, isTouching(call), who) : undefined)
    );
  }

  async function make(directory: Node, mode: number, call: Call, target?: string): Promise<Node> {
    await permit(directory, WRITE | EXECUTE, call);
    const { path } = server.given(call);
    const { uid, gid } = call;
    const said = await ask({ do: "make", path: path.path, mode, uid, gid, target });
    return nodeAt(path, said as unknown as Stat, directory);
  }

  async function remove(directory: Node, call: Call): Promise<void> {
    await permit(directory, WRITE | EXECUTE, call);
    const { path } = server.given(call);
    await ask({ do: "remove", path: path.path });
    const node = server.paths.find(path);
    if (node) server.nodes.remove(node as Node);
  }

  async function sync(node: Node): Promise<void> {
    if (node.data.dirty) await ask({ do: "sync", ...placeOf(node) });
    node.data.dirty = false;
  }

  /** Every node that has something is looked at, as puffs_node(3) has it. */
  async function syncAll(): Promise<void> {
    const dirty: Node[] = [];
    server.nodes.walk((node) => {
      if (node.data.dirty) dirty.push(node);
    });
    await Promise.all(dirty.map(sync)).catch(() => {});
  }

  /** The server says something by itself: a file has changed, a name is gone, or nothing is known any more. */
  function heard({ changed, gone, everything }: Words): void {
    if (everything) server.usermount.invalidateAllNames().catch(() => {});
    const path = String(changed ?? gone);
    const node = server.paths.find(server.paths.object(path)) as Node | undefined;
    if (node) node.attributes = undefined;
    if (node && changed) server.usermount.invalidateNode(node).catch(() => {});
    if (gone === undefined) return;
    const slash = path.lastIndexOf("/");
    const parent = server.paths.find(server.paths.object(path.slice(0, Math.max(1, slash))));
    if (parent) server.usermount.invalidateName(parent, path.slice(slash + 1)).catch(() => {});
  }

  vector.addFd(socket, { read: false, write: true });
  await vector.enqueueDirectSend(socket, request({ do: "hello" }).frame);
  const { version } = wordsOf(await vector.enqueueDirectReceive(socket));
  if (version !== 1) throw new Errno("EPROTO");
  vector.enableFd(socket, { read: true });

  const root = server.nodes.create({ dirty: false, guarded: false });
  server.setRoot(root, "/");
  return server;
}

function absent(error: { code?: string }): null {
  if (error.code === "ENOENT") return null;
  throw error;
}

function chunks(length: number): [number, number][] {
  const all: [number, number][] = [];
  for (let at = 0; at < length; at += CHUNK) all.push([at, Math.min(CHUNK, length - at)]);
  return all;
}
