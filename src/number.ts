import { checkAttributes } from "./attributes.ts";
import { type Awaitable, then } from "./awaitable.ts";
import { Errno } from "./errno.ts";
import type { Vnode } from "./nodes.ts";
import type { Attributes } from "./operations.ts";
import { attempt } from "./outcome.ts";

/**
 * The inode number of a listed name, where the plugin leaves it out: the one that stat(2) shows of the node, if the kernel knows
 * that. getcwd(3) finds directories by their being the same.
 */
export function numberOf(known: Vnode | undefined, ask: Ask): Awaitable<number> {
  if (!known) return UNKNOWN_INO;
  return then(
    attempt(() => ask(known.node)),
    (told) => {
      if (told instanceof Errno) return known.id;
      const ino = told.ino ?? known.id;
      checkAttributes(told, ino);
      return ino;
    },
  );
}

/** That of "..", in a directory with these attributes: the directory's own at the top. */
export function parentNumber(own: Attributes, { id, parent }: Vnode, ask: Ask): Awaitable<number> {
  if (own.parentIno !== undefined) return own.parentIno;
  if (!parent) return own.ino ?? id;
  return own.ino === undefined ? parent.id : numberOf(parent, ask);
}

/** `getattr` of a plugin, in the name of whoever asks now. */
type Ask = (node: object) => Awaitable<Attributes | Errno>;

/** What stands for an inode number that nobody knows: readdir(3) must not see 0. */
export const UNKNOWN_INO = 0xffffffff;
