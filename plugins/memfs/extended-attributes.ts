import { existsSync } from "node:fs";
import {
  type AttributeNamespace,
  type Done,
  E2BIG,
  EEXIST,
  ENODATA,
  ENOSPC,
  EOPNOTSUPP,
  type NodeOperations,
  now,
} from "puffs";
import type { Inode } from "./inode.ts";
import { pagesFor, type Volume } from "./volume.ts";

type AttributeOperations = Required<
  Pick<NodeOperations<Inode>, "getextattr" | "setextattr" | "listextattr" | "deleteextattr">
> & {
  /** The file is gone: gives back the space its attributes take. */
  forget(node: Inode): void;
};

/** The attributes of one file, by name with namespace. */
interface Attributes {
  readonly values: Map<string, Uint8Array>;
  /** Of names and values; what is counted against the volume is whole pages of them. */
  bytes: number;
}

/**
 * Extended attributes: see xattr(7) for the namespaces, and for who may use which, which the kernel enforces. Those of
 * `system` would be understood by a file system, not just kept (access control lists): there are none.
 */
export function extendedAttributes(volume: Volume): AttributeOperations {
  const all = new Map<Inode, Attributes>();
  // ls -l asks for every file's label, until it is told that there are none to be had.
  const labelled = existsSync("/sys/fs/selinux");

  /** Accounts for `attributes` being `bytes` long from now on; or answers false. */
  function resize(attributes: Attributes, bytes: number): boolean {
    if (!volume.takePages(pagesFor(bytes) - pagesFor(attributes.bytes))) return false;
    attributes.bytes = bytes;
    return true;
  }

  return {
    getextattr(node, namespace, name) {
      if (namespace === "system") return EOPNOTSUPP;
      const value = all.get(node)?.values.get(key(namespace, name));
      return (
        value ??
        (!labelled && namespace === "security" && name === "selinux" ? EOPNOTSUPP : ENODATA)
      );
    },

    setextattr(node, namespace, name, value, existing): Done {
      if (namespace === "system") return EOPNOTSUPP;
      if (value.length > VALUE_MAX) return E2BIG;
      const attributes = all.get(node) ?? { values: new Map(), bytes: 0 };
      const id = key(namespace, name);
      const old = attributes.values.get(id);
      if (old !== undefined && existing === "create") return EEXIST;
      if (old === undefined && existing === "replace") return ENODATA;
      const added = old === undefined ? id.length + value.length : value.length - old.length;
      if (!resize(attributes, attributes.bytes + added)) return ENOSPC;
      attributes.values.set(id, value.slice());
      all.set(node, attributes);
      node.ctime = now();
    },

    listextattr(node, namespace) {
      const prefix = key(namespace, "");
      const names = [...(all.get(node)?.values.keys() ?? [])];
      return names
        .filter((name) => name.startsWith(prefix))
        .map((name) => name.slice(prefix.length));
    },

    deleteextattr(node, namespace, name): Done {
      if (namespace === "system") return EOPNOTSUPP;
      const attributes = all.get(node);
      const id = key(namespace, name);
      const old = attributes?.values.get(id);
      if (attributes === undefined || old === undefined) return ENODATA;
      attributes.values.delete(id);
      resize(attributes, attributes.bytes - id.length - old.length);
      if (attributes.values.size === 0) all.delete(node);
      node.ctime = now();
    },

    forget(node) {
      const attributes = all.get(node);
      if (attributes === undefined) return;
      resize(attributes, 0);
      all.delete(node);
    },
  };
}

function key(namespace: AttributeNamespace, name: string): string {
  return `${namespace}.${name}`;
}

/** XATTR_SIZE_MAX of <linux/limits.h>. */
const VALUE_MAX = 65536;
