import { viewOf } from "../frame.ts";
import { encodeName, nameLength } from "../name.ts";
import type { Of, Struct } from "../struct.ts";
import { InvalEntryFlags, Notify } from "./flags.ts";
import * as wire from "./structs.ts";

/*
 * The messages that a server sends of its own accord: a header with `unique` 0 and the kind in the place of the error.
 */

export function invalInode(ino: number, off: number, len: number): Uint8Array {
  return message(Notify.INVAL_INODE, wire.NotifyInvalInodeOut, { ino, off, len });
}

export function invalEntry(parent: number, name: string, expireOnly: boolean): Uint8Array {
  const flags = expireOnly ? InvalEntryFlags.EXPIRE_ONLY : 0;
  const text = nameBytes(name);
  return message(
    Notify.INVAL_ENTRY,
    wire.NotifyInvalEntryOut,
    { parent, namelen: text.length - 1, flags },
    text,
  );
}

export function removed(parent: number, child: number, name: string): Uint8Array {
  const text = nameBytes(name);
  return message(
    Notify.DELETE,
    wire.NotifyDeleteOut,
    { parent, child, namelen: text.length - 1 },
    text,
  );
}

export function store(nodeid: number, offset: number, content: Uint8Array): Uint8Array {
  return message(
    Notify.STORE,
    wire.NotifyStoreOut,
    { nodeid, offset, size: content.length },
    content,
  );
}

export function retrieve(
  notifyUnique: number,
  nodeid: number,
  offset: number,
  size: number,
): Uint8Array {
  return message(Notify.RETRIEVE, wire.NotifyRetrieveOut, { notifyUnique, nodeid, offset, size });
}

export function poll(kh: bigint): Uint8Array {
  return message(Notify.POLL, wire.NotifyPollWakeupOut, { kh });
}

export function resend(): Uint8Array {
  return message(Notify.RESEND, undefined, undefined);
}

export function incEpoch(): Uint8Array {
  return message(Notify.INC_EPOCH, undefined, undefined);
}

export function prune(nodeids: readonly number[]): Uint8Array {
  const ids = new Uint8Array(nodeids.length * 8);
  const view = viewOf(ids);
  nodeids.forEach((id, i) => {
    view.setUint32(i * 8, id >>> 0, true);
    view.setUint32(i * 8 + 4, Math.floor(id / 2 ** 32), true);
  });
  return message(Notify.PRUNE, wire.NotifyPruneOut, { count: nodeids.length }, ids);
}

// biome-ignore lint/suspicious/noExplicitAny: a struct of any fields, and a value of its type
function message<S extends Struct<any>>(
  code: number,
  struct: S | undefined,
  value: Of<S> | undefined,
  tail: Uint8Array = NOTHING,
): Uint8Array {
  const head = wire.OutHeader.size;
  const body = struct?.size ?? 0;
  const bytes = new Uint8Array(head + body + tail.length);
  const view = viewOf(bytes);
  wire.OutHeader.write(view, 0, { len: bytes.length, error: code, unique: 0n });
  struct?.write(view, head, value as Of<S>);
  bytes.set(tail, head + body);
  return bytes;
}

const NOTHING = new Uint8Array(0);

function nameBytes(name: string): Uint8Array {
  const bytes = new Uint8Array(nameLength(name) + 1);
  encodeName(name, bytes, 0);
  return bytes;
}
