import { decodeNumeric, encodeNumeric, fitsPrecision, parseDecimal, printDecimal, roundDecimal } from './decimal.ts';
import { declaredPrecision } from './types.ts';

/** `round` on what the server sends. Every function gives `null` for what it does not understand or cannot encode. */
type Change = (value: Buffer) => Buffer | null;

/** Whole numbers have nothing to round after the point: `null` instead of a mask that masks nothing. */
export function roundInteger(name: string, digits: number, binary: boolean): Change | null {
  const bytes = INTEGER_BYTES[name];
  if (bytes === undefined || digits >= 0) return null;
  const step = 10n ** BigInt(-digits);
  const max = 2n ** BigInt(8 * bytes - 1) - 1n;
  const round = (value: bigint): bigint | null => {
    const size = value < 0n ? -value : value;
    const rounded = ((size + step / 2n) / step) * step;
    if (rounded > max) return null;
    return value < 0n ? -rounded : rounded;
  };
  if (binary) {
    return (value) => {
      const rounded = value.length === bytes ? round(readInteger(value)) : null;
      return rounded === null ? null : writeInteger(rounded, bytes);
    };
  }
  return (value) => {
    const text = value.toString('latin1', 0, INTEGER_TEXT_BYTES_MAX + 1);
    const rounded = /^-?\d{1,19}$/.test(text) ? round(BigInt(text)) : null;
    return rounded === null ? null : Buffer.from(String(rounded));
  };
}

export function roundNumeric(digits: number, modifier: number, binary: boolean): Change | null {
  const declared = declaredPrecision(modifier);
  // numeric(10,2) under round(2) would stay as it is.
  if (declared !== null && digits >= declared.scale) return null;
  const fits = (value: ReturnType<typeof roundDecimal>): boolean =>
    declared === null || fitsPrecision(value, declared.precision, declared.scale);
  if (binary) {
    return (value) => {
      const decoded = decodeNumeric(value);
      if (decoded === 'special' || decoded === null) return decoded === null ? null : value;
      const rounded = roundDecimal(decoded, digits);
      return fits(rounded) ? encodeNumeric(rounded) : null;
    };
  }
  return (value) => {
    const text = value.toString('latin1');
    if (SPECIAL.has(text)) return value;
    const decoded = parseDecimal(text);
    if (decoded === null) return null;
    const rounded = roundDecimal(decoded, digits);
    return fits(rounded) ? Buffer.from(printDecimal(rounded)) : null;
  };
}

export function roundFloat(name: string, digits: number, binary: boolean): Change {
  const single = name === 'float4';
  const round = (value: number): number | null => {
    const rounded = roundDouble(value, digits);
    return single && Math.abs(rounded) > FLOAT4_MAX ? null : rounded;
  };
  if (binary) {
    return (value) => {
      if (value.length !== (single ? 4 : 8)) return null;
      const number = single ? value.readFloatBE(0) : value.readDoubleBE(0);
      if (!Number.isFinite(number)) return value;
      const rounded = round(number);
      if (rounded === null) return null;
      const bytes = Buffer.allocUnsafe(value.length);
      if (single) bytes.writeFloatBE(rounded, 0);
      else bytes.writeDoubleBE(rounded, 0);
      return bytes;
    };
  }
  return (value) => {
    const text = value.toString('latin1', 0, FLOAT_TEXT_BYTES_MAX);
    if (SPECIAL.has(text)) return value;
    if (!/^-?\d+(\.\d+)?(e[+-]\d+)?$/.test(text)) return null;
    const rounded = round(Number(text));
    return rounded === null ? null : Buffer.from(String(rounded));
  };
}

export function writeInteger(value: bigint, bytes: number): Buffer {
  const result = Buffer.allocUnsafe(bytes);
  if (bytes === 8) result.writeBigInt64BE(value);
  else result.writeIntBE(Number(value), 0, bytes);
  return result;
}

export function readInteger(value: Buffer): bigint {
  return value.length === 8 ? value.readBigInt64BE(0) : BigInt(value.readIntBE(0, value.length));
}

function roundDouble(value: number, digits: number): number {
  if (digits >= 0) return Number(value.toFixed(digits)) + 0;
  const step = 10 ** -digits;
  return Math.sign(value) * Math.round(Math.abs(value) / step) * step + 0;
}

export const INTEGER_BYTES: Readonly<Record<string, number>> = { int2: 2, int4: 4, int8: 8 };
const INTEGER_TEXT_BYTES_MAX = 20;
const FLOAT_TEXT_BYTES_MAX = 64;
const FLOAT4_MAX = 3.4028234663852886e38;
/** A rounded nothing is still nothing, as in PostgreSQL. */
const SPECIAL: ReadonlySet<string> = new Set(['NaN', 'Infinity', '-Infinity']);
