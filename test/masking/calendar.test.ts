import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  civilOf,
  type DateUnit,
  daysFromCivil,
  truncateDateBinary,
  truncateDateText,
  truncateTimestampBinary,
  truncateTimestampText,
  truncateTimestamptzText,
} from '../../src/masking/calendar.ts';

const text = (value: Buffer | null): string | null => value?.toString() ?? null;
const DAY_US = 86_400_000_000n;
const FIRST_DAY = -2_451_545;
const LAST_DAY = 2_145_031_948;

function timestamp(microseconds: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(microseconds);
  return bytes;
}

function date(days: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(days);
  return bytes;
}

describe('dates as text', () => {
  test.each<[string, DateUnit, string | null]>([
    ['2024-05-06', 'month', '2024-05-01'],
    ['2024-05-06', 'year', '2024-01-01'],
    ['2024-02-29', 'month', '2024-02-01'],
    ['10000-12-31', 'month', '10000-12-01'],
    ['5874897-12-31', 'year', '5874897-01-01'],
    ['0044-03-15 BC', 'month', '0044-03-01 BC'],
    ['0001-12-31 BC', 'year', '0001-01-01 BC'],
    ['4714-11-24 BC', 'month', null],
    ['4713-06-01 BC', 'year', '4713-01-01 BC'],
    ['infinity', 'year', 'infinity'],
    ['-infinity', 'year', '-infinity'],
    ['05/06/2024', 'month', null],
    ['06.05.2024', 'month', null],
    ['05-06-2024', 'month', null],
    ['2024-05-06 ', 'month', null],
    ['2024-05-06\n', 'month', null],
    ['', 'month', null],
  ])('%j to the %s is %j', (value, unit, expected) => {
    expect(text(truncateDateText(Buffer.from(value), unit))).toBe(expected);
  });
});

describe('timestamps as text', () => {
  test.each<[string, DateUnit, string | null]>([
    ['2024-05-06 12:34:56', 'day', '2024-05-06 00:00:00'],
    ['2024-05-06 12:34:56.789012', 'month', '2024-05-01 00:00:00'],
    ['0044-03-15 23:59:59.5 BC', 'year', '0044-01-01 00:00:00 BC'],
    ['infinity', 'day', 'infinity'],
    ['Mon May 06 12:34:56 2024', 'day', null],
    ['05/06/2024 12:34:56', 'day', null],
  ])('%j to the %s is %j', (value, unit, expected) => {
    expect(text(truncateTimestampText(Buffer.from(value), unit))).toBe(expected);
  });

  test.each<[string, DateUnit, string | null]>([
    ['2024-07-15 12:00:00+02', 'year', '2024-01-01 00:00:00+00'],
    ['2024-07-01 01:00:00+02', 'month', '2024-06-01 00:00:00+00'],
    ['2024-06-30 23:00:00-05', 'month', '2024-07-01 00:00:00+00'],
    ['2024-07-01 05:29:59+05:30', 'day', '2024-06-30 00:00:00+00'],
    ['2024-07-01 05:30:00+05:30', 'day', '2024-07-01 00:00:00+00'],
    ['1890-01-01 00:00:00-00:44:30', 'day', '1890-01-01 00:00:00+00'],
    ['0001-01-01 00:30:00+01 BC', 'day', '0002-12-31 00:00:00+00 BC'],
    ['-infinity', 'day', '-infinity'],
    ['2024-05-06 12:34:56', 'day', null],
    ['2024-05-06 12:34:56 CEST', 'day', null],
  ])('with a zone: %j to the %s is %j, in UTC', (value, unit, expected) => {
    expect(text(truncateTimestamptzText(Buffer.from(value), unit))).toBe(expected);
  });
});

describe('binary', () => {
  test('the infinities stay', () => {
    for (const value of [date(2 ** 31 - 1), date(-(2 ** 31))]) expect(truncateDateBinary(value, 'year')).toEqual(value);
    for (const value of [timestamp(2n ** 63n - 1n), timestamp(-(2n ** 63n))]) {
      expect(truncateTimestampBinary(value, 'year')).toEqual(value);
    }
  });

  test('a value of the wrong length is NULL', () => {
    expect(truncateDateBinary(Buffer.alloc(8), 'year')).toBeNull();
    expect(truncateTimestampBinary(Buffer.alloc(4), 'year')).toBeNull();
  });

  test('a timestamp is truncated to its day exactly, over the whole range', () => {
    const first = BigInt(FIRST_DAY) * DAY_US;
    const last = 9_223_371_331_200_000_000n - 1n;
    fc.assert(
      fc.property(fc.bigInt({ min: first, max: last }), (microseconds) => {
        const days = microseconds / DAY_US - (microseconds % DAY_US < 0n ? 1n : 0n);
        expect(truncateTimestampBinary(timestamp(microseconds), 'day')).toEqual(timestamp(days * DAY_US));
      }),
      { numRuns: 2_000 },
    );
  });

  test('text and binary agree', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: FIRST_DAY, max: LAST_DAY }),
        fc.constantFrom<DateUnit>('year', 'month'),
        (days, unit) => {
          const { year, month, day } = civilOf(days);
          const shown = year > 0 ? year : 1 - year;
          const iso = `${String(shown).padStart(4, '0')}-${String(month).padStart(2, '0')}-${String(day).padStart(2, '0')}`;
          const fromText = truncateDateText(Buffer.from(`${iso}${year > 0 ? '' : ' BC'}`), unit);
          const fromBinary = truncateDateBinary(date(days), unit);
          const expected = daysFromCivil(year, unit === 'year' ? 1 : month, 1);
          if (expected < FIRST_DAY) {
            expect([fromText, fromBinary]).toEqual([null, null]);
            return;
          }
          expect(fromBinary).toEqual(date(expected));
          const parts = /^(\d+)-(\d\d)-01( BC)?$/.exec(text(fromText) ?? '');
          expect(parts?.slice(1, 3).map(Number)).toEqual([shown, unit === 'year' ? 1 : month]);
        },
      ),
    );
  });
});

test('the calendar is that of Date, where Date has one', () => {
  fc.assert(
    fc.property(fc.integer({ min: -2_000_000, max: 2_000_000 }), (days) => {
      const date = new Date(Date.UTC(2000, 0, 1) + days * 86_400_000);
      const civil = { year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate() };
      expect(civilOf(days)).toEqual(civil);
      expect(daysFromCivil(civil.year, civil.month, civil.day)).toBe(days);
    }),
  );
});
