import type { Vnode } from "../../nodes.ts";
import type { FuseCall } from "../call.ts";

/** The file behind a handle, if it is one of the call's node: 0 and what is not known are no file. */
export function useFile(call: FuseCall, handle: number): void {
  if (handle === 0) return;
  const file = call.connection.files.at(handle);
  if (file?.vnode === call.vnode) call.file = file;
}

/** A second node, held until the call has ended. */
export function hold(call: FuseCall, nodeid: number): Vnode | undefined {
  const vnode = call.connection.vnodes.at(nodeid);
  if (vnode) {
    vnode.pending++;
    call.other = vnode;
  }
  return vnode;
}

export function nodeidOf(call: FuseCall): number {
  const view = call.frame.requestView;
  return view.getUint32(20, true) * 0x100000000 + view.getUint32(16, true);
}
