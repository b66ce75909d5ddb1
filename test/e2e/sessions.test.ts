import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RawClient } from '../servers/raw-client.ts';
import { POLICIES, startWorld, type World } from './world.ts';

/** What ends a session, what changes under it, and what is known about it. */
let world: World;

beforeAll(async () => {
  world = await startWorld();
});
afterAll(async () => {
  await world.stop();
});

const answered = async (client: RawClient, sql: string) => (await client.query(sql)).map(({ type }) => type);
const errorOf = async (client: RawClient, sql: string) => {
  const error = (await client.query(sql)).find(({ type }) => type === 'error');
  return error?.type === 'error' ? error.fields : null;
};

describe('a live session', () => {
  test('ends within two seconds when its token is revoked', async () => {
    const made = JSON.parse(await world.gateway.cli('token', 'create', 'fay', '--ttl', '1h', '--json')) as {
      id: string;
      token: string;
    };
    const { RawClient } = await import('../servers/raw-client.ts');
    const client = await RawClient.login({
      port: world.gateway.port,
      user: 'fay',
      password: made.token,
      database: 'crm',
    });
    await world.gateway.cli('token', 'revoke', made.id);
    const before = Date.now();
    await expect(client.until('ready-for-query', 2_000)).rejects.toMatchObject({ fields: { S: 'FATAL', C: '57P01' } });
    expect(Date.now() - before).toBeLessThan(2_000);
    await client.closed(2_000);
  });

  test('ends when its token expires', async () => {
    const token = (await world.gateway.cli('token', 'create', 'fay', '--ttl', '2s')).trim();
    const { RawClient } = await import('../servers/raw-client.ts');
    const client = await RawClient.login({ port: world.gateway.port, user: 'fay', password: token, database: 'crm' });
    expect(await answered(client, 'select 1')).toContain('data-row');
    await expect(client.until('ready-for-query', 4_500)).rejects.toMatchObject({ fields: { C: '57P01' } });
  });

  test('ends when its principal is revoked, and nobody gets in with what was issued before', async () => {
    const client = await world.gateway.login('eve', 'crm').catch(() => null);
    expect(client).toBeNull();
    const ann = await world.gateway.login('ann', 'crm');
    const token = await world.gateway.token('ann');
    await world.gateway.cli('revoke', 'gateway/ann');
    await expect(ann.until('ready-for-query', 2_000)).rejects.toMatchObject({ fields: { C: '57P01' } });
    const { RawClient } = await import('../servers/raw-client.ts');
    await expect(
      RawClient.login({ port: world.gateway.port, user: 'ann', password: token, database: 'crm' }),
    ).rejects.toMatchObject({ fields: { S: 'FATAL' } });
  });

  test('is listed, shown, tailed and killed by the operator', async () => {
    const max = await world.gateway.login('max', 'crm', { application_name: 'nightly' });
    const live = JSON.parse(await world.gateway.cli('sessions', 'ls', '--json')) as {
      id: string;
      state: string;
      principal: string;
      clientName: string;
    }[];
    const mine = live.find(({ state, principal }) => state === 'live' && principal === 'gateway/max');
    expect(mine).toMatchObject({ clientName: 'nightly' });
    await max.query("select 'a statement to find'");
    expect(await world.gateway.cli('sessions', 'replay', mine?.id ?? '')).toContain('a statement to find');
    await world.gateway.cli('sessions', 'kill', mine?.id ?? '');
    await expect(max.until('ready-for-query', 2_000)).rejects.toMatchObject({ fields: { C: '57P01' } });
  });

  test('of somebody who could not write anyway is read-only at the server too', async () => {
    const reader = await startWorld({
      policies:
        '@id("readers") permit (principal in Group::"readers", action in [Action::"open", Action::"sql.read"], resource in Target::"crm");',
      serviceAccounts: [{ name: 'ron', groups: ['readers'], person: 'ron@example.com' }],
    });
    try {
      const show = 'show default_transaction_read_only';
      expect((await reader.gateway.psql('ron', 'crm', show)).stdout).toBe('on\n');
      expect((await reader.gateway.psql('ann', 'crm', show)).stdout).toBe('off\n');
    } finally {
      await reader.stop();
    }
  });

  test('says at the target who it is', async () => {
    const max = await world.gateway.login('max', 'crm');
    const admin = await world.server.client('crm');
    const { rows } = await admin.query("select application_name from pg_stat_activity where usename = 'gateway_rw'");
    expect(rows).toContainEqual({ application_name: expect.stringMatching(/^sallyport ses_\w+ max$/) });
    await admin.end();
    max.end();
  });
});

describe('a changed configuration', () => {
  const policy = () => join(world.gateway.directory, 'policies', 'world.cedar');

  test('reaches a live session at its next action', async () => {
    const max = await world.gateway.login('max', 'crm');
    expect(await errorOf(max, 'select 1')).toBeNull();
    writeFileSync(
      policy(),
      `${POLICIES}\n@id("closed") forbid (principal in Group::"admins", action == Action::"sql.read", resource);\n`,
    );
    await expect.poll(async () => (await errorOf(max, 'select 1'))?.C, { timeout: 10_000 }).toBe('42501');
    writeFileSync(policy(), POLICIES);
    process.kill(world.gateway.process.pid ?? 0, 'SIGHUP');
    await expect.poll(() => errorOf(max, 'select 1'), { timeout: 10_000 }).toBeNull();
    max.end();
  });

  test('that is wrong is refused whole, and says where', async () => {
    const max = await world.gateway.login('max', 'crm');
    writeFileSync(policy(), `${POLICIES}\n@id("typo") permit (principal, action == Action::"sql.raed", resource);\n`);
    await expect.poll(() => world.gateway.said(), { timeout: 10_000 }).toContain('sql.raed');
    expect(await errorOf(max, 'select 1')).toBeNull();
    writeFileSync(policy(), POLICIES);
    max.end();
  });

  test('gives a new column its label without a restart', async () => {
    const max = await world.gateway.login('max', 'crm');
    const name = 'select name from customers where id = 1';
    expect(JSON.stringify(await max.query(name))).toContain(JSON.stringify([...Buffer.from('Ada')]).slice(1, -1));
    const config = readFileSync(world.gateway.configPath, 'utf8');
    writeFileSync(world.gateway.configPath, config.replace('"*.email"', '"*.name"').replace("'*.email'", "'*.name'"));
    await expect
      .poll(
        async () => {
          const row = (await max.query(name)).find(({ type }) => type === 'data-row');
          return row?.type === 'data-row' ? row.values[0]?.toString() : null;
        },
        { timeout: 10_000 },
      )
      .toBe('********lace');
    writeFileSync(world.gateway.configPath, config);
    max.end();
  });
});

describe('observe mode', () => {
  test('lets pass what it would have refused or masked, and says so in the record', async () => {
    const until = new Date(Date.now() + 7 * 86_400_000).toISOString().slice(0, 10);
    const observed = await startWorld({ target: { mode: { observe: true, until } } });
    try {
      const ran = await observed.gateway.psql('ann', 'crm', 'select ssn from customers where id = 1');
      expect(ran.stdout).toBe('123-45-6789\n');
      expect(
        (await observed.gateway.psql('ann', 'crm', ['create table t(a int)', 'drop table t'])).stderr,
      ).not.toContain('no-drops');
      const listed = JSON.parse(await observed.gateway.cli('policy', 'observed', '--json')) as {
        rule: string;
        count: number;
      }[];
      expect(listed.map(({ rule }) => rule)).toEqual(expect.arrayContaining(['no-drops']));
      expect(await observed.gateway.cli('whoami')).toContain('crm');
    } finally {
      await observed.stop();
    }
  });
});
