import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { closeDescriptor, EAGAIN, receive, send, setNonBlocking } from "../../ffi/device.ts";
import { setSendBuffer } from "../../ffi/seqpacket.ts";
import { socketPair } from "../../ffi/socket.ts";
import { Opclass, Vn, Vtype } from "../../src/puffs/flags.ts";
import { compose, putHeader } from "../../src/puffs/message.ts";
import { acceptKargs } from "../../src/puffs/mounted.ts";
import * as wire from "../../src/puffs/structs.ts";
import { builtIn } from "../support/built.ts";
import { handshakeOf, playKernel } from "../support/kernel-end.ts";
import { processesOf } from "../support/program.ts";
import { codeOf, ROOT } from "./rig.ts";

/*
 * mount_memfs, one executable, started by a shell with one end of a socket pair as a descriptor that PUFFS_COMFD names: the test plays
 * the kernel at the other end.
 */

const PATIENCE = 60_000;

/** Holds the executable; and nobody else mounts on paths in it, which need not exist. */
let folder = "";
let program = "";

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "puffs-compiled-"));
  program = await builtIn(folder, "memfs");
}, PATIENCE);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Server {
  readonly child: ChildProcess;
  readonly end: number;
  readonly directory: string;
  readonly stderr: Promise<string>;
  readonly exit: Promise<unknown[]>;
}

const started: Server[] = [];
let ends: number[] = [];

/** Runs `script`, in which `"$@"` is the program with its arguments and 3 the descriptor. */
function start(script: string, prepare: (theirs: number) => void = () => {}): Server {
  const [end, theirs] = socketPair("stream");
  prepare(theirs);
  const directory = `${folder}/mp`;
  const child = spawn("sh", ["-c", script, "sh", program, "-o", "mode=755", directory], {
    stdio: ["ignore", "ignore", "pipe", theirs],
  });
  closeDescriptor(theirs);
  setNonBlocking(end);
  ends.push(end);
  const server = {
    child,
    end,
    directory,
    stderr: text(child.stderr as never),
    exit: once(child, "exit"),
  };
  started.push(server);
  return server;
}

/** The kernel is gone. */
function die({ end }: Server): void {
  ends = ends.filter((one) => one !== end);
  closeDescriptor(end);
}

/** How it ended, and what it said; and that it is all that there was, and took no longer than a moment. */
async function endOf({ exit, stderr, directory }: Server): Promise<[unknown, string]> {
  const began = performance.now();
  const [code, signal] = await exit;
  expect(performance.now() - began).toBeLessThan(10_000);
  expect(processesOf(directory)).toEqual([]);
  return [code ?? signal, await stderr];
}

afterEach(async () => {
  for (const { child, exit } of started.splice(0)) {
    child.kill("SIGKILL");
    await exit;
  }
  for (const end of ends.splice(0)) closeDescriptor(end);
});

/** What it says that has mounted and been unmounted. */
const mountedAndGone = ({ directory }: Server) => [
  `mount_memfs: memfs is mounted on ${directory}`,
  `mount_memfs: ${directory} is unmounted`,
];

const AS_SEVEN = 'PUFFS_COMFD=7 exec "$@" 7<&3 3<&-';

test(
  "a session from the announcement to the unmount, and it ends with 0",
  async () => {
    const server = start(AS_SEVEN);
    const { directory, from, kargs } = await handshakeOf(server.end);
    expect([directory, from]).toEqual([server.directory, "memfs"]);
    const mounted = acceptKargs(kargs);
    expect(mounted.type).toBe("memfs");
    const { kernel, over } = playKernel(server.end, mounted);
    const { root } = kernel;
    const content = Uint8Array.from({ length: 100_000 }, (_, i) => i % 251);
    const { newnode: file } = await kernel.create(root, "file", 0o640, ROOT);
    expect(await kernel.write(file, 0, content, ROOT)).toBe(100_000);
    expect(await kernel.read(file, 0, 120_000, ROOT)).toEqual(content);
    const { newnode: folder } = await kernel.mkdir(root, "folder", 0o700, ROOT);
    const from_ = { directory: root, name: "file", node: file };
    await kernel.rename(from_, { directory: folder, name: "moved", node: 0 }, ROOT);
    const listed = async (directory: number) => {
      const { entries, eof } = await kernel.readdir(directory, { offset: 0, room: 4096 }, ROOT);
      return [entries.map(({ name }) => name), eof];
    };
    expect(await listed(root)).toEqual([[".", "..", "folder"], true]);
    expect(await listed(folder)).toEqual([[".", "..", "moved"], true]);
    const { va } = await kernel.getattr(file, ROOT);
    expect([va.type, va.mode, va.size]).toEqual([Vtype.REG, 0o640, 100_000]);
    expect(await codeOf(kernel.rmdir(root, "folder", folder, ROOT))).toBe("ENOTEMPTY");
    await kernel.remove(folder, "moved", file, ROOT);
    await kernel.rmdir(root, "folder", folder, ROOT);
    expect(await codeOf(kernel.lookup(root, { name: "folder" }, ROOT))).toBe("ENOENT");
    await kernel.detach();
    await over;
    const [code, said] = await endOf(server);
    expect(code).toBe(0);
    expect(said.trim().split("\n")).toEqual(mountedAndGone(server));
  },
  PATIENCE,
);

test(
  "killed under load: whoever waits is told, and nothing is left",
  async () => {
    const server = start(AS_SEVEN);
    const { kargs } = await handshakeOf(server.end);
    const { kernel, over } = playKernel(server.end, acceptKargs(kargs));
    const { newnode } = await kernel.create(kernel.root, "file", 0o666, ROOT);
    const content = new Uint8Array(65536).fill(7);
    let answered = 0;
    let refused = 0;
    const codes = new Set<string>();
    const hammer = async (worker: number) => {
      for (let round = 0; refused === 0 || round === 0; round++)
        await kernel
          .write(newnode, (worker * 100 + round) * content.length, content, ROOT)
          .then(() => kernel.read(newnode, worker * 100 * content.length, content.length, ROOT))
          .then(
            () => answered++,
            (error: { code: string }) => {
              refused++;
              codes.add(error.code);
            },
          );
    };
    const all = Promise.all(Array.from({ length: 16 }, (_, worker) => hammer(worker)));
    while (answered < 50) await Bun.sleep(1);
    server.child.kill("SIGKILL");
    await over;
    await all;
    expect(refused).toBe(16);
    expect(codes).toEqual(new Set(["ENXIO"]));
    expect((await endOf(server))[0]).toBe("SIGKILL");
  },
  PATIENCE,
);

describe("what is no descriptor of a stream is refused in one line, with 1", () => {
  test.each([
    ["", "not a descriptor (EINVAL)"],
    ["abc", "not a descriptor (EINVAL)"],
    ["-1", "not a descriptor (EINVAL)"],
    ["7x", "not a descriptor (EINVAL)"],
    ["0x7", "not a descriptor (EINVAL)"],
    [" 7", "not a descriptor (EINVAL)"],
    ["7.0", "not a descriptor (EINVAL)"],
    ["99999", "not open here: EBADF"],
    ["99999999999999999999", "not open here"],
    ["8", "not open here: EBADF"],
  ])("PUFFS_COMFD=%j", async (variable, words) => {
    const server = start(`PUFFS_COMFD='${variable}' exec "$@" 7<&3 3<&- 8<&-`);
    const [code, said] = await endOf(server);
    expect(code).toBe(1);
    expect(said).toStartWith(`mount_memfs: PUFFS_COMFD is `);
    expect(said).toContain(words);
    expect(said.trim().split("\n")).toHaveLength(1);
  });

  test.each([
    ["a file", 'exec "$@" 7<>"$0"'],
    ["a directory", 'exec "$@" 7</'],
    ["one end of a pipe", '"$@" 7<&0'],
  ])("%s", async (_, script) => {
    const file = join(folder, "file");
    await Bun.write(file, "content\n");
    const pipe = script.startsWith('"') ? ": | " : "";
    const server = start(`export PUFFS_COMFD=7; set -- "$@"; ${pipe}${script.replace("$0", file)}`);
    const [code, said] = await endOf(server);
    expect(code).toBe(1);
    expect(said).toContain("PUFFS_COMFD is 7, which is not a socket or a device (EINVAL)");
    expect(said.trim().split("\n")).toHaveLength(1);
    expect(await Bun.file(file).text()).toBe("content\n");
  });
});

/** So many bytes of what the server writes. */
async function take({ end }: Server, count: number): Promise<void> {
  const buffer = new Uint8Array(8192);
  for (let done = 0; done < count; ) {
    const got = receive(end, buffer.subarray(0, count - done));
    if (got === 0) throw new Error("the server has gone first");
    if (got > 0) done += got;
    else await Bun.sleep(0);
  }
}

/** Within each item, each of which is a write(2) of its own: nothing, the first byte, the middle, all but the last, all. */
const WITHIN = [0, 1, 0.5, -1] as const;

/** How many bytes were taken of an announcement with items of these lengths, at the points of death in item `index`. */
function points(lengths: readonly number[], index: number): number[] {
  const start = lengths.slice(0, index).reduce((sum, length) => sum + length, 0);
  const length = lengths[index] as number;
  return WITHIN.map((at) => start + (at < 0 ? length + at : at < 1 ? Math.floor(at * length) : at));
}

describe("the kernel dies while the mount is announced, in the midst of", () => {
  /** u64, path, u64, "memfs", flags of mount(2), u64, arguments, flags of puffs_init(3). */
  const items = () => [8, folder.length + "/mp".length + 1, 8, 6, 4, 8, 3984, 4];
  const NAMES = [
    ...["the path's length", "the path", "the name's length", "the name", "the flags of mount(2)"],
    ...["the arguments' length", "the arguments", "the library's flags"],
  ];

  test.each(NAMES.map((name, index) => [name, index] as const))(
    "%s",
    async (_, index) => {
      const all = items().reduce((sum, length) => sum + length, 0);
      for (const taken of [...new Set([...points(items(), index), index === 7 ? all : 0])]) {
        for (const blocks of [true, false]) {
          // With as little room as there can be the server still writes when the kernel dies, but for the very end.
          const server = start(AS_SEVEN, (theirs) => {
            setSendBuffer(theirs, 1);
            if (!blocks) setNonBlocking(theirs);
          });
          await take(server, taken);
          die(server);
          const [code, said] = await endOf(server);
          const lines = said.trim().split("\n");
          if (index < 6) expect([taken, code]).toEqual([taken, 32]);
          if (taken === all) expect([taken, code]).toEqual([taken, 0]);
          if (code === 32)
            expect(lines).toEqual([
              expect.stringMatching(
                /^mount_memfs: PUFFS_COMFD: the mount could not be announced \(errno E(PIPE|CONNRESET)\)$/,
              ),
            ]);
          else expect([code, lines]).toEqual([0, mountedAndGone(server)]);
        }
      }
    },
    PATIENCE,
  );

  test(
    "nothing yet: before the server has begun, and with room for all of it",
    async () => {
      const server = start(AS_SEVEN);
      die(server);
      const [code] = await endOf(server);
      expect(code).toBe(32);
      for (const taken of [0, 1, 50, 2000]) {
        const roomy = start(AS_SEVEN);
        await take(roomy, taken);
        die(roomy);
        // It may have written all before anybody was gone.
        expect([0, 32]).toContain((await endOf(roomy))[0] as number);
      }
    },
    PATIENCE,
  );
});

describe("the kernel dies when the mount is announced", () => {
  /** GETATTR of the root. An engine looks at its length (8 bytes), at `buflen` (48 to 55), and at the whole: at and beside those it is cut. */
  const frame = (cookie: number) => {
    const message = compose(wire.VnmsgSetgetattr);
    putHeader(message, { id: 5, cookie, opclass: Opclass.VN, optype: Vn.GETATTR });
    return message;
  };

  async function announced() {
    const server = start(AS_SEVEN);
    const { kargs } = await handshakeOf(server.end);
    const bytes = frame(acceptKargs(kargs).args.rootCookie);
    return { server, bytes };
  }

  const write = ({ end }: Server, bytes: Uint8Array) =>
    expect(send(end, bytes, bytes.length)).toBe(bytes.length);

  test("before its first frame", async () => {
    const { server } = await announced();
    die(server);
    expect(await endOf(server)).toEqual([0, `${mountedAndGone(server).join("\n")}\n`]);
  });

  const size = wire.VnmsgSetgetattr.size;
  test.each([
    ["its length", [1, 4, 7, 8]],
    ["its header", [9, 16, 17, 24, 28, 47, 48, 52, 55]],
    ["its body", [56, 57, Math.floor(size / 2), size - 8, size - 1]],
  ])(
    "in the midst of its first frame: of %s",
    async (_, counts) => {
      for (const count of counts) {
        const { server, bytes } = await announced();
        write(server, bytes.subarray(0, count));
        die(server);
        const [code, said] = await endOf(server);
        expect([count, code]).toEqual([count, 2]);
        expect(said.trim().split("\n")).toEqual([
          `mount_memfs: memfs is mounted on ${server.directory}`,
          `mount_memfs: warning: the stream broke off behind byte ${count} of a frame`,
          expect.stringMatching(/: the mount ended by a failure: reading puffs requests failed/),
        ]);
      }
    },
    PATIENCE,
  );

  test("in the midst of a later frame, with an answer that nobody has read", async () => {
    const { server, bytes } = await announced();
    write(server, bytes);
    write(server, bytes.subarray(0, 100));
    while (receive(server.end, new Uint8Array(10)) === -EAGAIN) await Bun.sleep(1);
    die(server);
    const [code, said] = await endOf(server);
    expect(code).toBe(2);
    expect(said).toContain("the stream broke off behind byte 100 of a frame");
  });

  test("before it has read the answer, or all of it", async () => {
    for (const read of [0, 1, 56, 100]) {
      const { server, bytes } = await announced();
      write(server, bytes);
      await take(server, read);
      die(server);
      expect(await endOf(server)).toEqual([0, `${mountedAndGone(server).join("\n")}\n`]);
    }
  });
});
