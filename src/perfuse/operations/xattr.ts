import { EOPNOTSUPP, Errno } from "../../errno.ts";
import { Xattr } from "../../fuse/flags.ts";
import { decodeName } from "../../name.ts";
import type { AttributeNamespace, Call, NodeOperations } from "../../operations.ts";
import { type Context, isCode, isPuffs, requestOf } from "../context.ts";
import type { PerfuseNode } from "../node.ts";
import type { Feature } from "../session.ts";

/** Extended attributes. */
export function xattrOperations(
  context: Context,
): Pick<
  NodeOperations<PerfuseNode>,
  "getextattr" | "setextattr" | "listextattr" | "deleteextattr"
> {
  const listed = new WeakMap<Call, Listed>();
  return {
    getextattr: (node, namespace, name, call) =>
      attempt(context, "getxattr", () => get(context, node, nameFor(namespace, name, call), call)),
    setextattr: (node, namespace, name, value, existing, call) =>
      attempt(context, "setxattr", () =>
        context.ask(node, call, (kernel, caller) =>
          kernel.setxattr(
            node.nodeid,
            nameFor(namespace, name, call),
            value,
            { flags: EXISTING[existing] },
            caller,
          ),
        ),
      ),
    deleteextattr: (node, namespace, name, call) =>
      attempt(context, "removexattr", () =>
        context.ask(node, call, (kernel, caller) =>
          kernel.removexattr(node.nodeid, nameFor(namespace, name, call), caller),
        ),
      ),
    async listextattr(node, namespace, call) {
      const known = listed.get(call);
      // Linux lists all at once, and the framework a namespace at a time, the user's first.
      const reused = known?.node === node && namespace !== "user" && !isPuffs(call);
      const names = reused ? known.names : await list(context, node, call);
      if (namespace === LAST) listed.delete(call);
      else if (requestOf(call) === "LISTXATTR") listed.set(call, { node, names });
      return names.flatMap((name) => nameFrom(namespace, name, call) ?? []);
    },
  };
}

interface Listed {
  readonly node: PerfuseNode;
  readonly names: readonly string[];
}

/** The last namespace that the framework asks for. */
const LAST: AttributeNamespace = "system";

const EXISTING = { any: 0, create: Xattr.CREATE, replace: Xattr.REPLACE };

/** XATTR_SIZE_MAX and XATTR_LIST_MAX of Linux (include/uapi/linux/limits.h). */
const LARGEST = 65536;

/** How many bytes there is room for, of a caller whose door says so; 0: only the length is wanted. */
function roomOf(call: Call): number {
  const { limit = LARGEST } = call as Call & { readonly limit?: number };
  return Math.min(limit, LARGEST);
}

/** The value; as many bytes as it has, where only their number is wanted. */
async function get(
  context: Context,
  node: PerfuseNode,
  name: string,
  call: Call,
): Promise<Uint8Array> {
  const room = roomOf(call);
  if (room > 0)
    return context.ask(node, call, (kernel, caller) =>
      kernel.getxattr(node.nodeid, name, room, caller),
    );
  const length = await context.ask(node, call, (kernel, caller) =>
    kernel.getxattrSize(node.nodeid, name, caller),
  );
  return new Uint8Array(Math.min(length, LARGEST));
}

function list(context: Context, node: PerfuseNode, call: Call): Promise<string[]> {
  return attempt(context, "listxattr", async () => {
    const ask = (room: number) =>
      context.ask(node, call, (kernel, caller) => kernel.listxattr(node.nodeid, room, caller));
    const room = roomOf(call) || LARGEST;
    // Of all names the caller sees those of one namespace: these may have room.
    const bytes = await ask(room).catch((error) => {
      if (room < LARGEST && isCode(error, "ERANGE")) return ask(LARGEST);
      throw error;
    });
    const names: string[] = [];
    for (let at = 0; at < bytes.length; ) {
      const nul = bytes.indexOf(0, at);
      const end = nul < 0 ? bytes.length : nul;
      if (end > at) names.push(decodeName(bytes, at, end));
      at = end + 1;
    }
    return names;
  });
}

/** What a daemon does not know is asked once; Linux' word for an attribute that is not there is not NetBSD's. */
async function attempt<T>(
  context: Context,
  feature: Feature,
  action: () => Promise<T>,
): Promise<T> {
  if (context.lacks(feature)) throw EOPNOTSUPP;
  try {
    return await action();
  } catch (error) {
    if (isCode(error, "ENODATA")) throw ENOATTR;
    if (!isCode(error, "ENOSYS")) throw error;
    context.session.lacks.add(feature);
    throw EOPNOTSUPP;
  }
}

const ENOATTR = new Errno("ENOATTR");

const SYSTEM_PREFIXES = ["trusted.", "security.", "system."] as const;

/**
 * The whole name. NetBSD has two namespaces and names that may bring a prefix or not: one of the system's in the user's namespace is
 * one more user's attribute, and what has none in the system's is made the system's.
 */
function nameFor(namespace: AttributeNamespace, name: string, call: Call): string {
  if (!isPuffs(call)) return `${namespace}.${name}`;
  const isSystem = SYSTEM_PREFIXES.some((prefix) => name.startsWith(prefix));
  if (namespace === "user") return isSystem ? `user.${name}` : name;
  return isSystem ? name : `system.${name}`;
}

/** How a name in a listing shows in a namespace; undefined if it is another's. */
function nameFrom(namespace: AttributeNamespace, name: string, call: Call): string | undefined {
  if (!isPuffs(call))
    return name.startsWith(`${namespace}.`) ? name.slice(namespace.length + 1) : undefined;
  const isSystem =
    name.startsWith("system.") || name.startsWith("trusted.") || name.startsWith("security");
  return isSystem === (namespace === "system") ? name : undefined;
}
