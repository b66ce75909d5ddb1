import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  newToken,
  nobodysKeys,
  parametersOf,
  sameDigest,
  scramKeys,
  tokenDigest,
  tokenId,
} from '../../src/identity/tokens.ts';
import { anyText } from './any-text.ts';

const random = (bytes: number): Buffer => randomBytes(bytes);

describe('a gateway token', () => {
  test('fits the password field of tools that cut after 64 characters, and names itself without its secret', () => {
    for (let round = 0; round < 200; round++) {
      const { id, secret } = newToken(random);
      expect(secret).toMatch(/^sp_[0-9a-z]{10}_[A-Za-z0-9_-]{43}$/);
      expect(secret.length).toBeLessThanOrEqual(64);
      expect(tokenId(secret)).toBe(id);
    }
  });

  test('has 32 random bytes that its id says nothing of', () => {
    const drawn: number[] = [];
    const { id, secret } = newToken((bytes) => {
      drawn.push(bytes);
      return Buffer.alloc(bytes, drawn.length);
    });
    expect(drawn).toEqual([10, 32]);
    expect(Buffer.from(secret.slice(`sp_${id}_`.length), 'base64url')).toEqual(Buffer.alloc(32, 2));
  });

  test.each([
    ['nothing', ''],
    ['a JWT', 'eyJhbGciOiJub25lIn0.e30.'],
    ['another prefix', `xx_0123456789_${'a'.repeat(43)}`],
    ['one character less', `sp_0123456789_${'a'.repeat(42)}`],
    ['one character more', `sp_0123456789_${'a'.repeat(44)}`],
    ['a letter that ids do not have', `sp_012345678i_${'a'.repeat(43)}`],
    ['a line break at its end', `sp_0123456789_${'a'.repeat(43)}\n`],
    ['a character outside base64url', `sp_0123456789_${'a'.repeat(42)}+`],
  ])('is not %s', (_, text) => expect(tokenId(text)).toBeNull());

  test('is recognised or not, whatever the text, without throwing', () => {
    fc.assert(fc.property(anyText(), (text) => tokenId(text) === null || text.startsWith('sp_')));
  });

  test('and a similar one have different digests', () => {
    const { secret } = newToken(random);
    expect(sameDigest(tokenDigest(secret), createHash('sha256').update(secret).digest())).toBe(true);
    expect(sameDigest(tokenDigest(secret), tokenDigest(`${secret} `))).toBe(false);
    expect(sameDigest(tokenDigest(secret), Buffer.alloc(5))).toBe(false);
  });
});

describe('SCRAM keys', () => {
  test('verify the exchange that RFC 7677 §3 prints', async () => {
    const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');
    const { storedKey, serverKey } = await scramKeys('pencil', { salt, iterations: 4096 });
    const nonce = 'rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0';
    const message = `n=user,r=rOprNGfwEbeRWgbNEkqO,r=${nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=${nonce}`;
    const proof = Buffer.from('dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=', 'base64');
    const signature = createHmac('sha256', storedKey).update(message).digest();
    const clientKey = proof.map((byte, index) => byte ^ (signature[index] ?? 0));
    expect(createHash('sha256').update(clientKey).digest()).toEqual(storedKey);
    expect(createHmac('sha256', serverKey).update(message).digest('base64')).toBe(
      '6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
    );
  });

  test('are those of RFC 5802 §3 for any secret and salt', async () => {
    const inputs = fc.tuple(fc.string({ minLength: 1 }), fc.uint8Array({ minLength: 16, maxLength: 16 }));
    await fc.assert(
      fc.asyncProperty(inputs, async ([secret, bytes]) => {
        const salt = Buffer.from(bytes);
        const salted = pbkdf2Sync(secret, salt, 4096, 32, 'sha256');
        const clientKey = createHmac('sha256', salted).update('Client Key').digest();
        expect(await scramKeys(secret, { salt, iterations: 4096 })).toEqual({
          storedKey: createHash('sha256').update(clientKey).digest(),
          serverKey: createHmac('sha256', salted).update('Server Key').digest(),
        });
      }),
      { numRuns: 10 },
    );
  });

  test('of nobody, and the salt, are the same for a name each time, and different for each name and gateway', () => {
    const [one, other] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
    expect(parametersOf('ann', one)).toEqual(parametersOf('ann', one));
    expect(parametersOf('ann', one).salt).toHaveLength(16);
    expect(parametersOf('ann', one)).not.toEqual(parametersOf('dan', one));
    expect(parametersOf('ann', one)).not.toEqual(parametersOf('ann', other));
    expect(nobodysKeys('ann', one)).not.toEqual(nobodysKeys('dan', one));
    expect(nobodysKeys('ann', one).storedKey).not.toEqual(nobodysKeys('ann', one).serverKey);
  });
});
