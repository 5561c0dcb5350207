import { expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readMounts } from "../../src/mountinfo.ts";
import { isMounted, mounting, until } from "../support/mounted.ts";
import {
  calledAs,
  type Outcome,
  PROGRAM,
  place,
  processesOf,
  puffs,
  run,
  serverOf,
} from "../support/program.ts";

const MINUTE = 60_000;

mounting("mounting by command", () => {
  test(
    "the command returns when the mount answers, quietly; the server is on its own",
    async () => {
      await using at = place();
      const { directory } = at;
      expect(await puffs("mount", "hello", "-o", "text=hi,ro", directory)).toEqual({
        code: 0,
        stdout: "",
        stderr: "",
      });
      expect((await run(["cat", `${directory}/hello`])).stdout).toBe("hi\n");
      const pid = await serverOf(directory);
      const [, , , , , session] = readFileSync(`/proc/${pid}/stat`, "utf8").split(" ");
      expect(Number(session)).toBe(pid);
      const { stdout: links } = await run([
        "readlink",
        `/proc/${pid}/cwd`,
        ...[0, 1, 2].map((fd) => `/proc/${pid}/fd/${fd}`),
      ]);
      expect(links).toBe("/\n/dev/null\n/dev/null\n/dev/null\n");
      expect(readMounts().find((mount) => mount.directory === directory)).toMatchObject({
        type: "fuse.hello",
        source: "hello",
        options: "ro,nosuid,nodev,relatime",
      });
      expect((await run(["umount", directory])).code).toBe(0);
      await at.nothingLeft();
    },
    MINUTE,
  );

  test(
    "who captures the command's output sees its end",
    async () => {
      await using at = place();
      const script = `out=$(exec 7>&1; "$@"); echo "end $?"`;
      const { stdout } = await run([
        "sh",
        "-c",
        script,
        "sh",
        ...PROGRAM,
        "mount",
        "hello",
        at.directory,
      ]);
      expect(stdout).toBe("end 0\n");
      expect((await puffs("umount", at.directory)).code).toBe(0);
    },
    MINUTE,
  );

  test(
    "-v says how to unmount, puffs list shows the mount, puffs umount ends it and waits for the server",
    async () => {
      await using at = place();
      const { directory } = at;
      const { stderr } = await calledAs("mount_null", "-v", directory);
      expect(stderr).toBe(
        `mount_null: mounted on ${directory}; unmount it with: umount ${directory}\n`,
      );
      const list = await puffs("list");
      expect(list.stdout).toMatch(
        new RegExp(`^${directory} +null +\\d+ +\\d{4}-\\d\\d-\\d\\d [\\d:]+ +\\d+$`, "m"),
      );
      expect(await puffs("umount", directory)).toEqual({ code: 0, stdout: "", stderr: "" });
      expect(isMounted(directory)).toBe(false);
      expect((await puffs("list", "--json")).stdout).not.toContain(directory);
      await at.nothingLeft();
    },
    MINUTE,
  );

  test(
    "mount(8)'s helper: the later option holds, -f mounts nothing, -s passes over the unknown",
    async () => {
      await using at = place();
      const { directory } = at;
      const helper = (...args: string[]) => calledAs("mount.hello", ...args);
      expect((await helper("none", directory, "-f", "-o", "text=x")).code).toBe(0);
      expect(isMounted(directory)).toBe(false);
      expect((await helper("none", directory, "-o", "sizzle")).code).toBe(1);
      const args = ["none", directory, "-snv", "-o", "ro,text=a,sizzle,rw,text=b", "-t", "hello"];
      expect((await helper(...args)).code).toBe(0);
      expect((await run(["cat", `${directory}/hello`])).stdout).toBe("b\n");
      expect(readMounts().find((mount) => mount.directory === directory)).toMatchObject({
        source: "none",
        options: "rw,nosuid,nodev,relatime",
      });
    },
    MINUTE,
  );

  test(
    "a command follows the directory, for plugins that take one",
    async () => {
      await using at = place();
      await using folder = temporary();
      const start =
        "start: ({ command, log }) => { log.info(JSON.stringify(command)); return fs; }";
      const plugin = (name: string, command: string) =>
        folder.write(name, PLUGIN(`command: ${command}, ${start}`));
      const takes = plugin("takes.ts", '{ description: "a program" }');
      const needs = plugin("needs.ts", '{ description: "a program", required: true }');
      const log = join(folder.path, "log");
      const options = ["-o", `log=${log}`];
      const command = ["ls", "-l", "--", "-f"];
      const mounted = await puffs("mount", ...options, takes, at.directory, "--", ...command);
      expect(mounted).toEqual({ code: 0, stdout: "", stderr: "" });
      expect((await puffs("umount", at.directory)).code).toBe(0);
      expect(readFileSync(log, "utf8")).toContain('puffs: ["ls","-l","--","-f"]\n');
      // Before the directory it is only the end of the options, as it ever was.
      expect((await puffs("mount", takes, "--", at.directory)).code).toBe(0);
      expect((await puffs("umount", at.directory)).code).toBe(0);
      expect(await puffs("mount", needs, at.directory)).toMatchObject({
        code: 1,
        stderr: "puffs: my needs a command after the directory and --: a program\n",
      });
      expect(await puffs("mount", "hello", at.directory, "--", "ls")).toMatchObject({
        code: 1,
        stderr: "puffs: hello takes no command: leave out what follows the directory\n",
      });
      expect((await puffs("mount", takes, "--help")).stdout).toMatch(
        /DIRECTORY \[-- COMMAND\]\n\nCOMMAND is a program\n/,
      );
      await at.nothingLeft();
    },
    MINUTE,
  );

  test(
    "-o trace adds each request and its answer to a file",
    async () => {
      await using at = place();
      await using folder = temporary();
      const trace = join(folder.path, "trace");
      expect((await puffs("mount", "hello", "-o", `trace=${trace}`, at.directory)).code).toBe(0);
      expect((await run(["cat", `${at.directory}/hello`])).code).toBe(0);
      expect((await puffs("umount", at.directory)).code).toBe(0);
      const lines = readFileSync(trace, "utf8");
      expect(lines).toMatch(/^\d{4}-\S+Z #\d+ INIT /);
      expect(lines).toMatch(/^\S+ #(\d+) LOOKUP node 1 "hello" .*\n\S+ #\1 LOOKUP: /m);
      const refused = await puffs("mount", "hello", "-o", "trace=/nowhere/trace", at.directory);
      expect(refused.code).toBe(1);
      expect(refused.stderr).toMatch(/^puffs: the trace cannot be written: .*\n$/);
      await at.nothingLeft();
    },
    MINUTE,
  );

  test(
    "a plugin of one's own, with the log in a file and statistics at SIGUSR1",
    async () => {
      await using at = place();
      await using folder = temporary();
      const plugin = folder.write(
        "my.ts",
        PLUGIN("start: () => { console.log('started'); return fs; }"),
      );
      const log = join(folder.path, "log");
      expect(await puffs("mount", plugin, "-o", `log=${log}`, at.directory)).toMatchObject({
        code: 0,
        stderr: "",
      });
      process.kill(await serverOf(at.directory), "SIGUSR1");
      await until(() => readFileSync(log, "utf8").includes("INIT"), "the statistics");
      expect((await puffs("umount", at.directory)).code).toBe(0);
      const lines = readFileSync(log, "utf8");
      expect(lines).toContain("started\n");
      expect(lines).toMatch(/^\d{4}-\S+Z puffs: my is mounted on /m);
      expect(lines).toMatch(/^\S+ puffs: operation +count +errors +p50 +p99$/m);
      expect(lines).toMatch(/ is unmounted\n$/);
    },
    MINUTE,
  );

  test(
    "-d stays in the foreground and traces requests and replies",
    async () => {
      await using at = place();
      const server = run([...PROGRAM, "mount", "hello", "-d", at.directory]);
      await until(() => isMounted(at.directory), "the mount");
      await run(["stat", `${at.directory}/hello`]);
      await run(["umount", at.directory]);
      const { code, stderr } = await server;
      expect(code).toBe(0);
      expect(stderr).toContain("INIT");
      expect(stderr).toMatch(/LOOKUP.*hello/);
    },
    MINUTE,
  );
});

mounting("what cannot be mounted", () => {
  const failures: [string, (folder: Temporary, directory: string) => string[], RegExp, number][] = [
    ["a file", ({ write }) => ["hello", write("f", "")], /f: is not a directory; mount on/, 32],
    [
      "below a file",
      ({ write }) => ["hello", `${write("f", "")}/x`],
      /f\/x: is not a directory; mount on/,
      32,
    ],
    [
      "a missing directory",
      ({ path }) => ["hello", `${path}/none`],
      /none: there is no such directory; make it first: mkdir -p/,
      32,
    ],
    ["contradicting options", (_, at) => ["hello", "-o", "ro", "-o", "rw", at], /contradict/, 1],
    ["an unknown option", (_, at) => ["hello", "-o", "txet=a", at], /did you mean text\?$/, 1],
    ["a missing plugin", ({ path }, at) => [`${path}/none.ts`, at], /no such plugin file/, 1],
    ["a syntax error", ({ write }, at) => [write("s.ts", "{{"), at], /s\.ts: syntax error: /, 1],
    [
      "no default export",
      ({ write }, at) => [write("n.ts", "export {}"), at],
      /n\.ts has no default export: end it with/,
      1,
    ],
    [
      "an operation that is no function",
      ({ write }, at) => [
        write("o.ts", PLUGIN("start: () => ({ ...fs, node: { lookup: 1 } })")),
        at,
      ],
      /my: node\.lookup must be a function, not the number 1$/,
      32,
    ],
    [
      "an operation that is none",
      ({ write }, at) => [
        write("u.ts", PLUGIN("start: () => ({ ...fs, node: { ...fs.node, raed() {} } })")),
        at,
      ],
      /my: there is no operation node\.raed; did you mean read\?$/,
      32,
    ],
    [
      "a start that throws",
      ({ write }, at) => [
        write("t.ts", PLUGIN("start() { throw new Error('no database\\nat all'); }")),
        at,
      ],
      /my did not start: no database; at all$/,
      32,
    ],
    [
      "a start that rejects",
      ({ write }, at) => [
        write("r.ts", PLUGIN("async start() { throw Object.assign(new Error('x'), {}); }")),
        at,
      ],
      /my did not start: x$/,
      32,
    ],
    [
      "a process that ends while it starts",
      ({ write }, at) => [write("e.ts", PLUGIN("start() { process.exit(7); }")), at],
      /the server ended \(exit code 7\) before anything was mounted/,
      32,
    ],
    [
      "a missing source",
      ({ write }, at) => [
        write("q.ts", PLUGIN('source: { description: "a file", required: true }, start: () => fs')),
        "none",
        at,
      ],
      /my needs a source before the directory: a file$/,
      1,
    ],
    ["a log that cannot be", (_, at) => ["hello", "-o", "log=/none/log", at], /the log cannot/, 1],
  ];
  for (const foreground of [false, true]) {
    test.each(failures)(
      `%s is one line and an exit code${foreground ? ", in the foreground too" : ""}`,
      async (what, args, message, code) => {
        if (foreground && what.startsWith("a log")) return;
        await using at = place();
        await using folder = temporary();
        const outcome = await puffs(
          "mount",
          ...(foreground ? ["-f"] : []),
          ...args(folder, at.directory),
        );
        if (!(foreground && what.startsWith("a process"))) expectOneLine(outcome, message, code);
        await at.nothingLeft();
        expect(processesOf(folder.path)).toEqual([]);
        expect(readMounts().filter((mount) => mount.directory.startsWith(folder.path))).toEqual([]);
      },
      MINUTE,
    );
  }

  test(
    "twice on one directory",
    async () => {
      await using at = place();
      expect((await puffs("mount", "hello", at.directory)).code).toBe(0);
      const outcome = await puffs("mount", "null", at.directory);
      expectOneLine(outcome, /: hello is mounted here already; unmount it first: umount/, 32);
      expect((await run(["umount", at.directory])).code).toBe(0);
      await at.nothingLeft();
    },
    MINUTE,
  );

  test(
    "no /dev/fuse, and no permission",
    async () => {
      await using at = place();
      const command = [...PROGRAM, "mount", "hello", at.directory];
      const hidden = 'mount -t tmpfs none /dev && exec "$@"';
      expectOneLine(
        await run(["unshare", "-m", "sh", "-c", hidden, "sh", ...command]),
        /^puffs: \/dev\/fuse is not there; load the kernel's FUSE \(modprobe fuse\)/,
        32,
      );
      expectOneLine(
        await run([
          "setpriv",
          "--bounding-set",
          "-sys_admin",
          "--inh-caps",
          "-sys_admin",
          ...command,
        ]),
        /does not permit mounting here \(EPERM\)/,
        32,
      );
      await at.nothingLeft();
    },
    MINUTE,
  );

  test(
    "a file system whose mount fails is told that it ends",
    async () => {
      await using at = place();
      await using folder = temporary();
      const trace = join(folder.path, "trace");
      const plugin = folder.write(
        "my.ts",
        PLUGIN(
          `start: () => ({ ...fs, fs: { unmount: () => require("node:fs").writeFileSync("${trace}", "") } })`,
        ),
      );
      const hidden = 'mount -t tmpfs none /dev && exec "$@"';
      const command = [...PROGRAM, "mount", plugin, at.directory];
      expect((await run(["unshare", "-m", "sh", "-c", hidden, "sh", ...command])).code).toBe(32);
      expect(existsSync(trace)).toBe(true);
    },
    MINUTE,
  );
});

/** One line on standard error, nothing on standard output, and the code. */
function expectOneLine({ code, stdout, stderr }: Outcome, message: RegExp, expected: number) {
  expect(stderr.trimEnd()).toMatch(message);
  expect(stderr.trimEnd().split("\n")).toHaveLength(1);
  expect(stdout).toBe("");
  expect(code).toBe(expected);
}

/** A plugin called "my"; `fs` is a file system with nothing in it. */
function PLUGIN(start: string): string {
  return `
    import { S_IFDIR, now } from "puffs";
    const time = now();
    const root = { mode: S_IFDIR | 0o755, nlink: 2, uid: 0, gid: 0, size: 0, atime: time, mtime: time, ctime: time };
    const fs = { root, node: { lookup: () => null, getattr: () => root } };
    export default { name: "my", description: "a test", ${start} };`;
}

interface Temporary extends AsyncDisposable {
  readonly path: string;
  write(name: string, text: string): string;
}

function temporary(): Temporary {
  const path = mkdtempSync(join(tmpdir(), "puffs-files-"));
  mkdirSync(path, { recursive: true });
  return {
    path,
    write: (name, text) => {
      writeFileSync(join(path, name), text);
      return join(path, name);
    },
    async [Symbol.asyncDispose]() {
      rmSync(path, { recursive: true, force: true });
    },
  };
}
