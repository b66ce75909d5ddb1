import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Mask } from '../../src/core/verdict.ts';
import { maskText, parseMask, stricterMask } from '../../src/policy/masks.ts';

const mask: fc.Arbitrary<Mask> = fc.oneof(
  fc.constantFrom<Mask>(
    { kind: 'null' },
    { kind: 'default' },
    { kind: 'redact' },
    { kind: 'full' },
    { kind: 'token' },
    { kind: 'email' },
  ),
  fc.record({ kind: fc.constant('partial' as const), keep_first: fc.nat(9), keep_last: fc.nat(9) }),
  fc.record({ kind: fc.constant('round' as const), digits: fc.integer({ min: -9, max: 9 }) }),
  fc.record({
    kind: fc.constant('date_trunc' as const),
    unit: fc.constantFrom('year' as const, 'month' as const, 'day' as const),
  }),
);

describe('a mask', () => {
  test('is read as it is written', () => {
    fc.assert(
      fc.property(mask, (one) => {
        expect(parseMask(maskText(one))).toEqual(one);
      }),
    );
  });

  test.each([
    '',
    'FULL',
    'partial',
    'partial()',
    'partial(1)',
    'partial(1,2,3)',
    'partial(-1,2)',
    'partial(100,0)',
    'full()',
    'full(1)',
    'round',
    'round(x)',
    'date_trunc(hour)',
    'date_trunc',
    'email(1)',
    'null ',
    'token(a)',
    'partial(1,2))',
  ])('"%s" is none', (text) => expect(parseMask(text)).toBeNull());

  test('spaces after a comma do not matter', () => {
    expect(parseMask('partial(0, 4)')).toEqual({ kind: 'partial', keep_first: 0, keep_last: 4 });
  });
});

describe('of two masks', () => {
  test.each<[string, string, string]>([
    ['partial(0,4)', 'email', 'email'],
    ['email', 'round(2)', 'round(2)'],
    ['round(2)', 'token', 'token'],
    ['token', 'full', 'full'],
    ['full', 'redact', 'redact'],
    ['redact', 'default', 'default'],
    ['default', 'null', 'null'],
    ['partial(0,4)', 'null', 'null'],
    ['partial(3,0)', 'partial(0,4)', 'partial(0,0)'],
    ['round(2)', 'round(-2)', 'round(-2)'],
    ['date_trunc(day)', 'date_trunc(year)', 'date_trunc(year)'],
    ['date_trunc(day)', 'round(2)', 'full'],
  ])('%s and %s: %s', (one, other, expected) => {
    const read = (text: string) => parseMask(text) ?? { kind: 'null' as const };
    expect(maskText(stricterMask(read(one), read(other)))).toBe(expected);
    expect(maskText(stricterMask(read(other), read(one)))).toBe(expected);
  });

  test('neither their order nor how they are grouped matters, and one with itself is itself', () => {
    fc.assert(
      fc.property(mask, mask, mask, (a, b, c) => {
        expect(stricterMask(a, b)).toEqual(stricterMask(b, a));
        expect(stricterMask(a, stricterMask(b, c))).toEqual(stricterMask(stricterMask(a, b), c));
        expect(stricterMask(a, a)).toEqual(a);
      }),
    );
  });
});
