import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeBackend } from '../../src/protocols/postgres/codec-backend.ts';
import { encodeFrontend } from '../../src/protocols/postgres/codec-frontend.ts';
import { corpusOf } from './fuzzer.ts';
import { BACKEND_SEEDS, FRONTEND_SEEDS } from './postgres-seeds.ts';
import { type Reading, readBackend, readFrontend, readStartup } from './postgres-targets.ts';
import { TARGETS } from './targets.ts';

describe.each(TARGETS)('the fuzz corpus of $name', (target) => {
  const inputs = [...target.seeds(), ...corpusOf(target)];

  test('is there, and small enough to read', () => {
    expect(corpusOf(target).length).toBeGreaterThanOrEqual(5);
    expect(corpusOf(target).length).toBeLessThanOrEqual(60);
    expect(corpusOf(target).every((input) => input.length <= 4096)).toBe(true);
  });

  test('parses or is refused by name, nothing else', () => {
    for (const input of inputs) expect(() => target.run(input), input.toString('hex')).not.toThrow();
  });

  test('is refused or parsed at every length', () => {
    for (const input of inputs) {
      for (let length = 0; length < Math.min(input.length, 300); length++) {
        expect(() => target.run(input.subarray(0, length)), `${input.toString('hex')}, ${length} bytes`).not.toThrow();
      }
    }
  });
});

describe.each<[string, (chunks: readonly Buffer[]) => Reading]>([
  ['postgres-frontend', readFrontend],
  ['postgres-backend', readBackend],
  ['postgres-startup', readStartup],
])('the corpus of %s', (name, read) => {
  const inputs = corpusOf({ name });

  test('is read the same byte by byte', () => {
    for (const input of inputs) {
      const bytes = Array.from(input, (byte) => Buffer.from([byte]));
      expect(read(bytes)).toStrictEqual(read([input]));
    }
  });

  test('is read the same in any two or more pieces', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...inputs),
        fc.array(fc.nat(4096), { minLength: 1, maxLength: 8 }),
        (input, places) => {
          const cuts = [
            0,
            ...places.map((place) => place % (input.length + 1)).sort((one, other) => one - other),
            input.length,
          ];
          const chunks = cuts.slice(1).map((end, index) => input.subarray(cuts[index] ?? 0, end));
          expect(read(chunks)).toStrictEqual(read([input]));
        },
      ),
      { numRuns: 500 },
    );
  });
});

test.each([
  ['client', Buffer.concat(FRONTEND_SEEDS.map(encodeFrontend)), FRONTEND_SEEDS.length, readFrontend],
  ['server', Buffer.concat(BACKEND_SEEDS.map(encodeBackend)), BACKEND_SEEDS.length, readBackend],
])('a thousand messages of a %s in one segment are a thousand messages', (_, messages, count, read) => {
  const times = Math.ceil(1000 / count);
  const reading = read([Buffer.concat(new Array<Buffer>(times).fill(messages))]);
  // The messages, and how it ended.
  expect(reading).toHaveLength(times * count + 1);
  expect(reading.at(-1)).toBe('held 0');
});
