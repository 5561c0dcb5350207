import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isMounted, mounting, until } from "../support/mounted.ts";
import { PROGRAM, place, puffs, run, serverOf } from "../support/program.ts";
import type { Holding } from "./many.ts";
import { exited, expectErrors, FAULTY, load } from "./support.ts";

/* Much of it: mounts in a row, requests at once, clients at work while the mount goes. */

const MINUTE = 60_000;
const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));

mounting("many mounts and requests", () => {
  test(
    "a thousand mounts in a row in one process leave no descriptor, thread or memory behind",
    async () => {
      await using at = place();
      const child = spawn(process.execPath, [here("many.ts"), at.directory, "1000"], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      let said = "";
      child.stdout.setEncoding("utf8").on("data", (text) => {
        said += text;
      });
      expect(await exited(child)).toBe(0);
      const holdings: Holding[] = said
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line));
      expect(holdings.map(({ mounts }) => mounts).at(-1)).toBe(1000);
      const [first, last] = [holdings[0], holdings.at(-1)] as [Holding, Holding];
      expect(last.descriptors).toBeLessThanOrEqual(first.descriptors + 2);
      expect(last.threads).toBeLessThanOrEqual(first.threads + 4);
      // Bytes: 40 KiB a mount would be a leak of the least that one needs.
      expect(last.resident - first.resident).toBeLessThan(900 * 40);
      expect(last.virtual - first.virtual).toBeLessThan(900 * 1024);
      await at.nothingLeft();
    },
    10 * MINUTE,
  );

  test(
    "five thousand requests at once are answered each exactly once",
    async () => {
      const COUNT = 5000;
      await using at = place();
      const folder = mkdtempSync(join(tmpdir(), "puffs-many-"));
      try {
        const program = join(folder, "outstanding");
        const log = join(folder, "log");
        const compiler = ["gcc", "-O1", "-pthread", "-o", program, here("outstanding.c")];
        expect(await run(compiler)).toMatchObject({ code: 0, stderr: "" });
        const server = spawn(
          "sh",
          ["-c", `exec "$@" 2> ${log}`, "sh"].concat([
            ...PROGRAM,
            "mount",
            FAULTY,
            "-d",
            "-o",
            `gather=${COUNT}`,
            at.directory,
          ]),
          { stdio: "ignore" },
        );
        await until(() => isMounted(at.directory), "the mount");
        const file = join(at.directory, "read.gather");
        expect(await run([program, file, String(COUNT)])).toEqual({
          code: 0,
          stdout: `${COUNT}\n`,
          stderr: "",
        });
        expect((await run(["umount", at.directory])).code).toBe(0);
        expect(await exited(server)).toBe(0);
        const trace = readFileSync(log, "utf8");
        const numbers = (line: RegExp) =>
          [...trace.matchAll(line)].map(([, number]) => Number(number)).sort((a, b) => a - b);
        const asked = numbers(/^#(\d+) READ node/gm);
        expect(asked).toHaveLength(COUNT);
        expect(numbers(/^#(\d+) READ: 8 bytes/gm)).toEqual(asked);
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
      await at.nothingLeft();
    },
    5 * MINUTE,
  );

  test(
    "too few descriptors are one line at the start, or enough; never a hang or a mount that stays",
    async () => {
      await using at = place();
      let refused = 0;
      let mounted = 0;
      for (let limit = 12; limit <= 48; limit += 3) {
        const limited = ["sh", "-c", `ulimit -n ${limit}; exec "$@"`, "sh", ...PROGRAM];
        const { code, stderr } = await run([...limited, "mount", "hello", at.directory]);
        if (code === 0) {
          mounted++;
          expect(stderr).toBe("");
          expect((await run(["ls", at.directory])).stdout).toBe("hello\n");
          expect((await puffs("umount", "-g", "10", at.directory)).code).toBe(0);
        } else {
          refused++;
          expect([limit, code]).toEqual([limit, 32]);
          expect(stderr).toMatch(/^puffs: too few files may be open at once \(EMFILE\).*\n$/);
        }
        await at.nothingLeft();
      }
      expect([refused > 0, mounted > 0]).toEqual([true, true]);
    },
    5 * MINUTE,
  );

  test.each([
    ["umount -l", (at: string) => run(["umount", "-l", at])],
    ["umount -f", (at: string) => run(["umount", "-f", at])],
    ["puffs umount -g 1", (at: string) => puffs("umount", "-g", "1", at)],
    ["SIGTERM", async (at: string) => process.kill(await serverOf(at), "SIGTERM")],
  ] as [string, (at: string) => Promise<unknown>][])(
    "%s while clients read and write: they get errors, fs.unmount is called once, at the very end",
    async (_, unmount) => {
      await using at = place();
      const folder = mkdtempSync(join(tmpdir(), "puffs-told-"));
      try {
        const told = join(folder, "told");
        const mount = ["mount", FAULTY, "-o", "grace=1", told, at.directory];
        expect(await puffs(...mount)).toEqual({ code: 0, stdout: "", stderr: "" });
        await using clients = new AsyncDisposableStack();
        const kinds = ["writing", "writing slowly", "writing slowly", "reading slowly", "asking"];
        const loaded = (await load(at.directory, kinds)).map((client) => clients.use(client));
        const begun = () =>
          existsSync(told) && /write(.|\n)*read|read(.|\n)*write/.test(readFileSync(told, "utf8"));
        await until(begun, "operations at work");
        await unmount(at.directory);
        await expectErrors(loaded);
        await at.nothingLeft();
        const lines = readFileSync(told, "utf8").trim().split("\n");
        const count = (word: string) => lines.filter((line) => line.startsWith(word)).length;
        expect(count("ended")).toBe(count("began"));
        expect(count("unmount")).toBe(1);
        expect(lines.at(-1)).toBe("unmount");
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
    2 * MINUTE,
  );
});
