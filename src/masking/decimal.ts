/** A decimal number as digits, so that nothing is lost: `-12.340` is negative, `12` and `340`. */
export interface Decimal {
  readonly negative: boolean;
  readonly integer: string;
  readonly fraction: string;
}

/** What numeric_out prints; `null` for NaN, the infinities and everything else. */
export function parseDecimal(text: string): Decimal | null {
  const parts = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text);
  if (parts === null) return null;
  return { negative: parts[1] === '-', integer: parts[2] ?? '0', fraction: parts[3] ?? '' };
}

export function printDecimal(value: Decimal): string {
  const integer = value.integer.replace(/^0+(?=\d)/, '');
  const digits = value.fraction === '' ? integer : `${integer}.${value.fraction}`;
  return value.negative && /[1-9]/.test(digits) ? `-${digits}` : digits;
}

/** Half away from zero, as PostgreSQL's round(numeric, int); fewer digits than asked for stay as they are. */
export function roundDecimal(value: Decimal, digits: number): Decimal {
  if (digits >= value.fraction.length) return value;
  const all = `0${value.integer}${value.fraction}`;
  const cut = 1 + value.integer.length + digits;
  const up = cut > 0 && (all[cut] ?? '0') >= '5';
  const head = cut > 0 ? all.slice(0, cut) : '0';
  const kept = up ? increment(head) : head;
  if (digits > 0) {
    return { ...value, integer: kept.slice(0, -digits), fraction: kept.slice(-digits) };
  }
  return { ...value, integer: `${kept}${'0'.repeat(-digits)}`, fraction: '' };
}

/** Whether numeric(precision, scale) holds it without an error. */
export function fitsPrecision(value: Decimal, precision: number, scale: number): boolean {
  return value.integer.replace(/^0+/, '').length <= precision - scale;
}

/**
 * numeric_send: digit count, weight of the first digit, sign, display scale, then digits of base 10,000. `special` holds
 * NaN and the infinities.
 */
export function decodeNumeric(bytes: Buffer): Decimal | 'special' | null {
  if (bytes.length < HEADER_BYTES) return null;
  const count = bytes.readUInt16BE(0);
  const weight = bytes.readInt16BE(2);
  const sign = bytes.readUInt16BE(4);
  const scale = bytes.readUInt16BE(6);
  if (sign === 0xc000 || sign === 0xd000 || sign === 0xf000) return 'special';
  if (bytes.length !== HEADER_BYTES + 2 * count || (sign !== PLUS && sign !== MINUS)) return null;
  let integer = '';
  let fraction = weight < -1 ? GROUP_ZEROS.repeat(-weight - 1) : '';
  for (let at = 0; at < count; at++) {
    const group = bytes.readUInt16BE(HEADER_BYTES + 2 * at);
    if (group > 9999) return null;
    const digits = String(group).padStart(GROUP_DIGITS, '0');
    if (at <= weight) integer += digits;
    else fraction += digits;
  }
  if (weight >= count) integer += GROUP_ZEROS.repeat(weight + 1 - count);
  return {
    negative: sign === MINUS,
    integer: integer.replace(/^0+(?=\d)/, '') || '0',
    fraction: fraction.slice(0, scale).padEnd(scale, '0'),
  };
}

/** `null` where the number has more digits than a numeric can. */
export function encodeNumeric(value: Decimal): Buffer | null {
  const integer = value.integer.replace(/^0+/, '');
  const groupsBefore = Math.ceil(integer.length / GROUP_DIGITS);
  const padded =
    integer.padStart(groupsBefore * GROUP_DIGITS, '0') +
    value.fraction.padEnd(Math.ceil(value.fraction.length / GROUP_DIGITS) * GROUP_DIGITS, '0');
  const groups: number[] = [];
  for (let at = 0; at < padded.length; at += GROUP_DIGITS) groups.push(Number(padded.slice(at, at + GROUP_DIGITS)));
  let weight = groupsBefore - 1;
  let first = 0;
  while (first < groups.length && groups[first] === 0) {
    first++;
    weight--;
  }
  let end = groups.length;
  while (end > first && groups[end - 1] === 0) end--;
  const digits = groups.slice(first, end);
  if (weight > INT16_MAX || value.fraction.length > SCALE_MAX) return null;
  const bytes = Buffer.alloc(HEADER_BYTES + 2 * digits.length);
  bytes.writeUInt16BE(digits.length, 0);
  bytes.writeInt16BE(digits.length === 0 ? 0 : weight, 2);
  bytes.writeUInt16BE(value.negative && digits.length > 0 ? MINUS : PLUS, 4);
  bytes.writeUInt16BE(value.fraction.length, 6);
  digits.forEach((digit, index) => {
    bytes.writeUInt16BE(digit, HEADER_BYTES + 2 * index);
  });
  return bytes;
}

function increment(digits: string): string {
  let at = digits.length - 1;
  while (at >= 0 && digits[at] === '9') at--;
  const zeros = '0'.repeat(digits.length - 1 - at);
  return at < 0 ? `1${zeros}` : `${digits.slice(0, at)}${Number(digits[at]) + 1}${zeros}`;
}

const HEADER_BYTES = 8;
const GROUP_DIGITS = 4;
const GROUP_ZEROS = '0000';
const PLUS = 0x0000;
const MINUS = 0x4000;
const INT16_MAX = 0x7fff;
/** NUMERIC_DSCALE_MAX (numeric.c). */
const SCALE_MAX = 0x3fff;
