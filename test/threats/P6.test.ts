import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { encodeStartup } from '../../src/protocols/postgres/startup.ts';
import { CANARIES, startWorld, type World } from '../e2e/world.ts';
import { RawClient, ServerRefused } from '../servers/raw-client.ts';
import { refusalOf, refusedBytes, rowsIn } from './attack.ts';

/** What a client may say of its session before it has one: a short list, and everything else is refused by name. */
let world: World;
beforeAll(async () => {
  world = await startWorld({
    sql: `create schema shadow; grant usage on schema shadow to gateway_rw;
      create view shadow.orders as select id, ssn as total from customers; grant select on shadow.orders to gateway_rw;`,
  });
});
afterAll(() => world.stop());

type Pairs = readonly (readonly [string, string])[];

/** Sends this startup packet and goes through with the login; throws what it was refused with. */
async function start(parameters: Pairs, minor = 0, major = 3): Promise<RawClient> {
  const client = await RawClient.connect(world.gateway.port);
  client.write(encodeStartup({ type: 'startup', major, minor, parameters }));
  await client.authenticate(await world.gateway.token('ann'));
  await client.until('ready-for-query');
  return client;
}

const ANN: Pairs = [
  ['user', 'ann'],
  ['database', 'crm'],
];

const REFUSED: readonly (readonly [name: string, parameters: Pairs])[] = [
  ['replication=database', [['replication', 'database']]],
  ['replication=true', [['replication', 'true']]],
  ['replication=on', [['replication', 'on']]],
  ['Replication=1', [['Replication', '1']]],
  ['options with replication', [['options', '-c replication=database']]],
  ['client_encoding=SJIS', [['client_encoding', 'SJIS']]],
  ['client_encoding=GBK', [['client_encoding', 'GBK']]],
  ['client_encoding=LATIN1', [['client_encoding', 'LATIN1']]],
  ['client_encoding in options', [['options', '-c client_encoding=BIG5']]],
  ['a role', [['role', 'postgres']]],
  ['session_authorization', [['session_authorization', 'postgres']]],
  ['a role in options', [['options', '-c role=postgres']]],
  ['a role in options, spelt with dashes', [['options', '--session-authorization=postgres']]],
  ['standard_conforming_strings', [['options', '-c standard_conforming_strings=off']]],
  ['default_transaction_read_only', [['options', '-cdefault_transaction_read_only=off']]],
  ['session_preload_libraries', [['session_preload_libraries', 'evil']]],
  ['local_preload_libraries in options', [['options', '-c local_preload_libraries=evil']]],
  ['another command-line option', [['options', '-F']]],
  ['an option behind a backslash', [['options', '-c\\ role=postgres']]],
  ['log_statement', [['log_statement', 'none']]],
  ['a second user', [['user', 'max']]],
  ['a second user in other letters', [['USER', 'max']]],
  ['a second database', [['database', 'postgres']]],
  ['a user in options', [['options', '-c user=max']]],
  [
    'a setting twice',
    [
      ['search_path', 'public'],
      ['options', '-c search_path=shadow'],
    ],
  ],
  [
    'options twice',
    [
      ['options', '-c DateStyle=ISO'],
      ['options', '-c role=postgres'],
    ],
  ],
];

test.each(REFUSED)('P6 %s is refused before anything is opened at the target', async (_, parameters) => {
  world.tap.reset();
  const refused = await refusalOf(start([...ANN, ...parameters]));
  expect(refused).toMatchObject({ S: 'FATAL', C: '0A000' });
  expect(world.tap.connections()).toBe(0);
});

test('P6 what was refused in a startup packet is recorded', async () => {
  await expect(start([...ANN, ['replication', 'database']])).rejects.toThrow(ServerRefused);
  await refusedBytes(world.gateway, 'WIRE_UNSUPPORTED', 'replication');
});

test('P6 no user name, and a name with a zero in it, log nobody in', async () => {
  expect(await refusalOf(start([['database', 'crm']]))).toMatchObject({ S: 'FATAL' });
  expect(
    await refusalOf(
      start([
        ['user', ''],
        ['database', 'crm'],
      ]),
    ),
  ).toMatchObject({ S: 'FATAL' });
});

test('P6 _pq_ options are answered with NegotiateProtocolVersion and never reach the target', async () => {
  world.tap.reset();
  const client = await RawClient.connect(world.gateway.port);
  client.write(
    encodeStartup({ type: 'startup', major: 3, minor: 0, parameters: [...ANN, ['_pq_.evil', 'zz-option-zz']] }),
  );
  expect(await client.next()).toEqual({ type: 'negotiate-version', minor: 0, unsupported: ['_pq_.evil'] });
  await client.authenticate(await world.gateway.token('ann'));
  await client.until('ready-for-query');
  expect(world.tap.sent().includes('zz-option-zz')).toBe(false);
  expect(world.tap.sent().includes('_pq_')).toBe(false);
  client.end();
});

test('P6 a newer minor version is negotiated down to 3.2, another major one is refused', async () => {
  const client = await RawClient.connect(world.gateway.port);
  client.write(encodeStartup({ type: 'startup', major: 3, minor: 9999, parameters: ANN }));
  expect(await client.next()).toMatchObject({ type: 'negotiate-version', minor: 2 });
  client.end();
  for (const major of [2, 4, 0x7fff]) expect(await refusalOf(start(ANN, 0, major))).toMatchObject({ S: 'FATAL' });
});

test('P6 a search_path given at the start changes what names mean to the gateway too', async () => {
  for (const parameters of [[['search_path', 'shadow']], [['options', '-csearch_path=shadow,public']]] as const) {
    const client = await start([...ANN, ...parameters]);
    // shadow.orders.total is the personal number of a customer.
    const rows = rowsIn(await client.query('select total from orders order by id limit 5')).flat();
    expect(rows).toHaveLength(5);
    for (const row of rows) expect(CANARIES).not.toContain(row);
    client.end();
  }
  const plain = await start(ANN);
  expect(rowsIn(await plain.query('select total > 0 from orders limit 1'))).toHaveLength(1);
  plain.end();
});

test('P6 SQL in a search_path is a name and stays one', async () => {
  const path = `public"; drop table orders; --`;
  world.tap.reset();
  await start([...ANN, ['search_path', path]]).then(
    async (client) => {
      await client.query('select 1');
      client.end();
    },
    (fault: unknown) => {
      expect(fault).toBeInstanceOf(ServerRefused);
    },
  );
  expect(
    world.tap.messages().filter((message) => message.type === 'query' && message.text.includes('drop table')),
  ).toEqual([]);
  const client = await start(ANN);
  expect(rowsIn(await client.query('select count(*) from public.orders'))).toEqual([['200']]);
  client.end();
});

test('P6 psql with PGOPTIONS that set a role, or another encoding, is refused', async () => {
  world.tap.reset();
  for (const env of [
    { PGOPTIONS: '-c role=postgres' },
    { PGOPTIONS: '-c session_replication_role=replica' },
    { PGCLIENTENCODING: 'SJIS' },
  ]) {
    const ran = await world.gateway.psql('ann', 'crm', 'select 1', { env });
    expect(ran).toMatchObject({ status: 2, stdout: '' });
    expect(ran.stderr).toContain('is not accepted');
  }
  expect(world.tap.connections()).toBe(0);
});

test('P6 psql with a connection string that asks for replication, pg_basebackup and pg_receivewal are refused', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-p6-'));
  world.tap.reset();
  const psql = await world.gateway.run('max', 'crm', 'psql', ['-X', 'replication=database', '-c', 'IDENTIFY_SYSTEM']);
  const backup = await world.gateway.run('max', 'crm', 'pg_basebackup', ['-D', join(directory, 'base'), '-X', 'none']);
  const wal = await world.gateway.run('max', 'crm', 'pg_receivewal', ['-D', directory, '--no-loop']);
  for (const ran of [psql, backup, wal]) {
    expect(ran.status).not.toBe(0);
    expect(ran.stderr).toContain('replication is not accepted');
  }
  expect(readdirSync(directory)).toEqual([]);
  expect(world.tap.connections()).toBe(0);
  rmSync(directory, { recursive: true });
});

test('P6 START_REPLICATION and BASE_BACKUP in an ordinary session are refused as unparsable', async () => {
  const client = await start(ANN);
  await client.query('select 1');
  world.tap.reset();
  for (const sql of ['START_REPLICATION 0/0', 'BASE_BACKUP', 'CREATE_REPLICATION_SLOT s PHYSICAL', 'IDENTIFY_SYSTEM'])
    expect((await client.query(sql)).find(({ type }) => type === 'error')).toBeDefined();
  expect(world.tap.sent()).toHaveLength(0);
  client.end();
});
