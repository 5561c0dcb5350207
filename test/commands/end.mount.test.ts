import { expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync } from "node:fs";
import { isMounted, mounting, until } from "../support/mounted.ts";
import { PROGRAM, place, processesOf, puffs, run, serverOf } from "../support/program.ts";

/* How mounts end: by signals, by death, by umount while they are busy. */

const MINUTE = 60_000;

/** Keeps a file of the mount open until it is killed. */
async function user(directory: string): Promise<ChildProcess & AsyncDisposable> {
  const child = spawn("sh", ["-c", `exec 3<"$1/f"; echo open; exec sleep 1000`, "sh", directory], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  return Object.assign(child, {
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGKILL");
      await once(child, "exit");
    },
  });
}

function isRunning(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2)[0] !== "Z";
  } catch {
    return false;
  }
}

/** A process' arguments, or nothing if it has ended. */
function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}

/** The shell that outlives the server of this mount. */
function guardOf(directory: string): number {
  const found = processesOf(directory).find((pid) => commandOf(pid).includes("puffs-guard"));
  if (found === undefined) throw new Error("there is no guard");
  return found;
}

mounting("the end of a mount", () => {
  test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)(
    "%s unmounts",
    async (signal) => {
      await using at = place();
      await puffs("mount", "null", at.directory);
      const pid = await serverOf(at.directory);
      process.kill(pid, signal);
      await at.nothingLeft();
      expect(isRunning(pid)).toBe(false);
    },
    MINUTE,
  );

  test(
    "Ctrl-C, a signal to the whole foreground group, unmounts in order",
    async () => {
      await using at = place();
      const server = spawn(PROGRAM[0], [PROGRAM[1], "mount", "null", "-f", at.directory], {
        detached: true,
        stdio: ["ignore", "pipe", "pipe"],
      });
      let said = "";
      server.stderr.on("data", (data) => {
        said += data;
      });
      await until(() => said.includes("is mounted on"), "the mount");
      process.kill(-(server.pid as number), "SIGINT");
      const [code] = await once(server, "exit");
      expect(code).toBe(0);
      await at.nothingLeft();
      expect(said).toContain("SIGINT: unmounting");
    },
    MINUTE,
  );

  test(
    "a busy mount is detached after the grace time, served until its last user is done, and says so",
    async () => {
      await using at = place();
      const log = `${at.directory}.log`;
      try {
        await puffs("mount", "null", "-o", `grace=1,log=${log}`, at.directory);
        const pid = await serverOf(at.directory);
        await using busy = await user(at.directory);
        process.kill(pid, "SIGTERM");
        await until(() => !isMounted(at.directory), "the detaching");
        expect(readFileSync(log, "utf8")).toContain(
          `${at.directory} is busy; it is detached in 1 s`,
        );
        expect((await run(["head", "-c", "3", `/proc/${busy.pid}/fd/3`])).stdout).toBe("\0\0\0");
        expect(isRunning(pid)).toBe(true);
        busy.kill("SIGKILL");
        await at.nothingLeft();
      } finally {
        rmSync(log, { force: true });
      }
    },
    MINUTE,
  );

  test(
    "a second signal detaches at once",
    async () => {
      await using at = place();
      await puffs("mount", "null", "-o", "grace=1000", at.directory);
      const pid = await serverOf(at.directory);
      await using busy = await user(at.directory);
      process.kill(pid, "SIGTERM");
      const isUnmounting = (other: number) => commandOf(other).split("\0").includes("umount");
      await until(() => processesOf(at.directory).some(isUnmounting), "the one that unmounts");
      process.kill(pid, "SIGTERM");
      await until(() => !isMounted(at.directory), "the detaching");
      busy.kill("SIGKILL");
      await at.nothingLeft();
    },
    MINUTE,
  );

  test(
    "puffs umount of a busy mount fails, with -g or -l it detaches",
    async () => {
      await using at = place();
      for (const flags of [["-g", "0"], ["-l"]]) {
        await puffs("mount", "null", at.directory);
        await using busy = await user(at.directory);
        expect(await puffs("umount", at.directory)).toEqual({
          code: 32,
          stdout: "",
          stderr: `puffs: ${at.directory}: is busy; close what is open in it, or detach it with: puffs umount -l\n`,
        });
        expect(isMounted(at.directory)).toBe(true);
        expect((await puffs("umount", ...flags, at.directory)).code).toBe(0);
        expect(isMounted(at.directory)).toBe(false);
        busy.kill("SIGKILL");
        await at.nothingLeft();
      }
    },
    MINUTE,
  );

  test(
    "SIGKILL of the server and its whole group leaves no dead mount",
    async () => {
      await using at = place();
      await puffs("mount", "null", at.directory);
      process.kill(-(await serverOf(at.directory)), "SIGKILL");
      await at.nothingLeft();
      expect((await puffs("list", "--json")).stdout).not.toContain(at.directory);
    },
    MINUTE,
  );

  test(
    "the guard leaves alone what was mounted there since",
    async () => {
      await using at = place();
      await puffs("mount", "null", at.directory);
      const pid = await serverOf(at.directory);
      const guard = guardOf(at.directory);
      process.kill(guard, "SIGSTOP");
      process.kill(pid, "SIGKILL");
      await until(() => !isRunning(pid), "the server's death");
      expect((await run(["umount", "-l", at.directory])).code).toBe(0);
      expect((await run(["mount", "-t", "tmpfs", "none", at.directory])).code).toBe(0);
      process.kill(guard, "SIGCONT");
      await until(() => !isRunning(guard), "the guard's end");
      expect(isMounted(at.directory)).toBe(true);
    },
    MINUTE,
  );

  test(
    "a dead mount is mounted over, and unmounted",
    async () => {
      await using at = place();
      const kill = async () => {
        await puffs("mount", "null", at.directory);
        const pid = await serverOf(at.directory);
        process.kill(guardOf(at.directory), "SIGKILL");
        process.kill(pid, "SIGKILL");
        await until(() => !isRunning(pid), "the server's death");
        expect(isMounted(at.directory)).toBe(true);
      };
      await kill();
      const { code, stderr } = await puffs("mount", "hello", at.directory);
      expect(stderr).toMatch(/^puffs: warning: \S+: detaching a dead mount of null/);
      expect(code).toBe(0);
      expect((await run(["ls", at.directory])).stdout).toBe("hello\n");
      expect((await puffs("umount", at.directory)).code).toBe(0);
      await at.nothingLeft();
      await kill();
      expect(await puffs("umount", at.directory)).toEqual({ code: 0, stdout: "", stderr: "" });
      await at.nothingLeft();
    },
    2 * MINUTE,
  );

  test(
    "an aborted connection is no dead mount either",
    async () => {
      await using at = place();
      await using control = place();
      await puffs("mount", "null", at.directory);
      const device = (await run(["stat", "-c", "%d", at.directory])).stdout.trim();
      await run(["mount", "-t", "fusectl", "none", control.directory]);
      await run(["sh", "-c", `echo 1 > ${control.directory}/${device}/abort`]);
      await at.nothingLeft();
    },
    MINUTE,
  );

  test("puffs umount of what is not mounted, and of what is not ours", async () => {
    await using at = place();
    expect(await puffs("umount", at.directory)).toMatchObject({
      code: 32,
      stderr: `puffs: ${at.directory}: is not mounted; puffs list shows what is\n`,
    });
    expect(await puffs("umount", "/proc")).toMatchObject({
      code: 32,
      stderr: "puffs: /proc: is a mount of type proc, not ours; use umount\n",
    });
  });
});
