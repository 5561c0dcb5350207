/**
 * How often each operation was asked for, how often it failed, and how long it took. Durations are kept in buckets of a quarter
 * power of two, so that a percentile is within 19 % of the truth and counting costs no allocation; of frequent
 * operations only some are timed, since reading the clock costs as much as serving.
 */
export class Statistics {
  readonly #names: readonly (string | undefined)[];
  readonly #counts: Float64Array;
  readonly #errors: Float64Array;
  readonly #timed: Float64Array;
  /** By operation number; numbers may be far apart. */
  readonly #buckets: readonly (Float64Array | undefined)[];
  /** Requests answered or taken since the mount began. */
  served = 0;

  /** `names` by operation number; holes are numbers that are not in use. */
  constructor(names: readonly (string | undefined)[]) {
    this.#names = names;
    this.#counts = new Float64Array(names.length);
    this.#errors = new Float64Array(names.length);
    this.#timed = new Float64Array(names.length);
    this.#buckets = names.map((name) =>
      name === undefined ? undefined : new Float64Array(BUCKETS),
    );
  }

  /** Whether the request that is about to be served is to be timed. */
  wantsTime(number: number): boolean {
    const count = this.#counts[number] as number;
    return count < ALWAYS_TIMED || (count & TIMED_MASK) === 0;
  }

  /** Count one request of operation `number`, which took `nanoseconds`; below 0 if nobody looked. */
  count(number: number, nanoseconds: number, failed: boolean): void {
    this.served++;
    (this.#counts[number] as number)++;
    if (failed) (this.#errors[number] as number)++;
    if (nanoseconds < 0) return;
    (this.#timed[number] as number)++;
    const buckets = this.#buckets[number];
    if (buckets) (buckets[bucketOf(nanoseconds)] as number)++;
  }

  /** One row per operation that was asked for, in the order of their numbers. Times in nanoseconds. */
  rows(): { name: string; count: number; errors: number; p50: number; p99: number }[] {
    return this.#names.flatMap((name, number) => {
      const count = this.#counts[number] ?? 0;
      if (name === undefined || count === 0) return [];
      const errors = this.#errors[number] ?? 0;
      return [
        {
          name,
          count,
          errors,
          p50: this.#percentile(number, 0.5),
          p99: this.#percentile(number, 0.99),
        },
      ];
    });
  }

  /** The report of SIGUSR1: a heading and a line per operation. */
  lines(): string[] {
    return [
      `${"operation".padEnd(18)}${["count", "errors", "p50", "p99"].map((h) => h.padStart(12)).join("")}`,
      ...this.rows().map(
        ({ name, count, errors, p50, p99 }) =>
          `${name.padEnd(18)}${[count, errors, duration(p50), duration(p99)].map((v) => String(v).padStart(12)).join("")}`,
      ),
    ];
  }

  #percentile(number: number, share: number): number {
    let left = (this.#timed[number] as number) * share;
    for (const [bucket, count] of this.#buckets[number]?.entries() ?? []) {
      left -= count;
      if (left <= 0) return Math.round(2 ** ((bucket + 1) / STEPS));
    }
    return 0;
  }
}

/** So many of each operation are all timed, then one in eight. */
const ALWAYS_TIMED = 64;
const TIMED_MASK = 7;

const STEPS = 4;
const BUCKETS = 40 * STEPS;

function bucketOf(nanoseconds: number): number {
  if (nanoseconds < 2) return 0;
  return Math.min(BUCKETS - 1, Math.floor(Math.log2(nanoseconds) * STEPS));
}

function duration(nanoseconds: number): string {
  if (nanoseconds < 1e3) return `${nanoseconds} ns`;
  if (nanoseconds < 1e6) return `${(nanoseconds / 1e3).toFixed(1)} us`;
  if (nanoseconds < 1e9) return `${(nanoseconds / 1e6).toFixed(1)} ms`;
  return `${(nanoseconds / 1e9).toFixed(1)} s`;
}
