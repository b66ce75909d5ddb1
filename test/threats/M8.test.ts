import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { World } from '../e2e/world.ts';
import { RawClient } from '../servers/raw-client.ts';
import { leaks } from './canary.ts';
import { ALL_CANARIES, ask, errorOf, MODES, startVault, taken } from './vault.ts';

const CATALOGUES: Readonly<Record<string, readonly string[]>> = {
  'most common values': ["select most_common_vals from pg_stats where tablename = 'secrets'", 'select * from pg_stats', 'select most_common_vals::text from pg_catalog.pg_stats', 'select attname, most_common_elems::text from pg_stats', 'table pg_stats'],
  'histogram bounds': ['select histogram_bounds::text from pg_stats', 'select s.histogram_bounds from pg_stats s join pg_class c on c.relname = s.tablename', 'select (select string_agg(histogram_bounds::text, \',\') from pg_stats)', 'with q as (select * from pg_stats) select to_json(q) from q', 'select exists (select 1 from pg_stats where histogram_bounds::text like \'%123%\')'],
  'pg_statistic itself': ['select * from pg_statistic', 'select stavalues1::text from pg_statistic', 'select starelid, stavalues1, stavalues2 from pg_catalog.pg_statistic'],
  'extended statistics': ['select * from pg_stats_ext', 'select most_common_vals from pg_stats_ext', 'select * from pg_stats_ext_exprs', 'select * from pg_statistic_ext_data', 'select m.* from pg_statistic_ext_data d, pg_mcv_list_items(d.stxdmcv) m', 'select pg_mcv_list_items(stxdmcv) from pg_statistic_ext_data'],
  'pg_stat_activity': ['select query from pg_stat_activity', 'select * from pg_stat_activity'],
  'functions over other sessions': ['select pg_stat_get_backend_activity(1)', 'select pg_stat_get_backend_activity(b) from pg_stat_get_backend_idset() b', 'select query from pg_stat_get_activity(null)', 'select * from pg_stat_get_activity(null)'],
  'pg_stat_statements': ['select query from pg_stat_statements', 'select * from pg_stat_statements(true)', 'select * from public.pg_stat_statements'],
  'pg_prepared_statements and cursors': ['select statement from pg_prepared_statements', 'select * from pg_prepared_statement()', 'select statement from pg_cursors', 'select * from pg_cursor()'],
  'EXPLAIN': ['explain select * from secrets where t > \'k\'', "explain (costs off) select ssn from customers where ssn = '1'", 'explain verbose select t from secrets', 'explain (analyze, verbose) select upper(t) from secrets', 'explain (format json) select * from secrets where i between 1 and 2', "explain select 1 from secrets where t like 'kz4qx%'", 'explain (analyze) select id from secrets order by t'],
  'EXPLAIN with a prefix': ['/* x */ explain (analyze, verbose) select t from secrets', 'explain (verbose, analyze off) select t from secrets', "explain execute p", 'explain declare c cursor for select t from secrets', 'explain create table x as select t from secrets'],
  'the information schema': ['select * from information_schema.columns', 'select column_default from information_schema.columns', 'select check_clause from information_schema.check_constraints', 'select view_definition from information_schema.views', 'select * from information_schema.triggers', 'select routine_definition from information_schema.routines', 'select * from information_schema.user_mapping_options'],
  'the catalogue of definitions': ['select pg_get_viewdef(oid) from pg_class where relkind = \'v\' order by oid desc limit 15', 'select conbin, pg_get_constraintdef(oid) from pg_constraint order by oid desc limit 30', 'select pg_get_expr(adbin, adrelid) from pg_attrdef', 'select prosrc from pg_proc order by oid desc limit 30', 'select pg_get_indexdef(indexrelid) from pg_index order by indexrelid desc limit 20', 'select * from pg_rewrite order by oid desc limit 10', 'select description from pg_description limit 100', 'select attmissingval from pg_attribute order by attrelid desc limit 100'],
  'sequences': ['select last_value from pg_sequences', 'select * from counter', 'select pg_sequence_last_value(\'counter\')'],
  'pages and logs': ["select get_raw_page('secrets', 0)", "select * from heap_page_items(get_raw_page('secrets', 0))", "select pg_read_binary_file(pg_relation_filepath('secrets'))", "select pg_ls_dir('base')", "select pg_current_logfile()", "select * from pg_logical_slot_peek_changes('x', null, null)", "select pg_create_logical_replication_slot('x', 'test_decoding')"],
  'roles and secrets': ['select * from pg_authid', 'select rolpassword from pg_shadow', 'select * from pg_hba_file_rules', 'select * from pg_file_settings', 'select umoptions from pg_user_mappings'],
  'large objects and toast': ['select data from pg_largeobject', "select * from pg_toast.pg_toast_16384"],
  'locks, waits, progress': ['select * from pg_locks', 'select * from pg_stat_progress_copy', 'select * from pg_stat_replication', 'select * from pg_stat_user_tables', 'select * from pg_statio_user_tables', 'select * from pg_settings'],
}; // biome-ignore format: a table

describe.each([15, 18] as const)('on PostgreSQL %i', (version) => {
  let world: World;
  let other: RawClient;

  beforeAll(async () => {
    world = await startVault(version);
    // Somebody else, at the target with the same login, asks about a person by number.
    other = await world.gateway.login('fay', 'crm');
    await other.query("select name from customers where ssn = '123-45-6789' and email = 'ada@example.com'");
  });
  afterAll(async () => {
    other.end();
    await world.stop();
  });

  test.each(Object.entries(CATALOGUES))(
    `M8 %s shows no masked value (PostgreSQL ${version})`,
    async (name, statements) => {
      // Whoever may execute anything on the target may also call what shows other sessions' statements.
      const accounts = name === 'functions over other sessions' ? ['rob', 'ann'] : ['rob', 'wes', 'ann'];
      for (const account of accounts) {
        const client = await world.gateway.login(account, 'crm');
        for (const mode of MODES) {
          for (const sql of statements) {
            taken(client);
            await ask(client, sql, mode);
            // Catalogue texts that a database administrator wrote hold no values here.
            expect(leaks(taken(client), ALL_CANARIES), `${account}, ${mode}: ${sql}`).toEqual([]);
          }
        }
        expect(errorOf(await client.query('select 1'))).toBeNull();
        client.end();
      }
    },
  );

  test(`M8 an estimate tells nothing of a masked column: EXPLAIN of a condition on it is refused (PostgreSQL ${version})`, async () => {
    const client = await world.gateway.login('wes', 'crm');
    for (const value of ['a', 'kz4qx-9w7vj-qz8wx', 'zzz']) {
      for (const form of ['explain', 'explain (format json)', 'explain verbose', 'explain (analyze, timing off)']) {
        expect(errorOf(await client.query(`${form} select id from secrets where t <= '${value}'`))?.C).toBe('42501');
        expect(errorOf(await client.query(`${form} delete from secrets where t <= '${value}'`))?.C).toBe('42501');
      }
    }
    expect(errorOf(await client.query('explain select id, pub from secrets where id = 1'))).toBeNull();
    client.end();
  });

  test(`M8 the same statements give it away at the server: the test can fail (PostgreSQL ${version})`, async () => {
    const direct = await RawClient.login({ port: world.server.port, user: 'postgres', password: '', database: 'crm' });
    for (const name of [
      'most common values',
      'histogram bounds',
      'pg_statistic itself',
      'extended statistics',
      'pg_stat_activity',
    ]) {
      taken(direct);
      for (const sql of CATALOGUES[name] ?? []) await direct.query(sql);
      expect(leaks(taken(direct), ALL_CANARIES), name).not.toEqual([]);
    }
    direct.end();
  });

  test(`M8 psql (PostgreSQL ${version})`, async () => {
    const input = `${Object.values(CATALOGUES).flat().join(';\n')};\n\\d+ secrets\n\\dX\n\\sv gold_cards\n\\dp\n`;
    const ran = await world.gateway.run('rob', 'crm', 'psql', ['-X', '-q', '-At'], { input });
    expect(leaks(ran.stdout + ran.stderr, ALL_CANARIES)).toEqual([]);
  });
});
