import { expect, test } from "bun:test";
import memfs from "../../plugins/memfs/memfs.ts";
import { frameOf, viewOf } from "../../src/frame.ts";
import { parseOptions } from "../../src/options/parse.ts";
import type { AnyPlugin } from "../../src/plugin.ts";
import { Connection } from "../../src/puffs/connection.ts";
import { cookieOf } from "../../src/puffs/cookie.ts";
import { ELAST } from "../../src/puffs/errno.ts";
import { OpFlags } from "../../src/puffs/flags.ts";
import { kargs } from "../../src/puffs/mount.ts";
import { acceptKargs } from "../../src/puffs/mounted.ts";
import { PuffsServer } from "../../src/puffs/server.ts";
import * as wire from "../../src/puffs/structs.ts";
import { read64, write64 } from "../../src/puffs/word.ts";
import type { Usermount } from "../../src/usermount.ts";
import { BARE } from "../support/bare.ts";
import { Random } from "../support/random.ts";
import { ofKind, readTrace, TRACES } from "./trace.ts";

const REQ = wire.PuffsReq.offsets;
const FRAMES = 120_000;

async function open(): Promise<{ connection: Connection; reports: string[] }> {
  const plugin: AnyPlugin = memfs;
  const fileSystem = await plugin.start({
    options: parseOptions(["size=1m", "nr_inodes=1k"], plugin.options).plugin,
    ...BARE,
    usermount: {} as Usermount,
  });
  const reports: string[] = [];
  const connection = new Connection(fileSystem, {}, (message, cause) => {
    // A bug comes with what was thrown; what is malformed is said without.
    if (cause !== undefined) reports.push(`${message}: ${cause}`);
  });
  return { connection, reports };
}

test(`${FRAMES} mutated frames: each is answered once at most, within its room, by a number the kernel takes`, async () => {
  const { connection, reports } = await open();
  const server = new PuffsServer(connection);
  const seeds = TRACES.flatMap((name) => ofKind(readTrace(name), "request"));
  const random = new Random(20161);
  const room = new Uint8Array(1 << 18);
  const view = viewOf(room);
  const frame = frameOf(room, room);
  let answered = 0;
  for (let round = 0; round < FRAMES; round++) {
    const seed = seeds[random.below(seeds.length)] as Uint8Array;
    room.set(seed);
    let { length } = seed;
    const known = [...connection.vnodes.all()];
    for (const at of [REQ.cookie, 1192, 2328, 2336, 2344]) {
      const vnode = known[random.below(known.length)];
      if (vnode && at + 8 <= length && random.below(4) > 0) write64(view, at, cookieOf(vnode));
    }
    for (let flips = random.below(6); flips > 0; flips--)
      room[random.below(length)] = random.below(3) === 0 ? 0xff : random.below(256);
    if (random.below(20) === 0) length = random.below(length + 1);
    else if (random.below(4) > 0) write64(view, REQ.framelen, length);
    const id = room.slice(REQ.id, REQ.id + 8);
    const forgotten = length >= 56 && (view.getUint16(REQ.opclass, true) & OpFlags.FAF) !== 0;
    const asked = read64(view, REQ.buflen);
    frame.length = length;
    const reply = await server.serve(frame);
    if (forgotten) expect(reply).toBe(0);
    if (reply === 0) continue;
    answered++;
    const rv = view.getInt32(REQ.rv, true);
    const isFine =
      reply >= wire.PuffsReq.size &&
      reply <= Math.max(wire.PuffsReq.size, Math.min(asked, room.length)) &&
      read64(view, REQ.framelen) === reply &&
      rv >= 0 &&
      rv <= ELAST &&
      room.subarray(REQ.id, REQ.id + 8).every((byte, i) => byte === id[i]);
    if (!isFine) throw new Error(`${seed.toHex()} was answered ${room.slice(0, 64).toHex()}`);
  }
  expect(reports).toEqual([]);
  expect(answered).toBeGreaterThan(FRAMES / 4);
  expect(connection.pending.size).toBe(0);
  server.close();
  expect([...connection.vnodes.all()].length).toBe(0);
}, 120_000);

test("mutated arguments of a mount are taken or refused with EINVAL", async () => {
  const { connection } = await open();
  const good = kargs(connection, { type: "memfs", source: "memfs" });
  const random = new Random(30);
  for (let round = 0; round < 5000; round++) {
    const bytes = good.slice(0, random.below(10) === 0 ? random.below(good.length) : good.length);
    for (let flips = 1 + random.below(4); flips > 0 && bytes.length > 0; flips--)
      bytes[random.below(Math.min(bytes.length, 1216))] = random.below(256);
    try {
      expect(acceptKargs(bytes).maxmsglen).toBeGreaterThan(0);
    } catch (error) {
      expect(["EINVAL", "EPROTO"]).toContain((error as { code: string }).code);
    }
  }
});
