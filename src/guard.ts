import { spawn } from "node:child_process";
import type { MountEntry } from "./mountinfo.ts";
import { selfCommand } from "./self.ts";

/** What outlives the server: see `startGuard`. */
export interface Guard {
  /** From now on the end of this process unmounts `mount`. */
  watch(mount: MountEntry): void;
  /** The mount has ended in order: the guard goes. */
  release(): void;
}

/**
 * Start the process that sees to it that no dead mount is left when this one dies, by SIGKILL too: a shell that waits
 * for the end of the pipe that only this process holds, then detaches the mount if it is still there and dead. It has a session of its
 * own, so that signals to this process' group and terminal pass it by. Start it before the mount.
 */
export function startGuard(directory: string): Guard {
  const child = spawn("/bin/sh", ["-c", SCRIPT, "puffs-guard", directory, ...selfCommand()], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
    cwd: "/",
  });
  const { stdin } = child;
  // No shell, no guard: the mount works all the same.
  child.on("error", () => {});
  stdin.on("error", () => {});
  child.unref();
  (stdin as unknown as { unref?(): void }).unref?.();
  return {
    watch: ({ id, device }) => {
      stdin.write(`${id} ${device}\n`);
    },
    release: () => {
      stdin.end("done\n");
    },
  };
}

// Numbers of mounts and devices are used again: the same ones may be somebody else's by now, so a mount that answers stays.
// Two lines come: which mount, and that all is well. Any end without the second is the server's death.
const SCRIPT = `
trap '' HUP INT TERM
directory=$1
shift
read -r id device || exit 0
read -r word && exit 0
while read -r mount parent number rest; do
  if [ "$mount" = "$id" ] && [ "$number" = "$device" ]; then
    "$@" --puffs umount --dead -- "$directory" && exit 0
    stat -f -- "$directory" && exit 0
    umount -l -- "$directory" || fusermount3 -u -z -- "$directory"
    exit
  fi
done < /proc/self/mountinfo
`;
