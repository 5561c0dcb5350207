/** Who is measured: how each is built and mounted. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mountAt } from "../src/mountinfo.ts";
import type { Asking } from "./client.ts";
import { end, onCpu } from "./machine.ts";

export type PeerName =
  | "null"
  | "floor"
  | "memfs"
  | "passthrough_ll"
  | "hello_ll"
  | "tmpfs"
  | "perfuse"
  | "uncached"
  | "hosting"
  | "socket";

/** What a reader must know of each to judge the figures. */
export const PEERS: Readonly<Record<PeerName, string>> = {
  null: "mount_null of this project, compiled",
  floor: "bench/floor.c, a C server straight on /dev/fuse",
  memfs: "mount_memfs of this project, compiled, no options",
  passthrough_ll:
    "libfuse's example over a directory of tmpfs, no options: cache=auto, 1 s timeouts, many threads",
  hello_ll: "libfuse's example, no options: 1 s timeouts, many threads",
  tmpfs: "the kernel's own",
  perfuse: "mount_perfuse of this project, compiled, hosting passthrough_ll that caches nothing",
  uncached: "passthrough_ll that caches nothing, on /dev/fuse itself",
  hosting:
    "bench/hosting.ts, which asks that passthrough_ll by perfuse's operations and mounts nothing",
  socket: "bench/daemon.c, which asks that passthrough_ll over a socket and mounts nothing",
};

export interface Mounted {
  readonly peer: PeerName;
  readonly directory: string;
  /** Of the server; tmpfs has none. */
  readonly pid: number | undefined;
  /** What is measured over a socket: nothing is mounted on `directory`. */
  readonly asks?: Asking | undefined;
  unmount(): Promise<void>;
}

/** The programs, built, in a directory of their own. */
export class Peers {
  readonly #root = mkdtempSync(join(tmpdir(), "puffs-bench-"));
  readonly #mounts = new Set<Mounted>();

  /** The program that makes the requests. */
  get client(): string {
    return join(this.#root, "client");
  }

  /** The program at the ends of a stream of puffs frames. */
  get socket(): string {
    return join(this.#root, "socket");
  }

  /** Build what `names` need. Throws with the compiler's words. */
  build(names: ReadonlySet<PeerName>): void {
    this.#compile("client", join(import.meta.dir, "client.c"));
    this.#compile("socket", join(import.meta.dir, "socket.c"));
    if (names.has("floor")) this.#compile("floor", join(import.meta.dir, "floor.c"));
    if (names.has("socket")) this.#compile("daemon", join(import.meta.dir, "daemon.c"));
    const needed = new Set([...names].map((name) => (OVER_TMPFS.has(name) ? THROUGH : name)));
    for (const name of [THROUGH, "hello_ll"] as const) {
      if (needed.has(name)) this.#compile(name, example(`${name}.c`), libfuse());
    }
    for (const name of ["null", "memfs", "perfuse"] as const) {
      if (names.has(name)) run(process.execPath, [join(ROOT, "build.ts"), name]);
    }
  }

  /** Mount a peer on a new directory, its server on one CPU if one is given. Rejects if it does not appear in time. */
  async mount(peer: PeerName, options: readonly string[] = [], cpu?: number): Promise<Mounted> {
    const directory = mkdtempSync(join(this.#root, `${peer}-`));
    if (peer === "tmpfs") {
      run("mount", ["-t", "tmpfs", "-o", "size=75%,nr_inodes=0", "tmpfs", directory]);
      return this.#keep(peer, directory, undefined, undefined);
    }
    const below = OVER_TMPFS.has(peer) ? await this.mount("tmpfs") : undefined;
    const command = this.#command(peer, directory, options, below);
    const asker = this.#asker(peer);
    if (asker) return this.#keep(peer, directory, undefined, below, { asker, daemon: command });
    const server = start(onCpu(cpu, command));
    // Known before it is there: what fails half-way is unmounted too.
    const mounted = this.#keep(peer, directory, server, below);
    await appears(directory, server);
    return mounted;
  }

  /** What asks a daemon over a socket; undefined where something is mounted. */
  #asker(peer: PeerName): readonly string[] | undefined {
    if (peer === "socket") return [join(this.#root, "daemon")];
    if (peer === "hosting") return [process.execPath, join(import.meta.dir, "hosting.ts")];
    return undefined;
  }

  #command(
    peer: PeerName,
    directory: string,
    options: readonly string[],
    below: Mounted | undefined,
  ): string[] {
    const flags = options.length === 0 ? [] : ["-o", options.join(",")];
    if (!below) {
      if (peer === "null" || peer === "memfs") return [ours(peer), "-f", ...flags, directory];
      return [join(this.#root, peer), ...(peer === "floor" ? [] : ["-f"]), ...flags, directory];
    }
    const through = (...more: readonly string[]) => [
      // It keeps a descriptor open for each file that the kernel knows.
      ...["sh", "-c", 'ulimit -n "$(ulimit -H -n)"; exec "$@"', "sh"],
      join(this.#root, THROUGH),
      ...["-f", "-o", [`source=${below.directory}`, ...more].join(",")],
    ];
    if (peer === THROUGH) return [...through(...options), directory];
    const file = join(below.directory, "f");
    writeFileSync(file, "");
    truncateSync(file, 2 ** 30);
    const uncached = through("cache=never", "timeout=0");
    if (peer === "uncached") return [...uncached, directory];
    if (this.#asker(peer)) return [...uncached, "/dev/fd/3"];
    return [ours("perfuse"), "-f", "-o", "route=fd", directory, "--", ...uncached, "{}"];
  }

  /** Unmount all, and take the directories away. */
  async end(): Promise<void> {
    for (const mounted of [...this.#mounts].reverse()) await mounted.unmount();
    rmSync(this.#root, { recursive: true, force: true });
  }

  #keep(
    peer: PeerName,
    directory: string,
    server: ChildProcess | undefined,
    below: Mounted | undefined,
    asks?: Asking,
  ): Mounted {
    const mounted: Mounted = {
      peer,
      directory,
      pid: server?.pid,
      asks,
      unmount: async () => {
        if (!this.#mounts.delete(mounted)) return;
        if (mountAt(directory)) {
          const done = spawnSync("umount", [directory]);
          if (done.status !== 0) run("umount", ["-l", directory]);
        }
        if (server) await leave(server);
        await below?.unmount();
      },
    };
    this.#mounts.add(mounted);
    return mounted;
  }

  #compile(name: string, source: string, flags: readonly string[] = []): void {
    run("cc", ["-O2", "-Wno-unused", "-o", join(this.#root, name), source, ...flags]);
  }
}

/** The peer that others host or ask. */
const THROUGH = "passthrough_ll";
const OVER_TMPFS: ReadonlySet<PeerName> = new Set([
  THROUGH,
  "perfuse",
  "uncached",
  "hosting",
  "socket",
]);

/** The compiled mount program of a plugin of ours. */
export function ours(plugin: "null" | "memfs" | "perfuse"): string {
  return join(ROOT, "dist", `mount_${plugin}`);
}

/** Wait until something is mounted on a directory. Throws with its server's words if that ends before. */
async function appears(directory: string, server: ChildProcess): Promise<void> {
  for (const until = performance.now() + 10_000; mountAt(directory) === undefined; ) {
    if (server.exitCode !== null || performance.now() > until)
      throw new Error(`${server.spawnargs.join(" ")}: nothing is mounted: ${words.get(server)}`);
    await Bun.sleep(1);
  }
}

const ROOT = join(import.meta.dir, "..");
const EXAMPLES = "/usr/share/doc/libfuse3-dev/examples";

/** What a server said last; shown if it fails. */
const words = new WeakMap<ChildProcess, string>();

/** A group of its own: Ctrl-C is for the benchmark, which unmounts. */
function start(command: readonly string[]): ChildProcess {
  const [program = "", ...args] = command;
  const server = spawn("setpriv", ["--pdeathsig", "KILL", program, ...args], {
    stdio: ["ignore", "ignore", "pipe"],
    detached: true,
  });
  server.stderr?.on("data", (bytes: Buffer) => {
    words.set(server, `${words.get(server) ?? ""}${bytes}`.slice(-2000));
  });
  return server;
}

/** It ends by itself when it is unmounted; else it is helped. */
async function leave(server: ChildProcess): Promise<void> {
  for (const until = performance.now() + 10_000; performance.now() < until; ) {
    if (server.exitCode !== null || server.signalCode !== null) return;
    await Bun.sleep(5);
  }
  await end(server);
}

function example(file: string): string {
  const path = join(EXAMPLES, file);
  if (!existsSync(path) || Bun.which("fusermount3") === null) {
    run("apt-get", ["-qq", "update"]);
    run("apt-get", ["-qq", "--yes", "install", "libfuse3-dev", "fuse3", "pkg-config"]);
  }
  if (!existsSync(path)) throw new Error(`${path} is missing: Debian's libfuse3-dev has it`);
  return path;
}

function libfuse(): string[] {
  return run("pkg-config", ["--cflags", "--libs", "fuse3"]).trim().split(/\s+/);
}

function run(program: string, args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${[program, ...args].join(" ")}: ${error ?? stderr}`);
  return stdout;
}
