import { createHash } from 'node:crypto';

/** A value that a masked client must not see, and the bytes by which it could be known again. */
export interface Canary {
  readonly name: string;
  readonly needles: readonly Needle[];
  /** Pieces of four characters that no mask shows: how much of a text came through. */
  readonly windows: readonly string[];
}

interface Needle {
  readonly form: string;
  readonly bytes: Buffer;
}

/** A text of which the mask may show the last `shown` characters. */
export function textCanary(value: string, shown = 4): Canary {
  const windows: string[] = [];
  for (let at = 0; at + WINDOW <= value.length && at < value.length - shown; at++) {
    windows.push(value.slice(at, at + WINDOW));
  }
  return { name: value, needles: needlesOf(value), windows };
}

/** A value that is no text: what it looks like as one, and its binary forms (what `typsend` writes, and native order). */
export function typedCanary(value: string, texts: readonly string[], binary: readonly Buffer[]): Canary {
  const needles = [...new Set([value, ...texts])].flatMap(needlesOf);
  for (const bytes of binary) needles.push({ form: 'binary', bytes }, ...encodingsOf(bytes, 'binary'));
  return { name: value, needles, windows: [] };
}

function needlesOf(value: string): Needle[] {
  const bytes = Buffer.from(value);
  const reversed = [...value].reverse().join('');
  const texts: Record<string, string> = {
    text: value,
    reversed,
    upper: value.toUpperCase(),
    lower: value.toLowerCase(),
  };
  const needles: Needle[] = Object.entries(texts).map(([form, text]) => ({ form, bytes: Buffer.from(text) }));
  needles.push({ form: 'utf16le', bytes: Buffer.from(value, 'utf16le') });
  needles.push({ form: 'utf16be', bytes: Buffer.from(value, 'utf16le').swap16() });
  const escapes = [...value].map((each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, '0')}`).join('');
  needles.push({ form: 'json escapes', bytes: Buffer.from(escapes) });
  needles.push({ form: 'character codes', bytes: Buffer.from([...bytes].join(',')) });
  return [...needles, ...encodingsOf(bytes, 'text'), ...encodingsOf(Buffer.from(reversed), 'reversed')];
}

function encodingsOf(bytes: Buffer, of: string): Needle[] {
  const hex = bytes.toString('hex');
  const needles: Needle[] = [
    { form: `${of} in hex`, bytes: Buffer.from(hex) },
    { form: `${of} in upper hex`, bytes: Buffer.from(hex.toUpperCase()) },
  ];
  // Base64 of a longer text holds one of three forms, by where the value begins in it; the first and last characters may mix.
  for (const before of [0, 1, 2]) {
    const whole = Buffer.concat([Buffer.alloc(before), bytes])
      .toString('base64')
      .replace(/=+$/, '');
    const sure = whole.slice(before === 0 ? 0 : before + 1, Math.floor(((before + bytes.length) * 8) / 6));
    if (sure.length >= 8) needles.push({ form: `${of} in base64 from ${before}`, bytes: Buffer.from(sure) });
  }
  for (const algorithm of ['md5', 'sha1', 'sha224', 'sha256', 'sha384', 'sha512']) {
    const digest = createHash(algorithm).update(bytes).digest();
    needles.push({ form: `${algorithm} of ${of}`, bytes: digest });
    needles.push({ form: `${algorithm} of ${of} in hex`, bytes: Buffer.from(digest.toString('hex')) });
    needles.push({
      form: `${algorithm} of ${of} in base64`,
      bytes: Buffer.from(digest.toString('base64').slice(0, 20)),
    });
  }
  return needles;
}

/** What of the canaries the bytes hold, in words; empty when nothing. */
export function leaks(received: Buffer | string, canaries: readonly Canary[]): readonly string[] {
  const bytes = typeof received === 'string' ? Buffer.from(received) : received;
  const found: string[] = [];
  for (const { name, needles, windows } of canaries) {
    for (const needle of needles) if (bytes.includes(needle.bytes)) found.push(`${name}: ${needle.form}`);
    for (const window of windows) if (bytes.includes(window)) found.push(`${name}: the characters ${window}`);
  }
  return found;
}

/** Single characters in consecutive rows or cells that spell a canary. `cells`: all values shown, in order. */
export function spelled(cells: readonly string[], canaries: readonly Canary[]): readonly string[] {
  const single = cells.map((cell) => (/^\d{2,3}$/.test(cell) ? String.fromCharCode(Number(cell)) : cell));
  const [text, codes] = [cells, single].map((all) => all.filter((cell) => [...cell].length === 1).join(''));
  return canaries.flatMap(({ name, windows }) =>
    windows
      .filter((window) => text?.includes(window) || codes?.includes(window))
      .map((window) => `${name}: spelled ${window}`),
  );
}

/** The most characters of a value that stand together in the bytes, those aside that the mask shows at its end. */
export function recoveredCharacters(received: Buffer, value: string, shown = 4): number {
  for (let length = value.length; length >= WINDOW; length--) {
    for (let at = 0; at + length <= value.length && at < value.length - shown; at++) {
      if (received.includes(value.slice(at, at + length))) return length;
    }
  }
  return 0;
}

const WINDOW = 4;
