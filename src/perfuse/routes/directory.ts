import {
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmdirSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A directory that only this user may look into, for a daemon to mount on and for what else its route needs. */
export interface PrivateDirectory {
  readonly path: string;
  /** An empty directory in it. */
  readonly mountpoint: string;
  /** Make a file in it. */
  write(name: string, content: string, mode: number): string;
  /** What will be in it, made by others. */
  expect(name: string): string;
  /** Take away what is known to be in it, and nothing else: something might be mounted in there after all. */
  remove(): void;
}

/** go-fuse opens a file of this name in what it has mounted, and gives up if it is not there. */
export const GO_FUSE_MARK = ".go-fuse-epoll-hack";

export function makePrivateDirectory({ goFuse }: { goFuse: boolean }): PrivateDirectory {
  const path = realpathSync(mkdtempSync(join(tmpdir(), "puffs-perfuse-")));
  const mountpoint = join(path, "mnt");
  const files: string[] = [];
  const expectFile = (name: string) => {
    const file = join(path, name);
    files.push(file);
    return file;
  };
  const write = (name: string, content: string, mode: number) => {
    const file = expectFile(name);
    writeFileSync(file, content, { mode });
    return file;
  };
  mkdirSync(mountpoint);
  if (goFuse) write(join("mnt", GO_FUSE_MARK), "", 0o600);
  return {
    path,
    mountpoint,
    write,
    expect: expectFile,
    remove() {
      for (const file of files) attempt(() => unlinkSync(file));
      for (const directory of [mountpoint, path]) attempt(() => rmdirSync(directory));
    },
  };
}

function attempt(act: () => void): void {
  try {
    act();
  } catch {}
}
