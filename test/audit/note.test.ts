import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import {
  encodeCheckpoint,
  openCheckpoint,
  openNote,
  parseVerifierKey,
  signerKey,
  signNote,
} from '../../src/audit/note.ts';

// Many runs of one property: a machine with other work to do needs its time.
vi.setConfig({ testTimeout: 60_000 });

// The example of Go's sumdb/note package: its key and its signed note.
const PETER = parseVerifierKey('PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW');
const IDEALS = `If you think cryptography is the answer to your problem,
then you don't know what your problem is.

— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
`;
const signer = signerKey('gw.example.com/gw', generateKeyPairSync('ed25519').privateKey);
const broken = expect.objectContaining({ code: 'RECORD_BROKEN' });

describe('a signed note', () => {
  test('of another implementation opens', () => {
    expect(openNote(IDEALS, PETER)).toBe(IDEALS.slice(0, IDEALS.indexOf('\n\n') + 1));
  });

  test('opens to what was signed', () => {
    expect(openNote(signNote('one\ntwo\n', signer), signer.verifier)).toBe('one\ntwo\n');
  });

  test('may hold empty lines: the signatures follow the last one', () => {
    expect(openNote(signNote('one\n\ntwo\n', signer), signer.verifier)).toBe('one\n\ntwo\n');
  });

  test('with the signatures of others besides opens, wherever they stand', () => {
    const other = signerKey('witness.example', generateKeyPairSync('ed25519').privateKey);
    const [own, theirs] = [signNote('one\n', signer), signNote('one\n', other)];
    const lines = [own, theirs].map((note) => note.slice('one\n\n'.length));
    expect(openNote(`one\n\n${lines.join('')}`, signer.verifier)).toBe('one\n');
    expect(openNote(`one\n\n${lines.reverse().join('')}`, signer.verifier)).toBe('one\n');
  });

  test('signed by others only is not ours', () => {
    expect(() => openNote(IDEALS, signer.verifier)).toThrow(broken);
  });

  test('with a bad signature by the key is refused, even beside a good one', () => {
    const good = signNote('one\n', signer);
    const bad = signNote('two\n', signer).slice('two\n\n'.length);
    expect(() => openNote(good + bad, signer.verifier)).toThrow(broken);
  });

  test('with any byte changed is refused, or says the same', () => {
    const note = signNote('gw\n10\nroot\n', signer);
    fc.assert(
      fc.property(fc.nat(note.length - 1), fc.integer({ min: 1, max: 127 }), (at, change) => {
        const changed = Buffer.from(note);
        changed[at] = (changed[at] ?? 0) ^ change;
        expect(() => openNote(changed.toString(), signer.verifier)).toThrow(broken);
      }),
    );
  });

  test.each([
    ['no signature', 'one\n\n'],
    ['no empty line', 'one\n— a b\n'],
    ['no line feed at the end', signNote('one\n', signer).slice(0, -1)],
    ['a carriage return', signNote('one\n', signer).replace('\n', '\r\n')],
    ['a null', signNote('one\n', signer).replace('one', 'o\0e')],
    ['a hyphen for the dash', signNote('one\n', signer).replace('—', '-')],
    ['base64 with spare bits', 'one\n\n— a AAAAAAB=\n'],
    ['too many signatures', `one\n\n${'— a AAAAAAA=\n'.repeat(101)}`],
    ['too long a text', `${'x'.repeat(1_000_001)}\n\n— a AAAAAAA=\n`],
  ])('with %s is refused', (_, note) => {
    expect(() => openNote(note, signer.verifier)).toThrow(broken);
  });
});

describe('a verifier key', () => {
  test('is read as it is written', () => {
    expect(parseVerifierKey(`${signer.verifier.text}\n`)).toMatchObject({
      name: 'gw.example.com/gw',
      id: signer.verifier.id,
    });
    expect(PETER.text).toBe('PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW');
  });

  test.each([
    ['an id of another key', PETER.text.replace('c74f', 'c74e')],
    ['another name', PETER.text.replace('Peter', 'Pater')],
    ['two fields', 'PeterNeumann+c74f20a3'],
    ['a key type that is not Ed25519', 'a+00000000+BBpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW'],
    ['a short key', 'a+00000000+ARpc'],
    ['no name', `+c74f20a3+${PETER.text.split('+')[2]}`],
  ])('with %s is refused', (_, text) => {
    expect(() => parseVerifierKey(text)).toThrow(broken);
  });

  test('is made of an Ed25519 key only', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    expect(() => signerKey('a', createPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' })))).toThrow(broken);
  });
});

describe('a checkpoint', () => {
  const root = Buffer.alloc(32, 7);
  const note = (text: string) => signNote(text, signer);

  test('opens to origin, size and root', () => {
    const checkpoint = { origin: 'gw.example.com/gw', size: 9_007_199_254_740_991, root };
    expect(openCheckpoint(note(encodeCheckpoint(checkpoint)), signer.verifier)).toEqual(checkpoint);
  });

  test('may have extension lines', () => {
    const text = `${encodeCheckpoint({ origin: 'gw.example.com/gw', size: 1, root })}extension\n`;
    expect(openCheckpoint(note(text), signer.verifier).size).toBe(1);
  });

  test.each([
    ['another origin', `other\n1\n${root.toString('base64')}\n`],
    ['a size with a leading zero', `gw.example.com/gw\n01\n${root.toString('base64')}\n`],
    ['a negative size', `gw.example.com/gw\n-1\n${root.toString('base64')}\n`],
    ['a size that no number holds', `gw.example.com/gw\n9007199254740993\n${root.toString('base64')}\n`],
    ['a short root', `gw.example.com/gw\n1\n${root.subarray(1).toString('base64')}\n`],
    ['no root', 'gw.example.com/gw\n1\n'],
    ['an empty extension line', `gw.example.com/gw\n1\n${root.toString('base64')}\n\nmore\n`],
    ['the title of a receipt', 'sallyport receipt v1\n{}\n'],
  ])('with %s is refused, however well signed', (_, text) => {
    expect(() => openCheckpoint(note(text), signer.verifier)).toThrow(broken);
  });
});
