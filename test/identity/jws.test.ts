import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { looksLikeJwt, parseToken } from '../../src/identity/jws.ts';
import { encode, signToken } from '../fakes/idp.ts';
import { anyText } from './any-text.ts';
import { idClaims, KEY } from './room.ts';

const MAX = 8_192;
const payload = encode(idClaims());
const header = encode({ alg: 'RS256', typ: 'JWT', kid: 'k' });

/** Another text that decodes to the same bytes: the last character's unused bits are not zero. */
function stray(part: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const other = part.slice(0, -1) + alphabet[alphabet.indexOf(part.slice(-1)) + 1];
  if (part.length % 4 === 0 || !Buffer.from(other, 'base64url').equals(Buffer.from(part, 'base64url')))
    throw new Error('no stray bits');
  return other;
}

describe('a token', () => {
  test('is read into algorithm, claims and what is signed', () => {
    const text = signToken(KEY, idClaims());
    const parsed = parseToken(text, MAX);
    expect(looksLikeJwt(text)).toBe(true);
    expect(parsed).toEqual({
      outcome: 'parsed',
      token: { algorithm: 'RS256', claims: idClaims(), signingInput: text.slice(0, text.lastIndexOf('.')) },
    });
  });

  test.each([
    ['no parts', 'garbage'],
    ['two parts', `${header}.${payload}`],
    ['four parts', `${header}.${payload}.AAAA.AAAA`],
    ['the five parts of an encrypted token', `${header}.AAAA.AAAA.AAAA.AAAA`],
    ['no signature', `${header}.${payload}.`],
    ['a signature that is not base64url', `${header}.${payload}.AA+A`],
    ['padding', `${header}==.${payload}.AAAA`],
    ['stray bits at the end of a part', `${stray(encode({ alg: 'RS256', kid: 'k' }))}.${payload}.AAAA`],
    ['a header that is no JSON', `${encode('alg=none')}.${payload}.AAAA`],
    ['a header that is a list', `${encode('[]')}.${payload}.AAAA`],
    ['a payload that is no JSON', `${header}.${encode('sub=ann')}.AAAA`],
    ['a payload that is a text', `${header}.${encode('"ann"')}.AAAA`],
    ['a payload that is no UTF-8', `${header}.${Buffer.from([0x7b, 0xff, 0x7d]).toString('base64url')}.AAAA`],
    ['a payload after a byte order mark', `${header}.${encode('\uFEFF{}')}.AAAA`],
    ['a claim that stands twice', `${header}.${encode('{"sub":"ann","sub":"root"}')}.AAAA`],
    ['alg twice', `${encode('{"alg":"RS256","alg":"none"}')}.${payload}.AAAA`],
    ['no alg', `${encode({ typ: 'JWT' })}.${payload}.AAAA`],
    ['an alg that is a list', `${encode({ alg: ['RS256'] })}.${payload}.AAAA`],
    ['the typ of an access token', `${encode({ alg: 'RS256', typ: 'at+jwt' })}.${payload}.AAAA`],
    ['the typ of a logout token', `${encode({ alg: 'RS256', typ: 'logout+jwt' })}.${payload}.AAAA`],
    ['a typ that is a number', `${encode({ alg: 'RS256', typ: 1 })}.${payload}.AAAA`],
    ['a kid that is an object', `${encode({ alg: 'RS256', kid: {} })}.${payload}.AAAA`],
    ['a kid as long as a book', `${encode({ alg: 'RS256', kid: 'k'.repeat(513) })}.${payload}.AAAA`],
    ['an extension it calls critical', `${encode({ alg: 'RS256', crit: ['exp'], exp: 1 })}.${payload}.AAAA`],
    ['a payload that is not encoded', `${encode({ alg: 'RS256', b64: false })}.${payload}.AAAA`],
    ['a compressed payload', `${encode({ alg: 'RS256', zip: 'DEF' })}.${payload}.AAAA`],
    ['more characters than allowed', `${header}.${encode({ pad: 'x'.repeat(MAX) })}.AAAA`],
  ])('with %s is refused', (_, text) => expect(parseToken(text, MAX).outcome).toBe('refused'));

  test('with typ left out, or in small letters, is an ID token too', () => {
    for (const typ of [undefined, 'jwt'])
      expect(parseToken(signToken(KEY, idClaims(), { typ }), MAX).outcome).toBe('parsed');
  });

  test('of any text is parsed or refused and nothing else', () => {
    const part = fc.oneof(anyText(), fc.base64String(), fc.json().map(encode));
    fc.assert(
      fc.property(fc.array(part, { maxLength: 5 }), (parts) => {
        const text = parts.join('.');
        looksLikeJwt(text);
        expect(['parsed', 'refused']).toContain(parseToken(text, MAX).outcome);
      }),
    );
  });

  test('that is refused is not quoted', () => {
    const parsed = parseToken(`${encode('{"alg":1,"canary":"canary-secret"}')}.${payload}.AAAA`, MAX);
    expect(JSON.stringify(parsed)).not.toContain('canary');
  });
});
