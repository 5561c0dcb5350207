import { readFileSync } from "node:fs";
import { Errno } from "../errno.ts";
import type { Call } from "../operations.ts";
import type { Credentials } from "../puffs/permission.ts";

/** Whose credentials there are: a process', the kernel's own, the file system's in the kernel (writing back, for no one). */
export interface Identity {
  readonly kind: "user" | "kernel" | "fs";
  readonly uid: number;
  readonly gid: number;
  /** The supplementary groups, or what finds them out. */
  readonly groups: readonly number[] | (() => readonly number[]);
}

/** Who asks, for as long as one likes to know (puffs_cred(3)), and for the rules of access.ts. */
export class Credential implements Credentials {
  readonly #identity: Identity;
  #groups: readonly number[] | undefined;

  constructor(identity: Identity) {
    this.#identity = identity;
  }

  /** The effective user. Throws EOPNOTSUPP if it is no user's, as `gid` and `groups` do. */
  get uid(): number {
    return this.#user.uid;
  }

  get gid(): number {
    return this.#user.gid;
  }

  /** The supplementary groups; NetBSD's kernel tells 16 at most. */
  get groups(): readonly number[] {
    const { groups } = this.#user;
    this.#groups ??= typeof groups === "function" ? groups() : groups;
    return this.#groups;
  }

  isUid(uid: number): boolean {
    return this.isRegular && this.uid === uid;
  }

  /** Whether it is the effective group or a supplementary one. */
  hasGroup(gid: number): boolean {
    return this.isRegular && (this.gid === gid || this.groups.includes(gid));
  }

  /** A process asks. */
  get isRegular(): boolean {
    return this.#identity.kind === "user";
  }

  get isKernel(): boolean {
    return this.#identity.kind === "kernel";
  }

  get isFs(): boolean {
    return this.#identity.kind === "fs";
  }

  /** The superuser, or the kernel: nothing is refused. */
  get isJuggernaut(): boolean {
    return !this.isRegular || this.uid === 0;
  }

  /** The same, as the rules of access.ts call it. */
  get privileged(): boolean {
    return this.isJuggernaut;
  }

  /** Likewise: not a process. */
  get internal(): boolean {
    return !this.isRegular;
  }

  /** Likewise `hasGroup`. */
  inGroup(gid: number): boolean {
    return this.hasGroup(gid);
  }

  get #user(): Identity {
    if (!this.isRegular) throw new Errno("EOPNOTSUPP", "the credentials are no user's");
    return this.#identity;
  }
}

/** A call of a door whose requests bring all there is to know. */
interface Identified {
  identity(): Pick<Identity, "kind" | "groups">;
}

/**
 * Who makes a call; to be asked within the operation.
 *
 * On puffs each request brings the groups. FUSE brings user and group alone: the other groups are read from /proc when they are asked
 * for first, while the caller waits; of one who is gone, or in another pid namespace, there are none. What has no process there is taken
 * for the kernel's if it is root's.
 */
export function credentialOf(call: Call): Credential {
  const { uid, gid, pid } = call;
  if ("identity" in call)
    return new Credential({ uid, gid, ...(call as unknown as Identified).identity() });
  const kind = pid === 0 && uid === 0 ? "kernel" : "user";
  return new Credential({ kind, uid, gid, groups: () => groupsOf(pid) });
}

/** Supplementary groups of a thread, as proc_pid_status(5) shows them. */
function groupsOf(pid: number): number[] {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "latin1");
    const line = /^Groups:(.*)$/m.exec(status)?.[1] ?? "";
    return line.split(/\s+/).filter(Boolean).map(Number);
  } catch {
    return [];
  }
}
