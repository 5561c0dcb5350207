import { direntType } from "../attributes.ts";
import { type Awaitable, isPromise, then } from "../awaitable.ts";
import { EINVAL, type Errno } from "../errno.ts";
import { S_IFDIR } from "../mode.ts";
import { encodeName, nameLength } from "../name.ts";
import type { Vnode } from "../nodes.ts";
import { numberOf, parentNumber } from "../number.ts";
import { after, type Outcome } from "../outcome.ts";
import { checkEntry, DOTS, type Place, type Scan } from "../scan.ts";
import type { Of } from "../struct.ts";
import type { Readdir } from "./arguments.ts";
import type { PuffsCall } from "./call.ts";
import { attributesOf } from "./reply.ts";
import * as wire from "./structs.ts";
import { write64 } from "./word.ts";

type Asked = Of<typeof Readdir>;

/** READDIR: fill the message with entries from `offset` on, as many as it has room for. */
export function list(call: PuffsCall, asked: Asked): Outcome {
  const { connection, vnode } = call;
  const { offset } = asked;
  const scan = connection.openings.takeScan(vnode, offset, (cookie, current) =>
    connection.node.readdir ? connection.node.readdir(vnode.node, cookie, current) : [],
  );
  const page = new Page(call, scan, asked);
  if (offset >= DOTS) return page.from(offset);
  return after(call, attributesOf(call, call.node), (_, own) => {
    const ino = own.ino ?? vnode.id;
    if (offset < 1 && !page.put(".", ino, S_IFDIR, 1)) return page.end(false);
    const above = parentNumber(own, vnode, (one) => attributesOf(call, one));
    return then(above, (parent) =>
      page.put("..", parent, S_IFDIR, DOTS) ? page.from(DOTS) : page.end(false),
    );
  });
}

/** The message being filled: the cookies (offsets after each entry) that NFS wants, then the entries. */
class Page {
  readonly #call: PuffsCall;
  readonly #scan: Scan;
  readonly #asked: Asked;
  readonly #start: number;
  readonly #limit: number;
  #at: number;
  #count = 0;
  #next: number;
  #known: ReadonlyMap<string, Vnode> | undefined;

  constructor(call: PuffsCall, scan: Scan, asked: Asked) {
    this.#call = call;
    this.#scan = scan;
    this.#asked = asked;
    this.#start = READDIR.data + asked.dentoff;
    this.#limit = Math.min(this.#start + asked.resid, call.buflen);
    this.#at = this.#start;
    this.#next = asked.offset;
  }

  from(offset: number): Outcome {
    return after(this.#call, this.#scan.seek(offset, this.#call), () => this.#fill());
  }

  /** One entry; false if it does not fit. */
  put(name: string, ino: number, mode: number | undefined, next: number): boolean {
    const size = padded(nameLength(name));
    const { ncookies } = this.#asked;
    if (this.#at + size > this.#limit || (ncookies > 0 && this.#count === ncookies)) return false;
    const { reply, replyView } = this.#call.frame;
    const text = this.#at + DIRENT.name;
    const namlen = encodeName(name, reply, text);
    const type = direntType(mode);
    wire.Dirent.write(replyView, this.#at, { fileno: ino, reclen: size, namlen, type });
    reply.fill(0, text + namlen, this.#at + size);
    if (ncookies > 0) write64(replyView, READDIR.data + 8 * this.#count, next);
    this.#count++;
    this.#at += size;
    this.#next = next;
    return true;
  }

  /** The reply as it is; `atEnd`: there is nothing behind it. */
  end(atEnd: boolean): number | Errno {
    const used = this.#at - this.#start;
    if (used === 0 && !atEnd) return EINVAL;
    const { connection, frame, vnode } = this.#call;
    const { replyView } = frame;
    write64(replyView, READDIR.offset, this.#next);
    write64(replyView, READDIR.resid, this.#asked.resid - used);
    write64(replyView, READDIR.ncookies, this.#asked.ncookies > 0 ? this.#count : 0);
    replyView.setInt32(READDIR.eofflag, atEnd ? 1 : 0, true);
    if (used === 0) this.#scan.end();
    else connection.openings.keepScan(vnode, this.#scan);
    return this.#at;
  }

  #fill(): Awaitable<number | Errno> {
    for (;;) {
      const place = this.#scan.next();
      if (isPromise(place))
        return Promise.resolve(place).then((late) => this.#goOn(this.#add(late), late));
      const added = this.#add(place as Place | undefined);
      if (added !== true) return this.#goOn(added, place as Place | undefined);
    }
  }

  #goOn(added: Awaitable<boolean>, place: Place | undefined): Awaitable<number | Errno> {
    return then(added, (more) => (more ? this.#fill() : this.end(place === undefined)));
  }

  /** The known directories in this one, by name: getcwd(3) finds its way up by their numbers, whether or not a plugin tells any. */
  #directories(): ReadonlyMap<string, Vnode> {
    const { connection, vnode } = this.#call;
    if (this.#known) return this.#known;
    const children = vnode.children === 0 ? [] : [...connection.vnodes.all()];
    const own = children.filter(({ parent, adopted }) => adopted && parent === vnode);
    this.#known = new Map(own.map((child) => [child.name, child]));
    return this.#known;
  }

  /** Whether there is room for more after this one. */
  #add(place: Place | undefined): Awaitable<boolean> {
    if (place === undefined) return false;
    const { entry, next } = place;
    checkEntry(entry, next);
    if (entry.ino !== undefined) return this.#take(place, entry.ino);
    const { node, name } = entry;
    const known = (node && this.#call.connection.vnodes.of(node)) ?? this.#directories().get(name);
    const ino = numberOf(known, (one) => attributesOf(this.#call, one));
    return then(ino, (number) => this.#take(place, number));
  }

  #take(place: Place, ino: number): boolean {
    const { entry, next } = place;
    if (!this.put(entry.name, ino, entry.mode, next)) return false;
    this.#scan.take(place);
    return true;
  }
}

const READDIR = wire.VnmsgReaddir.offsets;
const DIRENT = wire.Dirent.offsets;

/** Bytes of an entry with a name of `length` bytes: with its NUL, up to a multiple of 8. */
function padded(length: number): number {
  return (DIRENT.name + length + 1 + 7) & ~7;
}
