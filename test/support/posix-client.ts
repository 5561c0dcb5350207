import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Client, Credentials, Descriptor, Entry, NewTime, Stat, StatVfs } from "./client.ts";

/** No system call of a test takes that long; one that does hangs. Milliseconds. */
const PATIENCE = 30_000;

/** For a killed process to be gone. Milliseconds. */
const GRACE = 5_000;

/** Of the buffers for extended attributes: XATTR_SIZE_MAX and XATTR_LIST_MAX of limits.h. */
const ROOM = 65_536;

/**
 * The system calls themselves, on a directory of this machine. They are made in child processes, one for each set of
 * credentials, never in this one: a file system that hangs costs a child and an error that says so.
 */
export function posixClient(directory: string): PosixClient {
  const children = new Map<string, Child>();
  const childOf = (credentials: Credentials) => {
    const key = JSON.stringify(credentials);
    const child = children.get(key) ?? new Child(directory, credentials);
    children.set(key, child);
    return child;
  };
  return new PosixClient(childOf, children, {
    uid: process.geteuid?.() ?? 0,
    gid: process.getegid?.() ?? 0,
    groups: [],
    umask: 0o022,
  });
}

export class PosixClient implements Client {
  readonly #childOf: (credentials: Credentials) => Child;
  readonly #children: ReadonlyMap<string, Child>;
  readonly #credentials: Credentials;

  constructor(
    childOf: (credentials: Credentials) => Child,
    children: ReadonlyMap<string, Child>,
    credentials: Credentials,
  ) {
    this.#childOf = childOf;
    this.#children = children;
    this.#credentials = credentials;
  }

  as(credentials: Partial<Credentials>): PosixClient {
    const { uid, gid, groups, umask } = { ...this.#credentials, ...credentials };
    return new PosixClient(this.#childOf, this.#children, { uid, gid, groups, umask });
  }

  /** Ends the children of this client and of all made from it; whatever they have open is closed. */
  async close(): Promise<void> {
    await Promise.all([...this.#children.values()].map((child) => child.end()));
  }

  stat = (path: string) => this.#call<Stat>("stat", path);
  lstat = (path: string) => this.#call<Stat>("lstat", path);
  statvfs = (path: string) => this.#call<StatVfs>("statvfs", path);

  async open(path: string, flags: number, mode = 0o666): Promise<Descriptor> {
    return new PosixDescriptor(this.#child, await this.#call<number>("open", path, flags, mode));
  }

  mkdir = (path: string, mode = 0o777) => this.#call<void>("mkdir", path, mode);
  rmdir = (path: string) => this.#call<void>("rmdir", path);
  unlink = (path: string) => this.#call<void>("unlink", path);
  rename = (from: string, to: string, flags = 0) => this.#call<void>("rename", from, to, flags);
  link = (from: string, to: string) => this.#call<void>("link", from, to);
  linkDescriptor = (descriptor: Descriptor, to: string) =>
    this.#call<void>("linkDescriptor", numberOf(descriptor), to);
  symlink = (target: string, path: string) => this.#call<void>("symlink", target, path);
  readlink = (path: string) => this.#call<string>("readlink", path);
  mknod = (path: string, mode: number, device = 0) => this.#call<void>("mknod", path, mode, device);
  truncate = (path: string, size: number) => this.#call<void>("truncate", path, size);
  chmod = (path: string, mode: number) => this.#call<void>("chmod", path, mode);
  chown = (path: string, uid: number, gid: number) => this.#call<void>("chown", path, uid, gid);
  lchown = (path: string, uid: number, gid: number) => this.#call<void>("lchown", path, uid, gid);
  utimes = (path: string, atime: NewTime, mtime: NewTime) =>
    this.#call<void>("utimes", path, atime, mtime);
  lutimes = (path: string, atime: NewTime, mtime: NewTime) =>
    this.#call<void>("lutimes", path, atime, mtime);
  access = (path: string, mask: number) => this.#call<void>("access", path, mask);

  async readdir(path: string): Promise<Entry[]> {
    const directory = await this.open(path, 0o200000);
    try {
      return await directory.readdir();
    } finally {
      await directory.close();
    }
  }

  async getxattr(path: string, name: string, room = ROOM): Promise<Uint8Array> {
    return bytesOf(await this.#call<string>("getxattr", path, name, room));
  }

  setxattr = (path: string, name: string, value: Uint8Array, flags = 0) =>
    this.#call<void>("setxattr", path, name, base64(value), flags);
  listxattr = (path: string, room = ROOM) => this.#call<string[]>("listxattr", path, room);
  removexattr = (path: string, name: string) => this.#call<void>("removexattr", path, name);

  get #child(): Child {
    return this.#childOf(this.#credentials);
  }

  #call<T>(name: string, ...parameters: unknown[]): Promise<T> {
    return this.#child.call<T>(name, ...parameters);
  }
}

class PosixDescriptor implements Descriptor {
  readonly #child: Child;
  readonly number: number;

  constructor(child: Child, number: number) {
    this.#child = child;
    this.number = number;
  }

  async read(length: number, offset: number): Promise<Uint8Array> {
    return bytesOf(await this.#call<string>("read", length, offset));
  }

  write = (bytes: Uint8Array, offset?: number) =>
    this.#call<number>("write", base64(bytes), offset ?? null);
  stat = () => this.#call<Stat>("fstat");
  truncate = (size: number) => this.#call<void>("ftruncate", size);
  sync = (dataOnly = false) => this.#call<void>("sync", dataOnly);
  seek = (offset: number, whence: "data" | "hole") => this.#call<number>("seek", offset, whence);
  allocate = (mode: number, offset: number, length: number) =>
    this.#call<void>("allocate", mode, offset, length);
  chmod = (mode: number) => this.#call<void>("fchmod", mode);
  chown = (uid: number, gid: number) => this.#call<void>("fchown", uid, gid);
  utimes = (atime: NewTime, mtime: NewTime) => this.#call<void>("futimes", atime, mtime);
  copyTo = (to: Descriptor, fromOffset: number, toOffset: number, length: number) =>
    this.#call<number>("copy", numberOf(to), fromOffset, toOffset, length);
  readdir = (from = 0, atMost?: number) => this.#call<Entry[]>("entries", from, atMost ?? null);
  lock = (type: "read" | "write" | "unlock", start: number, length: number) =>
    this.#call<void>("lock", type, start, length);
  flock = (type: "read" | "write" | "unlock") => this.#call<void>("flock", type);
  close = () => this.#call<void>("close");

  #call<T>(name: string, ...parameters: unknown[]): Promise<T> {
    return this.#child.call<T>(name, this.number, ...parameters);
  }
}

function numberOf(descriptor: Descriptor): number {
  if (!(descriptor instanceof PosixDescriptor))
    throw new TypeError("a descriptor of another client");
  return descriptor.number;
}

/** A process of `child.ts`, which answers requests in the order they were sent. */
class Child {
  readonly #process: ChildProcess;
  readonly #waiting: PromiseWithResolvers<unknown>[] = [];
  #watch: NodeJS.Timeout | undefined;
  #gone: string | undefined;
  #unread = "";

  constructor(directory: string, credentials: Credentials) {
    this.#process = spawn(
      process.execPath,
      [
        fileURLToPath(new URL("child.ts", import.meta.url)),
        JSON.stringify({ directory, credentials }),
      ],
      { stdio: ["pipe", "pipe", "inherit"] },
    );
    this.#process.on("error", (error) => this.#fail(error.message));
    this.#process.on("exit", (code, signal) => this.#fail(`ended with ${signal ?? code}`));
    this.#process.stdin?.on("error", () => {});
    this.#process.stdout?.setEncoding("utf8").on("data", (text: string) => this.#receive(text));
    this.#expect().promise.catch(() => {});
  }

  call<T>(name: string, ...parameters: unknown[]): Promise<T> {
    if (this.#gone !== undefined) return Promise.reject(new Error(this.#gone));
    this.#process.stdin?.write(`${JSON.stringify([name, ...parameters])}\n`);
    return this.#expect().promise as Promise<T>;
  }

  async end(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exit = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    // In a system call that hangs not even that ends it, until the mount is gone.
    await Promise.race([exit, Bun.sleep(GRACE)]);
  }

  #expect(): PromiseWithResolvers<unknown> {
    const answer = Promise.withResolvers<unknown>();
    this.#waiting.push(answer);
    if (this.#waiting.length === 1) this.#startWatch();
    return answer;
  }

  #receive(text: string): void {
    const lines = (this.#unread + text).split("\n");
    this.#unread = lines.pop() as string;
    for (const line of lines) {
      const [value, code, call] = JSON.parse(line) as [unknown, string?, string?];
      const answer = this.#waiting.shift();
      if (code === undefined) answer?.resolve(value);
      else answer?.reject(Object.assign(new Error(`${call}: ${code}`), { code }));
    }
    this.#startWatch();
  }

  /** The oldest request has its time from when it became the oldest. */
  #startWatch(): void {
    clearTimeout(this.#watch);
    if (this.#waiting.length === 0) return;
    this.#watch = setTimeout(() => {
      this.#fail(`a system call has not returned for ${PATIENCE / 1000} seconds`);
      this.#process.kill("SIGKILL");
    }, PATIENCE);
  }

  #fail(reason: string): void {
    clearTimeout(this.#watch);
    this.#gone ??= `the process that makes the system calls: ${reason}`;
    for (const answer of this.#waiting.splice(0)) answer.reject(new Error(this.#gone));
  }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}

function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "base64"));
}
