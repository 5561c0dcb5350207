import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Daemon, startDaemon } from "../../src/perfuse/daemon.ts";
import { findProgram, type RouteName } from "../../src/perfuse/routes/pick.ts";
import type { Log } from "../../src/session.ts";
import { until } from "../support/mounted.ts";
import { processesOf } from "../support/program.ts";
import { greet } from "./support/greet.ts";

/*
 * How daemons are started, watched and ended, with daemons of a few lines of Python that do what is seldom seen of real ones. Nothing is
 * mounted.
 */

const PYTHON = "/usr/bin/python3";

const said: string[] = [];
const log: Log = {
  info: (message) => said.push(message),
  warn: (message) => said.push(`warning: ${message}`),
  error: (message) => said.push(`error: ${message}`),
};

const folders: string[] = [];
afterEach(() => {
  said.length = 0;
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** What each of the daemons has: the calls that need a library, and an answer to INIT of 7.12. */
const PRELUDE = `
import ctypes, os, signal, struct, sys, time
libc = ctypes.CDLL(None, use_errno=True)
def mount(target):
    if libc.mount(b"x", target.encode(), b"fuse", 0, b"fd=3") == 0: return 0
    return ctypes.get_errno()
def serve(fd):
    while True:
        message = os.read(fd, 1 << 20)
        if not message: return
        unique = message[8:16]
        out = struct.pack("<IIIIHHI", 7, 12, 0, 0, 0, 0, 4096)
        os.write(fd, struct.pack("<Ii", 16 + len(out), 0) + unique + out)
`;

async function start(script: string, route: RouteName, wholeReplies = false) {
  const folder = mkdtempSync(join(tmpdir(), "puffs-starting-"));
  folders.push(folder);
  const path = join(folder, "daemon.py");
  writeFileSync(path, PRELUDE + script);
  const daemon = await startDaemon({
    program: findProgram(PYTHON),
    args: [path, "{}"],
    directory: folder,
    route,
    goFuse: false,
    wholeReplies,
    log,
  });
  return { daemon, folder };
}

/** Ends it and sees that nothing is left: no process, no private directory. */
async function end(daemon: Daemon, folder: string): Promise<number> {
  const began = performance.now();
  await daemon.stop();
  await until(() => processesOf(folder).length === 0, "the end of all processes");
  return performance.now() - began;
}

function privateDirectories(): string[] {
  return readdirSync(tmpdir()).filter(
    (name) => name.startsWith("puffs-perfuse-") && !name.includes("real"),
  );
}

const OPEN = `fd = os.open("/dev/fuse", os.O_RDWR); assert mount(sys.argv[1]) == 0`;

test("a daemon that mounts by itself is told that it did", async () => {
  const before = privateDirectories();
  const { daemon, folder } = await start(
    `
assert os.listdir(sys.argv[1]) == []
first = os.open("/dev/fuse", os.O_RDWR); os.close(first)
${OPEN}
assert not os.path.ismount(sys.argv[1])
assert os.get_inheritable(fd) is False
print("elsewhere", mount("/proc/self/nowhere"), flush=True)
other = os.open(sys.argv[0], os.O_RDWR); print("other", os.read(other, 1).decode().strip() == "", flush=True)
serve(fd)
libc.umount2.restype = ctypes.c_int
print("unmounted", libc.umount2(sys.argv[1].encode(), 2), flush=True)
`,
    "seccomp",
  );
  const { kernel, close } = await greet(daemon.socket);
  expect(kernel.settled?.maxWrite).toBe(4096);
  close();
  await end(daemon, folder);
  expect((await daemon.exit).how).toBe("exit code 0");
  expect(said).toContain("python3: elsewhere 2");
  expect(said).toContain("python3: other True");
  expect(said).toContain("python3: unmounted 0");
  expect(privateDirectories()).toEqual(before);
}, 30_000);

test("vmsplice is missing where replies must be whole, and there where they need not", async () => {
  const script = `
fd = int(sys.argv[1].rsplit("/", 1)[1])
number = { "x86_64": 278, "aarch64": 75 }[os.uname().machine]
print("errno", libc.syscall(number, -1, None, 0, 0) and ctypes.get_errno(), flush=True)
serve(fd)
`;
  for (const [whole, errno] of [
    [true, 38],
    [false, 9],
  ] as const) {
    const { daemon, folder } = await start(script, "fd", whole);
    const { close } = await greet(daemon.socket);
    close();
    await end(daemon, folder);
    expect(said).toContain(`python3: errno ${errno}`);
  }
}, 30_000);

test("the daemon's descriptors are the standard ones and its own", async () => {
  const script = `
print("open", sorted(int(f) for f in os.listdir("/proc/self/fd"))[:-1], flush=True)
print("ignored", [s.name for s in signal.valid_signals() if isinstance(s, signal.Signals) and s != signal.SIGPIPE and signal.getsignal(s) == signal.SIG_IGN and s != signal.SIGXFSZ], flush=True)
serve(3)
`;
  const { daemon, folder } = await start(script, "fd");
  const { close } = await greet(daemon.socket);
  close();
  await end(daemon, folder);
  expect(said).toContain("python3: open [0, 1, 2, 3]");
  expect(said).toContain("python3: ignored []");
}, 30_000);

test("one that goes to the background is found and ended, also one that does not want to", async () => {
  for (const [stubborn, least] of [
    ["", 0],
    [`signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: time.sleep(1)`, 4500],
  ] as const) {
    const { daemon, folder } = await start(
      `${OPEN}\nif os.fork() > 0: os._exit(0)\nos.setsid()\nserve(fd)\n${stubborn}`,
      "seccomp",
    );
    const { close } = await greet(daemon.socket);
    expect((await daemon.exit).how).toBe("exit code 0");
    expect(processesOf(folder)).toHaveLength(1);
    close();
    expect(await end(daemon, folder)).toBeGreaterThanOrEqual(least);
  }
}, 60_000);

test("how it ended and what it said with that is told; what it said before is not", async () => {
  for (const [script, how, lastWords] of [
    ['print("no such image", file=sys.stderr); sys.exit(3)', "exit code 3", "no such image"],
    ["os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL", ""],
    [
      'print("begin", file=sys.stderr, flush=True); time.sleep(1.5); sys.exit(1)',
      "exit code 1",
      "",
    ],
  ] as const) {
    for (const route of ["fd", "fusermount", "seccomp"] as const) {
      const { daemon, folder } = await start(script, route);
      await expect(greet(daemon.socket)).rejects.toThrow("ENOTCONN");
      expect(await daemon.exit).toMatchObject({ how, lastWords });
      await end(daemon, folder);
    }
  }
}, 60_000);

test("it ends when who started it is killed, whatever it is doing", async () => {
  const { daemon, folder } = await start("serve(3)", "fd");
  const { close } = await greet(daemon.socket);
  const source = `
    import { startDaemon } from ${JSON.stringify(join(import.meta.dir, "../../src/perfuse/daemon.ts"))};
    const log = { info() {}, warn() {}, error() {} };
    const args = ["-c", "import time; time.sleep(600)", ${JSON.stringify(`${folder}/x`)}];
    await startDaemon({ program: ${JSON.stringify(PYTHON)}, args, directory: "/", route: "fd", goFuse: false, wholeReplies: false, log });
    console.log("started");
    setTimeout(() => {}, 60_000);
  `;
  const child = Bun.spawn([process.execPath, "-e", source], { stdout: "pipe" });
  for await (const chunk of child.stdout) if (Buffer.from(chunk).includes("started")) break;
  await until(() => processesOf(folder).length === 2, "the second daemon");
  child.kill("SIGKILL");
  await until(() => processesOf(folder).length === 1, "its end");
  close();
  await end(daemon, folder);
}, 60_000);
