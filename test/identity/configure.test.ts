import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Reason } from '../../src/core/verdict.ts';
import type { IdentityConfig } from '../../src/identity/config.ts';
import type { NewToken } from '../../src/identity/registry.ts';
import { signToken } from '../fakes/idp.ts';
import { CONFIG, ciClaims, idClaims, identified, KEY, openRoom, type Room, settings } from './room.ts';

const HOUR = 3_600_000;
let room: Room;
beforeEach(async () => void (room = await openRoom()));
afterEach(() => room.close());

const token = (account = 'nightly-backup', ttl_ms = HOUR): Promise<NewToken> =>
  room.identity.createToken({ account, ttl_ms, onBehalfOf: null, by: 'operator' });

describe('a changed configuration', () => {
  const sessions = async (): Promise<Record<string, Reason[]>> => {
    const heard: Record<string, Reason[]> = { token: [], ann: [], ci: [] };
    const secrets = { token: (await token()).secret, ann: signToken(KEY, idClaims()), ci: signToken(KEY, ciClaims()) };
    for (const [name, secret] of Object.entries(secrets)) {
      room.identity.watch(identified(await room.bearer(secret)), (reason) => heard[name]?.push(reason));
    }
    return heard;
  };
  const told = (heard: Record<string, Reason[]>): string[] =>
    Object.keys(heard).filter((name) => heard[name]?.length === 1);

  test.each<[string, Partial<IdentityConfig>, string[]]>([
    ['an account gone', { service_accounts: [] }, ['token']],
    ['an account with other groups', { service_accounts: [{ name: 'nightly-backup', groups: [] }] }, ['token']],
    ['providers gone', { providers: [] }, ['ann', 'ci']],
    ['another agent', { agents: [] }, []],
    ['nothing changed', {}, []],
  ])('with %s ends the sessions that rested on it, and only those', async (_, changes, expected) => {
    // Whom people: names must have a provider, so it goes with them.
    const before = { ...CONFIG, people: changes.providers === undefined ? (CONFIG.people ?? {}) : {} };
    room.identity.configure(settings(before));
    const heard = await sessions();
    room.identity.configure(settings({ ...before, ...changes }));
    expect(told(heard)).toEqual(expected);
  });

  test('that is wrong is refused whole, with everything that is wrong, and the old one stays', async () => {
    const { secret } = await token();
    const wrong: IdentityConfig = {
      ...CONFIG,
      service_accounts: [{ name: 'a' }, { name: 'a' }, { name: 'b', may_approve: true }],
    };
    const epoch = room.identity.epoch();
    expect(() => room.identity.configure(settings(wrong))).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
    expect(() => room.identity.configure(settings(wrong))).toThrow(/service_accounts\.1.*service_accounts\.2/);
    expect(room.identity.epoch()).toBe(epoch);
    expect((await room.bearer(secret)).outcome).toBe('identified');
  });

  test('between login and watching is heard', async () => {
    const result = identified(await room.bearer((await token()).secret));
    room.identity.configure(settings({ ...CONFIG, service_accounts: [] }));
    const reasons: Reason[] = [];
    room.identity.watch(result, (reason) => reasons.push(reason));
    await Promise.resolve();
    expect(reasons).toEqual([expect.objectContaining({ code: 'IDENTITY_REVOKED', retry: 'later' })]);
  });
});
