import { afterAll, beforeAll, expect, test } from "bun:test";
import { cpSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { copyProject } from "./support/built.ts";
import { isMounted, mounting } from "./support/mounted.ts";
import { place, processesOf, run } from "./support/program.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const MINUTE = 60_000;

/** A copy of the project: its dist/ is nobody else's. */
let project = "";

beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), "puffs-build-"));
  copyProject(project);
});

afterAll(() => rmSync(project, { recursive: true, force: true }));

function build(...args: string[]) {
  return run([process.execPath, "build.ts", ...args], { cwd: project });
}

test("what is no plugin is not built", async () => {
  expect(await build("helo")).toMatchObject({
    code: 1,
    stderr: "build: helo: there is no built-in plugin of that name; did you mean hello?\n",
  });
  writeFileSync(join(project, "broken.ts"), 'import "nothing-of-that-name";\nexport default 1;\n');
  const { code, stderr } = await build("./broken.ts");
  expect(code).toBe(1);
  expect(stderr.trim().split("\n")).toHaveLength(1);
});

mounting("executables", () => {
  test(
    "npm run mount: builds, makes the directory, mounts, says how to unmount",
    async () => {
      await using at = place();
      const directory = join(at.directory, "made", "mnt");
      const { code, stderr } = await build("--mount", "hello", "-o", "text=built", directory);
      expect(stderr).toBe(
        `build: built dist/mount_hello\nmount_hello: mounted on ${directory}; unmount it with: umount ${directory}\n`,
      );
      expect(code).toBe(0);
      expect((await run(["cat", `${directory}/hello`])).stdout).toBe("built\n");
      expect((await run(["umount", directory])).code).toBe(0);
      await at.nothingLeft();
    },
    2 * MINUTE,
  );

  test(
    "dist/puffs is every built-in plugin's program by a link, and loads plugins from disk",
    async () => {
      await using at = place();
      expect((await build()).code).toBe(0);
      expect(readdirSync(join(project, "dist")).filter((name) => name.startsWith("."))).toEqual([]);
      const puffs = join(project, "dist/puffs");
      for (const [name, args] of [
        ["mount_hello", []],
        ["mount.hello", ["none"]],
      ] as const) {
        const link = join(project, name);
        symlinkSync(puffs, link);
        expect(await run([link, ...args, at.directory])).toMatchObject({ code: 0, stderr: "" });
        expect((await run(["ls", at.directory])).stdout).toBe("hello\n");
        expect((await run([puffs, "umount", at.directory])).code).toBe(0);
      }
      const perfused = join(project, "perfused");
      symlinkSync(puffs, perfused);
      const socket = join(at.directory, "sock");
      expect(await run([perfused, "-p", socket])).toMatchObject({ code: 0, stderr: "" });
      for (const pid of processesOf(socket)) process.kill(pid, "SIGTERM");
      await at.nothingLeft();
      const outside = mkdtempSync(join(tmpdir(), "puffs-plugin-"));
      try {
        cpSync(join(ROOT, "plugins/hello.ts"), join(outside, "mine.ts"));
        expect(
          await run([puffs, "mount", "./mine.ts", at.directory], { cwd: outside }),
        ).toMatchObject({
          code: 0,
          stderr: "",
        });
        expect((await run(["ls", at.directory])).stdout).toBe("hello\n");
        expect((await run([puffs, "umount", at.directory])).code).toBe(0);
      } finally {
        rmSync(outside, { recursive: true, force: true });
      }
      await at.nothingLeft();
    },
    2 * MINUTE,
  );

  test(
    "an executable of a plugin of one's own holds it, and its death leaves nothing",
    async () => {
      await using at = place();
      writeFileSync(join(project, "words.ts"), 'export const text: string = "embedded\\n";');
      writeFileSync(
        join(project, "my.ts"),
        `import { S_IFDIR, S_IFREG, now } from "puffs";
         import { text } from "./words.ts";
         const time = now();
         const common = { nlink: 1, uid: 0, gid: 0, atime: time, mtime: time, ctime: time };
         const root = { ...common, mode: S_IFDIR | 0o755, size: 0 };
         const file = { ...common, mode: S_IFREG | 0o444, size: text.length };
         export default { name: "mine", description: "d", start: () => ({ root, node: {
           lookup: (_, name) => (name === "f" ? file : null),
           getattr: (node) => node,
           read: (_, into, offset) => {
             const part = new TextEncoder().encode(text).subarray(offset);
             into.set(part);
             return part.length;
           },
         } }) };`,
      );
      expect((await build("./my.ts")).code).toBe(0);
      for (const name of ["my.ts", "words.ts"]) rmSync(join(project, name));
      const program = join(project, "dist/mount_mine");
      expect(await run([program, at.directory])).toMatchObject({ code: 0, stderr: "" });
      expect((await run(["cat", `${at.directory}/f`])).stdout).toBe("embedded\n");
      const { stdout } = await run([program, "--puffs", "list", "--json"]);
      const mounts = JSON.parse(stdout) as { directory: string; pid: number }[];
      const server = mounts.find((mount) => mount.directory === at.directory);
      process.kill(server?.pid as number, "SIGKILL");
      await at.nothingLeft();
      expect(isMounted(at.directory)).toBe(false);
    },
    2 * MINUTE,
  );
});
