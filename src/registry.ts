import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";

/** A live mount, as `puffs list` shows it. */
export interface MountRecord {
  readonly directory: string;
  readonly plugin: string;
  readonly pid: number;
  /** When the process began, in clock ticks since boot: tells it from a later one with its number. */
  readonly started: string;
  /** When the mount began: milliseconds since 1970. */
  readonly since: number;
}

export interface ListedMount extends MountRecord {
  /** Requests served, at most a second old. */
  readonly served: number;
}

export interface Registration {
  remove(): void;
}

/**
 * Enter a mount of this process where `puffs list` looks: one file for what stays, and one for the count of requests, which is
 * written once a second while it changes.
 */
export function register(
  { directory, plugin }: { directory: string; plugin: string },
  served: () => number,
  folder = ownFolder(),
): Registration {
  mkdirSync(folder, { recursive: true, mode: process.geteuid?.() === 0 ? 0o755 : 0o700 });
  const { pid } = process;
  const record = { directory, plugin, pid, started: startOf(pid) ?? "", since: Date.now() };
  const base = join(folder, `${pid}-${counter++}`);
  const count = openSync(`${base}${COUNT}`, "w", 0o644);
  writeFileSync(`${base}.new`, JSON.stringify(record), { mode: 0o644 });
  renameSync(`${base}.new`, `${base}${RECORD}`);

  let written = -1;
  const update = () => {
    const now = served();
    if (now === written) return;
    written = now;
    // The number only grows: its digits always cover those of the last.
    writeSync(count, String(now), 0);
  };
  update();
  const timer = setInterval(update, SECOND);
  timer.unref();
  return {
    remove: () => {
      clearInterval(timer);
      closeSync(count);
      forget(base);
    },
  };
}

/** The live mounts, oldest first. Entries of processes that are gone are removed. */
export function listMounts(folders = folderList()): ListedMount[] {
  const found = folders.flatMap((folder) =>
    namesIn(folder)
      .filter((name) => name.endsWith(RECORD))
      .flatMap((name) => {
        const base = join(folder, name.slice(0, -RECORD.length));
        const record = readRecord(base);
        if (record !== undefined && isAlive(record))
          return [{ ...record, served: readCount(base) }];
        forget(base);
        return [];
      }),
  );
  return found.sort((a, b) => a.since - b.since);
}

/** Whether the very process still runs that made the entry. A zombie does not. */
export function isAlive({ pid, started }: Pick<MountRecord, "pid" | "started">): boolean {
  return startOf(pid) === started;
}

const RECORD = ".json";
const COUNT = ".served";
const SECOND = 1000;
let counter = 0;

/** Root's mounts are in /run/puffs; a user's in the directory of the login session, or one of their own in /tmp. */
function ownFolder(): string {
  const uid = process.geteuid?.() ?? 0;
  if (uid === 0) return "/run/puffs";
  const { XDG_RUNTIME_DIR } = process.env;
  return XDG_RUNTIME_DIR ? join(XDG_RUNTIME_DIR, "puffs") : `/tmp/puffs-${uid}`;
}

/** Root sees everybody's, a user their own and root's. */
function folderList(): string[] {
  const own = ownFolder();
  if (own !== "/run/puffs") return ["/run/puffs", own];
  const users = namesIn("/run/user").map((uid) => join("/run/user", uid, "puffs"));
  const others = namesIn("/tmp").filter((name) => /^puffs-\d+$/.test(name));
  return [own, ...users, ...others.map((name) => join("/tmp", name)).filter(belongsToItsUser)];
}

/** In /tmp anybody may make a directory of any name. */
function belongsToItsUser(folder: string): boolean {
  try {
    const { uid } = statSync(folder);
    return folder.endsWith(`-${uid}`);
  } catch {
    return false;
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function readRecord(base: string): MountRecord | undefined {
  try {
    const record = JSON.parse(readFileSync(base + RECORD, "utf8"));
    const whole = typeof record?.directory === "string" && Number.isInteger(record.pid);
    return whole ? record : undefined;
  } catch {
    return undefined;
  }
}

function readCount(base: string): number {
  try {
    return Number(readFileSync(base + COUNT, "utf8")) || 0;
  } catch {
    return 0;
  }
}

function forget(base: string): void {
  for (const kind of [RECORD, COUNT]) {
    try {
      rmSync(base + kind, { force: true });
    } catch {
      // Another user's: theirs to remove.
    }
  }
}

/** Field 22 of /proc/PID/stat (proc_pid_stat(5)), counted from behind the name, which may hold anything. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [state] = fields;
    return state === "Z" || state === "X" ? undefined : fields[19];
  } catch {
    return undefined;
  }
}
