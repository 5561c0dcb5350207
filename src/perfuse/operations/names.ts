import {
  Absent,
  EEXIST,
  EINVAL,
  ENOENT,
  ENOTEMPTY,
  EOPNOTSUPP,
  EPERM,
  ESTALE,
} from "../../errno.ts";
import { O } from "../../fuse/flags.ts";
import type { EntryOut } from "../../fuse/foreign.ts";
import type { Caller, Foreign, FuseKernel } from "../../fuse/kernel.ts";
import { S_IFDIR, S_IFIFO, S_IFMT, S_IFREG, S_IFSOCK } from "../../mode.ts";
import type { Call, NodeOperations } from "../../operations.ts";
import type { Of } from "../../struct.ts";
import { type Asker, type Context, isCode, requestOf } from "../context.ts";
import { secondsOf } from "../known.ts";
import { type PerfuseNode, ROOT } from "../node.ts";
import { openFor, setHandle } from "./open.ts";

type Entry = Of<typeof EntryOut>;

/** What finds, makes and takes away names. */
export function nameOperations(
  context: Context,
): Pick<
  NodeOperations<PerfuseNode>,
  | "lookup"
  | "create"
  | "mknod"
  | "mkdir"
  | "symlink"
  | "link"
  | "remove"
  | "rmdir"
  | "rename"
  | "readlink"
  | "tmpfile"
> & { lookup: NonNullable<NodeOperations<PerfuseNode>["lookup"]> } {
  return {
    lookup: (directory, name, call) => lookup(context, directory, name, call),
    create: (directory, name, mode, call) => create(context, directory, name, mode, call),
    mknod: (directory, name, mode, device, call) =>
      mknod(context, directory, name, mode, device, call),
    mkdir: (directory, name, mode, call) =>
      make(context, directory, name, call, (kernel, caller) =>
        kernel.mkdir(directory.nodeid, name, { mode: mode & 0o7777 }, caller),
      ),
    symlink: (directory, name, target, call) =>
      make(context, directory, name, call, (kernel, caller) =>
        kernel.symlink(directory.nodeid, name, target, caller),
      ),
    link: (directory, name, node, call) => link(context, directory, name, node, call),
    remove: (directory, name, call) => remove(context, directory, name, call, false),
    rmdir: (directory, name, call) => remove(context, directory, name, call, true),
    rename: (from, fromName, to, toName, flags, call) =>
      rename(context, from, fromName, to, toName, flags, call),
    async readlink(node, call) {
      if (node.removed) throw ENOENT;
      const target = await context.ask(node, call, (kernel, caller) =>
        kernel.readlink(node.nodeid, caller),
      );
      // Daemons have been seen to send the NUL along.
      return target.replace(/\0+$/, "");
    },
    ...(context.session.offered >= TMPFILE && {
      tmpfile: (directory, mode, call) => tmpfile(context, directory, mode, call),
    }),
  };
}

async function lookup(
  context: Context,
  directory: PerfuseNode,
  name: string,
  call: Call,
): Promise<PerfuseNode | null | Absent> {
  if (directory.removed) throw ESTALE;
  if (directory.foresight && requestOf(call) === "READDIRPLUS") {
    const { limit } = call as Call & { readonly limit: number };
    const foreseen = await directory.foresight.find(name, limit, call);
    if (foreseen) return foreseen;
  }
  const entry = await look(context, directory, name, call);
  if (entry === null) return null;
  if (entry.nodeid === 0) {
    const seconds = secondsOf(entry.entryValid, entry.entryValidNsec);
    return seconds > 0 ? new Absent(seconds) : null;
  }
  if (entry.nodeid === directory.nodeid && directory.nodeid !== ROOT) {
    context.giveBack(entry.nodeid);
    throw ESTALE;
  }
  return directory.session.table.keep(entry, directory, name);
}

/** LOOKUP, which counted if there is an answer; null: no such name. */
export async function find(
  context: Context,
  directory: PerfuseNode,
  name: string,
  asker: Asker,
): Promise<Entry | null> {
  const entry = await look(context, directory, name, asker);
  return entry?.nodeid === 0 ? null : entry;
}

/** The same, where an answer may say for how long there is no such name: `nodeid` 0. */
async function look(
  context: Context,
  directory: PerfuseNode,
  name: string,
  asker: Asker,
): Promise<Entry | null> {
  try {
    return await context.ask(directory, asker, (kernel, caller) =>
      kernel.lookup(directory.nodeid, name, caller),
    );
  } catch (error) {
    if (isCode(error, "ENOENT")) return null;
    throw error;
  }
}

async function create(
  context: Context,
  directory: PerfuseNode,
  name: string,
  mode: number,
  call: Call,
): Promise<PerfuseNode> {
  if (directory.removed) throw ENOENT;
  // mknod(2) of a file, bind(2) of a socket: nobody opens what is made.
  if ((mode & S_IFMT) !== S_IFREG || requestOf(call) === "MKNOD")
    return mknod(context, directory, name, mode, 0, call);
  if (context.options.create !== false && !context.lacks("create")) {
    const exclusive = asked(call) & O.EXCL;
    const flags = O.RDWR | O.CREAT | (exclusive || O.TRUNC);
    try {
      const made = await context.ask(directory, call, (kernel, caller) =>
        kernel.create(directory.nodeid, name, { flags, mode }, caller),
      );
      const node = added(directory, name, made);
      const handle = { ...made.open, flags: O.RDWR, kept: true };
      setHandle(context, node, "write", handle);
      return node;
    } catch (error) {
      if (!isCode(error, "ENOSYS")) throw error;
      context.session.lacks.add("create");
    }
  }
  return createByParts(context, directory, name, mode, call);
}

/** For daemons without CREATE. The file must be open before anyone else sees it so. */
async function createByParts(
  context: Context,
  directory: PerfuseNode,
  name: string,
  mode: number,
  call: Call,
): Promise<PerfuseNode> {
  const there = await find(context, directory, name, call);
  if (there) {
    context.giveBack(there.nodeid);
    throw EEXIST;
  }
  const node = await mknod(context, directory, name, mode, 0, call);
  try {
    const again = await find(context, directory, name, call);
    if (!again) throw ENOENT;
    if (directory.session.table.keep(again, directory, name) !== node) throw ESTALE;
    await openFor(context, node, O.RDWR, call);
    return node;
  } catch (error) {
    // Nobody above has heard of it.
    if (node.opens === 0) await forget(context, node);
    throw error;
  }
}

/** A node that nobody above holds is given back whole. */
async function forget(context: Context, node: PerfuseNode): Promise<void> {
  node.session.table.drop(node);
  context.giveBack(node.nodeid, node.nlookup);
  node.nlookup = 0;
}

/** The flags of open(2), where the door tells them with the request that makes the file. */
function asked(call: Call): number {
  return (call as Call & { readonly openFlags?: number }).openFlags ?? 0;
}

async function mknod(
  context: Context,
  directory: PerfuseNode,
  name: string,
  mode: number,
  rdev: number,
  call: Call,
): Promise<PerfuseNode> {
  if (!ORDINARY.has(mode & S_IFMT) && call.uid !== 0) throw EPERM;
  return make(context, directory, name, call, (kernel, caller) =>
    kernel.mknod(directory.nodeid, name, { mode, rdev }, caller),
  );
}

/** What anyone may make. */
const ORDINARY: ReadonlySet<number> = new Set([S_IFDIR, S_IFREG, S_IFIFO, S_IFSOCK]);

async function make(
  context: Context,
  directory: PerfuseNode,
  name: string,
  call: Call,
  send: (kernel: FuseKernel, caller: Caller) => Promise<Entry>,
): Promise<PerfuseNode> {
  if (directory.removed) throw ENOENT;
  return added(directory, name, await context.ask(directory, call, send));
}

function added(directory: PerfuseNode, name: string, entry: Entry): PerfuseNode {
  directory.dirty = true;
  return directory.session.table.keep(entry, directory, name);
}

/** The minor of the protocol that brought it. */
const TMPFILE = 37;

/** TMPFILE. To ENOSYS Linux would not ask the next daemon either. */
async function tmpfile(
  context: Context,
  directory: PerfuseNode,
  mode: number,
  call: Call,
): Promise<PerfuseNode> {
  if (context.session.kernel.minor < TMPFILE) throw EOPNOTSUPP;
  const made = await context
    .ask(directory, call, (kernel, caller) =>
      kernel.tmpfile(directory.nodeid, { flags: O.RDWR, mode }, caller),
    )
    .catch((error) => {
      throw isCode(error, "ENOSYS") ? EOPNOTSUPP : error;
    });
  const node = directory.session.table.keep(made, directory, "..");
  setHandle(context, node, "write", { ...made.open, flags: O.RDWR, kept: true });
  return node;
}

/** The daemon may have given the new name a number of its own: then it is another node, to be looked up as such. */
async function link(
  context: Context,
  directory: PerfuseNode,
  name: string,
  node: PerfuseNode,
  call: Call,
): Promise<void> {
  const entry = await context.ask(directory, call, (kernel, caller) =>
    kernel.link(node.nodeid, directory.nodeid, name, caller),
  );
  directory.dirty = true;
  node.changed = true;
  if (entry.nodeid === node.nodeid) {
    node.nlookup++;
    node.learnEntry(entry);
    node.removed = false;
    return;
  }
  context.giveBack(entry.nodeid);
  node.known.nlink++;
  node.known.entryTimeout = 0;
}

async function remove(
  context: Context,
  directory: PerfuseNode,
  name: string,
  call: Call,
  isDirectory: boolean,
): Promise<void> {
  const target = directory.children?.get(name);
  if (directory.removed || target?.removed) throw ENOENT;
  if (isDirectory && target && target === directory.parent) throw ENOTEMPTY;
  await target?.exchanges.none();
  await context.ask(directory, call, (kernel, caller) =>
    isDirectory
      ? kernel.rmdir(directory.nodeid, name, caller)
      : kernel.unlink(directory.nodeid, name, caller),
  );
  directory.dirty = true;
  if (target) unnamed(target, name);
}

/** One name less; with the last one the node is found no more. */
function unnamed(node: PerfuseNode, name: string): void {
  const { known, session } = node;
  known.nlink = node.isDirectory ? 0 : Math.max(0, known.nlink - 1);
  if (known.nlink === 0) {
    node.removed = true;
    session.table.drop(node);
  } else if (node.name === name) node.parent?.children?.delete(name);
}

async function rename(
  context: Context,
  from: PerfuseNode,
  fromName: string,
  to: PerfuseNode,
  toName: string,
  flags: number,
  call: Call,
): Promise<void> {
  const source = from.children?.get(fromName);
  const target = to.children?.get(toName);
  if (from.removed || to.removed || source?.removed) throw ENOENT;
  await (target ?? source)?.exchanges.none();
  await context.ask(from, call, (kernel, caller) =>
    flags === 0
      ? kernel.rename(from.nodeid, fromName, to.nodeid, toName, caller)
      : rename2(context, kernel, [from.nodeid, fromName, to.nodeid, toName, flags], caller),
  );
  from.dirty = true;
  to.dirty = true;
  const { table } = from.session;
  if (source && source === target) return;
  if (flags & EXCHANGE) {
    if (target) table.place(target, from, fromName);
  } else if (target) unnamed(target, toName);
  if (source) table.place(source, to, toName);
}

const EXCHANGE = 2;

/** Below 7.23, and to who does not know it, the flags are EINVAL, as in Linux (fs/fuse/dir.c, fuse_rename2). */
async function rename2(
  context: Context,
  kernel: FuseKernel,
  names: [Foreign, string, Foreign, string, number],
  caller: Caller,
): Promise<void> {
  const { session } = context;
  if (kernel.minor < 23 || session.lacks.has("rename2")) throw EINVAL;
  try {
    await kernel.rename2(...names, caller);
  } catch (error) {
    if (!isCode(error, "ENOSYS")) throw error;
    session.lacks.add("rename2");
    throw EINVAL;
  }
}
