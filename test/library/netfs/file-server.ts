import { rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { type Channel, type FrameBuffer, FrameVector, S_IFDIR, S_IFMT, S_IFREG } from "puffs";
import { dataOf, FRAMING, frameOf, tagOf, type Words, wordsOf } from "./protocol.ts";

/** A file of the server's: what is asked for by path is this. */
export interface Entry {
  ino: number;
  mode: number;
  uid: number;
  gid: number;
  content: Uint8Array;
  mtime: { sec: number; nsec: number };
  /** Of a symbolic link. */
  target?: string;
}

type Answer = readonly [Words, Uint8Array?];

const done: Answer = [{}];
const failed = (error: string): Answer => [{ error }];

/**
 * The other end of the network file system: a tree in memory, asked by path and by handle over a local socket. It answers what came
 * together the last first, and can stop answering, die, and change its files behind everybody's back.
 */
export class FileServer {
  readonly entries = new Map<string, Entry>();
  /** What was asked for, by kind, and how many requests waited at most. */
  readonly asked: Record<string, number> = {};
  mostWaiting = 0;
  /** Of what kind requests are not answered. */
  silent: string | undefined;
  readonly #handles = new Map<number, Entry>();
  readonly #waiting: { channel: Channel; frame: FrameBuffer }[] = [];
  readonly #channels = new Set<Channel>();
  readonly #server: Server;
  readonly #path: string;
  readonly #vector = new FrameVector({
    ...FRAMING,
    gotFrame: (frame, channel) => this.#receive(frame, channel),
    fdNotify: (channel, _gone, vector) => {
      this.#channels.delete(channel);
      vector.removeFd(channel);
    },
  });
  #made = 0;

  constructor(path: string) {
    this.#path = path;
    this.#server = createServer((socket) => this.#channels.add(this.#vector.addFd(socket)));
    this.put("/", { mode: S_IFDIR | 0o755 });
  }

  listen(): Promise<void> {
    return new Promise((resolve) => this.#server.listen(this.#path, resolve));
  }

  /** Make or change a file, and tell nobody. */
  put(path: string, what: Partial<Omit<Entry, "content">> & { text?: string }): Entry {
    const { text = "", ...more } = what;
    const content = new TextEncoder().encode(text);
    const old = this.entries.get(path);
    const { ino = ++this.#made } = old ?? {};
    const mtime = { sec: 1_000_000 + ++this.#made, nsec: 0 };
    const entry = old ?? { ino, mode: S_IFREG | 0o644, uid: 0, gid: 0, content, mtime };
    Object.assign(entry, { content, mtime }, more);
    this.entries.set(path, entry);
    return entry;
  }

  /** Everybody is told. */
  announce(words: Words): void {
    for (const channel of this.#channels) this.#vector.enqueueJustSend(channel, frameOf(0, words));
  }

  /** Gone in the middle of everything. */
  die(): void {
    for (const channel of [...this.#channels]) this.#vector.removeFd(channel);
    this.#server.close();
    rmSync(this.#path, { force: true });
  }

  #receive(frame: FrameBuffer, channel: Channel): void {
    const kind = String(wordsOf(frame).do);
    this.asked[kind] = (this.asked[kind] ?? 0) + 1;
    this.#waiting.push({ channel, frame });
    this.mostWaiting = Math.max(this.mostWaiting, this.#waiting.length);
    // By then all that came along is here.
    if (this.#waiting.length === 1) setImmediate(() => this.#answer());
  }

  #answer(): void {
    for (const { channel, frame } of this.#waiting.splice(0).reverse()) {
      const words = wordsOf(frame);
      if (words.do === this.silent || !this.#channels.has(channel)) continue;
      const [reply, data] = this.#answers[String(words.do)]?.(words, dataOf(frame)) ?? [
        { error: "ENOSYS" },
      ];
      this.#vector.enqueueJustSend(channel, frameOf(tagOf(frame), reply, data));
    }
  }

  /** By handle or by path. */
  #entry({ handle, path }: Words): Entry | undefined {
    return handle === undefined
      ? this.entries.get(String(path))
      : this.#handles.get(Number(handle));
  }

  #below(path: string): [string, Entry][] {
    const prefix = path === "/" ? "/" : `${path}/`;
    return [...this.entries].filter(([name]) => name !== "/" && name.startsWith(prefix));
  }

  #statOf({ content, ...entry }: Entry): Words {
    return { ...entry, size: entry.target?.length ?? content.length };
  }

  #make({ path, mode, uid, gid, target }: Words): Answer {
    const name = String(path);
    const parent = name.slice(0, Math.max(1, name.lastIndexOf("/")));
    if (!this.entries.has(parent)) return failed("ENOENT");
    if (this.entries.has(name)) return failed("EEXIST");
    const link = target === undefined ? {} : { target: String(target) };
    const made = this.put(name, {
      ...{ mode: Number(mode), uid: Number(uid), gid: Number(gid) },
      ...link,
    });
    return [this.#statOf(made)];
  }

  readonly #answers: Record<string, (words: Words, data: Uint8Array) => Answer> = {
    hello: () => [{ version: 1 }],
    stat: (words) => {
      const entry = this.#entry(words);
      return entry ? [this.#statOf(entry)] : failed("ENOENT");
    },
    list: ({ path }) => {
      const directory = this.entries.get(String(path));
      if (!directory) return failed("ENOENT");
      const start = path === "/" ? 1 : String(path).length + 1;
      const names = this.#below(String(path))
        .map(([name, { mode, ino }]) => ({ name: name.slice(start), mode, ino }))
        .filter(({ name }) => !name.includes("/"));
      return [{ names }];
    },
    make: (words) => this.#make(words),
    open: (words) => {
      const entry = this.#entry(words);
      if (!entry) return failed("ENOENT");
      const handle = ++this.#made;
      this.#handles.set(handle, entry);
      return [{ handle }];
    },
    close: ({ handle }) => (this.#handles.delete(Number(handle)) ? done : failed("EBADF")),
    read: (words) => {
      const entry = this.#entry(words);
      if (!entry) return failed("ENOENT");
      const [offset, length] = [Number(words.offset), Number(words.length)];
      return [{}, entry.content.slice(offset, offset + length)];
    },
    write: (words, data) => {
      const entry = this.#entry(words);
      if (!entry) return failed("ENOENT");
      const offset = Number(words.offset);
      const size = Math.max(entry.content.length, offset + data.length);
      const grown = new Uint8Array(size);
      grown.set(entry.content);
      grown.set(data, offset);
      entry.content = grown;
      return done;
    },
    sync: () => done,
    set: (words) => {
      const entry = this.#entry(words);
      if (!entry) return failed("ENOENT");
      const { size, mode, uid, gid, mtime } = words as Partial<Entry & { size: number }>;
      if (size !== undefined) {
        const cut = new Uint8Array(size);
        cut.set(entry.content.subarray(0, size));
        entry.content = cut;
      }
      if (mode !== undefined) entry.mode = (entry.mode & S_IFMT) | mode;
      if (uid !== undefined) entry.uid = uid;
      if (gid !== undefined) entry.gid = gid;
      if (mtime !== undefined) entry.mtime = mtime;
      return [this.#statOf(entry)];
    },
    remove: ({ path }) => {
      if (this.#below(String(path)).length > 0) return failed("ENOTEMPTY");
      return this.entries.delete(String(path)) ? done : failed("ENOENT");
    },
    rename: ({ path, target }) => {
      const [from, to] = [String(path), String(target)];
      const entry = this.entries.get(from);
      if (!entry) return failed("ENOENT");
      for (const [name, below] of this.#below(from)) {
        this.entries.delete(name);
        this.entries.set(to + name.slice(from.length), below);
      }
      this.entries.delete(from);
      this.entries.set(to, entry);
      return done;
    },
  };
}
