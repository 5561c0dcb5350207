import { viewOf } from "../frame.ts";
import { encodeName, nameLength } from "../name.ts";

/** A struct, whatever its fields: what the kernel's side of the protocol reads and writes by. */
export interface Layout<T> {
  readonly size: number;
  create(): T;
  read(view: DataView, offset: number): T;
  write(view: DataView, offset: number, source: Readonly<T>): void;
}

/** The bytes were not what the protocol says. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly code = "EPROTO";
}

/** The struct as bytes; fields left out are zero. */
export function encode<T extends object>(layout: Layout<T>, fields: Partial<T>): Uint8Array {
  const bytes = new Uint8Array(layout.size);
  layout.write(viewOf(bytes), 0, Object.assign(layout.create(), fields));
  return bytes;
}

/** The names, each with its NUL. */
export function encodeNames(...names: readonly string[]): Uint8Array {
  const bytes = new Uint8Array(names.reduce((sum, name) => sum + nameLength(name) + 1, 0));
  let end = 0;
  for (const name of names) end += encodeName(name, bytes, end) + 1;
  return bytes;
}

/** The struct that the bytes begin with. */
export function decodeHead<T>(layout: Layout<T>, bytes: Uint8Array): T {
  if (bytes.length < layout.size)
    throw new Refusal(`${bytes.length} bytes where at least ${layout.size} are due`);
  return layout.read(viewOf(bytes), 0);
}

/** The struct that the bytes are, no more and no less. */
export function decodeWhole<T>(layout: Layout<T>, bytes: Uint8Array): T {
  if (bytes.length !== layout.size)
    throw new Refusal(`${bytes.length} bytes where ${layout.size} are due`);
  return layout.read(viewOf(bytes), 0);
}
