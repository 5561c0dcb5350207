/** Runs bench/client.c: one process, or several that start together. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { end, onCpu } from "./machine.ts";

/** What client.c does, see there. */
export type Kind =
  | "getattr"
  | "getattr-root"
  | "lookup"
  | "fill"
  | "create"
  | "overwrite"
  | "stat"
  | "stat-again"
  | "absent"
  | "open-read"
  | "list"
  | "rename"
  | "unlink"
  | "unlink-data"
  | "read"
  | "read-again"
  | "write"
  | "random-read"
  | "random-write";

export interface Work {
  readonly kind: Kind;
  readonly count: number;
  /** Bytes of one read or write. */
  readonly size?: number | undefined;
  readonly first?: number | undefined;
  readonly stride?: number | undefined;
}

/** Two commands: of what asks a daemon over a socket, whose arguments are those of bench/daemon.c, and of the daemon. */
export interface Asking {
  readonly asker: readonly string[];
  readonly daemon: readonly string[];
}

/** From the start of the first client to the end of the last. */
export interface Taken {
  readonly nanoseconds: number;
  /** Of all clients together. */
  readonly operations: number;
}

/**
 * Do the work in each of the directories at the same time, with a client for each; the files of the second client are those after the
 * first's, so that one directory may be named several times. Rejects when one fails, or at the signal.
 */
export async function perform(
  program: string,
  directories: readonly string[],
  work: Work,
  signal: AbortSignal,
  cpu?: number,
): Promise<Taken> {
  signal.throwIfAborted();
  const { kind, count, size = 4096, first = 0, stride = 1 } = work;
  const clients = directories.map((directory, index) => {
    const parameters = [count, size, first + index * count, stride];
    return new Client(onCpu(cpu, [program, kind, directory, ...parameters.map(String)]));
  });
  const stop = () => clients.forEach((client) => void client.kill());
  signal.addEventListener("abort", stop);
  try {
    await Promise.all(clients.map((client) => client.ready));
    for (const client of clients) client.go();
    const times = await Promise.all(clients.map((client) => client.times));
    const start = Math.min(...times.map(([start]) => start));
    const finish = Math.max(...times.map(([, finish]) => finish));
    const operations = times.reduce((sum, [, , operations]) => sum + operations, 0);
    return { nanoseconds: finish - start, operations };
  } finally {
    signal.removeEventListener("abort", stop);
    await Promise.all(clients.map((client) => client.kill()));
    signal.throwIfAborted();
  }
}

/**
 * The same of a daemon that is asked over a socket, by one client with as many requests outstanding as there would be clients.
 */
export async function performOverSocket(
  { asker, daemon }: Asking,
  clients: number,
  { kind, count, size = 4096 }: Work,
  signal: AbortSignal,
  cpu?: number,
): Promise<Taken> {
  signal.throwIfAborted();
  const parameters = [count * clients, size, clients].map(String);
  const client = new Client(onCpu(cpu, [...asker, kind, ...parameters, ...daemon]));
  const stop = () => void client.kill();
  signal.addEventListener("abort", stop);
  try {
    await client.ready;
    client.go();
    const [start, finish, operations] = await client.times;
    return { nanoseconds: finish - start, operations };
  } finally {
    signal.removeEventListener("abort", stop);
    await client.kill();
    signal.throwIfAborted();
  }
}

/** One process that measures: "ready" at its standard output, "g" at its input, then the times. `descriptor` is its third. */
export class Client {
  readonly ready: Promise<void>;
  readonly times: Promise<[start: number, end: number, operations: number]>;
  readonly #child: ChildProcess;

  constructor([program = "", ...args]: readonly string[], descriptor?: number) {
    const third = descriptor === undefined ? [] : [descriptor];
    const stdio = ["pipe" as const, "pipe" as const, "inherit" as const, ...third];
    const child = spawn(program, args, { stdio, detached: true });
    this.#child = child;
    let said = "";
    const { stdout, stdin } = child;
    stdin?.on("error", () => {});
    this.ready = new Promise((resolve, reject) => {
      stdout?.on("data", (bytes: Buffer) => {
        said += bytes.toString("latin1");
        if (said.includes("ready\n")) resolve();
      });
      child.once("error", reject);
      child.once("close", () => reject(new Error(`${program} ${args.join(" ")} failed`)));
    });
    this.times = once(child, "close").then(([code]) => {
      const [start, end, operations] = (said.split("\n")[1] ?? "").split(" ").map(Number);
      if (code !== 0 || start === undefined || end === undefined || operations === undefined)
        throw new Error(`${program} ${args.join(" ")} failed`);
      return [start, end, operations];
    });
    // Whichever of the two is waited for says it.
    this.ready.catch(() => {});
    this.times.catch(() => {});
  }

  go(): void {
    this.#child.stdin?.end("g");
  }

  kill(): Promise<void> {
    return end(this.#child);
  }
}
