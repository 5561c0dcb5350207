import { expect, test } from "bun:test";
import { join } from "node:path";
import { until } from "../support/mounted.ts";
import { processesOf } from "../support/program.ts";
import { greet } from "./support/greet.ts";
import { PYTHON, privateDirectories, startScript } from "./support/start.ts";

/*
 * How daemons are started, watched and ended, with daemons of a few lines of Python that do what is seldom seen of real ones. Nothing is
 * mounted.
 */

const OPEN = `fd = os.open("/dev/fuse", os.O_RDWR); assert mount(sys.argv[1]) == 0`;

test("a daemon that mounts by itself is told that it did", async () => {
  const before = privateDirectories();
  const { daemon, said, end } = await startScript(
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
  await end();
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
    const { daemon, said, end } = await startScript(script, "fd", { wholeReplies: whole });
    const { close } = await greet(daemon.socket);
    close();
    await end();
    expect(said).toContain(`python3: errno ${errno}`);
  }
}, 30_000);

test("the daemon's descriptors are the standard ones and its own", async () => {
  const script = `
print("open", sorted(int(f) for f in os.listdir("/proc/self/fd"))[:-1], flush=True)
print("ignored", [s.name for s in signal.valid_signals() if isinstance(s, signal.Signals) and s != signal.SIGPIPE and signal.getsignal(s) == signal.SIG_IGN and s != signal.SIGXFSZ], flush=True)
serve(3)
`;
  const { daemon, said, end } = await startScript(script, "fd");
  const { close } = await greet(daemon.socket);
  close();
  await end();
  expect(said).toContain("python3: open [0, 1, 2, 3]");
  expect(said).toContain("python3: ignored []");
}, 30_000);

test("one that goes to the background is found and ended, also one that does not want to", async () => {
  for (const [stubborn, least] of [
    ["", 0],
    [`signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: time.sleep(1)`, 4500],
  ] as const) {
    const { daemon, folder, end } = await startScript(
      `${OPEN}\nif os.fork() > 0: os._exit(0)\nos.setsid()\nserve(fd)\n${stubborn}`,
      "seccomp",
    );
    const { close } = await greet(daemon.socket);
    expect((await daemon.exit).how).toBe("exit code 0");
    expect(processesOf(folder)).toHaveLength(1);
    close();
    expect(await end()).toBeGreaterThanOrEqual(least);
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
      const { daemon, end } = await startScript(script, route);
      await expect(greet(daemon.socket)).rejects.toThrow("ENOTCONN");
      expect(await daemon.exit).toMatchObject({ how, lastWords });
      await end();
    }
  }
}, 60_000);

test("it ends when who started it is killed, whatever it is doing", async () => {
  const { daemon, folder, end } = await startScript("serve(3)", "fd");
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
  await end();
}, 60_000);
