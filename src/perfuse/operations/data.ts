import { EBADF, EINVAL, EIO, EISDIR, ENXIO, EOPNOTSUPP } from "../../errno.ts";
import { Fallocate, ReadFlags, Seek, WriteFlags } from "../../fuse/flags.ts";
import type { Call, NodeOperations } from "../../operations.ts";
import { type Context, isCode } from "../context.ts";
import type { PerfuseNode } from "../node.ts";
import { fetch } from "./attributes.ts";
import { openFor } from "./open.ts";

/** What reads, writes and shapes the content of files. */
export function dataOperations(
  context: Context,
): Pick<
  NodeOperations<PerfuseNode>,
  "read" | "write" | "seek" | "copyRange" | "fallocate" | "fdiscard"
> {
  const { offered } = context.session;
  return {
    read: (node, into, offset, call) => read(context, node, into, offset, call),
    write: (node, from, offset, call) => write(context, node, from, offset, call),
    ...(offered >= SINCE.fallocate && {
      fallocate: (node, offset, length, mode, call) =>
        fallocate(context, node, offset, length, mode, call),
      fdiscard: (node, offset, length, call) =>
        fallocate(context, node, offset, length, PUNCH, call),
    }),
    ...(offered >= SINCE.seek && {
      seek: (node, offset, whence, call) => seek(context, node, offset, whence, call),
    }),
    ...(offered >= SINCE.copyRange && {
      copyRange: (from, fromOffset, to, toOffset, length, call) =>
        copyRange(context, from, fromOffset, to, toOffset, length, call),
    }),
  };
}

/** The minor of the protocol that brought an operation. What is offered decides whether it is there: the next daemon may agree to more. */
const SINCE = { fallocate: 19, seek: 24, copyRange: 28 };

const PUNCH = Fallocate.PUNCH_HOLE | Fallocate.KEEP_SIZE;

/** READ until all is there or there is no more. Reads of one file run beside each other, and beside its writes. */
function read(
  context: Context,
  node: PerfuseNode,
  into: Uint8Array,
  offset: number,
  call: Call,
): Promise<number> {
  if (node.isDirectory) return Promise.reject(EISDIR);
  return readOn(context, node, into, offset, call, 0);
}

function readOn(
  context: Context,
  node: PerfuseNode,
  into: Uint8Array,
  offset: number,
  call: Call,
  done: number,
): Promise<number> {
  const { reader, lockOwner } = node;
  const size = Math.min(into.length - done, context.session.readSize);
  const fields = {
    fh: reader?.fh ?? 0,
    offset: offset + done,
    flags: reader?.flags ?? 0,
    lockOwner,
    readFlags: lockOwner === 0n ? 0 : ReadFlags.LOCKOWNER,
  };
  const part = size === into.length ? into : into.subarray(done, done + size);
  return context
    .ask(node, call, (kernel, caller) => kernel.readInto(node.nodeid, fields, part, caller))
    .then((count) => {
      const all = done + count;
      if (count === 0 || all === into.length) return all;
      return readOn(context, node, into, offset, call, all);
    });
}

/** One writer of a file at a time; one that makes it longer keeps others from looking at its size, too. */
function write(
  context: Context,
  node: PerfuseNode,
  from: Uint8Array,
  offset: number,
  call: Call,
): Promise<number> {
  if (node.isDirectory) return Promise.reject(EISDIR);
  const all = () => writeAll(context, node, from, offset, call);
  return node.writing.during(() =>
    offset + from.length > node.known.size ? node.resizing.during(all) : all(),
  );
}

async function writeAll(
  context: Context,
  node: PerfuseNode,
  from: Uint8Array,
  offset: number,
  call: Call,
): Promise<number> {
  const { writeSize } = context.session;
  let done = 0;
  try {
    while (done < from.length) {
      const most = Math.min(from.length - done, writeSize);
      const size = most > PAGE ? most - (most % PAGE) : most;
      const part = from.subarray(done, done + size);
      const count = await writePart(context, node, part, offset + done, call);
      // It would never end.
      if (count === 0) throw EIO;
      done += count;
    }
    return done;
  } finally {
    if (done > 0) {
      node.dirty = true;
      node.grow(offset + done);
    }
  }
}

function writePart(
  context: Context,
  node: PerfuseNode,
  part: Uint8Array,
  offset: number,
  call: Call,
): Promise<number> {
  const { write: handle, lockOwner } = node;
  const fields = {
    fh: handle?.fh ?? 0,
    offset,
    flags: handle?.flags ?? 0,
    lockOwner,
    writeFlags:
      (part.length % PAGE === 0 ? WriteFlags.CACHE : 0) |
      (lockOwner === 0n ? 0 : WriteFlags.LOCKOWNER),
  };
  return context.ask(node, call, (kernel, caller) =>
    kernel.write(node.nodeid, fields, part, caller),
  );
}

const PAGE = 4096;

async function fallocate(
  context: Context,
  node: PerfuseNode,
  offset: number,
  length: number,
  mode: number,
  call: Call,
): Promise<void> {
  if (context.lacks("fallocate") || context.session.kernel.minor < SINCE.fallocate)
    throw EOPNOTSUPP;
  const handle = node.write;
  if (!handle) throw EBADF;
  try {
    await node.resizing.during(() =>
      context.ask(node, call, (kernel, caller) =>
        kernel.fallocate(node.nodeid, { fh: handle.fh, offset, length, mode }, caller),
      ),
    );
  } catch (error) {
    if (isCode(error, "ENOSYS") || (mode === 0 && isCode(error, "EOPNOTSUPP")))
      context.session.lacks.add("fallocate");
    throw isCode(error, "ENOSYS") ? EOPNOTSUPP : error;
  }
  node.dirty = true;
  if ((mode & Fallocate.KEEP_SIZE) === 0) node.grow(offset + length);
}

/** LSEEK; a file of a daemon that does not know it has no holes. */
async function seek(
  context: Context,
  node: PerfuseNode,
  offset: number,
  whence: "data" | "hole",
  call: Call,
): Promise<number> {
  if (!context.lacks("lseek") && context.session.kernel.minor >= SINCE.seek) {
    const fh = node.reader?.fh ?? 0;
    const fields = { fh, offset, whence: whence === "data" ? Seek.DATA : Seek.HOLE };
    try {
      return await context.ask(node, call, (kernel, caller) =>
        kernel.lseek(node.nodeid, fields, caller),
      );
    } catch (error) {
      if (!isCode(error, "ENOSYS")) throw error;
      context.session.lacks.add("lseek");
    }
  }
  const { size } = await fetch(context, node, call);
  if (offset >= size) throw ENXIO;
  return whence === "data" ? offset : size;
}

/** COPY_FILE_RANGE; EOPNOTSUPP has the kernel read and write, and ask again another time. */
async function copyRange(
  context: Context,
  from: PerfuseNode,
  offIn: number,
  to: PerfuseNode,
  offOut: number,
  length: number,
  call: Call,
): Promise<number> {
  if (context.lacks("copy") || context.session.kernel.minor < SINCE.copyRange) throw EOPNOTSUPP;
  if (to.session !== from.session) throw EINVAL;
  const source = await openFor(context, from, 0, call);
  const target = to.write;
  if (!target) throw EBADF;
  const fields = {
    ...{ fhIn: source.fh, offIn, nodeidOut: to.nodeid, fhOut: target.fh, offOut },
    len: Math.min(length, LARGEST_COPY),
    flags: 0,
  };
  const count = await to.writing
    .during(() =>
      context.ask(from, call, (kernel, caller) =>
        kernel.copyFileRange(from.nodeid, fields, caller),
      ),
    )
    .catch((error) => {
      if (!isCode(error, "ENOSYS")) throw error;
      context.session.lacks.add("copy");
      throw EOPNOTSUPP;
    });
  if (count > 0) {
    to.dirty = true;
    to.grow(offOut + count);
  }
  return count;
}

/** The answer has 32 bits; whole pages. */
const LARGEST_COPY = 0xfffff000;
