import { afterAll, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { closeDescriptor, receive, send } from "../../ffi/device.ts";
import { listenSeqpacket, passCredentials } from "../../ffi/seqpacket.ts";
import { socketPair } from "../../ffi/socket.ts";
import { encodeMountFrame } from "../../src/perfuse/mount-frame.ts";
import { perfused } from "../perfuse/programs.ts";
import { until } from "../support/mounted.ts";
import { calledAs, PROGRAM, processesOf } from "../support/program.ts";

const directory = mkdtempSync(join(tmpdir(), "perfused-command-"));
afterAll(() => rmSync(directory, { recursive: true }));

const FRAME = encodeMountFrame({ target: "/nowhere", flags: 0 });

const USAGE = "usage: perfused [-fs] [-d types] [-i fd] [-n mounts] [-p path]";

for (const [args, said] of [
  [["-x"], "-x: there is no such flag"],
  [["-f", "-d"], "-d needs an argument"],
  [["-i"], "-i needs an argument"],
  [["-i", "three"], "-i three: it is no number"],
  [["-i", "-1"], "-i -1: it is no number"],
  [["-i", "0"], "-i 0: it is no socket"],
  [["-i", "77"], "-i 77: "],
  [["-f", "-n", "0"], "-n 0: it is no number of mounts"],
  [["-n", "many"], "-n many: it is no number of mounts"],
] as const)
  test(`perfused ${args.join(" ")} ends with EX_USAGE`, async () => {
    const { code, stdout, stderr } = await calledAs("perfused", ...args);
    expect(code).toBe(64);
    expect(stdout).toBe("");
    expect(stderr).toStartWith(`perfused: ${said}`);
    expect(stderr.trim()).toEndWith(USAGE);
    expect(stderr.trim().split("\n").length).toBe(1);
  });

for (const flags of [[], ["-f"]])
  test(`where it cannot listen it ends with a code that says so: ${flags.join(" ")}`, async () => {
    const file = join(directory, "file");
    writeFileSync(file, "");
    const taken = join(directory, `taken${flags.length}`);
    const listener = listenSeqpacket(taken);
    for (const [path, code, why] of [
      [file, 72, "and no socket"],
      [taken, 71, "somebody listens there already"],
      [join(directory, "no/where"), 71, "ENOENT"],
      [`/${"x".repeat(200)}`, 71, "ENAMETOOLONG"],
    ] as const) {
      const outcome = await calledAs("perfused", ...flags, "-p", path);
      expect(outcome.code).toBe(code);
      expect(outcome.stderr).toContain(why);
      expect(outcome.stderr.trim().split("\n").length).toBe(1);
    }
    closeDescriptor(listener);
  });

test("an unknown type of -d, and a PERFUSE_BUFSIZE that is none, are warnings", async () => {
  const path = join(directory, "sock");
  const args = ["-f", "-p", path, "-d", "fuse,fues", "-d", "reize"];
  await using program = perfused(args, { PERFUSE_BUFSIZE: "big" });
  await program.said("PERFUSE_BUFSIZE");
  expect(program.output()).toContain("perfused: -d fues: did you mean fuse?\n");
  expect(program.output()).not.toContain("reize");
  await until(() => existsSync(path), "the socket");
  program.child.kill("SIGINT");
  expect(await program.ended).toBe(0);
});

test("in the background such warnings are the command's", async () => {
  const path = join(directory, "back");
  await using program = perfused(["-p", path, "-d", "fues"]);
  expect(await program.ended).toBe(0);
  expect(program.output()).toBe("perfused: warning: -d fues: did you mean fuse?\n");
  for (const pid of processesOf(path)) process.kill(pid, "SIGTERM");
});

for (const [what, message, said] of [
  ["no frame", new Uint8Array(5), "5 bytes are too short"],
  ["a frame without credentials", FRAME, "the mount frame came without credentials"],
  ["nobody", undefined, "the daemon has gone without a mount frame"],
] as const)
  test(`-i, ${what}: it ends with EX_PROTOCOL, and the peer reads the end`, async () => {
    const [ours, theirs] = socketPair("seqpacket");
    // What is sent before anybody asks for credentials has none.
    if (what === "no frame") passCredentials(theirs);
    if (message === undefined) closeDescriptor(ours);
    else send(ours, message, message.length);
    const [program, script] = PROGRAM;
    const child = spawn(program, [script, "-i", "3"], {
      argv0: "perfused",
      stdio: ["ignore", "ignore", "pipe", theirs],
    });
    closeDescriptor(theirs);
    const exit = once(child, "close");
    const stderr = await text(child.stderr as never);
    expect(stderr).toStartWith("perfused: ");
    expect(stderr).toContain(said);
    expect(stderr.trim().split("\n").length).toBe(1);
    expect(await exit).toEqual([76, null]);
    if (message === undefined) return;
    expect(receive(ours, new Uint8Array(8))).toBeLessThanOrEqual(0);
    closeDescriptor(ours);
  });

test("--help and --version", async () => {
  const help = await calledAs("perfused", "--help");
  expect(help.code).toBe(0);
  expect(help.stdout).toContain(USAGE);
  expect((await calledAs("perfused", "--version")).stdout).toStartWith("perfused ");
});
