/** What is measured on: keeping it awake, and what /proc says of a process. */
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";

export interface Machine {
  readonly kernel: string;
  readonly processor: string;
  readonly processors: number;
  /** Bytes. */
  readonly memory: number;
  readonly bun: string;
}

export function machine(): Machine {
  const processors = cpus();
  return {
    kernel: release(),
    processor: processors[0]?.model ?? "unknown",
    processors: processors.length,
    memory: totalmem(),
    bun: Bun.version,
  };
}

/**
 * Keep every CPU from sleeping, with a program on each that runs when nothing else wants to (SCHED_IDLE): waking a CPU of a virtual
 * machine takes longer than a request. Answers how to end them; they also die with this process.
 */
export function keepAwake(): () => Promise<void> {
  const spinners = cpus().map((_, cpu) =>
    spawn(
      "setpriv",
      // Each becomes the next: the process that is killed is the shell.
      ["--pdeathsig", "KILL", "taskset", "-c", String(cpu), "chrt", "-i", "0", "sh", "-c", SPIN],
      { stdio: "ignore", detached: true },
    ),
  );
  return async () => {
    await Promise.all(spinners.map((spinner) => end(spinner)));
  };
}

// Among the sessions of a machine, which the scheduler serves alike (sched(7), autogroup), that of a spinner is to be the last too.
const SPIN = "echo 19 2>/dev/null >/proc/self/autogroup; while :; do :; done";

/** A command that keeps to one CPU, if one is given. */
export function onCpu(cpu: number | undefined, command: readonly string[]): readonly string[] {
  return cpu === undefined ? command : ["taskset", "-c", String(cpu), ...command];
}

/** Kill a child of ours and wait for its end. */
export function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null)
    return Promise.resolve();
  return new Promise((resolve) => {
    child.once("exit", () => resolve());
    child.kill("SIGKILL");
  });
}

/** Resident memory, in bytes; see proc_pid_smaps(5). What it has of files (its program) is not counted. */
export function residentMemory(pid: number): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const kilobytes = (field: string) =>
    Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0);
  return (kilobytes("Pss_Anon") + kilobytes("Pss_Shmem")) * 1024;
}

/** CPU time of all threads since the start, in milliseconds, exact to 10: utime and stime of proc_pid_stat(5). */
export function cpuTime(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** CPU time of the threads that live, in nanoseconds: the first number of /proc/PID/task/TID/schedstat. */
export function exactCpuTime(pid: number): number {
  const task = `/proc/${pid}/task`;
  return readdirSync(task)
    .map((thread) => readFileSync(`${task}/${thread}/schedstat`, "utf8"))
    .reduce((sum, text) => sum + Number(text.split(" ")[0]), 0);
}

/** Wait until a process has come to rest: less than 5 % of a CPU, several times. Gives up after half a minute. */
export async function settle(pid: number): Promise<void> {
  const until = performance.now() + 30_000;
  let quiet = 0;
  for (let before = exactCpuTime(pid); quiet < QUIET && performance.now() < until; ) {
    await Bun.sleep(WHILE);
    const after = exactCpuTime(pid);
    quiet = after - before < WHILE * 50_000 ? quiet + 1 : 0;
    before = after;
  }
}

/** Milliseconds. */
const WHILE = 30;
/** Once is not enough: it may want to run, and others do. */
const QUIET = 3;

/** Make the kernel forget names and attributes, of all file systems; see proc_sys_vm(5). Servers get FORGET for each. */
export function dropNames(): void {
  writeFileSync("/proc/sys/vm/drop_caches", "2");
}
