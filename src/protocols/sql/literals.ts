/** A text with its literals taken out, for looking up what texts of the same shape are. */
export interface LiteralFree {
  readonly text: string;
  /** Whether every literal stands where the parser said its value does not matter. */
  match(free: ReadonlySet<number>): boolean;
}

/**
 * Takes plain strings and numbers out of a text (Latin-1, one character a byte). `null` for a text with anything whose
 * borders this simple reader might draw otherwise than PostgreSQL: comments, escape and Unicode strings, backslashes,
 * dollar quotes, numbers in any but the two plain forms.
 */
export function literalFree(text: string): LiteralFree | null {
  const pieces: string[] = [];
  const found: Literal[] = [];
  let copied = 0;
  for (let at = 0; at < text.length; ) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      const end = endOfString(text, at);
      if (end === null || isWordByte(text.charCodeAt(at - 1)) || text[at - 1] === '&') return null;
      pieces.push(text.slice(copied, at), "''");
      found.push({ at, signAt: null });
      at = copied = end;
    } else if (code === DOUBLE_QUOTE) {
      const end = text.indexOf('"', at + 1);
      if (end < 0) return null;
      at = end + 1;
    } else if (isDigit(code)) {
      NUMBER.lastIndex = at;
      const number = NUMBER.exec(text);
      if (number === null) return null;
      const end = at + number[0].length;
      if (text[at - 1] === '.' || isWordByte(text.charCodeAt(end)) || text[end] === '.') return null;
      pieces.push(text.slice(copied, at), number[1] === undefined && number[0].length <= 9 ? '0' : '0.0');
      found.push({ at, signAt: signBefore(text, at) });
      at = copied = end;
    } else if (isWordByte(code)) {
      WORD.lastIndex = at;
      WORD.test(text);
      at = WORD.lastIndex;
    } else if (code === DOLLAR) {
      // A parameter; anything else begins a dollar quote.
      PARAMETER.lastIndex = at;
      if (!PARAMETER.test(text) || isWordByte(text.charCodeAt(PARAMETER.lastIndex))) return null;
      at = PARAMETER.lastIndex;
    } else if (code === 0 || text.startsWith('--', at) || text.startsWith('/*', at)) {
      return null;
    } else {
      at += 1;
    }
  }
  if (found.length === 0) return null;
  pieces.push(text.slice(copied));
  return { text: pieces.join(''), match: (free) => found.every((literal) => isFree(literal, free)) };
}

interface Literal {
  readonly at: number;
  /** A minus before it: the grammar makes both one constant, at the place of the sign (gram.y, doNegate). */
  readonly signAt: number | null;
}

function isFree({ at, signAt }: Literal, free: ReadonlySet<number>): boolean {
  return free.has(at) || (signAt !== null && free.has(signAt));
}

function signBefore(text: string, at: number): number | null {
  let before = at - 1;
  while (text[before] === ' ') before -= 1;
  return text[before] === '-' ? before : null;
}

function endOfString(text: string, start: number): number | null {
  for (let at = start + 1; ; at += 2) {
    const quote = text.indexOf("'", at);
    if (quote < 0) return null;
    if (text[quote + 1] !== "'") return text.slice(start, quote).includes('\\') ? null : quote + 1;
    at = quote;
  }
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

function isWordByte(code: number): boolean {
  return (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || isDigit(code) || code === 95 || code > 127;
}

const QUOTE = 0x27;
const DOUBLE_QUOTE = 0x22;
const DOLLAR = 0x24;
const NUMBER = /\d+(\.\d+)?/y;
const WORD = /[A-Za-z0-9_$\x80-\xff]+/y;
const PARAMETER = /\$\d+/y;
