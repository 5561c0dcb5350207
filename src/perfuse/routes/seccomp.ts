import { closeDescriptor } from "../../../ffi/device.ts";
import { makePrivateDirectory } from "./directory.ts";
import type { Passage, PassageContext } from "./passage.ts";
import { Supervisor } from "./supervisor.ts";

/** The daemon opens /dev/fuse and mounts as it is used to, and is told that it did: it takes no library, no privilege and no device. */
export function seccompPassage({ socket, goFuse, warn }: PassageContext): Passage {
  const { mountpoint, remove } = makePrivateDirectory({ goFuse });
  let supervisor: Supervisor | undefined;
  let open = true;
  const release = () => {
    if (open) closeDescriptor(socket);
    open = false;
  };
  return {
    mountpoint,
    inherits: false,
    filter: { asks: true },
    started(listener) {
      // It did not come so far: its end is to be seen.
      if (listener === undefined) {
        release();
        return;
      }
      open = false;
      supervisor = new Supervisor(listener, { socket, mountpoint, warn });
    },
    // The listener hangs up when all have ended: the supervisor sees it.
    close() {
      supervisor?.close();
      release();
      remove();
    },
  };
}
