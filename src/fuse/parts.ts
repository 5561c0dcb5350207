import type { Span } from "../frame.ts";
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

/** One of the pieces that the body of a message is put together of. */
export interface Part {
  readonly size: number;
  /** Write all `size` bytes from `at` on; `view` is of the same bytes. */
  put(bytes: Uint8Array, view: DataView, at: number): void;
}

/** A struct; fields left out are zero. */
export function structPart<T extends object>(layout: Layout<T>, fields: Partial<T>): Part {
  return new StructPart(layout, fields);
}

class StructPart<T extends object> implements Part {
  readonly #layout: Layout<T>;
  readonly #fields: Partial<T>;

  constructor(layout: Layout<T>, fields: Partial<T>) {
    this.#layout = layout;
    this.#fields = fields;
  }

  get size(): number {
    return this.#layout.size;
  }

  put(_bytes: Uint8Array, view: DataView, at: number): void {
    this.#layout.write(view, at, Object.assign(this.#layout.create(), this.#fields));
  }
}

/** The names, each with its NUL. */
export function namesPart(...names: readonly string[]): Part {
  return {
    size: names.reduce((sum, name) => sum + nameLength(name) + 1, 0),
    put(bytes, _view, at) {
      for (const name of names) {
        at += encodeName(name, bytes, at);
        bytes[at++] = 0;
      }
    },
  };
}

/** Bytes as they are. */
export function dataPart(data: Uint8Array): Part {
  return {
    size: data.length,
    put: (bytes, _view, at) => bytes.set(data, at),
  };
}

/** The struct that the bytes begin with. */
export function decodeHead<T>(layout: Layout<T>, { view, start, length }: Span): T {
  if (length < layout.size)
    throw new Refusal(`${length} bytes where at least ${layout.size} are due`);
  return layout.read(view, start);
}

/** The struct that the bytes are, no more and no less. */
export function decodeWhole<T>(layout: Layout<T>, { view, start, length }: Span): T {
  if (length !== layout.size) throw new Refusal(`${length} bytes where ${layout.size} are due`);
  return layout.read(view, start);
}
