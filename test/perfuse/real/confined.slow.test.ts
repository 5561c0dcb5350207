import { expect } from "bun:test";
import { type Mounted, mounted } from "../../support/mounted.ts";
import { type Scratch, scratch, sh, withPrograms } from "./support.ts";

/*
 * Where system calls are filtered already: in containers that forbid seccomp(2), and below somebody else's supervisor.
 */

const CONFINE = `
import ctypes, os, struct, sys
number = {"x86_64": 317, "aarch64": 277}[os.uname().machine]
libc = ctypes.CDLL(None)
class Program(ctypes.Structure): _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
def program(*filter):
    code = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *one) for one in filter))
    return ctypes.byref(Program(len(filter), ctypes.addressof(code))), code
ALLOW = (6, 0, 0, 0x7fff0000)
assert libc.prctl(38, 1, 0, 0, 0) == 0
def forbid():
    filter, code = program((0x20, 0, 0, 0), (0x15, 0, 1, number), (6, 0, 0, 0x00050001), ALLOW)
    assert libc.prctl(22, 2, filter) == 0
def listen():
    filter, code = program(ALLOW)
    os.set_inheritable(libc.syscall(number, 1, 8, filter), True)
globals()[sys.argv[1]]()
os.execvp(sys.argv[2], sys.argv[2:])
`;

/** A command's file system, its server confined so: filters are refused (EPERM), or there is a listener already (EBUSY). */
function confined(
  how: "forbid" | "listen",
  command: readonly string[],
  on: Scratch,
  options = "allow_other",
): Promise<Mounted> {
  const under = ["/usr/bin/python3", "-c", CONFINE, how];
  return mounted("perfuse", { command, cwd: on.path, under, options });
}

withPrograms(
  "where filters are forbidden reads are short, and right",
  ["fuse-overlayfs"],
  async () => {
    await using on = scratch();
    await on.sh("mkdir low up work && head -c 3000000 /dev/urandom > low/big");
    const layers = `lowerdir=${on.at("low")},upperdir=${on.at("up")},workdir=${on.at("work")}`;
    const mount = await confined("forbid", ["fuse-overlayfs", "-f", "-o", layers, "{}"], on);
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

withPrograms("there root's libfuse 2 asks fusermount", ["bindfs"], async () => {
  await using on = scratch();
  await on.sh("mkdir src && echo hello > src/file");
  const mount = await confined("forbid", ["bindfs", "-f", on.at("src"), "{}"], on);
  try {
    expect(await sh(mount.directory, "cat file; mv file other; ls")).toBe("hello\nother\n");
  } finally {
    await mount.close();
  }
});

withPrograms(
  "what needs to pass on system calls says that it cannot, and what to try",
  ["bindfs"],
  async () => {
    await using on = scratch();
    await on.sh("mkdir src");
    await expect(confined("forbid", ["sh", "-c", "exit 0", "{}"], on)).rejects.toThrow(
      /sh: system calls cannot be passed on here; try -o route=fd or -o route=fusermount$/,
    );
    const command = ["bindfs", "-f", on.at("src"), "{}"];
    await expect(confined("listen", command, on)).rejects.toThrow(
      /somebody else decides on its system calls already; try -o route=fd or -o route=fusermount$/,
    );
    const mount = await confined("listen", command, on, "allow_other,route=fusermount");
    await mount.close();
  },
);
