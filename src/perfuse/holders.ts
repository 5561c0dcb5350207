import { readdirSync, readlinkSync } from "node:fs";

/**
 * The processes that hold an open socket, by its inode number, as far as this user may look. A daemon that went to the background has
 * another number than the process that was started, and may have no parent.
 */
export function holdersOf(inode: number): number[] {
  const wanted = `socket:[${inode}]`;
  return list("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      const folder = `/proc/${pid}/fd`;
      return list(folder).some((fd) => linkOf(`${folder}/${fd}`) === wanted);
    })
    .map(Number);
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
