import { type Awaitable, isPromise } from "../awaitable.ts";
import { EINVAL, Errno } from "../errno.ts";
import { NODE_OPERATIONS } from "../operation-names.ts";
import { type Call, type NodeOperations, RENAME_EXCHANGE } from "../operations.ts";
import { PuffsNode } from "./node.ts";
import type { Pathlike, PathObject, Paths } from "./path.ts";
import { withInstead } from "./surround.ts";

/** What the names of a call are as whole paths. */
export interface GivenPaths<P extends Pathlike> {
  /**
   * Of the name that the operation is given. What it finds or makes is known by it as soon as it has answered. One that waits, and looks
   * for nodes by their paths, gives the node the path itself before it answers (`paths.assign`): another may look in between.
   */
  readonly path: PathObject<P>;
  /** In a rename: where to. */
  readonly target: PathObject<P> | undefined;
}

export interface PathFramework<N extends object, P extends Pathlike> {
  readonly paths: Paths<P>;
  /** Which node of the library an operation's node is. Left out: they are the same. */
  readonly nodeOf?: (node: N) => PuffsNode;
  /**
   * What an operation is given in place of a name, such as another spelling of it; its path is made of that, but for `transform` of the
   * rules, which sees the name as it came. What it throws fails the operation.
   */
  readonly modifyName?: (directory: PathObject<P> | undefined, name: string) => string;
}

/** Operations that know whole paths, and what to ask within them. */
export interface WithPaths<N extends object, P extends Pathlike> {
  readonly node: NodeOperations<N>;
  /** Within an operation that was given a name: its path. Throws EINVAL in others. */
  given(call: Call): GivenPaths<P>;
}

type Operation = (directory: object, name: string, ...rest: unknown[]) => Awaitable<unknown>;

/**
 * The same operations with the path framework around them (PUFFS_FLAG_BUILDPATH): each that is given a name can ask for its path, and
 * what they find, make, rename and take away is kept account of in the nodes. A `readdir` that tells nodes along tells nodes without
 * paths: it should leave them out, so that they are looked up.
 */
export function withPaths<N extends object, P extends Pathlike>(
  operations: NodeOperations<N>,
  { paths, nodeOf = itself, modifyName = (_, name) => name }: PathFramework<N, P>,
): WithPaths<N, P> {
  const calls = new WeakMap<object, GivenPaths<P>>();
  const own = operations as unknown as Record<string, Operation | undefined>;
  const instead: Record<string, unknown> = {};

  /**
   * A name with its path. While the operation waits its directory may be moved: `now` is the path then, or undefined if the directory
   * has none any more.
   */
  const place = (directory: N, name: string) => {
    const node = nodeOf(directory);
    const above = paths.of(node);
    const said = modifyName(above, name);
    const path = paths.child(node, said, name);
    const now = () => {
      const here = paths.of(node);
      if (here === above) return path;
      paths.release(path);
      return here && paths.child(node, said, name);
    };
    return { said, path, now };
  };

  /** Call an operation that has one name. If it ends without error `done` uses the path up. */
  const around = (
    key: string,
    done: (path: PathObject<P>, answer: unknown, node: unknown) => void,
  ) => {
    const operation = own[key];
    if (!operation) return;
    instead[key] = (directory: N, name: string, ...rest: unknown[]) => {
      const { said, path, now } = place(directory, name);
      const call = rest.at(-1) as object;
      calls.set(call, { path, target: undefined });
      return settle(
        () => operation.call(operations, directory, said, ...rest),
        (answer) => {
          calls.delete(call);
          const at = now();
          if (at) done(at, answer, rest[0]);
        },
        () => {
          calls.delete(call);
          paths.release(path);
        },
      );
    };
  };

  /** A path that is known already stays. */
  const name = (node: PuffsNode, path: PathObject<P>) => {
    if (node.path && node.path !== path) paths.release(path);
    else paths.assign(node, path);
  };

  for (const key of ["lookup", "create", "mknod", "mkdir", "symlink"])
    around(key, (path, answer) => name(nodeOf(answer as N), path));
  around("link", (path, _, node) => name(nodeOf(node as N), path));
  for (const key of ["remove", "rmdir"])
    around(key, (path) => {
      paths.lose(path);
      paths.release(path);
    });

  const { rename, reclaim } = operations;
  if (rename)
    instead.rename = (
      from: N,
      oldName: string,
      to: N,
      newName: string,
      flags: number,
      call: Call,
    ) => {
      const source = place(from, oldName);
      let target: typeof source;
      try {
        target = place(to, newName);
      } catch (error) {
        paths.release(source.path);
        throw error;
      }
      calls.set(call, { path: source.path, target: target.path });
      return settle(
        () => rename.call(operations, from, source.said, to, target.said, flags, call),
        () => {
          calls.delete(call);
          const [here, there] = [source.now(), target.now()];
          if (here && there)
            (flags & RENAME_EXCHANGE ? paths.exchange : paths.move).call(paths, here, there);
          else for (const path of [here, there]) if (path) paths.release(path);
        },
        () => {
          calls.delete(call);
          paths.release(source.path);
          paths.release(target.path);
        },
      );
    };
  // It may want to know the path once more. What it does later need not be waited for: a lookup may find the node again.
  instead.reclaim = (node: N, pid?: number) => {
    try {
      return reclaim?.call(operations, node, pid);
    } finally {
      paths.assign(nodeOf(node), undefined);
    }
  };

  return {
    node: withInstead(operations, Object.keys(NODE_OPERATIONS), instead),
    given(call) {
      const found = calls.get(call);
      if (!found) throw EINVAL;
      return found;
    },
  };
}

/** Do something and then, at once or when it is done, say how it went: an Errno, null and what is thrown is a failure. */
function settle(
  operation: () => Awaitable<unknown>,
  done: (answer: unknown) => void,
  failed: () => void,
): Awaitable<unknown> {
  const end = (answer: unknown) => {
    if (answer instanceof Errno || answer === null) failed();
    else done(answer);
    return answer;
  };
  const fail = (thrown: unknown): never => {
    failed();
    throw thrown;
  };
  let answer: Awaitable<unknown>;
  try {
    answer = operation();
  } catch (thrown) {
    return fail(thrown);
  }
  return isPromise(answer) ? Promise.resolve(answer).then(end, fail) : end(answer);
}

/** With PUFFS_FLAG_PNCOOKIE, and unless said otherwise, the nodes of the operations are the library's. */
export function itself(node: object): PuffsNode {
  if (node instanceof PuffsNode) return node;
  throw new Errno("EINVAL", "the nodes are not PuffsNode: say `nodeOf`");
}
