import { expect } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { isMounted, mounted, until } from "../../support/mounted.ts";
import { type Outcome, PROGRAM, place, processesOf, puffs, run } from "../../support/program.ts";
import { privateDirectories } from "../support/start.ts";
import { nobodyLeft, type Scratch, scratch, sh, withPrograms } from "./support.ts";

/*
 * What people try: wrong commands, daemons that do not serve, ways to end it. Each ends in a clear line, with the right exit code, and
 * with nothing left.
 */

const SQUASHFUSE = ["squashfuse", "mksquashfs"];

/** An image with one file, and the daemon's command for it. */
async function image(on: Scratch, ...flags: string[]): Promise<string[]> {
  await on.sh(`mkdir src && echo hello > src/file && mksquashfs src "the image" -quiet -noappend`);
  return ["squashfuse", ...flags, on.at("the image"), "{}"];
}

const REFUSED: readonly [string, readonly string[], number, RegExp][] = [
  [
    "there is no such daemon",
    ["no-such-daemon", "{}"],
    1,
    /no-such-daemon: there is no such program; check its name$/,
  ],
  [
    "it is no program",
    ["/etc/passwd", "{}"],
    1,
    /\/etc\/passwd: it may not be executed; check its mode$/,
  ],
  ["it is a directory", ["/etc", "{}"], 1, /\/etc: there is no such program; check its name$/],
  [
    "it has no place to mount",
    ["squashfuse", "-f", "image"],
    1,
    /the command has no \{\}: write \{\} where squashfuse takes its mount point$/,
  ],
  [
    "nothing is named",
    [],
    1,
    /there is no daemon: name it after --, with \{\} where it takes its mount point$/,
  ],
  ["it ends at once", ["sh", "-c", "exit 1", "{}"], 32, /sh has ended \(exit code 1\)$/],
  ["it ends at once as if all were well", ["true", "{}"], 32, /true has ended$/],
  [
    "it says why it ends",
    ["sh", "-c", "echo no such image >&2; exit 3", "{}"],
    32,
    /sh has ended \(exit code 3\): no such image$/,
  ],
  [
    "it says so in a few lines",
    ["sh", "-c", "printf 'Password:\\n\\nPassword incorrect.\\n' >&2; exit 12", "{}"],
    32,
    /sh has ended \(exit code 12\): Password:; Password incorrect\.$/,
  ],
  [
    "it says much",
    ["sh", "-c", "seq 100 >&2; exit 1", "{}"],
    32,
    /sh has ended \(exit code 1\): 100$/,
  ],
  ["it is killed", ["sh", "-c", "kill -KILL $$", "{}"], 32, /sh has ended \(SIGKILL\)$/],
  ["it crashes", ["sh", "-c", "kill -SEGV $$", "{}"], 32, /sh has ended \(SIGSEGV\)$/],
  [
    "it is refused what it is given",
    ["squashfuse", "-f", "/nowhere/image", "{}"],
    32,
    /squashfuse has ended \(exit code \d+\): .*No such file or directory$/,
  ],
];

for (const [what, command, code, line] of REFUSED)
  for (const flags of [["-f"], []])
    withPrograms(
      `${what}${flags.length > 0 ? ", in the foreground" : ""}`,
      SQUASHFUSE,
      async () => {
        await using at = place();
        const outcome = await puffs("mount", "perfuse", ...flags, at.directory, ...after(command));
        expect(outcome.code).toBe(code);
        expect(outcome.stdout).toBe("");
        expect(lastLine(outcome)).toMatch(line);
        expect(isMounted(at.directory)).toBe(false);
        await at.nothingLeft();
      },
    );

function after(command: readonly string[]): readonly string[] {
  return command.length > 0 ? ["--", ...command] : [];
}

function lastLine({ stderr }: Outcome): string {
  return stderr.trim().split("\n").at(-1) ?? "";
}

withPrograms(
  "the mount point is missing, or is none: the daemon is not started",
  SQUASHFUSE,
  async () => {
    await using on = scratch();
    writeFileSync(on.at("file"), "");
    const command = ["sh", "-c", 'echo started > "$0"', on.at("trace"), "{}"];
    for (const [directory, words] of [
      [on.at("nowhere"), /there is no such directory; make it first: mkdir -p /],
      [on.at("file"), /is not a directory; mount on a directory/],
    ] as const) {
      const outcome = await puffs("mount", "perfuse", directory, "--", ...command);
      expect(outcome.code).toBe(32);
      expect(lastLine(outcome)).toMatch(words);
    }
    expect((await on.sh("ls")).split("\n")).not.toContain("trace");
  },
);

withPrograms("what is in the mount point is hidden, and there again", SQUASHFUSE, async () => {
  await using on = scratch();
  await using at = place();
  const command = await image(on, "-f");
  await sh(at.directory, "echo own > own");
  expect(await puffs("mount", "perfuse", at.directory, "--", ...command)).toEqual(QUIET);
  expect(await sh(at.directory, "ls")).toBe("file\n");
  expect((await run(["umount", at.directory])).code).toBe(0);
  expect(await sh(at.directory, "cat own")).toBe("own\n");
  await at.nothingLeft();
  await nobodyLeft(on.path);
});

const QUIET = { code: 0, stdout: "", stderr: "" };

withPrograms(
  "a daemon that is told to be read-only makes a mount that is",
  SQUASHFUSE,
  async () => {
    await using on = scratch();
    await using at = place();
    await on.sh("mkdir src");
    const bindfs = (...words: string[]) => ["bindfs", "-f", ...words, on.at("src"), "{}"];
    for (const words of [["-o", "ro"], ["-oro"], ["-o", "nonempty,ro"]]) {
      expect(await puffs("mount", "perfuse", at.directory, "--", ...bindfs(...words))).toEqual(
        QUIET,
      );
      const touched = await run(["touch", `${at.directory}/file`]);
      expect(touched.stderr).toContain("Read-only file system");
      expect((await run(["umount", at.directory])).code).toBe(0);
      await at.nothingLeft();
    }
    await nobodyLeft(on.path);
  },
);

withPrograms("blanks and other signs in every path", SQUASHFUSE, async () => {
  await using on = scratch();
  await using at = place();
  const command = await image(on, "-f");
  for (const name of ["a b", 'quote\'d "twice"', "$HOME & * \\ {}x", "-dash", "naïve\ttab"]) {
    const directory = `${at.directory}/${name}`;
    await sh(at.directory, 'mkdir -- "$1"', name);
    expect(await puffs("mount", "perfuse", directory, "--", ...command)).toEqual(QUIET);
    expect(await sh(directory, "cat file")).toBe("hello\n");
    expect((await run(["umount", directory])).code).toBe(0);
    await until(() => processesOf(on.path).length === 0, "its end");
  }
  await at.nothingLeft();
});

for (const [what, flags] of [
  ["goes to the background", []],
  ["stays in the foreground", ["-f"]],
  ["tells all that it does", ["-d"]],
] as const)
  for (const way of ["umount", "umount --lazy", "fusermount3 -u", "puffs umount"])
    withPrograms(`one that ${what}, ended by ${way}`, [...SQUASHFUSE, "fusermount3"], async () => {
      await using on = scratch();
      await using at = place();
      const command = await image(on, ...flags);
      expect(await puffs("mount", "perfuse", at.directory, "--", ...command)).toEqual(QUIET);
      expect(await sh(at.directory, "cat file")).toBe("hello\n");
      const words = way === "puffs umount" ? [...PROGRAM, "umount"] : way.split(" ");
      expect(await run([...words, at.directory])).toEqual(QUIET);
      await at.nothingLeft();
      await nobodyLeft(on.path);
    });

for (const signal of ["SIGINT", "SIGTERM"] as const)
  withPrograms(`a server that gets ${signal}`, SQUASHFUSE, async () => {
    await using on = scratch();
    const mount = await mounted("perfuse", { command: await image(on, "-f") });
    try {
      await mount.client.close();
      mount.server.kill(signal);
      await ended(mount.server);
      expect(mount.server.exitCode).toBe(0);
      expect(isMounted(mount.directory)).toBe(false);
      expect(mount.output()).toContain(`puffs: ${mount.directory} is unmounted\n`);
    } finally {
      await mount.close();
    }
    await nobodyLeft(on.path);
  });

withPrograms("what a daemon says of its work is in the log", SQUASHFUSE, async () => {
  await using on = scratch();
  const mount = await mounted("perfuse", { command: await image(on, "-d") });
  try {
    await sh(mount.directory, "cat file");
    await until(() => mount.output().includes("puffs: squashfuse: "), "its words");
    expect(mount.output()).toMatch(/squashfuse: .*opcode: LOOKUP/);
  } finally {
    await mount.close();
  }
  expect(mount.server.exitCode).toBe(0);
});

withPrograms("fusermount3 -u while the daemon hangs", [...SQUASHFUSE, "fusermount3"], async () => {
  await using on = scratch();
  const mount = await mounted("perfuse", { command: await image(on, "-f") });
  try {
    await mount.client.close();
    const [daemon] = processesOf(on.at("the image")).filter((pid) => pid !== mount.pid);
    process.kill(daemon as number, "SIGSTOP");
    expect(await run(["fusermount3", "-u", mount.directory])).toEqual(QUIET);
    expect(isMounted(mount.directory)).toBe(false);
    await ended(mount.server);
    expect(mount.server.exitCode).toBe(0);
  } finally {
    await mount.close();
  }
  await nobodyLeft(on.path);
});

for (const [signal, flags] of [
  ["SIGINT", ["-f"]],
  ["SIGTERM", ["-f"]],
  ["SIGHUP", ["-f"]],
  ["SIGINT", []],
] as const)
  withPrograms(
    `${[signal, ...flags].join(" ")} while a daemon does not come to serve`,
    [],
    async () => {
      await using on = scratch();
      await using at = place();
      const before = privateDirectories();
      // The daemon's own child is ended, too.
      const command = ["sh", "-c", 'sh -c "sleep 600" "$0"; exit', on.path, "{}"];
      const { server, said } = starting(at.directory, command, flags);
      try {
        await until(() => processesOf(on.path).length > 2, "the daemon");
        server.kill(signal);
        await ended(server);
        expect(server.exitCode).toBe(8);
        expect(said()).toBe(flags.length > 0 ? `puffs: ${signal}: nothing was mounted\n` : "");
      } finally {
        server.kill("SIGKILL");
      }
      await at.nothingLeft();
      await nobodyLeft(on.path);
      expect(privateDirectories()).toEqual(before);
    },
  );

withPrograms("one that never mounts is given up, with a line", [], async () => {
  await using on = scratch();
  await using at = place();
  const before = privateDirectories();
  for (const route of ["fd", "fusermount", "seccomp"]) {
    const command = ["sh", "-c", 'sh -c "sleep 600" "$0"; exit', on.path, "{}"];
    const options = `patience=1,route=${route}`;
    const { server, said } = starting(at.directory, command, ["-f", "-o", options]);
    try {
      await ended(server);
      expect(server.exitCode).toBe(32);
      expect(said()).toEndWith(
        "puffs: perfuse did not start: sh does not begin to serve; does it mount on {}? -o patience gives it longer\n",
      );
    } finally {
      server.kill("SIGKILL");
    }
    await at.nothingLeft();
    await nobodyLeft(on.path);
  }
  expect(privateDirectories()).toEqual(before);
});

withPrograms("one that is slow is waited for", SQUASHFUSE, async () => {
  await using on = scratch();
  const [word = "", ...rest] = await image(on, "-f");
  const command = ["sh", "-c", 'sleep 2; exec "$@"', "sh", word, ...rest];
  const mount = await mounted("perfuse", { command, options: "allow_other,patience=20" });
  try {
    expect(await sh(mount.directory, "cat file")).toBe("hello\n");
  } finally {
    await mount.close();
  }
});

/** A server that may never come to mount. */
function starting(
  directory: string,
  command: readonly string[],
  flags: readonly string[] = ["-f"],
) {
  const [program, script] = PROGRAM;
  const args = [script, "mount", "perfuse", ...flags, directory, "--", ...command];
  const server = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
  let output = "";
  server.stderr.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  return { server, said: () => output };
}

/** The end of a server, its output read. */
async function ended(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  await once(server, "close", { signal: AbortSignal.timeout(20_000) });
}
