import { room, type Struct, struct, type Type } from "../struct.ts";

type Fields = Record<string, Type<unknown>>;

type Part<F extends Fields, K extends keyof F> = {
  readonly [Name in keyof F]: Name extends K ? F[Name] : Type<never>;
};

/**
 * Some of a message's fields, where they are in it: only they are read, and only they are written. A reply is made in the bytes of its
 * request, and most of a message matters to one direction alone.
 */
export function part<F extends Fields, const K extends keyof F & string>(
  message: Struct<F>,
  ...names: readonly K[]
): Struct<Part<F, K>> {
  const wanted: ReadonlySet<string> = new Set(names);
  const fields = Object.entries(message.fields).map(([name, type]) => [
    name,
    wanted.has(name) ? type : room(type.size, type.align),
  ]);
  return struct(Object.fromEntries(fields)) as unknown as Struct<Part<F, K>>;
}
