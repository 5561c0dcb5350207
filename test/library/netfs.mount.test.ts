import { afterEach, beforeEach, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { release, tmpdir } from "node:os";
import { join } from "node:path";
import { O_RDONLY } from "../support/client.ts";
import { isMounted, mounting, until } from "../support/mounted.ts";
import { type PosixClient, posixClient } from "../support/posix-client.ts";
import { FileServer } from "./netfs/file-server.ts";
import { askForRights, contentOf, crowd, furnish, moveThings, useFiles } from "./netfs/scenario.ts";

/*
 * The same network file system as in netfs.test.ts, a program of its own (netfs/program.ts) on the real kernel.
 */

const PROGRAM = join(import.meta.dir, "netfs/program.ts");
const MINUTE = 60_000;

let scratch: string;
let remote: FileServer;
beforeEach(async () => {
  scratch = mkdtempSync(join(tmpdir(), "puffs-netfs-"));
  chmodSync(scratch, 0o755);
  mkdirSync(join(scratch, "mnt"));
  remote = new FileServer(join(scratch, "socket"));
  furnish(remote);
  await remote.listen();
});
afterEach(() => {
  remote.die();
  rmSync(scratch, { recursive: true });
});

interface At {
  readonly client: PosixClient;
  readonly program: ChildProcess;
  readonly directory: string;
  output(): string;
}

async function using(flags: readonly string[], run: (at: At) => Promise<void>): Promise<string> {
  const directory = join(scratch, "mnt");
  const program = spawn(process.execPath, [PROGRAM, join(scratch, "socket"), directory, ...flags], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exit = once(program, "exit");
  let output = "";
  program.stdout?.setEncoding("utf8").on("data", (said: string) => {
    output += said;
  });
  const client = posixClient(directory);
  try {
    await until(() => output.includes("mounted\n") || hasEnded(program), "the mount");
    await run({ client, program, directory, output: () => output });
  } finally {
    await client.close();
    program.kill("SIGTERM");
    const timer = setTimeout(() => program.kill("SIGKILL"), MINUTE / 3);
    await exit;
    clearTimeout(timer);
    while (isMounted(directory)) {
      const umount = spawn("umount", ["--lazy", directory], { stdio: "ignore" });
      await once(umount, "exit");
    }
  }
  return output;
}

const hasEnded = ({ exitCode, signalCode }: ChildProcess) =>
  exitCode !== null || signalCode !== null;

mounting("a network file system", () => {
  test(
    "is used as on puffs",
    async () => {
      const output = await using([], async ({ client }) => {
        await useFiles(client, remote);
        await moveThings(client, remote);
        await askForRights(client, remote);
        await crowd(client);
      });
      expect(output).toBe("mounted\nunmounted unmounted, all that began ended: true\n");
    },
    MINUTE,
  );

  test(
    "what changes at the server is forgotten in the kernel, and nothing else is asked for again",
    async () => {
      await using([], async ({ client }) => {
        remote.put("/public/file", { text: "old" });
        const before = await contentOf(client, "/public/file");
        const { stat = 0, read = 0 } = remote.asked;
        // Names and attributes are believed for 1000 s, and pages while nobody says otherwise: nobody has.
        remote.put("/public/file", { text: "new and longer" });
        expect([before, await contentOf(client, "/public/file")]).toEqual(["old", "old"]);
        expect([remote.asked.stat, remote.asked.read]).toEqual([stat, read]);
        remote.announce({ changed: "/public/file" });
        await settled(async () => (await contentOf(client, "/public/file")) === "new and longer");
        // After a read the kernel asks for the time of it.
        expect((await client.stat("/public/file")).size).toBe(14);
        remote.entries.delete("/public/file");
        expect((await client.stat("/public/file")).size).toBe(14);
        remote.announce({ gone: "/public/file" });
        const gone = () =>
          client.stat("/public/file").then(
            () => false,
            (error: { code: string }) => error.code === "ENOENT",
          );
        await settled(gone);
      });
    },
    MINUTE,
  );

  test.skipIf(!forgetsAll())(
    "all names are forgotten at once, from Linux 6.16 on",
    async () => {
      await using([], async ({ client }) => {
        remote.put("/public/file", { text: "x" });
        await client.stat("/public/file");
        const { stat } = remote.asked;
        await client.stat("/public/file");
        expect(remote.asked.stat).toBe(stat);
        remote.announce({ everything: true });
        await settled(async () => {
          await client.stat("/public/file");
          return (remote.asked.stat ?? 0) > (stat ?? 0);
        });
        // Both names were looked up, and are believed again.
        const again = remote.asked.stat;
        await client.stat("/public/file");
        expect(remote.asked.stat).toBe(again);
        expect(again).toBe((stat ?? 0) + 4);
      });
    },
    MINUTE,
  );

  test(
    "with NOCACHE all is asked for each time; with OPDUMP each operation is told",
    async () => {
      const output = await using(["NOCACHE", "OPDUMP"], async ({ client }) => {
        remote.put("/public/file", { text: "old" });
        expect(await contentOf(client, "/public/file")).toBe("old");
        remote.put("/public/file", { text: "new" });
        expect(await contentOf(client, "/public/file")).toBe("new");
      });
      expect(output).toMatch(/LOOKUP node 1 "public"/);
      expect(output).toMatch(/READ /);
    },
    MINUTE,
  );

  test(
    "the server dies: who waits for it is told, and the mount goes away",
    async () => {
      // The kernel would read ahead, and again when that failed.
      const output = await using(["NOCACHE_PAGE"], async ({ client, program, directory }) => {
        remote.silent = "read";
        const file = await client.open("/long", O_RDONLY);
        const reading = file.read(4096, 0).then(
          () => "read",
          (error: { code: string }) => error.code,
        );
        await until(() => (remote.asked.read ?? 0) > 0, "the read");
        remote.die();
        expect(await reading).toBe("ECONNRESET");
        await client.close();
        await until(() => hasEnded(program), "the end");
        expect([program.exitCode, isMounted(directory)]).toEqual([0, false]);
      });
      expect(output).toBe("mounted\nunmounted unmounted, all that began ended: true\n");
    },
    MINUTE,
  );

  test(
    "a server that is not there is no mount",
    async () => {
      remote.die();
      const program = spawn(
        process.execPath,
        [PROGRAM, join(scratch, "none"), join(scratch, "mnt")],
        {
          stdio: "ignore",
        },
      );
      const [code] = await once(program, "exit");
      expect(code).not.toBe(0);
      expect(isMounted(join(scratch, "mnt"))).toBe(false);
    },
    MINUTE,
  );
});

/** FUSE_NOTIFY_INC_EPOCH is of 6.16. */
function forgetsAll(): boolean {
  const [major = 0, minor = 0] = release().split(".").map(Number);
  return major > 6 || (major === 6 && minor >= 16);
}

/** Until something is so: the news is on its way. */
async function settled(condition: () => Promise<boolean>): Promise<void> {
  for (let patience = 1000; !(await condition()); patience--) {
    if (patience === 0) throw new Error("it never came to be so");
    await Bun.sleep(10);
  }
}
