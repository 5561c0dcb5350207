import { PAGE, Pool } from "./pool.ts";

/** The limits of a file system and what is used of them. */
export class Volume {
  readonly pool = new Pool();
  /** Pages and inodes there may be. */
  readonly pageLimit: number;
  readonly inodeLimit: number;
  pages = 0;
  inodes = 0;
  private lastIno = 0;

  constructor(pageLimit: number, inodeLimit: number) {
    this.pageLimit = pageLimit;
    this.inodeLimit = inodeLimit;
  }

  /** Counts `count` more pages as used, or none of them: then answers false. */
  takePages(count: number): boolean {
    if (this.pages + count > this.pageLimit) return false;
    this.pages += count;
    return true;
  }

  givePages(count: number): void {
    this.pages -= count;
  }

  /** Counts one more inode, or answers false. */
  takeInode(): boolean {
    if (this.inodes >= this.inodeLimit) return false;
    this.inodes++;
    return true;
  }

  giveInode(): void {
    this.inodes--;
  }

  /** A number that no other inode has or had. */
  nextIno(): number {
    return ++this.lastIno;
  }
}

export function pagesFor(bytes: number): number {
  return Math.ceil(bytes / PAGE);
}
