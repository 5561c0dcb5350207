import { now, type Time } from "../../ffi/clock.ts";
import { errnoNumber } from "../fuse/errno.ts";
import { Opcode } from "../fuse/opcodes.ts";
import type { Hosting, ObservedExchange, Observer } from "./host.ts";

/**
 * The last exchanges with a daemon, for perfused's SIGUSR1: what was asked, when, how it ended and how long it took. Keeps 4096 of
 * them; more only while the oldest has no answer. Nothing is noted down before `enabled`, or after.
 */
export class Trace implements Observer {
  enabled = false;
  readonly #clock: () => Time;
  readonly #records = new Map<ObservedExchange, TraceRecord>();

  constructor(clock: () => Time = now) {
    this.#clock = clock;
  }

  begin(exchange: ObservedExchange): void {
    if (!this.enabled) return;
    this.#records.set(exchange, { begun: this.#clock(), elapsed: undefined, error: 0 });
    this.#trim();
  }

  end(exchange: ObservedExchange, error: Parameters<NonNullable<Observer["end"]>>[1]): void {
    const record = this.#records.get(exchange);
    if (record === undefined) return;
    record.elapsed = nanoseconds(record.begun, this.#clock());
    record.error = error === undefined ? 0 : errnoNumber(error);
    this.#trim();
  }

  /** The file: the exchanges, oldest first; statistics of those that have ended; what the hosting counts. */
  text({ nodes, exchanges, leaked }: Hosting["counts"]): string {
    return [
      `Last ${this.#records.size} operations`,
      ...[...this.#records].map(([exchange, record]) => operationLine(exchange, record)),
      "",
      "Statistics by operation",
      "operation\tcount\tmin\tavg\tmax",
      ...this.#statistics(),
      "",
      "",
      "Global statistics",
      `Nodes: ${nodes}`,
      `Exchanges: ${exchanges}`,
      `Nodes possibly leaked: ${leaked}`,
      "",
    ].join("\n");
  }

  #trim(): void {
    for (const [exchange, { elapsed }] of this.#records) {
      if (this.#records.size <= MOST_RECORDS || elapsed === undefined) return;
      this.#records.delete(exchange);
    }
  }

  /** Every operation of the protocol that perfused speaks, also those that were not asked for; of later ones those that were. */
  #statistics(): string[] {
    const times = new Map<number, number[]>();
    for (let opcode = 0; opcode <= LAST_LISTED; opcode++) times.set(opcode, []);
    for (const [{ opcode }, { elapsed }] of this.#records) {
      if (elapsed === undefined) continue;
      const list = times.get(opcode) ?? [];
      list.push(elapsed);
      times.set(opcode, list);
    }
    return [...times].map(([opcode, all]) => {
      const shown = [least(all), average(all), most(all)].map(duration);
      return `${[operationName(opcode), all.length, ...shown].join("\t")}\t`;
    });
  }
}

/** What perfused calls an operation: those it never sends have no name of their own. */
export function operationName(opcode: number): string {
  return UNNAMED.includes(opcode) ? UNKNOWN : (NAMES.get(opcode) ?? UNKNOWN);
}

interface TraceRecord {
  readonly begun: Time;
  /** Nanoseconds; undefined while there is no answer. */
  elapsed: number | undefined;
  /** The errno number of the daemon. */
  error: number;
}

const MOST_RECORDS = 4096;

function operationLine(
  { opcode, name, path }: ObservedExchange,
  { begun, elapsed, error }: TraceRecord,
): string {
  const extra = path === undefined ? "" : `path = "${plain(path)}" `;
  const head = `${begun.sec}.${padded(begun.nsec)} ${operationName(opcode)} "${plain(name)}" ${extra}`;
  if (elapsed === undefined) return `${head}ongoing `;
  return `${head}error = ${error} elapsed = ${duration(elapsed)} `;
}

function least(times: readonly number[]): number {
  return times.reduce((so, one) => Math.min(so, one), times[0] ?? 0);
}

function average(times: readonly number[]): number {
  return Math.floor(times.reduce((sum, one) => sum + one, 0) / Math.max(1, times.length));
}

function most(times: readonly number[]): number {
  return times.reduce((so, one) => Math.max(so, one), 0);
}

/** A name of the daemon's makes no line of its own. */
function plain(name: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return name.slice(0, LONGEST_NAME).replace(/[\u0000-\u001f\u007f]/g, "?");
}

const LONGEST_NAME = 255;

function nanoseconds(from: Time, to: Time): number {
  // The clock of the day may be set back.
  return Math.max(0, (to.sec - from.sec) * 1e9 + (to.nsec - from.nsec));
}

function duration(time: number): string {
  return `${Math.floor(time / 1e9)}.${padded(time % 1e9)}`;
}

function padded(nsec: number): string {
  return String(nsec).padStart(9, "0");
}

const UNKNOWN = "UNKNOWN";
const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(Opcode).map(([name, opcode]) => [opcode, name]),
);
const UNNAMED: readonly number[] = [Opcode.NOTIFY_REPLY, Opcode.BATCH_FORGET, Opcode.FALLOCATE];
const LAST_LISTED = Opcode.FALLOCATE;
