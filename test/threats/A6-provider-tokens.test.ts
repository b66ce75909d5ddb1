import { createPublicKey } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { KEY_AGES, oidcKeys } from '../../src/adapters/idp-oidc/keys.ts';
import { checkIdentity } from '../../src/identity/check.ts';
import { type IdentityConfig, identityConfig } from '../../src/identity/config.ts';
import type { Identification } from '../../src/identity/stage.ts';
import { encode, type FakeIdp, macToken, newSigningKey, signToken, startIdp } from '../fakes/idp.ts';
import { ciClaims, GATEWAY, idClaims, openRoom, type Room } from '../identity/room.ts';

/** Tokens as an attacker would make or misuse them, against a provider that really runs and publishes its keys. */
const key = newSigningKey('prod-1');
const attacker = newSigningKey('prod-1');
let idp: FakeIdp;
let room: Room;

beforeAll(async () => void (idp = await startIdp([key])));
afterAll(() => idp.close());
beforeEach(async () => {
  const keys = oidcKeys({ now: () => Date.now() }, { deadline_ms: 1_000, bytes_max: 65_536 });
  room = await openRoom({ config: config(idp.issuer), keys, start: Date.now() });
});
afterEach(() => room.close());

function config(issuer: string): IdentityConfig {
  return identityConfig.parse({
    providers: [
      { name: 'okta', type: 'oidc', issuer, client_id: 'sallyport', groups_claim: 'groups' },
      {
        name: 'github',
        type: 'workload',
        issuer,
        require: { repository_id: '4242', ref: 'refs/heads/main', event_name: ['push'], environment: 'production' },
        subject: 'ci:{repository_id}',
      },
    ],
  });
}

const human = (changes: Record<string, unknown> = {}) => ({ ...idClaims(Date.now()), iss: idp.issuer, ...changes });
const job = (changes: Record<string, unknown> = {}) => ({ ...ciClaims(Date.now()), iss: idp.issuer, ...changes });
const show = (token: string): Promise<Identification> => room.login({ kind: 'password', user: '-', secret: token });
const seconds = (offset: number): number => Math.floor(Date.now() / 1_000) + offset;
const publicPem = (): string => createPublicKey(key.key).export({ type: 'spki', format: 'pem' }).toString();

test('A6: the tokens that everything below spoils are good', async () => {
  expect(await show(await idp.token('ann@example.com'))).toMatchObject({
    outcome: 'identified',
    principal: { name: 'ann@example.com' },
  });
  expect(await show(signToken(key, human()))).toMatchObject({ outcome: 'identified', by: 'oidc:okta' });
  expect(await show(signToken(key, job()))).toMatchObject({
    outcome: 'identified',
    principal: { id: 'github/ci:4242' },
  });
});

describe('A6: refused, with the one outward answer,', () => {
  test.each<[string, () => string | Promise<string>]>([
    ['alg none', () => `${encode({ alg: 'none', typ: 'JWT' })}.${encode(human())}.`],
    ['alg none with a signature of something', () => signToken(key, human(), { alg: 'none' })],
    ['alg None in another case', () => `${encode({ alg: 'nOnE' })}.${encode(human())}.AAAA`],
    [
      'HS256 with the public key as secret',
      () => macToken(publicPem(), human(), { alg: 'HS256', typ: 'JWT', kid: 'prod-1' }),
    ],
    ['HS256 with an empty secret', () => macToken('', human(), { alg: 'HS256', typ: 'JWT' })],
    ['a MAC that calls itself RS256', () => macToken(publicPem(), human(), { alg: 'RS256', kid: 'prod-1' })],
    ['PS256 over an RS256 key', () => signToken(key, human(), { alg: 'PS256' })],
    ["another's key under the same kid", () => signToken(attacker, human())],
    [
      'a key that the token brings along',
      () => signToken(attacker, human(), { jwk: createPublicKey(attacker.key).export({ format: 'jwk' }) }),
    ],
    ['a jku of the attacker', () => signToken(attacker, human(), { jku: 'https://evil.example.com/jwks' })],
    ['an x5u of the attacker', () => signToken(attacker, human(), { x5u: 'https://evil.example.com/cert' })],
    ['a kid that is a path', () => signToken(attacker, human(), { kid: '../../../../dev/null' })],
    ['a kid that is an address', () => signToken(attacker, human(), { kid: 'http://127.0.0.1:1/keys' })],
    ['a kid that is SQL', () => signToken(attacker, human(), { kid: "x' union select 'k" })],
    ['the audience of another client', () => idp.token('ann@example.com', 'wiki')],
    ['the audience of another gateway', () => signToken(key, job({ aud: 'https://gw-dev.example.com' }))],
    ['our audience among others', () => signToken(key, job({ aud: [GATEWAY, 'https://other.example.com'] }))],
    ['an azp of another client', () => signToken(key, human({ aud: ['sallyport', 'wiki'], azp: 'wiki' }))],
    ['another issuer', () => signToken(key, human({ iss: 'https://evil.example.com' }))],
    ['the issuer with a slash more', () => signToken(key, human({ iss: `${idp.issuer}/` }))],
    ['the issuer twice', () => signToken(key, `{"iss":"https://evil.example.com",${JSON.stringify(human()).slice(1)}`)],
    ['no subject', () => signToken(key, human({ sub: undefined }))],
    ['expired beyond the skew', () => signToken(key, human({ exp: seconds(-61) }))],
    ['not valid yet, beyond the skew', () => signToken(key, human({ nbf: seconds(90) }))],
    ['issued in the future, beyond the skew', () => signToken(key, human({ iat: seconds(90), exp: seconds(600) }))],
    ['no expiry', () => signToken(key, human({ exp: undefined }))],
    ['an access token', () => signToken(key, human(), { typ: 'at+jwt' })],
    ['a logout token', () => signToken(key, human({ events: {} }), { typ: 'logout+jwt' })],
    ['a token as long as a book', () => signToken(key, human({ pad: 'x'.repeat(40_000) }))],
    [
      'a payload that was changed',
      async () => (await idp.token('ann@example.com')).replace(/\.[^.]+\./, `.${encode(human({ sub: 'u-1002' }))}.`),
    ],
    [
      'a pull request from a fork',
      () => signToken(key, job({ event_name: 'pull_request', ref: 'refs/pull/7/merge', head_ref: 'main' })),
    ],
    ['a pull request that runs on main', () => signToken(key, job({ event_name: 'pull_request_target' }))],
    ['another repository under the old name', () => signToken(key, job({ repository_id: '5151' }))],
    ['a repository called like the id', () => signToken(key, job({ repository: '4242', repository_id: undefined }))],
    ['another environment', () => signToken(key, job({ environment: 'staging' }))],
    ['no environment', () => signToken(key, job({ environment: undefined }))],
    ['another branch', () => signToken(key, job({ ref: 'refs/heads/main-2' }))],
    ['a wildcard as claim', () => signToken(key, job({ ref: '*', environment: '*' }))],
  ])('%s', async (_, token) => {
    const result = await show(await token());
    expect(result).toMatchObject({
      outcome: 'refused',
      reason: { code: 'IDENTITY_REFUSED', why: 'these credentials open no session here' },
    });
  });
});

describe('A6: clocks a minute apart', () => {
  test.each<[string, () => Record<string, unknown>]>([
    ['an expiry 30 s ago', () => human({ exp: seconds(-30) })],
    ['an nbf in 30 s', () => human({ nbf: seconds(30) })],
    ['an issue in 30 s', () => human({ iat: seconds(30) })],
  ])('%s is let in', async (_, claims) => {
    expect((await show(signToken(key, claims()))).outcome).toBe('identified');
  });
});

describe('A6: a renamed repository', () => {
  test('keeps its principal, because the id does not change', async () => {
    const result = await show(
      signToken(key, job({ repository: 'acme/renamed', sub: 'repo:acme/renamed:environment:production' })),
    );
    expect(result).toMatchObject({ outcome: 'identified', principal: { id: 'github/ci:4242' } });
  });
});

describe('A6: while the provider is away', () => {
  afterEach(() => idp.comeBack());

  test('who has never been seen is refused, and the keys already known go on working for a time', async () => {
    let now = Date.now();
    const keys = oidcKeys({ now: () => now }, { deadline_ms: 1_000, bytes_max: 65_536 });
    const token = signToken(key, human());
    expect((await keys.verify(idp.issuer, token, ['RS256'])).outcome).toBe('verified');
    await idp.goAway();
    expect(await show(token)).toMatchObject({ outcome: 'refused', inward: expect.stringContaining('unavailable') });
    now += KEY_AGES.fresh_ms;
    expect((await keys.verify(idp.issuer, token, ['RS256'])).outcome).toBe('verified');
    now += KEY_AGES.stale_ms_max;
    expect((await keys.verify(idp.issuer, token, ['RS256'])).outcome).toBe('unavailable');
  });
});

describe('A6: the configuration', () => {
  const provider = (changes: object) =>
    identityConfig.parse({
      providers: [
        {
          name: 'github',
          type: 'workload',
          issuer: 'https://token.actions.githubusercontent.com',
          require: { repository_id: '4242', ref: 'refs/heads/main', event_name: ['push'] },
          subject: 'ci:{repository_id}',
          ...changes,
        },
      ],
    });

  test.each<[string, 'error' | 'warning', object]>([
    [
      'without repository_id is refused',
      'error',
      { require: { repository_owner_id: '77', ref: 'refs/heads/main', event_name: ['push'] } },
    ],
    ['without event_name is refused', 'error', { require: { repository_id: '4242', ref: 'refs/heads/main' } }],
    ['with a wildcard in the subject is warned of', 'warning', { subject: 'repo:acme/*:{repository_id}' }],
    ['with the mutable sub as subject is warned of', 'warning', { subject: '{sub}' }],
    ['with an audience that gateways share is warned of', 'warning', { audience: 'sallyport' }],
  ])('%s', (_, severity, changes) => {
    expect(checkIdentity(provider(changes), GATEWAY)).toEqual([expect.objectContaining({ severity })]);
  });

  test('as documented has nothing wrong with it', () => expect(checkIdentity(provider({}), GATEWAY)).toEqual([]));
});
