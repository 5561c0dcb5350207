import { EBADF, ENOENT, EPERM, ESTALE } from "../../errno.ts";
import { FopenFlags, FsyncFlags, O, O_ACCMODE, ReleaseFlags } from "../../fuse/flags.ts";
import type { Call, File, NodeOperations } from "../../operations.ts";
import { type Asker, type Context, isCode, kernelFor, NOBODY } from "../context.ts";
import { type Handle, type PerfuseNode, ROOT } from "../node.ts";

/** From open(2) to the last close, and to the end of a node. */
export function openOperations(
  context: Context,
): Pick<NodeOperations<PerfuseNode>, "open" | "close" | "inactive" | "reclaim" | "fsync"> {
  return {
    open: (node, file, call) => open(context, node, file, call),
    close: (node, file, call) => close(context, node, file, call),
    inactive: (node, file, pid = NOBODY) => inactive(context, node, file, pid),
    async reclaim(node, pid = NOBODY) {
      context.reclaiming.enter();
      try {
        await reclaim(context, node, pid);
      } finally {
        context.reclaiming.leave();
      }
    },
    fsync: (node, dataOnly, call) => fsync(context, node, dataOnly, call),
  };
}

async function open(
  context: Context,
  node: PerfuseNode,
  file: File,
  call: Call,
): Promise<undefined> {
  if (node.removed && !node.isOpen) throw ENOENT;
  if ((file.flags & O_ACCMODE) === O_ACCMODE) throw EPERM;
  // From now on the end of the last open leaves the handles alone.
  node.opens++;
  const { openFlags } = await openFor(context, node, file.flags, call).catch((error) => {
    node.opens--;
    // It may have ended meanwhile for all others.
    void inactive(context, node, undefined, call.pid);
    throw error;
  });
  file.directIo ||= (openFlags & FopenFlags.DIRECT_IO) !== 0;
  file.keepCache ||= (openFlags & FopenFlags.KEEP_CACHE) !== 0;
  file.stream ||= (openFlags & (FopenFlags.NONSEEKABLE | FopenFlags.STREAM)) !== 0;
  file.cacheDirectory ||= (openFlags & FopenFlags.CACHE_DIR) !== 0;
  return undefined;
}

/**
 * A handle that does for `flags`: one that is there, else one that is asked for. To write is to read and write, so that later openers
 * can share it.
 */
export async function openFor(
  context: Context,
  node: PerfuseNode,
  flags: number,
  call: Asker,
): Promise<Handle> {
  if (node.session !== context.session) throw ESTALE;
  const writes = (flags & O_ACCMODE) !== O.RDONLY && !node.isDirectory;
  const there = () => (writes ? node.write : node.reader);
  return node.opening.during(async () => {
    const handle = there();
    if (handle) return handle;
    const others = flags & ~(O_ACCMODE | O.CREAT | O.EXCL | O.NOCTTY | O.APPEND);
    const made = await ask(context, node, others, writes ? O.RDWR : O.RDONLY, call).catch(
      (error) => {
        // Who may write and not read can be let in alone.
        if (!(writes && (flags & O_ACCMODE) === O.WRONLY && isCode(error, "EACCES"))) throw error;
        return ask(context, node, others, O.WRONLY, call);
      },
    );
    setHandle(context, node, writes ? "write" : "read", made);
    return made;
  });
}

async function ask(
  context: Context,
  node: PerfuseNode,
  others: number,
  access: number,
  call: Asker,
): Promise<Handle> {
  const feature = node.isDirectory ? "opendir" : "open";
  const flags = others | access;
  const none = { fh: 0, flags, openFlags: 0, kept: false };
  if (context.lacks(feature)) return none;
  try {
    const out = await context.ask(node, call, (kernel, caller) =>
      node.isDirectory
        ? kernel.opendir(node.nodeid, { flags }, caller)
        : kernel.open(node.nodeid, { flags }, caller),
    );
    return { fh: out.fh, flags, openFlags: out.openFlags, kept: true };
  } catch (error) {
    // It does without: fs/fuse/file.c, fuse_file_open.
    if (!isCode(error, "ENOSYS")) throw error;
    context.session.lacks.add(feature);
    return none;
  }
}

/** A node has one handle of each kind: what is one too many is closed. */
export function setHandle(
  context: Context,
  node: PerfuseNode,
  kind: "read" | "write",
  handle: Handle,
): void {
  const old = node[kind];
  node[kind] = handle;
  if (old) void release(context, node, old, NOBODY);
}

/** close(2): only now can a daemon that writes later say that it could not. */
async function close(
  context: Context,
  node: PerfuseNode,
  file: File | undefined,
  call: Call,
): Promise<void> {
  if (!node.isOpen) throw EBADF;
  // What a daemon took along, who may not know FLUSH, is lost.
  const gone = node.dirty && context.gone(node);
  if (gone) throw gone;
  if (context.options.flush === false || context.lacks("flush") || node.isDirectory) return;
  const writes = ((file?.flags ?? O.RDONLY) & O_ACCMODE) !== O.RDONLY;
  const handle = writes ? (node.write ?? node.read) : (node.read ?? node.write);
  const fh = handle?.fh ?? 0;
  try {
    await context.ask(node, call, (kernel, caller) => kernel.flush(node.nodeid, { fh }, caller));
  } catch (error) {
    if (!isCode(error, "ENOSYS")) throw error;
    context.session.lacks.add("flush");
  }
}

/** One opener less. The last one takes the handles along, once all is written. */
async function inactive(
  context: Context,
  node: PerfuseNode,
  file: File | undefined,
  pid: number,
): Promise<void> {
  if (file && node.opens > 0) node.opens--;
  if (node.session !== context.session) return;
  if (node.opens > 0) return;
  node.foresight?.drop();
  if (!node.isOpen) return;
  await node.written();
  // Somebody is about to open it: what is there serves him.
  if (node.opening.busy) return;
  await node.opening.during(async () => {
    if (node.opens > 0) return;
    if (context.options.flush === false && node.dirty)
      await sync(context, node, true, kernelFor(pid)).catch((cause) =>
        context.options.report(`"${node.name}" could not be synced`, cause),
      );
    if (node.opens === 0) await releaseAll(context, node, pid);
  });
}

/** Forgotten above: the daemon may forget it as often as it counted it. */
async function reclaim(context: Context, node: PerfuseNode, pid: number): Promise<void> {
  const { session } = node;
  if (node.nodeid === ROOT || session !== context.session) return;
  node.reclaimed = true;
  session.table.drop(node);
  node.foresight?.drop();
  await node.exchanges.none();
  await node.opening.during(() => releaseAll(context, node, pid));
  const count = node.nlookup;
  node.nlookup = 0;
  // Another daemon may have come in the meantime.
  if (session === context.session) context.giveBack(node.nodeid, count, pid);
}

/** RELEASE; the handles are forgotten first. */
export async function releaseAll(context: Context, node: PerfuseNode, pid: number): Promise<void> {
  const handles = [node.write, node.read];
  node.write = undefined;
  node.read = undefined;
  await Promise.all(handles.map((handle) => handle && release(context, node, handle, pid)));
}

async function release(
  context: Context,
  node: PerfuseNode,
  handle: Handle,
  pid: number,
): Promise<void> {
  if (!handle.kept) return;
  const { lockOwner } = node;
  const { fh, flags } = handle;
  const releaseFlags = lockOwner === 0n ? 0 : ReleaseFlags.FLUSH;
  const fields = { fh, flags, releaseFlags, lockOwner };
  try {
    await context.ask(node, kernelFor(pid), (kernel, caller) =>
      node.isDirectory
        ? kernel.releasedir(node.nodeid, fields, caller)
        : kernel.release(node.nodeid, fields, caller),
    );
  } catch {
    // Nobody is told what RELEASE says, and some daemons do not know it.
  }
}

async function fsync(
  context: Context,
  node: PerfuseNode,
  dataOnly: boolean,
  call: Call,
): Promise<void> {
  const changed = node.dirty || (node.changed && context.options.flush !== false);
  if (node.removed || !node.isOpen || !changed) return;
  await sync(context, node, dataOnly, call);
}

async function sync(
  context: Context,
  node: PerfuseNode,
  dataOnly: boolean,
  call: Asker,
): Promise<void> {
  const feature = node.isDirectory ? "fsyncdir" : "fsync";
  if (node.removed) return;
  const gone = context.gone(node);
  if (gone) throw gone;
  if (context.lacks(feature)) return;
  const fh = (node.write ?? node.read)?.fh ?? 0;
  const fields = { fh, fsyncFlags: dataOnly ? FsyncFlags.FDATASYNC : 0 };
  // What is written from here on is not known to be durable.
  const { dirty, changed } = node;
  node.dirty = false;
  if (!dataOnly) node.changed = false;
  try {
    await context.ask(node, call, (kernel, caller) =>
      node.isDirectory
        ? kernel.fsyncdir(node.nodeid, fields, caller)
        : kernel.fsync(node.nodeid, fields, caller),
    );
  } catch (error) {
    node.dirty ||= dirty;
    node.changed ||= changed;
    if (!isCode(error, "ENOSYS")) throw error;
    context.session.lacks.add(feature);
  }
}
