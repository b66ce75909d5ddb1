import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Identification } from '../../src/identity/stage.ts';
import { signToken } from '../fakes/idp.ts';
import { idClaims, KEY, NOW, openRoom, type Room } from '../identity/room.ts';

const HOUR = 3_600_000;
let room: Room;
beforeEach(async () => void (room = await openRoom()));
afterEach(() => room.close());

const token = (ttl_ms: number) =>
  room.identity.createToken({ account: 'nightly-backup', ttl_ms, onBehalfOf: null, by: 'operator' });
const password = (user: string, secret: string) => room.login({ kind: 'password', user, secret });
const id = (changes: Record<string, unknown>) => signToken(KEY, { ...idClaims(), ...changes });

describe('P7: one outward answer to', () => {
  test.each<[string, () => Promise<Identification>]>([
    [
      'an expired gateway token, as password',
      async () => {
        const { secret } = await token(1_000);
        room.advance(1_000);
        return password('nightly-backup', secret);
      },
    ],
    [
      'an expired gateway token, by SCRAM',
      async () => {
        const made = await token(1_000);
        room.advance(1_000);
        return room.login({ kind: 'scram', user: 'nightly-backup', verifier: made.id });
      },
    ],
    [
      'a revoked gateway token',
      async () => {
        const made = await token(HOUR);
        await room.identity.revokeToken(made.id, 'operator');
        return password('nightly-backup', made.secret);
      },
    ],
    ['an expired ID token', () => password('-', id({ exp: NOW / 1_000 - 61 }))],
    ['an ID token from the future', () => password('-', id({ nbf: NOW / 1_000 + 61 }))],
    ['an unknown user', () => password('nobody', 'whatever')],
    ['an unknown user with somebody else’s good token', async () => password('nobody', (await token(HOUR)).secret)],
    ['an unknown user by SCRAM', () => room.login({ kind: 'scram', user: 'nobody', verifier: null })],
    [
      'an unknown user with the verifier of a known one',
      async () => room.login({ kind: 'scram', user: 'nobody', verifier: (await token(HOUR)).id }),
    ],
    ['a known account with a wrong secret', () => password('nightly-backup', 'whatever')],
    ['an account name with a person’s token', () => password('nightly-backup', id({}))],
    ['no user and no secret', () => password('', '')],
  ])('%s', async (_, attempt) => {
    const result = await attempt();
    if (result.outcome === 'identified') throw new Error(`identified as ${result.principal.id}`);
    const nobody = await password('nobody', 'whatever');
    expect(result.reason).toEqual(nobody.outcome === 'refused' ? nobody.reason : null);
    expect(result.inward).not.toBe('');
  });
});

test('P7: an unknown user is nobody, never an account that happens to exist', async () => {
  await token(HOUR);
  for (const user of ['nobody', 'postgres', 'root', 'gateway', 'nightly-backu', 'NIGHTLY-BACKUP']) {
    const method = await room.identity.loginMethod(user);
    if (method.kind === 'password') throw new Error('a bare name gets SCRAM here');
    expect(method.verifiers.map((verifier) => verifier.id)).toEqual(['nobody']);
  }
});
