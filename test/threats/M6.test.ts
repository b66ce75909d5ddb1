import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { World } from '../e2e/world.ts';
import { RawClient } from '../servers/raw-client.ts';
import { leaks } from './canary.ts';
import { ALL_CANARIES, ask, errorOf, MODES, startVault, taken } from './vault.ts';

/** Statements whose errors, sent to the server itself, would quote what is masked. */
const ERRORS: Readonly<Record<string, readonly string[]>> = {
  'a cast that quotes the value': ['select ssn::int from customers', 'select t::numeric from secrets', 'select cast(v as date) from secrets', 'select t::mood from secrets', "select t::jsonb from secrets", 'select t::uuid from secrets', 'select t::bytea::text::int from secrets', 'select t::inet from secrets', "select (t || '')::timestamptz from secrets", 'select t::secrets from secrets', 'select t::regclass from secrets', 'select to_number(t, \'x\') from secrets where t::int = 1'],
  'a cast in a condition': ['select 1 from secrets where t::int = 1', 'select 1 from secrets order by t::int', 'select 1 from secrets group by t::int', 'select 1 from notes join secrets s on s.t::int = 1', 'delete from notes using secrets where t::int = 1', 'update secrets set pub = pub where t::int = 1'],
  'a unique violation': ["insert into strict (id, pub, card) values (9, 'x', '234-56-7890')", "insert into strict (id, pub, ssn, card) select id, 'x', ssn, ssn from customers", "update strict set card = '456-78-9012' where id = 1", "insert into strict (id, pub) values (1, 'x')", 'update strict set id = 1', 'update strict set id = 2 where id = 1'],
  'a check violation that dumps the row': ["update strict set pub = 'bad' where id = 1", "update strict set pub = 'bad'", "insert into strict (id, pub) values (9, 'bad')"],
  'a null violation that dumps the row': ['update customers set name = null where id = 1', 'update strict set pub = null', 'update customers set id = null', 'update customers set plan = null returning id', 'with w as (update customers set plan = null returning id) select * from w', 'merge into customers c using notes n on c.id = n.id when matched then update set plan = null'],
  'a foreign key that names the value': ["delete from strict where id = 1", 'delete from strict', 'truncate strict', "insert into points_at values ('x')", 'delete from customers where id = 1', "update strict set card = 'other' where id = 1"],
  'a value too long': ["insert into mine (b, ssn) select name, ssn::varchar(3) from customers", 'update customers set ssn = ssn || ssn', "update customers set name = name, plan = repeat('x', 10) where 1 = (select ssn::char(3)::int from customers limit 1)"],
  'division by zero': ["select 1 / (ssn like '1%')::int from customers", 'select 1 / (ascii(ssn) - 49) from customers', "select case when ssn like '1%' then 1 / (id - id) end from customers"],
  'an overflow': ['select i * 1000000000000 from secrets', 'select (i::int) from secrets', "select (n * 1e200)::int from secrets"],
  'a function that fails with its argument': ["select to_date(t, 'YYYY') from secrets", "select ('{' || t)::json from secrets", "select regexp_replace('a', t || '(', '') from secrets", 'select chr(length(t) - 1000) from secrets', "select encode(t::bytea, t) from secrets", 'select convert_from(b, t) from secrets', 'select current_setting(t) from secrets', "select pg_input_error_info(t, 'int') from secrets", "select format(t || '%1') from secrets", 'select timezone(t, now()) from secrets', 'select xmlparse(document t) from secrets', 'select to_tsquery(t || \' &\') from secrets', 'select t::xml from secrets', "select date_trunc(t, now()) from secrets"],
  'an error raised': ["do $$ declare x text; begin select t into x from secrets limit 1; raise exception '%', x; end $$", "do $$ begin raise exception using message = (select t from secrets limit 1); end $$", "do $$ begin raise sqlstate 'ABCDE' using detail = (select ssn from customers limit 1); end $$", "do $$ begin assert false, (select t from secrets limit 1); end $$"],
  'an error in a sub-transaction': ['begin; savepoint a; update customers set name = null where id = 1', 'do $$ begin update customers set name = null where id = 1; exception when others then raise; end $$'],
  'an error of a copy': ["copy (select t::int from secrets) to stdout", 'copy secrets to stdout (delimiter \'xx\')'],
  'an error of a prepared statement': ['prepare p as select t::int from secrets; execute p', 'prepare p1 as update customers set name = null where id = 1; execute p1'],
  'an error of a trigger and a view': ["update noisy set id = null", "insert into gold_cards (id, tax) values (1, 'x')", "update gold_cards set id = null where id = 1"],
  'an index, a constraint, a conversion that fails': ['create unique index x on customers ((1))', 'alter table customers add constraint x check (length(ssn) = 0)', 'alter table customers alter ssn type int using ssn::int', 'create unique index x on secrets (substr(t, 1, 0))'],
}; // biome-ignore format: a table

describe.each([15, 18] as const)('on PostgreSQL %i', (version) => {
  let world: World;

  beforeAll(async () => {
    world = await startVault(version);
  });
  afterAll(() => world.stop());

  test.each(Object.entries(ERRORS))(`M6 %s quotes no masked value (PostgreSQL ${version})`, async (_, statements) => {
    for (const account of ['rob', 'wes']) {
      for (const mode of MODES) {
        for (const sql of statements) {
          const client = await world.gateway.login(account, 'crm');
          // Everything is undone, so that each begins alike.
          await client.query('begin');
          taken(client);
          await ask(client, sql, mode);
          await client.query('rollback');
          expect(leaks(taken(client), ALL_CANARIES), `${account}, ${mode}: ${sql}`).toEqual([]);
          expect(errorOf(await client.query('select 1')), sql).toBeNull();
          client.end();
        }
      }
    }
  });

  test(`M6 the server itself quotes them: the test can fail (PostgreSQL ${version})`, async () => {
    const direct = await RawClient.login({ port: world.server.port, user: 'postgres', password: '', database: 'crm' });
    const quiet: string[] = [];
    for (const [name, statements] of Object.entries(ERRORS)) {
      taken(direct);
      for (const sql of statements) {
        await direct.query('begin');
        await direct.query(sql);
        await direct.query('rollback');
      }
      if (leaks(taken(direct), ALL_CANARIES).length === 0) quiet.push(name);
    }
    direct.end();
    expect(quiet.length).toBeLessThanOrEqual(6);
  });

  test(`M6 an error that comes at the end of a transaction quotes nothing either (PostgreSQL ${version})`, async () => {
    const admin = await world.server.client('crm');
    await admin.query(`create table late (id int, ssn text references strict (card) deferrable initially deferred);
      grant all on late to gateway_rw`);
    await admin.end();
    for (const end of ['commit', 'set constraints all immediate', "prepare transaction 'x'"]) {
      const client = await world.gateway.login('wes', 'crm');
      await client.query('begin');
      await client.query('update strict set id = id + 100');
      await client.query('insert into late (id) values (1)');
      taken(client);
      await client.query(end);
      await client.query('rollback');
      expect(leaks(taken(client), ALL_CANARIES), end).toEqual([]);
      client.end();
    }
  });

  test(`M6 an error of one's own statement on an unmasked table keeps its text (PostgreSQL ${version})`, async () => {
    const client = await world.gateway.login('wes', 'crm');
    const error = errorOf(await client.query("insert into victims values (1, 'x')"));
    expect(error).toMatchObject({ C: '23505' });
    expect(error?.D).toContain('(id)=(1)');
    expect(errorOf(await client.query("select 'x'::int"))?.M).toContain('"x"');
    expect(errorOf(await client.query('select nothing from notes'))?.M).toContain('nothing');
    client.end();
  });

  test(`M6 psql, with VERBOSITY verbose and \\errverbose (PostgreSQL ${version})`, async () => {
    const statements = Object.values(ERRORS)
      .flat()
      .map((sql) => `begin;\n${sql};\n\\errverbose\nrollback;\n`);
    const ran = await world.gateway.run('wes', 'crm', 'psql', ['-X', '-q', '-At', '-v', 'VERBOSITY=verbose'], {
      input: statements.join(''),
    });
    expect(leaks(ran.stdout + ran.stderr, ALL_CANARIES)).toEqual([]);
  });
});
