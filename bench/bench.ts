/**
 * The benchmark: `bun run bench [--quick] [--only REGEX] [--rounds N]`.
 *
 * Measures what is mounted by this project side by side with others, in one run and in turn, and memfs alone. Prints a table; a
 * file of it and a plot are left in bench/results. Takes some minutes, with --quick less than one: on a machine that is slow, or
 * busy with something else, there are fewer rounds unless --rounds says how many. Needs root. --only chooses rows by their title
 * (such as "memfs, names: unlink, clients: 4"), and parts of what is measured of memfs alone: scale, content, idle, start.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { perform, performOverSocket } from "./client.ts";
import { type Alone, alone, PARTS } from "./figures.ts";
import { dropNames, keepAwake, machine, settle } from "./machine.ts";
import { type Mounted, PEERS, type PeerName, Peers } from "./peers.ts";
import { plot } from "./plot.ts";
import { print, type Report, type Row, summarize } from "./report.ts";
import { overSocket, socketRows } from "./socket.ts";
import { FULL, QUICK, type Step, type Workload, workloads } from "./workloads.ts";

interface Wanted {
  readonly quick: boolean;
  readonly rounds: number;
  /** Milliseconds after which a workload begins no further round. */
  readonly budget: number;
  readonly matches: (name: string) => boolean;
}

if (import.meta.main) {
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.on(signal, () => stop.abort(new Error(`ended by ${signal}`)));
  try {
    const report = await bench(wanted(process.argv.slice(2)), stop.signal);
    console.log(print(report));
    console.log(`\n${save(report).join("\n")}`);
  } catch (error) {
    console.error(`bench: ${error instanceof Error ? error.message : error}`);
    process.exitCode = 1;
  }
}

function wanted(args: string[]): Wanted {
  const { values } = parseArgs({
    args,
    options: {
      quick: { type: "boolean", default: false },
      only: { type: "string", default: "" },
      rounds: { type: "string" },
    },
  });
  const rounds = Number(values.rounds ?? (values.quick ? 1 : 5));
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new Error("--rounds takes a number of 1 or more");
  const only = new RegExp(values.only, "i");
  // A number that is asked for is done, however long it takes.
  const budget = values.rounds !== undefined ? Infinity : values.quick ? 4000 : 40_000;
  return { quick: values.quick, rounds, budget, matches: (name) => only.test(name) };
}

/** Measure. Whatever happens, nothing is left mounted or running. */
async function bench(wanted: Wanted, signal: AbortSignal): Promise<Report> {
  const { quick, rounds, matches } = wanted;
  if (process.geteuid?.() !== 0) throw new Error("run it as root: it mounts and drops caches");
  const scale = quick ? QUICK : FULL;
  const chosen = workloads(scale).filter((workload) =>
    workload.steps.some((step) => isShown(workload, step, matches)),
  );
  const parts = PARTS.filter((part) => matches(part));
  const names = new Set(chosen.flatMap(peersOf));
  const onSocket = socketRows(matches);
  if (parts.length + onSocket.length > 0) names.add("memfs");
  const peers = new Peers();
  const rest = keepAwake();
  try {
    peers.build(names);
    for (const name of names) console.log(`${name}: ${PEERS[name]}`);
    const rows: Row[] = [];
    for (const workload of chosen) rows.push(...(await measure(workload, peers, wanted, signal)));
    rows.push(...(await overSocket(onSocket, peers, scale, wanted, signal)));
    const found: Alone = await alone(parts, peers, quick, signal);
    return { date: new Date().toISOString(), machine: machine(), quick, rounds, rows, ...found };
  } finally {
    try {
      await peers.end();
    } finally {
      await rest();
    }
  }
}

/** Every step on one peer after the other, then the next step; and all of it again in each round. */
async function measure(
  workload: Workload,
  peers: Peers,
  { rounds, budget, matches }: Wanted,
  signal: AbortSignal,
): Promise<Row[]> {
  const { name, ours, other, clients, steps, options, cpus } = workload;
  console.log(`measuring ${name}, clients: ${clients}`);
  const mounts: (Mounted & { directories: string[] })[] = [];
  try {
    for (const peer of peersOf(workload)) {
      const mounted = await peers.mount(peer, peer === "tmpfs" ? [] : options, cpus?.server);
      mounts.push({ ...mounted, directories: directoriesOf(mounted.directory, workload) });
    }
    const samples = steps.map(
      () => Object.fromEntries(mounts.map(({ peer }) => [peer, []])) as Record<string, number[]>,
    );
    const until = performance.now() + budget;
    for (let round = 0; round < rounds; round++) {
      if (round > 0 && performance.now() > until) break;
      for (const [index, { work, forgotten, things = 1, unit }] of steps.entries()) {
        // Who is first changes, should it matter.
        for (const mount of round % 2 === 0 ? mounts : mounts.toReversed()) {
          if (forgotten) {
            dropNames();
            await Promise.all(mounts.map(({ pid }) => pid && settle(pid)));
          }
          const { directories, asks } = mount;
          const taken = asks
            ? await performOverSocket(asks, clients, work, signal, cpus?.client)
            : await perform(peers.client, directories, work, signal, cpus?.client);
          const amount = unit === "MiB/s" ? (work.size ?? 0) / 2 ** 20 : things;
          const rate = (taken.operations * amount * 1e9) / taken.nanoseconds;
          samples[index]?.[mount.peer]?.push(rate);
        }
      }
    }
    return steps.flatMap((step, index) =>
      isShown(workload, step, matches)
        ? summarize({
            workload: name,
            row: step.row ?? "",
            clients,
            unit: step.unit ?? "ops/s",
            ours,
            other,
            target: step.target,
            samples: samples[index] ?? {},
          })
        : [],
    );
  } finally {
    for (const mount of mounts.reverse()) await mount.unmount();
  }
}

function isShown(workload: Workload, { row }: Step, matches: Wanted["matches"]): boolean {
  return row !== undefined && matches(`${workload.name}: ${row}, clients: ${workload.clients}`);
}

function peersOf({ ours, other, beside }: Workload): PeerName[] {
  return [ours, other, ...beside];
}

function directoriesOf(directory: string, workload: Workload): string[] {
  if (!workload.separate) return Array(workload.clients).fill(directory);
  return Array.from({ length: workload.clients }, (_, client) => {
    const own = join(directory, `client${client}`);
    mkdirSync(own);
    return own;
  });
}

/** Write the files of the results, and answer their names. */
function save(report: Report): string[] {
  const directory = join(import.meta.dir, "results");
  mkdirSync(directory, { recursive: true });
  const base = join(directory, report.date.replaceAll(":", ""));
  writeFileSync(`${base}.json`, `${JSON.stringify(report, null, 2)}\n`);
  writeFileSync(`${base}.svg`, plot(report));
  return [`${base}.json`, `${base}.svg`];
}
