import type { Awaitable } from "../../awaitable.ts";
import { EINVAL, EPERM, ESTALE } from "../../errno.ts";
import { decodeName, encodeName, nameLength } from "../../name.ts";
import { Nonsense } from "../../nonsense.ts";
import type { AttributeNamespace } from "../../operations.ts";
import { after, type Outcome } from "../../outcome.ts";
import type { Of } from "../../struct.ts";
import type * as a from "../arguments.ts";
import type { PuffsCall } from "../call.ts";
import { Extattrctl, ExtattrList, ExtattrNamespace } from "../flags.ts";
import { READ, WRITE } from "../permission.ts";
import * as r from "../reply.ts";
import type { Next } from "../setattr.ts";
import * as wire from "../structs.ts";
import { read64, write64 } from "../word.ts";
import { allow } from "./allow.ts";
import { hold } from "./hold.ts";

export function getextattr(call: PuffsCall, asked: Of<typeof a.Getextattr>): Outcome {
  const places = wire.VnmsgGetextattr.offsets;
  const namespace = namespaceOf(asked);
  const name = attributeName(call, places.attrname);
  if (!(namespace && name)) return EINVAL;
  call.limit = Math.max(0, Math.min(asked.resid, call.buflen - places.data));
  return allowAttribute(call, namespace, READ, (c) => {
    const { node } = c.connection;
    const answer = node.getextattr?.(c.node, namespace, name, c) as Awaitable<Uint8Array>;
    return after(c, answer, (c2, value) => r.attributeBytes(c2, value, places));
  });
}

export function setextattr(call: PuffsCall, asked: Of<typeof a.Setextattr>): Outcome {
  const places = wire.VnmsgSetextattr.offsets;
  const namespace = namespaceOf(asked);
  const name = attributeName(call, places.attrname);
  if (!(namespace && name) || asked.resid > call.frame.length - places.data) return EINVAL;
  const value = call.bytes(places.data, asked.resid);
  return allowAttribute(call, namespace, WRITE, (c) => {
    const { node } = c.connection;
    return after(c, node.setextattr?.(c.node, namespace, name, value, "any", c), (c2) => {
      write64(c2.frame.replyView, places.resid, 0);
      return r.empty(c2);
    });
  });
}

export function deleteextattr(call: PuffsCall, asked: Of<typeof a.Deleteextattr>): Outcome {
  const namespace = namespaceOf(asked);
  const name = attributeName(call, wire.VnmsgDeleteextattr.offsets.attrname);
  if (!(namespace && name)) return EINVAL;
  return allowAttribute(call, namespace, WRITE, (c) =>
    after(c, c.connection.node.deleteextattr?.(c.node, namespace, name, c), r.empty),
  );
}

export function listextattr(call: PuffsCall, asked: Of<typeof a.Listextattr>): Outcome {
  const places = wire.VnmsgListextattr.offsets;
  const namespace = namespaceOf(asked);
  if (!namespace) return EINVAL;
  call.limit = Math.max(0, Math.min(asked.resid, call.buflen - places.data));
  const prefixed = (asked.flag & ExtattrList.LENPREFIX) !== 0;
  // Of the system's there is nothing to see for others, and no error: a list of all asks for both.
  const hidden = namespace !== "user" && !call.privileged;
  if (hidden) return r.attributeBytes(call, nameList([], prefixed), places);
  return allowAttribute(call, namespace, READ, (c) => {
    const { node } = c.connection;
    const answer = node.listextattr?.(c.node, namespace, c) as Awaitable<Iterable<string>>;
    return after(c, answer, (c2, names) => r.attributeBytes(c2, nameList(names, prefixed), places));
  });
}

export function extattrctl(call: PuffsCall, asked: Of<typeof a.Extattrctl>): Outcome {
  const { connection, frame } = call;
  const namespace = namespaceOf(asked);
  const name = attributeName(call, wire.VfsmsgExtattrctl.offsets.attrname) ?? "";
  const vnode =
    asked.flags & Extattrctl.HASNODE
      ? hold(call, read64(frame.requestView, wire.PuffsReq.offsets.cookie))
      : undefined;
  if (!namespace) return EINVAL;
  if (asked.flags & Extattrctl.HASNODE && !vnode) return ESTALE;
  const { fs } = connection;
  return after(call, fs.extattrctl?.(asked.cmd, vnode?.node, namespace, name, call), r.empty);
}

type Namespaced = { readonly attrnamespace: number };

function namespaceOf({ attrnamespace }: Namespaced): AttributeNamespace | undefined {
  if (attrnamespace === ExtattrNamespace.USER) return "user";
  return attrnamespace === ExtattrNamespace.SYSTEM ? "system" : undefined;
}

/** The name of an extended attribute, which has its NUL within 255 bytes. */
function attributeName(call: PuffsCall, at: number): string | undefined {
  const { request } = call.frame;
  const end = request.subarray(at, at + 255).indexOf(0);
  return end > 0 ? decodeName(request, at, at + end) : undefined;
}

/**
 * Go on if the caller may use attributes of this namespace so: those of users as they may the content of the file, those of the system
 * only the superuser (extattr_check_cred of NetBSD's kernel, which leaves it to the file system).
 */
function allowAttribute(
  call: PuffsCall,
  namespace: AttributeNamespace,
  mask: number,
  next: Next,
): Outcome {
  if (call.privileged && !call.connection.node.access) return next(call);
  if (namespace !== "user" && !call.privileged) return EPERM;
  return allow(call, call.node, mask, next);
}

/** Each name behind a byte with its length, or before a NUL. */
function nameList(names: Iterable<string>, prefixed: boolean): Uint8Array {
  const all = [...names];
  const bytes = new Uint8Array(all.reduce((sum, name) => sum + nameLength(name) + 1, 0));
  let at = 0;
  for (const name of all) {
    const length = nameLength(name);
    if (length === 0 || length > 255 || name.includes("\0"))
      throw new Nonsense(`an extended attribute is called ${Bun.inspect(name)}`);
    if (prefixed) bytes[at] = length;
    encodeName(name, bytes, prefixed ? at + 1 : at);
    at += length + 1;
  }
  return bytes;
}
