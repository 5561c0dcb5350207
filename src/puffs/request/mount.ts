import { checkAttributes } from "../../attributes.ts";
import type { Awaitable } from "../../awaitable.ts";
import { E2BIG, EINVAL, type Errno, ESTALE } from "../../errno.ts";
import { ROOT_ID } from "../../nodes.ts";
import { Nonsense } from "../../nonsense.ts";
import { after, type Outcome } from "../../outcome.ts";
import type { Of } from "../../struct.ts";
import type * as a from "../arguments.ts";
import { deviceOf, vtypeOf } from "../attr.ts";
import type { PuffsCall } from "../call.ts";
import { cookieOf } from "../cookie.ts";
import { FhFlags, MountFlags } from "../flags.ts";
import * as r from "../reply.ts";
import * as wire from "../structs.ts";
import { write64 } from "../word.ts";
import { hold } from "./hold.ts";

/** The kernel has written back all and wants to go. Unless it will go anyway the file system is asked, and may refuse. */
export function unmount(call: PuffsCall, { flags }: Of<typeof a.Unmount>): Outcome {
  const isAsked = call.connection.fs.unmount && (flags & MountFlags.FORCE) === 0;
  return isAsked ? after(call, leave(call), left) : left(call);
}

async function leave(call: PuffsCall): Promise<void> {
  const { connection } = call;
  const others = () => [...connection.pending].filter((other) => other !== call);
  // Who asked for these is gone by now, but writes that nobody waits for are not to be given up.
  for (const other of others()) if (!other.forgotten) other.abort("unmounted");
  const deadline = Date.now() + FAREWELL;
  while (others().length > 0 && Date.now() < deadline) await Bun.sleep(5);
  await connection.unmount();
}

function left(call: PuffsCall): number {
  call.connection.unmounted?.();
  return r.empty(call);
}

/** Milliseconds that operations at work get to end before the file system does. */
const FAREWELL = 2000;

export function statvfs(call: PuffsCall): Outcome {
  const { fs } = call.connection;
  return after(call, fs.statvfs ? fs.statvfs(call) : NO_STATISTICS, r.statistics);
}

const NO_STATISTICS = { frsize: 4096, blocks: 0, bfree: 0, bavail: 0, files: 0, ffree: 0 };

export function fhtonode(call: PuffsCall, { dsize }: Of<typeof a.Fhtonode>): Outcome {
  const places = wire.VfsmsgFhtonode.offsets;
  const { connection } = call;
  if (dsize > call.frame.length - places.data) return EINVAL;
  const handle = call.bytes(places.data, dsize);
  return after(call, connection.fs.fhtonode?.(handle, call) as Awaitable<object>, (c, node) => {
    r.checkNode(node);
    return after(c, r.attributesOf(c, node), (c2, value) => {
      checkAttributes(value, value.ino ?? ROOT_ID);
      const vnode = connection.vnodes.handOut(node);
      // A kernel that is not told will not reclaim it.
      vnode.byHandle ||= !(c2.answered || c2.forgotten);
      connection.vnodes.forget(vnode, 1);
      const { replyView } = c2.frame;
      write64(replyView, places.fhcookie, cookieOf(vnode));
      replyView.setUint32(places.vtype, vtypeOf(value.mode), true);
      write64(replyView, places.size, r.sizeOf(value));
      write64(replyView, places.rdev, deviceOf(value));
      return r.empty(c2);
    });
  });
}

export function nodetofh(call: PuffsCall, asked: Of<typeof a.Nodetofh>): Outcome {
  const places = wire.VfsmsgNodetofh.offsets;
  const { connection } = call;
  const vnode = hold(call, asked.fhcookie);
  if (!vnode) return ESTALE;
  const most = Math.min(asked.dsize, call.buflen - places.data);
  const answer = connection.fs.nodetofh?.(vnode.node, call) as Awaitable<Uint8Array | Errno>;
  return after(call, answer, (c, handle) => {
    checkHandle(c, handle);
    write64(c.frame.replyView, places.dsize, handle.length);
    // Whoever asks how long it is, getfh(2) does so first, gets this error, and the length all the same.
    if (handle.length > most) return E2BIG;
    c.frame.reply.set(handle, places.data);
    return places.data + handle.length;
  });
}

/** One that the kernel would not take back: see `handles` of createUsermount. */
function checkHandle({ connection }: PuffsCall, handle: Uint8Array): void {
  if (!(handle instanceof Uint8Array))
    throw new Nonsense(`a file handle is ${Bun.inspect(handle)}`);
  const { size, flags } = connection.handles;
  const { length } = handle;
  const fits = flags & FhFlags.DYNAMIC ? length <= size : length === size;
  if (!(fits || flags & FhFlags.PASSTHROUGH))
    throw new Nonsense(`a file handle has ${length} bytes, where the mount says ${size}`);
}

export function suspend(call: PuffsCall, { status }: Of<typeof a.Suspend>): Outcome {
  const word = SUSPENSIONS[status];
  return word ? after(call, call.connection.fs.suspend?.(word), r.empty) : EINVAL;
}

const SUSPENSIONS = ["start", "suspended", "resume", "error"] as const;
