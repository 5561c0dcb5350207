import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { type Mounted, mounted, mounting, until } from "../support/mounted.ts";
import { PROGRAM, place, puffs, run, serverOf } from "../support/program.ts";
import { exited, FAULTY } from "./support.ts";

/* The serving process and its own mount. */

const MINUTE = 60_000;

mounting("a server that uses its own mount", () => {
  let folder = "";
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "puffs-itself-"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  describe("from within an operation, asynchronously", () => {
    let mount: Mounted;
    beforeAll(async () => {
      mount = await mounted(FAULTY, { options: "lazy" });
    }, MINUTE);
    afterAll(() => mount?.close(), MINUTE);

    test.each([
      ["realpath", () => join(mount.directory, "file")],
      ["stat", () => "4096"],
      ["readFile", () => "4096"],
      ["readdir", () => "file"],
    ])(
      "%s works",
      async (use, expected) => {
        const file = `self.${use}`;
        expect((await run(["cat", join(mount.directory, file)])).stdout).toBe(expected());
        // Several at once, too.
        const clients = Array.from({ length: 8 }, () => run(["cat", join(mount.directory, file)]));
        for (const { stdout } of await Promise.all(clients)) expect(stdout).toBe(expected());
      },
      MINUTE,
    );
  });

  test(
    "usermount.unmount() awaited in an operation: it is answered, and the server ends",
    async () => {
      await using mount = await mounted(FAULTY);
      const { stdout } = await run(["cat", join(mount.directory, "self.unmount")]);
      expect(stdout).toBe("unmounted");
      await mount.client.close();
      expect(await exited(mount.server)).toBe(0);
    },
    MINUTE,
  );

  test(
    "a notification awaited in an operation that has the lock it needs: the deadline ends it",
    async () => {
      await using mount = await mounted(FAULTY, { options: "deadline=0.2" });
      await mount.client.stat("/remove.awaits");
      const removal = mount.client.unlink("/remove.awaits");
      expect(await removal.catch(({ code }) => code)).toBe("ETIMEDOUT");
      expect((await mount.client.stat("/file")).size).toBe(4096);
    },
    MINUTE,
  );

  test(
    "and without a deadline SIGTERM does",
    async () => {
      await using mount = await mounted(FAULTY, { options: "grace=0.5" });
      await mount.client.stat("/remove.awaits");
      const removal = mount.client.unlink("/remove.awaits").catch(({ code }) => code);
      await until(() => inKernel(mount.pid, "fuse_reverse_inval"), "the notification");
      mount.server.kill("SIGTERM");
      expect(await removal).toBe("EIO");
      await mount.client.close();
      expect(await exited(mount.server)).toBe(0);
    },
    MINUTE,
  );

  test(
    "a synchronous call in an operation waits for itself: kill -9 ends it and leaves nothing",
    async () => {
      await using at = place();
      const { directory } = at;
      // Nothing that runs in the server can help: no deadline, no signal handler.
      expect((await puffs("mount", FAULTY, "-o", "lazy,deadline=0.1", directory)).code).toBe(0);
      const server = await serverOf(directory);
      const client = spawn("cat", [join(directory, "self.statSync")], { stdio: "ignore" });
      await until(() => inKernel(server, "request_wait_answer", server), "the deadlock");
      process.kill(server, "SIGTERM");
      await Bun.sleep(500);
      expect(inKernel(server, "request_wait_answer", server)).toBe(true);
      process.kill(server, "SIGKILL");
      expect(await exited(client)).toBe(1);
      await at.nothingLeft();
    },
    MINUTE,
  );

  test(
    "its log inside the mount lies below it",
    async () => {
      await using at = place();
      const log = join(at.directory, "log");
      expect((await puffs("mount", FAULTY, "-o", `log=${log}`, at.directory)).code).toBe(0);
      expect((await run(["cat", join(at.directory, "read.throws")])).code).toBe(1);
      expect((await run(["stat", join(at.directory, "file")])).code).toBe(0);
      expect((await puffs("umount", at.directory)).code).toBe(0);
      await at.nothingLeft();
      expect(readFileSync(log, "utf8")).toContain("a bug of faulty");
    },
    MINUTE,
  );

  test.each([
    ["a symbolic link", (at: string) => ({ path: join(folder, "link"), cwd: "/", link: at })],
    ["a relative path", (at: string) => ({ path: relative(folder, at), cwd: folder })],
    ["a name with blanks", (at: string) => ({ path: `${at}/a b\n`, cwd: "/", make: true })],
    [".", (at: string) => ({ path: ".", cwd: at })],
    ["a path through itself", (at: string) => ({ path: "sub/..", cwd: at, sub: true })],
  ] as [string, (at: string) => Where][])(
    "the mount point given by %s",
    async (_, where) => {
      await using at = place();
      const { path, cwd, link, make, sub } = where(at.directory);
      if (link) symlinkSync(link, path);
      if (make) mkdirSync(path);
      if (sub) mkdirSync(join(at.directory, "sub"));
      const directory = make ? path : at.directory;
      const program = [...PROGRAM, "mount", FAULTY, path];
      expect(await run(program, { cwd })).toMatchObject({ code: 0, stderr: "" });
      expect((await run(["stat", "-c", "%s", join(directory, "file")])).stdout).toBe("4096\n");
      // From inside it would be busy.
      const [from, what] = cwd === at.directory ? ["/", directory] : [cwd, path];
      const umount = await run([...PROGRAM, "umount", what], { cwd: from });
      expect(umount).toEqual({ code: 0, stdout: "", stderr: "" });
      await at.nothingLeft();
    },
    MINUTE,
  );

  test(
    "in the foreground with the mount point as working directory, and a path below it as log",
    async () => {
      await using at = place();
      const server = spawn(PROGRAM[0], [PROGRAM[1], "mount", FAULTY, "-f", "."], {
        cwd: at.directory,
        stdio: ["ignore", "ignore", "pipe"],
      });
      let said = "";
      server.stderr.on("data", (data) => {
        said += data;
      });
      await until(() => said.includes("is mounted on"), "the mount");
      expect((await run(["cat", join(at.directory, "self.realpath")])).stdout).toBe(
        join(at.directory, "file"),
      );
      server.kill("SIGTERM");
      expect(await exited(server)).toBe(0);
      await at.nothingLeft();
    },
    MINUTE,
  );
});

interface Where {
  readonly path: string;
  readonly cwd: string;
  readonly link?: string;
  readonly make?: boolean;
  readonly sub?: boolean;
}

/** Whether a thread of the process, or that one, waits in this function of the kernel. */
function inKernel(pid: number, name: string, thread: number | "*" = "*"): boolean {
  const threads = [...new Bun.Glob(`${thread}/wchan`).scanSync(`/proc/${pid}/task`)];
  return threads.some((path) => {
    const file = `/proc/${pid}/task/${path}`;
    return existsSync(file) && readFileSync(file, "utf8").includes(name);
  });
}
