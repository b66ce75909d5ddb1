import { createPublicKey } from 'node:crypto';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CompactSign, exportJWK, generateKeyPair } from 'jose';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { oidcKeys } from '../../../src/adapters/idp-oidc/keys.ts';
import { ALGORITHMS as ACCEPTED } from '../../../src/identity/config.ts';
import {
  type FakeIdp,
  macToken,
  newSigningKey,
  publicSet,
  type SigningKey,
  signToken,
  startIdp,
} from '../../fakes/idp.ts';

const RULES = { deadline_ms: 2_000, bytes_max: 64 * 1024 };
const AGES = { fresh_ms: 60_000, stale_ms_max: 600_000, pause_ms: 5_000 };
const ALGORITHMS = ['RS256', 'ES256'];
/** Making keys and starting a process take their time on a busy machine. */
const START_MS = 60_000;
const one = newSigningKey('one');
const two = newSigningKey('two');

function clockAt(start: number): { now(): number; advance(by: number): void } {
  let at = start;
  return { now: () => at, advance: (by) => void (at += by) };
}

describe('with a real provider', () => {
  let idp: FakeIdp;
  beforeAll(async () => void (idp = await startIdp([one])), START_MS);
  afterAll(() => idp.close());

  test('a token that it issued is verified, and one signed by somebody else under its key id is not', async () => {
    const keys = oidcKeys(clockAt(0), RULES, AGES);
    expect(await keys.verify(idp.issuer, await idp.token('ann@example.com'), ALGORITHMS)).toEqual({
      outcome: 'verified',
    });
    const forged = signToken({ ...two, kid: 'one' }, { iss: idp.issuer });
    expect(await keys.verify(idp.issuer, forged, ALGORITHMS)).toMatchObject({ outcome: 'refused' });
  });

  test('a key it begins to use is found, but it is not asked for each made-up key id', async () => {
    const clock = clockAt(0);
    const keys = oidcKeys(clock, RULES, AGES);
    await keys.verify(idp.issuer, await idp.token('ann@example.com'), ALGORITHMS);
    await idp.useKeys([two, one]);
    const rotated = await idp.token('ann@example.com');
    expect(await keys.verify(idp.issuer, rotated, ALGORITHMS)).toMatchObject({ outcome: 'refused' });
    clock.advance(AGES.pause_ms);
    expect(await keys.verify(idp.issuer, rotated, ALGORITHMS)).toEqual({ outcome: 'verified' });
  });

  test('a key it no longer publishes verifies nothing once the keys are asked for again', async () => {
    const clock = clockAt(0);
    await idp.useKeys([one, two]);
    const keys = oidcKeys(clock, RULES, AGES);
    const token = signToken(one, { iss: idp.issuer });
    expect(await keys.verify(idp.issuer, token, ALGORITHMS)).toEqual({ outcome: 'verified' });
    await idp.useKeys([two]);
    clock.advance(AGES.fresh_ms);
    expect(await keys.verify(idp.issuer, token, ALGORITHMS)).toMatchObject({ outcome: 'refused' });
  });

  test('its absence is survived as long as its keys are not too old, and no longer', async () => {
    const clock = clockAt(0);
    await idp.useKeys([one]);
    const keys = oidcKeys(clock, RULES, AGES);
    const token = signToken(one, { iss: idp.issuer });
    expect(await keys.verify(idp.issuer, token, ALGORITHMS)).toEqual({ outcome: 'verified' });
    await idp.goAway();
    clock.advance(AGES.fresh_ms);
    expect(await keys.verify(idp.issuer, token, ALGORITHMS)).toEqual({ outcome: 'verified' });
    clock.advance(AGES.stale_ms_max);
    expect(await keys.verify(idp.issuer, token, ALGORITHMS)).toMatchObject({ outcome: 'unavailable' });
    await idp.comeBack();
    clock.advance(AGES.pause_ms);
    expect(await keys.verify(idp.issuer, token, ALGORITHMS)).toEqual({ outcome: 'verified' });
  });
});

describe('a provider that misbehaves', () => {
  let server: Server | null = null;
  afterEach(() => {
    server?.close();
    server?.closeAllConnections();
    server = null;
  });

  async function provider(routes: (issuer: string) => Record<string, RequestListener>): Promise<string> {
    const started = createServer((request, response) => {
      const route = routes(issuer)[request.url ?? ''];
      if (route === undefined) response.writeHead(404).end();
      else route(request, response);
    });
    server = started;
    await new Promise<void>((resolve) => started.listen(0, '127.0.0.1', resolve));
    // A server that listens on a TCP port has an address of this kind.
    const issuer = `http://127.0.0.1:${(started.address() as AddressInfo).port}`;
    return issuer;
  }
  const json =
    (value: unknown): RequestListener =>
    (_, response) =>
      void response.end(JSON.stringify(value));
  const METADATA = '/.well-known/openid-configuration';
  const good = (issuer: string) => ({
    [METADATA]: json({ issuer, jwks_uri: `${issuer}/keys` }),
    '/keys': json(publicSet([one])),
  });

  const rsa = publicSet([one]).keys[0] ?? {};
  test.each<[string, string, (issuer: string) => Record<string, RequestListener>]>([
    [
      'names another issuer',
      'unavailable',
      (issuer) => ({ ...good(issuer), [METADATA]: json({ issuer: `${issuer}/`, jwks_uri: `${issuer}/keys` }) }),
    ],
    [
      'redirects',
      'unavailable',
      (issuer) => ({
        ...good(issuer),
        '/there': json({ issuer, jwks_uri: `${issuer}/keys` }),
        [METADATA]: (_, response) => void response.writeHead(302, { location: '/there' }).end(),
      }),
    ],
    [
      'keeps its keys at an http address elsewhere',
      'unavailable',
      (issuer) => ({ [METADATA]: json({ issuer, jwks_uri: 'http://192.0.2.1/keys' }) }),
    ],
    [
      'keeps its keys in a file',
      'unavailable',
      (issuer) => ({ [METADATA]: json({ issuer, jwks_uri: 'file:///etc/passwd' }) }),
    ],
    [
      'answers too much',
      'unavailable',
      (issuer) => ({ ...good(issuer), '/keys': (_, response) => void response.end('x'.repeat(RULES.bytes_max + 1)) }),
    ],
    [
      'answers no JSON',
      'unavailable',
      (issuer) => ({ ...good(issuer), '/keys': (_, response) => void response.end('<html>') }),
    ],
    [
      'answers an error',
      'unavailable',
      (issuer) => ({ ...good(issuer), '/keys': (_, response) => void response.writeHead(500).end('{}') }),
    ],
    [
      'never ends its answer',
      'unavailable',
      (issuer) => ({ ...good(issuer), '/keys': (_, response) => void response.write('{') }),
    ],
    [
      'publishes a shared secret',
      'unavailable',
      (issuer) => ({
        ...good(issuer),
        '/keys': json({ keys: [{ kty: 'oct', kid: 'one', k: 'c2VjcmV0', alg: 'RS256' }] }),
      }),
    ],
    [
      'publishes keys for encryption',
      'unavailable',
      (issuer) => ({ ...good(issuer), '/keys': json({ keys: [{ ...rsa, use: 'enc' }] }) }),
    ],
    [
      'publishes a key too short to trust',
      'unavailable',
      (issuer) => ({ ...good(issuer), '/keys': json({ keys: [{ ...rsa, n: String(rsa.n).slice(0, 171) }] }) }),
    ],
    [
      'publishes the key for another algorithm',
      'refused',
      (issuer) => ({ ...good(issuer), '/keys': json({ keys: [{ ...rsa, alg: 'PS256' }] }) }),
    ],
    ['behaves', 'verified', good],
  ])('%s', async (_, outcome, routes) => {
    const issuer = await provider(routes);
    const keys = oidcKeys(clockAt(0), { ...RULES, deadline_ms: 300 }, AGES);
    expect((await keys.verify(issuer, signToken(one, { iss: issuer }), ALGORITHMS)).outcome).toBe(outcome);
  });

  test.each([
    ['of another host over http', 'http://192.0.2.1'],
    ['with a user name in it', 'https://user@issuer.invalid'],
    ['that is no URL', 'file:///etc'],
  ])('an issuer %s is never asked', async (_, issuer) => {
    const keys = oidcKeys(clockAt(0), RULES, AGES);
    expect((await keys.verify(issuer, signToken(one, {}), ALGORITHMS)).outcome).toBe('unavailable');
  });

  test('a key id is compared and never part of an address', async () => {
    const asked: string[] = [];
    const issuer = await provider((at) => {
      const routes = good(at);
      return Object.fromEntries(
        Object.entries(routes).map(([path, listener]) => [
          path,
          (request, response) => {
            asked.push(path);
            listener(request, response);
          },
        ]),
      );
    });
    const keys = oidcKeys(clockAt(0), RULES, AGES);
    for (const kid of ['../../../../etc/passwd', 'http://192.0.2.1/', "' or 1=1 --", '\0']) {
      expect((await keys.verify(issuer, signToken(one, {}, { kid }), ALGORITHMS)).outcome).toBe('refused');
    }
    expect(asked).toEqual([METADATA, '/keys']);
  });

  test.each(ACCEPTED)(
    'a token signed with %s is verified by its key, and by no other of the set',
    async (alg) => {
      const pairs = await Promise.all(['a', 'b'].map(() => generateKeyPair(alg, { extractable: true })));
      const [a, b] = await Promise.all(pairs.map(({ publicKey }) => exportJWK(publicKey)));
      const issuer = await provider((at) => ({
        ...good(at),
        '/keys': json({
          keys: [
            { ...a, kid: 'a' },
            { ...b, kid: 'b' },
          ],
        }),
      }));
      const sign = (kid: string): Promise<string> =>
        new CompactSign(Buffer.from('{}'))
          .setProtectedHeader({ alg, kid })
          .sign(pairs[0]?.privateKey ?? new Uint8Array());
      const keys = oidcKeys(clockAt(0), RULES, AGES);
      expect((await keys.verify(issuer, await sign('a'), [alg])).outcome).toBe('verified');
      expect((await keys.verify(issuer, await sign('b'), [alg])).outcome).toBe('refused');
      expect((await keys.verify(issuer, await sign('a'), ['ES256K'])).outcome).toBe('refused');
    },
    START_MS,
  );

  test('many logins at once ask once', async () => {
    let asked = 0;
    const issuer = await provider((at) => ({
      ...good(at),
      '/keys': (request, response) => {
        asked += 1;
        good(at)['/keys']?.(request, response);
      },
    }));
    const keys = oidcKeys(clockAt(0), RULES, AGES);
    const token = signToken(one, {});
    const verdicts = await Promise.all(Array.from({ length: 20 }, () => keys.verify(issuer, token, ALGORITHMS)));
    expect(new Set(verdicts.map(({ outcome }) => outcome))).toEqual(new Set(['verified']));
    expect(asked).toBe(1);
  });

  test('the public key as the secret of a MAC verifies nothing, even where HS256 were asked for', async () => {
    const issuer = await provider(good);
    const keys = oidcKeys(clockAt(0), RULES, AGES);
    const pem = publicKeyPem(one);
    const token = macToken(pem, { iss: issuer }, { alg: 'HS256', kid: 'one' });
    expect((await keys.verify(issuer, token, [...ALGORITHMS, 'HS256'])).outcome).toBe('refused');
  });

  test('what is said of a refused token never holds the token', async () => {
    const issuer = await provider(good);
    const keys = oidcKeys(clockAt(0), RULES, AGES);
    const token = signToken(two, { canary: 'canary-secret' });
    const verdict = await keys.verify(issuer, token, ALGORITHMS);
    for (const part of token.split('.')) expect(JSON.stringify(verdict)).not.toContain(part);
  });
});

function publicKeyPem(key: SigningKey): string {
  return createPublicKey(key.key).export({ type: 'spki', format: 'pem' }).toString();
}
