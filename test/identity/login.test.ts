import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CONFIG, HERE, NOW, openRoom, type Room, settings } from './room.ts';

const HOUR = 3_600_000;
let room: Room;
beforeEach(async () => void (room = await openRoom()));
afterEach(() => room.close());

const token = (account: string, ttl_ms = HOUR) =>
  room.identity.createToken({ account, ttl_ms, onBehalfOf: null, by: 'operator' });
/** What a client sees before it has proved anything. */
const seen = async (user: string, where = {}) => {
  const method = await room.identity.loginMethod(user, { ...HERE, ...where });
  return method.kind === 'password'
    ? method
    : { kind: method.kind, iterations: method.iterations, salt: method.salt.length };
};

describe('before a client has proved anything', () => {
  test('an account with tokens, one without, and a name that nobody has look alike', async () => {
    await token('nightly-backup');
    const expected = { kind: 'scram-sha-256', iterations: 4096, salt: 16 };
    for (const user of ['nightly-backup', 'release-manager', 'nobody-at-all', 'Root', 'x'.repeat(5_000)]) {
      expect(await seen(user)).toEqual(expected);
    }
  });

  test('a name has one salt: asked twice, by two processes, before and after it has a token', async () => {
    const salt = async (from: Room): Promise<string> => {
      const method = await from.identity.loginMethod('nightly-backup');
      return method.kind === 'password' ? '' : method.salt.toString('hex');
    };
    const before = await salt(room);
    const other = await openRoom({ path: room.path });
    expect(await salt(other)).toBe(before);
    await other.close();
    await token('nightly-backup');
    expect(await salt(room)).toBe(before);
    expect(before).toHaveLength(32);
  });

  test('two names and two gateways have different salts', async () => {
    const other = await openRoom();
    const salts = await Promise.all([
      room.identity.loginMethod('a'),
      room.identity.loginMethod('b'),
      other.identity.loginMethod('a'),
    ]);
    const texts = salts.map((method) => (method.kind === 'password' ? '' : method.salt.toString('hex')));
    expect(new Set(texts).size).toBe(3);
    await other.close();
  });

  test.each(['ann@example.com', 'okta/00u-ann', 'ci:4242', '-', '--', '', 'ann smith', 'ånn'])(
    'the name %j, which no account can have, is asked for a password',
    async (user) => expect(await seen(user)).toEqual({ kind: 'password' }),
  );

  test('every name is asked for a password where there are no accounts', async () => {
    room.identity.configure(settings({ ...CONFIG, service_accounts: [], agents: [] }));
    expect(await seen('ann')).toEqual({ kind: 'password' });
  });

  test("on a target's own port accounts with tokens get SCRAM and every other name a password", async () => {
    await token('nightly-backup');
    expect(await seen('nightly-backup', { anyUser: true })).toMatchObject({ kind: 'scram-sha-256' });
    expect(await seen('release-manager', { anyUser: true })).toEqual({ kind: 'password' });
    expect(await seen('crm_app', { anyUser: true })).toEqual({ kind: 'password' });
  });
});

describe('the verifiers of a login', () => {
  const verifiers = async (user: string): Promise<readonly string[]> => {
    const method = await room.identity.loginMethod(user);
    return method.kind === 'password' ? [] : method.verifiers.map(({ id }) => id);
  };

  test('are those of every live token, newest first', async () => {
    const first = await token('nightly-backup');
    room.advance(1);
    const second = await token('nightly-backup');
    expect(await verifiers('nightly-backup')).toEqual([second.id, first.id]);
  });

  test('leave out what has expired or was revoked, and are never none', async () => {
    const short = await token('nightly-backup', 1_000);
    const revoked = await token('nightly-backup');
    await room.identity.revokeToken(revoked.id, 'operator');
    expect(await verifiers('nightly-backup')).toEqual([short.id]);
    room.advance(1_000);
    expect(await verifiers('nightly-backup')).toEqual(['nobody']);
    expect(await verifiers('nobody-at-all')).toEqual(['nobody']);
  });

  test('of nobody let nobody in', async () => {
    for (const user of ['nobody-at-all', 'nobody', 'nightly-backup']) {
      expect((await room.login({ kind: 'scram', user, verifier: 'nobody' })).outcome).toBe('refused');
    }
  });

  test('of an account that is no longer configured are those of nobody', async () => {
    await token('nightly-backup');
    const other = await openRoom({ path: room.path, config: { ...CONFIG, service_accounts: [] } });
    const method = await other.identity.loginMethod('nightly-backup');
    expect(method.kind === 'password' ? [] : method.verifiers.map(({ id }) => id)).toEqual(['nobody']);
    await other.close();
  });
});

test('while the store cannot be read a login is offered, and nobody gets in', async () => {
  const broken = await openRoom({
    wrap: (store) => ({
      ...store,
      secret: () => Promise.reject(new Error('disk gone')),
      scramAccount: () => Promise.reject(new Error('disk gone')),
    }),
  });
  const method = await broken.identity.loginMethod('nightly-backup');
  expect(method).toMatchObject({ kind: 'scram-sha-256', verifiers: [{ id: 'nobody' }] });
  expect(broken.warnings.length).toBeGreaterThan(0);
  await broken.close();
});

test('the digest of a token is all that is kept of it', async () => {
  const made = await token('nightly-backup');
  const kept = await room.store.token(made.id);
  expect(kept?.digest).toEqual(createHash('sha256').update(made.secret).digest());
  expect(kept?.expiresAt).toBe(NOW + HOUR);
  for (const file of [room.path, `${room.path}-wal`])
    expect(readFileSync(file).includes(made.secret.slice(-43))).toBe(false);
});
