import { describe, expect, test } from "bun:test";
import memfs from "../../plugins/memfs/memfs.ts";
import { frameOf, viewOf } from "../../src/frame.ts";
import { parseOptions } from "../../src/options/parse.ts";
import type { AnyPlugin } from "../../src/plugin.ts";
import { Connection } from "../../src/puffs/connection.ts";
import { ROOT_COOKIE } from "../../src/puffs/cookie.ts";
import { KernelFlags, Opclass, Vfs, Vn } from "../../src/puffs/flags.ts";
import { PuffsServer } from "../../src/puffs/server.ts";
import * as wire from "../../src/puffs/structs.ts";
import { read64, write64 } from "../../src/puffs/word.ts";
import type { Usermount } from "../../src/usermount.ts";
import { BARE } from "../support/bare.ts";
import { COOKIES, NEW_NODES } from "./cookies.ts";
import { readTrace, TRACES } from "./trace.ts";

/*
 * The kernel's recorded frames are given to our memfs, in their order, and each of its replies must be the one that was
 * recorded: NetBSD's own library and its test server wrote those. What may differ is blanked in both before they are
 * compared, rule by rule.
 */

interface Rule {
  readonly name: string;
  readonly why: string;
  readonly on: (isVfs: boolean, number: number) => boolean;
  blank(reply: Uint8Array): Uint8Array;
}

const vn =
  (...numbers: number[]) =>
  (isVfs: boolean, number: number) =>
    !isVfs && numbers.includes(number);
const vfs =
  (...numbers: number[]) =>
  (isVfs: boolean, number: number) =>
    isVfs && numbers.includes(number);

/** Bytes to blank, as places in the message: [from, to). */
function ranges(...list: readonly (readonly [number, number])[]) {
  return (reply: Uint8Array) => {
    for (const [from, to] of list) reply.fill(0, from, Math.min(to, reply.length));
    return reply;
  };
}

const VATTR = wire.Vattr.offsets;
const free = (at: number) =>
  [
    [at + VATTR.fileid, at + VATTR.fileid + 8],
    [at + VATTR.atime, at + VATTR.flags],
    [at + VATTR.bytes, at + VATTR.filerev + 8],
  ] as const;

const RULES: readonly Rule[] = [
  {
    name: "cookies",
    why: "a cookie is whatever the server calls a node",
    on: () => true,
    blank: ranges([wire.PuffsReq.offsets.cookie, wire.PuffsReq.offsets.cookie + 8]),
  },
  ...[
    { numbers: [Vn.LOOKUP], at: wire.VnmsgLookup.offsets.newnode, size: 8 },
    {
      numbers: [Vn.CREATE, Vn.MKNOD, Vn.MKDIR, Vn.SYMLINK],
      at: wire.VnmsgCreate.offsets.newnode,
      size: 8,
    },
    {
      numbers: [Vn.REMOVE, Vn.RMDIR, Vn.LINK],
      at: wire.VnmsgRemove.offsets.cookieTarg,
      size: 8,
    },
    { numbers: [Vn.RENAME], at: wire.VnmsgRename.offsets.cookieSrc, size: 24 },
  ].map(
    ({ numbers, at, size }): Rule => ({
      name: "cookies",
      why: "a cookie is whatever the server calls a node",
      on: vn(...numbers),
      blank: ranges([at, at + size]),
    }),
  ),
  ...[
    { numbers: [Vn.GETATTR, Vn.SETATTR], at: wire.VnmsgSetgetattr.offsets.va },
    { numbers: [Vn.LOOKUP], at: wire.VnmsgLookup.offsets.va },
    { numbers: [Vn.CREATE, Vn.MKDIR], at: wire.VnmsgCreate.offsets.va },
  ].map(
    ({ numbers, at }): Rule => ({
      name: "times, inode numbers, generation, space used, revision",
      why: "they are this server's and this moment's own",
      on: vn(...numbers),
      blank: ranges(...free(at)),
    }),
  ),
  {
    name: "size of directories",
    why: "each file system counts its own way",
    on: vn(Vn.LOOKUP, Vn.CREATE, Vn.MKDIR, Vn.GETATTR, Vn.SETATTR),
    blank(reply) {
      const number = viewOf(reply).getUint16(wire.PuffsReq.offsets.optype, true);
      const at =
        number === Vn.LOOKUP
          ? wire.VnmsgLookup.offsets.va
          : number === Vn.GETATTR || number === Vn.SETATTR
            ? wire.VnmsgSetgetattr.offsets.va
            : wire.VnmsgCreate.offsets.va;
      const isDirectory = viewOf(reply).getUint32(at + VATTR.type, true) === 2;
      return isDirectory ? ranges([at + VATTR.size, at + VATTR.blocksize])(reply) : reply;
    },
  },
  ...[
    { numbers: [Vn.GETATTR, Vn.SETATTR], at: wire.VnmsgSetgetattr.offsets.vaTtl, size: 16 },
    { numbers: [Vn.LOOKUP], at: wire.VnmsgLookup.offsets.vaTtl, size: 32 },
    { numbers: [Vn.CREATE, Vn.MKDIR], at: wire.VnmsgCreate.offsets.vaTtl, size: 32 },
  ].map(
    ({ numbers, at, size }): Rule => ({
      name: "times to live",
      why: "a file system says itself for how long it is to be believed",
      on: vn(...numbers),
      blank: ranges([at, at + size]),
    }),
  ),
  {
    name: "inode numbers and padding of entries",
    why: "the former are the server's own, the latter is what was there before",
    on: vn(Vn.READDIR),
    blank(reply) {
      const view = viewOf(reply);
      for (let at = wire.VnmsgReaddir.offsets.data; at < reply.length; ) {
        const length = view.getUint16(at + wire.Dirent.offsets.reclen, true);
        const name = at + wire.Dirent.offsets.name;
        write64(view, at, 1);
        reply.fill(0, name + view.getUint16(at + wire.Dirent.offsets.namlen, true), at + length);
        at += length;
      }
      return reply;
    },
  },
  {
    name: "order of names",
    why: "attributes are listed in any order",
    on: vn(Vn.LISTEXTATTR),
    blank(reply) {
      const at = wire.VnmsgListextattr.offsets.data;
      const names = new TextDecoder("latin1").decode(reply.subarray(at)).split(/(?=[^ -~])/);
      reply.set(
        new TextEncoder()
          .encode(
            names
              .map((name) => name.replace(/[^ -~]/g, ""))
              .filter(Boolean)
              .sort()
              .join(" ")
              .padEnd(reply.length - at),
          )
          .subarray(0, reply.length - at),
        at,
      );
      return reply;
    },
  },
  {
    name: "data sent back",
    why: "a reply may be shorter than its request: the value of an attribute need not travel twice",
    on: vn(Vn.SETEXTATTR),
    blank(reply) {
      const short = reply.slice(0, wire.VnmsgSetextattr.size);
      write64(viewOf(short), wire.PuffsReq.offsets.framelen, short.length);
      write64(viewOf(short), wire.PuffsReq.offsets.buflen, short.length);
      return short;
    },
  },
  {
    name: "space and numbers of files",
    why: "they are this server's own",
    on: vfs(Vfs.STATVFS),
    blank: ranges(
      [wire.VfsmsgStatvfs.offsets["sb.blocks"], wire.VfsmsgStatvfs.offsets["sb.syncreads"]],
      [wire.VfsmsgStatvfs.offsets["sb.namemax"], wire.VfsmsgStatvfs.offsets["sb.owner"]],
    ),
  },
  {
    name: "limits",
    why: "they are this server's own; the recorded one knows that of names alone",
    on: vn(Vn.PATHCONF),
    blank: ranges([wire.PuffsReq.offsets.rv, wire.PuffsReq.offsets.setbacks], [64, 72]),
  },
  {
    name: "forgetting removed directories",
    why: "INACTIVE says so again here (NOREF_N1), as the reply to RMDIR did",
    on: vn(Vn.INACTIVE),
    blank: ranges([wire.PuffsReq.offsets.setbacks, wire.PuffsReq.offsets.setbacks + 4]),
  },
];

const REQ = wire.PuffsReq.offsets;

async function serverOf(flags: number): Promise<PuffsServer> {
  const plugin: AnyPlugin = memfs;
  const fileSystem = await plugin.start({
    options: parseOptions(["mode=777"], plugin.options).plugin,
    ...BARE,
    usermount: {} as Usermount,
  });
  const report = (message: string, cause?: unknown) => {
    throw new Error(message, { cause });
  };
  return new PuffsServer(
    new Connection(fileSystem, { puffsFlags: flags & KernelFlags.CACHE_FS_TTL }, report),
  );
}

function compared(reply: Uint8Array): string {
  const view = viewOf(reply);
  const isVfs = (view.getUint16(REQ.opclass, true) & 7) === Opclass.VFS;
  const number = view.getUint16(REQ.optype, true);
  return RULES.filter(({ on }) => on(isVfs, number))
    .reduce<Uint8Array>((bytes, { blank }) => blank(bytes), reply.slice())
    .toHex();
}

describe("the recorded kernel gets the recorded replies", () => {
  for (const name of TRACES) {
    test(name, async () => {
      const records = readTrace(name);
      const kargs = records.find(({ bytes }) => bytes.length === wire.Kargs.size)?.bytes;
      if (!kargs) throw new Error("no arguments of the mount");
      const args = wire.Kargs.read(viewOf(kargs), 0);
      const server = await serverOf(args.flags);
      const ours = new Map<number, number>([[args.rootCookie, ROOT_COOKIE]]);
      const room = new Uint8Array(1 << 18);
      const replies = new Map<number, Uint8Array>();
      let command = "";
      let checked = 0;
      for (const { kind, bytes } of records) {
        const view = viewOf(bytes);
        if (kind === "command") command = new TextDecoder().decode(bytes);
        if (kind !== "request" && kind !== "reply") continue;
        const isVn = (view.getUint16(REQ.opclass, true) & 7) === Opclass.VN;
        const number = view.getUint16(REQ.optype, true);
        const id = read64(view, REQ.id);
        // The mount of a server without `poll` does not ask for it; the recorded one never answered.
        if (isVn && number === Vn.POLL) continue;
        if (kind === "request") {
          const places = isVn ? [REQ.cookie, ...(COOKIES[number] ?? [])] : [];
          for (const at of places) {
            const theirs = read64(view, at);
            if (theirs !== 0) write64(view, at, ours.get(theirs) ?? 0);
          }
          room.set(bytes);
          const frame = frameOf(room, room);
          frame.length = bytes.length;
          const length = await server.serve(frame);
          if (length > 0) replies.set(id, room.slice(0, length));
          continue;
        }
        const reply = replies.get(id);
        replies.delete(id);
        const at = isVn ? NEW_NODES[number] : undefined;
        if (reply && at && view.getInt32(REQ.rv, true) === 0)
          ours.set(read64(view, at), read64(viewOf(reply), at));
        expect(`${command}: ${reply && compared(reply)}`).toBe(`${command}: ${compared(bytes)}`);
        checked++;
      }
      // What the kernel does not wait for is not answered.
      expect([...replies.keys()]).toEqual([]);
      expect(checked).toBeGreaterThan(20);
    });
  }
});
