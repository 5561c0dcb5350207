import { expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { isMounted, mounting, until } from "../support/mounted.ts";

/*
 * Programs that serve a mount themselves (program.ts), in processes of their own, on the real kernel.
 */

const PROGRAM = join(import.meta.dir, "program.ts");
const MINUTE = 60_000;

interface Started {
  readonly child: ChildProcess;
  readonly directory: string;
  output(): string;
}

/** Start the program on a new directory, and see to it that nothing of it is left. */
async function using(
  mode: string,
  flags: readonly string[],
  run: (started: Started) => Promise<void>,
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "puffs-program-"));
  const child = spawn(process.execPath, [PROGRAM, mode, directory, ...flags], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const exit = once(child, "exit");
  let output = "";
  child.stdout?.setEncoding("utf8").on("data", (said: string) => {
    output += said;
  });
  try {
    await run({ child, directory, output: () => output });
  } finally {
    while (isMounted(directory)) await shell(`umount --lazy ${directory}`);
    if (mode !== "daemon") {
      const timer = setTimeout(() => child.kill("SIGKILL"), MINUTE / 2);
      await exit;
      clearTimeout(timer);
    }
    rmdirSync(directory);
  }
}

async function shell(command: string): Promise<string> {
  const child = spawn("sh", ["-c", command], {
    stdio: ["ignore", "pipe", "pipe"],
    timeout: MINUTE,
  });
  const [out, error] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "exit"),
  ]);
  return out + error;
}

/** Writes three bytes behind the others, says so, and keeps the file open until it is told to end. */
const HOLDER = `
  const fs = require("node:fs");
  fs.writeSync(fs.openSync(process.argv[1], "a"), "abc");
  console.log("written");
  process.stdin.resume();
`;

const ended = ({ child }: Started) => child.exitCode !== null;

mounting("programs that serve a mount themselves", () => {
  test(
    "a program mounts, serves, and ends when it is told to",
    () =>
      using("signal", [], async (started) => {
        await until(() => started.output().includes("mounted\n"), "the mount");
        expect(await shell(`cat ${started.directory}/file; ls ${started.directory}`)).toBe(
          "hello\nfile\n",
        );
        expect(await shell(`grep ' ${started.directory} ' /proc/self/mounts`)).toContain(
          "program ",
        );
        started.child.kill("SIGTERM");
        await until(() => ended(started), "the end");
        expect(started.output()).toBe("mounted\nunmounted unmounted\n");
        expect(started.child.exitCode).toBe(0);
        expect(isMounted(started.directory)).toBe(false);
      }),
    MINUTE,
  );

  test(
    "a program goes to the background as soon as its mount answers",
    () =>
      using("daemon", [], async (started) => {
        await until(() => ended(started), "the end of the foreground");
        expect(started.child.exitCode).toBe(0);
        expect(isMounted(started.directory)).toBe(true);
        expect(await shell(`cat ${started.directory}/file`)).toBe("hello\n");
        const [pid] = servers(started.directory);
        expect(pid).not.toBe(started.child.pid);
        expect(readFileSync(`/proc/${pid}/stat`, "utf8").split(" ")[5]).toBe(String(pid));
        await shell(`umount ${started.directory}`);
        await until(() => servers(started.directory).length === 0, "the end of the server");
      }),
    MINUTE,
  );

  test(
    "a program that cannot mount says so before it is in the background",
    async () => {
      const child = spawn(process.execPath, [PROGRAM, "daemon", "/nonexistent"], {
        stdio: ["ignore", "pipe", "pipe"],
      });
      const [error, [code]] = await Promise.all([text(child.stderr), once(child, "exit")]);
      expect(code).toBe(32);
      expect(error).toMatch(/^program: \/nonexistent/);
      expect(error.trim().split("\n").length).toBe(1);
      expect(servers("/nonexistent")).toEqual([]);
    },
    MINUTE,
  );

  test(
    "a program that ends before it mounts says so to who waits",
    async () => {
      const child = spawn(process.execPath, [PROGRAM, "cancel", "/nowhere"], {
        stdio: ["ignore", "pipe", "pipe"],
      });
      const [error, [code]] = await Promise.all([text(child.stderr), once(child, "exit")]);
      expect(code).toBe(32);
      expect(error).toMatch(
        /^program: the server ended \(exit code 7\) before anything was mounted/,
      );
    },
    MINUTE,
  );

  test(
    "requests are served by hand",
    () =>
      using("hand", [], async (started) => {
        await until(() => started.output().includes("mounted\n"), "the mount");
        expect(await shell(`cat ${started.directory}/file`)).toBe("hello\n");
        await shell(`umount ${started.directory}`);
        await until(() => ended(started), "the end");
        expect(started.output()).toBe("mounted\ntrue unmounted\n");
      }),
    MINUTE,
  );

  for (const { title, flags, before } of [
    { title: "what the kernel holds back is written when it is told to", flags: [], before: 0 },
    { title: "with WTCACHE the kernel holds nothing back", flags: ["WTCACHE"], before: 1 },
  ])
    test(
      title,
      () =>
        using("flush", flags, async (started) => {
          await until(() => started.output().includes("mounted\n"), "the mount");
          // Every close(2) writes by itself, that of a shell's copy of a descriptor too.
          const holder = spawn(process.execPath, ["-e", HOLDER, `${started.directory}/file`], {
            stdio: ["pipe", "pipe", "inherit"],
          });
          await once(holder.stdout, "data");
          started.child.stdin?.end("go\n");
          await until(() => started.output().includes("after"), "the flush");
          expect(started.output()).toBe(`mounted\nbefore ${before}\nafter 1\n`);
          holder.stdin.end();
          await once(holder, "exit");
          await until(() => ended(started), "the end");
          expect(started.output()).toContain("unmounted");
        }),
      MINUTE,
    );

  for (const { flags, lookups, reads } of [
    { flags: [], lookups: 1, reads: 1 },
    { flags: ["NOCACHE_NAME"], lookups: 3, reads: 1 },
    { flags: ["NOCACHE_PAGE"], lookups: 1, reads: 3 },
    { flags: ["NOCACHE"], lookups: 3, reads: 3 },
  ])
    test(
      `on FUSE: ${flags.join(" ") || "no flags"}`,
      () =>
        using("counts", flags, async (started) => {
          await until(() => started.output().includes("mounted\n"), "the mount");
          const { directory } = started;
          for (let round = 0; round < 3; round++)
            expect(await shell(`cat ${directory}/file`)).toBe("hello\n");
          await shell(`dd if=/dev/zero of=${directory}/file bs=10000 count=1`);
          await shell(`umount ${directory}`);
          await until(() => ended(started), "the end");
          const counts = JSON.parse(started.output().split("\n")[1] ?? "");
          const atLeast = (name: string, times: number) =>
            times === 1
              ? expect([name, counts[name]]).toEqual([name, 1])
              : expect([name, counts[name] >= times]).toEqual([name, true]);
          atLeast("lookup", lookups);
          atLeast("read", reads);
          // Of 8192 bytes of a request 4096 are the data's.
          const lengths = Object.keys(counts).filter((name) => name.startsWith("write "));
          expect(lengths.sort()).toEqual(["write 1808", "write 4096"]);
        }),
      MINUTE,
    );
});

/** Processes that run the program on a directory. */
function servers(directory: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        const words = readFileSync(`/proc/${name}/cmdline`, "utf8").split("\0");
        return words.includes(PROGRAM) && words.includes(directory);
      } catch {
        return false;
      }
    })
    .map(Number);
}
