import { type Awaitable, isPromise } from "../../awaitable.ts";
import { EINVAL, EOPNOTSUPP, EPROTO, Errno } from "../../errno.ts";
import { encodeName, nameLength } from "../../name.ts";
import { Nonsense } from "../../nonsense.ts";
import type { AttributeNamespace } from "../../operations.ts";
import type { Outcome } from "../../outcome.ts";
import type { Of } from "../../struct.ts";
import type { FuseCall } from "../call.ts";
import { Xattr } from "../flags.ts";
import * as r from "../reply.ts";
import type * as wire from "../structs.ts";

const NAMESPACES: readonly AttributeNamespace[] = ["user", "trusted", "security", "system"];

/** "user.mime_type" as namespace and name. As in Linux, a namespace alone is EINVAL. */
function attributeName(full: string): { namespace: AttributeNamespace; name: string } | Errno {
  const dot = full.indexOf(".");
  const namespace = NAMESPACES.find((known) => known.length === dot && full.startsWith(known));
  if (!namespace) return EOPNOTSUPP;
  return full.length > dot + 1 ? { namespace, name: full.slice(dot + 1) } : EINVAL;
}

export function setxattr(call: FuseCall, argument: Of<typeof wire.SetxattrIn>): Outcome {
  const { size, flags } = argument;
  if (size > call.frame.length - call.dataAt) return EPROTO;
  const named = attributeName(call.name);
  if (named instanceof Errno) return named;
  if (flags === (Xattr.CREATE | Xattr.REPLACE)) return EINVAL;
  const existing = flags & Xattr.CREATE ? "create" : flags & Xattr.REPLACE ? "replace" : "any";
  const { node } = call.connection;
  return r.after(
    call,
    node.setextattr?.(call.node, named.namespace, named.name, call.data(size), existing, call),
    r.empty,
  );
}

export function getxattr(call: FuseCall, { size }: Of<typeof wire.GetxattrIn>): Outcome {
  const named = attributeName(call.name);
  if (named instanceof Errno) return named;
  call.limit = size;
  const { node } = call.connection;
  const answer = node.getextattr?.(call.node, named.namespace, named.name, call) as Awaitable<
    Uint8Array | Errno
  >;
  return r.after(call, answer, r.attributeBytes);
}

export function removexattr(call: FuseCall): Outcome {
  const named = attributeName(call.name);
  if (named instanceof Errno) return named;
  const { node } = call.connection;
  return r.after(call, node.deleteextattr?.(call.node, named.namespace, named.name, call), r.empty);
}

export function listxattr(call: FuseCall, { size }: Of<typeof wire.GetxattrIn>): Outcome {
  call.limit = size;
  return listNamespaces(call, 0, []);
}

/** The plugin lists one namespace at a time, the kernel wants all. One that it does not support is empty. */
function listNamespaces(call: FuseCall, next: number, full: string[]): Outcome {
  for (let i = next; i < NAMESPACES.length; i++) {
    const namespace = NAMESPACES[i] as AttributeNamespace;
    // For the privileged only, says xattr(7). The kernel sees to that in all calls but this one.
    if (namespace === "trusted" && call.uid !== 0) continue;
    const answer = r.attempt<Iterable<string>>(
      () => call.connection.node.listextattr?.(call.node, namespace, call) as never,
    );
    if (isPromise(answer))
      return Promise.resolve(answer).then(
        (names) => addNames(full, namespace, names) ?? listNamespaces(call, i + 1, full),
      );
    const failed = addNames(full, namespace, answer as Iterable<string> | Errno);
    if (failed) return failed;
  }
  const bytes = new Uint8Array(full.reduce((sum, name) => sum + nameLength(name) + 1, 0));
  let at = 0;
  for (const name of full) at += encodeName(name, bytes, at) + 1;
  return r.attributeBytes(call, bytes);
}

function addNames(
  full: string[],
  namespace: string,
  names: Iterable<string> | Errno,
): Errno | undefined {
  if (names instanceof Errno) return names.code === "EOPNOTSUPP" ? undefined : names;
  for (const name of names) {
    if (typeof name !== "string" || name === "" || name.includes("\0"))
      throw new Nonsense(`an extended attribute is called ${Bun.inspect(name)}`);
    full.push(`${namespace}.${name}`);
  }
  return undefined;
}
