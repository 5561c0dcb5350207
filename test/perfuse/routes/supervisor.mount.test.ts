import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { mounting, until } from "../../support/mounted.ts";
import { processesOf } from "../../support/program.ts";
import { greet } from "../support/greet.ts";
import { privateDirectories, type Started, startCompiled, startScript } from "../support/start.ts";

/*
 * What the supervisor decides for programs that come to /dev/fuse by unusual ways: each must be greeted over the socket, and mount nothing.
 */

/** The daemon is greeted, ends by itself when its socket is closed, and leaves nothing. */
async function served({ daemon, said, end }: Started): Promise<readonly string[]> {
  try {
    const { close } = await greet(daemon.socket);
    close();
    expect(await daemon.exit).toMatchObject({ how: "exit code 0" });
  } finally {
    await end();
  }
  return said;
}

const WAYS: readonly [string, string][] = [
  ["with O_CREAT", `fd = os.open("/dev/fuse", os.O_RDWR | os.O_CREAT, 0o600)`],
  ["by a symbolic link", `os.symlink("/dev/fuse", "link"); fd = os.open("link", os.O_RDWR)`],
  ["by a relative path", `os.chdir("/dev/pts"); fd = os.open("../fuse", os.O_RDWR)`],
  [
    "from a directory",
    `d = os.open("/dev", os.O_RDONLY); fd = os.open("fuse", os.O_RDWR, dir_fd=d)`,
  ],
  [
    "by /proc/self/fd",
    `p = os.open("/dev/fuse", os.O_PATH); fd = os.open(f"/proc/self/fd/{p}", os.O_RDWR)`,
  ],
  ["by /dev/fd", `p = os.open("/dev/fuse", os.O_PATH); fd = os.open(f"/dev/fd/{p}", os.O_RDWR)`],
  [
    "by another node of it",
    `os.mknod("node", 0o020600, os.makedev(10, 229)); fd = os.open("node", os.O_RDWR)`,
  ],
  ["by a path with more slashes", `fd = os.open("//dev/./fuse", os.O_RDWR)`],
  [
    "by openat2",
    `fd = openat2(-100, "/dev/fuse", os.O_RDWR | os.O_CLOEXEC); assert not os.get_inheritable(fd)`,
  ],
  [
    "by openat2 from a directory, kept over exec",
    `d = os.open("/dev", os.O_RDONLY); fd = openat2(d, "fuse", os.O_RDWR); assert os.get_inheritable(fd)`,
  ],
  [
    "in a thread",
    `import threading
def work(): global fd; fd = os.open("/dev/fuse", os.O_RDWR)
t = threading.Thread(target=work); t.start(); t.join()`,
  ],
  [
    "in a child, kept by it",
    `if os.fork() > 0: os.wait(); os._exit(0)
fd = os.open("/dev/fuse", os.O_RDWR)`,
  ],
];

const OPENAT2 = `
def openat2(directory, path, flags):
    how = struct.pack("<QQQ", flags, 0, 0)
    fd = libc.syscall(437, directory, path.encode(), how, len(how))
    if fd < 0: raise OSError(ctypes.get_errno(), path)
    return fd
`;

/** A daemon that has no libc: it opens, mounts, answers INIT with 7.12, and ends with its socket. */
const BARE = `
static long call(long n, long a, long b, long c, long d, long e);
static int same(const char *a, const char *b) { while (*a && *a == *b) a++, b++; return *a == *b; }
static unsigned char request[1 << 17], reply[40];
static void run(char *mountpoint) {
  long fd = call(OPEN, (long)"/dev/fuse", 2, 0, 0, 0);
  if (fd < 0) call(EXIT, 2, 0, 0, 0, 0);
  if (call(MOUNT, (long)"x", (long)mountpoint, (long)"fuse", 0, (long)"") != 0) call(EXIT, 3, 0, 0, 0, 0);
  for (;;) {
    long got = call(READ, fd, (long)request, sizeof request, 0, 0);
    if (got <= 0) break;
    for (int i = 0; i < 8; i++) reply[8 + i] = request[8 + i];
    reply[0] = sizeof reply; reply[16] = 7; reply[20] = 12; reply[36 + 1] = 0x10;
    call(WRITE, fd, (long)reply, sizeof reply, 0, 0);
  }
  call(EXIT, call(UMOUNT, (long)mountpoint, 0, 0, 0, 0) == 0 ? 0 : 4, 0, 0, 0, 0);
}
`;

const I386 = `
#define OPEN 5
#define MOUNT 21
#define UMOUNT 22
#define READ 3
#define WRITE 4
#define EXIT 1
${BARE}
static long call(long n, long a, long b, long c, long d, long e) {
  long result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(n), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e) : "memory");
  return result;
}
__attribute__((used)) static void begin(long *stack) { run((char *)stack[stack[0]]); }
__asm__(".globl _start\\n_start: mov %esp, %eax\\npush %eax\\ncall begin");
`;

const THREADS = `
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>
static int fd = -1;
static void *serve(void *unused) {
  static __thread unsigned char request[1 << 17];
  for (;;) {
    unsigned char reply[40] = {40};
    if (read(fd, request, sizeof request) <= 0) return unused;
    memcpy(reply + 8, request + 8, 8);
    reply[16] = 7, reply[20] = 12, reply[37] = 0x10;
    write(fd, reply, sizeof reply);
  }
}
static void *noise(void *unused) {
  for (int i = 0; i < 300; i++) close(open("/dev/null", O_RDWR));
  return unused;
}
int main(int argc, char **argv) {
  pthread_t threads[8];
  // As daemon(3) does, once more
  if (fork()) return 0;
  setsid();
  if (fork()) return 0;
  for (int i = 0; i < 4; i++) pthread_create(threads + i, 0, noise, 0);
  fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
  if (mount("x", argv[argc - 1], "fuse.threads", 0, "")) return 3;
  for (int i = 0; i < 4; i++) pthread_join(threads[i], 0);
  for (int i = 0; i < 4; i++) pthread_create(threads + i, 0, serve, 0);
  for (int i = 0; i < 4; i++) pthread_join(threads[i], 0);
  return umount2(argv[argc - 1], MNT_DETACH);
}
`;

mounting("the supervisor", () => {
  for (const [way, open] of WAYS)
    test(`/dev/fuse is opened ${way}`, async () => {
      const script = `${OPENAT2}\n${open}
import stat
assert stat.S_ISSOCK(os.fstat(fd).st_mode)
assert mount(sys.argv[1]) == 0
serve(fd)`;
      await served(await startScript(script, "seccomp"));
    }, 30_000);

  test("other opens are the kernel's, whatever they ask", async () => {
    const script = `${OPENAT2}
import errno
for path in ["/proc/self/nowhere", "", "x" * 5000]:
    for open in [lambda: os.open(path, os.O_RDWR), lambda: openat2(-100, path, os.O_RDWR)]:
        try: open(); print("opened", path, flush=True)
        except OSError as error: assert error.errno in (errno.ENOENT, errno.ENAMETOOLONG), error
assert libc.syscall({"x86_64": 257, "aarch64": 56}[os.uname().machine], -100, ctypes.c_void_p(8), os.O_RDWR) == -1 and ctypes.get_errno() == errno.EFAULT
assert libc.syscall(437, -100, b"/dev/fuse", ctypes.c_void_p(8), 24) == -1 and ctypes.get_errno() == errno.EFAULT
own = openat2(-100, sys.argv[0], os.O_RDWR); assert os.read(own, 1) == b"\\n"
import stat
assert stat.S_ISCHR(os.fstat(openat2(-100, "/dev/fuse", os.O_PATH)).st_mode)
null = os.open("/dev/null", os.O_RDWR); assert os.write(null, b"x") == 1
made = os.open("made", os.O_RDWR | os.O_CREAT, 0o640); assert os.fstat(made).st_mode & 0o777 == 0o640
fd = os.open("/dev/fuse", os.O_RDWR); assert mount(sys.argv[1]) == 0
serve(fd)`;
    const said = await served(await startScript(script, "seccomp"));
    expect(said).toEqual([]);
  }, 30_000);

  test("the mount point may be told by a relative path, and be unmounted in every way", async () => {
    const script = `
def umount(path, flags): return libc.umount2(path.encode(), flags) == 0 or ctypes.get_errno()
fd = os.open("/dev/fuse", os.O_RDWR)
os.chdir(os.path.dirname(sys.argv[1]))
assert mount("mnt") == 0
assert umount("./mnt/", 0) is True
assert umount("mnt", 2 | 8) is True
assert umount(sys.argv[1] + "/../mnt", 1) is True
os.chdir("mnt"); assert umount(".", 2) is True
print("other", umount("/proc/self", 2), umount("/nowhere", 0), flush=True)
serve(fd)`;
    // EINVAL: it is no mount point. ENOENT.
    const said = await served(await startScript(script, "seccomp"));
    expect(said).toEqual(["python3: other 22 2"]);
  }, 30_000);

  test("a program that looks for the mount calls of Linux 5.2 is told that there are none", async () => {
    const script = `
assert libc.syscall(430, b"fuse", 1) == -1 and ctypes.get_errno() == 38
fd = os.open("/dev/fuse", os.O_RDWR); assert mount(sys.argv[1]) == 0
serve(fd)`;
    await served(await startScript(script, "seccomp"));
  }, 30_000);

  test("opened twice before the mount, both are the connection; after it the device is the kernel's", async () => {
    const script = `
one = os.open("/dev/fuse", os.O_RDWR); two = os.open("/dev/fuse", os.O_RDWR)
assert os.fstat(one).st_ino == os.fstat(two).st_ino
assert mount(sys.argv[1]) == 0
import fcntl, stat
three = os.open("/dev/fuse", os.O_RDWR)
assert stat.S_ISCHR(os.fstat(three).st_mode)
# FUSE_DEV_IOC_CLONE, by which libfuse asks for one more of the same: it does without if that fails
try: fcntl.ioctl(three, 0x8004e500, struct.pack("<I", one)); print("cloned", flush=True)
except OSError as error: assert error.errno == 22, error
os.close(one)
serve(two)`;
    expect(await served(await startScript(script, "seccomp"))).toEqual([]);
  }, 30_000);

  // It is there where the kernel runs such programs.
  if (existsSync("/proc/sys/abi/vsyscall32"))
    test("a program of 32 bits is served as any other", async () => {
      const flags = [
        "-m32",
        "-nostdlib",
        "-static",
        "-ffreestanding",
        "-fno-pic",
        "-fno-stack-protector",
      ];
      await served(await startCompiled(I386, flags, "seccomp"));
    }, 30_000);

  for (const [kind, flags] of [
    ["static", ["-static"]],
    ["dynamic", []],
  ] as const)
    test(`a ${kind} program that forks twice and has threads`, async () => {
      const before = privateDirectories();
      const started = await startCompiled(
        THREADS,
        [...flags, "-pthread", "-Wno-unused-result"],
        "seccomp",
      );
      try {
        const { close } = await greet(started.daemon.socket);
        expect(await started.daemon.exit).toMatchObject({ how: "exit code 0" });
        expect(processesOf(started.folder)).toHaveLength(1);
        close();
        await until(() => processesOf(started.folder).length === 0, "its end");
      } finally {
        await started.end();
      }
      expect(privateDirectories()).toEqual(before);
    }, 30_000);

  test("one that is killed while its call waits harms nobody", async () => {
    // Calls of children that die at any moment, one after another
    const script = `
children = []
for i in range(200):
    pid = os.fork()
    if pid == 0:
        while True: os.close(os.open("/dev/null", os.O_RDWR))
    children.append(pid)
    if len(children) > 3: os.kill(children.pop(0), signal.SIGKILL)
for pid in children: os.kill(pid, signal.SIGKILL)
while True:
    try: os.wait()
    except ChildProcessError: break
fd = os.open("/dev/fuse", os.O_RDWR); assert mount(sys.argv[1]) == 0
serve(fd)`;
    expect(await served(await startScript(script, "seccomp"))).toEqual([]);
  }, 60_000);
});
