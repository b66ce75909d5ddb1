import { createHmac, createSecretKey } from 'node:crypto';
import { withoutPadding } from './characters.ts';
import { JSONB_VERSION } from './constants.ts';
import { type Decimal, decodeNumeric, encodeNumeric, parseDecimal, printDecimal } from './decimal.ts';
import { INTEGER_BYTES, readInteger, writeInteger } from './numbers.ts';
import { declaredCharacters, declaredPrecision, type PostgresType } from './types.ts';

/**
 * `token`: HMAC-SHA-256 under a key of the column, so that equal values of one column stay equal, values of two columns
 * cannot be linked, and nobody without the key can try values. The same value gives the same token in text and binary.
 * `null`: the type has no room for one.
 */
export function tokenMask(
  type: PostgresType,
  modifier: number,
  binary: boolean,
  digest: (value: Buffer | string) => Buffer,
): ((value: Buffer) => Buffer | null) | null {
  switch (type.class) {
    case 'text': {
      const declared = declaredCharacters(type, modifier);
      if (declared !== null && declared < TEXT_CHARACTERS_MIN) return null;
      const width = type.name === 'bpchar' && declared !== null ? Math.min(declared, PADDING_MAX) : 0;
      return (value) => {
        const token = base64url(digest(type.name === 'bpchar' ? withoutPadding(value) : value));
        return Buffer.from(token.slice(0, declared ?? token.length).padEnd(width, ' '));
      };
    }
    case 'json':
      return (value) => {
        const isVersioned = type.name === 'jsonb' && binary;
        const text = `"${base64url(digest(isVersioned ? value.subarray(1) : value))}"`;
        return isVersioned ? Buffer.concat([JSONB_VERSION, Buffer.from(text)]) : Buffer.from(text);
      };
    case 'integer':
      return integerToken(type, binary, digest);
    case 'numeric':
      return numericToken(modifier, binary, digest);
    case 'uuid':
      return binary
        ? (value) => uuidBytes(digest(value))
        : (value) =>
            Buffer.from(printUuid(uuidBytes(digest(Buffer.from(value.toString('latin1').replaceAll('-', ''), 'hex')))));
    case 'bytea':
      return binary
        ? (value) => digest(value).subarray(0, TOKEN_BYTES)
        : (value) => Buffer.from(`\\x${digest(byteaOf(value)).toString('hex', 0, TOKEN_BYTES)}`);
    default:
      return null;
  }
}

export function columnDigest(tokenKey: Buffer, column: string): (value: Buffer | string) => Buffer {
  const key = createSecretKey(createHmac('sha256', tokenKey).update(`sallyport token 1\0${column}`).digest());
  return (value) => createHmac('sha256', key).update(value).digest();
}

/** Positive, so that nobody takes it for a sentinel. A smallint has too few values to tell rows apart. */
function integerToken(
  type: PostgresType,
  binary: boolean,
  digest: (value: string) => Buffer,
): ((value: Buffer) => Buffer | null) | null {
  const bytes = INTEGER_BYTES[type.name];
  if (bytes === undefined || bytes === 2) return null;
  const mask = 2n ** BigInt(8 * bytes - 1) - 1n;
  return (value) => {
    if (binary && value.length !== bytes) return null;
    const text = binary ? String(readInteger(value)) : value.toString('latin1');
    const token = digest(text).readBigUInt64BE(0) & mask;
    return binary ? writeInteger(token, bytes) : Buffer.from(String(token));
  };
}

function numericToken(
  modifier: number,
  binary: boolean,
  digest: (value: string) => Buffer,
): ((value: Buffer) => Buffer | null) | null {
  const declared = declaredPrecision(modifier);
  const room =
    declared === null ? NUMERIC_DIGITS_MAX : Math.min(NUMERIC_DIGITS_MAX, declared.precision - declared.scale);
  if (room < NUMERIC_DIGITS_MIN || (declared !== null && declared.scale < 0)) return null;
  const modulus = 10n ** BigInt(room);
  return (value) => {
    const text = binary ? numericText(decodeNumeric(value)) : numericText(parseDecimal(value.toString('latin1')));
    const token = String(BigInt(`0x${digest(text).toString('hex', 0, TOKEN_BYTES)}`) % modulus);
    return binary ? encodeNumeric({ negative: false, integer: token, fraction: '' }) : Buffer.from(token);
  };
}

/** 1.50 and 1.5 are one number. NaN and the infinities share one token. */
function numericText(value: Decimal | 'special' | null): string {
  if (value === null || value === 'special') return 'special';
  return printDecimal({ ...value, fraction: value.fraction.replace(/0+$/, '') });
}

function base64url(digest: Buffer): string {
  return digest.toString('base64url', 0, TOKEN_BYTES);
}

/** A UUID of version 8, for values of an application's own making (RFC 9562 §5.8). */
function uuidBytes(digest: Buffer): Buffer {
  const bytes = digest.subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return bytes;
}

function printUuid(bytes: Buffer): string {
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** byteaout in either bytea_output: `\x` and hexadecimal, or escapes `\\` and `\ooo`. */
function byteaOf(value: Buffer): Buffer {
  const text = value.toString('latin1');
  if (text.startsWith('\\x')) return Buffer.from(text.slice(2), 'hex');
  const plain = text.replace(/\\(\\|[0-3][0-7]{2})/g, (_whole: string, escaped: string) =>
    escaped === '\\' ? '\\' : String.fromCharCode(Number.parseInt(escaped, 8)),
  );
  return Buffer.from(plain, 'latin1');
}

/** 128 bits: 22 characters of base64url. */
const TOKEN_BYTES = 16;
/** 96 bits: fewer would let two values share a token. */
const TEXT_CHARACTERS_MIN = 16;
const PADDING_MAX = 4096;
const NUMERIC_DIGITS_MAX = 30;
const NUMERIC_DIGITS_MIN = 9;
