import type { Span } from "../frame.ts";
import { decodeName } from "../name.ts";
import { foreign64, type Of, struct } from "../struct.ts";
import { Notify } from "./flags.ts";
import {
  type Foreign,
  NotifyDeleteOut,
  NotifyInvalEntryOut,
  NotifyInvalInodeOut,
  NotifyRetrieveOut,
  NotifyStoreOut,
} from "./foreign.ts";
import { decodeHead, decodeWhole, Refusal } from "./parts.ts";
import { NotifyPollWakeupOut, NotifyPruneOut } from "./structs.ts";

/** What a server says unasked: a message with `unique` 0 and one of the NOTIFY codes where the error would be. */
export type Notification =
  | ({ readonly type: "poll" } & Of<typeof NotifyPollWakeupOut>)
  | ({ readonly type: "invalidateInode" } & Of<typeof NotifyInvalInodeOut>)
  | ({ readonly type: "invalidateEntry"; readonly name: string } & Of<typeof NotifyInvalEntryOut>)
  | ({ readonly type: "delete"; readonly name: string } & Of<typeof NotifyDeleteOut>)
  | ({ readonly type: "store"; readonly data: Uint8Array } & Of<typeof NotifyStoreOut>)
  | ({ readonly type: "retrieve" } & Of<typeof NotifyRetrieveOut>)
  | { readonly type: "resend" }
  | { readonly type: "incrementEpoch" }
  | { readonly type: "prune"; readonly nodeids: readonly Foreign[] };

/** `body` is what follows the header; `data` of "store" is a view of it. Throws if it is none of the above. */
export function decodeNotification(code: number, body: Span): Notification {
  switch (code) {
    case Notify.POLL:
      return { type: "poll", ...decodeWhole(NotifyPollWakeupOut, body) };
    case Notify.INVAL_INODE:
      return { type: "invalidateInode", ...decodeWhole(NotifyInvalInodeOut, body) };
    case Notify.INVAL_ENTRY: {
      const fields = decodeHead(NotifyInvalEntryOut, body);
      const name = nameAfter(NotifyInvalEntryOut.size, fields.namelen, body);
      return { type: "invalidateEntry", ...fields, name };
    }
    case Notify.DELETE: {
      const fields = decodeHead(NotifyDeleteOut, body);
      return {
        type: "delete",
        ...fields,
        name: nameAfter(NotifyDeleteOut.size, fields.namelen, body),
      };
    }
    case Notify.STORE: {
      const fields = decodeHead(NotifyStoreOut, body);
      const data = body.after(NotifyStoreOut.size).part();
      if (data.length !== fields.size)
        throw new Refusal(`STORE of ${fields.size} brings ${data.length}`);
      return { type: "store", ...fields, data };
    }
    case Notify.RETRIEVE:
      return { type: "retrieve", ...decodeWhole(NotifyRetrieveOut, body) };
    case Notify.RESEND:
      return { type: "resend" };
    case Notify.INC_EPOCH:
      return { type: "incrementEpoch" };
    case Notify.PRUNE:
      return { type: "prune", nodeids: nodeidsIn(body) };
    default:
      throw new Refusal(`notification ${code} is not known`);
  }
}

/** With a NUL after it, which `length` does not count. */
function nameAfter(size: number, length: number, body: Span): string {
  if (body.length !== size + length + 1)
    throw new Refusal(`a name of ${length} in ${body.length} bytes`);
  const start = body.start + size;
  return decodeName(body.bytes, start, start + length);
}

function nodeidsIn(body: Span): Foreign[] {
  const { count } = decodeHead(NotifyPruneOut, body);
  const { view, start, length } = body.after(NotifyPruneOut.size);
  if (length !== count * PruneId.size)
    throw new Refusal(`PRUNE of ${count} in ${body.length} bytes`);
  return Array.from(
    { length: count },
    (_, i) => PruneId.read(view, start + i * PruneId.size).nodeid,
  );
}

/** What follows NotifyPruneOut. */
const PruneId = struct({ nodeid: foreign64 });
