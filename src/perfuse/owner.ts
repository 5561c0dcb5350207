import { stat } from "node:fs/promises";
import type { Credentials } from "../../ffi/seqpacket.ts";
import { Failure, messageOf, sysexits } from "../failure.ts";

/**
 * Whether somebody may mount on a directory: root anywhere, others on what is their own, may be read by them and, unless the mount is
 * read-only, written. Rejects with a Failure (EX_NOPERM).
 */
export async function checkRight(
  { uid }: Credentials,
  target: string,
  readOnly: boolean,
): Promise<void> {
  if (uid === 0) return;
  const refuse = (why: string) =>
    new Failure(
      `user ${uid} may not mount on ${JSON.stringify(target)}: ${why}`,
      sysexits.noPermission,
    );
  const found = await stat(target).catch((error) => {
    throw refuse(messageOf(error));
  });
  if (found.uid !== uid) throw refuse(`it is user ${found.uid}'s`);
  const needed = readOnly ? OWNER_READ : OWNER_READ | OWNER_WRITE;
  if ((found.mode & needed) !== needed)
    throw refuse(`its mode is ${(found.mode & 0o7777).toString(8).padStart(4, "0")}`);
}

/**
 * Turns this process, which is root's, into one of an ordinary user's, for good: what it mounts it then mounts with that user's
 * rights, and a daemon that finds a hole in it has gained nothing. Throws what the system says.
 */
export function becomeOwner({ uid, gid }: Credentials, groups: readonly number[]): void {
  process.setgroups?.([...groups]);
  process.setgid?.(gid);
  process.setuid?.(uid);
  // It is root's.
  delete process.env.XDG_RUNTIME_DIR;
}

const OWNER_READ = 0o400;
const OWNER_WRITE = 0o200;
