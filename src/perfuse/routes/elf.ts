import { closeSync, openSync, readSync } from "node:fs";

/** What an ELF file says of itself. */
export interface Elf {
  /** AUDIT_ARCH_*'s low part: EM_X86_64 is 62, EM_AARCH64 183. */
  readonly machine: number;
  /** The libraries it is linked with (DT_NEEDED); none if it is static. */
  readonly needed: readonly string[];
}

/**
 * The headers of a 64-bit little-endian ELF file (elf(5)); undefined if it is none. Nothing of it is run. Throws what node:fs does if it
 * cannot be read.
 */
export function readElf(path: string): Elf | undefined {
  const file = openSync(path, "r");
  try {
    return parse((offset, length) => part(file, offset, length));
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  } finally {
    closeSync(file);
  }
}

type Part = (offset: number, length: number) => DataView;

function parse(read: Part): Elf | undefined {
  const header = read(0, EHDR);
  if (header.getUint32(0) !== MAGIC) return undefined;
  if (header.getUint8(4) !== CLASS64 || header.getUint8(5) !== LITTLE_ENDIAN) return undefined;
  const machine = header.getUint16(18, true);
  const table = number(header, 32);
  const size = header.getUint16(54, true);
  const count = header.getUint16(56, true);
  const segments = Array.from({ length: count }, (_, index) => {
    const view = read(table + index * size, PHDR);
    return {
      type: view.getUint32(0, true),
      offset: number(view, 8),
      address: number(view, 16),
      length: number(view, 32),
    };
  });
  const dynamic = segments.find(({ type }) => type === PT_DYNAMIC);
  if (dynamic === undefined) return { machine, needed: [] };
  const entries = read(dynamic.offset, Math.min(dynamic.length, LONGEST));
  const values = (tag: number) => {
    const found: number[] = [];
    for (let at = 0; at + DYN <= entries.byteLength; at += DYN) {
      if (number(entries, at) === tag) found.push(number(entries, at + 8));
    }
    return found;
  };
  const [address = 0] = values(DT_STRTAB);
  const [length = 0] = values(DT_STRSZ);
  const segment = segments.find(
    (one) => one.type === PT_LOAD && one.address <= address && address < one.address + one.length,
  );
  if (segment === undefined || length > LONGEST) return { machine, needed: [] };
  const strings = read(segment.offset + address - segment.address, length);
  return { machine, needed: values(DT_NEEDED).map((at) => text(strings, at)) };
}

function part(file: number, offset: number, length: number): DataView {
  const bytes = new Uint8Array(length);
  const count = readSync(file, bytes, 0, length, offset);
  return new DataView(bytes.buffer, 0, count);
}

function text(strings: DataView, at: number): string {
  const bytes = new Uint8Array(strings.buffer, at, strings.byteLength - at);
  const end = bytes.indexOf(0);
  return Buffer.from(end === -1 ? bytes : bytes.subarray(0, end)).toString();
}

/** What is beyond 2 ** 53 is beyond any file. */
function number(view: DataView, at: number): number {
  const value = view.getBigUint64(at, true);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new RangeError("beyond the file");
  return Number(value);
}

/** Bytes: of the structs, and of tables that are believed. */
const EHDR = 64;
const PHDR = 56;
const DYN = 16;
const LONGEST = 1 << 22;

// <elf.h>
const MAGIC = 0x7f454c46;
const CLASS64 = 2;
const LITTLE_ENDIAN = 1;
const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const DT_NEEDED = 1;
const DT_STRTAB = 5;
const DT_STRSZ = 10;
