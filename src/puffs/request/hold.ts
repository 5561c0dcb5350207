import type { Vnode } from "../../nodes.ts";
import type { PuffsCall } from "../call.ts";
import { vnodeOf } from "../cookie.ts";

/** A second node, held until the call has ended. */
export function hold(call: PuffsCall, cookie: number): Vnode | undefined {
  const vnode = vnodeOf(call.connection.vnodes, cookie);
  if (vnode) {
    vnode.pending++;
    call.held.push(vnode);
  }
  return vnode;
}
