import { afterAll, beforeAll, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { copyProject } from "../support/built.ts";
import { isMounted, mounting, until } from "../support/mounted.ts";
import { type Place, PROGRAM, place, puffs, run, serverOf } from "../support/program.ts";
import { exited, expectErrors, FAULTY, guardOf, isRunning, load } from "./support.ts";

/* kill -9 of the server: no dead mount stays, and its clients end with errors. */

const MINUTE = 60_000;

/** A copy of the project, whose dist/ is nobody else's, and files for what plugins tell. */
let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "puffs-killed-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function compiled(): Promise<string> {
  const program = join(folder, "dist/mount_faulty");
  if (existsSync(program)) return program;
  copyProject(folder);
  const { code, stderr } = await run([process.execPath, "build.ts", FAULTY], { cwd: folder });
  if (code !== 0) throw new Error(stderr);
  return program;
}

/** Ways to have a server; each answers its number when the mount is up. */
const STARTS = {
  async daemon({ directory }: Place) {
    expect(await puffs("mount", FAULTY, directory)).toMatchObject({ code: 0, stderr: "" });
    return serverOf(directory);
  },
  async foreground({ directory }: Place) {
    const server = spawn(PROGRAM[0], [PROGRAM[1], "mount", FAULTY, "-f", directory], {
      stdio: "ignore",
    });
    await until(() => isMounted(directory), "the mount");
    expect((await run(["stat", `${directory}/file`])).code).toBe(0);
    return server.pid as number;
  },
  async "compiled executable"({ directory }: Place) {
    expect(await run([await compiled(), directory])).toMatchObject({ code: 0, stderr: "" });
    return serverOf(directory);
  },
} as const;

/** What the plugin of a mount has told, by way of its source. */
function telling(name: string) {
  const file = join(folder, name);
  return { file, told: () => (existsSync(file) ? readFileSync(file, "utf8") : "") };
}

mounting("kill -9 of the server", () => {
  test.each(Object.keys(STARTS) as (keyof typeof STARTS)[])(
    "%s, under load: its clients get errors, and nothing is left",
    async (way) => {
      await using at = place();
      const server = await STARTS[way](at);
      await using clients = new AsyncDisposableStack();
      const loaded = (await load(at.directory)).map((client) => clients.use(client));
      process.kill(server, "SIGKILL");
      await expectErrors(loaded);
      await at.nothingLeft();
    },
    MINUTE,
  );

  test(
    "while clients wait for operations that never end",
    async () => {
      await using at = place();
      const { file, told } = telling("never");
      expect((await puffs("mount", FAULTY, file, at.directory)).code).toBe(0);
      const server = await serverOf(at.directory);
      const clients: ChildProcess[] = [];
      for (const [program, operation] of [
        ["cat", "read"],
        ["ls", "readdir"],
        ["stat", "lookup"],
      ] as const) {
        const path = `${at.directory}/${operation}.never`;
        clients.push(spawn(program, [path], { stdio: "ignore" }));
        await until(() => told().includes(`never ${operation}`), "the operation");
      }
      process.kill(server, "SIGKILL");
      for (const client of clients) expect<unknown[]>([1, 2]).toContain(await exited(client));
      await at.nothingLeft();
    },
    MINUTE,
  );

  test(
    "while puffs umount waits for it",
    async () => {
      await using at = place();
      const { file, told } = telling("unmount");
      expect((await puffs("mount", FAULTY, "-o", "unmount=never", file, at.directory)).code).toBe(
        0,
      );
      const server = await serverOf(at.directory);
      const umount = puffs("umount", at.directory);
      await until(() => told().includes("never unmount"), "the plugin's unmount");
      process.kill(server, "SIGKILL");
      expect(await umount).toEqual({ code: 0, stdout: "", stderr: "" });
      await at.nothingLeft();
    },
    MINUTE,
  );

  test(
    "while it is stopped, with umount(8) and clients after it",
    async () => {
      await using at = place();
      const server = await STARTS.daemon(at);
      process.kill(server, "SIGSTOP");
      await using clients = new AsyncDisposableStack();
      const reader = spawn("cat", [`${at.directory}/read.slow`], { stdio: "ignore" });
      clients.defer(() => void reader.kill("SIGKILL"));
      const umount = run(["umount", at.directory]);
      process.kill(server, "SIGKILL");
      expect<unknown[]>([0, 1]).toContain(await exited(reader));
      expect([0, 32]).toContain((await umount).code as number);
      await at.nothingLeft();
    },
    MINUTE,
  );

  test(
    "while a thread of it waits in the kernel for a lock whose holder waits for the server",
    async () => {
      await using at = place();
      const server = await STARTS.daemon(at);
      expect((await run(["stat", `${at.directory}/remove.awaits`])).code).toBe(0);
      const client = spawn("rm", [`${at.directory}/remove.awaits`], { stdio: "ignore" });
      const waits = () =>
        [...new Bun.Glob("*/wchan").scanSync(`/proc/${server}/task`)].some((thread) =>
          readFileSync(`/proc/${server}/task/${thread}`, "utf8").includes("fuse_reverse_inval"),
        );
      await until(waits, "the notification");
      process.kill(server, "SIGKILL");
      expect(await exited(client)).toBe(1);
      await at.nothingLeft();
    },
    MINUTE,
  );

  test(
    "and of its guard: clients get errors all the same, and the next mount cleans up",
    async () => {
      await using at = place();
      const server = await STARTS.daemon(at);
      await using clients = new AsyncDisposableStack();
      const loaded = (await load(at.directory)).map((client) => clients.use(client));
      process.kill(guardOf(at.directory), "SIGKILL");
      process.kill(server, "SIGKILL");
      await expectErrors(loaded);
      await until(() => !isRunning(server), "the server's death");
      expect(isMounted(at.directory)).toBe(true);
      const { code, stderr } = await puffs("mount", FAULTY, at.directory);
      expect(stderr).toMatch(/^puffs: warning: \S+: detaching a dead mount of faulty/);
      expect(code).toBe(0);
      expect((await run(["stat", `${at.directory}/file`])).code).toBe(0);
      expect((await puffs("umount", at.directory)).code).toBe(0);
      await at.nothingLeft();
    },
    MINUTE,
  );
});
