import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mapShared, raiseFileLimit } from "../../ffi/process.ts";

const module = JSON.stringify(join(import.meta.dir, "../../ffi/process.ts"));

/** Runs a program in its own process, since what it changes is for good; returns its output. */
async function run(program: string): Promise<string> {
  const source = `import * as machine from ${module}; import { readFileSync } from "node:fs"; ${program}`;
  const child = Bun.spawn([process.execPath, "-e", source], { stdout: "pipe", timeout: 60_000 });
  return (await child.stdout.text()).trim();
}

test("setNoNewPrivileges is seen in /proc and inherited", async () => {
  const output = await run(`
    const status = () => /NoNewPrivs:\\s*(\\d)/.exec(readFileSync("/proc/self/status", "utf8"))[1];
    const before = status();
    machine.setNoNewPrivileges();
    const child = Bun.spawnSync(["grep", "NoNewPrivs", "/proc/self/status"]).stdout.toString();
    console.log(before, status(), child.split(/\\s+/)[1]);
  `);
  expect(output).toMatch(/^[01] 1 1$/);
});

test("signals that are held back are so in what is started meanwhile, and not after", async () => {
  const output = await run(`
    const held = () => Bun.spawnSync(["grep", "SigBlk", "/proc/self/status"]).stdout.toString().split(/\\s+/)[1];
    const before = held();
    const during = machine.withSignalsHeld(["SIGUSR1", "SIGUSR2"], held);
    console.log(before, during, held());
  `);
  const none = "0".repeat(16);
  // Signals 10 and 12.
  expect(output).toBe(`${none} 0000000000000a00 ${none}`);
});

test("setsid makes a session of its own, once", async () => {
  const output = await run(`
    const session = () => Number(readFileSync("/proc/self/stat", "utf8").split(") ")[1].split(" ")[3]);
    const before = session();
    const id = machine.setsid();
    let again;
    try { machine.setsid(); } catch (error) { again = error.code; }
    console.log(before !== process.pid, id === process.pid, session() === process.pid, again);
  `);
  expect(output).toBe("true true true EPERM");
});

test("a process that asked for it dies with its parent", async () => {
  const child = `
    import { setParentDeathSignal } from ${module};
    setParentDeathSignal("SIGTERM");
    console.log("child", process.pid);
    setTimeout(() => console.log("the child outlived its parent"), 60_000);
  `;
  const parent = `
    Bun.spawn([process.execPath, "-e", ${JSON.stringify(child)}], { stdout: "inherit" });
    setTimeout(() => {}, 60_000);
  `;
  const running = Bun.spawn([process.execPath, "-e", parent], { stdout: "pipe" });
  let output = "";
  // Both hold the pipe's writing end, so it ends when both are gone.
  for await (const chunk of running.stdout.pipeThrough(new TextDecoderStream())) {
    output += chunk;
    if (output.endsWith("\n")) running.kill("SIGKILL");
  }
  expect(output).toMatch(/^child \d+\n$/);
}, 90_000);

test("raiseFileLimit raises the soft limit to the hard one", async () => {
  const limits = () =>
    /Max open files\s+(\S+)\s+(\S+)/.exec(readFileSync("/proc/self/limits", "utf8"));
  const [, , hard] = limits() ?? [];
  if (Bun.which("prlimit") !== null) {
    Bun.spawnSync(["prlimit", "--pid", String(process.pid), "--nofile=200:"]);
    expect(limits()?.[1]).toBe("200");
  }
  expect(String(raiseFileLimit())).toBe(hard as string);
  expect(limits()?.[1]).toBe(hard as string);
});

test("mapShared shows other processes what is written, and sees what they write", async () => {
  const directory = mkdtempSync(join(tmpdir(), "shared-"));
  try {
    const path = join(directory, "counter");
    const memory = mapShared(path, 16);
    expect(statSync(path)).toMatchObject({ size: 16 });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    memory[3] = 42;
    const output = await run(`
      const memory = machine.mapShared(${JSON.stringify(path)}, 16);
      console.log(memory.length, memory[3], readFileSync(${JSON.stringify(path)})[3]);
      memory[4] = 43;
    `);
    expect(output).toBe("16 42 42");
    expect(memory[4]).toBe(43);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("mapShared keeps what a file has, and refuses one that cannot be had", () => {
  const directory = mkdtempSync(join(tmpdir(), "shared-"));
  try {
    const path = join(directory, "file");
    writeFileSync(path, "abcdef");
    expect([...mapShared(path, 3)]).toEqual([97, 98, 99]);
    expect(readFileSync(path, "utf8")).toBe("abcdef");
    expect(() => mapShared(join(directory, "no/file"), 3)).toThrow(
      expect.objectContaining({ code: "ENOENT" }),
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
});
