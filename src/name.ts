/**
 * Names are bytes to the kernel and strings to plugins, and any bytes survive the way there and back: UTF-8 is decoded,
 * and each byte of what is not UTF-8 becomes a lone surrogate, 0xDC00 + byte (Python's surrogateescape, PEP 383).
 * Overlong forms, encoded surrogates and what is beyond U+10FFFF are not UTF-8. Good for symlink targets and the names of
 * extended attributes as well.
 */

/**
 * The string for bytes[start, end). Short names that came before cost no allocation: the very string is kept in a table
 * of fixed size, found by its bytes.
 */
export function decodeName(bytes: Uint8Array, start: number, end: number): string {
  const length = end - start;
  if (length > SLOT_BYTES) return decode(bytes, start, end);
  let hash = length;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193);
  const slot = (hash ^ (hash >>> 15)) & (SLOTS - 1);
  const kept = slot * SLOT_BYTES;
  if (keptLengths[slot] === length && isKept(bytes, start, end, kept))
    return keptNames[slot] as string;

  const name = decode(bytes, start, end);
  for (let i = 0; i < length; i++) keptBytes[kept + i] = bytes[start + i] as number;
  keptLengths[slot] = length;
  keptNames[slot] = name;
  return name;
}

/**
 * Writes the bytes of a name and says how many; `into` must have room for `nameLength(name)` from `at` on. A lone
 * surrogate that stands for no byte (see `isName`) is written as U+FFFD.
 */
export function encodeName(name: string, into: Uint8Array, at: number): number {
  const { length } = name;
  let end = at;
  for (let i = 0; i < length; i++) {
    let unit = name.charCodeAt(i);
    if (unit < 0x80) {
      into[end++] = unit;
      continue;
    }
    if (unit < 0x800) {
      into[end++] = 0xc0 | (unit >> 6);
      into[end++] = 0x80 | (unit & 0x3f);
      continue;
    }
    if (isSurrogate(unit)) {
      const low = isHigh(unit) ? name.charCodeAt(i + 1) : Number.NaN;
      if (isLow(low)) {
        const point = 0x10000 + ((unit & 0x3ff) << 10) + (low & 0x3ff);
        into[end++] = 0xf0 | (point >> 18);
        into[end++] = 0x80 | ((point >> 12) & 0x3f);
        into[end++] = 0x80 | ((point >> 6) & 0x3f);
        into[end++] = 0x80 | (point & 0x3f);
        i++;
        continue;
      }
      if (isEscape(unit)) {
        into[end++] = unit & 0xff;
        continue;
      }
      unit = 0xfffd;
    }
    into[end++] = 0xe0 | (unit >> 12);
    into[end++] = 0x80 | ((unit >> 6) & 0x3f);
    into[end++] = 0x80 | (unit & 0x3f);
  }
  return end - at;
}

/** How many bytes `encodeName` writes. */
export function nameLength(name: string): number {
  const { length } = name;
  let bytes = length;
  for (let i = 0; i < length; i++) {
    const unit = name.charCodeAt(i);
    if (unit < 0x80) continue;
    if (unit < 0x800) bytes += 1;
    else if (isHigh(unit) && isLow(name.charCodeAt(i + 1))) {
      bytes += 2;
      i++;
    } else if (!isEscape(unit)) bytes += 2;
  }
  return bytes;
}

/**
 * Whether a plugin's string can be the name of a directory entry: 1 to 255 bytes, no "/", no NUL, and no lone surrogate
 * but the escapes U+DC80 to U+DCFF. "." and ".." are names. For escapes that together spell valid UTF-8 it is true, though
 * such a name comes back as the characters it spells.
 */
export function isName(name: string): boolean {
  const { length } = name;
  if (length === 0 || length > NAME_MAX) return false;
  let wide = false;
  for (let i = 0; i < length; i++) {
    const unit = name.charCodeAt(i);
    if (unit === 0x2f || unit === 0) return false;
    if (unit < 0x80) continue;
    wide = true;
    if (!isSurrogate(unit) || isEscape(unit)) continue;
    if (!isHigh(unit) || !isLow(name.charCodeAt(++i))) return false;
  }
  return !wide || nameLength(name) <= NAME_MAX;
}

/** NAME_MAX of linux/limits.h, in bytes. fs/fuse itself would take more, most programs would not. */
const NAME_MAX = 255;

// 2048 names of up to 64 bytes: 128 KiB. A new name takes the slot of what was there.
const SLOTS = 2048;
const SLOT_BYTES = 64;
const keptBytes = new Uint8Array(SLOTS * SLOT_BYTES);
const keptLengths = new Uint8Array(SLOTS);
const keptNames: string[] = new Array(SLOTS).fill("");

function isKept(bytes: Uint8Array, start: number, end: number, kept: number): boolean {
  for (let i = start, k = kept; i < end; i++, k++) if (bytes[i] !== keptBytes[k]) return false;
  return true;
}

/** Bun's and Node's own, without the Buffer around the bytes that `toString` needs. For ASCII it is right. */
const { latin1Slice } = Buffer.prototype as unknown as {
  latin1Slice(this: Uint8Array, start: number, end: number): string;
};

let units = new Uint16Array(4096);

function decode(bytes: Uint8Array, start: number, end: number): string {
  let all = 0;
  for (let i = start; i < end; i++) all |= bytes[i] as number;
  if (all < 0x80) return latin1Slice.call(bytes, start, end);

  // A byte makes at most one unit.
  if (end - start > units.length) units = new Uint16Array(end - start);
  let count = 0;
  for (let i = start; i < end; ) {
    const byte = bytes[i] as number;
    if (byte < 0x80) {
      units[count++] = byte;
      i++;
      continue;
    }
    const length = sequenceLength(bytes, i, end);
    if (length === 0) {
      units[count++] = 0xdc00 + byte;
      i++;
      continue;
    }
    let point = byte & (0x7f >> length);
    for (const next = i + length; ++i < next; )
      point = (point << 6) | ((bytes[i] as number) & 0x3f);
    if (point < 0x10000) units[count++] = point;
    else {
      units[count++] = 0xd7c0 + (point >> 10);
      units[count++] = 0xdc00 + (point & 0x3ff);
    }
  }
  return textOf(count);
}

/** How many bytes the valid sequence at `at` has that begins with a byte above 0x7f, or 0 if there is none. */
function sequenceLength(bytes: Uint8Array, at: number, end: number): number {
  const first = bytes[at] as number;
  if (first < 0xc2 || first > 0xf4) return 0;
  const length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (at + length > end) return 0;
  // The second byte is where overlong forms, surrogates and the end of Unicode show (Unicode, table 3-7).
  const second = bytes[at + 1] as number;
  const least = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const most = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  if (second < least || second > most) return 0;
  for (let i = 2; i < length; i++) if (((bytes[at + i] as number) & 0xc0) !== 0x80) return 0;
  return length;
}

/** Not TextDecoder: it would replace the lone surrogates. In pieces: every unit is an argument. */
function textOf(count: number): string {
  const piece = 4096;
  let text = "";
  for (let i = 0; i < count; i += piece) {
    const part = units.subarray(i, Math.min(i + piece, count));
    text += String.fromCharCode.apply(null, part as unknown as number[]);
  }
  return text;
}

function isSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdfff;
}

function isHigh(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

function isLow(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}

function isEscape(unit: number): boolean {
  return unit >= 0xdc80 && unit <= 0xdcff;
}
