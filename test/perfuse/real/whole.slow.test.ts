import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import type { Caller, Foreign, FuseKernel } from "../../../src/fuse/kernel.ts";
import { startDaemon } from "../../../src/perfuse/daemon.ts";
import { findProgram } from "../../../src/perfuse/routes/pick.ts";
import { mounted } from "../../support/mounted.ts";
import { greet } from "../support/greet.ts";
import { type Scratch, scratch, sh, withPrograms } from "./support.ts";

/*
 * fuse-overlayfs insists on 7.14 and more, and then libfuse splices its replies. What comes of that on a socket, and what is done about it.
 */

const CALLER: Caller = { uid: 0, gid: 0, pid: 1 };

/** A lower layer with a file of 3 MB, and the daemon's command. */
async function layers(on: Scratch): Promise<string[]> {
  await on.sh("mkdir low up work && head -c 3000000 /dev/urandom > low/big");
  const options = `lowerdir=${on.at("low")},upperdir=${on.at("up")},workdir=${on.at("work")}`;
  return ["fuse-overlayfs", "-f", "-o", options, "{}"];
}

/** Asks for parts of the file as the kernel would; answers what came to each, and how long the messages were. */
async function parts(
  on: Scratch,
  wholeReplies: boolean,
  reads: readonly { offset: number; size: number }[],
): Promise<{ same: boolean[]; messages: number[] }> {
  const [word = "", ...args] = await layers(on);
  const daemon = await startDaemon({
    ...{ program: findProgram(word), args, directory: on.path, route: "fd", goFuse: false },
    wholeReplies,
    log: { info() {}, warn() {}, error() {} },
  });
  const messages: number[] = [];
  const { kernel, close } = await greet(daemon.socket, 31, (length) => messages.push(length));
  try {
    const { nodeid } = await kernel.lookup(1, "big", CALLER);
    const { fh } = await kernel.open(nodeid, { flags: 0 }, CALLER);
    const content = readFileSync(on.at("low/big"));
    messages.length = 0;
    const same: boolean[] = [];
    for (const { offset, size } of reads) {
      const read = await answer(kernel, nodeid, fh, offset, size);
      same.push(read !== undefined && content.subarray(offset, offset + size).equals(read));
    }
    return { same, messages };
  } finally {
    close();
    await daemon.stop();
  }
}

/** Undefined for an answer that is none. */
function answer(kernel: FuseKernel, nodeid: Foreign, fh: Foreign, offset: number, size: number) {
  return kernel.read(nodeid, { fh, offset, size }, CALLER).catch(() => undefined);
}

withPrograms(
  "left to itself it sends a reply of 128 KiB in pieces",
  ["fuse-overlayfs"],
  async () => {
    await using on = scratch();
    const { same, messages } = await parts(on, false, [{ offset: 0, size: 131072 }]);
    expect(same).toEqual([false]);
    expect(messages[0]).toBeLessThan(16 + 131072);
  },
);

withPrograms("without vmsplice(2) every reply is one message", ["fuse-overlayfs"], async () => {
  await using on = scratch();
  const reads = [
    { offset: 0, size: 131072 },
    { offset: 1, size: 131072 },
    { offset: 4095, size: 1 << 20 },
  ];
  const { same, messages } = await parts(on, true, reads);
  expect(same).toEqual([true, true, true]);
  expect(messages).toEqual(reads.map(({ size }) => 16 + size));
});

withPrograms(
  "what is as long as 14 pages comes whole in any case",
  ["fuse-overlayfs"],
  async () => {
    await using on = scratch();
    const reads = [0, 1, 4095, 57344, 123_457].map((offset) => ({ offset, size: 57344 }));
    const { same, messages } = await parts(on, false, reads);
    expect(same).toEqual(reads.map(() => true));
    expect(messages).toEqual(reads.map(() => 16 + 57344));
  },
);

/** Runs a command with seccomp(2) refused, as some containers do. */
const FORBIDDEN = `
import ctypes, os, struct, sys
number = {"x86_64": 317, "aarch64": 277}[os.uname().machine]
filter = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (6, 0, 0, 0x00050001), (6, 0, 0, 0x7fff0000)]
program = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *one) for one in filter))
class Program(ctypes.Structure): _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
libc = ctypes.CDLL(None)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(Program(len(filter), ctypes.addressof(program)))) == 0
os.execvp(sys.argv[1], sys.argv[1:])
`;

const UNDER = ["/usr/bin/python3", "-c", FORBIDDEN];

withPrograms(
  "where no filter can be had, reads are short, and right",
  ["fuse-overlayfs"],
  async () => {
    await using on = scratch();
    const command = await layers(on);
    const mount = await mounted("perfuse", { command, cwd: on.path, under: UNDER });
    try {
      await sh(mount.directory, `cmp big "$1"`, on.at("low/big"));
      const direct = `dd if=big bs=1M iflag=direct status=none | cmp - "$1"`;
      await Promise.all([1, 2, 3, 4].map(() => sh(mount.directory, direct, on.at("low/big"))));
      expect(await sh(mount.directory, "cp big copy && cmp copy big && rm copy && ls")).toBe(
        "big\n",
      );
    } finally {
      await mount.close();
    }
  },
);

withPrograms(
  "nor are system calls passed on there: root's libfuse 2 asks fusermount",
  ["bindfs"],
  async () => {
    await using on = scratch();
    await on.sh("mkdir src && echo hello > src/file");
    const command = ["bindfs", "-f", on.at("src"), "{}"];
    const mount = await mounted("perfuse", { command, cwd: on.path, under: UNDER });
    try {
      expect(await sh(mount.directory, "cat file; mv file other; ls")).toBe("hello\nother\n");
    } finally {
      await mount.close();
    }
    await expect(
      mounted("perfuse", { command: ["sh", "-c", "exit 0", "{}"], cwd: on.path, under: UNDER }),
    ).rejects.toThrow(
      /sh: system calls cannot be passed on here; try -o route=fd or -o route=fusermount/,
    );
  },
);
