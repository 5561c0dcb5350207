import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/** A program that writes to a file and then stops, until it is told to make an end of it. */
export interface Writer extends AsyncDisposable {
  /** Goes on: to fsync(2), if that is wanted, another write(2) and close(2). What each of them answers, "done" or an error's name. */
  end(): Promise<string[]>;
}

/** Starts one on a new file; resolves when its first write(2) was answered. */
export async function writer(path: string, calls: readonly WriterCall[]): Promise<Writer> {
  const child = spawn("/usr/bin/python3", ["-c", SCRIPT, path, ...calls], {
    stdio: ["pipe", "pipe", "inherit"],
  }) as ChildProcess & { stdin: NodeJS.WritableStream; stdout: NodeJS.ReadableStream };
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => String((await lines.next()).value);
  const first = await next();
  if (first !== "written") throw new Error(`the first write: ${first}`);
  return {
    async end() {
      child.stdin.write("\n");
      const said: string[] = [];
      for (const _ of calls) said.push(await next());
      return said;
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    },
  };
}

export type WriterCall = "fsync" | "write" | "close";

const SCRIPT = `
import errno, os, sys
path, *calls = sys.argv[1:]
fd = os.open(path, os.O_CREAT | os.O_WRONLY, 0o644)
try: os.write(fd, b"x" * 10000); print("written", flush=True)
except OSError as e: print(errno.errorcode[e.errno], flush=True)
sys.stdin.readline()
for call in calls:
    try:
        {"fsync": os.fsync, "write": lambda fd: os.write(fd, b"y"), "close": os.close}[call](fd)
        print("done", flush=True)
    except OSError as e: print(errno.errorcode[e.errno], flush=True)
`;
