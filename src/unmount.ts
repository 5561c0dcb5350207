import { spawnSync } from "node:child_process";
import { text } from "node:stream/consumers";
import { MNT_DETACH, UMOUNT_NOFOLLOW, unmount as umount2 } from "../ffi/mount.ts";
import { Failure, messageOf } from "./failure.ts";
import { fusermount } from "./fusermount.ts";
import { mountAt } from "./mountinfo.ts";
import { spawnSelf } from "./self.ts";

export interface UnmountOptions {
  /** Detach it even if it is busy: it is gone from the tree at once and ends when its last user is done. */
  readonly lazy?: boolean;
  /** Seconds to try again for while it is busy, and to detach it lazily after. */
  readonly grace?: number | undefined;
}

/** How it went: "detached" is a busy mount that ends later, "absent" that somebody else was first. */
export type Unmounted = "unmounted" | "detached" | "absent";

/**
 * Unmount from a process that serves the mount: another process of ours (`puffs umount`) does it, so that the kernel's questions
 * meanwhile are answered. `dead`: only if the mount's server is gone. Rejects with a Failure if it stays mounted.
 */
export async function unmountFromServer(
  directory: string,
  { lazy = false, dead = false, grace }: UnmountOptions & { readonly dead?: boolean },
): Promise<void> {
  const flags = [
    ...(lazy ? ["-l"] : []),
    ...(dead ? ["--dead"] : []),
    ...(grace === undefined ? [] : ["-g", String(grace)]),
  ];
  const child = spawnSelf("puffs", ["umount", "--at-once", ...flags, "--", directory], {
    stdio: ["ignore", "ignore", "pipe"],
    cwd: "/",
    // Ctrl-C goes to the whole foreground group; this one must finish.
    detached: true,
  });
  const ended = new Promise<number | null>((resolve) => {
    child.on("error", () => resolve(null));
    child.on("close", resolve);
  });
  const said = child.stderr === null ? "" : await text(child.stderr).catch(() => "");
  if ((await ended) !== 0) throw new Failure(said.trim() || `${directory}: cannot be unmounted`);
}

/**
 * Unmount, waiting for nothing but the kernel. Not for a process that serves the mount. Throws a Failure that says what to do,
 * such as when it is busy and there is no grace.
 */
export async function unmount(directory: string, options: UnmountOptions): Promise<Unmounted> {
  const { lazy = false, grace } = options;
  if (mountAt(directory) === undefined) return "absent";
  const until = performance.now() + (grace ?? 0) * 1000;
  for (;;) {
    const failure = lazy ? undefined : attempt(directory, false);
    if (!lazy && failure === undefined) return "unmounted";
    if (mountAt(directory) === undefined) return "absent";
    if (lazy || (grace !== undefined && failure?.busy && performance.now() >= until)) {
      const refused = attempt(directory, true);
      if (refused !== undefined) throw refused.failure;
      return lazy ? "unmounted" : "detached";
    }
    if (failure !== undefined && (grace === undefined || !failure.busy)) throw failure.failure;
    await Bun.sleep(RETRY);
  }
}

const RETRY = 100;

interface Refused {
  readonly busy: boolean;
  readonly failure: Failure;
}

function attempt(directory: string, lazy: boolean): Refused | undefined {
  const busyFailure = () =>
    new Failure(
      `${directory}: is busy; close what is open in it, or detach it with: puffs umount -l`,
    );
  if (process.geteuid?.() === 0) {
    try {
      umount2(directory, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0));
      return undefined;
    } catch (error) {
      const { code } = error as { code?: string };
      if (code === "EBUSY") return { busy: true, failure: busyFailure() };
      return { busy: false, failure: new Failure(`${directory}: ${messageOf(error)}`) };
    }
  }
  const program = fusermount();
  const args = ["-u", ...(lazy ? ["-z"] : []), "--", directory];
  const { status, stderr } = spawnSync(program, args, { encoding: "utf8", cwd: "/" });
  if (status === 0) return undefined;
  if (/busy/i.test(stderr)) return { busy: true, failure: busyFailure() };
  return { busy: false, failure: new Failure(`${directory}: ${stderr || `${program} failed`}`) };
}
