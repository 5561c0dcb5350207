import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readMounts } from "../../src/mountinfo.ts";
import { copyProject } from "../support/built.ts";
import { type Outcome, PROGRAM, puffs, run } from "../support/program.ts";

const MINUTE = 60_000;
const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const SHELF = join(ROOT, "test/support/shelf.ts");

let scratch = "";
let source = "";
/** PLUGIN:SOURCE of the shelf. */
let shelf = "";

beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), "puffs-access-"));
  // Another user looks into it.
  chmodSync(scratch, 0o755);
  source = join(scratch, "shelf.json");
  shelf = `${SHELF}:${source}`;
});
afterAll(async () => {
  await empty();
  rmSync(scratch, { recursive: true, force: true });
});

beforeEach(async () => {
  await empty();
  writeFileSync(source, JSON.stringify(CONTENT));
});

/** Copies may be of directories that not even their owner may write to. */
async function empty(): Promise<void> {
  await run(["chmod", "-R", "u+w", scratch]);
  for (const name of readdirSync(scratch)) rmSync(join(scratch, name), { recursive: true });
}

const CONTENT = {
  books: {
    poems: {
      books: {
        short: { mode: 0o100755, mtime: 1_000_000_000, of: "so long\n" },
        up: { link: "../essay" },
        deep: { mode: 0o040555, mtime: 1_100_000_000, of: { books: { kindless: "?" } } },
      },
    },
    ".secret": "hidden\n",
    essay: { mode: 0o104600, mtime: 1_200_000_000, of: "words\n" },
    blob: ["/wAB"],
    dangling: { link: "nowhere" },
  },
};

/** Runs `puffs ARGS` with this environment or input. */
function puffsWith(
  args: readonly string[],
  { input, env = {} }: { input?: Uint8Array; env?: Record<string, string> },
): Promise<Outcome> {
  if (input === undefined) return run([...PROGRAM, ...args], { env });
  const file = join(scratch, "input");
  writeFileSync(file, input);
  return run(["sh", "-c", 'exec < "$0"; exec "$@"', file, ...PROGRAM, ...args], { env });
}

function done(stdout = ""): Outcome {
  return { code: 0, stdout, stderr: "" };
}

describe("puffs ls", () => {
  test("shows names in order, of several paths, and what is not there", async () => {
    expect(await puffs("ls", shelf)).toEqual(done("blob\ndangling\nessay\npoems\n"));
    expect(await puffs("ls", "-a", shelf, "/")).toEqual(
      done(".secret\nblob\ndangling\nessay\npoems\n"),
    );
    expect(await puffs("ls", shelf, "poems", "/essay", "/no\nthing", "/poems/deep")).toEqual({
      code: 1,
      stdout: "/essay\n\npoems:\ndeep\nshort\nup\n\n/poems/deep:\nkindless\n",
      stderr: `puffs ls: ${shelf}:/no\\nthing: No such file or directory\n`,
    });
  });

  test("-l shows attributes and where links lead", async () => {
    const args = ["ls", "-l", shelf, "/poems"];
    const { code, stdout } = await puffsWith(args, { env: { TZ: "UTC" } });
    expect(code).toBe(0);
    const [deep, short, up] = stdout.split("\n");
    expect(deep).toBe("dr-xr-xr-x 1 0 0 0 2004-11-09 11:33 deep");
    expect(short).toBe("-rwxr-xr-x 1 0 0 8 2001-09-09 01:46 short");
    expect(up).toMatch(/^lrwxrwxrwx 1 0 0 0 \d{4}-\d\d-\d\d \d\d:\d\d up -> \.\.\/essay$/);
    expect((await puffs("ls", "-l", shelf, "/essay")).stdout).toStartWith("-rwS------ ");
  });

  test("is refused in one line what it cannot be", async () => {
    for (const [args, message] of [
      [["ls", "helo"], /^puffs: helo: there is no built-in plugin .* did you mean hello\?$/],
      [["ls", "./helo.ts"], /^puffs: \.\/helo\.ts: there is no such plugin file/],
      [["ls", "-z", "hello"], /^puffs: -z: there is no such flag/],
      [["ls", "-o", "txt=x", "hello"], /^puffs: option txt: .* did you mean text\?$/],
      [["ls"], /^puffs: Missing required positional argument: PLUGIN; see puffs ls --help$/],
      [["ls", SHELF], /^puffs: shelf needs a source after a colon: the JSON file$/],
      [["cat", "hello"], /^puffs: usage: puffs cat \[-o options\] \[-d\] PLUGIN\[:SOURCE\] PATH/],
      [["tree", "-L", "0", "hello"], /^puffs: -L takes a number above 0, not "0"$/],
    ] as const) {
      const { code, stdout, stderr } = await puffs(...args);
      expect(stderr.trimEnd()).toMatch(message);
      expect(stderr.trimEnd().split("\n")).toHaveLength(1);
      expect([code, stdout]).toEqual([1, ""]);
    }
    const { code, stderr } = await puffs("ls", `${SHELF}:${scratch}/nothing`);
    expect(stderr).toStartWith("puffs: shelf did not start: ENOENT");
    expect(code).toBe(32);
  });
});

test("puffs tree draws what is there, as deep as asked", async () => {
  expect(await puffs("tree", shelf)).toEqual(
    done(
      `/
├── blob
├── dangling -> nowhere
├── essay
└── poems
    ├── deep
    │   └── kindless
    ├── short
    └── up -> ../essay

2 directories, 6 files
`,
    ),
  );
  expect((await puffs("tree", "-L", "1", "-a", shelf, "/poems")).stdout).toBe(
    "/poems\n├── deep\n├── short\n└── up -> ../essay\n\n1 directory, 2 files\n",
  );
});

test("puffs stat tells of files, of links and of the file system", async () => {
  const { code, stdout } = await puffs("stat", shelf, "/essay", "/poems/up");
  expect(code).toBe(0);
  for (const line of [
    "path      /essay",
    "mode      4600 -rwS------",
    "size      6",
    "modified  2008-01-10T21:20:00.000000000Z",
    "type      symbolic link",
    "target    ../essay",
  ])
    expect(stdout.split("\n")).toContain(line);
  expect((await puffs("stat", "-L", shelf, "/poems/up")).stdout).toContain("regular file");
  expect((await puffs("stat", "-f", shelf)).stdout.split("\n").slice(0, 5)).toEqual([
    "blocks    9",
    "bfree     8",
    "bavail    7",
    "files     6",
    "ffree     5",
  ]);
});

describe("puffs cat", () => {
  test("prints bytes as they are, follows links, and goes on after an error", async () => {
    const { code, stdout, stderr } = await puffs("cat", shelf, "/poems/up", "/poems", "/dangling");
    expect([code, stdout]).toEqual([1, "words\n"]);
    expect(stderr).toBe(
      `puffs cat: ${shelf}:/poems: Is a directory\npuffs cat: ${shelf}:/dangling: No such file or directory\n`,
    );
    const shell = '"$@" | od -An -tx1';
    expect((await run(["sh", "-c", shell, "sh", ...PROGRAM, "cat", shelf, "/blob"])).stdout).toBe(
      " ff 00 01\n",
    );
  });

  test("-o and -d are for the plugin and for whoever wants to see it work", async () => {
    expect(await puffs("cat", "-o", "text=hi", "hello", "/hello")).toEqual(done("hi\n"));
    const { stdout, stderr } = await puffs("cat", "-d", "hello", "hello");
    expect(stdout).toBe("Hello, world!\n");
    expect(stderr).toMatch(/LOOKUP node 1 "hello".*\n.*LOOKUP: 128 bytes/);
    expect(stderr).toMatch(/DESTROY: 0 bytes\n$/);
  });

  test(
    "waits for a slow reader, gives it all, and what the plugin says goes elsewhere",
    async () => {
      const script = '"$@" | { sleep 1; wc -c; }';
      const whole = await run(["sh", "-c", script, "sh", ...PROGRAM, "cat", "null", "/f"]);
      expect(whole.stdout.trim()).toBe(String(2 ** 30));
      expect(whole.stderr).toBe("0 bytes written to f\n");
    },
    MINUTE,
  );

  test("ends quietly when nobody reads on, and not when there is no room", async () => {
    const script = 'set -o pipefail; "$@" | head -c 3 | od -An -tx1';
    const cut = await run(["bash", "-c", script, "bash", ...PROGRAM, "cat", "null", "/f"]);
    expect(cut).toEqual({ code: 0, stdout: " 00 00 00\n", stderr: "0 bytes written to f\n" });
    const full = ["sh", "-c", '"$@" > /dev/full', "sh", ...PROGRAM, "cat", "hello", "/hello"];
    expect(await run(full)).toEqual({
      code: 1,
      stdout: "",
      stderr: "puffs cat: standard output: No space left on device\n",
    });
  });
});

describe("puffs cp", () => {
  test("copies a file with its permissions and time, to a name or into a directory", async () => {
    const to = join(scratch, "copy");
    expect(await puffs("cp", shelf, "/poems/short", to)).toEqual(done());
    expect(readFileSync(to, "utf8")).toBe("so long\n");
    expect([lstatSync(to).mode, lstatSync(to).mtimeMs]).toEqual([0o100755, 1e12]);
    // Set-id bits stay behind; a link is followed.
    expect(await puffs("cp", shelf, "/poems/up", "/blob", scratch)).toEqual(done());
    expect(lstatSync(join(scratch, "up")).mode).toBe(0o100600);
    expect([...readFileSync(join(scratch, "blob"))]).toEqual([255, 0, 1]);
    expect(await puffs("cp", shelf, "/essay", to)).toEqual(done());
    expect(readFileSync(to, "utf8")).toBe("words\n");
    expect(await puffs("cp", shelf, "/essay", "-")).toEqual(done("words\n"));
    expect(await puffs("cp", shelf, "/essay", "/dev/null")).toEqual(done());
  });

  test("-r copies trees, and again over what is there", async () => {
    const to = join(scratch, "tree");
    for (let i = 0; i < 2; i++) {
      expect(await puffs("cp", "-r", shelf, "/", to)).toEqual(done());
      expect(readdirSync(to).sort()).toEqual([".secret", "blob", "dangling", "essay", "poems"]);
      expect(readlinkSync(join(to, "dangling"))).toBe("nowhere");
      expect(readFileSync(join(to, "poems/deep/kindless"), "utf8")).toBe("?");
      expect(lstatSync(join(to, "poems/deep")).mode).toBe(0o040555);
      expect(lstatSync(join(to, "poems/deep")).mtimeMs).toBe(1.1e12);
    }
    expect(await puffs("cp", "-r", shelf, "/poems", to)).toEqual(done());
    expect(readdirSync(join(to, "poems")).sort()).toEqual(["deep", "short", "up"]);
  });

  test("says whose error it was, and copies the rest", async () => {
    const to = join(scratch, "to");
    expect(await puffs("cp", shelf, "/poems", to)).toMatchObject({
      code: 1,
      stderr: `puffs cp: ${shelf}:/poems: Is a directory\n`,
    });
    expect(await puffs("cp", shelf, "/essay", "/blob", to)).toMatchObject({
      code: 1,
      stderr: `puffs cp: ${to}: Not a directory\n`,
    });
    mkdirSync(join(to, "poems/short"), { recursive: true });
    expect(await puffs("cp", "-r", shelf, "/poems", "/nothing", "/essay", to)).toMatchObject({
      code: 1,
      stderr: [
        `puffs cp: ${to}/poems/short: Is a directory`,
        `puffs cp: ${shelf}:/nothing: No such file or directory\n`,
      ].join("\n"),
    });
    expect(readFileSync(join(to, "poems/deep/kindless"), "utf8")).toBe("?");
    expect(readFileSync(join(to, "essay"), "utf8")).toBe("words\n");
  });

  test("does not leave the place it copies to, whatever the file system shows", async () => {
    const plugin = join(scratch, "evil.ts");
    const outside = join(scratch, "outside");
    mkdirSync(outside);
    // Each name is listed twice: first it is a link to the outside, then a file or directory to be put there.
    writeFileSync(
      plugin,
      `import { S_IFDIR, S_IFLNK, S_IFREG, now } from "puffs";
       const time = now();
       const make = (mode) =>
         ({ mode, nlink: 1, uid: 0, gid: 0, size: 1, atime: time, mtime: time, ctime: time });
       const root = make(S_IFDIR | 0o755), directory = make(S_IFDIR | 0o755);
       const file = make(S_IFREG | 0o644), link = make(S_IFLNK | 0o777);
       const seen = new Set();
       export default { name: "evil", description: "a test", start: () => ({ root, node: {
         getattr: (node) => node,
         lookup: (parent, name) => {
           if (parent === directory || seen.has(name)) return name === "d" ? directory : file;
           seen.add(name);
           return link;
         },
         readdir: (node) => (node === root ? ["f", "f", "d", "d"] : ["f"]).map((name) => ({ name })),
         readlink: () => "../outside/x",
         read: (_, into) => { into[0] = 1; return 1; },
       } }) };`,
    );
    symlinkSync(".", join(outside, "x"));
    const { code, stderr } = await puffs("cp", "-r", plugin, "/", join(scratch, "to"));
    expect(code).toBe(1);
    expect(stderr).toContain(`${scratch}/to/f: Too many levels of symbolic links\n`);
    expect(stderr).toContain(`${scratch}/to/d: File exists\n`);
    expect(readdirSync(outside)).toEqual(["x"]);
  });
});

describe("puffs put", () => {
  test("copies files in, which the next command finds", async () => {
    const from = join(scratch, "from");
    writeFileSync(from, "local\n", { mode: 0o640 });
    utimesSync(from, 5, 6);
    expect(await puffs("put", shelf, from, "/new")).toEqual(done());
    expect(await puffs("put", shelf, from, "/poems")).toEqual(done());
    expect(await puffs("put", shelf, from, "/poems/up")).toEqual(done());
    for (const path of ["/new", "/poems/from", "/essay"])
      expect(await puffs("cat", shelf, path)).toEqual(done("local\n"));
    const { stdout } = await puffs("stat", shelf, "/new", "/essay");
    expect(stdout.match(/^mode .*$/gm)).toEqual([
      "mode      0640 -rw-r-----",
      "mode      0640 -rw-r-----",
    ]);
    expect(stdout.match(/^modified .*$/gm)?.[0]).toBe("modified  1970-01-01T00:00:06.000000000Z");
  });

  test("-r copies trees, and - is standard input", async () => {
    const from = join(scratch, "from");
    mkdirSync(join(from, "inner"), { recursive: true });
    writeFileSync(join(from, "inner/f"), "1");
    symlinkSync("f", join(from, "inner/essay"));
    symlinkSync("inner", join(from, "poems"));
    chmodSync(join(from, "inner"), 0o555);
    expect(await puffs("put", "-r", shelf, from, "/made")).toEqual(done());
    expect((await puffs("tree", shelf, "/made")).stdout).toContain("poems -> inner\n");
    expect(await puffs("cat", shelf, "/made/poems/essay")).toEqual(done("1"));
    expect((await puffs("stat", shelf, "/made/inner")).stdout).toContain("0555 dr-xr-xr-x");
    // Into what is there: a file in place of a file is written, a link in place of anything replaces it.
    expect(await puffs("put", "-r", shelf, `${from}/inner/.`, "/")).toEqual(done());
    expect((await puffs("ls", "-l", shelf, "/essay")).stdout).toEndWith("/essay -> f\n");
    const input = new Uint8Array(700_000).map((_, i) => i * 3);
    expect(await puffsWith(["put", shelf, "-", "/blob"], { input })).toEqual(done());
    expect(await puffs("cp", shelf, "/blob", join(scratch, "back"))).toEqual(done());
    expect(Buffer.compare(readFileSync(join(scratch, "back")), input)).toBe(0);
  });

  test("says whose error it was", async () => {
    const from = join(scratch, "from");
    mkdirSync(from);
    writeFileSync(join(from, "poems"), "");
    for (const [args, message] of [
      [[join(from, "nothing"), "/x"], `${from}/nothing: No such file or directory`],
      [[from, "/x"], `${from}: Is a directory`],
      [[join(from, "poems"), "/"], `${shelf}:/poems: Is a directory`],
      [[join(from, "poems"), "/no/x"], `${shelf}:/no/x: No such file or directory`],
      [[join(from, "poems"), "/essay/x"], `${shelf}:/essay/x: Not a directory`],
      [[join(from, "poems"), "/new/"], `${shelf}:/new/: Not a directory`],
      [[from, from, "/essay"], `${shelf}:/essay: Not a directory`],
      [["-o", "ro", join(from, "poems"), "/new"], `${shelf}:/new: Read-only file system`],
      [["/dev/null", "/new"], "/dev/null: Operation not supported"],
    ] as const) {
      const { code, stderr } = await puffs("put", ...before(args, shelf));
      expect([code, stderr]).toEqual([1, `puffs put: ${message}\n`]);
    }
  });

  test("an end that fails is a failure of the command", async () => {
    const { code, stderr } = await puffs("put", "-o", "broken", shelf, SHELF, "/new");
    expect(stderr).toBe("puffs put: shelf did not end well: Input/output error\n");
    expect(code).toBe(1);
  });
});

test("puffs rm removes files, links themselves, and with -r directories", async () => {
  expect(await puffs("rm", shelf, "/poems/up", "blob")).toEqual(done());
  expect(await puffs("rm", shelf, "/poems", "/essay/", "/", "/poems/.")).toMatchObject({
    code: 1,
    stderr: [
      `puffs rm: ${shelf}:/poems: Is a directory`,
      `puffs rm: ${shelf}:/essay/: Not a directory`,
      `puffs rm: ${shelf}:/: Device or resource busy`,
      `puffs rm: ${shelf}:/poems/.: Invalid argument\n`,
    ].join("\n"),
  });
  expect(await puffs("rm", "-r", shelf, "/poems", "/dangling")).toEqual(done());
  expect(await puffs("ls", "-a", shelf)).toEqual(done(".secret\nessay\n"));
});

test(
  "a signal ends the plugin in order",
  async () => {
    const plugin = join(scratch, "stuck.ts");
    writeFileSync(
      plugin,
      `import { S_IFDIR, now } from "puffs";
       import { writeFileSync } from "node:fs";
       const time = now();
       const root = { mode: S_IFDIR | 0o755, nlink: 2, uid: 0, gid: 0, size: 0, atime: time, mtime: time, ctime: time };
       export default { name: "stuck", description: "a test", start: () => ({
         root,
         fs: { unmount: () => writeFileSync("${scratch}/ended", "") },
         node: {
           getattr: () => root,
           lookup: () => { process.stderr.write("asked\\n"); return new Promise(() => {}); },
         },
       }) };`,
    );
    const [program, ...args] = PROGRAM;
    const child = spawn(program, [...args, "cat", plugin, "/x"], {
      stdio: ["ignore", "ignore", "pipe"],
      timeout: MINUTE,
      killSignal: "SIGKILL",
    });
    const ended = new Promise((resolve) => child.on("close", resolve));
    let said = "";
    for await (const text of child.stderr.setEncoding("utf8")) {
      if (said === "") child.kill("SIGINT");
      said += text;
    }
    expect(await ended).toBe(8);
    expect(said).toBe("asked\n");
    expect(existsSync(join(scratch, "ended"))).toBe(true);
  },
  MINUTE,
);

test(
  "the executable does it for an ordinary user, without /dev and without a mount",
  async () => {
    const project = join(scratch, "project");
    copyProject(project);
    expect((await run([process.execPath, "build.ts"], { cwd: project })).code).toBe(0);
    const program = join(project, "dist/puffs");
    const home = join(scratch, "home");
    mkdirSync(home);
    copyFileSync(source, join(home, "shelf.json"));
    copyFileSync(SHELF, join(home, "shelf.ts"));
    const script = `
      set -e
      cd '${home}'
      id -u
      puffs() { '${program}' "$@"; }
      puffs cat hello /hello
      puffs ls ./shelf.ts:shelf.json
      echo mine > mine
      puffs put ./shelf.ts:shelf.json mine /poems/
      puffs cat ./shelf.ts:shelf.json /poems/mine
      puffs cp -r ./shelf.ts:shelf.json /poems out
      cat out/mine
      puffs rm ./shelf.ts:shelf.json /poems/mine
      puffs ls -a ./shelf.ts:shelf.json /poems
    `;
    const expected = [
      "Hello, world!",
      ...["blob", "dangling", "essay", "poems"],
      ...["mine", "mine"],
      ...["deep", "short", "up"],
      "",
    ].join("\n");
    const isRoot = process.geteuid?.() === 0;
    const user = isRoot ? "65534" : String(process.geteuid?.());
    const become = ["setpriv", "--reuid", user, "--regid", user, "--clear-groups"];
    const hidden = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /dev && exec "$@"', "sh"];
    const prefix = isRoot ? [...hidden, ...become] : [];
    if (isRoot) await run(["chown", "-R", `${user}:${user}`, home]);
    const outcome = await run([...prefix, "sh", "-c", script]);
    expect(outcome).toEqual(done(`${user}\n${expected}`));
    expect(readMounts().filter(({ directory }) => directory.startsWith(scratch))).toEqual([]);
  },
  2 * MINUTE,
);

/** The flags, the plugin, the rest. */
function before(args: readonly string[], plugin: string): string[] {
  const flags = args[0]?.startsWith("-") ? 2 : 0;
  return [...args.slice(0, flags), plugin, ...args.slice(flags)];
}
