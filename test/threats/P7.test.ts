import { afterAll, beforeAll, expect, test } from 'vitest';
import { encodeStartup } from '../../src/protocols/postgres/startup.ts';
import { startWorld, type World } from '../e2e/world.ts';
import { type FakeIdp, newSigningKey, signToken, startIdp } from '../fakes/idp.ts';
import { RawClient, startup } from '../servers/raw-client.ts';
import { pause, recorded, whyOf } from './attack.ts';

/** Whatever is wrong with who somebody is, he gets the same bytes for it, and nothing is opened at the target. */
const KEY = newSigningKey('p7');
let idp: FakeIdp;
let world: World;
beforeAll(async () => {
  idp = await startIdp([KEY]);
  world = await startWorld({
    config: {
      gateway: { insecure_loopback: true },
      identity: { providers: [{ name: 'okta', type: 'oidc', issuer: idp.issuer, client_id: 'sallyport' }] },
    },
    serviceAccounts: [{ name: 'tim', groups: ['dev'], person: 'tim@example.com' }],
    policies:
      '@id("people-open") permit (principal is Human, action in [Action::"open", Action::"sql.read"], resource in Target::"crm");',
  });
});
afterAll(async () => {
  await world.stop();
  await idp.close();
});

interface Attempt {
  readonly user: string;
  readonly secret: string;
  readonly database?: string;
}

/** The bytes that a refused login was answered with, from its end: the last message, an ErrorResponse. */
async function refusedWith({ user, secret, database = 'crm' }: Attempt): Promise<string> {
  const client = await RawClient.connect(world.gateway.port);
  client.write(encodeStartup(startup({ port: 0, user, password: '', database })));
  const outcome = await client.authenticate(secret).then(
    async () => {
      await client.until('ready-for-query');
      return 'let in';
    },
    (fault: Error) => fault.message,
  );
  expect(outcome).not.toBe('let in');
  await client.closed();
  const all = Buffer.concat(client.received);
  return all
    .subarray(all.lastIndexOf('ESFATAL\0') - 4)
    .toString('latin1')
    .replaceAll(user, 'WHO');
}

const claims = (changes: object) => {
  const now = Math.floor(Date.now() / 1_000);
  return {
    iss: idp.issuer,
    aud: 'sallyport',
    sub: 'u-1',
    email: 'pat@example.com',
    email_verified: true,
    iat: now - 5,
    exp: now + 300,
    ...changes,
  };
};
const soon = () => Math.floor(Date.now() / 1_000);

async function madeToken(...args: string[]): Promise<{ id: string; token: string }> {
  return JSON.parse(await world.gateway.cli('token', 'create', 'tim', ...args, '--json'));
}

/** What everybody is told: that of a name nobody has. */
const nobody = () => refusedWith({ user: 'nob', secret: 'no such secret' });

test('P7 an expired gateway token is refused like an unknown user, and nothing is opened', async () => {
  const { token } = await madeToken('--ttl', '1s');
  await pause(1_500);
  world.tap.reset();
  expect(await refusedWith({ user: 'tim', secret: token })).toBe(await nobody());
  expect(world.tap.connections()).toBe(0);
});

test('P7 a revoked gateway token is refused like an unknown user', async () => {
  const { id, token } = await madeToken('--ttl', '1h');
  const before = await RawClient.login({ port: world.gateway.port, user: 'tim', password: token, database: 'crm' });
  before.end();
  await world.gateway.cli('token', 'revoke', id);
  await pause(500);
  world.tap.reset();
  expect(await refusedWith({ user: 'tim', secret: token })).toBe(await nobody());
  expect(world.tap.connections()).toBe(0);
});

test('P7 a wrong secret, and another account’s token, are refused like an unknown user', async () => {
  world.tap.reset();
  const told = await nobody();
  expect(await refusedWith({ user: 'tim', secret: 'wrong' })).toBe(told);
  expect(await refusedWith({ user: 'max', secret: await world.gateway.token('ann') })).toBe(told);
  expect(await refusedWith({ user: 'nob', secret: await world.gateway.token('ann') })).toBe(told);
  expect(world.tap.connections()).toBe(0);
});

test('P7 an unknown target, and one that is not permitted, are refused like an unknown user', async () => {
  const told = await nobody();
  world.tap.reset();
  expect(await refusedWith({ user: 'ann', secret: await world.gateway.token('ann'), database: 'no-such-target' })).toBe(
    told,
  );
  expect(await refusedWith({ user: 'eve', secret: await world.gateway.token('eve') })).toBe(told);
  expect(world.tap.connections()).toBe(0);
});

test('P7 no user is mapped to a role of the target: postgres, gateway_rw and root are nobody', async () => {
  const told = await nobody();
  world.tap.reset();
  for (const [user, secret] of [
    ['postgres', ''],
    ['gateway_rw', 'rw-demo'],
    ['root', 'root'],
    ['ANN', await world.gateway.token('ann')],
    ['ann ', await world.gateway.token('ann')],
  ] as const)
    expect(await refusedWith({ user, secret })).toBe(told);
  expect(world.tap.connections()).toBe(0);
});

test.each([
  ['expired', () => claims({ exp: soon() - 120 })],
  ['not valid yet', () => claims({ nbf: soon() + 600 })],
  ['of another issuer', () => claims({ iss: 'https://elsewhere.example.com' })],
  ['for another audience', () => claims({ aud: 'another' })],
])('P7 a provider’s token that is %s is refused like a word that is no token', async (_, spoiled) => {
  world.tap.reset();
  // libpq sends it over TLS when asked in clear; the raw client does the same on loopback.
  const plain = await refusedWithPassword('no token');
  expect(await refusedWithPassword(signToken(KEY, spoiled()))).toBe(plain);
  expect(world.tap.connections()).toBe(0);
});

async function refusedWithPassword(secret: string): Promise<string> {
  const client = await RawClient.connect(world.gateway.port);
  client.write(encodeStartup(startup({ port: 0, user: 'pat@example.com', password: '', database: 'crm' })));
  await expect(client.authenticate(secret)).rejects.toThrow();
  await client.closed();
  return Buffer.concat(client.received).toString('latin1');
}

test('P7 a provider’s token that is good is let in: the refusals above are not everybody’s', async () => {
  const ran = await world.gateway.psql('ann', 'crm', 'select 1', {
    env: { PGUSER: 'pat@example.com', PGPASSWORD: signToken(KEY, claims({})) },
  });
  expect(ran).toMatchObject({ status: 0, stdout: '1\n' });
});

test('P7 psql is told the same of an expired, a revoked, an unknown and a not-yet-valid credential', async () => {
  const expired = await madeToken('--ttl', '1s');
  const revoked = await madeToken('--ttl', '1h');
  await world.gateway.cli('token', 'revoke', revoked.id);
  await pause(1_500);
  world.tap.reset();
  const told = async (PGUSER: string, PGPASSWORD: string) => {
    const ran = await world.gateway.psql('ann', 'crm', 'select 1', { env: { PGUSER, PGPASSWORD } });
    expect(ran).toMatchObject({ status: 2, stdout: '' });
    return ran.stderr.replaceAll(PGUSER, 'WHO');
  };
  const words = await told('nob', 'whatever');
  expect(words).toContain('access denied');
  expect(await told('tim', expired.token)).toBe(words);
  expect(await told('tim', revoked.token)).toBe(words);
  expect(await told('pat@example.com', signToken(KEY, claims({ exp: soon() - 120 })))).toBe(words);
  expect(await told('pat@example.com', signToken(KEY, claims({ nbf: soon() + 600 })))).toBe(words);
  expect(world.tap.connections()).toBe(0);
});

test('P7 each refusal is in the record with its own reason', async () => {
  await refusedWith({ user: 'tim', secret: 'wrong' });
  const { entry } = await recorded(
    world.gateway,
    'a refused login',
    (one) => one.entry.kind === 'login-refused' && one.sealed?.user === 'tim' && whyOf(one) !== '',
  );
  expect(entry.facts).toMatchObject({ protocol: 'postgres' });
});
