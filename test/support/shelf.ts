import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import {
  type Attributes,
  definePlugin,
  EEXIST,
  EIO,
  ENOTEMPTY,
  type FileSystem,
  now,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  type Time,
} from "puffs";

/** A file of a shelf. Attributes are its own members, as plugins may have it. */
interface Book extends Attributes {
  mode: number;
  nlink: number;
  size: number;
  uid: number;
  gid: number;
  mtime: Time;
  content: Uint8Array;
  target: string;
  readonly books: Map<string, Book>;
}

/** For tests in the same process: nodes handed out and not reclaimed, opens not ended, how often it was unmounted. */
export const watch = { held: new Set<object>(), open: 0, unmounted: 0 };

/** Less than a request's worth: reads and writes come short. */
const MOST = 300_000;

/**
 * A file system that is kept in a JSON file, its source: read at the start and written by `unmount`. All of it is asynchronous. With
 * `-o broken` the unmount fails.
 */
export default definePlugin({
  name: "shelf",
  description: "files in a JSON file",
  source: { description: "the JSON file", required: true },
  options: { broken: { type: "boolean", description: "fail at the end" } },
  start({ source = "", options, readOnly }): FileSystem<Book> {
    const root = parse(readFileSync(source, "utf8"));
    const hold = async (book: Book | undefined) => {
      await Bun.sleep(0);
      if (book) watch.held.add(book);
      return book ?? null;
    };
    const add = (directory: Book, name: string, book: Book) => {
      if (directory.books.has(name)) return EEXIST;
      directory.books.set(name, book);
      return hold(book) as Promise<Book>;
    };
    return {
      root,
      fs: {
        statvfs: () => ({ frsize: 512, blocks: 9, bfree: 8, bavail: 7, files: 6, ffree: 5 }),
        async unmount() {
          watch.unmounted++;
          await Bun.sleep(20);
          if (options.broken) throw EIO;
          if (!readOnly) await writeFile(source, JSON.stringify(plain(root)));
        },
      },
      node: {
        lookup: (directory, name) => hold(directory.books.get(name)),
        getattr: (book) => book,
        async setattr(book, { mode, mtime, size }) {
          await Bun.sleep(0);
          if (mode !== undefined) book.mode = (book.mode & S_IFMT) | mode;
          if (mtime) book.mtime = mtime;
          if (size !== undefined) fill(book, book.content.slice(0, size));
        },
        open: () => void watch.open++,
        inactive: () => void watch.open--,
        reclaim: (book) => void watch.held.delete(book),
        create: (directory, name, mode, { uid, gid }) =>
          add(directory, name, make(mode, { uid, gid })),
        mkdir: (directory, name, mode) => add(directory, name, make(mode)),
        symlink: (directory, name, target) =>
          add(directory, name, make(S_IFLNK | 0o777, { target })),
        async *readdir({ books }) {
          for (const [name, { mode }] of books) {
            await Bun.sleep(0);
            yield name === "kindless" ? { name } : { name, mode };
          }
        },
        readlink: async ({ target }) => target,
        remove: async ({ books }, name) => void books.delete(name),
        rmdir: async ({ books }, name) =>
          books.get(name)?.books.size ? ENOTEMPTY : void books.delete(name),
        async read({ content }, into, offset) {
          const part = content.subarray(offset, offset + Math.min(into.length, MOST));
          await Bun.sleep(0);
          into.set(part);
          return part.length;
        },
        async write(book, from, offset) {
          const part = from.slice(0, MOST);
          await Bun.sleep(0);
          const grown = new Uint8Array(Math.max(book.content.length, offset + part.length));
          grown.set(book.content);
          grown.set(part, offset);
          fill(book, grown);
          return part.length;
        },
      },
    };
  },
});

function make(mode: number, given: Partial<Book> = {}): Book {
  const time = now();
  return {
    ...{ mode, nlink: 1, uid: 0, gid: 0, size: 0, atime: time, mtime: time, ctime: time },
    ...{ content: new Uint8Array(0), target: "", books: new Map() },
    ...given,
  };
}

function fill(book: Book, content: Uint8Array): void {
  book.content = content;
  book.size = content.length;
}

/** In the file: text is a file, base64 in an array one of bytes, { link } a symbolic link, { mode, mtime, of } any with these. */
type Plain =
  | string
  | [string]
  | { link: string }
  | { mode: number; mtime: number; of: Plain }
  | { books: Record<string, Plain> };

function parse(text: string): Book {
  return bookOf(JSON.parse(text) as Plain);
}

function bookOf(plain: Plain): Book {
  if (typeof plain === "string" || Array.isArray(plain)) {
    const content =
      typeof plain === "string"
        ? new TextEncoder().encode(plain)
        : new Uint8Array(Buffer.from(plain[0], "base64"));
    return make(S_IFREG | 0o644, { content, size: content.length });
  }
  if ("link" in plain) return make(S_IFLNK | 0o777, { target: plain.link });
  if ("of" in plain) {
    const book = bookOf(plain.of);
    book.mode = plain.mode;
    book.mtime = { sec: plain.mtime, nsec: 0 };
    return book;
  }
  const books = new Map(Object.entries(plain.books).map(([name, one]) => [name, bookOf(one)]));
  return make(S_IFDIR | 0o755, { books });
}

function plain(book: Book): Plain {
  const of: Plain =
    (book.mode & S_IFMT) === S_IFDIR
      ? { books: Object.fromEntries([...book.books].map(([name, one]) => [name, plain(one)])) }
      : (book.mode & S_IFMT) === S_IFLNK
        ? { link: book.target }
        : [Buffer.from(book.content).toString("base64")];
  return { mode: book.mode, mtime: book.mtime.sec, of };
}
