import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RawClient } from '../servers/raw-client.ts';
import { leaks } from './canary.ts';
import { house } from './tricks.ts';
import { ask, errorOf, MODES, SSNS, taken } from './vault.ts';

const at = house();
let client: RawClient;

beforeAll(async () => {
  const admin = await at.world().server.client('crm');
  await admin.query(`create schema shadow;
    create view shadow.customers as select id, name, email, ssn, plan from public.customers;
    create view public.synonym as select * from customers;
    create table "Customers" (id int, ssn text); insert into "Customers" values (1, 'nothing personal');
    grant usage on schema shadow to public; grant select on all tables in schema shadow, public to gateway_rw`);
  await admin.end();
  client = await at.world().gateway.login('rob', 'crm');
});
afterAll(() => client.end());

/** Names of one masked column, however they are written: the answer is masked. */
const WRITTEN: readonly (readonly [string, string])[] = [
  ['quotes around a name', 'select "ssn" from "customers"'],
  ['upper case without quotes', 'select SSN from CUSTOMERS'],
  ['a mixture', 'select CuStOmErS."ssn" from Public.customers'],
  ['a schema in quotes', 'select "public"."customers"."ssn" from "public"."customers"'],
  ['the database in front', 'select crm.public.customers.ssn from crm.public.customers'],
  ['Unicode escapes in the column', 'select U&"\\0073sn" from customers'],
  ['Unicode escapes in the table', 'select ssn from U&"cu\\0073tomers"'],
  ['six-digit Unicode escapes', 'select U&"\\+000073\\+000073n" from customers'],
  ['Unicode escapes with another sign', 'select U&"!0073sn" uescape \'!\' from customers'],
  ['an alias that says something else', 'select ssn as name from customers as orders'],
  ['an alias for the columns', 'select e from customers as c (a, b, d, e, f)'],
  ['an alias that has another column\'s name', 'select plan from customers as c (id, name, email, plan, ssn)'],
  ['a synonym, which is a view', 'select ssn from synonym'],
  ['another schema\'s view', 'select ssn from shadow.customers'],
  ['ONLY', 'select ssn from only customers'],
  ['a star behind the name', 'select ssn from customers *'],
  ['TABLE', 'table customers'],
  ['a comment inside the name', 'select customers/**/./**/ssn from customers'],
  ['a long tail that is cut off at 63 bytes', `select ssn as "${'a'.repeat(80)}" from customers`],
]; // biome-ignore format: a table

test.each(WRITTEN)('Q5 %s means the same column, which is masked', async (_, sql) => {
  for (const mode of MODES) {
    taken(client);
    const answer = await ask(client, sql, mode);
    expect(errorOf(answer), `${mode}: ${sql}`).toBeNull();
    expect(answer.filter((message) => message.type === 'data-row')).toHaveLength(5);
    expect(leaks(taken(client), SSNS), `${mode}: ${sql}`).toEqual([]);
  }
  const ran = await at.world().gateway.psql('rob', 'crm', sql);
  expect(ran.status).toBe(0);
  expect(leaks(ran.stdout, SSNS)).toEqual([]);
});

test('Q5 a table whose name differs in case only is another table, and is shown', async () => {
  const answer = await client.query('select ssn from "Customers"');
  expect(answer.flatMap((each) => (each.type === 'data-row' ? each.values.map(String) : []))).toEqual([
    'nothing personal',
  ]);
});

test('Q5 a schema that the search path puts first is looked in first', async () => {
  const shadowed = await at.world().gateway.login('rob', 'crm', { search_path: 'shadow, public' });
  for (const mode of MODES) {
    taken(shadowed);
    const answer = await ask(shadowed, 'select ssn from customers', mode);
    expect(answer.filter((message) => message.type === 'data-row')).toHaveLength(5);
    expect(leaks(taken(shadowed), SSNS), mode).toEqual([]);
  }
  shadowed.end();
});

test.each([
  'create temp table customers (id int, ssn text)', 'create temp view customers as select 1 as id',
  'select 1 as id into temp customers', 'create temporary table orders as select 1',
])('Q5 a temporary relation that would hide another: %s', async (sql) => {
  for (const account of ['rob', 'wes']) {
    const one = await at.world().gateway.login(account, 'crm');
    at.world().tap.reset();
    expect(errorOf(await one.query(sql))?.C, account).toBe('42501');
    expect(at.world().tap.sent().includes(sql)).toBe(false);
    one.end();
  }
}); // biome-ignore format: a table

test('Q5 a name with a NUL, or that no catalogue has, is refused or unknown', async () => {
  client.send(
    { type: 'parse', statement: '', text: Buffer.from('select ssn from customers'), parameterTypes: [] },
    { type: 'sync' },
  );
  expect(errorOf(await client.until('ready-for-query'))).toBeNull();
  expect(errorOf(await client.query('select ssn from customerz'))?.C).toMatch(/^42/);
});
