import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Decimal,
  decodeNumeric,
  encodeNumeric,
  fitsPrecision,
  parseDecimal,
  printDecimal,
  roundDecimal,
} from '../../src/masking/decimal.ts';

function parsed(text: string): Decimal {
  const value = parseDecimal(text);
  if (value === null) throw new Error(`${text} is no decimal`);
  return value;
}

describe('rounding', () => {
  // What PostgreSQL's round(numeric, int) gives.
  test.each([
    ['123.456', 2, '123.46'],
    ['123.454', 2, '123.45'],
    ['-123.455', 2, '-123.46'],
    ['0.005', 2, '0.01'],
    ['0.004', 2, '0.00'],
    ['-0.004', 2, '0.00'],
    ['999.995', 2, '1000.00'],
    ['1.5', 0, '2'],
    ['2.5', 0, '3'],
    ['1250', -2, '1300'],
    ['1249.99', -2, '1200'],
    ['50', -2, '100'],
    ['49', -2, '0'],
    ['50', -3, '0'],
    ['500', -3, '1000'],
    ['-999999', -6, '-1000000'],
    ['123.4', 2, '123.4'],
  ])('%s to %i digits is %s', (value, digits, expected) => {
    expect(printDecimal(roundDecimal(parsed(value), digits))).toBe(expected);
  });

  test('is right to the digit, whatever the length', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }), fc.nat(12), fc.nat(8), (units, scale, digits) => {
        if (digits >= scale) return;
        const size = units < 0n ? -units : units;
        const padded = String(size).padStart(scale + 1, '0');
        const text = `${units < 0n ? '-' : ''}${padded.slice(0, -scale)}.${padded.slice(-scale)}`;
        const step = 10n ** BigInt(scale - digits);
        const rounded = (size + step / 2n) / step;
        const all = String(rounded).padStart(digits + 1, '0');
        const shown = digits === 0 ? all : `${all.slice(0, -digits)}.${all.slice(-digits)}`;
        expect(printDecimal(roundDecimal(parsed(text), digits))).toBe(units < 0n && rounded > 0n ? `-${shown}` : shown);
      }),
    );
  });
});

describe('the binary form', () => {
  // numeric_send: count, weight, sign, scale, groups of four digits.
  test.each([
    ['0', '0000 0000 0000 0000'],
    ['0.00', '0000 0000 0000 0002'],
    ['1', '0001 0000 0000 0000 0001'],
    ['-1.5', '0002 0000 4000 0001 0001 1388'],
    ['10000', '0001 0001 0000 0000 0001'],
    ['12345.6789', '0003 0001 0000 0004 0001 0929 1a85'],
    ['0.0001', '0001 ffff 0000 0004 0001'],
    ['0.00001', '0001 fffe 0000 0005 03e8'],
  ])('of %s is %s', (text, hex) => {
    const bytes = Buffer.from(hex.replaceAll(' ', ''), 'hex');
    expect(encodeNumeric(parsed(text))).toEqual(bytes);
    expect(decodeNumeric(bytes)).toEqual(parsed(text));
  });

  test.each([
    ['NaN', '0000 0000 c000 0000', 'special'],
    ['Infinity', '0000 0000 d000 0000', 'special'],
    ['a cut header', '0000 0000', null],
    ['fewer groups than counted', '0002 0000 0000 0000 0001', null],
    ['an unknown sign', '0001 0000 1000 0000 0001', null],
    ['a group above 9999', '0001 0000 0000 0000 2710', null],
  ])('of %s is told apart', (_, hex, expected) => {
    expect(decodeNumeric(Buffer.from(hex.replaceAll(' ', ''), 'hex'))).toBe(expected);
  });

  test('decodes what it encodes', () => {
    const digits = fc.stringMatching(/^[0-9]{1,30}$/);
    fc.assert(
      fc.property(digits, fc.option(digits, { nil: '' }), fc.boolean(), (integer, fraction, minus) => {
        const value = parsed(`${minus ? '-' : ''}${integer}${fraction === '' ? '' : `.${fraction}`}`);
        const bytes = encodeNumeric(value);
        const decoded = bytes === null ? null : decodeNumeric(bytes);
        expect(decoded === null || decoded === 'special' ? decoded : printDecimal(decoded)).toBe(printDecimal(value));
      }),
    );
  });

  test('garbage is null or a decimal', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const decoded = decodeNumeric(Buffer.from(bytes));
        if (decoded !== null && decoded !== 'special') expect(parseDecimal(printDecimal(decoded))).not.toBeNull();
      }),
    );
  });
});

test('a precision holds so many digits before the point', () => {
  expect(fitsPrecision(parsed('999.99'), 5, 2)).toBe(true);
  expect(fitsPrecision(parsed('1000.0'), 5, 2)).toBe(false);
  expect(fitsPrecision(parsed('0.01'), 2, 2)).toBe(true);
  expect(fitsPrecision(parsed('0001'), 1, 0)).toBe(true);
});
