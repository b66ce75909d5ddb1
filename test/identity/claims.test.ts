import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../../src/core/json.ts';
import { type ClaimRules, checkClaims, shown } from '../../src/identity/claims.ts';

const NOW = 1_800_000_000_000;
const AT = NOW / 1_000;
const RULES: ClaimRules = {
  issuer: 'https://idp.example.com',
  audience: 'gw',
  audienceRule: 'client',
  tokenAge_ms: 3_600_000,
};
const GOOD: JsonObject = { iss: RULES.issuer, aud: 'gw', sub: 's', iat: AT - 10, exp: AT + 300 };
const outcome = (claims: JsonObject, rules: Partial<ClaimRules> = {}): string =>
  checkClaims(claims, { ...RULES, ...rules }, NOW).outcome;
const without = (name: string): JsonObject => Object.fromEntries(Object.entries(GOOD).filter(([key]) => key !== name));

test('good claims give subject and dates', () => {
  expect(checkClaims(GOOD, RULES, NOW)).toEqual({
    outcome: 'valid',
    registered: { subject: 's', issuedAt: NOW - 10_000, expiresAt: NOW + 300_000 },
  });
});

describe('claims are refused', () => {
  test.each<[string, JsonObject]>([
    ['without iss', without('iss')],
    ['of another issuer', { ...GOOD, iss: 'https://evil.example.com' }],
    ['of the issuer with a slash more', { ...GOOD, iss: `${RULES.issuer}/` }],
    ['of a list of issuers', { ...GOOD, iss: [RULES.issuer] }],
    ['without aud', without('aud')],
    ['for another audience', { ...GOOD, aud: 'other' }],
    ['for an audience that begins like ours', { ...GOOD, aud: 'gw2' }],
    ['for an empty list of audiences', { ...GOOD, aud: [] }],
    ['for several audiences without azp', { ...GOOD, aud: ['gw', 'other'] }],
    ['for several audiences, made for another client', { ...GOOD, aud: ['gw', 'other'], azp: 'other' }],
    ['made for another client', { ...GOOD, azp: 'other' }],
    ['without sub', without('sub')],
    ['with an empty sub', { ...GOOD, sub: '' }],
    ['with a number as sub', { ...GOOD, sub: 1 }],
    ['with a sub of 256 characters', { ...GOOD, sub: 's'.repeat(256) }],
    ['with a line break in sub', { ...GOOD, sub: 'ann\nroot' }],
    ['with a NUL in sub', { ...GOOD, sub: 'ann\0' }],
    ['with an invisible character in sub', { ...GOOD, sub: 'a\u202Enn' }],
    ['with half a character in sub', { ...GOOD, sub: 'a\uD800' }],
    ['of a logout', { ...GOOD, events: { 'http://schemas.openid.net/event/backchannel-logout': {} } }],
    ['without exp', without('exp')],
    ['with exp as text', { ...GOOD, exp: String(AT + 300) }],
    ['with an exp that no date holds', { ...GOOD, exp: 1e300 }],
    ['without iat', without('iat')],
    ['with iat as text', { ...GOOD, iat: String(AT) }],
    ['issued before 1970', { ...GOOD, iat: -1 }],
    ['with nbf as null', { ...GOOD, nbf: null }],
  ])('%s', (_, claims) => expect(outcome(claims)).toBe('refused'));
});

describe('clocks may be a minute apart, and no more', () => {
  test.each<[string, JsonObject, string]>([
    ['expired 59 s ago', { exp: AT - 59 }, 'valid'],
    ['expired 60 s ago', { exp: AT - 60 }, 'refused'],
    ['valid in 60 s', { nbf: AT + 60 }, 'valid'],
    ['valid in 61 s', { nbf: AT + 61 }, 'refused'],
    ['issued in 60 s', { iat: AT + 60 }, 'valid'],
    ['issued in 61 s', { iat: AT + 61 }, 'refused'],
    ['issued an hour and a minute ago', { iat: AT - 3_660 }, 'valid'],
    ['issued longer ago', { iat: AT - 3_661 }, 'refused'],
  ])('%s', (_, claims, expected) => expect(outcome({ ...GOOD, ...claims })).toBe(expected));
});

test.each<[string, JsonObject, string]>([
  ['one audience, in a list', { ...GOOD, aud: ['gw'] }, 'valid'],
  ['one audience and an azp of the provider', { ...GOOD, azp: 'runner' }, 'valid'],
  ['two audiences, though azp is ours', { ...GOOD, aud: ['gw', 'other'], azp: 'gw' }, 'refused'],
])('a workload token with %s is %s', (_, claims, expected) => {
  expect(outcome(claims, { audienceRule: 'alone' })).toBe(expected);
});

test('an ID token for two audiences is good when it was made for our client', () => {
  expect(outcome({ ...GOOD, aud: ['gw', 'other'], azp: 'gw' })).toBe('valid');
});

test('a claim is shown escaped and short', () => {
  expect(shown('a\n"b')).toBe('"a\\n\\"b"');
  expect(shown(undefined)).toBe('missing');
  expect(shown('x'.repeat(1_000)).length).toBeLessThan(130);
});
