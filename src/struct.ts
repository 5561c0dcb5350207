/**
 * Thrown by the readers below when bytes hold no acceptable value. Its `code` is what the peer is told.
 * Everything a reader reads before the bad field may already be in the target of `readInto`.
 */
export class Malformed extends Error {
  override readonly name = "Malformed";
  readonly code = "EPROTO";
  /** The field that was bad, dotted if it is nested: "attr.size". */
  readonly field: string;

  constructor(field: string) {
    super(`${field} is outside the range that can be represented`);
    this.field = field;
  }
}

declare const value: unique symbol;

/** What a field is on the wire; `T` is what it is in the program. */
export interface Type<T> {
  readonly [value]?: T;
  readonly size: number;
  readonly align: number;
  /** The protocol minor that gave the field its meaning: below it, it is read as zero. */
  readonly since: number;
  /** The protocol minor that made room for it: below it, it takes no bytes at all. */
  readonly room: number;
}

type Fields = Record<string, Type<unknown>>;

/** The type of the values of a struct or of a field type: `Of<typeof EntryOut>`. */
export type Of<S> = S extends Type<infer T> ? T : never;

type Values<F extends Fields> = {
  -readonly [K in keyof F as F[K] extends Type<never> ? never : K]: Of<F[K]>;
};

type Paths<F extends Fields> = {
  [K in keyof F & string]: F[K] extends Struct<infer G> ? K | `${K}.${Paths<G>}` : K;
}[keyof F & string];

/**
 * A struct as C lays it out, little-endian. Readers and writers are straight-line code, made once.
 * None of them checks that `size` bytes are there from `offset` on: who calls them has looked at the length of the
 * message. (Beyond the view itself they throw a RangeError.)
 */
export interface Struct<F extends Fields> extends Type<Values<F>> {
  readonly fields: F;
  /** Where each field is, padding too, nested ones by dotted path; -1 for what an older minor has no room for. */
  readonly offsets: { readonly [P in Paths<F>]: number };
  /** A fresh object. Throws `Malformed`. */
  read(view: DataView, offset: number): Values<F>;
  /** Fills all fields of an object that `create` or `read` made and allocates nothing. Throws `Malformed`. */
  readInto(view: DataView, offset: number, target: Values<F>): void;
  /** Writes all `size` bytes, zeros as padding. Numbers must be integers; what is too large loses its high bits. */
  write(view: DataView, offset: number, source: Readonly<Values<F>>): void;
  /** A fresh object, all zeros. */
  create(): Values<F>;
  /**
   * The layout spoken at an older protocol minor: same object, absent fields read as zero and are not written.
   * Made on first demand and kept: ask at the handshake.
   */
  at(minor: number): Struct<F>;
}

/** A struct from its fields, in the order of the header. They are aligned as a C compiler of an LP64 machine does. */
export function struct<const F extends Fields>(fields: F): Struct<F> {
  const minors = minorsOf(fields);
  const made = new Map<number, Struct<F>>();
  // A connection asks for one minor again and again.
  let asked = Number.NaN;
  let answer: Struct<F>;
  const at = (minor: number): Struct<F> => {
    if (minor === asked) return answer;
    const era = minors.findLast((m) => m <= minor) ?? -1;
    const known = made.get(era) ?? assemble(fields, layOut(fields, era), at);
    made.set(era, known);
    asked = minor;
    answer = known;
    return known;
  };
  return at(Number.POSITIVE_INFINITY);
}

export const u8 = scalar<number>(1, "view.getUint8(@)", "view.setUint8(@, $);");
export const u16 = scalar<number>(2, "view.getUint16(@, true)", "view.setUint16(@, $, true);");
export const u32 = scalar<number>(4, "view.getUint32(@, true)", "view.setUint32(@, $, true);");
export const i32 = scalar<number>(4, "view.getInt32(@, true)", "view.setInt32(@, $, true);");

// The high word decides: 0x200000 * 2 ** 32 is 2 ** 53. A value that fits 32 bits stays an integer for the compiler.
const readHigh = "(high = view.getUint32(@ + 4, true))";
const joined = "high * 0x100000000 + view.getUint32(@, true)";
const readUnsigned = (beyond: string) =>
  `(${readHigh} === 0 ? view.getUint32(@, true) : high < 0x200000 ? ${joined} : ${beyond})`;
const readSigned =
  "((high = view.getInt32(@ + 4, true)) === 0 ? view.getUint32(@, true) : " +
  `high >= -0x200000 && high < 0x200000 ? ${joined} : malformed(#))`;
const write64 =
  "word = $; view.setUint32(@, word >>> 0, true); " +
  "view.setUint32(@ + 4, word >= 0 && word < 0x100000000 ? 0 : Math.floor(word / 0x100000000), true);";
const writeLimit =
  "word = $; if (word >= 0x1fffffffffffff) { view.setUint32(@, 0xffffffff, true); view.setUint32(@ + 4, 0x7fffffff, true); } " +
  "else { view.setUint32(@, word >>> 0, true); view.setUint32(@ + 4, Math.floor(word / 0x100000000), true); }";

/** A u64 that we or a plugin made: node ids, handles, cookies. From 2 ** 53 on it is `Malformed`: it is not ours. */
export const id53 = scalar<number>(8, readUnsigned("malformed(#)"), write64);

/** A u64 that measures: sizes, offsets, counts. From 2 ** 53 on it is `Malformed`. */
export const length64 = scalar<number>(8, readUnsigned("malformed(#)"), write64);

/**
 * A u64 that measures and where a huge value means "to the end": the end of a lock, the length of a copy. What is
 * beyond reads as Number.MAX_SAFE_INTEGER, and that or more is written as 2 ** 63 - 1, the kernel's OFFSET_MAX
 * (fs/fuse/file.c refuses more in the answer to GETLK).
 */
export const limit64 = scalar<number>(8, readUnsigned("0x1fffffffffffff"), writeLimit);

/**
 * A u64 made elsewhere that we only show: inode numbers, generations. From 2 ** 53 on it is read as the nearest double,
 * so it never fails; who must give it back unchanged takes `opaque64`.
 */
export const nearest64 = scalar<number>(8, readUnsigned(joined), write64);

/**
 * Likewise where different numbers must stay different ones, as far as that goes: what is beyond 2 ** 53 is folded, the upper bits into
 * those below. Servers number nodes of their own making from 2 ** 63 on (hanwen/go-fuse, fs/bridge.go).
 */
export const folded64 = scalar<number>(
  8,
  `(${readHigh} === 0 ? view.getUint32(@, true) : ((high & 0x1fffff) ^ ((high >>> 21) << 10)) * 0x100000000 + view.getUint32(@, true))`,
  write64,
);

/** An i64 that may be negative: seconds since 1970, offsets. Outside -(2 ** 53) ... 2 ** 53 - 1 it is `Malformed`. */
export const signed64 = scalar<number>(8, readSigned, write64);

/** A u64 that a peer made and is given back: a number below 2 ** 53, which most are, and a bigint from there on. */
export const foreign64 = scalar<number | bigint>(
  8,
  readUnsigned("view.getBigUint64(@, true)"),
  `word = $; if (typeof word === "bigint") view.setBigUint64(@, word, true); else { ${write64} }`,
);

/** A u64 that is only passed on or compared: lock owners, poll handles. A bigint, so keep it off the hot path. */
export const opaque64 = scalar<bigint>(
  8,
  "view.getBigUint64(@, true)",
  "view.setBigUint64(@, $, true);",
  "0n",
);

/** `size` bytes that are not read and are written as zeros. Without alignment of its own. */
export function pad(size: number): Type<never> {
  return { ...scalar<never>(size, "", zeros(size), ""), align: 1 };
}

/** A u64 that nobody reads, written as zero. */
export const unread64: Type<never> = { ...pad(8), align: 8 };

/**
 * `size` bytes that are left alone, neither read nor written: text and data that are dealt with where they lie. With 0, only
 * the place where they begin.
 */
export function room(size: number, align = 1): Type<never> {
  return { ...scalar<never>(size, "", "", ""), align };
}

/** `size` raw bytes. Read as a copy, in `readInto` into the array that is there; a shorter value is filled with zeros. */
export function bytes(size: number): Type<Uint8Array> {
  const type: Scalar<Uint8Array> = {
    ...scalar<Uint8Array>(
      size,
      `load(view, @, new Uint8Array(${size}))`,
      `store(view, @, ${size}, $);`,
      `new Uint8Array(${size})`,
    ),
    align: 1,
    fill: "load(view, @, $);",
  };
  return type;
}

/**
 * A field that came with a protocol minor. At the end of a struct it made the struct longer; where it took the place of
 * padding, `room` says since which minor the padding was there (0: always).
 */
export function since<T extends Type<unknown>>(minor: number, type: T, room = minor): T {
  return { ...type, since: minor, room };
}

/** Source text with `@` for the offset, `$` for the value and `#` for the path of the field as a literal. */
interface Scalar<T> extends Type<T> {
  readonly load: string;
  readonly store: string;
  readonly zero: string;
  /** Instead of an assignment in `readInto`. */
  readonly fill?: string;
}

function scalar<T>(size: number, load: string, store: string, zero = "0"): Scalar<T> {
  return { size, align: size, since: 0, room: 0, load, store, zero };
}

/** Stores of zeros. The double 0 is eight zero bytes: the fewest stores. */
function zeros(size: number): string {
  const stores: string[] = [];
  let done = 0;
  for (; done + 8 <= size; done += 8) stores.push(`view.setFloat64(@ + ${done}, 0);`);
  for (; done < size; done++) stores.push(`view.setUint8(@ + ${done}, 0);`);
  return stores.join(" ");
}

interface Place {
  readonly key: string;
  readonly type: Type<unknown>;
  /** From the start of the struct that holds it. */
  readonly offset: number;
  readonly state: "live" | "silent" | "absent";
  /** Of a nested struct. */
  readonly places: readonly Place[];
}

interface Layout {
  readonly places: readonly Place[];
  readonly size: number;
  readonly align: number;
}

function layOut(fields: Fields, minor: number): Layout {
  const places: Place[] = [];
  let end = 0;
  let widest = 1;
  const alignTo = (align: number) => {
    const gap = Math.ceil(end / align) * align - end;
    if (gap > 0) places.push({ key: GAP, type: pad(gap), offset: end, state: "live", places: [] });
    end += gap;
  };
  for (const [key, type] of Object.entries(fields)) {
    const nested = isStruct(type) ? layOut(type.fields, minor) : undefined;
    const { size, align } = nested ?? type;
    const state = minor < type.room ? "absent" : minor < type.since ? "silent" : "live";
    if (state !== "absent") alignTo(align);
    places.push({ key, type, offset: end, state, places: nested?.places ?? [] });
    if (state === "absent") continue;
    end += size;
    widest = Math.max(widest, align);
  }
  alignTo(widest);
  return { places, size: end, align: widest };
}

/** The key of the padding that alignment makes. It is written like any other, so that no old bytes leave with it. */
const GAP = "";

function minorsOf(fields: Fields): number[] {
  const minors = new Set<number>();
  for (const type of Object.values(fields)) {
    minors.add(type.room).add(type.since);
    if (isStruct(type)) for (const minor of minorsOf(type.fields)) minors.add(minor);
  }
  return [...minors].sort((a, b) => a - b);
}

function isStruct(type: Type<unknown>): type is Struct<Fields> {
  return "fields" in type;
}

function isScalar(type: Type<unknown>): type is Scalar<unknown> {
  return "load" in type;
}

type Code<F extends Fields> = Pick<Struct<F>, "create" | "read" | "readInto" | "write">;

/** The code is made at the first call and takes the place of what made it: most programs use a third of the structs. */
function assemble<F extends Fields>(
  fields: F,
  { places, size, align }: Layout,
  at: (minor: number) => Struct<F>,
): Struct<F> {
  const made = (): Code<F> => Object.assign(self, compile<F>(places));
  const self: Struct<F> = {
    size,
    align,
    since: 0,
    room: 0,
    fields,
    offsets: Object.fromEntries(offsetsOf(places, START)) as Struct<F>["offsets"],
    at,
    create: () => made().create(),
    read: (view, offset) => made().read(view, offset),
    readInto: (view, offset, target) => made().readInto(view, offset, target),
    write: (view, offset, from) => made().write(view, offset, from),
  };
  return self;
}

function compile<F extends Fields>(places: readonly Place[]): Code<F> {
  const make = new Function(
    "malformed",
    "load",
    "store",
    `return {
      create() { return ${literal(places, undefined)}; },
      read(view, offset) { let high = 0; return ${literal(places, START)}; },
      readInto(view, offset, target) { let high = 0; ${filling(places, START, "target")} },
      write(view, offset, source) { let word = 0; ${storing(places, START, "source")} },
    };`,
  );
  return make(malformed, load, store);
}

/** Where a struct begins in the one that is compiled, and what leads to its fields. */
interface Base {
  readonly offset: number;
  readonly path: string;
}

const START: Base = { offset: 0, path: "" };

function within(base: Base, place: Place): Base {
  return { offset: base.offset + place.offset, path: `${base.path}${place.key}.` };
}

function source(text: string, base: Base, place: Place, target: string): string {
  const parts: Record<string, string> = {
    "@": `offset + ${base.offset + place.offset}`,
    $: target,
    "#": JSON.stringify(base.path + place.key),
  };
  return text.replace(/[@$#]/g, (mark) => parts[mark] ?? mark);
}

/** An object literal: read from the base, or zeros where there is none. */
function literal(places: readonly Place[], base: Base | undefined): string {
  const members = places.map((place) => {
    const from = place.state === "live" ? base : undefined;
    const { key, type } = place;
    if (!isScalar(type)) return `${key}: ${literal(place.places, from && within(from, place))}`;
    if (type.zero === "") return "";
    return `${key}: ${from ? source(type.load, from, place, "") : type.zero}`;
  });
  return `{ ${members.filter(Boolean).join(", ")} }`;
}

function filling(places: readonly Place[], base: Base | undefined, target: string): string {
  const statements = places.map((place) => {
    const from = place.state === "live" ? base : undefined;
    const { key, type } = place;
    const member = `${target}.${key}`;
    if (!isScalar(type)) {
      const inner = `${target}_${key}`;
      const fills = filling(place.places, from && within(from, place), inner);
      return `const ${inner} = ${member}; ${fills}`;
    }
    if (type.zero === "") return "";
    if (!from) return `${member} = ${type.zero};`;
    return type.fill
      ? source(type.fill, from, place, member)
      : `${member} = ${source(type.load, from, place, "")};`;
  });
  return statements.join(" ");
}

function storing(places: readonly Place[], base: Base, origin: string): string {
  const statements = places.map((place) => {
    const { key, type } = place;
    if (place.state === "absent") return "";
    if (place.state === "silent") return source(zeros(type.size), base, place, "");
    if (isScalar(type)) return source(type.store, base, place, `${origin}.${key}`);
    const inner = `${origin}_${key}`;
    return `const ${inner} = ${origin}.${key}; ${storing(place.places, within(base, place), inner)}`;
  });
  return statements.join(" ");
}

function offsetsOf(places: readonly Place[], base: Base | undefined): [string, number][] {
  const named = places.filter(({ key }) => key !== GAP);
  return named.flatMap((place): [string, number][] => {
    const from = place.state === "absent" ? undefined : base;
    const path = (base?.path ?? "") + place.key;
    const here: [string, number] = [path, from ? from.offset + place.offset : -1];
    return [here, ...offsetsOf(place.places, from && within(from, place))];
  });
}

function malformed(field: string): never {
  throw new Malformed(field);
}

function load(view: DataView, offset: number, into: Uint8Array): Uint8Array {
  for (let i = 0; i < into.length; i++) into[i] = view.getUint8(offset + i);
  return into;
}

function store(view: DataView, offset: number, size: number, from: Uint8Array): void {
  for (let i = 0; i < size; i++) view.setUint8(offset + i, from[i] ?? 0);
}
