import { afterAll, beforeAll, expect, test } from 'vitest';
import { startWorld, type World } from './world.ts';

/** Most refusals that anybody ever sees are their own slips: the server says what is wrong, in its own words. */
let world: World;
beforeAll(async () => {
  world = await startWorld();
}, 60_000);
afterAll(() => world.stop());

const SLIPS = [
  ['a column', 'select nope from orders', '42703'],
  ['a column of an alias', 'select o.nope from orders o', '42703'],
  ['a column that is compared', 'select id from orders where nope = 1', '42703'],
  ['a relation', 'select id from nope', '42P01'],
] as const;

test.each(SLIPS)('%s that there is not: %s', async (_what, sql, code) => {
  expect(await codeOf('ann', sql)).toBe(code);
  expect(await codeOf('max', sql)).toBe(code);
});

test.each([
  ['a function', 'select nope(1)', '42883'],
  ['a type', 'select id::nope from orders', '42704'],
] as const)('%s that there is not is run by whoever may run it: %s', async (_what, sql, code) => {
  expect(await codeOf('max', sql)).toBe(code);
  expect(await codeOf('ann', sql)).toBe('42501');
});

test('a column that is written', async () => {
  expect(await codeOf('max', 'update orders set nope = 1 where id = 1')).toBe('42703');
});

async function codeOf(account: 'ann' | 'max', sql: string): Promise<string | undefined> {
  const client = await world.gateway.login(account, 'crm');
  try {
    client.send({ type: 'query', text: Buffer.from(sql) });
    const answer = await client.until('ready-for-query');
    const error = answer.find((message) => message.type === 'error');
    return error?.type === 'error' ? error.fields.C : 'none';
  } finally {
    client.end();
  }
}
