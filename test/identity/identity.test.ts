import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { GatewayError } from '../../src/core/errors.ts';
import { LIMITS } from '../../src/core/limits.ts';
import type { IdentityConfig } from '../../src/identity/config.ts';
import type { NewToken } from '../../src/identity/registry.ts';
import { signToken } from '../fakes/idp.ts';
import { CONFIG, ciClaims, idClaims, identified, inward, KEY, NOW, openRoom, type Room, settings } from './room.ts';

const SECOND = 1_000;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
let room: Room;
beforeEach(async () => void (room = await openRoom()));
afterEach(() => room.close());

const token = (account = 'nightly-backup', ttl_ms = HOUR): Promise<NewToken> =>
  room.identity.createToken({ account, ttl_ms, onBehalfOf: null, by: 'operator' });

describe('a gateway token', () => {
  test.each(['nightly-backup', 'gateway/nightly-backup', '-'])(
    'opens a session under the user name %s',
    async (user) => {
      const { id, secret, expiresAt } = await token();
      const result = identified(await room.login({ kind: 'password', user, secret }));
      expect(result).toMatchObject({
        by: `token:${id}`,
        endsAt: expiresAt,
        principal: { id: 'gateway/nightly-backup' },
      });
    },
  );

  test('opens a session as bearer, and by a SCRAM proof that was tried against it', async () => {
    const { id, secret } = await token();
    expect(identified(await room.bearer(secret)).by).toBe(`token:${id}`);
    expect(identified(await room.login({ kind: 'scram', user: 'nightly-backup', verifier: id })).by).toBe(
      `token:${id}`,
    );
  });

  test('does not lend its SCRAM proof to another account', async () => {
    const { id } = await token();
    const result = await room.login({ kind: 'scram', user: 'release-manager', verifier: id });
    expect(inward(result)).toContain('not of this account');
  });

  test('takes any user name on a port where user names mean nothing', async () => {
    const { secret } = await token();
    const credential = { kind: 'password', user: 'crm_app', secret } as const;
    expect((await room.login(credential, { anyUser: true })).outcome).toBe('identified');
    expect((await room.login(credential)).outcome).toBe('refused');
  });

  test('ends with its life, to the millisecond, and the session with it', async () => {
    const { id, secret, expiresAt } = await token();
    room.advance(HOUR - 1);
    expect(identified(await room.bearer(secret)).endsAt).toBe(expiresAt);
    room.advance(1);
    expect(inward(await room.bearer(secret))).toContain('expired');
    expect(inward(await room.login({ kind: 'scram', user: 'nightly-backup', verifier: id }))).toContain('expired');
  });

  test('has an expiry, no later than the configuration allows', async () => {
    for (const ttl_ms of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 1.5, 90 * DAY + 1]) {
      await expect(token('nightly-backup', ttl_ms)).rejects.toMatchObject({ code: 'USAGE' });
    }
    expect((await token('nightly-backup', 90 * DAY)).expiresAt).toBe(NOW + 90 * DAY);
    room.identity.configure(settings({ ...CONFIG, token_ttl_max: '1d' }));
    await expect(token('nightly-backup', DAY + 1)).rejects.toMatchObject({ code: 'USAGE' });
  });

  test('is made for accounts of the configuration alone', async () => {
    for (const account of ['nobody', '', '-', 'constructor', 'okta/00u-ann']) {
      await expect(token(account)).rejects.toMatchObject({ code: 'USAGE' });
    }
  });

  test('is shown once, and lists say everything but the secret', async () => {
    const made = await token();
    await room.login({ kind: 'bearer', token: made.secret });
    const [listed] = await room.identity.listTokens('nightly-backup');
    const { secret, ...view } = made;
    expect(listed).toEqual({ ...view, lastUsedAt: NOW });
    expect(JSON.stringify(await room.identity.listTokens(null))).not.toContain(secret.slice(-43));
    expect(await room.identity.listTokens('release-manager')).toEqual([]);
  });

  test('is limited in number for each account, counting those that live', async () => {
    for (let count = 0; count < LIMITS.tokens_per_account_max; count++) await token();
    await expect(token()).rejects.toMatchObject({ code: 'USAGE' });
    await token('release-manager');
    room.advance(HOUR);
    await token();
  });

  test('of an account that the configuration no longer has opens nothing', async () => {
    const { secret } = await token();
    room.identity.configure(settings({ ...CONFIG, service_accounts: [] }));
    expect(inward(await room.bearer(secret))).toContain('not configured');
  });
});

describe('a token of a provider', () => {
  test.each(['ann@example.com', '00u-ann', 'okta/00u-ann', 'okta/ann@example.com', '-'])(
    'opens a session under the user name %s',
    async (user) => {
      const result = identified(await room.login({ kind: 'password', user, secret: signToken(KEY, idClaims()) }));
      expect(result).toMatchObject({
        by: 'oidc:okta',
        endsAt: NOW + 12 * HOUR,
        principal: { id: 'okta/00u-ann', kind: 'human' },
      });
    },
  );

  test.each(['dan@example.com', 'nightly-backup', 'github/00u-ann', '', 'ANN@example.com', 'ann@example.com\0'])(
    'opens nothing under the user name %j',
    async (user) =>
      expect((await room.login({ kind: 'password', user, secret: signToken(KEY, idClaims()) })).outcome).toBe(
        'refused',
      ),
  );

  test('limits logging in, not the session', async () => {
    const secret = signToken(KEY, ciClaims());
    expect(identified(await room.bearer(secret))).toMatchObject({ by: 'workload:github', endsAt: NOW + HOUR });
    room.advance(6 * 60 * SECOND);
    expect(inward(await room.bearer(secret))).toContain('expired');
  });

  test('opens a second session, unless its provider says once', async () => {
    const once = (CONFIG.providers ?? []).map((provider) =>
      provider.type === 'workload' ? { ...provider, once: true } : provider,
    );
    const secret = signToken(KEY, ciClaims());
    expect((await room.bearer(secret)).outcome).toBe('identified');
    expect((await room.bearer(secret)).outcome).toBe('identified');
    room.identity.configure(settings({ ...CONFIG, providers: once }));
    expect((await room.bearer(secret)).outcome).toBe('identified');
    expect(inward(await room.bearer(secret))).toContain('used before');
    const { jti: _, ...unnamed } = ciClaims();
    const other = signToken(KEY, unnamed);
    expect((await room.bearer(other)).outcome).toBe('identified');
    expect((await room.bearer(other)).outcome).toBe('refused');
  });

  test('that was refused for its claims is not spent', async () => {
    const once = (CONFIG.providers ?? []).map((provider) => ({ ...provider, once: true }));
    room.identity.configure(settings({ ...CONFIG, providers: once as NonNullable<IdentityConfig['providers']> })); // `once` is a key of both kinds here.
    const secret = signToken(KEY, idClaims());
    expect((await room.login({ kind: 'password', user: 'dan@example.com', secret })).outcome).toBe('refused');
    expect((await room.login({ kind: 'password', user: 'ann@example.com', secret })).outcome).toBe('identified');
  });

  test('signed in a way that its provider does not use is refused before any key is looked up', async () => {
    const [okta] = CONFIG.providers ?? [];
    if (okta?.type !== 'oidc') throw new Error('no okta');
    room.identity.configure(settings({ ...CONFIG, providers: [{ ...okta, algorithms: ['ES256'] }], people: {} }));
    expect(inward(await room.bearer(signToken(KEY, idClaims())))).toContain('alg');
  });

  test('is matched to the line whose requirements it meets', async () => {
    const [okta, github] = CONFIG.providers ?? [];
    if (okta === undefined || github?.type !== 'workload') throw new Error('no github');
    const staging = {
      ...github,
      name: 'staging',
      require: { ...github.require, environment: 'staging' },
      subject: 'st:{repository_id}',
    };
    room.identity.configure(settings({ ...CONFIG, providers: [okta, github, staging] }));
    expect(identified(await room.bearer(signToken(KEY, { ...ciClaims(), environment: 'staging' }))).principal.id).toBe(
      'staging/st:4242',
    );
    const refused = await room.bearer(signToken(KEY, { ...ciClaims(), environment: 'dev' }));
    expect(inward(refused)).toMatch(/github: claim environment.*staging: claim environment/);
  });
});

describe('a refusal', () => {
  test('says the same outside and takes the same time, whatever was wrong', async () => {
    const { secret } = await token();
    const foreign = signToken(KEY, { ...idClaims(), aud: 'wiki' });
    const refusals = await Promise.all([
      room.login({ kind: 'password', user: 'nobody', secret: 'wrong' }),
      room.login({ kind: 'password', user: 'nightly-backup', secret: `${secret.slice(0, -1)}A` }),
      room.login({ kind: 'password', user: 'release-manager', secret }),
      room.login({ kind: 'scram', user: 'nightly-backup', verifier: null }),
      room.login({ kind: 'scram', user: 'nobody', verifier: null }),
      room.login({ kind: 'bearer', token: foreign }),
      room.login({ kind: 'bearer', token: '' }),
    ]);
    const reasons = refusals.map((result) => (result.outcome === 'refused' ? result.reason : null));
    expect(new Set(reasons).size).toBe(1);
    expect(reasons[0]).toMatchObject({ code: 'IDENTITY_REFUSED', rule: null });
    expect(new Set(refusals.map(inward)).size).toBeGreaterThan(4);
    expect(room.delays).toHaveLength(refusals.length);
    for (const delay of room.delays) expect(delay).toBeGreaterThanOrEqual(25);
  });

  test('leaves at a whole number of steps after the question, however long the check took', async () => {
    let slow = room;
    const answers: number[] = [];
    for (const spent_ms of [0, 1, 30, 49, 50, 120]) {
      slow = await openRoom({
        keys: {
          verify: async () => {
            slow.advance(spent_ms);
            return { outcome: 'unavailable', why: 'away' };
          },
        },
      });
      const startedAt = slow.now();
      await slow.bearer(signToken(KEY, idClaims()));
      answers.push(slow.now() - startedAt);
      await slow.close();
    }
    for (const answer of answers.slice(0, 4)) {
      expect(answer).toBeGreaterThanOrEqual(50);
      expect(answer).toBeLessThan(75);
    }
    expect(answers[4]).toBeGreaterThanOrEqual(100);
    expect(answers[5]).toBeGreaterThanOrEqual(150);
  });

  test('is what a store that fails gives, and says so inside', async () => {
    const failing = await openRoom({
      wrap: (store) => ({
        ...store,
        principalRevokedAt: () => Promise.reject(new GatewayError('STORE_UNAVAILABLE', 'disk gone')),
      }),
    });
    const result = await failing.bearer(signToken(KEY, idClaims()));
    expect(result).toMatchObject({ outcome: 'refused', reason: { code: 'IDENTITY_REFUSED' } });
    expect(inward(result)).toContain('disk gone');
    await failing.close();
  });

  test('slows the next attempt from there, and does not keep out who has the right token', async () => {
    const { secret } = await token();
    for (let count = 0; count < 200; count++)
      await room.login({ kind: 'scram', user: 'nightly-backup', verifier: null }, { clientAddress: '198.51.100.9' });
    const before = room.now();
    const result = await room.login({ kind: 'password', user: 'nightly-backup', secret });
    expect(result.outcome).toBe('identified');
    expect(room.now() - before).toBeLessThanOrEqual(LIMITS.login_delay_ms);
  });

  test('is not owed by who logs in well, however often', async () => {
    const { secret } = await token();
    for (let count = 0; count < 200; count++) await room.bearer(secret);
    expect(room.delays).toEqual([]);
  });

  test('never shows a secret, inside or outside', async () => {
    const { secret } = await token();
    const jwt = signToken(KEY, { ...idClaims(), aud: 'wiki' });
    const tries = [
      secret.slice(0, -1),
      `${secret}x`,
      `${secret.slice(0, -1)}A`,
      jwt,
      `${jwt}A`,
      `x${jwt}`,
      'hunter2-canary',
    ];
    for (const attempt of tries) {
      const text = JSON.stringify([
        await room.login({ kind: 'password', user: 'ann', secret: attempt }),
        room.warnings,
      ]);
      for (const part of attempt.split('.')) expect(text).not.toContain(part.slice(-20));
    }
  });
});
