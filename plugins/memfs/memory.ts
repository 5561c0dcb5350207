import { allocateHugePage, freeHugePage, HUGE_PAGE } from "puffs";

/** Memory for one slab. */
export interface Memory {
  /** All of `bytes` lies in it. A Buffer for its `copy`, which takes half the time of `set` with `subarray` and makes no object. */
  readonly bytes: Buffer;
  /** Used before: it holds anything. Else it is all zeros. */
  readonly dirty: boolean;
}

/**
 * What the pool has from the system: mebibytes of plain memory, and huge pages, which are touched for the first time in a
 * quarter of the time but are in use as a whole from then on. Some of what is given back is kept for the next need.
 */
export class Supply {
  /** Bytes held from the system: given out, or kept. */
  held = 0;
  private kept = 0;
  private readonly plain: ArrayBuffer[] = [];
  private readonly huge: ArrayBuffer[] = [];

  /** Memory, `full` if all of it is going to be used. Undefined if the machine has none left. */
  take(full: boolean): Memory | undefined {
    const used = (full ? this.huge.pop() : undefined) ?? this.plain.pop();
    if (used !== undefined) {
      this.kept -= used.byteLength;
      return { bytes: Buffer.from(used), dirty: true };
    }
    try {
      const fresh = full && this.held >= MANY ? allocateHugePage() : new ArrayBuffer(PLAIN);
      this.held += fresh.byteLength;
      return { bytes: Buffer.from(fresh), dirty: false };
    } catch {
      return undefined;
    }
  }

  /** Takes memory back: nobody looks at it any more. */
  give({ buffer }: Buffer): void {
    const memory = buffer as ArrayBuffer;
    const size = memory.byteLength;
    const huge = size === HUGE_PAGE;
    if (this.kept + size <= MOST_KEPT) {
      this.kept += size;
      (huge ? this.huge : this.plain).push(memory);
      return;
    }
    this.held -= size;
    // Waiting for the garbage collector would keep it for as long as nothing else is allocated.
    if (huge) freeHugePage(memory);
    else memory.transfer(0);
  }
}

const PLAIN = 2 ** 20;
/** Bytes beside which another huge page is not much: a nearly empty file system is to stay small. */
const MANY = 8 * 2 ** 20;
/** Bytes kept: touching fresh memory costs more than copying into it. */
const MOST_KEPT = 32 * 2 ** 20;
