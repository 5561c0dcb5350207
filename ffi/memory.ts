/** Memory from mmap(2), which is never unmapped: what JavaScript still looks at must stay there. */
import { FFIType, type Pointer, ptr, toArrayBuffer } from "bun:ffi";
import { bind, check } from "./libc.ts";

/** Bytes of a huge page: 2 MiB. */
export const HUGE_PAGE = 2 ** 21;

/**
 * Memory for contents: HUGE_PAGE bytes of zeros, which the system is asked to back by one page of that size (madvise(2),
 * MADV_HUGEPAGE). Writing to it for the first time then costs one page fault instead of 512, a quarter of the time; and all of it
 * is in use from the first byte on, so it is for what will be filled. Where there are no huge pages it is memory like any other.
 *
 * It is the caller's until `freeHugePage`; what is dropped instead is taken back when the garbage collector finds it. Throws an error
 * with code ENOMEM when there is none.
 */
export function allocateHugePage(): ArrayBuffer {
  const address = free.pop() ?? reserve();
  const page = toArrayBuffer(address as Pointer, 0, HUGE_PAGE);
  lost.register(page, address, page);
  return page;
}

/**
 * Gives what `allocateHugePage` answered back to the system, at once. The buffer is detached: it and what looks at it have
 * length 0 from here on. Throws TypeError for any other buffer, and for one that was given back before.
 */
export function freeHugePage(page: ArrayBuffer): void {
  if (!lost.unregister(page)) throw new TypeError("No huge page, or one that is free already");
  const address = ptr(page);
  page.transfer(0);
  giveBack(address);
}

// <asm-generic/mman-common.h>, the same on x86-64 and arm64
export const MAP_SHARED = 0x01;
export const MAP_PRIVATE = 0x02;
export const MAP_ANONYMOUS = 0x20;

/**
 * `length` bytes to read and write, of the descriptor's file from its start (-1 with
 * MAP_ANONYMOUS).
 */
export function map(length: number, flags: number, fd: number): Uint8Array {
  return new Uint8Array(toArrayBuffer(addressOf(length, flags, fd) as Pointer, 0, length));
}

function addressOf(length: number, flags: number, fd: number): number {
  // As a pointer MAP_FAILED would be an odd big number; as an integer it is -1 like any failure.
  return check(Number(libc.mmap(null, length, PROT_READ | PROT_WRITE, flags, fd, 0)), "mmap");
}

/** Maps room for some huge pages and answers the address of one; the others are free from now on. */
function reserve(): number {
  const mapped = addressOf(REGION + HUGE_PAGE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
  const first = Math.ceil(mapped / HUGE_PAGE) * HUGE_PAGE;
  // A kernel without huge pages refuses, and gives small ones.
  libc.madvise(first, REGION, MADV_HUGEPAGE);
  for (let at = REGION - HUGE_PAGE; at > 0; at -= HUGE_PAGE) free.push(first + at);
  return first;
}

/** The memory behind an address is zeros again, and the system's until it is touched. */
function giveBack(address: number): void {
  // Refused for memory that is locked, see mlockall(2).
  if (libc.madvise(address, HUGE_PAGE, MADV_DONTNEED) !== 0)
    new Uint8Array(toArrayBuffer(address as Pointer, 0, HUGE_PAGE)).fill(0);
  free.push(address);
}

/** Addresses of huge pages that nobody has. */
const free: number[] = [];
/** Those that somebody has, and may forget. */
const lost = new FinalizationRegistry(giveBack);

/** Bytes mapped at a time: only addresses, until they are touched. */
const REGION = 32 * HUGE_PAGE;

const PROT_READ = 0x1;
const PROT_WRITE = 0x2;
const MADV_DONTNEED = 4;
const MADV_HUGEPAGE = 14;

const libc = bind({
  mmap: {
    args: ["ptr", FFIType.u64_fast, "i32", "i32", "i32", FFIType.i64_fast],
    returns: FFIType.i64_fast,
  },
  madvise: { args: [FFIType.u64_fast, FFIType.u64_fast, "i32"], returns: "i32" },
});
