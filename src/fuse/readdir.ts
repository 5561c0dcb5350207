import { direntType } from "../attributes.ts";
import { type Awaitable, isPromise, then } from "../awaitable.ts";
import { Errno } from "../errno.ts";
import { S_IFDIR } from "../mode.ts";
import { encodeName, nameLength } from "../name.ts";
import { numberOf, parentNumber, UNKNOWN_INO } from "../number.ts";
import type { Attributes } from "../operations.ts";
import { checkEntry, DOTS, type Place, type Scan } from "../scan.ts";
import { type FuseCall, PAYLOAD } from "./call.ts";
import { after, attempt, attributesOf, checkNode, fillEntry, type Outcome } from "./reply.ts";
import * as wire from "./structs.ts";

/** READDIR and READDIRPLUS: fill the reply with entries from `offset` on, as many as it has room for (`call.limit`). */
export function list(call: FuseCall, scan: Scan, offset: number, plus: boolean): Outcome {
  const page = new Page(call, scan, plus);
  if (offset >= DOTS) return page.from(offset);
  return after(call, attributesOf(call, call.node), (c, own) => {
    const { vnode } = c;
    const ino = own.ino ?? vnode.id;
    if (offset < 1 && !page.put(".", ino, S_IFDIR, 1)) return page.size;
    const above = parentNumber(own, vnode, (one) => attributesOf(c, one));
    return then(above, (parent) =>
      page.put("..", parent, S_IFDIR, DOTS) ? page.from(DOTS) : page.size,
    );
  });
}

/** The reply being filled. */
class Page {
  readonly #call: FuseCall;
  readonly #scan: Scan;
  readonly #plus: boolean;
  readonly #entryOut: number;
  readonly #end: number;
  #at = PAYLOAD;

  constructor(call: FuseCall, scan: Scan, plus: boolean) {
    this.#call = call;
    this.#scan = scan;
    this.#plus = plus;
    this.#entryOut = wire.EntryOut.at(call.connection.agreement?.minor ?? 0).size;
    this.#end = PAYLOAD + call.limit;
  }

  get size(): number {
    return this.#at - PAYLOAD;
  }

  from(offset: number): Outcome {
    return after(this.#call, this.#scan.seek(offset, this.#call), () => this.#fill());
  }

  /** One entry without attributes; false if it does not fit. */
  put(name: string, ino: number, mode: number | undefined, next: number): boolean {
    const start = this.#plus ? this.#at + this.#entryOut : this.#at;
    if (start + padded(nameLength(name)) > this.#end) return false;
    const { reply } = this.#call.frame;
    if (this.#plus) reply.fill(0, this.#at, start);
    this.#dirent(start, name, ino, mode, next);
    return true;
  }

  #dirent(start: number, name: string, ino: number, mode: number | undefined, next: number): void {
    const { reply, replyView } = this.#call.frame;
    const text = start + wire.Dirent.size;
    const namelen = encodeName(name, reply, text);
    wire.Dirent.write(replyView, start, { ino, off: next, namelen, type: direntType(mode) });
    const end = start + padded(namelen);
    reply.fill(0, text + namelen, end);
    this.#at = end;
  }

  #fill(): Awaitable<number | Errno> {
    for (;;) {
      const place = this.#scan.next();
      if (isPromise(place)) return Promise.resolve(place).then((p) => this.#goOn(this.#add(p)));
      const more = this.#add(place as Place | undefined);
      if (isPromise(more)) return this.#goOn(more);
      if (more !== true) return more === false ? this.size : (more as Errno);
    }
  }

  #goOn(more: Awaitable<boolean | Errno>): Awaitable<number | Errno> {
    if (isPromise(more)) return (more as Promise<boolean | Errno>).then((late) => this.#goOn(late));
    return more === true ? this.#fill() : more === false ? this.size : (more as Errno);
  }

  /** Whether there is room for more after this one. */
  #add(place: Place | undefined): Awaitable<boolean | Errno> {
    if (place === undefined) return false;
    const { entry, next } = place;
    checkEntry(entry, next);
    const { node, name } = entry;
    if (!this.#plus) {
      if (entry.ino !== undefined) return this.#name(place, entry.ino);
      const known = node && this.#call.connection.vnodes.of(node);
      const ino = numberOf(known, (one) => attributesOf(this.#call, one));
      return then(ino, (number) => this.#name(place, number));
    }
    if (this.#at + this.#entryOut + padded(nameLength(name)) > this.#end) return false;
    const call = this.#call;
    const found = node ?? attempt(() => call.connection.node.lookup(call.node, name, call));
    return then(found, (node) => this.#withNode(place, node));
  }

  #withNode(place: Place, node: object | null | Errno): Awaitable<boolean> {
    if (node === null || node instanceof Errno) return this.#without(place, node?.code);
    checkNode(node);
    const attributes = attempt(() => attributesOf(this.#call, node));
    return then(attributes, (known) => this.#withAttributes(place, node, known));
  }

  /** A name whose node is gone by now is left out. Of one that cannot be looked at only the name is told (`nodeid` 0). */
  #without(place: Place, code: string = "ENOENT"): boolean {
    return code === "ENOENT"
      ? this.#took(place)
      : this.#name(place, place.entry.ino ?? UNKNOWN_INO);
  }

  #name(place: Place, ino: number): boolean {
    const { entry, next } = place;
    return this.put(entry.name, ino, entry.mode, next) && this.#took(place);
  }

  #withAttributes(place: Place, node: object, attributes: Attributes | Errno): boolean {
    if (attributes instanceof Errno) return this.#without(place, attributes.code);
    const { entry, next } = place;
    fillEntry(this.#call, node, attributes, this.#at);
    const ino = this.#call.scratch.entry.attr.ino;
    this.#dirent(this.#at + this.#entryOut, entry.name, ino, attributes.mode, next);
    return this.#took(place);
  }

  #took(place: Place): true {
    this.#scan.take(place);
    return true;
  }
}

/** Bytes of a dirent with a name of `length` bytes, up to a multiple of 8 (FUSE_DIRENT_SIZE). */
function padded(length: number): number {
  return (wire.Dirent.size + length + 7) & ~7;
}
