import { describe, expect, test } from "bun:test";
import { frameOf, viewOf } from "../../src/frame.ts";
import { FattrFlags, O } from "../../src/fuse/flags.ts";
import { Opcode } from "../../src/fuse/opcodes.ts";
import { OPS } from "../../src/fuse/ops.ts";
import * as fuse from "../../src/fuse/structs.ts";
import { decodeName } from "../../src/name.ts";
import { Channel } from "../../src/perfuse/channel.ts";
import { type Hosting, host } from "../../src/perfuse/host.ts";
import { Connection } from "../../src/puffs/connection.ts";
import { ROOT_COOKIE } from "../../src/puffs/cookie.ts";
import { KernelFlags, Opclass, Vn } from "../../src/puffs/flags.ts";
import { PuffsServer } from "../../src/puffs/server.ts";
import * as wire from "../../src/puffs/structs.ts";
import { read64, write64 } from "../../src/puffs/word.ts";
import { COOKIES, NEW_NODES } from "../puffs/cookies.ts";
import { refusal } from "../support/wire.ts";
import {
  daemonSide,
  kernelSide,
  RECORDINGS,
  type RecordedRequest,
  type Recording,
} from "./recorded.ts";
import { NOWHERE, wideSocketPair } from "./support.ts";

/*
 * The requests of the recorded kernel go to our puffs server, whose file system is a daemon that answers what was recorded. The messages
 * that the daemon gets must be those that perfused sent, field by field. What may differ is a rule, with its reason.
 */

/** A field of a message: those of the header, of the struct by its path, the names ("name", "name2") and "data". */
type Fields = Readonly<Record<string, unknown>>;

interface Rule {
  /** BUG: of perfused, not to be copied. LINUX: what daemons of Linux need. */
  readonly kind: "BUG" | "LINUX";
  /** Where the description of perfused has it: section, and operation in the table. */
  readonly row: string;
  readonly why: string;
  readonly opcodes: readonly (keyof typeof Opcode)[];
  readonly field: string;
  /** Whether ours and theirs may differ so. */
  readonly allows: (ours: unknown, theirs: unknown, all: Fields) => boolean;
}

const ANY = Object.keys(Opcode) as (keyof typeof Opcode)[];

/** NetBSD's flags of open(2) that occur, in Linux' numbers. */
function inLinux(flags: unknown): number {
  const word = Number(flags);
  const known: readonly (readonly [number, number])[] = [
    [0x200, O.CREAT],
    [0x400, O.TRUNC],
    [0x200000, O.DIRECTORY],
  ];
  return known.reduce((sum, [bsd, linux]) => (word & bsd ? sum | linux : sum), word & 3);
}

const RULES: readonly Rule[] = [
  {
    kind: "LINUX",
    row: "§3 unique",
    why: "unique 0 in a reply is a notification; uniques are even, for INTERRUPT",
    opcodes: ANY,
    field: "unique",
    allows: () => true,
  },
  {
    kind: "LINUX",
    row: "§3 nodeid for INIT",
    why: "as Linux, INIT and DESTROY are about no node",
    opcodes: ["INIT", "DESTROY"],
    field: "nodeid",
    allows: (ours) => ours === 0,
  },
  {
    kind: "LINUX",
    row: "§3 FUSE_INIT, §8 FLUSH and max_read",
    why: "more is offered: writes of more than a page, the mode as it is, readdirplus, flock, long messages",
    opcodes: ["INIT"],
    field: "flags",
    allows: (ours, theirs) =>
      (Number(ours) & Number(theirs)) === theirs && Number(ours) === 0x40246b,
  },
  {
    kind: "LINUX",
    row: "§8 open flags",
    why: "the flags of open(2) are Linux'",
    opcodes: ["OPEN", "OPENDIR", "CREATE"],
    field: "flags",
    allows: (ours, theirs) => ours === inLinux(theirs),
  },
  {
    kind: "LINUX",
    row: "§8 open flags",
    why: "reads, writes, listings and releases bring the flags of the handle",
    opcodes: ["READDIR", "RELEASE", "RELEASEDIR"],
    field: "flags",
    allows: (ours, theirs) =>
      theirs === 0 && [O.RDWR, O.DIRECTORY, O.RDWR | O.TRUNC].includes(ours as never),
  },
  {
    kind: "BUG",
    row: "§6 write/write2",
    why: "WRITE_CACHE was put where the flags of the handle belong",
    opcodes: ["WRITE"],
    field: "flags",
    allows: (ours, theirs) => theirs === 1 && (Number(ours) & 3) === O.RDWR,
  },
  {
    kind: "LINUX",
    row: "§6 reclaim2",
    why: "the daemon forgets as many lookups as it counted, not one too few",
    opcodes: ["FORGET"],
    field: "nlookup",
    allows: (ours, _, { counted }) => ours === counted,
  },
  {
    kind: "BUG",
    row: "§6 fsync",
    why: "fsync(2) was made fdatasync(2)",
    opcodes: ["FSYNC"],
    field: "fsyncFlags",
    allows: (ours, theirs) => ours === 0 && theirs === 1,
  },
  {
    kind: "LINUX",
    row: "§6 poll",
    why: "the daemon is to say when more events come to hold: a poll(2) that waits is not asked again by itself",
    opcodes: ["POLL"],
    field: "kh",
    allows: (ours, theirs, { nodeid }) => theirs === 0n && ours === BigInt(nodeid as number),
  },
  {
    kind: "LINUX",
    row: "§6 poll",
    why: "likewise",
    opcodes: ["POLL"],
    field: "flags",
    allows: (ours, theirs) => theirs === 0 && ours === 1,
  },
  ...["atime", "atimensec", "mtime", "mtimensec"].map(
    (field): Rule => ({
      kind: "BUG",
      row: "§6 setattr",
      why: "times that do not count are the current ones; theirs were not those that GETATTR told last",
      opcodes: ["SETATTR"],
      field,
      allows: (_ours, _theirs, { valid }) =>
        (Number(valid) & (field.startsWith("a") ? FattrFlags.ATIME : FattrFlags.MTIME)) === 0,
    }),
  ),
];

/** Requests of ours that they do not make. */
const ADDED: readonly (Pick<Rule, "kind" | "row" | "why"> & {
  readonly is: (request: Fields) => boolean;
})[] = [
  {
    kind: "BUG",
    row: "§4 root node",
    why: "the root was taken to be 0755 and root's until its attributes came along by chance",
    is: ({ opcode, nodeid }) => opcode === "GETATTR" && nodeid === 1,
  },
  {
    kind: "BUG",
    row: "§6 lookup",
    why: "O_CREAT of a file that is there was refused where its directory cannot be written to; it is looked up first",
    is: ({ opcode, name1 }) => opcode === "LOOKUP" && name1 === "rootfile",
  },
  {
    kind: "BUG",
    row: "§6 pathconf",
    why: "pathconf(2) of the longest name did not ask the daemon, as later versions do",
    is: ({ opcode }) => opcode === "STATFS",
  },
];

/** The reasons that were needed. */
const used = new Set<string>();

function allowed(list: typeof ADDED, request: Fields): boolean {
  const reason = list.find(({ is }) => is(request));
  if (reason) used.add(reason.why);
  return reason !== undefined;
}

const NAMES = Object.fromEntries(Object.entries(Opcode).map(([name, code]) => [code, name]));

function fieldsOf(message: Uint8Array): Fields {
  const view = viewOf(message);
  const opcode = view.getUint32(4, true);
  const header = {
    opcode: NAMES[opcode],
    unique: view.getBigUint64(8, true),
    nodeid: Number(view.getBigUint64(16, true)),
    uid: view.getUint32(24, true),
    gid: view.getUint32(28, true),
    pid: view.getUint32(32, true),
  };
  const row = OPS[opcode];
  if (!row) throw new Error(`opcode ${opcode}`);
  const layout = (row.in as typeof fuse.SetattrIn | undefined)?.at(12);
  const fields = layout ? layout.read(view, 40) : {};
  let at = 40 + (layout?.size ?? 0);
  const names: Record<string, string> = {};
  for (let i = 1; i <= (row.names ?? 0); i++) {
    const end = message.indexOf(0, at);
    names[`name${i}`] = decodeName(message, at, end);
    at = end + 1;
  }
  return { ...header, ...flat(fields), ...names, data: message.subarray(at).toHex() };
}

function flat(value: object, prefix = ""): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, inner]) =>
      typeof inner === "object"
        ? Object.entries(flat(inner as object, `${prefix}${key}.`))
        : [[prefix + key, inner]],
    ),
  );
}

/** What is wrong with a message of ours, given theirs; a line each. */
function differences(ours: Fields, theirs: Fields): string[] {
  return Object.keys({ ...theirs, ...ours }).flatMap((field) => {
    if (Object.is(ours[field], theirs[field])) return [];
    const rule = RULES.find(
      ({ opcodes, field: name, allows }) =>
        name === field &&
        opcodes.includes(ours.opcode as never) &&
        allows(ours[field], theirs[field], ours),
    );
    if (rule) used.add(rule.why);
    return rule ? [] : [`${ours.opcode} ${field}: ours ${ours[field]}, theirs ${theirs[field]}`];
  });
}

/** A daemon that answers what was recorded to the request of the same kind about the same, and notes what differs. */
class Player {
  readonly wrong: string[] = [];
  readonly #left: RecordedRequest[];
  readonly #counted = new Map<number, number>();
  #statistics: Uint8Array | undefined;
  compared = 0;
  command = "";

  constructor(recorded: RecordedRequest[]) {
    this.#left = recorded;
  }

  answer(message: Uint8Array): Uint8Array | undefined {
    const ours = fieldsOf(message);
    const at = this.#left
      .slice(0, WINDOW)
      .findIndex(({ message }) => isAbout(ours, fieldsOf(message)));
    const skipped = at < 0 ? [] : this.#left.slice(0, at);
    for (const { message } of skipped) this.#leave(fieldsOf(message));
    const found = at < 0 ? undefined : this.#left[at];
    this.#left.splice(0, at + 1);
    if (!found) {
      if (!allowed(ADDED, ours)) this.#note(`${ours.opcode} ${ours.nodeid} is new`);
      return this.#made(String(ours.opcode), message);
    }
    this.compared++;
    const counted = this.#counted.get(Number(ours.nodeid)) ?? 0;
    const theirs = fieldsOf(found.message);
    for (const line of differences({ ...ours, counted }, { ...theirs, counted })) this.#note(line);
    if (!found.reply) return undefined;
    const reply = found.reply.slice();
    this.#count(String(ours.opcode), reply);
    if (ours.opcode === "STATFS") this.#statistics = reply;
    reply.set(message.subarray(8, 16), 8);
    return reply;
  }

  /** The answer to what was not recorded: no such name, no entries, the root as perfused sees it, the last statistics. */
  #made(opcode: string, request: Uint8Array): Uint8Array {
    if (opcode === "GETATTR") return attributesOfRoot(request);
    const reply =
      opcode === "STATFS" && this.#statistics
        ? this.#statistics.slice()
        : refusal(0n, opcode === "READDIR" ? 0 : 2);
    reply.set(request.subarray(8, 16), 8);
    return reply;
  }

  /** Each answer that tells of a node counts one lookup of it. */
  #count(opcode: string, reply: Uint8Array): void {
    const view = viewOf(reply);
    if (!COUNTING.has(opcode) || view.getInt32(4, true) !== 0) return;
    const nodeid = read64(view, 16);
    this.#counted.set(nodeid, (this.#counted.get(nodeid) ?? 0) + 1);
  }

  end(): void {
    for (const { message } of this.#left) this.#leave(fieldsOf(message));
  }

  #leave(theirs: Fields): void {
    this.#note(`${theirs.opcode} ${theirs.nodeid} is missing`);
  }

  #note(line: string): void {
    this.wrong.push(`${this.command}: ${line}`);
  }
}

const COUNTING: ReadonlySet<string> = new Set(["LOOKUP", "CREATE", "MKNOD", "MKDIR", "SYMLINK"]);

/** How far ahead the request of the same kind may be. */
const WINDOW = 4;

function isAbout(ours: Fields, theirs: Fields): boolean {
  const isNodeless = ours.opcode === "INIT" || ours.opcode === "DESTROY";
  return (
    ours.opcode === theirs.opcode &&
    (isNodeless || ours.nodeid === theirs.nodeid) &&
    ours.name1 === theirs.name1 &&
    (ours.opcode !== "READDIR" || ours.offset === theirs.offset)
  );
}

/** What perfused takes the root for. */
function attributesOfRoot(request: Uint8Array): Uint8Array {
  const reply = new Uint8Array(16 + fuse.AttrOut.size);
  const view = viewOf(reply);
  view.setUint32(0, reply.length, true);
  reply.set(request.subarray(8, 16), 8);
  const attr = { ...fuse.Attr.create(), ino: 1, mode: 0o040755, nlink: 2, blksize: 4096 };
  fuse.AttrOut.write(view, 16, { ...fuse.AttrOut.create(), attrValid: 3600, attr });
  return reply;
}

async function play(name: Recording): Promise<Player> {
  const player = new Player(daemonSide(name));
  const [ours, theirs] = wideSocketPair();
  const daemon = new Channel({
    descriptor: theirs,
    room: 1 << 20,
    receive(message) {
      const reply = player.answer(message.part().slice());
      if (reply) daemon.send(reply);
    },
    ended() {},
  });
  const report = (message: string, cause?: unknown) => {
    player.wrong.push(`${player.command}: ${message} ${cause ?? ""}`);
  };
  const hosting = await host({
    socket: ours,
    usermount: NOWHERE,
    report,
    minor: 12,
    // As perfused reads: 32 pages less a header.
    maxRead: 32 * 4096 - 16,
    flush: false,
  });
  try {
    const { by } = await feed(name, player, hosting);
    await hosting.fileSystem.fs?.unmount?.(by);
    player.end();
  } finally {
    daemon.close();
  }
  return player;
}

const REQ = wire.PuffsReq.offsets;
const READDIR_OFFSET = wire.VnmsgReaddir.offsets.offset;

/** Give the recorded requests of the kernel to our server. Answers what it served for. */
async function feed(name: Recording, player: Player, hosting: Hosting): Promise<Connection> {
  const records = kernelSide(name);
  const kargs = records.find(({ bytes }) => bytes.length === wire.Kargs.size)?.bytes;
  if (!kargs) throw new Error("no arguments of the mount");
  const args = wire.Kargs.read(viewOf(kargs), 0);
  const connection = new Connection(
    hosting.fileSystem,
    { puffsFlags: args.flags & KernelFlags.CACHE_FS_TTL },
    (message) => player.wrong.push(`${player.command}: ${message}`),
  );
  const server = new PuffsServer(connection);
  const nodes = new Map<number, number>([[args.rootCookie, ROOT_COOKIE]]);
  const room = new Uint8Array(1 << 18);
  const replies = new Map<number, Uint8Array>();
  // Where a listing goes on: of theirs ours. They count bytes.
  const places = new Map<number, number>();
  for (const { kind, bytes } of records) {
    const view = viewOf(bytes);
    if (kind === "command") player.command = new TextDecoder().decode(bytes);
    if (kind !== "request" && kind !== "reply") continue;
    const isVn = (view.getUint16(REQ.opclass, true) & 7) === Opclass.VN;
    const number = view.getUint16(REQ.optype, true);
    const id = read64(view, REQ.id);
    if (kind === "reply") {
      const at = isVn ? NEW_NODES[number] : undefined;
      const reply = replies.get(id);
      if (!reply) continue;
      const expected = view.getInt32(REQ.rv, true);
      const actual = viewOf(reply).getInt32(REQ.rv, true);
      if (!(isVn && EXCUSED.has(number)) && expected !== actual)
        player.wrong.push(`${player.command}: puffs ${number} answers ${actual}, not ${expected}`);
      if (isVn && number === Vn.READDIR)
        places.set(read64(view, READDIR_OFFSET), read64(viewOf(reply), READDIR_OFFSET));
      if (at && expected === 0) nodes.set(read64(view, at), read64(viewOf(reply), at));
      continue;
    }
    const cookies = isVn ? [REQ.cookie, ...(COOKIES[number] ?? [])] : [];
    for (const at of cookies) {
      const cookie = read64(view, at);
      if (cookie !== 0) write64(view, at, nodes.get(cookie) ?? 0);
    }
    if (isVn && number === Vn.READDIR)
      write64(view, READDIR_OFFSET, places.get(read64(view, READDIR_OFFSET)) ?? 0);
    room.set(bytes);
    const frame = frameOf(room, room);
    frame.length = bytes.length;
    const length = await server.serve(frame);
    if (length > 0) replies.set(id, room.slice(0, length));
    // What nobody waits for is sent, too, before the next request.
    for (let quiet = 0; quiet < 3; quiet = hosting.counts.exchanges === 0 ? quiet + 1 : 0)
      await new Promise(setImmediate);
  }
  return connection;
}

/**
 * Replies that need not have the recorded error: what POLL's is means nothing (its events are told as one), and this perfused did not
 * know all of PATHCONF yet.
 */
const EXCUSED: ReadonlySet<number> = new Set([Vn.POLL, Vn.PATHCONF]);

describe("the recorded kernel's requests become the messages that perfused sent", () => {
  for (const name of RECORDINGS)
    test(name, async () => {
      const player = await play(name);
      expect(player.wrong).toEqual([]);
      expect(player.compared).toBeGreaterThan(20);
    });

  test("and no rule is there for nothing", () => {
    const unused = [...RULES, ...ADDED].filter(({ why }) => !used.has(why));
    expect(unused.map(({ why }) => why)).toEqual([]);
  });
});
