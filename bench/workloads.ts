/** What is measured side by side: one table. */
import type { Work } from "./client.ts";
import type { PeerName } from "./peers.ts";

const KiB = 1024;
const MiB = 1024 * KiB;

/** How much is done; --quick does less. */
export interface Scale {
  /** Operations of a row of the null plugin that takes some microseconds each. */
  readonly requests: number;
  /** Its transfers of 1 MiB. */
  readonly transfers: number;
  /** Files in the directory in which all clients work. */
  readonly files: number;
  /** Bytes of the file that all clients together write and read. */
  readonly content: number;
}

export const FULL: Scale = {
  requests: 40_000,
  transfers: 1500,
  files: 10_000,
  content: 256 * MiB,
};

export const QUICK: Scale = { requests: 5000, transfers: 200, files: 500, content: 32 * MiB };

/** One row, or a preparation of the next if it has no name. Steps are done in order. */
export interface Step {
  readonly row?: string;
  readonly work: Work;
  /** The kernel is made to forget names and attributes before. */
  readonly forgotten?: true;
  /** What an operation stands for when a client does fewer of them than things: entries that `ls` lists. */
  readonly things?: number;
  readonly unit?: "ops/s" | "MiB/s";
  /** The least ratio of ours to the other; none: for information. */
  readonly target?: number;
}

export interface Cpus {
  readonly server: number;
  readonly client: number;
}

/** Steps on one mount of each peer. */
export interface Workload {
  readonly name: string;
  readonly ours: PeerName;
  /** Whom ours is compared with. */
  readonly other: PeerName;
  /** Shown beside the two. */
  readonly beside: readonly PeerName[];
  /** Options of FUSE peers' mounts. */
  readonly options: readonly string[];
  readonly clients: number;
  /** On which CPUs server and clients run. Left out: where the scheduler puts them. */
  readonly cpus?: Cpus;
  /** Each client works in a directory of its own; else all work in one. */
  readonly separate: boolean;
  readonly steps: readonly Step[];
}

export function workloads(scale: Scale): Workload[] {
  const direct = ["direct_io", "attr_timeout=0"];
  const framework = {
    ours: "null",
    other: "floor",
    beside: [],
    clients: 1,
    separate: false,
  } as const;
  // Whether the two share a CPU decides more than either of them does, and is chance: so both are measured.
  const placed = [
    { place: "on one CPU", cpus: { server: 0, client: 0 } },
    { place: "on two CPUs", cpus: { server: 0, client: 1 } },
  ] as const;
  const daemons = {
    other: "socket",
    options: [],
    separate: false,
  } as const;
  const memory = {
    ours: "memfs",
    other: "passthrough_ll",
    beside: ["tmpfs"],
    options: [],
  } as const;
  return [
    ...placed.flatMap(({ place, cpus }) => [
      {
        ...framework,
        name: `null, ${place}`,
        options: direct,
        cpus,
        steps: requests(scale),
      },
      {
        ...framework,
        name: `null, names not cached, ${place}`,
        options: [...direct, "entry_timeout=0"],
        cpus,
        steps: [
          { row: "lookup", work: { kind: "lookup", count: scale.requests }, target: 0.85 } as const,
        ],
      },
    ]),
    {
      ...framework,
      name: "null beside libfuse",
      other: "hello_ll",
      options: [],
      steps: [
        { row: "getattr of the root", work: { kind: "getattr-root", count: scale.requests } },
        { row: "lookup of an absent name", work: { kind: "absent", count: scale.requests } },
      ],
    },
    ...[1, 8].flatMap((clients) =>
      (["perfuse", "hosting"] as const).flatMap((ours) => {
        const name = ours === "perfuse" ? "perfuse" : "perfuse, without a mount";
        const beside = ours === "perfuse" ? (["uncached"] as const) : [];
        const workload = { ...daemons, ours, beside, clients, steps: hosted(scale, clients) };
        return [
          { ...workload, name },
          { ...workload, name: `${name}, all on one CPU`, cpus: { server: 0, client: 0 } },
        ];
      }),
    ),
    ...[1, 4].flatMap((clients) => [
      { ...memory, name: "memfs, names", separate: false, clients, steps: names(scale, clients) },
      {
        ...memory,
        name: "memfs, content",
        separate: true,
        clients,
        steps: content(scale, clients),
      },
    ]),
  ];
}

function requests({ requests: count, transfers }: Scale): Step[] {
  return [
    { row: "getattr", work: { kind: "getattr", count }, target: 0.85 },
    { row: "lookup of an absent name", work: { kind: "absent", count }, target: 0.85 },
    { row: "4 KiB read", work: { kind: "read", count, size: 4 * KiB }, target: 0.85 },
    { row: "4 KiB write", work: { kind: "write", count, size: 4 * KiB }, target: 0.85 },
    {
      row: "1 MiB read",
      work: { kind: "read", count: transfers, size: MiB },
      unit: "MiB/s",
      target: 0.9,
    },
    {
      row: "1 MiB write",
      work: { kind: "write", count: transfers, size: MiB },
      unit: "MiB/s",
      target: 0.9,
    },
  ];
}

function hosted({ requests, transfers }: Scale, clients: number): Step[] {
  return [
    { row: "getattr", work: { kind: "getattr", count: requests / clients }, target: 0.6 },
    {
      row: "128 KiB read",
      work: { kind: "read", count: (2 * transfers) / clients, size: 128 * KiB },
      target: 0.8,
    },
  ];
}

function names({ files }: Scale, clients: number): Step[] {
  const count = files / clients;
  const target = 1;
  return [
    { row: "create and write 1 KiB", work: { kind: "create", count, size: KiB }, target },
    { row: "stat, nothing cached", work: { kind: "stat", count }, forgotten: true, target },
    { row: "stat, cached", work: { kind: "stat-again", count }, target },
    { row: "stat of absent names", work: { kind: "absent", count }, forgotten: true, target },
    { row: "open and read 1 KiB", work: { kind: "open-read", count }, forgotten: true, target },
    {
      row: `ls -l of ${files.toLocaleString("en")} entries`,
      work: { kind: "list", count: 1 },
      forgotten: true,
      things: files,
      target,
    },
    { row: "rename", work: { kind: "rename", count }, target },
    { row: "unlink", work: { kind: "unlink", count }, target },
  ];
}

function content(scale: Scale, clients: number): Step[] {
  const bytes = scale.content / clients;
  const whole = { count: bytes / MiB, size: MiB };
  // An eighth of the file, each page once.
  const pages = { count: bytes / (4 * KiB) / 8, size: 4 * KiB };
  const unit = "MiB/s";
  const target = 1;
  return [
    { row: "1 MiB sequential write", work: { kind: "write", ...whole }, unit, target },
    { row: "1 MiB sequential read", work: { kind: "read", ...whole }, unit, target },
    { row: "the same, cached", work: { kind: "read-again", ...whole }, unit, target },
    { row: "random 4 KiB write", work: { kind: "random-write", ...pages }, target },
    { row: "random 4 KiB read", work: { kind: "random-read", ...pages }, target },
    { work: { kind: "unlink-data", count: 1 } },
  ];
}
