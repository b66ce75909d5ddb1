import { afterAll, beforeAll, expect, test } from 'vitest';
import { startWorld, type World } from '../e2e/world.ts';
import { errorIn, expectUnseen, recorded, refusedAction, typesOf } from './attack.ts';

/** The fast path: a function called by its number, with no SQL for a firewall to look at. */
let world: World;
const oid: Record<string, number> = {};

beforeAll(async () => {
  world = await startWorld();
  const server = await world.server.client('crm');
  const names = ['lo_unlink', 'pg_terminate_backend', 'pg_backend_pid', 'set_config'];
  const found = await server.query('select proname, oid::int from pg_proc where proname = any($1)', [names]);
  for (const { proname, oid: number } of found.rows) oid[proname] = number;
  await server.query("select lo_create(4711); comment on large object 4711 is 'still there'");
  await server.end();
});
afterAll(() => world.stop());

const int = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};
const call = (functionOid: number, ...values: Buffer[]) =>
  ({ type: 'function-call', functionOid, argumentFormats: [1], arguments: values, resultFormat: 1 }) as const;

test.each([
  ['lo_unlink', 4711, 'execute'],
  ['pg_terminate_backend', 1, 'administer'],
  ['set_config', 0, 'administer'],
] as const)(
  'P1 a raw FunctionCall of %s is refused, unseen by the target and recorded',
  async (name, argument, verb) => {
    const client = await world.gateway.login('ann', 'crm');
    await client.query('select 1');
    world.tap.reset();
    client.send(call(oid[name] ?? 0, int(argument)));
    const answer = await client.until('ready-for-query');
    expect(typesOf(answer)).toEqual(['error', 'ready-for-query']);
    expect(errorIn(answer)).toMatchObject({ S: 'ERROR', C: '42501' });
    expect(world.tap.sent()).toHaveLength(0);
    const { entry } = await refusedAction(world.gateway, `function call ${oid[name]} pg_catalog.${name}`);
    expect(entry).toMatchObject({ verb, principal: expect.stringContaining('ann') });
    client.end();
  },
);

test('P1 a FunctionCall of a number that no function has is refused as opaque', async () => {
  const client = await world.gateway.login('ann', 'crm');
  await client.query('select 1');
  world.tap.reset();
  client.send(call(0x7ffffff0, int(0)));
  expect(errorIn(await client.until('ready-for-query'))).toMatchObject({ C: '42501' });
  expect(world.tap.sent()).toHaveLength(0);
  const { entry } = await refusedAction(world.gateway, `function call ${0x7ffffff0}`);
  expect(entry.facts).toMatchObject({ clarity: 'opaque' });
  client.end();
});

test('P1 psql’s \\lo_unlink, which libpq sends as a FunctionCall, is refused and the object stays', async () => {
  world.tap.reset();
  const ran = await world.gateway.psql('ann', 'crm', ['\\lo_unlink 4711', 'select 42']);
  expect(ran.stderr).toContain('pg_catalog.lo_unlink');
  expect(ran.stdout).toBe('42\n');
  expect(world.tap.messages().filter(({ type }) => type === 'function-call')).toEqual([]);
  await refusedAction(world.gateway, 'pg_catalog.lo_unlink');
  const server = await world.server.client('crm');
  const { rows } = await server.query('select count(*)::int as objects from pg_largeobject_metadata where oid = 4711');
  await server.end();
  expect(rows).toEqual([{ objects: 1 }]);
});

test('P1 a refused FunctionCall inside a transaction aborts it, as a failing one does', async () => {
  const client = await world.gateway.login('ann', 'crm');
  await client.query('begin');
  world.tap.reset();
  client.send(call(oid.lo_unlink ?? 0, int(4711)));
  const answer = await client.until('ready-for-query');
  expect(errorIn(answer)).toMatchObject({ C: '42501' });
  expect(answer.at(-1)).toEqual({ type: 'ready-for-query', status: 'E' });
  expect(world.tap.messages().filter(({ type }) => type === 'function-call')).toEqual([]);
  expectUnseen(world, int(oid.lo_unlink ?? 0));
  expect(errorIn(await client.query('select 1'))).toMatchObject({ C: '25P02' });
  expect((await client.query('rollback')).at(-1)).toEqual({ type: 'ready-for-query', status: 'I' });
  client.end();
});

test('P1 a FunctionCall that policy permits is recorded before it crosses', async () => {
  const client = await world.gateway.login('max', 'crm');
  await client.query('select 1');
  world.tap.reset();
  client.send(call(oid.pg_backend_pid ?? 0));
  const answer = await client.until('ready-for-query');
  expect(typesOf(answer)).toEqual(['function-result', 'ready-for-query']);
  expect(world.tap.messages().map(({ type }) => type)).toContain('function-call');
  const text = `function call ${oid.pg_backend_pid} pg_catalog.pg_backend_pid`;
  await recorded(
    world.gateway,
    text,
    ({ entry, sealed }) => entry.kind === 'action' && entry.verdict === 'forward' && sealed?.text === text,
  );
  client.end();
});
