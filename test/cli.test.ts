import { expect, test } from "bun:test";
import packageFile from "../package.json";
import { calledAs, puffs } from "./support/program.ts";

test("puffs without a command shows the commands, as a usage error", async () => {
  const { code, stdout } = await puffs();
  expect(code).toBe(1);
  for (const command of ["mount", "umount", "list", "plugins"]) expect(stdout).toContain(command);
});

test("every command has help", async () => {
  for (const command of ["mount", "umount", "list", "plugins"]) {
    const { code, stdout } = await puffs(command, "--help");
    expect(code).toBe(0);
    expect(stdout).toContain(`puffs ${command}`);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are for terminals
    expect(stdout).not.toMatch(/\u001b/);
  }
});

test("the name it is called by decides what it is", async () => {
  const version = packageFile.version;
  expect((await puffs("--version")).stdout).toBe(`puffs ${version}\n`);
  expect((await calledAs("mount_hello", "--version")).stdout).toBe(`mount_hello ${version}\n`);
  expect((await calledAs("/sbin/mount.hello", "--version")).stdout).toBe(
    `mount.hello ${version}\n`,
  );
  expect((await calledAs("mount_hello", "--puffs", "--version")).stdout).toBe(`puffs ${version}\n`);
});

test("the help of a mount program has the plugin's options and those of every mount", async () => {
  for (const { code, stdout } of [
    await calledAs("mount_hello", "--help"),
    await puffs("mount", "hello", "--help"),
  ]) {
    expect(code).toBe(0);
    expect(stdout).toContain("text=STRING");
    expect(stdout).toContain("one file with one greeting");
    expect(stdout).toContain("allow_other");
    expect(stdout).toContain("attr_timeout=SECONDS");
  }
});

test("puffs plugins shows names, descriptions and options", async () => {
  const { code, stdout } = await puffs("plugins");
  expect(code).toBe(0);
  expect(stdout).toContain("hello - one file with one greeting\n  text=STRING");
  for (const name of ["memfs", "null"]) expect(stdout).toContain(`${name} - `);
});

test.each<[string, string[], string]>([
  ["puffs", ["mout"], "puffs: mout: there is no such command; did you mean mount?"],
  ["puffs", ["mount"], "puffs: usage: puffs mount PLUGIN [-o options] [-fdv] [special] directory"],
  [
    "puffs",
    ["umount"],
    "puffs: Missing required positional argument: DIRECTORY; see puffs umount --help",
  ],
  ["puffs", ["list", "--jsno"], "puffs: --jsno: there is no such flag; did you mean --json?"],
  [
    "mount_helo",
    ["/mnt"],
    "mount_helo: helo: this program has no such plugin; did you mean hello?",
  ],
  [
    "mount_hello",
    [],
    "mount_hello: the directory is missing; usage: mount_hello [-o options] [-fdv] [special] directory",
  ],
  ["mount_hello", ["-z", "/mnt"], "mount_hello: -z: there is no such flag; see --help"],
  [
    "mount.hello",
    ["/mnt"],
    "mount.hello: usage: mount.hello special directory [-sfnv] [-o options] [-t type]",
  ],
])("%s %j is refused in one line", async (name, args, message) => {
  const { code, stdout, stderr } = await calledAs(name, ...args);
  expect(stderr).toBe(`${message}\n`);
  expect(stdout).toBe("");
  expect(code).toBe(1);
});
