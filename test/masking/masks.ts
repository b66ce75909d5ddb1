import fc from 'fast-check';
import type { Mask } from '../../src/core/verdict.ts';

export const anyMask: fc.Arbitrary<Mask> = fc.oneof(
  fc.constantFrom<Mask>(
    { kind: 'null' },
    { kind: 'default' },
    { kind: 'redact' },
    { kind: 'full' },
    { kind: 'token' },
    { kind: 'email' },
  ),
  fc.integer({ min: -18, max: 18 }).map((digits): Mask => ({ kind: 'round', digits })),
  fc.constantFrom('year', 'month', 'day').map((unit): Mask => ({ kind: 'date_trunc', unit })),
  fc.tuple(fc.nat(64), fc.nat(64)).map(([keep_first, keep_last]): Mask => ({ kind: 'partial', keep_first, keep_last })),
);
