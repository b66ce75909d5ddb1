import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Database, openStore } from '../../../src/adapters/store-sqlite/database.ts';
import { IDENTITY_MIGRATION, identityStore } from '../../../src/adapters/store-sqlite/identity.ts';
import type { IdentityStore, StoredToken } from '../../../src/identity/ports.ts';

let directory: string;
let database: Database;
let store: IdentityStore;
const open = async (): Promise<void> => {
  database = await openStore(join(directory, 'state.db'), [IDENTITY_MIGRATION]);
  store = identityStore(database);
};
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sallyport-store-'));
  await open();
  await store.ensureAccount('backup', { salt: Buffer.alloc(16, 1), iterations: 4096 });
});
afterEach(async () => {
  await database.close();
  rmSync(directory, { recursive: true, force: true });
});

const token = (id: string, changes: Partial<StoredToken> = {}): StoredToken => ({
  id,
  account: 'backup',
  digest: Buffer.alloc(32, 2),
  storedKey: Buffer.alloc(32, 3),
  serverKey: Buffer.alloc(32, 4),
  createdAt: 1_000,
  createdBy: 'operator',
  expiresAt: 5_000,
  lastUsedAt: null,
  revokedAt: null,
  onBehalfOf: null,
  ...changes,
});

describe('tokens', () => {
  test('come back as they went in, also after the store was closed', async () => {
    const kept = token('a', {
      onBehalfOf: '{"account":"x"}',
      createdAt: Date.UTC(2099, 0),
      expiresAt: Date.UTC(2100, 0),
    });
    expect(await store.addToken(kept, 10)).toBe(true);
    await database.close();
    await open();
    expect(await store.token('a')).toEqual(kept);
    expect(await store.token('b')).toBeNull();
  });

  test('are counted while they live', async () => {
    await store.addToken(token('a'), 2);
    await store.addToken(token('b'), 2);
    expect(await store.addToken(token('c'), 2)).toBe(false);
    await store.revokeToken('a', 2_000, 'operator');
    expect(await store.addToken(token('c'), 2)).toBe(true);
    expect(await store.addToken(token('d', { createdAt: 5_000, expiresAt: 9_000 }), 2)).toBe(true);
  });

  test('of an account that was never made, or of an id that is taken, are refused', async () => {
    const unavailable = expect.objectContaining({ code: 'STORE_UNAVAILABLE' });
    await expect(store.addToken(token('a', { account: 'nobody' }), 2)).rejects.toEqual(unavailable);
    await store.addToken(token('a'), 2);
    await expect(store.addToken(token('a'), 2)).rejects.toEqual(unavailable);
  });

  test('are listed newest first, of one account or all', async () => {
    await store.ensureAccount('other', { salt: Buffer.alloc(16), iterations: 4096 });
    await store.addToken(token('old'), 9);
    await store.addToken(token('new', { createdAt: 2_000 }), 9);
    await store.addToken(token('theirs', { account: 'other', createdAt: 1_500 }), 9);
    expect((await store.tokens('backup')).map(({ id }) => id)).toEqual(['new', 'old']);
    expect((await store.tokens(null)).map(({ id }) => id)).toEqual(['new', 'theirs', 'old']);
  });

  test('remember their latest use', async () => {
    await store.addToken(token('a'), 9);
    await store.touchToken('a', 3_000);
    await store.touchToken('a', 2_000);
    expect((await store.token('a'))?.lastUsedAt).toBe(3_000);
  });

  test('are verifiers of their account until the moment they expire', async () => {
    await store.addToken(token('a'), 9);
    await store.addToken(token('revoked'), 9);
    await store.revokeToken('revoked', 1_500, 'operator');
    const ids = async (at: number) => (await store.scramAccount('backup', at))?.verifiers.map(({ id }) => id);
    expect(await ids(4_999)).toEqual(['a']);
    expect(await ids(5_000)).toEqual([]);
    expect(await store.scramAccount('nobody', 0)).toBeNull();
  });
});

describe('what is made once', () => {
  test('stays what the first caller proposed: a secret', async () => {
    expect(await store.secret('s', Buffer.from('first'))).toEqual(Buffer.from('first'));
    expect(await store.secret('s', Buffer.from('second'))).toEqual(Buffer.from('first'));
    expect(await store.secret('t', Buffer.from('second'))).toEqual(Buffer.from('second'));
  });

  test("stays what the first caller proposed: an account's salt", async () => {
    const again = await store.ensureAccount('backup', { salt: Buffer.alloc(16, 9), iterations: 8192 });
    expect(again).toEqual({ salt: Buffer.alloc(16, 1), iterations: 4096 });
  });
});

describe('revocations', () => {
  test('are read in the order they were made, each once', async () => {
    await store.addToken(token('a'), 9);
    await store.revokePrincipal('okta/ann', 10, 'operator');
    await store.revokeToken('a', 20, 'okta/dan');
    const [first, second] = await store.revocationsAfter(0);
    expect(first).toMatchObject({ scope: 'principal', subject: 'okta/ann', at: 10 });
    expect(second).toMatchObject({ scope: 'token', subject: 'a', at: 20 });
    expect(await store.revocationsAfter(first?.sequence ?? 0)).toEqual([second]);
    expect(await store.revocationsAfter(second?.sequence ?? 0)).toEqual([]);
  });

  test('of a principal count from the latest, and not for others', async () => {
    await store.revokePrincipal('okta/ann', 20, 'operator');
    await store.revokePrincipal('okta/ann', 10, 'operator');
    expect(await store.principalRevokedAt('okta/ann')).toBe(20);
    expect(await store.principalRevokedAt('okta/an')).toBeNull();
  });

  test('of a token happen once', async () => {
    await store.addToken(token('a'), 9);
    expect(await store.revokeToken('a', 10, 'operator')).toBe(true);
    expect(await store.revokeToken('a', 20, 'operator')).toBe(false);
    expect(await store.revokeToken('b', 20, 'operator')).toBe(false);
    expect(await store.revocationsAfter(0)).toHaveLength(1);
    expect((await store.token('a'))?.revokedAt).toBe(10);
  });
});

test('a token that is good once is spent once, by whichever process comes first, and forgotten when it has expired', async () => {
  const other = await openStore(join(directory, 'state.db'), [IDENTITY_MIGRATION]);
  const digest = Buffer.alloc(32, 7);
  expect(await store.spend(digest, 1_000, 0)).toBe(true);
  expect(await identityStore(other).spend(digest, 1_000, 500)).toBe(false);
  expect(await store.spend(Buffer.alloc(32, 8), 2_000, 1_001)).toBe(true);
  expect(await database.all('select count(*) as kept from spent_tokens')).toEqual([{ kept: 1 }]);
  await other.close();
});
