import {
  closeSync,
  constants,
  ftruncateSync,
  openSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { messageOf } from "../failure.ts";

/** Where the traces of one mount go. */
export interface TraceStore {
  readonly path: string;
  /** In the place of what is there. */
  write(text: string): void;
  /** If nothing was ever written the file goes too. */
  close(): void;
}

/**
 * Makes the trace file of a mount, readable for the user of this process alone. Anew: what is there under its name may be somebody
 * else's link. If it cannot be made that is a warning, and undefined.
 */
export function openTraceStore(
  target: string,
  warn: (message: string) => void,
): TraceStore | undefined {
  const path = tracePath(target);
  let file: number;
  try {
    rmSync(path, { force: true });
    file = openSync(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  } catch (error) {
    warn(`there will be no trace file: ${messageOf(error)}`);
    return undefined;
  }
  let written = false;
  return {
    path,
    write(text) {
      written = true;
      try {
        ftruncateSync(file);
        writeWhole(file, text);
      } catch (error) {
        warn(`${path} cannot be written: ${messageOf(error)}`);
      }
    },
    close() {
      closeSync(file);
      if (written) return;
      rmSync(path, { force: true });
    },
  };
}

/** /var/run/perfused-mnt-x.trace for /mnt/x; an ordinary user's is in the user's own /run/user/UID, or where there is none in /tmp. */
export function tracePath(target: string): string {
  return join(folder(), `perfused${target.replaceAll("/", "-")}.trace`);
}

function folder(): string {
  const uid = process.geteuid?.() ?? 0;
  if (uid === 0) return "/var/run";
  const own = `/run/user/${uid}`;
  return statSync(own, { throwIfNoEntry: false })?.uid === uid ? own : "/tmp";
}

function writeWhole(file: number, text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at, bytes.length - at, at);
}

const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
