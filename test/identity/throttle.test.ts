import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Throttle } from '../../src/identity/throttle.ts';
import { network, throttleKeys } from '../../src/identity/throttle-keys.ts';
import { HERE } from './room.ts';

const RULES = { burst: 5, perSecond: 2, delay_ms_max: 3_000, buckets_max: 100 };

describe('whoever fails', () => {
  test('is slowed after a burst, more with each failure, and never beyond the limit', () => {
    const throttle = new Throttle(RULES);
    const waits = Array.from({ length: 40 }, () => throttle.charge(['a'], 0));
    expect(waits.slice(0, 8)).toEqual([0, 0, 0, 0, 0, 500, 1_000, 1_500]);
    expect(Math.max(...waits)).toBe(3_000);
  });

  test('is forgiven with time', () => {
    const throttle = new Throttle(RULES);
    for (let count = 0; count < 40; count++) throttle.charge(['a'], 0);
    expect(throttle.charge(['a'], 60_000)).toBe(0);
  });

  test('does not slow anybody else', () => {
    const throttle = new Throttle(RULES);
    for (let count = 0; count < 40; count++) throttle.charge(['a'], 0);
    expect(throttle.charge(['b'], 0)).toBe(0);
    expect(throttle.charge(['b', 'a'], 0)).toBe(3_000);
  });

  test('with many attempts at once gains nothing', () => {
    const throttle = new Throttle(RULES);
    const waits = Array.from({ length: 20 }, () => throttle.charge(['a'], 0));
    expect(waits.filter((wait) => wait === 0)).toHaveLength(RULES.burst);
  });
});

describe('whoever succeeds', () => {
  test('is not slowed, however often', () => {
    const throttle = new Throttle(RULES);
    for (let count = 0; count < 1_000; count++) {
      expect(throttle.charge(['a'], 0)).toBe(0);
      throttle.payBack(['a'], 0);
    }
    expect(throttle.size).toBe(0);
  });

  test('while somebody guesses at the same name waits the limit and gets in', () => {
    const throttle = new Throttle(RULES);
    for (let count = 0; count < 10_000; count++) throttle.charge(['a'], count);
    expect(throttle.charge(['a'], 10_000)).toBeLessThanOrEqual(RULES.delay_ms_max);
  });
});

test('memory is bounded: the names used longest ago are forgotten', () => {
  const throttle = new Throttle(RULES);
  for (let count = 0; count < 1_000; count++) throttle.charge([`name-${count}`], 0);
  expect(throttle.size).toBe(RULES.buckets_max);
});

test('a clock that goes back forgives nothing and charges nothing', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 100_000 }), { maxLength: 50 }), (times) => {
      const throttle = new Throttle(RULES);
      for (const at of times) {
        const wait = throttle.charge(['a'], at);
        expect(wait).toBeGreaterThanOrEqual(0);
        expect(wait).toBeLessThanOrEqual(RULES.delay_ms_max);
      }
    }),
  );
});

test.each([
  ['192.0.2.7', '192.0.2.7'],
  ['::ffff:192.0.2.7', '192.0.2.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
  ['2001:DB8:1:2::99', '2001:db8:1:2'],
  ['2001:0db8:0001:0002::99', '2001:db8:1:2'],
  ['2001:db8::1', '2001:db8:0:0'],
  ['::1', '0:0:0:0'],
  ['fe80::1%eth0', 'fe80:0:0:0'],
  ['64:ff9b::192.0.2.7', '64:ff9b:0:0'],
  ['unix', 'unix'],
])('failures from %s count for %s', (address, expected) => expect(network(address)).toBe(expected));

test('an attempt is remembered under the address and whom it claimed to be', () => {
  const token = `sp_0123456789_${'a'.repeat(43)}`;
  const keys = (credential: Parameters<typeof throttleKeys>[0]) => throttleKeys(credential, HERE).slice(1);
  expect(throttleKeys({ kind: 'bearer', token: 'x' }, HERE)).toEqual(['address:192.0.2.7']);
  expect(keys({ kind: 'password', user: 'ann', secret: 'x' })).toEqual(['name:ann']);
  expect(keys({ kind: 'scram', user: 'ann', verifier: null })).toEqual(['name:ann']);
  expect(keys({ kind: 'password', user: '-', secret: token })).toEqual(['token:0123456789']);
  expect(keys({ kind: 'bearer', token })).toEqual(['token:0123456789']);
  expect(keys({ kind: 'password', user: 'x'.repeat(300), secret: 'x' })).toEqual([]);
});
