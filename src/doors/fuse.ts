import { attach } from "../attach.ts";
import { type MountEntry, mountAt } from "../mountinfo.ts";
import { prepareMountpoint } from "../mountpoint.ts";
import { unmountFromServer } from "../unmount.ts";
import type { Door } from "./door.ts";
import { FuseProtocol } from "./fuse-protocol.ts";

/** Linux, by /dev/fuse. */
export function fuseDoor(): Door {
  let protocol: FuseProtocol | undefined;
  let mounted: MountEntry | undefined;
  return {
    isLocal: true,
    prepare: prepareMountpoint,
    protocol(directory) {
      protocol = new FuseProtocol(directory);
      return protocol;
    },
    async attach(mounting) {
      const descriptor = await attach(mounting);
      mounted = mountAt(mounting.directory);
      return descriptor;
    },
    async unmount(directory, grace = 0) {
      const atWork = protocol?.atWork() ?? [];
      // Somebody may have detached it, and there may be another mount by now.
      if (mountAt(directory)?.id === mounted?.id) await unmountFromServer(directory, { grace });
      else await Bun.sleep(grace * 1000);
      // It is busy then. What has taken all of the grace time is stuck, and whoever waits for it would never be done.
      for (const giveUp of atWork) giveUp();
    },
  };
}
