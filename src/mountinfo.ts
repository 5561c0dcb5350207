import { readFileSync } from "node:fs";

/** One line of /proc/self/mountinfo, see proc_pid_mountinfo(5). */
export interface MountEntry {
  /** Of this mount in this namespace; may be used again after it is gone. */
  readonly id: number;
  readonly parent: number;
  /** The file system's device, "major:minor": tells two mounts with one id apart. */
  readonly device: string;
  readonly directory: string;
  /** Such as "fuse.memfs". */
  readonly type: string;
  readonly source: string;
  readonly options: string;
}

/** All mounts of this process' namespace, in the order in which they were made. Asks no file system. */
export function readMounts(): MountEntry[] {
  return parseMountInfo(readFileSync("/proc/self/mountinfo", "utf8"));
}

/** The mount that is seen at `directory` (an absolute path without symbolic links), if one begins there. */
export function mountAt(directory: string, mounts = readMounts()): MountEntry | undefined {
  return mounts.findLast((mount) => mount.directory === directory);
}

export function parseMountInfo(text: string): MountEntry[] {
  return text.split("\n").flatMap((line) => {
    const fields = line.split(" ");
    // Optional fields, any number of them, end with a dash.
    const dash = fields.indexOf("-", 6);
    const [id, parent, device, , directory, options] = fields;
    const [type, source] = fields.slice(dash + 1);
    if (dash < 0 || !directory || !device || !type) return [];
    return [
      {
        id: Number(id),
        parent: Number(parent),
        device,
        directory: unescaped(directory),
        type: unescaped(type),
        source: unescaped(source ?? ""),
        options: options ?? "",
      },
    ];
  });
}

/** Space, tab, newline, backslash and # are written as octal numbers of three digits; they are never part of a longer character. */
function unescaped(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}
