import { isUtf8 } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseMask } from '../../src/core/mask.ts';
import { countCharacters } from '../../src/masking/characters.ts';
import { postgresCellMask } from '../../src/masking/postgres.ts';
import type { CellMask } from '../../src/protocols/protocol.ts';
import { anyMask } from './masks.ts';
import { OIDS } from './oids.ts';

const KEY = Buffer.alloc(32, 7);

interface Cell {
  readonly type: keyof typeof OIDS;
  readonly modifier?: number;
  readonly format?: number;
  readonly column?: string;
}

function compile(mask: string, { type, modifier = -1, format = 0, column = 'crm/public.t.c' }: Cell): CellMask {
  const cell = { typeOid: OIDS[type], typeModifier: modifier, format, column };
  return postgresCellMask(parseMask(mask), cell, KEY);
}

const masked = (mask: string, cell: Cell, value: string): string | null =>
  compile(mask, cell)(Buffer.from(value))?.toString() ?? null;
const maskedHex = (mask: string, cell: Cell, hex: string): string | null =>
  compile(mask, { ...cell, format: 1 })(Buffer.from(hex, 'hex'))?.toString('hex') ?? null;

describe('constants, as text and as the server sends them in binary', () => {
  test.each<[string, keyof typeof OIDS, string, string]>([
    ['default', 'int2', '0', '0000'],
    ['default', 'int4', '0', '00000000'],
    ['default', 'int8', '0', '0000000000000000'],
    ['default', 'numeric', '0', '0000000000000000'],
    ['default', 'float4', '0', '00000000'],
    ['default', 'float8', '0', '0000000000000000'],
    ['default', 'date', '1970-01-01', 'ffffd533'],
    ['default', 'timestamp', '1970-01-01 00:00:00', 'fffca2fec4c82000'],
    ['default', 'timestamptz', '1970-01-01 00:00:00+00', 'fffca2fec4c82000'],
    ['default', 'time', '00:00:00', '0000000000000000'],
    ['default', 'timetz', '00:00:00+00', '000000000000000000000000'],
    ['default', 'interval', '00:00:00', '00000000000000000000000000000000'],
    ['default', 'uuid', '00000000-0000-0000-0000-000000000000', '00000000000000000000000000000000'],
    ['default', 'json', 'null', '6e756c6c'],
    ['default', 'jsonb', 'null', '016e756c6c'],
    ['full', 'jsonb', '"******"', '01222a2a2a2a2a2a22'],
    ['redact', 'json', '"[REDACTED]"', '225b52454441435445445d22'],
    ['default', 'bytea', '\\x', ''],
    ['full', 'bytea', '\\x2a2a2a2a2a2a', '2a2a2a2a2a2a'],
    ['full', 'xml', '<masked/>', '3c6d61736b65642f3e'],
    ['full', 'char', '*', '2a'],
    ['default', 'char', '', '00'],
    ['full', 'text', '******', '2a2a2a2a2a2a'],
    ['redact', 'name', '[REDACTED]', '5b52454441435445445d'],
    ['default', 'inet', '0.0.0.0/32', '0220000400000000'],
    ['default', 'cidr', '0.0.0.0/32', '0220010400000000'],
    ['default', 'macaddr', '00:00:00:00:00:00', '000000000000'],
    ['default', 'money', '0', '0000000000000000'],
    ['default', 'oid', '0', '00000000'],
  ])('%s of %s is %s', (mask, type, text, hex) => {
    expect(masked(mask, { type }, 'whatever it was')).toBe(text);
    expect(maskedHex(mask, { type }, 'c0ffee')).toBe(hex);
  });

  test.each(['full', 'redact', 'email', 'partial(0,4)', 'token', 'round(2)', 'date_trunc(month)', 'default', 'null'])(
    '%s of a type that nothing fits is NULL',
    (mask) => {
      for (const type of ['bool', 'bit', 'varbit', 'enum', 'text[]', 'int4range', 'citext'] as const) {
        expect(masked(mask, { type }, 't')).toBeNull();
        expect(maskedHex(mask, { type }, '01')).toBeNull();
      }
    },
  );

  test('an unknown format is NULL', () => {
    expect(compile('full', { type: 'text', format: 2 })(Buffer.from('a'))).toBeNull();
  });
});

describe('the declared length', () => {
  test.each<[string, keyof typeof OIDS, number, string]>([
    ['full', 'varchar', 4, '****'],
    ['redact', 'varchar', 11, '[REDACTED]'],
    ['redact', 'varchar', 5, '[REDA'],
    ['full', 'bpchar', 9, '******   '],
    ['full', 'bpchar', 2, '**'],
    ['default', 'bpchar', 3, '   '],
    ['default', 'varchar', 3, ''],
  ])('%s in %s(%i)', (mask, type, declared, expected) => {
    expect(masked(mask, { type, modifier: declared + 4 }, 'x'.repeat(declared))).toBe(expected);
  });

  test('char(n) is masked without its padding and padded again', () => {
    const type = { type: 'bpchar', modifier: 24 } as const;
    expect(masked('partial(0,4)', type, '123-45-6789         ')).toBe('*******6789         ');
    expect(masked('partial(0,4)', type, '123-45              ')).toBe('******              ');
    expect(masked('email', type, 'anna@example.com    ')).toBe('a***@example.com    ');
    expect(masked('token', type, 'anna                ')).toHaveLength(20);
    expect(masked('partial(1,1)', { type: 'bpchar', modifier: 14 }, 'Zürich    ')).toBe('Z****h    ');
  });

  test('an address that grows beyond its column becomes the whole mask', () => {
    expect(masked('email', { type: 'varchar', modifier: 4 + 12 }, 'ab@abcdef.gh')).toBe('******');
    expect(masked('email', { type: 'varchar', modifier: 4 + 13 }, 'ab@abcdef.gh')).toBe('***@abcdef.gh');
    const name = `ab@${'c'.repeat(57)}.de`;
    expect(name).toHaveLength(63);
    expect(masked('email', { type: 'name' }, name)).toBe('******');
  });

  test('no mask of a text is longer than the column, whatever the value', () => {
    const value = fc.string({ unit: 'binary', maxLength: 30 });
    fc.assert(
      fc.property(
        anyMask,
        value,
        fc.nat(4),
        fc.constantFrom('varchar', 'bpchar'),
        fc.boolean(),
        (mask, text, more, type, at) => {
          const shown = at ? `${text}@ab.cd` : text;
          const declared = Math.max(1, Array.from(shown).length + more);
          const padded = type === 'bpchar' ? shown + ' '.repeat(declared - Array.from(shown).length) : shown;
          const cell = { typeOid: OIDS[type], typeModifier: declared + 4, format: 1, column: 'c' };
          const result = postgresCellMask(mask, cell, KEY)(Buffer.from(padded));
          if (result === null) return;
          expect(isUtf8(result)).toBe(true);
          expect(countCharacters(result)).toBeLessThanOrEqual(declared);
          if (type === 'bpchar') expect(countCharacters(result)).toBe(declared);
        },
      ),
      { numRuns: 1_000 },
    );
  });
});

describe('round', () => {
  test.each<[string, keyof typeof OIDS, string, string | null]>([
    ['round(-3)', 'int4', '123456', '123000'],
    ['round(-3)', 'int4', '-123567', '-124000'],
    ['round(-3)', 'int2', '32767', null],
    ['round(-3)', 'int4', 'abc', null],
    ['round(-18)', 'int8', '9223372036854775807', '9000000000000000000'],
    ['round(0)', 'int4', '123456', null],
    ['round(2)', 'int8', '123456', null],
    ['round(2)', 'numeric', '123.456', '123.46'],
    ['round(-2)', 'numeric', '-150', '-200'],
    ['round(2)', 'numeric', 'NaN', 'NaN'],
    ['round(2)', 'numeric', '-Infinity', '-Infinity'],
    ['round(2)', 'numeric', '1e5', null],
    ['round(1)', 'float8', '1.25', '1.3'],
    ['round(1)', 'float4', '-0.04', '0'],
    ['round(-2)', 'float8', '1.5e+10', '15000000000'],
    ['round(-2)', 'float8', '-149', '-100'],
    ['round(2)', 'float8', '1e+300', '1e+300'],
    ['round(0)', 'float8', 'Infinity', 'Infinity'],
    ['round(0)', 'float8', '12,5', null],
  ])('%s of %s %s is %s', (mask, type, value, expected) => {
    expect(masked(mask, { type }, value)).toBe(expected);
  });

  test.each<[string, keyof typeof OIDS, string, string | null]>([
    ['round(-3)', 'int4', '0001e240', '0001e078'],
    ['round(-3)', 'int2', '7fff', null],
    ['round(-3)', 'int8', 'fffffffffffe1dc0', 'fffffffffffe1f88'],
    ['round(-3)', 'int4', '01e240', null],
    ['round(1)', 'numeric', '000200000000000200011194', '000200000000000100011388'],
    ['round(2)', 'numeric', '00000000c0000000', '00000000c0000000'],
    ['round(0)', 'float8', '4004000000000000', '4008000000000000'],
    ['round(0)', 'float4', '40200000', '40400000'],
    ['round(0)', 'float4', '7fc00000', '7fc00000'],
    ['round(0)', 'float8', '40200000', null],
  ])('%s of binary %s %s is %s', (mask, type, value, expected) => {
    expect(maskedHex(mask, { type }, value)).toBe(expected);
  });

  test('a declared numeric that would stay as it is, or overflow, is NULL', () => {
    const numeric52 = { type: 'numeric', modifier: ((5 << 16) | 2) + 4 } as const;
    expect(masked('round(2)', numeric52, '123.45')).toBeNull();
    expect(masked('round(1)', numeric52, '123.45')).toBe('123.5');
    expect(masked('round(0)', numeric52, '999.50')).toBeNull();
    expect(masked('round(0)', numeric52, '999.49')).toBe('999');
    // numeric(3,-2): the scale is a signed number of eleven bits.
    expect(masked('round(-2)', { type: 'numeric', modifier: ((3 << 16) | (-2 & 0x7ff)) + 4 }, '12300')).toBeNull();
  });
});

describe('date_trunc', () => {
  test('keeps the unit in both formats', () => {
    expect(masked('date_trunc(month)', { type: 'date' }, '2024-05-06')).toBe('2024-05-01');
    expect(maskedHex('date_trunc(month)', { type: 'date' }, '000022bc')).toBe('000022b7');
    expect(masked('date_trunc(day)', { type: 'timestamp' }, '2024-05-06 01:02:03')).toBe('2024-05-06 00:00:00');
    expect(maskedHex('date_trunc(day)', { type: 'timestamp' }, '0000000000000001')).toBe('0000000000000000');
    expect(maskedHex('date_trunc(day)', { type: 'timestamptz' }, 'ffffffffffffffff')).toBe('ffffffebe228a000');
  });

  test('of a date to its day would be the date, so it is NULL', () => {
    expect(masked('date_trunc(day)', { type: 'date' }, '2024-05-06')).toBeNull();
  });

  test('of times, intervals and texts is NULL', () => {
    for (const type of ['time', 'timetz', 'interval', 'text', 'int8'] as const) {
      expect(masked('date_trunc(year)', { type }, '2024-05-06')).toBeNull();
    }
  });
});

describe('every mask', () => {
  const cells = fc.record({
    typeOid: fc.constantFrom(...Object.values(OIDS)),
    typeModifier: fc.constantFrom(-1, 4, 5, 20, 36, ((5 << 16) | 2) + 4),
    format: fc.constantFrom(0, 1),
    column: fc.constant('c'),
  });

  test('makes something or NULL of any bytes, never throws, and leaves the bytes alone', () => {
    const some = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.string({ unit: 'binary', maxLength: 40 }).map((text) => Buffer.from(text)),
    );
    fc.assert(
      fc.property(anyMask, cells, some, (mask, cell, bytes) => {
        const value = Buffer.from(bytes);
        postgresCellMask(mask, cell, KEY)(value);
        expect(value).toEqual(Buffer.from(bytes));
      }),
      { numRuns: 1_000 },
    );
  }, 20_000);

  test('of a constant kind gives the same whatever the value, so masking twice is masking once', () => {
    const constants = fc.constantFrom('null', 'default', 'redact', 'full').map(parseMask);
    fc.assert(
      fc.property(constants, cells, fc.uint8Array(), fc.uint8Array(), (mask, cell, one, other) => {
        const compiled = postgresCellMask(mask, cell, KEY);
        const first = compiled(Buffer.from(one));
        expect(compiled(Buffer.from(other))).toEqual(first);
        if (first !== null) expect(compiled(first)).toEqual(first);
      }),
    );
  });

  test('that rounds or truncates gives the same again', () => {
    for (const [mask, type, value] of [
      ['round(2)', 'numeric', '12.3456'],
      ['round(-2)', 'int4', '1251'],
      ['round(1)', 'float8', '2.7182'],
      ['date_trunc(month)', 'date', '2024-05-06'],
      ['date_trunc(year)', 'timestamptz', '2024-05-06 07:08:09.1+02'],
    ] as const) {
      const once = masked(mask, { type }, value);
      expect(once).not.toBeNull();
      expect(masked(mask, { type }, once ?? '')).toBe(once);
    }
  });
});
