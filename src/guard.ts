import { spawn } from "node:child_process";
import type { Writable } from "node:stream";
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
  const script = [SCRIPT, "puffs-guard", directory, ...selfCommand()];
  const child = spawn("/bin/sh", ["-c", START, "puffs-guard", ...script], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
    cwd: "/",
  });
  // No shell, no guard: the mount works all the same. One that could not be started has no streams.
  const stdin = child.stdin as Writable | undefined;
  child.on("error", () => {});
  stdin?.on("error", () => {});
  child.unref();
  (stdin as { unref?(): void } | undefined)?.unref?.();
  return {
    watch: ({ id, device }) => {
      stdin?.write(`${id} ${device}\n`);
    },
    release: () => {
      stdin?.end("done\n");
    },
  };
}

// Where setpriv(1) can, the shell also gets SIGURG (which alone does nothing) when the server's main thread ends.
const START = `
if setpriv --pdeathsig URG true; then set -- setpriv --pdeathsig URG /bin/sh -c "$@"; else set -- /bin/sh -c "$@"; fi
exec "$@"
`;

// Numbers of mounts and devices are used again: the same ones may be somebody else's by now, so a mount that answers stays.
// Two lines come: which mount, and that all is well. Any end without the second is the server's death. Before the first
// there may be a mount already.
//
// A thread of the server that notifies the kernel may wait for a lock whose holder waits for the server: then not even SIGKILL ends
// the process and closes the pipe. The signal comes all the same, with the server still the parent, and aborting the
// connection frees them all. In some shells it ends a read, in others not: it is the server's death either way.
const SCRIPT = `
trap '' HUP INT TERM
directory=$1
shift
mine() {
  while read -r mount parent number rest; do
    [ "$mount" = "$id" ] && [ "$number" = "$device" ] && return
  done < /proc/self/mountinfo
  return 1
}
hangs() {
  read -r pid name state parent rest < /proc/$$/stat
  [ "$parent" = "$PPID" ] && mine
}
trap 'hangs && { umount -f -- "$directory" || echo 1 > "/sys/fs/fuse/connections/\${device#*:}/abort"; }' URG
if read -r id device; then
  read -r word && exit
  mine || exit
fi
"$@" --puffs umount --dead -- "$directory" && exit
[ -n "$id" ] || exit
stat -f -- "$directory" && exit
umount -l -- "$directory" || fusermount3 -u -z -- "$directory"
`;
