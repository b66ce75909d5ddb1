import { LEFT_TO_RIGHT, NOTHING, PROHIBITED, RIGHT_TO_LEFT, SPACES, UNASSIGNED } from './saslprep-tables.ts';

/**
 * A password as SCRAM derives from it: SASLprep (RFC 4013) as PostgreSQL does it (common/saslprep.c). Where SASLprep would
 * refuse, PostgreSQL takes the bytes as they are, and so do we, or a login that works there would fail here.
 */
export function saslprep(password: string): string {
  if (ASCII.test(password)) return password;
  return prepared(password) ?? password;
}

function prepared(password: string): string | null {
  let mapped = '';
  for (const character of password) {
    const code = codePoint(character);
    if (contains(SPACE_RANGES, code)) mapped += ' ';
    else if (!contains(NOTHING_RANGES, code)) mapped += character;
  }
  if (mapped === '') return null;
  // PostgreSQL looks for what is prohibited before it normalises; RFC 4013 would look afterwards.
  const codes = Array.from(mapped, codePoint);
  if (codes.some((code) => contains(PROHIBITED_RANGES, code) || contains(UNASSIGNED_RANGES, code))) return null;
  return readsOneWay(codes) ? mapped.normalize('NFKC') : null;
}

/** RFC 3454 §6: with one right-to-left character all must be, the first and the last included. */
function readsOneWay(codes: readonly number[]): boolean {
  const rightToLeft = (code: number | undefined) => code !== undefined && contains(RIGHT_TO_LEFT_RANGES, code);
  if (!codes.some(rightToLeft)) return true;
  if (codes.some((code) => contains(LEFT_TO_RIGHT_RANGES, code))) return false;
  return rightToLeft(codes[0]) && rightToLeft(codes.at(-1));
}

/** First and last code points, alternating and ascending. */
type Ranges = Uint32Array;

function contains(ranges: Ranges, code: number): boolean {
  let low = 0;
  let high = ranges.length / 2;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (code > (ranges[middle * 2 + 1] ?? 0)) low = middle + 1;
    else high = middle;
  }
  return code >= (ranges[low * 2] ?? Number.POSITIVE_INFINITY);
}

function parse(table: string): Ranges {
  const bounds = table.trim().split(/\s+/);
  return Uint32Array.from(
    bounds.flatMap((range) => {
      const [first = '', last = first] = range.split('-');
      return [Number.parseInt(first, 16), Number.parseInt(last, 16)];
    }),
  );
}

function codePoint(character: string): number {
  return character.codePointAt(0) ?? 0;
}

const ASCII = /^[\0-\x7f]*$/;
const SPACE_RANGES = parse(SPACES);
const NOTHING_RANGES = parse(NOTHING);
const PROHIBITED_RANGES = parse(PROHIBITED);
const UNASSIGNED_RANGES = parse(UNASSIGNED);
const RIGHT_TO_LEFT_RANGES = parse(RIGHT_TO_LEFT);
const LEFT_TO_RIGHT_RANGES = parse(LEFT_TO_RIGHT);
