import { afterAll, beforeAll, expect, test } from 'vitest';
import { startWorld, type World } from '../e2e/world.ts';
import { errorIn, refusalOf, rowsIn } from './attack.ts';
import { call } from './control.ts';

/** Nothing of the gateway's administration can be reached by its data port, and by the API only by whom a rule names. */
let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.stop());

test.each(['pgbouncer', 'sallyport', 'admin', 'postgres', 'template1', 'gateway', '*', ''])(
  'P15 a database named like an admin console, "%s", is no way in',
  async (database) => {
    world.tap.reset();
    await refusalOf(world.gateway.login('ann', database === '' ? 'ann' : database));
    expect(world.tap.connections()).toBe(0);
  },
);

test.each([
  'SHOW POOLS',
  'SHOW CLIENTS',
  'KILL crm',
  'KILL_CLIENT 1',
  'RELOAD',
  'SHUTDOWN',
  'PAUSE crm',
  'SUSPEND',
  'SET sallyport.admin = on',
  'ALTER SYSTEM SET log_statement = none',
])('P15 %s, a command of a pooler, does nothing to the gateway, whoever says it', async (command) => {
  const other = await world.gateway.login('fay', 'crm');
  for (const account of ['ann', 'dan', 'fay']) {
    const client = await world.gateway.login(account, 'crm').catch(() => null);
    if (client === null) continue;
    const answer = await client.query(command);
    if (!command.startsWith('SET')) expect(errorIn(answer).S).toBe('ERROR');
    expect(rowsIn(await client.query('select 1'))).toEqual([['1']]);
    client.end();
  }
  expect(rowsIn(await other.query('select 7'))).toEqual([['7']]);
  other.end();
  expect(world.gateway.process.exitCode).toBeNull();
});

test('P15 the gateway’s own settings change what is said of an action, never who does it', async () => {
  const client = await world.gateway.login('ann', 'crm');
  await client.query("set sallyport.justification = 'because'");
  for (const setting of [
    'sallyport.principal',
    'sallyport.groups',
    'sallyport.role',
    'sallyport.bypass',
    'sallyport.approved_by',
  ])
    await client.query(`set ${setting} = 'gateway/max'`);
  world.tap.reset();
  expect(errorIn(await client.query('drop table orders /* p15 */'))).toMatchObject({ C: '42501' });
  expect(rowsIn(await client.query('select ssn from customers where id = 1'))).toEqual([['*******6789']]);
  client.end();
});

test('P15 psql cannot end another’s session at the target', async () => {
  const victim = await world.gateway.login('fay', 'crm');
  const [[pid] = []] = rowsIn(await victim.query('select pg_backend_pid()'));
  for (const verb of ['pg_terminate_backend', 'pg_cancel_backend', 'pg_reload_conf', 'pg_rotate_logfile']) {
    const argument = verb.endsWith('backend') ? pid : '';
    const ran = await world.gateway.psql('ann', 'crm', `select ${verb}(${argument})`);
    expect(ran.status).not.toBe(0);
    expect(ran.stderr).toContain('ERROR:');
  }
  expect(rowsIn(await victim.query('select 7'))).toEqual([['7']]);
  victim.end();
});

/** What administers, as a request over the API. */
const VERBS: readonly { verb: string; method: string; path: string; body?: object }[] = [
  { verb: 'look at sessions', method: 'GET', path: '/api/v1/sessions' },
  { verb: 'kill a session', method: 'DELETE', path: '/api/v1/sessions/SESSION' },
  { verb: 'watch everything', method: 'GET', path: '/api/v1/tail' },
  { verb: 'make a token', method: 'POST', path: '/api/v1/tokens', body: { account: 'max', ttl_ms: 60_000 } },
  { verb: 'list tokens', method: 'GET', path: '/api/v1/tokens' },
  { verb: 'revoke a token', method: 'DELETE', path: '/api/v1/tokens/none' },
  { verb: 'revoke somebody', method: 'POST', path: '/api/v1/revocations', body: { principal: 'gateway/fay' } },
  { verb: 'read the policy', method: 'GET', path: '/api/v1/policy' },
  {
    verb: 'explain a decision',
    method: 'POST',
    path: '/api/v1/policy/explain',
    body: { as: { id: 'gateway/ann' }, target: 'crm', statement: 'select 1' },
  },
  {
    verb: 'test a policy',
    method: 'POST',
    path: '/api/v1/policy/test',
    body: { tests: [{ file: 'a.test.yaml', text: '' }] },
  },
  { verb: 'see what observe mode found', method: 'GET', path: '/api/v1/policy/observed' },
  { verb: 'sign a checkpoint', method: 'GET', path: '/api/v1/audit/checkpoint' },
  { verb: 'prove an entry', method: 'GET', path: '/api/v1/audit/entries/1/proof' },
];
const ROLES = [
  ['nobody', null, 401],
  ['ann, who develops', 'ann', 403],
  ['dan, who decides requests', 'dan', 403],
  ['fay, who sees clear', 'fay', 403],
  ['max, who may do anything at the target', 'max', 403],
  ['eve, whom no rule names', 'eve', 403],
] as const;

test.each(VERBS)('P15 the verb "$verb" is for no role that a rule does not name', async ({ method, path, body }) => {
  const victim = await world.gateway.login('fay', 'crm');
  const sessions = JSON.parse(await world.gateway.cli('sessions', 'ls', '--live', '--json'));
  for (const [role, account, status] of ROLES) {
    const answer = await call(world.gateway, path.replace('SESSION', sessions[0].id), {
      method,
      ...(account === null ? {} : { token: await world.gateway.token(account) }),
      ...(body === undefined ? {} : { body }),
    });
    expect({ role, status: answer.status }).toEqual({ role, status });
  }
  expect(rowsIn(await victim.query('select 7'))).toEqual([['7']]);
  victim.end();
});

test('P15 the verb "decide a request" is for dan alone, and not for who asked', async () => {
  const client = await world.gateway.login('ann', 'crm');
  client.send({ type: 'query', text: Buffer.from('update orders set total = 1 where id = 1') });
  await client.until('notice');
  const [request] = JSON.parse(await world.gateway.cli('requests', 'ls', '--json'));
  const decide = async (account: string | null) =>
    call(world.gateway, `/api/v1/requests/${request.id}/decisions`, {
      method: 'POST',
      body: { decision: 'approve', reason: 'yes' },
      ...(account === null ? {} : { token: await world.gateway.token(account) }),
    });
  expect((await decide(null)).status).toBe(401);
  for (const account of ['ann', 'fay', 'max', 'eve'])
    expect([403, 404], account).toContain((await decide(account)).status);
  await expect(world.gateway.cli('requests', 'approve', request.id)).rejects.toThrow();
  expect((await decide('dan')).status).toBeLessThan(300);
  const answer = await client.until('ready-for-query');
  expect(answer.find((message) => message.type === 'command-complete')).toMatchObject({ tag: 'UPDATE 1' });
  client.end();
});
