import { closeDescriptor } from "../../../ffi/device.ts";
import type { Passage, PassageContext } from "./passage.ts";

/**
 * A mount point called /dev/fd/N is a descriptor of /dev/fuse that somebody has mounted already: so say libfuse 3, and go-fuse. They open
 * and mount nothing then.
 */
export function devFdPassage({ socket }: PassageContext): Passage {
  let open = true;
  const release = () => {
    if (open) closeDescriptor(socket);
    open = false;
  };
  return {
    mountpoint: "/dev/fd/3",
    inherits: true,
    filter: {},
    started: release,
    close: release,
  };
}
