import type { Vnode } from "./nodes.ts";
import type { File } from "./operations.ts";
import type { Scan } from "./scan.ts";

/** One open of a file or directory, as the plugin sees it and with what the framework keeps along. */
export class OpenFile implements File {
  readonly flags: number;
  /** The handle the kernel uses; 0 until it is kept in the table. */
  handle = 0;
  readonly vnode: Vnode;
  data: unknown = undefined;
  directIo: boolean;
  keepCache: boolean;
  stream = false;
  cacheDirectory = false;
  noFlush = false;
  parallelWrites = false;
  /** Where readdir(3) has come to, in an open directory. */
  scan: Scan | undefined = undefined;

  constructor(vnode: Vnode, flags: number, directIo: boolean, keepCache: boolean) {
    this.vnode = vnode;
    this.flags = flags;
    this.directIo = directIo;
    this.keepCache = keepCache;
  }
}

/** The open files of a mount by handle. 0 is no handle: the answer to opens that nobody needs to know of. */
export class OpenFiles {
  readonly #files: (OpenFile | undefined)[] = [undefined];
  readonly #free: number[] = [];

  at(handle: number): OpenFile | undefined {
    return this.#files[handle];
  }

  add(file: OpenFile): void {
    file.handle = this.#free.pop() ?? this.#files.length;
    this.#files[file.handle] = file;
    file.vnode.opens++;
  }

  remove(file: OpenFile): void {
    if (this.#files[file.handle] !== file) return;
    this.#files[file.handle] = undefined;
    this.#free.push(file.handle);
    file.vnode.opens--;
  }

  *all(): Iterable<OpenFile> {
    for (const file of this.#files) if (file) yield file;
  }
}
