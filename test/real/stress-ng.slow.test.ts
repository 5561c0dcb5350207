import { expect } from "bun:test";
import { onMemfs, type Place, withTmpfs } from "./support.ts";

/** Stressors of the class "filesystem" that are left out, and why. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  "bind-mount": "mounts the whole machine's root in a namespace of its own, not this file system",
  binderfs: "mounts a file system of its own",
  dup: "is about descriptors, of other files than ours",
  eventfd: "is about descriptors without a file system",
  ioprio: "is about the scheduler of block devices",
  procfs: "reads all of /proc",
};

/** What the stressors write; by default it is far more than a test may take. The least that stress-ng(1) lets one ask for. */
const BYTES = [
  ...["fallocate", "fiemap", "hdd", "iomix", "sync-file"].flatMap((name) => [
    `--${name}-bytes`,
    "32m",
  ]),
  ...["--copy-file-bytes", "128m"],
];

/** Room for the largest of them twice. */
const SIZE = "size=512m";

/** How stress-ng(1) ends: 1 means that it was called wrongly. */
const WRONGLY_CALLED = 1;
const FAILED = 2;

onMemfs(
  "stress-ng finds nothing wrong that it does not find wrong on tmpfs",
  { programs: ["stress-ng"], options: SIZE, seconds: 150 },
  async (place) => {
    const failures = new Map<string, Result>();
    const stressors = await filesystemStressors(place);
    for (const stressor of stressors) {
      const result = await stress(place, stressor);
      if (result.status !== 0) failures.set(stressor, result);
    }
    expect(stressors.length - failures.size).toBeGreaterThan(30);

    // What cannot run on tmpfs need not here, and what fails there may.
    await withTmpfs(SIZE, async (tmpfs) => {
      for (const [stressor, { status }] of failures) {
        const theirs = await stress(tmpfs, stressor);
        if (theirs.status === FAILED || (theirs.status !== 0 && status !== FAILED))
          failures.delete(stressor);
      }
    });
    expect(Object.fromEntries(failures)).toEqual({});
    const left = "ls -A; df --block-size=1 --output=used . | tail -n 1 | xargs";
    expect(await place.sh(left)).toBe("0\n");
  },
);

async function filesystemStressors(place: Place): Promise<string[]> {
  const { stdout } = await place.run(["stress-ng", "--class", "filesystem?"]);
  const names = stdout.trim().replace(/^.*: /, "").split(/\s+/);
  return names.filter((name) => !(name in LEFT_OUT));
}

interface Result {
  readonly status: number;
  readonly said: string;
}

/** One stressor, for a second, then what it has found out about what it wrote. */
async function stress(place: Place, stressor: string): Promise<Result> {
  const manner = ["--timeout", "1", "--verify", "--oomable", "--temp-path", "."];
  const { status, stdout, stderr } = await place.run(
    ["stress-ng", `--${stressor}`, "1", ...manner, ...BYTES],
    { timeout: 30 },
  );
  const said = (stdout + stderr).trim();
  if (status === WRONGLY_CALLED) throw new Error(said);
  return { status, said };
}
