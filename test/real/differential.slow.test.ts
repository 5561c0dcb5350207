import { expect } from "bun:test";
import { S_IFLNK, S_IFMT } from "../../src/mode.ts";
import type { Client, Moment, Stat } from "../support/client.ts";
import { posixClient } from "../support/posix-client.ts";
import { Random } from "../support/random.ts";
import { OPEN_FILES } from "./choice.ts";
import { given, seen, snapshot } from "./snapshot.ts";
import { randomStep, type Side, type Step } from "./steps.ts";
import { onMemfs, type Place, withTmpfs } from "./support.ts";

/** With PUFFS_SEED=number in the environment, that one only. */
const SEEDS = process.env.PUFFS_SEED ? [Number(process.env.PUFFS_SEED)] : [1, 2, 3, 4];
const STEPS = Number(process.env.PUFFS_STEPS ?? 4000);

/** After how many steps all that there is is compared. */
const WHOLE = 100;

/** Who acts: root and two users with a group in common. */
const ACTORS = [
  { uid: 0, gid: 0, groups: [], umask: 0o022 },
  { uid: 1001, gid: 1001, groups: [3000], umask: 0o002 },
  { uid: 1002, gid: 1002, groups: [3000], umask: 0o027 },
];

/*
 * Where the two may differ, and why:
 *
 * what                                     why
 * ---------------------------------------  -----------------------------------------------------------------------
 * atime, unless a step sets it             reads that the page cache answers do not reach a FUSE server
 * set-group-ID without execute permission  Linux drops it when somebody outside the group writes; FUSE does not tell
 *   for the group: no step sets it         a server the groups of who writes
 * truncate(2) to the size that is there    FUSE asks the same of open(2) with O_TRUNC, which has to move the times, so here
 *                                          both do; on tmpfs it moves none
 * chown(2) that leaves both as they are    by others than the owner: FUSE asks what it asks when somebody writes to a
 *                                          set-user-ID file; on tmpfs EPERM if there is such a bit to clear
 * holes and data in reserved space         tmpfs takes it for data when it is reserved a second time, else for holes
 * holes and data in directories            lseek(2) of a directory is the kernel's own affair: EINVAL there, ENXIO on FUSE
 * sizes of directories                     mean nothing to a program; tmpfs counts 20 bytes for each name
 */

for (const seed of SEEDS) {
  const options = "nosuid,nodev,size=64m";
  onMemfs(
    `memfs does what tmpfs does, ${STEPS} random steps, seed ${seed}`,
    { options: `${options},allow_other`, seconds: 120 },
    (memfs) =>
      withTmpfs(`${options},mode=1777`, (tmpfs) =>
        onSide(memfs, (ours) => onSide(tmpfs, (theirs) => compare(seed, ours, theirs))),
      ),
  );
}

async function onSide(place: Place, work: (side: Side) => Promise<void>): Promise<void> {
  // One level down, so that links to ".." stay on the file system.
  await place.sh("mkdir --mode 1777 top");
  const root = posixClient(`${place.path}/top`);
  try {
    const open = Array.from({ length: OPEN_FILES }, () => undefined);
    await work({ actors: ACTORS.map((actor) => root.as(actor)), open, reserved: new Set() });
  } finally {
    await root.close();
  }
}

async function compare(seed: number, memfs: Side, tmpfs: Side): Promise<void> {
  const random = new Random(seed);
  const done: string[] = [];
  try {
    for (let number = 1; number <= STEPS; number++) {
      const step = randomStep(random, ACTORS.length);
      done.push(`${number}. ${step.text}`);
      const recent = Date.now() - GRANULARITY;
      const [ours, theirs] = await Promise.all([observe(step, memfs), observe(step, tmpfs)]);
      expect({ memfs: ours.result }).toEqual({ memfs: theirs.result });
      expect({ memfs: ours.after }).toEqual({ memfs: theirs.after });
      const visible = theirs.times.map((times) => datable(times, step, recent));
      const changed = ({ times }: Observation) =>
        visible.map((names, index) => moved(times[index], names));
      expect({ memfs: changed(ours) }).toEqual({ memfs: changed(theirs) });
      if (number % WHOLE === 0) {
        const [all, wanted] = await Promise.all(
          [memfs, tmpfs].map(({ actors }) => snapshot(actors[0] as Client)),
        );
        expect(all).toEqual(wanted as Record<string, unknown>);
      }
    }
  } catch (error) {
    console.error(`seed ${seed}; the last steps:\n${done.slice(-12).join("\n")}`);
    throw error;
  }
}

/** What a step answered, and what it left behind on the files it was about. */
interface Observation {
  readonly result: unknown;
  readonly after: unknown;
  /** Of each file that was there before and still is: its times then and now. */
  readonly times: readonly (BeforeAndAfter | undefined)[];
}

type BeforeAndAfter = readonly [before: Stat, after: Stat];
type TimeName = "atime" | "mtime" | "ctime";

async function observe(step: Step, side: Side): Promise<Observation> {
  const before = await stats(step, side);
  const result = await outcome(step.run(side));
  const after = await stats(step, side);
  return {
    result,
    after: after.map((stat) => (typeof stat === "object" ? seen(stat) : stat)),
    times: before.map((stat, index) => {
      const now = after[index];
      return typeof stat === "object" && typeof now === "object" && stat.ino === now.ino
        ? [stat, now]
        : undefined;
    }),
  };
}

/** The names of a step, the directories that they are in, and open files, as root sees them. */
function stats(
  { paths, files }: Step,
  { actors, open }: Side,
): Promise<(Stat | string | undefined)[]> {
  const root = actors[0] as Client;
  const parents = paths.map((path) => path.replace(/[^/]+\/*$/, ""));
  return Promise.all([
    ...[...paths, ...parents].map((path) => statOf(root.lstat(path))),
    ...files.map((file) => open[file]).map((file) => file && statOf(file.descriptor.stat())),
  ]);
}

async function statOf(asked: Promise<Stat>): Promise<Stat | string> {
  return asked.catch((error) => error.code ?? String(error));
}

async function outcome(doing: Promise<unknown>): Promise<unknown> {
  try {
    return await doing;
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === undefined) throw error;
    return code;
  }
}

/** The kernel's clock for times of files may be as coarse as this: what moves within it does not show. Milliseconds. */
const GRANULARITY = 20;

/** Which times of a file would show that they were moved by this step, as they were older than `recent`. */
function datable(times: BeforeAndAfter | undefined, { name }: Step, recent: number): TimeName[] {
  if (times === undefined) return [];
  // A symbolic link that is followed is read.
  const isLink = (times[0].mode & S_IFMT) === S_IFLNK;
  const setsAtime = name === "lutimes" || (name.endsWith("utimes") && !isLink);
  const names: TimeName[] = setsAtime ? ["atime", "mtime", "ctime"] : ["mtime", "ctime"];
  return names.filter((name) => milliseconds(times[0][name]) < recent);
}

/** Those of the times that are other ones now, and what they were set to if they were set. */
function moved(times: BeforeAndAfter | undefined, names: TimeName[]): unknown {
  if (times === undefined) return undefined;
  const [before, after] = times;
  const other = names.filter((name) => milliseconds(before[name]) !== milliseconds(after[name]));
  return other.map((name) => [name, given(after[name])]);
}

function milliseconds({ sec, nsec }: Moment): number {
  return sec * 1000 + nsec / 1e6;
}
