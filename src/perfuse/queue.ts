/**
 * One at a time: who comes while it is taken waits for its turn, in the order of coming. For what must not run beside itself on
 * one node: opens, writes, changes of size, listings.
 */
export class Turn {
  #taken = false;
  readonly #next: (() => void)[] = [];
  readonly #idle: (() => void)[] = [];

  /** Whether somebody has it or waits for it. */
  get busy(): boolean {
    return this.#taken;
  }

  /** Have the turn for as long as `action` runs. */
  async during<T>(action: () => Promise<T>): Promise<T> {
    if (this.#taken) await new Promise<void>((resolve) => this.#next.push(resolve));
    this.#taken = true;
    try {
      return await action();
    } finally {
      this.#give();
    }
  }

  /** When nobody has it and nobody waits for it. */
  async idle(): Promise<void> {
    while (this.#taken) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #give(): void {
    const next = this.#next.shift();
    if (next) {
      next();
      return;
    }
    this.#taken = false;
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}

/** How many are at work, for those who wait until none is. */
export class Busy {
  #count = 0;
  #waiting: (() => void)[] | undefined;

  enter(): void {
    this.#count++;
  }

  leave(): void {
    this.#count--;
    if (this.#count > 0 || !this.#waiting) return;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    for (const resolve of waiting) resolve();
  }

  async none(): Promise<void> {
    while (this.#count > 0) {
      await new Promise<void>((resolve) => {
        this.#waiting ??= [];
        this.#waiting.push(resolve);
      });
    }
  }
}
