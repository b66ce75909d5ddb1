import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseMask } from '../../src/core/mask.ts';
import { isPlaceholder } from '../../src/masking/placeholder.ts';
import { postgresCellMask } from '../../src/masking/postgres.ts';
import { OIDS } from './oids.ts';

test.each([
  ['full', '******', true],
  ['full', '***', true],
  ['full', '***   ', true],
  ['full', '123-45-6789', false],
  ['full', '', false],
  ['redact', '[REDACTED]', true],
  ['redact', '[REDA', true],
  ['redact', 'REDACTED', false],
  ['email', 'a***@example.com', true],
  ['email', '***@example.com', true],
  ['email', '******', true],
  ['email', 'anna@example.com', false],
  ['partial(0,4)', '*******6789', true],
  ['partial(0,4)', '123-45-6789', false],
  ['partial(1,1)', 'a***z', true],
  ['null', '', false],
  ['token', 'AAAAAAAAAAAAAAAAAAAAAA', false],
])('under %s, %j: %s', (mask, text, expected) => {
  expect(isPlaceholder(parseMask(mask), Buffer.from(text))).toBe(expected);
});

test('whatever a mask shows of a text is known again', () => {
  const masks = fc.constantFrom('full', 'redact', 'email', 'partial(0,4)', 'partial(2,2)').map(parseMask);
  const values = fc.oneof(fc.string({ unit: 'binary', maxLength: 30 }), fc.emailAddress());
  fc.assert(
    fc.property(masks, values, fc.constantFrom(-1, 7, 9, 40), (mask, value, modifier) => {
      const cell = { typeOid: OIDS.varchar, typeModifier: modifier, format: 0, column: 'c' };
      const shown = postgresCellMask(mask, cell, Buffer.alloc(32))(Buffer.from(value)) ?? Buffer.alloc(0);
      expect(isPlaceholder(mask, shown)).toBe(true);
    }),
  );
});
