import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LIMITS } from '../../src/core/limits.ts';
import { identityConfig } from '../../src/identity/config.ts';
import { newToken, tokenDigest } from '../../src/identity/tokens.ts';
import { openRoom, type Room } from '../identity/room.ts';

let room: Room;
beforeEach(async () => void (room = await openRoom()));
afterEach(() => room.close());

const token = () =>
  room.identity.createToken({ account: 'nightly-backup', ttl_ms: 3_600_000, onBehalfOf: null, by: 'operator' });

test('A9: tokens are drawn from the system’s random bytes, 256 bits each, and their bits are even', () => {
  const secrets = Array.from({ length: 2_000 }, () => newToken((bytes) => randomBytes(bytes)).secret);
  expect(new Set(secrets).size).toBe(secrets.length);
  const ones = new Array<number>(256).fill(0);
  for (const secret of secrets) {
    const bytes = Buffer.from(secret.slice(-43), 'base64url');
    expect(bytes).toHaveLength(32);
    for (let bit = 0; bit < 256; bit++) ones[bit] = (ones[bit] ?? 0) + (((bytes[bit >> 3] ?? 0) >> (bit & 7)) & 1);
  }
  // Of 2,000 fair bits fewer than 850 or more than 1,150 are one with a chance below 10⁻¹⁰.
  for (const count of ones) expect(Math.abs(count - 1_000)).toBeLessThan(150);
});

test('A9: nobody has a password that could be chosen, forgotten or reset', () => {
  for (const key of ['password', 'password_hash', 'reset_email']) {
    expect(identityConfig.safeParse({ service_accounts: [{ name: 'a', [key]: 'x' }] }).success).toBe(false);
  }
});

test('A9: what is stored of a token opens nothing', async () => {
  const { id, secret } = await token();
  const stored = await room.store.token(id);
  if (stored === null) throw new Error('the token is not stored');
  const forms = [stored.digest, stored.storedKey, stored.serverKey].flatMap((bytes) => [
    bytes.toString('hex'),
    bytes.toString('base64url'),
    `sp_${id}_${bytes.toString('base64url')}`,
  ]);
  for (const form of forms) expect((await room.bearer(form)).outcome).toBe('refused');
  expect(tokenDigest(secret)).toEqual(stored.digest);
});

test('A9: guesses from one address are slowed, whatever names they try, and other addresses are not', async () => {
  const frozen = await openRoom({ frozen: true });
  const guess = (count: number, clientAddress: string) =>
    frozen.login(
      { kind: 'password', user: `user-${count}`, secret: `sp_0123456789_${'a'.repeat(43)}` },
      { clientAddress },
    );
  await Promise.all(Array.from({ length: 500 }, (_, count) => guess(count, '198.51.100.9')));
  const slowed = frozen.delays.filter((delay) => delay > 100);
  expect(slowed.length).toBeGreaterThan(400);
  expect(Math.max(...slowed)).toBe(LIMITS.login_delay_ms);
  const before = frozen.delays.length;
  await guess(0, '203.0.113.5');
  expect(Math.max(...frozen.delays.slice(before))).toBeLessThan(100);
  await frozen.close();
});

test('A9: guesses at one name from many addresses slow it, and never lock its owner out', async () => {
  const { secret } = await token();
  await Promise.all(
    Array.from({ length: 300 }, (_, count) =>
      room.login(
        { kind: 'password', user: 'nightly-backup', secret: 'wrong' },
        { clientAddress: `198.51.${count >> 8}.${count & 255}` },
      ),
    ),
  );
  const startedAt = room.now();
  expect((await room.login({ kind: 'password', user: 'nightly-backup', secret })).outcome).toBe('identified');
  expect(room.now() - startedAt).toBeLessThanOrEqual(LIMITS.login_delay_ms);
});

test('A9: who has the right token is never slowed by having it', async () => {
  const { secret } = await token();
  const startedAt = room.now();
  for (let count = 0; count < 500; count++) await room.login({ kind: 'password', user: 'nightly-backup', secret });
  expect(room.now()).toBe(startedAt);
});
