/** What is measured of memfs alone: does it scale, what does it take, how soon is it there. */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Kind, perform, type Work } from "./client.ts";
import { cpuTime, dropNames, residentMemory, settle } from "./machine.ts";
import { type Mounted, ours, type Peers } from "./peers.ts";
import { type Curve, type Figure, growth, median, number } from "./report.ts";

export interface Alone {
  readonly curves: Curve[];
  readonly figures: Figure[];
}

interface Extent {
  /** Files in the directory, growing. */
  readonly sizes: readonly number[];
  /** Operations of one measurement. */
  readonly sample: number;
  readonly repeats: number;
  /** Bytes of one big file. */
  readonly big: number;
  /** Files of one page. */
  readonly small: number;
  /** Milliseconds of doing nothing. */
  readonly idle: number;
}

const MiB = 2 ** 20;
const PAGE = 4096;

const FULL: Extent = {
  sizes: [1000, 10_000, 100_000, 1_000_000],
  sample: 1000,
  repeats: 5,
  big: 512 * MiB,
  small: 100_000,
  idle: 5000,
};

const QUICK: Extent = {
  sizes: [1000, 10_000, 30_000],
  sample: 500,
  repeats: 3,
  big: 256 * MiB,
  small: 10_000,
  idle: 1000,
};

/** Names of the parts, for --only. */
export const PARTS = ["scale", "content", "idle", "start"] as const;
export type Part = (typeof PARTS)[number];

/** Measure the parts, each on a mount of its own, which is gone afterwards. */
export async function alone(
  parts: readonly Part[],
  peers: Peers,
  quick: boolean,
  signal: AbortSignal,
): Promise<Alone> {
  const extent = quick ? QUICK : FULL;
  const curves: Curve[] = [];
  const figures: Figure[] = [];
  const on = async (part: Part, measure: (at: Mount) => Promise<void>) => {
    if (!parts.includes(part)) return;
    const mounted = await peers.mount("memfs");
    try {
      await measure(new Mount(mounted, peers.client, signal));
    } finally {
      await mounted.unmount();
    }
  };
  await on("scale", async (mount) => {
    const found = await scale(mount, extent);
    curves.push(...found.curves);
    figures.push(...found.figures);
  });
  await on("content", async (mount) => {
    figures.push(...(await bigFile(mount, extent)));
  });
  await on("content", async (mount) => {
    figures.push(...(await smallFiles(mount, extent)));
  });
  await on("idle", async (mount) => {
    figures.push(await idle(mount, extent));
  });
  if (parts.includes("start")) figures.push(await start(extent, signal));
  return { curves, figures };
}

/** A mount and what is done to it. */
class Mount {
  readonly directory: string;
  readonly pid: number;
  readonly #client: string;
  readonly #signal: AbortSignal;

  constructor({ directory, pid }: Mounted, client: string, signal: AbortSignal) {
    if (pid === undefined) throw new Error("no server");
    this.directory = directory;
    this.pid = pid;
    this.#client = client;
    this.#signal = signal;
  }

  /** Nanoseconds of one operation. */
  async cost(work: Work): Promise<number> {
    const directories = [this.directory];
    const { nanoseconds, operations } = await perform(
      this.#client,
      directories,
      work,
      this.#signal,
    );
    return nanoseconds / operations;
  }

  /** Bytes, once the server has come to rest. */
  async memory(): Promise<number> {
    await settle(this.pid);
    return residentMemory(this.pid);
  }

  async forget(): Promise<void> {
    dropNames();
    await settle(this.pid);
  }
}

/** Files are taken from all over the directory, and their names are new to the kernel. */
async function scale(mount: Mount, { sizes, sample, repeats }: Extent): Promise<Alone> {
  const curves: Curve[] = OPERATIONS.map(({ operation }) => ({ operation, points: [] }));
  const before = await mount.memory();
  let files = 0;
  let perFile = 0;
  for (const size of sizes) {
    await mount.cost({ kind: "fill", count: size - files, first: files });
    files = size;
    perFile = ((await mount.memory()) - before) / files;
    const costs = OPERATIONS.map(() => [] as number[]);
    for (let repeat = 0; repeat < repeats; repeat++) {
      for (const [index, { kind, fresh, forgotten }] of OPERATIONS.entries()) {
        if (forgotten) await mount.forget();
        const stride = fresh ? 1 : Math.floor(files / sample);
        const first = fresh ? files : repeat % stride;
        costs[index]?.push(await mount.cost({ kind, count: sample, first, stride, size: 1024 }));
      }
    }
    curves.forEach(({ points }, index) => {
      (points as Point[]).push({ files, cost: median(costs[index] ?? []) });
    });
  }
  const many = files.toLocaleString("en");
  return {
    curves,
    figures: [
      ...curves.map((curve) => ({
        figure: `${curve.operation}: cost with ${many} files to that with 1,000`,
        value: growth(curve),
        unit: "times",
        atMost: 1.5,
      })),
      {
        figure: `memory of an empty file, of ${many}`,
        value: perFile,
        unit: "bytes",
        atMost: 1024,
      },
    ],
  };
}

type Point = Curve["points"][number];

const OPERATIONS: readonly {
  readonly operation: string;
  readonly kind: Kind;
  /** On files beside those that are there. */
  readonly fresh: boolean;
  readonly forgotten: boolean;
}[] = [
  { operation: "create and write 1 KiB", kind: "create", fresh: true, forgotten: false },
  { operation: "stat", kind: "stat", fresh: false, forgotten: true },
  { operation: "open and read", kind: "open-read", fresh: false, forgotten: true },
  { operation: "unlink", kind: "unlink", fresh: true, forgotten: false },
];

async function bigFile(mount: Mount, { big }: Extent): Promise<Figure[]> {
  const before = await mount.memory();
  await mount.cost({ kind: "write", count: big / MiB, size: MiB });
  const full = await mount.memory();
  await mount.cost({ kind: "unlink-data", count: 1 });
  return contentFigures("a big file", big, { before, full, after: await mount.memory() });
}

/** The files are there before and are gone after: what they take without content is a figure of its own. */
async function smallFiles(mount: Mount, { small: count }: Extent): Promise<Figure[]> {
  await mount.cost({ kind: "fill", count });
  const before = await mount.memory();
  await mount.cost({ kind: "overwrite", count, size: PAGE });
  const full = await mount.memory();
  await mount.cost({ kind: "unlink", count });
  return contentFigures("files of 4 KiB", count * PAGE, {
    before,
    full,
    after: await mount.memory(),
  });
}

function contentFigures(
  what: string,
  content: number,
  memory: { readonly before: number; readonly full: number; readonly after: number },
): Figure[] {
  const { before, full, after } = memory;
  return [
    {
      figure: `memory beyond the content, ${what}`,
      value: ((full - before) / content - 1) * 100,
      unit: "%",
      atMost: 5,
    },
    {
      figure: `memory kept when ${number(content / MiB)} MiB are deleted, ${what}`,
      value: Math.max(0, after - before) / MiB,
      unit: "MiB",
      atMost: KEPT,
    },
  ];
}

/** A constant, whatever was there: what is kept for the next files. */
const KEPT = 48;

async function idle(mount: Mount, { idle: span }: Extent): Promise<Figure> {
  await mount.cost({ kind: "create", count: 1000, size: 1024 });
  // What the requests left to do, such as collecting garbage, is not idleness.
  await Bun.sleep(AFTER);
  await settle(mount.pid);
  const before = cpuTime(mount.pid);
  await Bun.sleep(span);
  return {
    figure: `CPU time of an idle mount in ${span / 1000} s`,
    value: cpuTime(mount.pid) - before,
    unit: "ms",
    atMost: 0,
  };
}

/** Milliseconds. */
const AFTER = 3000;

/** From the execution of the mount program, which detaches itself, to the end of `ls` on the mount. */
async function start({ repeats }: Extent, signal: AbortSignal): Promise<Figure> {
  const times: number[] = [];
  for (let repeat = 0; repeat < repeats; repeat++) {
    signal.throwIfAborted();
    const directory = mkdtempSync(join(tmpdir(), "puffs-bench-start-"));
    try {
      const begin = performance.now();
      await succeed(ours("memfs"), [directory]);
      await succeed("ls", [directory]);
      times.push(performance.now() - begin);
    } finally {
      spawnSync("umount", [directory]);
      rmSync(directory, { recursive: true });
    }
  }
  return { figure: "from exec to the first `ls`", value: median(times), unit: "ms", atMost: 150 };
}

function succeed(program: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["ignore", "ignore", "inherit"] });
    child.once("error", reject);
    child.once("exit", (code) => {
      if (code === 0) resolve();
      else reject(new Error(`${program} failed`));
    });
  });
}
