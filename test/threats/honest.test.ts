import { afterAll, beforeAll, expect, test } from 'vitest';
import type { World } from '../e2e/world.ts';
import { leaks } from './canary.ts';
import { ALL_CANARIES, ask, errorOf, MODES, startVault, taken } from './vault.ts';

/** Ordinary statements of somebody for whom columns are masked. None may be refused, and each does what it says. */
const READS: readonly string[] = [
  'select 1', 'select now(), current_user, version()', 'select id, name, plan from customers', 'select * from customers',
  'select id, ssn from customers where id = 1', 'select c.* from customers c', 'select c.id, c.ssn as number from customers as c order by c.id',
  'select id, name from customers order by name desc limit 2 offset 1', 'select id, ssn from customers order by id fetch first 2 rows only',
  'select count(*) from customers', 'select count(*), min(id), max(id) from customers', 'select plan, count(*) from customers group by plan order by 2 desc, 1',
  'select plan, count(*) from customers group by plan having count(*) > 1', 'select distinct plan from customers',
  "select name from customers where plan = 'gold' and id between 1 and 3", "select name from customers where name like 'A%'", "select name from customers where name ilike '%a%' or plan in ('gold', 'free')",
  'select upper(name), length(name) from customers', "select name || ' (' || plan || ')' as label from customers", "select case plan when 'gold' then 1 else 0 end from customers",
  'select c.name, o.total from customers c join orders o on o.customer = c.id where o.total > 10', 'select c.name, c.ssn, o.total from customers c join orders o on o.customer = c.id limit 5',
  'select c.name, sum(o.total) from customers c left join orders o on o.customer = c.id group by c.name', 'select c.id, c.name, c.ssn from customers c left join orders o on o.customer = c.id and o.total > 499',
  'select o.* from orders o where exists (select 1 from customers c where c.id = o.customer) limit 3', 'select * from orders where customer in (select id from customers where plan = \'gold\') limit 3',
  'select name from customers c where not exists (select from orders o where o.customer = c.id)', 'select name, (select count(*) from orders o where o.customer = c.id) from customers c',
  'with big as (select customer, sum(total) as s from orders group by customer) select * from big order by s desc', 'with c as (select id, name from customers) select c.name, o.total from c join orders o on o.customer = c.id limit 3',
  'with recursive n (i) as (select 1 union all select i + 1 from n where i < 5) select * from n', 'with g as (select id from customers where plan = \'gold\') select c.id, c.ssn from customers c join g on g.id = c.id',
  'select id, total, rank() over (order by total desc) from orders limit 5', 'select customer, total, sum(total) over (partition by customer order by placed) from orders limit 5', 'select id, ssn, row_number() over (order by id) from customers',
  "select date_trunc('month', placed) as month, sum(total) from orders group by 1 order by 1", 'select avg(total)::numeric(10, 2), percentile_cont(0.5) within group (order by total) from orders', 'select customer, array_agg(id order by id), string_agg(id::text, \',\') from orders group by customer',
  'select json_build_object(\'id\', id, \'plan\', plan) from customers', 'select to_json(o) from orders o limit 1', 'select row_to_json(q) from (select id, total from orders limit 2) q', 'select jsonb_agg(id) from customers',
  'select id from customers union select customer from orders', 'select id, name from customers union all select id, note from notes', 'select id from customers except select customer from orders where total > 100', 'select id from customers intersect select customer from orders',
  'select * from generate_series(1, 3)', 'select * from unnest(array[1, 2, 3]) as u (n)', "values (1, 'a'), (2, 'b')", 'select c.id, l.total from customers c, lateral (select total from orders o where o.customer = c.id order by total desc limit 1) l',
  'select id, tax from gold_cards where id = 1', 'select * from gold_customers', 'select id, name from gold_customers order by id', 'select count(*) from gold_customers', 'select id, pub, t, u, d from secrets order by id', 'select n.note, s.t from notes n join secrets s on s.id = n.secret_id',
  'table notes', 'select * from notes natural join (select id, pub from secrets) q', 'select * from customers join notes using (id)', 'select coalesce(secret_id, 0) from notes', 'select * from orders tablesample bernoulli (50)',
  'explain select id, name from customers where id = 1', 'explain (analyze, costs off, timing off) select count(*) from orders', 'show search_path', 'show server_version', 'set statement_timeout = 5000', "set application_name = 'report'", "set time zone 'UTC'",
  'prepare honest (int) as select id, ssn from customers where id = $1', 'deallocate all', 'select relname from pg_class where relkind = \'r\' limit 3', 'select column_name, data_type from information_schema.columns where table_name = \'customers\'', "select pg_size_pretty(pg_total_relation_size('customers'))", "select 'customers'::regclass::text, current_schemas(false)", 'select a.attname, format_type(a.atttypid, a.atttypmod) from pg_attribute a where a.attrelid = \'customers\'::regclass and attnum > 0',
]; // biome-ignore format: a list

/** Ordinary writes that touch no masked column. */
const WRITES: readonly (readonly [sql: string, tag: string])[] = [
  ["insert into victims (id, body) values (100, 'mine')", 'INSERT 0 1'],
  ["insert into victims (id, body) values (101, 'a'), (102, 'b') returning id", 'INSERT 0 2'],
  ["insert into victims (id, body) select id + 200, note from notes", 'INSERT 0 3'],
  ["insert into victims (id, body) values (100, 'again') on conflict (id) do update set body = excluded.body", 'INSERT 0 1'],
  ["insert into victims (id, body) values (100, 'again') on conflict do nothing", 'INSERT 0 0'],
  ["update victims set body = 'changed' where id = 100", 'UPDATE 1'],
  ["update customers set plan = 'silver' where id = 1", 'UPDATE 1'],
  ["update customers set plan = 'gold' where id = 1 returning id, plan", 'UPDATE 1'],
  ["update customers set name = name where id = 2 returning *", 'UPDATE 1'],
  ["update notes n set note = n.note || '!' from customers c where c.id = n.id and c.plan = 'gold'", 'UPDATE 2'],
  ["insert into mine (a, b) values (1, 'x')", 'INSERT 0 1'],
  ["insert into secrets (id, pub) values (50, 'without')", 'INSERT 0 1'],
  ['delete from secrets where id = 50', 'DELETE 1'],
  ['delete from victims where id in (select id + 200 from notes) or id = 100', 'DELETE 4'],
  ["with gone as (delete from victims where id > 100 returning id) select count(*) from gone", 'SELECT 1'],
  ['delete from mine', 'DELETE 1'],
]; // biome-ignore format: a list

let world: World;
let refused = 0;

beforeAll(async () => {
  world = await startVault(15);
});
afterAll(async () => {
  await world.stop();
  expect(refused).toBe(0);
});

test.each(READS)('honest: %s', async (sql) => {
  for (const mode of MODES) {
    const client = await world.gateway.login('rob', 'crm');
    taken(client);
    const answer = await ask(client, sql, mode);
    if (errorOf(answer) !== null) refused += 1;
    expect(errorOf(answer), mode).toBeNull();
    expect(leaks(taken(client), ALL_CANARIES), mode).toEqual([]);
    client.end();
  }
});

test('honest: writes that touch no masked column do what they say', async () => {
  const client = await world.gateway.login('wes', 'crm');
  for (const [sql, tag] of WRITES) {
    const answer = await client.query(sql);
    expect(errorOf(answer), sql).toBeNull();
    expect(
      answer.flatMap((each) => (each.type === 'command-complete' ? each.tag : [])),
      sql,
    ).toEqual([tag]);
  }
  expect(leaks(taken(client), ALL_CANARIES)).toEqual([]);
  client.end();
});

test('honest: psql does all of it as well', async () => {
  const ran = await world.gateway.run('rob', 'crm', 'psql', ['-X', '-q', '-At'], { input: `${READS.join(';\n')};\n` });
  expect(ran).toMatchObject({ status: 0, stderr: '' });
  expect(leaks(ran.stdout, ALL_CANARIES)).toEqual([]);
});

test('honest: a transaction with a cursor, a savepoint and a copy of what is not masked', async () => {
  const input = `begin;
declare c cursor for select id, name from customers order by id;
fetch 2 from c; move 1 from c; close c;
savepoint a; select count(*) from orders; rollback to a; commit;
prepare p (int) as select name, ssn from customers where id = $1; execute p (1); deallocate p;
copy (select id, note from notes order by id) to stdout;
copy customers (id, plan) to stdout;
`;
  const ran = await world.gateway.run('rob', 'crm', 'psql', ['-X', '-q', '-At', '-v', 'ON_ERROR_STOP=1'], { input });
  expect(ran).toMatchObject({ status: 0, stderr: '' });
  expect(leaks(ran.stdout, ALL_CANARIES)).toEqual([]);
});
