import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { World } from '../e2e/world.ts';
import type { RawClient } from '../servers/raw-client.ts';
import { leaks } from './canary.ts';
import { ALL_CANARIES, ask, errorOf, MODES, startVault, taken } from './vault.ts';

/**
 * Ways to put a masked value where nobody masks it, by somebody who may write, define and execute. `$f` is a name that does
 * not exist yet.
 */
const LAUNDERING: Readonly<Record<string, readonly string[]>> = {
  'CREATE VIEW': ['create view $f as select t from secrets', 'create view $f as select * from secrets', 'create or replace view $f (a) as select upper(t) from secrets', 'create recursive view $f (a) as select t from secrets', 'create view $f as select s from secrets s'],
  'CREATE TABLE AS': ['create table $f as select t from secrets', 'create table $f as table secrets', 'create unlogged table $f as select id, t || v as x from secrets', 'create table if not exists $f as select * from gold_cards', 'create table $f as with q as (select t from secrets) select * from q'],
  'SELECT INTO': ['select t into $f from secrets', 'select * into temp $f from secrets', 'select s.t, n.note into table $f from secrets s join notes n on n.id = s.id'],
  'INSERT … SELECT': ['insert into mine (b) select t from secrets', 'insert into mine (b) select upper(t) from secrets', 'insert into mine (b) values ((select t from secrets where id = 1))', 'insert into mine (a, b) select id, (row_to_json(s))::text from secrets s', 'insert into mine (b) table gold_cards', 'with q as (select t from secrets) insert into mine (b) select t from q', 'insert into mine (ssn) select ssn from customers', 'insert into mine (a, b) select id, ssn from customers on conflict do nothing'],
  'UPDATE': ['update secrets set pub = t', 'update secrets set pub = upper(t) where id = 1', 'update secrets set (pub, id) = (select t, id)', 'update notes set note = s.t from secrets s where s.id = notes.id', 'update notes set note = (select t from secrets where id = 1)', 'update customers set plan = ssn', 'update secrets set pub = case when t like \'a%\' then \'y\' else \'n\' end'],
  'RETURNING': ['update secrets set id = id returning upper(t)', 'update secrets set pub = t returning pub', 'insert into mine (b) select t from secrets returning b', 'with w as (update secrets set id = id returning t) select * from w', 'with w as (update secrets set id = id returning t) insert into mine (b) select t from w', 'delete from notes n using secrets s where s.id = n.secret_id and n.id = 999 returning s.t || n.note'],
  'a temporary table': ['create temp table $f as select t from secrets', 'create temporary table $f on commit drop as table secrets', 'create temp view $f as select t from secrets'],
  'a materialized view': ['create materialized view $f as select t from secrets', 'create materialized view $f as select md5(t) from secrets with no data'],
  'the body of a function': [
    "create function $f() returns setof text language sql as 'select t from secrets'",
    'create function $f() returns setof text language sql begin atomic select t from secrets; end',
    'create function $f() returns text language sql return (select t from secrets where id = 1)',
    'create function $f() returns text language plpgsql as $$ begin return (select t from secrets where id = 1); end $$',
    'create function $f() returns void language plpgsql as $$ declare r record; begin for r in select * from secrets loop insert into mine (b) values (r.t); end loop; end $$',
    "create function $f() returns void language plpgsql as $$ begin execute 'insert into mine (b) select t from secrets'; end $$",
    'create procedure $f() language sql as $$ insert into mine (b) select t from secrets $$',
    "do $$ begin insert into mine (b) select t from secrets; end $$", "do $$ declare x text; begin select t into x from secrets limit 1; raise notice '%', x; end $$",
    "do $$ declare x secrets; begin select * into x from secrets limit 1; perform set_config('application_name', x.t, false); end $$",
    "do $$ begin execute 'insert into mine (b) select ' || 't from secrets'; end $$",
  ],
  'a trigger': [
    'create function $f() returns trigger language plpgsql as $$ begin insert into mine (b) select t from secrets; return new; end $$',
    'create trigger $f before update on secrets for each row execute function shout()',
    'create trigger $f after update on secrets referencing new table as fresh for each statement execute function shout()',
    'create trigger $f after insert or update of pub on customers for each row execute procedure shout()',
    'create constraint trigger $f after update on secrets for each row execute function shout()',
  ],
  'a rule': ['create rule $f as on update to secrets do also insert into mine (b) values (old.t)', 'create rule $f as on update to secrets do also notify x', 'create rule $f as on insert to notes do also insert into mine (b) select t from secrets', 'create or replace rule $f as on select to mine do instead select id, t, v, c from secrets'],
  'COPY': ['copy secrets to stdout', 'copy secrets (id, t) to stdout', 'copy (select t from secrets) to stdout', 'copy (select * from gold_cards) to stdout (format csv)', "copy secrets to '/tmp/sallyport-m4'", "copy (select t from secrets) to program 'cat > /tmp/sallyport-m4'", 'copy (update secrets set id = id returning t) to stdout', 'copy secrets to stdout (format binary)'],
  'a large object': ["select lo_from_bytea(0, t::bytea) from secrets", "select lo_put(1, 0, t::bytea) from secrets", "select lo_create(i::oid) from secrets"],
  'a NOTIFY payload': ["select pg_notify('x', t) from secrets", "do $$ declare x text; begin select t into x from secrets limit 1; perform pg_notify('x', x); end $$"],
  'a setting': ["select set_config('application_name', t, false) from secrets", "select set_config('my.value', t, false) from secrets"],
  'a sequence': ['select setval(\'counter\', i) from secrets where id = 1', "select setval('counter', (select i from secrets where id = 1))"],
  'a generated column, a default, a constraint': ["alter table secrets add column $f text generated always as (upper(t)) stored", "alter table secrets add constraint $f check (t <> 'x')", 'create index $f on secrets (upper(t))', 'create unique index $f on secrets (t)', "alter table secrets alter column pub type text using t", 'create statistics $f (mcv) on (upper(t)), (lower(v)) from secrets', "create policy $f on secrets using (t > 'a')"],
  'MERGE': ['merge into mine m using secrets s on m.a = s.id when not matched then insert (a, b) values (s.id, s.t)', 'merge into mine m using secrets s on m.a = s.id when matched then update set b = s.t'],
  'a prepared write': ['prepare $f as insert into mine (b) select t from secrets', 'prepare $f (int) as update secrets set pub = t where id = $1'],
  'a cursor': ['declare $f cursor with hold for select t from secrets', 'declare $f scroll cursor with hold for select * from gold_cards'],
  'a masked value into a masked column': ["update secrets set t = '******' where id = 1", "update customers set ssn = '*******6789'", 'update secrets set t = v', "insert into secrets (id, t) values (99, 'mine')"],
}; // biome-ignore format: a table

describe.each([15, 18] as const)('on PostgreSQL %i', (version) => {
  let world: World;
  let client: RawClient;
  let before: unknown;

  /** Everything that laundering could have changed. */
  const state = async () => {
    const admin = await world.server.client('crm');
    const { rows } = await admin.query(`select
      (select array_agg(m::text) from mine m) as mine, (select array_agg(pub order by id) from secrets) as secrets,
      (select array_agg(note order by id) from notes) as notes, (select array_agg(plan order by id) from customers) as plans,
      (select count(*)::int from pg_class) as relations, (select count(*)::int from pg_proc) as functions,
      (select count(*)::int from pg_trigger) as triggers, (select count(*)::int from pg_rewrite) as rules,
      (select count(*)::int from pg_largeobject_metadata) as objects, (select last_value::int from counter) as counter`);
    await admin.end();
    return rows;
  };

  beforeAll(async () => {
    world = await startVault(version);
    before = await state();
  });
  afterAll(() => world.stop());
  beforeEach(async () => {
    client = await world.gateway.login('wes', 'crm');
    return () => client.end();
  });

  test.each(Object.entries(LAUNDERING))(
    `M4 %s is refused before the target sees it (PostgreSQL ${version})`,
    async (_, statements) => {
      for (const [at, template] of statements.entries()) {
        const sql = template.replaceAll('$f', `laundered_${at}`);
        for (const mode of MODES) {
          taken(client);
          world.tap.reset();
          const answer = await ask(client, sql, mode);
          expect(errorOf(answer)?.C, `${mode}: ${sql}`).toBe('42501');
          expect(world.tap.sent().includes(sql), `${mode}: ${sql}`).toBe(false);
          expect(leaks(taken(client), ALL_CANARIES), `${mode}: ${sql}`).toEqual([]);
        }
        expect(errorOf(await client.query('select 1'))).toBeNull();
      }
      expect(await state()).toEqual(before);
    },
  );

  test(`M4 psql is refused all of it (PostgreSQL ${version})`, async () => {
    const statements = Object.values(LAUNDERING)
      .flat()
      .map((sql) => sql.replaceAll('$f', 'laundered'));
    const ran = await world.gateway.run('wes', 'crm', 'psql', ['-X', '-q', '-At'], {
      input: `${statements.join(';\n')};\n`,
    });
    expect(leaks(ran.stdout + ran.stderr, ALL_CANARIES)).toEqual([]);
    expect(await state()).toEqual(before);
  });
});
