import { afterAll, beforeAll, expect, test } from 'vitest';
import { startWorld, type World } from '../e2e/world.ts';
import { errorIn, expectUnseen, refusedAction, rowsIn, typesOf } from './attack.ts';

/** After a refusal the session goes on as after any failed statement: nobody waits for a message that does not come. */
let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.stop());

test('P12 psql is denied a query, and its next one is answered', async () => {
  world.tap.reset();
  const ran = await world.gateway.psql('ann', 'crm', ['drop table orders /* p12 psql */', 'select 1']);
  expect(ran.stderr).toContain('(rule no-drops)');
  expect(ran).toMatchObject({ status: 0, stdout: '1\n' });
  expectUnseen(world, 'p12 psql');
  await refusedAction(world.gateway, 'p12 psql');
});

test('P12 a raw client is denied a simple query, at once gets ReadyForQuery, and its next one is answered', async () => {
  const client = await world.gateway.login('ann', 'crm');
  await client.query('select 1');
  world.tap.reset();
  const denied = await client.query('drop table orders /* p12 raw */');
  expect(typesOf(denied)).toEqual(['error', 'ready-for-query']);
  expect(errorIn(denied)).toMatchObject({ S: 'ERROR', C: '42501' });
  expect(world.tap.sent()).toHaveLength(0);
  await refusedAction(world.gateway, 'p12 raw');
  expect(rowsIn(await client.query('select 7'))).toEqual([['7']]);
  client.end();
});

test('P12 a hundred denials in a row leave the session usable', async () => {
  const client = await world.gateway.login('ann', 'crm');
  await client.query('select 1');
  world.tap.reset();
  for (let time = 0; time < 100; time += 1) {
    expect(errorIn(await client.query(`drop table orders /* again ${time} */`))).toMatchObject({ C: '42501' });
  }
  expectUnseen(world, 'again');
  expect(rowsIn(await client.query('select 7'))).toEqual([['7']]);
  client.end();
});

test('P12 queries sent behind a denied one without waiting are answered in order', async () => {
  const client = await world.gateway.login('ann', 'crm');
  const query = (sql: string) => ({ type: 'query', text: Buffer.from(sql) }) as const;
  client.send(
    query('select 1'),
    query('drop table orders'),
    query('select 2'),
    query('drop table orders'),
    query('select 3'),
  );
  const answers = [];
  for (let at = 0; at < 5; at += 1) answers.push(await client.until('ready-for-query'));
  expect(answers.map((answer) => rowsIn(answer).flat()[0] ?? errorIn(answer).C)).toEqual([
    '1',
    '42501',
    '2',
    '42501',
    '3',
  ]);
  client.end();
});

test('P12 a denial of an extended statement is over at its Sync, and the session goes on', async () => {
  const client = await world.gateway.login('ann', 'crm');
  await client.query('select 1');
  world.tap.reset();
  const parse = {
    type: 'parse',
    statement: 's',
    text: Buffer.from('drop table orders /* p12 parse */'),
    parameterTypes: [],
  } as const;
  client.send(parse, { type: 'describe', what: 'statement', name: 's' }, { type: 'sync' });
  expect(typesOf(await client.until('ready-for-query'))).toEqual(['error', 'ready-for-query']);
  expect(world.tap.sent()).toHaveLength(0);
  await refusedAction(world.gateway, 'p12 parse');
  expect(rowsIn(await client.query('select 7'))).toEqual([['7']]);
  client.end();
});

test('P12 a denial inside a transaction aborts it until ROLLBACK, for psql and raw', async () => {
  const ran = await world.gateway.psql('ann', 'crm', [
    'begin',
    'drop table orders /* p12 in transaction */',
    'select 1',
    'rollback',
    'select 2',
  ]);
  expect(ran.stderr).toContain('(rule no-drops)');
  expect(ran.stderr).toContain('current transaction is aborted');
  expect(ran.stdout).toBe('2\n');
  const client = await world.gateway.login('ann', 'crm');
  await client.query('begin');
  expect((await client.query('drop table orders /* p12 in transaction */')).at(-1)).toEqual({
    type: 'ready-for-query',
    status: 'E',
  });
  expect((await client.query('commit')).find(({ type }) => type === 'command-complete')).toMatchObject({
    tag: 'ROLLBACK',
  });
  expect(rowsIn(await client.query('select 7'))).toEqual([['7']]);
  expectUnseen(world, 'p12 in transaction');
  client.end();
});

test('P12 psql’s ON_ERROR_ROLLBACK goes back to its savepoint after a denial', async () => {
  const script = 'begin; create temp table never (a int);\nselect 5;\ncommit;\n';
  const ran = await world.gateway.run('ann', 'crm', 'psql', ['-X', '-q', '-At', '-v', 'ON_ERROR_ROLLBACK=on'], {
    input: script,
  });
  expect(ran.stderr).toContain('(rule no-drops)');
  expect(ran).toMatchObject({ status: 0, stdout: '5\n' });
});
