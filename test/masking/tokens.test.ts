import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeNumeric, parseDecimal } from '../../src/masking/decimal.ts';
import { postgresCellMask } from '../../src/masking/postgres.ts';
import { OIDS } from './oids.ts';

const KEY = Buffer.alloc(32, 7);

function token(type: keyof typeof OIDS, value: Buffer | string, options: Partial<Options> = {}): Buffer | null {
  const { modifier = -1, format = 0, column = 'crm/public.t.c', key = KEY } = options;
  const cell = { typeOid: OIDS[type], typeModifier: modifier, format, column };
  return postgresCellMask({ kind: 'token' }, cell, key)(Buffer.from(value));
}

interface Options {
  readonly modifier: number;
  readonly format: number;
  readonly column: string;
  readonly key: Buffer;
}

function int(value: bigint, bytes: 4 | 8): Buffer {
  const all = Buffer.alloc(8);
  all.writeBigInt64BE(value);
  return all.subarray(8 - bytes);
}

describe('a token', () => {
  test('of a text is 128 bits of base64url', () => {
    expect(token('text', '123-45-6789')?.toString()).toMatch(/^[A-Za-z0-9_-]{22}$/);
  });

  test('is the same for equal values and another for another value, column or key', () => {
    const first = token('text', 'anna')?.toString();
    expect(token('text', 'anna')?.toString()).toBe(first);
    const others = [
      token('text', 'anne'),
      token('text', 'anna', { column: 'crm/public.t.d' }),
      token('text', 'anna', { key: Buffer.alloc(32, 8) }),
      token('text', 'anna '),
      token('text', ''),
    ].map(String);
    expect(new Set([first, ...others]).size).toBe(6);
  });

  test('depends on the column as a whole: no two columns share a key by concatenation', () => {
    expect(token('text', 'bc', { column: 'a' })?.toString()).not.toBe(token('text', 'c', { column: 'ab' })?.toString());
  });

  test.each([
    [15, null],
    [16, 16],
    [20, 20],
    [22, 22],
    [40, 22],
  ])('in varchar(%i) has %s characters: never fewer than 96 bits', (declared, length) => {
    expect(token('varchar', 'x', { modifier: declared + 4 })?.length ?? null).toBe(length);
  });

  test('of a padded char(n) is padded, and the padding is not part of the value', () => {
    const padded = token('bpchar', 'anna                          ', { modifier: 34 })?.toString();
    expect(padded).toMatch(/^[A-Za-z0-9_-]{22} {8}$/);
    expect(padded?.trimEnd()).toBe(token('text', 'anna')?.toString());
  });

  test('of an integer is a positive number of its type', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 31n), max: 2n ** 31n - 1n }), (value) => {
        const text = BigInt(String(token('int4', String(value))));
        expect(text >= 0n && text < 2n ** 31n).toBe(true);
        expect(token('int4', int(value, 4), { format: 1 })).toEqual(int(text, 4));
        const wide = BigInt(String(token('int8', String(value))));
        expect(wide >= 0n && wide < 2n ** 63n).toBe(true);
        expect(token('int8', int(value, 8), { format: 1 })).toEqual(int(wide, 8));
      }),
    );
  });

  test('of a smallint is NULL: there are too few values', () => {
    expect(token('int2', '7')).toBeNull();
  });

  test('of a numeric fits its precision, in text and binary alike', () => {
    const modifier = ((12 << 16) | 2) + 4;
    const binary = (text: string): Buffer => encodeNumeric(parseDecimal(text) ?? never()) ?? never();
    const text = token('numeric', '1234.50', { modifier })?.toString() ?? '';
    expect(text).toMatch(/^\d{1,10}$/);
    expect(token('numeric', binary('1234.50'), { modifier, format: 1 })).toEqual(binary(text));
    expect(token('numeric', '1234.5')?.toString()).toBe(token('numeric', '1234.500')?.toString());
    expect(token('numeric', '1234.50', { modifier: ((10 << 16) | 2) + 4 })).toBeNull();
    expect(token('numeric', 'NaN')?.toString()).toMatch(/^\d+$/);
  });

  test('of a uuid is a uuid of version 8, in text and binary alike', () => {
    const value = 'f47ac10b-58cc-4372-a567-0e02b2c3d479';
    const text = token('uuid', value)?.toString() ?? '';
    expect(text).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    const binary = token('uuid', Buffer.from(value.replaceAll('-', ''), 'hex'), { format: 1 });
    expect(binary?.toString('hex')).toBe(text.replaceAll('-', ''));
  });

  test('of bytea is the same from hexadecimal, escaped and binary values', () => {
    const value = Buffer.from([0x00, 0x61, 0x5c, 0xff]);
    const hex = token('bytea', '\\x00615cff')?.toString();
    expect(hex).toMatch(/^\\x[0-9a-f]{32}$/);
    expect(token('bytea', '\\000a\\\\\\377')?.toString()).toBe(hex);
    expect(`\\x${token('bytea', value, { format: 1 })?.toString('hex')}`).toBe(hex);
  });

  test('of jsonb is a string, behind its version in binary', () => {
    const text = token('jsonb', '{"a": 1}')?.toString() ?? '';
    expect(JSON.parse(text)).toHaveLength(22);
    expect(token('jsonb', '\u0001{"a": 1}', { format: 1 })?.toString()).toBe(`\u0001${text}`);
    expect(token('json', '{"a": 1}', { format: 1 })?.toString()).toBe(text);
  });

  test('does not change with a release: joins over stored tokens go on working', () => {
    expect(token('text', 'anna')?.toString()).toBe('V_v2AoB8yblpTwLFJtGtvA');
  });
});

function never(): never {
  throw new Error('not a number');
}
