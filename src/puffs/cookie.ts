import { ROOT_ID, type Vnode, type Vnodes } from "../nodes.ts";

/*
 * What the kernel calls a node by: its number, below 2^32, and above that its generation. The kernel sends messages for
 * cookies that it reclaimed long before (a late fsync of an expired node): those must not be taken for the next node of that number.
 */

export function cookieOf({ id, generation }: Vnode): number {
  return (generation % GENERATIONS) * 2 ** 32 + id;
}

/** The node that a cookie is of, or undefined: it was never given out, or is reclaimed. */
export function vnodeOf(vnodes: Vnodes, cookie: number): Vnode | undefined {
  const vnode = vnodes.at(cookie >>> 0);
  return vnode && cookieOf(vnode) === cookie ? vnode : undefined;
}

/** The root's, as the mount is told it. */
export const ROOT_COOKIE = 2 ** 32 + ROOT_ID;

/** A cookie stays below 2^53. */
const GENERATIONS = 2 ** 21;
