import { Access } from "../../src/fuse/flags.ts";
import { type Caller, KERNEL } from "../../src/fuse/kernel.ts";
import { S_IFLNK } from "../../src/mode.ts";
import { nameLength } from "../../src/name.ts";
import type { Credentials } from "./client.ts";
import { type CoreMount, fail, isDirectory, kindOf, type Node } from "./core-mount.ts";
import { mayAccess } from "./core-rights.ts";

const ROOT_ID = 1;
const MOST_LINKS = 40;
const PATH_MAX = 4096;

/** A name in a directory, before anybody asked whether it is there. */
export interface Place {
  /** From the root down to the directory that holds the name. */
  readonly above: readonly Node[];
  /** "" is the root itself; "." and ".." are possible. */
  readonly name: string;
  /** The path ended in a slash: only a directory will do. */
  readonly slash: boolean;
}

/** Finds files by path as the VFS does, one LOOKUP for each name, in the name of one caller. */
export class Walk {
  readonly mount: CoreMount;
  readonly who: Credentials;
  readonly caller: Caller;
  #links = 0;

  constructor(mount: CoreMount, who: Credentials) {
    this.mount = mount;
    this.who = who;
    this.caller = { uid: who.uid, gid: who.gid, pid: process.pid, umask: who.umask };
  }

  async root(): Promise<Node> {
    const { attr } = await this.mount.kernel.getattr(ROOT_ID, {}, KERNEL);
    return { nodeid: ROOT_ID, attr };
  }

  /** EACCES unless the caller may do this; `mask` of Access bits. */
  permit(node: Node, mask: number): void {
    if (!this.mount.defaultPermissions) return;
    if (!mayAccess(node.attr, mask, this.who)) fail("EACCES");
  }

  /** Where the path's last name is, the directories above it searched. */
  async place(path: string, start?: readonly Node[]): Promise<Place> {
    if (path === "") fail("ENOENT");
    if (nameLength(path) >= PATH_MAX) fail("ENAMETOOLONG");
    const names = path.split("/").filter((name) => name !== "");
    const name = names.pop() ?? "";
    const slash = path.endsWith("/");
    const from = path.startsWith("/") || !start ? [await this.root()] : start;
    return { above: await this.#descend(from, names), name, slash };
  }

  /** What is at the place; undefined if nothing is. A symbolic link is not followed. */
  async peek({ above, name }: Place): Promise<Node | undefined> {
    const directory = last(above);
    if (!isDirectory(directory)) fail("ENOTDIR");
    this.permit(directory, Access.X);
    if (name === "" || name === ".") return directory;
    if (name === "..") return above.at(-2) ?? directory;
    const entry = await this.mount.kernel
      .lookup(directory.nodeid, name, this.caller)
      .catch((error: { code?: string }) => {
        if (error.code === "ENOENT") return undefined;
        throw error;
      });
    return entry === undefined || entry.nodeid === 0 ? undefined : this.mount.keep(entry);
  }

  /** The file that the path leads to: ENOENT if there is none. */
  async find(path: string, follow = true): Promise<Node> {
    const place = await this.place(path);
    return last(await this.#arrive(place, follow || place.slash));
  }

  /** Where a symbolic link at `place` points to. */
  async beyond(place: Place, link: Node): Promise<Place> {
    if (++this.#links > MOST_LINKS) fail("ELOOP");
    const target = await this.mount.kernel.readlink(link.nodeid, this.caller);
    const beyond = await this.place(target, place.above);
    return { ...beyond, slash: beyond.slash || place.slash };
  }

  async #descend(from: readonly Node[], names: readonly string[]): Promise<readonly Node[]> {
    let above = from;
    for (const name of names) above = await this.#arrive({ above, name, slash: true }, true);
    return above;
  }

  /** The directories down to the file at the place, and that file. */
  async #arrive(place: Place, follow: boolean): Promise<readonly Node[]> {
    const { above, name, slash } = place;
    const node = await this.peek(place);
    if (!node) fail("ENOENT");
    if (name === "" || name === ".") return above;
    if (name === "..") return above.length > 1 ? above.slice(0, -1) : above;
    if (follow && kindOf(node) === S_IFLNK)
      return this.#arrive(await this.beyond(place, node), true);
    if (slash && !isDirectory(node)) fail("ENOTDIR");
    return [...above, node];
  }
}

export function last(nodes: readonly Node[]): Node {
  return nodes.at(-1) as Node;
}
