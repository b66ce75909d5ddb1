import { setInterval, setTimeout } from 'node:timers';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { openStore } from '../../src/adapters/store-sqlite/database.ts';
import { IDENTITY_MIGRATION, identityStore } from '../../src/adapters/store-sqlite/identity.ts';
import { LIMITS } from '../../src/core/limits.ts';
import { createIdentity } from '../../src/identity/identity.ts';
import { signToken } from '../fakes/idp.ts';
import { CONFIG, GATEWAY, HERE, idClaims, KEY, keysOf, openRoom } from '../identity/room.ts';

test('A7: a session ends within two seconds of a revocation by another process, by the real clock', async () => {
  const other = await openRoom({ start: Date.now() });
  const database = await openStore(other.path, [IDENTITY_MIGRATION]);
  const timers = {
    delay: (duration_ms: number) => new Promise<void>((resolve) => void setTimeout(resolve, duration_ms)),
    every: (period_ms: number, callback: () => void) => {
      const timer = setInterval(callback, period_ms).unref();
      return () => clearInterval(timer);
    },
  };
  const ports = { store: identityStore(database), keys: keysOf(KEY), timers, warn: () => {} };
  const settings = { config: CONFIG, publicUrl: GATEWAY, limits: LIMITS };
  const identity = createIdentity(settings, ports, { now: () => Date.now() }, (bytes) => Buffer.alloc(bytes, 1));
  const result = await identity.identify({ kind: 'bearer', token: signToken(KEY, idClaims(Date.now())) }, HERE);
  if (result.outcome === 'refused') throw new Error(result.inward);

  const ended = new Promise<number>((resolve) => void identity.watch(result, () => resolve(Date.now())));
  await sleep(50);
  const revokedAt = Date.now();
  await other.identity.revoke('okta/00u-ann', 'operator');
  expect((await ended) - revokedAt).toBeLessThanOrEqual(2_000);

  identity.close();
  await database.close();
  await other.close();
});
