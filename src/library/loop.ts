/**
 * The loop function of a file server (puffs_ml_setloopfn(3)): called once in each turn of the event loop in which operations were
 * called, and after so long a time without.
 */
export class Loop {
  readonly #failed: (cause: unknown) => void;
  #call: (() => void) | undefined;
  #timeout: number | undefined;
  #timer: Timer | undefined;
  #running = false;
  #scheduled = false;

  /** `failed` gets what the function throws: the mount goes on. */
  constructor(failed: (cause: unknown) => void) {
    this.#failed = failed;
  }

  setFunction(call: (() => void) | undefined): void {
    this.#call = call;
    this.touch();
  }

  /** Milliseconds from one call to the next at most; undefined: as long as there is nothing to do. */
  setTimeout(timeout: number | undefined): void {
    this.#timeout = timeout;
    this.#arm();
  }

  start(): void {
    this.#running = true;
    this.touch();
  }

  stop(): void {
    this.#running = false;
    clearTimeout(this.#timer);
  }

  /** There is something to do in this turn. */
  touch(): void {
    if (this.#scheduled || !this.#running || !this.#call) return;
    this.#scheduled = true;
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    this.#scheduled = false;
    if (!this.#running) return;
    this.#arm();
    try {
      this.#call?.();
    } catch (cause) {
      this.#failed(cause);
    }
  }

  #arm(): void {
    clearTimeout(this.#timer);
    if (this.#timeout === undefined || !this.#running) return;
    this.#timer = setTimeout(() => this.#turn(), this.#timeout);
  }
}
