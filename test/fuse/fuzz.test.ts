import { expect, test } from "bun:test";
import memfs from "../../plugins/memfs/memfs.ts";
import { OPS } from "../../src/fuse/ops.ts";
import type { AnyFileSystem } from "../../src/plugin.ts";
import { BARE } from "../support/bare.ts";
import { everything, type Ids, REQUESTS, subject } from "../support/everything.ts";
import { Random } from "../support/random.ts";
import { errorOf, request, viewOf, Wire } from "../support/wire.ts";

const OPCODES = Object.keys(REQUESTS).map(Number);

/** Values that break what was not checked. */
const EDGES = [
  0n,
  1n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
];

function mutated(random: Random, valid: Uint8Array): Uint8Array {
  let message = valid.slice();
  for (let times = random.below(4); times > 0; times--) {
    const view = viewOf(message);
    const { length } = message;
    if (length < 48) break;
    switch (random.below(7)) {
      case 0: // a bit flips
        flip(message, random.below(length * 8));
        break;
      case 1: // cut off, with the length right or not
        message = message.slice(0, random.between(40, length));
        if (random.oneIn(2)) viewOf(message).setUint32(0, message.length, true);
        break;
      case 2: // the length lies
        view.setUint32(0, Number(random.pick(EDGES) & 0xffffffffn), true);
        break;
      case 3: // another opcode with this body
        view.setUint32(4, random.oneIn(20) ? random.below(2 ** 32) : random.pick(OPCODES), true);
        break;
      case 4: // a huge or tiny field of 64 bits
        view.setBigUint64(40 + 8 * random.below((length - 40) >> 3), random.pick(EDGES), true);
        break;
      case 5: // the same of 32
        view.setUint32(
          40 + 4 * random.below((length - 40) >> 2),
          Number(random.pick(EDGES) & 0xffffffffn),
          true,
        );
        break;
      default: // another node, or extensions that are not there
        if (random.oneIn(4)) view.setUint16(36, random.below(65536), true);
        else view.setBigUint64(16, BigInt(random.below(12)), true);
    }
  }
  return message;
}

function flip(message: Uint8Array, bit: number): void {
  message[bit >> 3] = (message[bit >> 3] ?? 0) ^ (1 << (bit & 7));
}

/** A server with a file and a directory open. */
async function prepared(fileSystem: AnyFileSystem): Promise<{ wire: Wire; ids: Ids }> {
  const wire = new Wire(fileSystem);
  wire.init(45, 0xffffffff & ~(1 << 17));
  const created = await wire.ask(35, 1, 2, 0o644, 0, 0, "one\0");
  const opened = await wire.ask(27, 1, 0, 0);
  const file = Number(viewOf(created).getBigUint64(16, true));
  const openFile = Number(viewOf(created).getBigUint64(16 + 128, true));
  const openDirectory = Number(viewOf(opened).getBigUint64(16, true));
  return { wire, ids: { directory: 1, file, openFile, openDirectory } };
}

/** All operations of a plugin, each with its answer later. */
function late(fileSystem: AnyFileSystem): AnyFileSystem {
  const node = Object.entries(fileSystem.node).map(([name, operation]) => [
    name,
    async (...parameters: unknown[]) =>
      (operation as (...all: unknown[]) => unknown)(...parameters),
  ]);
  return { ...fileSystem, node: Object.fromEntries(node) };
}

const start = () =>
  memfs.start({
    options: {
      size: 2 ** 22,
      nr_blocks: undefined,
      nr_inodes: undefined,
      mode: 0o777,
      uid: 0,
      gid: 0,
    },
    ...BARE,
    usermount: undefined as never,
  });

const TARGETS: readonly (readonly [
  string,
  number,
  () => AnyFileSystem | Promise<AnyFileSystem>,
])[] = [
  ["memfs", 60_000, start],
  ["a plugin with every operation", 50_000, () => everything()],
  ["the same, late", 15_000, () => late(everything())],
];

test.each(TARGETS)(
  "%s: %d broken messages get one right reply each and break nothing",
  async (_name, count, make) => {
    const random = new Random(0xf5e);
    let { wire, ids } = await prepared(await make());
    for (let i = 0; i < count; i++) {
      if (i % 1000 === 999) ({ wire, ids } = await prepared(await make()));
      const opcode = random.pick(OPCODES);
      const valid = request(
        opcode,
        wire.next(),
        BigInt(subject(opcode, ids)),
        ...(REQUESTS[opcode]?.[2](ids) ?? []),
      );
      const message = mutated(random, valid);
      const context = () => `seed 0xf5e, message ${i}: ${message.toHex()}`;
      const answered = wire.serve(message);
      const answer = answered instanceof Promise ? await answered : answered;
      const row = OPS[viewOf(message).getUint32(4, true)];
      if (row?.reply === false) {
        if (answer.length !== 0) throw new Error(`an answer to ${row.name}: ${context()}`);
        continue;
      }
      if (answer.length < 16) throw new Error(`no answer: ${context()}`);
      const view = viewOf(answer);
      const error = errorOf(answer) as number;
      const right =
        view.getUint32(0, true) === answer.length &&
        error >= 0 &&
        error < 512 &&
        (error === 0 || answer.length === 16) &&
        view.getBigUint64(8, true) === viewOf(message).getBigUint64(8, true);
      if (!right) throw new Error(`a wrong answer ${answer.toHex()}: ${context()}`);
      const failed = wire.reports.splice(0).find(({ message }) => message.includes("failed"));
      if (failed) throw new Error(`${failed.message}: ${context()}`, { cause: failed.cause });
    }
    // It still serves.
    expect(errorOf(await wire.ask(17, 1))).toBe(0);
    expect(wire.connection.pending.size).toBe(0);
  },
  60_000,
);

test("messages too short for a header are dropped with one report, and never answered", () => {
  const wire = new Wire(everything());
  wire.init();
  const whole = request(3, 2n, 1n, 0, 0, 0n);
  for (let length = 0; length < 40; length++)
    expect(wire.serve(whole.slice(0, length))).toEqual(new Uint8Array(0));
  expect(wire.reports.length).toBe(40);
});
