import { expect, test } from "bun:test";
import { closeDescriptor, EAGAIN, receive, send, setNonBlocking } from "../../ffi/device.ts";
import { socketPair } from "../../ffi/socket.ts";
import memfs from "../../plugins/memfs/memfs.ts";
import { frameOf, viewOf } from "../../src/frame.ts";
import { parseOptions } from "../../src/options/parse.ts";
import type { AnyPlugin } from "../../src/plugin.ts";
import { Connection } from "../../src/puffs/connection.ts";
import { cookieOf } from "../../src/puffs/cookie.ts";
import { ELAST } from "../../src/puffs/errno.ts";
import { Opclass, OpFlags } from "../../src/puffs/flags.ts";
import { FrameReader } from "../../src/puffs/frames.ts";
import { kargs } from "../../src/puffs/mount.ts";
import { acceptKargs } from "../../src/puffs/mounted.ts";
import { PuffsServer } from "../../src/puffs/server.ts";
import * as wire from "../../src/puffs/structs.ts";
import { read64, write64 } from "../../src/puffs/word.ts";
import { StreamEngine } from "../../src/stream.ts";
import type { Usermount } from "../../src/usermount.ts";
import { BARE } from "../support/bare.ts";
import { Random } from "../support/random.ts";
import { ofKind, readTrace, TRACES } from "./trace.ts";

const REQ = wire.PuffsReq.offsets;
const FRAMES = 120_000;
const KARGS = 120_000;
/** Bytes of the longest frame. */
const LONGEST = 1 << 18;

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

/** Mutates recorded requests: `next` puts one into `room`, with cookies of nodes that there are, and answers its length. */
class Mutants {
  readonly seeds = TRACES.flatMap((name) => ofKind(readTrace(name), "request"));
  readonly random: Random;
  readonly #connection: Connection;

  constructor(connection: Connection, seed: number) {
    this.#connection = connection;
    this.random = new Random(seed);
  }

  next(room: Uint8Array): number {
    const { random } = this;
    const view = viewOf(room);
    const seed = random.pick(this.seeds);
    room.set(seed);
    const known = [...this.#connection.vnodes.all()];
    for (const at of [REQ.cookie, 1192, 2328, 2336, 2344]) {
      const vnode = known[random.below(known.length)];
      if (vnode && at + 8 <= seed.length && random.below(4) > 0) write64(view, at, cookieOf(vnode));
    }
    for (let flips = random.below(6); flips > 0; flips--)
      room[random.below(seed.length)] = random.below(3) === 0 ? 0xff : random.below(256);
    return seed.length;
  }
}

test(`${FRAMES} mutated frames: each is answered once at most, within its room, by a number the kernel takes`, async () => {
  const { connection, reports } = await open();
  const server = new PuffsServer(connection);
  const mutants = new Mutants(connection, 20161);
  const { random } = mutants;
  const room = new Uint8Array(1 << 18);
  const view = viewOf(room);
  const frame = frameOf(room, room);
  let answered = 0;
  for (let round = 0; round < FRAMES; round++) {
    let length = mutants.next(room);
    if (random.below(20) === 0) length = random.below(length + 1);
    else if (random.below(4) > 0) write64(view, REQ.framelen, length);
    const sent = room.slice(0, length);
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
    if (!isFine) throw new Error(`${sent.toHex()} was answered ${room.slice(0, 64).toHex()}`);
  }
  expect(reports).toEqual([]);
  expect(answered).toBeGreaterThan(FRAMES / 4);
  expect(connection.pending.size).toBe(0);
  server.close();
  expect([...connection.vnodes.all()].length).toBe(0);
}, 120_000);

test(`${FRAMES} mutated frames through a socket: at most one reply for each number, none to what is told`, async () => {
  const { connection, reports } = await open();
  const [end, ours] = socketPair("stream");
  setNonBlocking(end);
  const server = new PuffsServer(connection);
  const engine = new StreamEngine(ours, server, LONGEST, (message) => reports.push(message));
  const ended = engine.run();
  const mutants = new Mutants(connection, 2016);
  const reader = new FrameReader(LONGEST);
  /** By number: how many replies it got, and how many it may. */
  const replies = new Uint8Array(FRAMES);
  const most = new Uint8Array(FRAMES);
  let isLast = false;
  const take = () => {
    const count = receive(end, reader.room());
    if (count <= 0) return false;
    reader.took(count);
    for (let reply = reader.next(); reply; reply = reader.next()) {
      const number = read64(viewOf(reply), REQ.id);
      if (number < FRAMES) replies[number] = (replies[number] ?? 0) + 1;
      else if (number === FRAMES) isLast = true;
      else throw new Error(`a reply to ${number}, which was not sent`);
    }
    return true;
  };
  try {
    const room = new Uint8Array(1 << 17);
    const view = viewOf(room);
    for (let number = 0; number < FRAMES; number++) {
      const length = mutants.next(room);
      write64(view, REQ.framelen, length);
      write64(view, REQ.id, number);
      if ((view.getUint16(REQ.opclass, true) & OpFlags.FAF) === 0) most[number] = 1;
      for (let done = 0; done < length; ) {
        const sent = send(end, room.subarray(done, length), length - done);
        if (sent > 0) done += sent;
        else if (sent !== -EAGAIN) throw new Error(`the engine has gone: ${sent}`);
        else if (!take()) await Bun.sleep(0);
      }
    }
    // The last one is answered when all before it are, here where none of them waits.
    const last = new Uint8Array(56);
    const header = viewOf(last);
    write64(header, REQ.framelen, 56);
    write64(header, REQ.buflen, 56);
    write64(header, REQ.id, FRAMES);
    header.setUint16(REQ.opclass, Opclass.SUSPEND, true);
    expect(send(end, last, 56)).toBe(56);
    while (!isLast) if (!take()) await Bun.sleep(0);
    expect(replies.findIndex((count, number) => count > (most[number] ?? 0))).toBe(-1);
    expect(replies.reduce((sum, count) => sum + count)).toBeGreaterThan(FRAMES / 4);
    expect(reports).toEqual([]);
    expect(connection.pending.size).toBe(0);
  } finally {
    engine.stop();
    await ended;
    closeDescriptor(end);
    closeDescriptor(ours);
  }
}, 120_000);

test(`${KARGS} mutated arguments of a mount are taken, with messages of a size that there is, or refused`, async () => {
  const { connection } = await open();
  const good = kargs(connection, { type: "memfs", source: "memfs" });
  const random = new Random(30);
  const outcomes = new Map<string, number>();
  for (let round = 0; round < KARGS; round++) {
    const bytes = good.slice(0, random.below(10) === 0 ? random.below(good.length) : good.length);
    // Two in three are in what comes before the statistics, where most of it is that is looked at.
    for (let flips = 1 + random.below(4); flips > 0 && bytes.length > 0; flips--)
      bytes[random.below(random.below(3) === 0 ? bytes.length : Math.min(bytes.length, 1216))] =
        random.below(256);
    let outcome = "taken";
    try {
      const { maxmsglen } = acceptKargs(bytes);
      if (!(maxmsglen >= 8192 && maxmsglen <= 131072)) outcome = `messages of ${maxmsglen} bytes`;
    } catch (error) {
      outcome = (error as { code?: string }).code ?? String(error);
    }
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  }
  for (const outcome of outcomes.keys()) expect(["taken", "EINVAL", "EPROTO"]).toContain(outcome);
  expect(outcomes.get("taken")).toBeGreaterThan(KARGS / 20);
  expect(outcomes.get("EINVAL")).toBeGreaterThan(KARGS / 20);
}, 120_000);
