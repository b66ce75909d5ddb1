import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Reason } from '../../src/core/verdict.ts';
import type { NewToken } from '../../src/identity/registry.ts';
import { signToken } from '../fakes/idp.ts';
import { CONFIG, idClaims, identified, inward, KEY, openRoom, type Room, settings } from './room.ts';

const HOUR = 3_600_000;
let room: Room;
beforeEach(async () => void (room = await openRoom()));
afterEach(() => room.close());

const token = (account = 'nightly-backup', ttl_ms = HOUR): Promise<NewToken> =>
  room.identity.createToken({ account, ttl_ms, onBehalfOf: null, by: 'operator' });

describe('an agent', () => {
  const agentToken = async (ttl_ms = HOUR, secret = signToken(KEY, idClaims(room.now()))): Promise<NewToken> => {
    const { principal } = identified(await room.bearer(secret));
    return room.identity.createToken({ account: 'claude-code', ttl_ms, onBehalfOf: principal, by: principal });
  };

  test('has its own groups and acts for whoever made its token', async () => {
    const made = await agentToken();
    expect(made).toMatchObject({ createdBy: 'okta/00u-ann', onBehalfOf: 'okta/00u-ann' });
    expect(identified(await room.bearer(made.secret)).principal).toMatchObject({
      kind: 'agent',
      id: 'gateway/claude-code',
      groups: ['agents'],
      person: 'okta/00u-ann',
      mayApprove: false,
      onBehalfOf: { kind: 'human', id: 'okta/00u-ann', groups: ['okta/dev', 'okta/dba'] },
    });
  });

  test('has no token that acts for nobody, and a service account has none that acts for somebody', async () => {
    await expect(token('claude-code')).rejects.toMatchObject({ code: 'USAGE' });
    const { principal } = identified(await room.bearer(signToken(KEY, idClaims())));
    const request = { account: 'nightly-backup', ttl_ms: HOUR, onBehalfOf: principal, by: principal };
    await expect(room.identity.createToken(request)).rejects.toMatchObject({ code: 'USAGE' });
  });

  test('has a token no longer than a session of whom it acts for', async () => {
    await expect(agentToken(12 * HOUR + 1)).rejects.toMatchObject({ code: 'USAGE' });
    await agentToken(12 * HOUR);
  });

  test('ends when whom it acts for is revoked', async () => {
    const { secret } = await agentToken();
    const reasons: Reason[] = [];
    room.identity.watch(identified(await room.bearer(secret)), (reason) => reasons.push(reason));
    await room.identity.revoke('okta/00u-ann', 'operator');
    expect(reasons).toHaveLength(1);
    expect(inward(await room.bearer(secret))).toContain('okta/00u-ann was revoked');
  });

  test('acting for a service account has that account as it is configured when it logs in', async () => {
    const { principal } = identified(await room.bearer((await token()).secret));
    const { secret } = await room.identity.createToken({
      account: 'claude-code',
      ttl_ms: HOUR,
      onBehalfOf: principal,
      by: 'operator',
    });
    room.identity.configure(settings({ ...CONFIG, service_accounts: [{ name: 'nightly-backup', groups: ['less'] }] }));
    expect(identified(await room.bearer(secret)).principal.onBehalfOf).toMatchObject({
      id: 'gateway/nightly-backup',
      groups: ['less'],
    });
    room.identity.configure(settings({ ...CONFIG, service_accounts: [] }));
    expect(inward(await room.bearer(secret))).toContain('for whom');
  });

  test('ends when the provider of whom it acts for is no longer configured', async () => {
    const { secret } = await agentToken();
    const reasons: Reason[] = [];
    room.identity.watch(identified(await room.bearer(secret)), (reason) => reasons.push(reason));
    room.identity.configure(settings({ ...CONFIG, agents: CONFIG.agents ?? [], providers: [], people: {} }));
    expect(reasons).toHaveLength(1);
    expect(inward(await room.bearer(secret))).toContain('for whom');
  });

  test('acts through at most four links', async () => {
    let principal = identified(await room.bearer((await token()).secret)).principal;
    for (let link = 0; link < 3; link++) {
      const { secret } = await room.identity.createToken({
        account: 'claude-code',
        ttl_ms: HOUR,
        onBehalfOf: principal,
        by: 'operator',
      });
      principal = identified(await room.bearer(secret)).principal;
    }
    const request = { account: 'claude-code', ttl_ms: HOUR, onBehalfOf: principal, by: 'operator' } as const;
    await expect(room.identity.createToken(request)).rejects.toMatchObject({ code: 'USAGE' });
  });
});
