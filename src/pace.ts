import { monotonic } from "../ffi/clock.ts";

/**
 * How to wait for the next request while requests come: sleep in the kernel until it is there, or look again and again. Which is
 * quicker depends on where the scheduler puts client and server (a sleeper is woken on the client's CPU, or across the machine), and
 * that changes. So both are tried in turn, for a share of the time, and the better is kept.
 */
export class Pace {
  #looking = false;
  #trial = true;
  #rounds = 0;
  #since = 0;
  #rate: [sleeping: number, looking: number] = [0, 0];
  #left = PHASE;

  /** Whether to look rather than sleep, for the wait that comes. */
  get looking(): boolean {
    return this.#looking;
  }

  /** One more request was served. */
  served(): void {
    if (--this.#left > 0) return;
    const now = monotonic();
    const rate = PHASE / (now - this.#since);
    this.#rate[this.#looking ? 1 : 0] = rate;
    this.#since = now;
    this.#left = PHASE;
    this.#rounds++;
    if (this.#trial) {
      this.#looking = this.#rounds === 1;
      this.#trial = this.#rounds < 2;
      if (!this.#trial) this.#looking = this.#rate[1] > this.#rate[0] * MARGIN;
    } else if (this.#rounds % TRIAL_EVERY === 0) {
      this.#rounds = 0;
      this.#trial = true;
      this.#looking = false;
    }
  }

  /** Nothing came for long: what was measured is stale. */
  rested(): void {
    this.#looking = false;
    this.#trial = true;
    this.#rounds = 0;
    this.#left = PHASE;
    this.#since = monotonic();
  }
}

/** Requests between two decisions. */
const PHASE = 256;
/** Phases that the better way is kept for until both are tried again. */
const TRIAL_EVERY = 64;
/** Looking burns a CPU that others may want: it must be this much better. */
const MARGIN = 1.1;
