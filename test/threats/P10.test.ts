import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { FrontendMessage } from '../../src/protocols/postgres/messages.ts';
import { CANARIES, POLICIES, startWorld, type World } from '../e2e/world.ts';
import { errorIn, expectUnseen, pause, refusedAction, rowsIn, typesOf } from './attack.ts';

/** What was judged is what runs: nothing may be put in its place between the judgement and the use. */
let world: World;
beforeAll(async () => {
  world = await startWorld({
    sql: `create view report as select id, name from customers; grant select on report to gateway_rw;
      create table scratch (a int); grant select, insert on scratch to gateway_rw;`,
    serviceAccounts: [
      { name: 'tim', groups: ['dev'], person: 'tim@example.com' },
      { name: 'una', groups: ['admins', 'fraud'], person: 'una@example.com' },
    ],
  });
});
afterAll(async () => {
  expect(await world.gateway.verify()).toMatchObject({ whole: true });
  await world.stop();
});

const login = (account = 'ann') => world.gateway.login(account, 'crm');
const parse = (sql: string, statement = ''): FrontendMessage => ({
  type: 'parse',
  statement,
  text: Buffer.from(sql),
  parameterTypes: [],
});
const bind = (statement = '', portal = ''): FrontendMessage => ({
  type: 'bind',
  portal,
  statement,
  parameterFormats: [],
  parameters: [],
  resultFormats: [],
});
const execute = (portal = '', rowsMax = 0): FrontendMessage => ({ type: 'execute', portal, rowsMax });
const SYNC: FrontendMessage = { type: 'sync' };

async function withPolicies(text: string, work: () => Promise<void>): Promise<void> {
  const path = join(world.gateway.directory, 'policies', 'world.cedar');
  const before = readFileSync(path, 'utf8');
  const put = async (policies: string) => {
    const said = world.gateway.said().length;
    writeFileSync(path, policies);
    world.gateway.process.kill('SIGHUP');
    const deadline = Date.now() + 20_000;
    while (!world.gateway.said().slice(said).includes('read again')) {
      if (Date.now() > deadline) throw new Error(`the policies were not taken: ${world.gateway.said().slice(said)}`);
      await pause(50);
    }
  };
  await put(text);
  try {
    await work();
  } finally {
    await put(before);
  }
}

test('P10 a benign statement parsed again under the same name as another is judged again', async () => {
  const client = await login();
  client.send(parse('select 1'), SYNC);
  await client.until('ready-for-query');
  world.tap.reset();
  client.send(parse('drop table orders /* p10 again */'), bind(), execute(), SYNC);
  expect(errorIn(await client.until('ready-for-query'))).toMatchObject({ C: '42501' });
  expectUnseen(world, 'p10 again');
  // The unnamed statement is gone with the failed Parse, as at the server.
  client.send(bind(), execute(), SYNC);
  expect(errorIn(await client.until('ready-for-query'))).toMatchObject({ C: '26000' });
  await refusedAction(world.gateway, 'p10 again');
  client.end();
});

test('P10 a named statement cannot be replaced: the server’s own 42P05, and the old one runs as it was judged', async () => {
  const client = await login();
  client.send(parse('select 1', 's'), SYNC);
  await client.until('ready-for-query');
  client.send(parse('select 2', 's'), SYNC);
  expect(errorIn(await client.until('ready-for-query'))).toMatchObject({ C: '42P05' });
  client.send(bind('s'), execute(), SYNC);
  expect(rowsIn(await client.until('ready-for-query'))).toEqual([['1']]);
  client.end();
});

test('P10 closed and parsed again in one pipeline, it is the new text that is judged at Bind', async () => {
  const client = await login();
  client.send(parse('select 1', 's'), SYNC);
  await client.until('ready-for-query');
  world.tap.reset();
  client.send(
    { type: 'close', what: 'statement', name: 's' },
    parse('drop table orders /* p10 closed */', 's'),
    bind('s'),
    execute(),
    SYNC,
  );
  expect(errorIn(await client.until('ready-for-query'))).toMatchObject({ C: '42501' });
  expectUnseen(world, 'p10 closed');
  client.end();
});

test('P10 SQL’s PREPARE under a name that Parse has used, and EXECUTE, are judged by the text that will run', async () => {
  const client = await login();
  await client.query('prepare q as select 1');
  await client.query('deallocate q');
  world.tap.reset();
  expect(errorIn(await client.query('prepare q as select lo_unlink(1) /* p10 prepare */; execute q'))).toBeDefined();
  expectUnseen(world, 'p10 prepare');
  const ran = await world.gateway.psql('ann', 'crm', [
    'prepare q as select 1',
    'deallocate q',
    'prepare q as select ssn from customers where id = 1',
    'execute q',
  ]);
  expect(ran.stdout).toBe('*******6789\n');
  client.end();
});

test('P10 a statement of another session is not there, by Bind, Describe or EXECUTE', async () => {
  const [mine, other] = [await login('max'), await login()];
  mine.send(parse('drop table scratch', 'theirs'), SYNC);
  await mine.until('ready-for-query');
  other.send(bind('theirs'), execute(), SYNC);
  expect(errorIn(await other.until('ready-for-query'))).toMatchObject({ C: '26000' });
  other.send({ type: 'describe', what: 'statement', name: 'theirs' }, SYNC);
  expect(errorIn(await other.until('ready-for-query'))).toMatchObject({ C: '26000' });
  expect(errorIn(await other.query('execute theirs'))).toBeDefined();
  mine.end();
  other.end();
});

test('P10 a portal of another text than the one judged cannot be executed', async () => {
  const client = await login();
  client.send(
    parse('select 1', 'a'),
    bind('a', 'p'),
    parse('drop table orders /* p10 portal */', 'b'),
    execute('p'),
    SYNC,
  );
  const answer = await client.until('ready-for-query');
  expect(errorIn(answer)).toMatchObject({ C: '42501' });
  expect(rowsIn(answer)).toEqual([]);
  client.send(execute('p'), SYNC);
  expect(errorIn(await client.until('ready-for-query'))).toMatchObject({ C: '34000' });
  client.end();
});

test('P10 between Parse and Bind the policy has changed: the Bind is refused, unseen', async () => {
  const client = await login();
  client.send(parse('select id from orders where id = 1 /* p10 policy */', 's'), SYNC);
  await client.until('ready-for-query');
  await withPolicies(
    `${POLICIES}\n@id("closed") forbid (principal, action == Action::"sql.read", resource in Target::"crm");`,
    async () => {
      world.tap.reset();
      client.send(bind('s'), execute(), SYNC);
      expect(errorIn(await client.until('ready-for-query'))).toMatchObject({ C: '42501' });
      expect(world.tap.messages().filter(({ type }) => type === 'bind' || type === 'execute')).toEqual([]);
      const psql = await world.gateway.psql('ann', 'crm', 'select id from orders');
      expect(psql.stderr).toContain('closed');
    },
  );
  client.send(bind('s'), execute(), SYNC);
  expect(rowsIn(await client.until('ready-for-query'))).toEqual([['1']]);
  client.end();
});

test('P10 between Bind and Execute, and in a suspended portal, the principal is revoked: nothing more comes', async () => {
  const client = await login('tim');
  await client.query('begin');
  client.send(parse('select id from orders order by id', 's'), bind('s', 'p'), execute('p', 1), { type: 'flush' });
  expect(typesOf(await client.until('portal-suspended'))).toContain('data-row');
  world.tap.reset();
  await world.gateway.cli('revoke', 'gateway/tim');
  client.send(execute('p', 1), SYNC);
  await expect(client.until('ready-for-query')).rejects.toMatchObject({ fields: { S: 'FATAL', C: '57P01' } });
  await client.closed();
  expect(world.tap.messages().filter(({ type }) => type === 'execute')).toEqual([]);
});

test('P10 a held write that was approved runs as it was shown, though its name was given away meanwhile', async () => {
  const client = await login();
  client.send(parse('update orders set total = 1 where id = 1', 's'), SYNC);
  await client.until('ready-for-query');
  client.send(
    bind('s'),
    execute(),
    SYNC,
    { type: 'close', what: 'statement', name: 's' },
    parse('select 2', 's'),
    bind('s'),
    execute(),
    SYNC,
  );
  await client.until('notice');
  const token = await world.gateway.token('dan');
  const api = `https://localhost:${world.gateway.apiPort}`;
  const listed = JSON.parse(await world.gateway.cli('requests', 'ls', '--json')) as readonly { id: string }[];
  const { stdout } = await decide(api, token, listed[0]?.id ?? '');
  expect(stdout).toContain('approved');
  const first = await client.until('ready-for-query');
  expect(first.find((message) => message.type === 'command-complete')).toMatchObject({ tag: 'UPDATE 1' });
  expect(rowsIn(await client.until('ready-for-query'))).toEqual([['2']]);
  client.end();
});

/** As dan, from elsewhere: the operator may not decide. */
async function decide(gateway: string, token: string, id: string) {
  const { spawned } = await import('../servers/gateway.ts');
  const bin = join(import.meta.dirname, '../../bin/sallyport');
  return spawned(bin, ['requests', 'approve', id, '--gateway', gateway, '--ca', world.gateway.ca], {
    env: { ...process.env, NODE_OPTIONS: '', SALLYPORT_TOKEN: token },
  });
}

test('P10 a view that comes to show a masked column between Parse and Bind shows it masked', async () => {
  const client = await login();
  client.send(
    parse('select name from report where id = 1', 's'),
    { type: 'describe', what: 'statement', name: 's' },
    SYNC,
  );
  await client.until('ready-for-query');
  const admin = await login('una');
  const server = await world.server.client('crm');
  await server.query('alter view report owner to gateway_rw; grant create on schema public to gateway_rw');
  const changed = await admin.query('create or replace view report as select id, ssn::text as name from customers');
  expect(changed.find(({ type }) => type === 'error')).toBeUndefined();
  client.send(bind('s'), execute(), SYNC);
  await client.until('ready-for-query');
  await client.query('select name from report where id = 1');
  const all = Buffer.concat(client.received);
  for (const canary of CANARIES) expect(all.includes(canary)).toBe(false);
  await server.end();
  admin.end();
  client.end();
});
