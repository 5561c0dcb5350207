import { constants } from "node:os";
import { Errno } from "../errno.ts";

/** A mount that a signal may end. */
interface Unmountable {
  unmount(): Promise<void>;
}

const mounts = new Set<Unmountable>();
const signals = new Set<NodeJS.Signals>();

/**
 * From now on `signal` unmounts all mounts that this process serves (puffs_unmountonsignal(3)). The program's own listeners are called
 * too; what a signal does by default, such as to end the process, it does no more. Throws EINVAL for what is no signal, or cannot be
 * caught.
 */
export function unmountOnSignal(signal: NodeJS.Signals): void {
  if (!(signal in constants.signals) || signal === "SIGKILL" || signal === "SIGSTOP")
    throw new Errno("EINVAL", `${signal} cannot be waited for`);
  if (signals.has(signal)) return;
  signals.add(signal);
  process.on(signal, () => {
    for (const mount of mounts) mount.unmount().catch(() => {});
  });
}

/** For the mounts themselves, when they are up and when they are gone. */
export function enter(mount: Unmountable): void {
  mounts.add(mount);
}

export function leave(mount: Unmountable): void {
  mounts.delete(mount);
}
