import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MASK_KINDS, parseMask, printMask, strictest } from '../../src/core/mask.ts';
import type { Mask } from '../../src/core/verdict.ts';
import { anyMask } from '../masking/masks.ts';

describe('the spelling of a mask', () => {
  test.each<[string, Mask]>([
    ['full', { kind: 'full' }],
    ['null', { kind: 'null' }],
    ['partial(0,4)', { kind: 'partial', keep_first: 0, keep_last: 4 }],
    [' partial ( 2 , 2 ) ', { kind: 'partial', keep_first: 2, keep_last: 2 }],
    ['date_trunc(month)', { kind: 'date_trunc', unit: 'month' }],
    ['round(2)', { kind: 'round', digits: 2 }],
    ['round(-3)', { kind: 'round', digits: -3 }],
    ['round(-0)', { kind: 'round', digits: 0 }],
  ])('%s is read', (spelling, mask) => {
    expect(parseMask(spelling)).toEqual(mask);
  });

  test.each([
    ['nothing', ''],
    ['an unknown kind', 'stars'],
    ['capitals', 'Full'],
    ['arguments where none belong', 'full(1)'],
    ['empty arguments where none belong', 'token()'],
    ['one argument too few', 'partial(4)'],
    ['one argument too many', 'partial(0,4,4)'],
    ['a negative count', 'partial(-1,4)'],
    ['a count above the limit', 'partial(0,65)'],
    ['a fraction', 'round(1.5)'],
    ['digits beyond the limit', 'round(19)'],
    ['an exponent', 'round(1e1)'],
    ['an unknown unit', 'date_trunc(week)'],
    ['no unit', 'date_trunc()'],
    ['text after the mask', 'full; partial(9,9)'],
    ['brackets in brackets', 'partial((0),4)'],
  ])('%s is refused by name', (_, spelling) => {
    expect(() => parseMask(spelling)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });

  test('a printed mask reads back as the same mask', () => {
    fc.assert(
      fc.property(anyMask, (mask) => {
        expect(parseMask(printMask(mask))).toEqual(mask);
      }),
    );
  });

  test('garbage is a mask or a named error, nothing else', () => {
    fc.assert(
      fc.property(fc.string(), (spelling) => {
        try {
          expect(MASK_KINDS).toContain(parseMask(spelling).kind);
        } catch (error) {
          expect(error).toMatchObject({ code: 'CONFIG_INVALID' });
        }
      }),
    );
  });
});

describe('the strictest of several masks', () => {
  test('follows the published order', () => {
    const order = ['null', 'default', 'redact', 'full', 'token', 'round(2)', 'email', 'partial(0,4)'].map(parseMask);
    for (let strict = 0; strict < order.length; strict++) {
      for (const mild of order.slice(strict)) {
        expect(strictest([mild, order[strict] as Mask])).toEqual(order[strict]);
      }
    }
  });

  test.each([
    ['partial(4,0)', 'partial(0,4)', 'partial(0,0)'],
    ['partial(2,4)', 'partial(1,6)', 'partial(1,4)'],
    ['round(2)', 'round(-2)', 'round(-2)'],
    ['date_trunc(day)', 'date_trunc(year)', 'date_trunc(year)'],
    ['date_trunc(day)', 'date_trunc(month)', 'date_trunc(month)'],
    ['round(2)', 'date_trunc(year)', 'full'],
    ['date_trunc(year)', 'email', 'date_trunc(year)'],
  ])('%s with %s is %s', (one, other, expected) => {
    expect(printMask(strictest([parseMask(one), parseMask(other)]))).toBe(expected);
  });

  test('does not depend on order or repetition, and taking it step by step is never milder', () => {
    fc.assert(
      fc.property(
        fc.array(anyMask, { minLength: 1, maxLength: 6 }),
        fc.array(anyMask, { maxLength: 3 }),
        (some, more) => {
          const whole = strictest([...some, ...more]);
          expect(strictest([...more, ...some].reverse())).toEqual(whole);
          expect(strictest([...some, ...some, ...more])).toEqual(whole);
          expect(strictest([strictest([strictest(some), ...more]), whole])).toEqual(
            strictest([strictest(some), ...more]),
          );
        },
      ),
    );
  });

  test('of none is null', () => {
    expect(strictest([])).toEqual({ kind: 'null' });
  });
});
