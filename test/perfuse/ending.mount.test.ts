import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isMounted, type Mounted, mounted, mounting, until } from "../support/mounted.ts";
import { processesOf, run } from "../support/program.ts";

/*
 * What becomes of the server, and of its exit code, when its daemon ends. The daemon is a few lines of Python with an empty root directory;
 * a look at a name in it ends it: "exit 3", "exit 0" or, without an answer, "kill".
 */

const PYTHON = "/usr/bin/python3";

const DAEMON = `
import os, signal, struct, sys
fd = int(sys.argv[1].rsplit("/", 1)[1])
def reply(unique, error, body=b""):
    os.write(fd, struct.pack("<Ii", 16 + len(body), -error) + unique + body)
ATTR = struct.pack("<6Q10I", 1, 0, 0, 0, 0, 0, 0, 0, 0, 0o040777, 2, 0, 0, 0, 4096, 0)
while True:
    message = os.read(fd, 1 << 20)
    if not message: sys.exit(1)
    opcode, unique = struct.unpack("<I", message[4:8])[0], message[8:16]
    if opcode == 26: reply(unique, 0, struct.pack("<4I2HI", 7, 13, 131072, 0, 0, 0, 131072))
    elif opcode == 3: reply(unique, 0, struct.pack("<QII", 1, 0, 0) + ATTR)
    elif opcode == 1:
        name = message[40:-1].decode()
        if name == "kill": os.kill(os.getpid(), signal.SIGKILL)
        if name.startswith("exit "):
            print("this is why", file=sys.stderr, flush=True)
            os._exit(int(name[5:]))
        reply(unique, 2)
    elif opcode not in (2, 36, 42): reply(unique, 38 if opcode != 38 else 0)
`;

interface Ended {
  readonly code: number | null;
  readonly output: string;
}

/** Mounts it, does something there, and answers how the server ended. */
async function ending(act: (mount: Mounted) => Promise<unknown>): Promise<Ended> {
  const folder = mkdtempSync(join(tmpdir(), "puffs-ending-"));
  try {
    const path = join(folder, "daemon.py");
    writeFileSync(path, DAEMON);
    const options = "allow_other,route=fd";
    const mount = await mounted("perfuse", { command: [PYTHON, path, "{}"], options });
    try {
      await act(mount);
      await until(() => !isMounted(mount.directory), "the end of the mount");
    } finally {
      await mount.close();
    }
    await until(() => processesOf(folder).length === 0, "the end of the daemon");
    const output = mount.output().replaceAll(mount.directory, "MOUNT");
    return { code: mount.server.exitCode, output };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function look(name: string): (mount: Mounted) => Promise<unknown> {
  return ({ directory }) => run(["timeout", "20", "stat", join(directory, name)]);
}

mounting("the end of a daemon", () => {
  test("that dies is the server's failure, and both say why", async () => {
    const { code, output } = await ending(look("exit 3"));
    expect(output).toContain("python3 has ended (exit code 3): this is why; MOUNT is unmounted");
    expect(output).toContain(
      "MOUNT: the mount ended by a failure: python3 has ended (exit code 3): this is why\n",
    );
    expect(code).toBe(2);
  }, 60_000);

  test("that is killed is, too", async () => {
    const { code, output } = await ending(look("kill"));
    expect(output).toContain("MOUNT: the mount ended by a failure: python3 has ended (SIGKILL)\n");
    expect(code).toBe(2);
  }, 60_000);

  test("that ends with 0 is none", async () => {
    const { code, output } = await ending(look("exit 0"));
    expect(output).toContain("python3 has ended: this is why; MOUNT is unmounted");
    expect(output).not.toContain("failure");
    expect(code).toBe(0);
  }, 60_000);

  test("is none after an unmount, whatever it ends with", async () => {
    const { code, output } = await ending((mount) => mount.close());
    expect(output).not.toContain("has ended");
    expect(code).toBe(0);
  }, 60_000);
});
