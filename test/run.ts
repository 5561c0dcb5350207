/*
 * Runs the tests: `npm test`, or `bun test/run.ts [--quick] [part of a path]...`. Each file is run by a process of its own, so
 * that one that crashes or hangs costs itself alone. First the quick ones, then (without --quick) *.slow.test.ts. The last
 * line is "N passed, N failed"; the exit code is 1 if anything failed, a process crashed, a file ran nothing or a mount was
 * left behind.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setup } from "./setup.ts";

/** Milliseconds for one case, and for all of a file, quick or slow. */
const CASE_TIME = 60_000;
const FILE_TIME = { quick: 180_000, slow: 1_200_000 };

const HOME = dirname(import.meta.dir);

interface Result {
  readonly file: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly seconds: number;
  /** What went wrong besides failed cases. */
  readonly trouble: string | undefined;
  readonly output: string;
}

async function main(): Promise<number> {
  const quickOnly = process.argv.includes("--quick");
  const parts = process.argv.slice(2).filter((argument) => argument !== "--quick");
  const files = [...new Bun.Glob("**/*.test.ts").scanSync(import.meta.dir)]
    .map((file) => `test/${file}`)
    .filter((file) => parts.length === 0 || parts.some((part) => file.includes(part)))
    .sort();
  const slow = files.filter((file) => file.endsWith(".slow.test.ts"));
  const mounting = files.filter((file) => file.endsWith(".mount.test.ts"));
  const plain = files.filter((file) => !slow.includes(file) && !mounting.includes(file));

  setup();
  const scratch = mkdtempSync(join(tmpdir(), "puffs-tests-"));
  // Some tests look into their directories as other users.
  chmodSync(scratch, 0o755);
  const results: Result[] = [];
  const run = async (queue: readonly string[], limit: number) => {
    for (const file of queue) results.push(await settle(file, () => runFile(file, scratch, limit)));
  };
  // Two at a time; those that mount and the slow ones have the machine for themselves.
  await Promise.all([0, 1].map((turn) => run(everySecond(plain, turn), FILE_TIME.quick)));
  await run(mounting, FILE_TIME.quick);
  if (!quickOnly) await run(slow, FILE_TIME.slow);
  const left = clean(scratch);

  const count = (of: (result: Result) => number) => results.reduce((sum, one) => sum + of(one), 0);
  const failed = count((one) => one.failed) + left.length;
  for (const mount of left) console.log(`left mounted: ${mount}`);
  if (results.length === 0) console.log("there is no such test");
  for (const { file } of results.filter((one) => one.failed > 0)) console.log(`failed: ${file}`);
  const skipped = count((one) => one.skipped);
  if (skipped > 0) console.log(`${skipped} skipped`);
  console.log(`${count((one) => one.passed)} passed, ${failed} failed`);
  return failed > 0 || results.length === 0 ? 1 : 0;
}

/**
 * A file that mounts, or takes long, meets all of the machine: other programs, full page caches, a slow disk. Its failure
 * counts if it comes twice; once is said aloud, for somebody to look at.
 */
async function settle(file: string, run: () => Promise<Result>): Promise<Result> {
  const first = show(await run());
  if (first.failed === 0 || !/\.(mount|slow)\.test\.ts$/.test(file)) return first;
  console.log(`${file}: failed once, is run again`);
  return show(await run());
}

function everySecond(files: readonly string[], first: number): string[] {
  return files.filter((_, index) => index % 2 === first);
}

async function runFile(file: string, scratch: string, limit: number): Promise<Result> {
  const began = performance.now();
  const report = join(scratch, `${file.replaceAll("/", "-")}.xml`);
  const child = spawn(
    process.execPath,
    [
      "test",
      `./${file}`,
      `--timeout=${CASE_TIME}`,
      "--reporter=junit",
      `--reporter-outfile=${report}`,
    ],
    {
      cwd: HOME,
      // Of its own group, so that what it started can be ended with it.
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, TMPDIR: scratch },
    },
  );
  const output: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => output.push(chunk));
  }
  let late = false;
  const watch = setTimeout(() => {
    late = true;
    endGroup(child);
  }, limit);
  const end = () => endGroup(child);
  process.once("exit", end);
  const closed = once(child, "close");
  await once(child, "exit");
  clearTimeout(watch);
  process.off("exit", end);
  // What it started and left running would keep its output open.
  end();
  await closed;

  const { tests, failures, skipped } = countsOf(report);
  const trouble = late
    ? `not done in ${limit / 1000} seconds`
    : child.signalCode !== null
      ? `ended by ${child.signalCode}`
      : tests === 0
        ? "ran nothing"
        : child.exitCode !== 0 && failures === 0
          ? `ended with ${child.exitCode}`
          : undefined;
  return {
    file,
    passed: tests - failures - skipped,
    failed: failures + (trouble === undefined ? 0 : 1),
    skipped,
    seconds: (performance.now() - began) / 1000,
    trouble,
    output: Buffer.concat(output).toString(),
  };
}

function endGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It has ended meanwhile.
  }
}

/** The first element of the report is about all of the run. */
function countsOf(report: string): { tests: number; failures: number; skipped: number } {
  const text = existsSync(report) ? readFileSync(report, "utf8") : "";
  const element = /<testsuites [^>]*>/.exec(text)?.[0] ?? "";
  const count = (name: string) => Number(new RegExp(` ${name}="(\\d+)"`).exec(element)?.[1] ?? 0);
  return { tests: count("tests"), failures: count("failures"), skipped: count("skipped") };
}

/** One line for a file, and all it has said where it failed. */
function show(result: Result): Result {
  const { file, passed, failed, skipped, seconds, trouble, output } = result;
  const parts = [`${passed} passed`];
  if (failed > 0) parts.push(`${failed} FAILED`);
  if (skipped > 0) parts.push(`${skipped} skipped`);
  if (trouble !== undefined) parts.push(trouble);
  console.log(`${file}: ${parts.join(", ")} (${seconds.toFixed(1)} s)`);
  if (failed > 0) console.log(interesting(output));
  return result;
}

function interesting(output: string): string {
  const lines = output.split("\n").filter((line) => !line.startsWith("(pass)"));
  return lines.slice(-400).join("\n");
}

/** Takes away what the tests left below `scratch`; answers what they left mounted. */
function clean(scratch: string): string[] {
  const left = existsSync("/proc/self/mountinfo")
    ? readFileSync("/proc/self/mountinfo", "utf8")
        .split("\n")
        .map((line) => line.split(" ")[4] ?? "")
        .filter((mount) => mount.startsWith(`${scratch}/`))
    : [];
  for (const mount of left) spawnSync("umount", ["--lazy", mount], { timeout: 20_000 });
  rmSync(scratch, { recursive: true, force: true });
  return left;
}

for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(1));
process.exit(await main());
