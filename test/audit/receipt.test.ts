import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { signerKey, signNote } from '../../src/audit/note.ts';
import { type Receipt, signReceipt, verifyReceipt } from '../../src/audit/receipt.ts';

// Many runs of one property: a machine with other work to do needs its time.
vi.setConfig({ testTimeout: 60_000 });

const signer = signerKey('gw.example.com/gw', generateKeyPairSync('ed25519').privateKey);
const broken = expect.objectContaining({ code: 'RECORD_BROKEN' });
const receipt: Receipt = {
  request: 'q1',
  digest: 'ab'.repeat(32),
  by: 'corp/lee',
  person: 'corp/lee',
  decision: 'approve',
  reason: 'INC-7 “urgent”\n',
  rules: ['prod-writes'],
  ruleDigests: ['cd'.repeat(32)],
  at: 1_790_000_000_000,
  checkpoint: 'gw.example.com/gw\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n— x\n',
};

describe('a receipt', () => {
  test('verifies to what was signed', () => {
    expect(verifyReceipt(signReceipt(receipt, signer), signer.verifier)).toEqual(receipt);
  });

  test('with any byte changed verifies to nothing', () => {
    const text = Buffer.from(signReceipt(receipt, signer));
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const changed = Buffer.from(text);
        changed[at] = (changed[at] ?? 0) ^ change;
        expect(() => verifyReceipt(changed.toString(), signer.verifier)).toThrow(broken);
      }),
    );
  });

  test('differs in its signature when any field differs', () => {
    const others: readonly Partial<Receipt>[] = [
      { request: 'q2' },
      { digest: 'ba'.repeat(32) },
      { by: 'corp/ann' },
      { person: null },
      { decision: 'deny' },
      { reason: '' },
      { rules: [] },
      { ruleDigests: [] },
      { at: 1 },
      { checkpoint: '' },
    ];
    const texts = [receipt, ...others.map((other) => ({ ...receipt, ...other }))].map((one) =>
      signReceipt(one, signer),
    );
    expect(new Set(texts.map((text) => text.slice(text.lastIndexOf('—')))).size).toBe(others.length + 1);
    expect(Object.keys(receipt).sort()).toEqual(others.flatMap(Object.keys).sort());
  });

  test.each([
    ['a checkpoint', 'gw.example.com/gw\n1\nAAAA\n'],
    ['another title', `sallyport receipt v2\n${JSON.stringify(receipt)}\n`],
    [
      'keys in another order',
      `sallyport receipt v1\n${JSON.stringify(Object.fromEntries(Object.entries(receipt).reverse()))}\n`,
    ],
    ['a key twice', `sallyport receipt v1\n${JSON.stringify(receipt).replace('{', '{"decision":"deny",')}\n`],
    ['a key too many', `sallyport receipt v1\n${JSON.stringify({ ...receipt, more: 1 })}\n`],
    ['a key too few', `sallyport receipt v1\n${JSON.stringify({ ...receipt, digest: undefined })}\n`],
    ['another decision', `sallyport receipt v1\n${JSON.stringify({ ...receipt, decision: 'maybe' })}\n`],
    ['a line more', `sallyport receipt v1\n${JSON.stringify(receipt)}\nmore\n`],
    ['no JSON', 'sallyport receipt v1\napproved\n'],
  ])('is not %s, however well signed', (_, text) => {
    expect(() => verifyReceipt(signNote(text, signer), signer.verifier)).toThrow(broken);
  });

  test('by another key is none', () => {
    const other = signerKey('gw.example.com/gw', generateKeyPairSync('ed25519').privateKey);
    expect(() => verifyReceipt(signReceipt(receipt, other), signer.verifier)).toThrow(broken);
  });
});
