/** Memory from mmap(2), for the files of this folder. It is never unmapped. */
import { FFIType, type Pointer, toArrayBuffer } from "bun:ffi";
import { bind, check } from "./libc.ts";

// <asm-generic/mman-common.h>, the same on x86-64 and arm64
export const MAP_SHARED = 0x01;
export const MAP_PRIVATE = 0x02;
export const MAP_ANONYMOUS = 0x20;

/**
 * `length` bytes to read and write, of the descriptor's file from its start (-1 with
 * MAP_ANONYMOUS).
 */
export function map(length: number, flags: number, fd: number): Uint8Array {
  // As a pointer MAP_FAILED would be an odd big number; as an integer it is -1 like any failure.
  const address = check(
    Number(libc.mmap(null, length, PROT_READ | PROT_WRITE, flags, fd, 0)),
    "mmap",
  );
  return new Uint8Array(toArrayBuffer(address as Pointer, 0, length));
}

const PROT_READ = 0x1;
const PROT_WRITE = 0x2;

const libc = bind({
  mmap: {
    args: ["ptr", FFIType.u64_fast, "i32", "i32", "i32", FFIType.i64_fast],
    returns: FFIType.i64_fast,
  },
});
