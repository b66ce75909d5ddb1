import { isUtf8 } from 'node:buffer';

/**
 * Masks that keep some characters of a text. A character is a code point. Text that is not UTF-8 (another
 * client_encoding) has no characters that could be counted: it becomes the whole mask.
 */
export function partialText(keepFirst: number, keepLast: number, whole: Buffer): (value: Buffer) => Buffer {
  const kept = keepFirst + keepLast;
  const scratch = Buffer.alloc(SCRATCH_BYTES);
  // Kept by length: making a view costs more than masking a short value.
  const views: Buffer[] = [];
  return (value) => {
    const characters = countCharacters(value);
    // Also -1, which is no UTF-8: to keep half or more of a value, or all of an empty one, masks nothing.
    if (characters <= 2 * kept) return whole;
    const firstEnd = offsetOf(value, keepFirst);
    const lastStart = offsetFromEnd(value, keepLast);
    const starsEnd = firstEnd + characters - kept;
    const length = starsEnd + (value.length - lastStart);
    const masked =
      length > SCRATCH_BYTES ? Buffer.allocUnsafe(length) : (views[length] ??= scratch.subarray(0, length));
    // Few bytes: a loop is quicker than a call into the runtime.
    for (let at = 0; at < firstEnd; at++) masked[at] = value[at] ?? 0;
    if (starsEnd - firstEnd > LOOP_BYTES_MAX) masked.fill(STAR, firstEnd, starsEnd);
    else for (let at = firstEnd; at < starsEnd; at++) masked[at] = STAR;
    for (let from = lastStart, to = starsEnd; to < length; from++, to++) masked[to] = value[from] ?? 0;
    return masked;
  };
}

/** `anna@example.com` → `a***@example.com`. Free text that merely contains an @ keeps nothing. */
export function emailText(whole: Buffer): (value: Buffer) => Buffer {
  return (value) => {
    const at = value.lastIndexOf(AT);
    if (at < 1 || !isHostName(value, at + 1)) return whole;
    const local = countCharacters(value.subarray(0, at));
    if (local < 0 || !isUtf8(value)) return whole;
    const kept = local > 2 ? offsetOf(value, 1) : 0;
    return Buffer.concat([value.subarray(0, kept), STARS, value.subarray(at)]);
  };
}

/** Code points, or -1 where the bytes are not UTF-8. */
export function countCharacters(value: Buffer): number {
  let continuations = 0;
  let plain = true;
  for (let at = 0; at < value.length; at++) {
    const byte = value[at] ?? 0;
    if (byte >= 0x80) {
      plain = false;
      if ((byte & 0xc0) === 0x80) continuations++;
    }
  }
  return plain || isUtf8(value) ? value.length - continuations : -1;
}

/** The value without the spaces that char(n) is padded with. */
export function withoutPadding(value: Buffer): Buffer {
  let end = value.length;
  while (end > 0 && value[end - 1] === SPACE) end--;
  return end === value.length ? value : value.subarray(0, end);
}

/** At least two labels of letters, digits and hyphens (RFC 1123 §2.1) or of letters beyond ASCII; the last is no number. */
function isHostName(value: Buffer, from: number): boolean {
  if (value.length - from > HOST_BYTES_MAX) return false;
  let dots = 0;
  let labelStart = from;
  for (let at = from; at < value.length; at++) {
    const byte = value[at] ?? 0;
    if (byte === DOT) {
      if (at === labelStart) return false;
      dots++;
      labelStart = at + 1;
    } else if (!isHostByte(byte)) {
      return false;
    }
  }
  const last = value[labelStart] ?? 0;
  return dots > 0 && (isLetter(last) || last >= 0x80);
}

function isHostByte(byte: number): boolean {
  return isLetter(byte) || (byte >= 0x30 && byte <= 0x39) || byte === HYPHEN || byte >= 0x80;
}

function isLetter(byte: number): boolean {
  return (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a;
}

/** Byte offset of the character with this number; `value` is UTF-8 and longer. */
function offsetOf(value: Buffer, character: number): number {
  let at = 0;
  for (let left = character; left > 0; left--) {
    at++;
    while (isContinuation(value[at])) at++;
  }
  return at;
}

function offsetFromEnd(value: Buffer, characters: number): number {
  let at = value.length;
  for (let left = characters; left > 0; left--) {
    at--;
    while (isContinuation(value[at])) at--;
  }
  return at;
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}

const SCRATCH_BYTES = 1024;
const LOOP_BYTES_MAX = 64;
const STAR = 0x2a;
const STARS = Buffer.from('***');
const SPACE = 0x20;
const AT = 0x40;
const DOT = 0x2e;
const HYPHEN = 0x2d;
/** RFC 1035 §2.3.4. */
const HOST_BYTES_MAX = 253;
