import { describe, expect, test } from 'vitest';
import { fixLengths, mutate } from './mutate.ts';
import { Random } from './random.ts';
import { TARGETS } from './targets.ts';

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

describe('the mutators', () => {
  test.each(TARGETS)('make the same inputs for $name from the same seed, other ones from another', (target) => {
    const seeds = target.seeds();
    const run = (seed: number) => {
      const random = new Random(seed);
      return Array.from({ length: 200 }, () => mutate(random.pick(seeds), seeds, target, random).toString('hex'));
    };
    expect(run(1)).toStrictEqual(run(1));
    expect(run(1)).not.toStrictEqual(run(2));
    expect(new Set(run(1)).size).toBeGreaterThan(100);
    expect(run(1).every((input) => input.length <= 2 * 4096)).toBe(true);
  });

  test.each([
    ['a message that claims too much', 'tagged', '51 000000ff 41 00', '51 00000006 41 00'],
    ['a message that claims less than its length', 'tagged', '51 00000000 41 00', '51 00000006 41 00'],
    ['the second message', 'tagged', '53 00000004 51 7fffffff 00', '53 00000004 51 00000005 00'],
    ['nothing where all fits', 'tagged', '53 00000004 53 00000004', '53 00000004 53 00000004'],
    ['a startup packet', 'startup', '00000000 04d2162f', '00000008 04d2162f'],
    ['nothing without lengths', 'none', '00000000', '00000000'],
  ] as const)('put the length right of %s', (_, framing, before, after) => {
    expect(fixLengths(hex(before), framing).toString('hex')).toBe(after.replaceAll(' ', ''));
  });
});
