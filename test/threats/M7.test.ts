import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { World } from '../e2e/world.ts';
import { leaks } from './canary.ts';
import { ALL_CANARIES, ask, errorOf, MODES, startVault, taken } from './vault.ts';

/** What a server says beside rows and errors. */
const MESSAGES: Readonly<Record<string, readonly string[]>> = {
  'RAISE NOTICE of a trigger': ["update noisy set pub = 'x'", "update noisy set pub = 'y' where id = 1 returning id", "with w as (update noisy set pub = 'z' returning 1) select * from w"],
  'RAISE NOTICE, INFO, WARNING, LOG of a block': ["do $$ declare x text; begin select t into x from secrets limit 1; raise notice '%', x; end $$", "do $$ begin raise info '%', (select ssn from customers limit 1); end $$", "do $$ declare r secrets; begin for r in select * from secrets loop raise warning '%', r; end loop; end $$"],
  'client_min_messages with debug output': ['set client_min_messages = debug5', "set client_min_messages = 'log'", 'set debug_print_parse = on', 'set debug_print_plan = on', 'set debug_print_rewritten = on', 'set log_statement_stats = on', "set client_min_messages = log; set debug_print_plan = on; select ssn from customers", "select set_config('client_min_messages', 'debug1', false)", "select set_config('debug_print_plan', 'on', false)", "set log_min_duration_statement = 0", 'set trace_sort = on'],
  'the echo of a parameter': ["select set_config('application_name', ssn, false) from customers", "select set_config('application_name', (select t from secrets limit 1), true)", "select set_config('TimeZone', ssn, false) from customers", "select set_config('search_path', ssn, false) from customers", "select set_config('DateStyle', ssn, false) from customers", "do $$ begin perform set_config('application_name', (select ssn from customers limit 1), false); end $$", "do $$ begin execute format('set application_name = %L', (select ssn from customers limit 1)); end $$"],
  'a notification': ["select pg_notify('channel', ssn) from customers", "select pg_notify(t, 'x') from secrets", "do $$ begin perform pg_notify('channel', (select ssn from customers limit 1)); end $$", "do $$ begin execute 'notify channel, ' || quote_literal((select ssn from customers limit 1)); end $$"],
  'lastval and currval': ["select setval('counter', i) from secrets where id = 1", "select setval('counter', (select i from secrets where id = 1)), lastval()", 'select lastval() from secrets where setval(\'counter\', i) > 0'],
  'command tags': ['select 1 from secrets limit (select ascii(t) from secrets limit 1)', 'insert into mine (a) select generate_series(1, ascii(t)) from secrets where id = 1', 'select generate_series(1, ascii(ssn)) from customers', "copy (select generate_series(1, ascii(ssn)) from customers) to stdout", "delete from mine where a < (select ascii(t) from secrets limit 1)", 'move forward (select 1) in c'],
  'column names': ["select 1 as \"123\" from customers where ssn like '1%'", 'select * from json_to_record((select json_object_agg(ssn, 1) from customers)) as x (a int)', "do $$ begin execute format('create table %I (a int)', (select ssn from customers limit 1)); end $$"],
  'the description of a statement': ["prepare p (char(11)) as select 1 from customers where ssn = $1"],
  'a warning of a value': ["select ssn::name from customers where ssn::name = 'x'", "select E'\\\\' || ssn from customers", 'set timezone = default; select ssn at time zone t from secrets'],
}; // biome-ignore format: a table

describe.each([15, 18] as const)('on PostgreSQL %i', (version) => {
  let world: World;

  beforeAll(async () => {
    world = await startVault(version);
  });
  afterAll(() => world.stop());

  test.each(Object.entries(MESSAGES))(
    `M7 %s carries no masked value (PostgreSQL ${version})`,
    async (_, statements) => {
      for (const account of ['rob', 'wes']) {
        for (const mode of MODES) {
          const client = await world.gateway.login(account, 'crm');
          await client.query('listen channel');
          for (const sql of statements) {
            taken(client);
            await client.query('begin');
            await ask(client, sql, mode);
            await client.query('commit');
            // What was notified comes with the next answer.
            await client.query('select ssn, email from customers; select * from secrets');
            expect(leaks(taken(client), ALL_CANARIES), `${account}, ${mode}: ${sql}`).toEqual([]);
          }
          client.end();
        }
      }
    },
  );

  test(`M7 a notification that another program sends arrives only where nothing is masked (PostgreSQL ${version})`, async () => {
    const client = await world.gateway.login('rob', 'crm');
    await client.query('listen channel');
    await client.query('select ssn from customers');
    const admin = await world.server.client('crm');
    await admin.query("select pg_notify('channel', ssn) from customers");
    await admin.end();
    await client.query('select 1');
    await new Promise((resolve) => setTimeout(resolve, 300));
    await client.query('select 1');
    expect(leaks(taken(client), ALL_CANARIES)).toEqual([]);
    expect(errorOf(await client.query('select 1'))).toBeNull();
    client.end();
  });

  test(`M7 an application_name of one's own is echoed, and a notice of the server passes (PostgreSQL ${version})`, async () => {
    const client = await world.gateway.login('rob', 'crm');
    expect(errorOf(await client.query("set application_name = 'report'"))).toBeNull();
    expect((await client.query('show application_name')).some((each) => each.type === 'data-row')).toBe(true);
    const answer = await client.query('rollback');
    expect(answer.some((each) => each.type === 'notice' && each.fields.C === '25P01')).toBe(true);
    client.end();
  });

  test(`M7 psql (PostgreSQL ${version})`, async () => {
    const input = `listen channel;\n${Object.values(MESSAGES).flat().join(';\n')};\nselect 1;\n`;
    const ran = await world.gateway.run('wes', 'crm', 'psql', ['-X', '-q', '-At'], { input });
    expect(leaks(ran.stdout + ran.stderr, ALL_CANARIES)).toEqual([]);
  });
});
