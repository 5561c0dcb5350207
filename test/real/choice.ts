import type { NewTime } from "../support/client.ts";
import * as flags from "../support/client.ts";
import type { Random } from "../support/random.ts";

/** How many files are open at most: each is called by its number from 0. */
export const OPEN_FILES = 4;

/** Random parameters of the calls. */
export class Choice {
  readonly random: Random;

  constructor(random: Random) {
    this.random = random;
  }

  name(): string {
    if (this.random.oneIn(60))
      return this.random.pick(["n".repeat(255), "n".repeat(256), "\udcff\udc80"]);
    return this.random.pick(["a", "b", "c", "d", "e", "f"]);
  }

  path(): string {
    const depth = this.random.pick([1, 1, 1, 2, 2, 3]);
    const path = `/${Array.from({ length: depth }, () => this.name()).join("/")}`;
    return this.random.oneIn(40) ? path + this.random.pick(["/", "/.", "/.."]) : path;
  }

  target(): string {
    if (this.random.oneIn(20))
      return this.random.pick(["", "t".repeat(200), "t".repeat(4095), "."]);
    return this.random.pick(["a", "b", "../a", "a/b", "nowhere", "../b/c"]);
  }

  mode(): number {
    const { random } = this;
    const permissions = random.pick([0o777, 0o777, 0o777, 0o755, 0o700, 0o666, 0o070, 0o000]);
    if (!random.oneIn(3)) return permissions;
    const special = random.pick([0o1000, 0o2000, 0o4000, 0o6000]);
    return (permissions & 0o010) === 0 ? permissions | (special & ~0o2000) : permissions | special;
  }

  /** User and group, one of which may be left as it is. */
  owners(): [number, number] {
    const { random } = this;
    const group = random.pick([-1, 0, 1001, 1002, 3000]);
    return [random.pick(group === -1 ? [0, 1001, 1002] : [-1, -1, 0, 1001, 1002]), group];
  }

  offset(): number {
    return this.random.oneIn(3) ? 4096 * this.random.below(20) : this.random.below(90_000);
  }

  length(): number {
    const { random } = this;
    return random.pick([0, 1, 100, 4096, 8192, random.below(9000), random.below(60_000)]);
  }

  content(): Uint8Array {
    return new Uint8Array(this.length()).fill(this.random.between(1, 255));
  }

  file(): number {
    return this.random.below(OPEN_FILES);
  }

  time(): NewTime {
    const { random } = this;
    return random.pick(["now", "omit", { sec: random.below(1000), nsec: random.below(1e9) }]);
  }

  flags(): number {
    const { random } = this;
    const mode = random.pick([flags.O_RDONLY, flags.O_WRONLY, flags.O_RDWR, flags.O_RDWR]);
    const more = [flags.O_CREAT, flags.O_EXCL, flags.O_TRUNC, flags.O_APPEND, flags.O_NOFOLLOW];
    const set = more.reduce((all, flag) => (random.oneIn(4) ? all | flag : all), mode | O_NONBLOCK);
    return random.oneIn(10) ? set | flags.O_DIRECTORY : random.oneIn(2) ? set | flags.O_CREAT : set;
  }

  attribute(): string {
    const { random } = this;
    if (random.oneIn(15))
      return random.pick(["nothing", "unknown.x", "user.", `user.${"x".repeat(251)}`]);
    return random.pick(["user.x", "user.y", "user.x", "user.y", "trusted.t", "security.s"]);
  }

  value(): Uint8Array {
    const { random } = this;
    const length = random.pick([0, 1, 30, 300, 3000]);
    return random.bytes(random.oneIn(100) ? 65_537 : length);
  }
}

// Opening a FIFO must not wait. <asm-generic/fcntl.h>
const O_NONBLOCK = 0o4000;
