import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Reason } from '../../src/core/verdict.ts';
import type { NewToken } from '../../src/identity/registry.ts';
import type { Identification } from '../../src/identity/stage.ts';
import { signToken } from '../fakes/idp.ts';
import { idClaims, identified, inward, KEY, NOW, openRoom, type Room } from './room.ts';

const SECOND = 1_000;
const HOUR = 3_600_000;
let room: Room;
beforeEach(async () => void (room = await openRoom()));
afterEach(() => room.close());

const token = (account = 'nightly-backup', ttl_ms = HOUR): Promise<NewToken> =>
  room.identity.createToken({ account, ttl_ms, onBehalfOf: null, by: 'operator' });

describe('revocation', () => {
  const watch = (result: Identification): Reason[] => {
    const reasons: Reason[] = [];
    room.identity.watch(identified(result), (reason) => reasons.push(reason));
    return reasons;
  };
  const ann = (at = NOW) => signToken(KEY, idClaims(at));

  test('of a principal ends its sessions at once and once, and nobody else’s', async () => {
    const mine = watch(await room.bearer(ann()));
    const others = watch(
      await room.bearer(signToken(KEY, { ...idClaims(), sub: '00u-dan', email: 'dan@example.com' })),
    );
    await room.identity.revoke('okta/00u-ann', 'operator');
    await room.identity.revoke('okta/00u-ann', 'operator');
    expect(mine).toEqual([expect.objectContaining({ code: 'IDENTITY_REVOKED' })]);
    expect(others).toEqual([]);
  });

  test('of a principal refuses every token issued before, and takes those issued after', async () => {
    const { secret } = await token();
    await room.identity.revoke('okta/00u-ann', 'operator');
    await room.identity.revoke('gateway/nightly-backup', 'operator');
    expect(inward(await room.bearer(ann()))).toContain('revoked');
    expect(inward(await room.bearer(secret))).toContain('revoked');
    // The provider's clock may be a minute ahead, so what it issued up to a minute later may be older.
    room.advance(60 * SECOND);
    expect(inward(await room.bearer(signToken(KEY, { ...idClaims(room.now()), iat: NOW / SECOND + 60 })))).toContain(
      'revoked',
    );
    room.advance(60 * SECOND);
    expect((await room.bearer(ann(room.now()))).outcome).toBe('identified');
    expect((await room.bearer((await token()).secret)).outcome).toBe('identified');
  });

  test('of a token ends its sessions and leaves those of another token of the account', async () => {
    const [one, two] = [await token(), await token()];
    const first = watch(await room.bearer(one.secret));
    const second = watch(await room.login({ kind: 'scram', user: 'nightly-backup', verifier: two.id }));
    await room.identity.revokeToken(one.id, 'operator');
    expect([first.length, second.length]).toEqual([1, 0]);
    expect(inward(await room.bearer(one.secret))).toContain('revoked');
    await expect(room.identity.revokeToken(one.id, 'operator')).rejects.toMatchObject({ code: 'USAGE' });
    await expect(room.identity.revokeToken('nothing', 'operator')).rejects.toMatchObject({ code: 'USAGE' });
  });

  test('by another process is heard at the next poll', async () => {
    const reasons = watch(await room.bearer(ann()));
    const other = await openRoom({ path: room.path });
    await other.identity.revoke('okta/00u-ann', 'operator');
    expect(reasons).toEqual([]);
    const epoch = room.identity.epoch();
    await room.poll();
    expect(reasons).toHaveLength(1);
    expect(room.identity.epoch()).toBeGreaterThan(epoch);
    await room.poll();
    expect(room.identity.epoch()).toBe(epoch + 1);
    await other.close();
  });

  test('between login and watching is heard', async () => {
    const result = await room.bearer(ann());
    await room.identity.revoke('okta/00u-ann', 'operator');
    const reasons = watch(result);
    await Promise.resolve();
    expect(reasons).toHaveLength(1);
  });

  test('is heard no more by who has stopped watching', async () => {
    const reasons: Reason[] = [];
    const stop = room.identity.watch(identified(await room.bearer(ann())), (reason) => reasons.push(reason));
    stop();
    await room.identity.revoke('okta/00u-ann', 'operator');
    expect(reasons).toEqual([]);
  });

  test('that was polled late does not end a session opened with a newer proof', async () => {
    const other = await openRoom({ path: room.path });
    await other.identity.revoke('okta/00u-ann', 'operator');
    room.advance(120 * SECOND);
    const reasons = watch(await room.bearer(ann(room.now())));
    await room.poll();
    expect(reasons).toEqual([]);
    await other.close();
  });

  test('survives a restart', async () => {
    await room.identity.revoke('okta/00u-ann', 'operator');
    const restarted = await openRoom({ path: room.path });
    expect(inward(await restarted.bearer(ann()))).toContain('revoked');
    await restarted.close();
  });

  test('that cannot be read for ten seconds ends every session', async () => {
    let away = false;
    const failing = await openRoom({
      wrap: (store) => ({
        ...store,
        revocationsAfter: (after) => (away ? Promise.reject(new Error('gone')) : store.revocationsAfter(after)),
      }),
    });
    const reasons: Reason[] = [];
    failing.identity.watch(identified(await failing.bearer(ann())), (reason) => reasons.push(reason));
    await failing.poll();
    away = true;
    failing.advance(9_999);
    await failing.poll();
    expect(reasons).toEqual([]);
    failing.advance(1);
    await failing.poll();
    expect(reasons).toEqual([expect.objectContaining({ code: 'IDENTITY_UNAVAILABLE' })]);
    await failing.close();
  });

  test('a session that outlives its proof is told so', async () => {
    const reasons = watch(await room.bearer((await token('nightly-backup', 5 * SECOND)).secret));
    room.advance(4_999);
    await room.poll();
    expect(reasons).toEqual([]);
    room.advance(1);
    await room.poll();
    expect(reasons).toEqual([expect.objectContaining({ code: 'IDENTITY_EXPIRED' })]);
  });

  test('cannot be watched for by an identification that was not given out', async () => {
    const result = identified(await room.bearer(ann()));
    expect(() => room.identity.watch({ ...result }, () => {})).toThrow('only what identify gave');
  });
});
