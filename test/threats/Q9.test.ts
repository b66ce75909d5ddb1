import { expect, test } from 'vitest';
import { leaks } from './canary.ts';
import { house, nothingOf, tricks } from './tricks.ts';
import { cellsOf, errorOf, SSNS, taken } from './vault.ts';

const at = house();

tricks('Q9', at, [
  { name: 'COMMIT; DROP', sql: 'commit; drop table victims', notByPsql: true },
  { name: 'COMMIT AND CHAIN and a write', sql: 'begin read only; commit and chain; delete from victims', notByPsql: true },
  { name: 'ROLLBACK and a write', sql: 'begin; rollback; delete from victims', notByPsql: true },
  { name: 'END and a write inside an open transaction', sql: 'end; drop table victims', before: ['begin read only'], notByPsql: true },
  { name: 'a write in a read-only transaction', sql: 'drop table victims', before: ['begin read only'], notByPsql: true },
  { name: 'default_transaction_read_only off', sql: 'set default_transaction_read_only = off', never: 'read_only =' },
  { name: 'default_transaction_read_only off, by session characteristics', sql: 'set session characteristics as transaction read write', never: 'characteristics' },
  { name: 'transaction_read_only off', sql: 'set transaction_read_only = off', never: 'read_only =' },
  { name: 'SET TRANSACTION READ WRITE', sql: 'set transaction read write', never: 'read write' },
  { name: 'BEGIN READ WRITE', sql: 'begin read write', never: 'read write' },
  { name: 'START TRANSACTION READ WRITE', sql: 'start transaction isolation level serializable, read write', never: 'read write' },
  { name: 'set_config of default_transaction_read_only', sql: "select set_config('default_transaction_read_only', 'off', false)", never: 'set_config' },
  { name: 'set_config of transaction_read_only', sql: "select set_config('transaction_read_only', 'off', true)", never: 'set_config' },
  { name: 'set_config of the role', sql: "select set_config('role', 'postgres', false)", never: 'set_config' },
  { name: 'set_config of a name from a table', sql: 'select set_config(note, note, false) from notes', never: 'set_config' },
  { name: 'set_config by its whole name in Unicode', sql: 'select U&"set\\005fconfig"(\'role\', \'postgres\', false)', never: 'config"(' },
  { name: 'SET SESSION AUTHORIZATION', sql: 'set session authorization postgres', never: 'authorization' },
  { name: 'SET SESSION AUTHORIZATION DEFAULT', sql: 'set session authorization default', never: 'authorization' },
  { name: 'RESET SESSION AUTHORIZATION', sql: 'reset session authorization', never: 'authorization' },
  { name: 'SET ROLE', sql: 'set role postgres', never: 'set role' },
  { name: 'SET LOCAL ROLE', sql: 'set local role postgres', never: 'role postgres' },
  { name: 'SET ROLE NONE', sql: 'set role none', never: 'set role' },
  { name: 'SET role as a setting', sql: "set role = 'postgres'", never: 'set role' },
  { name: 'RESET ROLE', sql: 'reset role', never: 'reset role' },
  { name: 'RESET ALL', sql: 'reset all', gives: [] },
  { name: 'DISCARD ALL', sql: 'discard all', gives: [] },
  { name: 'DISCARD TEMP', sql: 'discard temp', gives: [] },
  { name: 'DISCARD PLANS', sql: 'discard plans', gives: [] },
  { name: 'GRANT', sql: 'grant all on victims to public' },
  { name: 'GRANT of a role', sql: 'grant pg_read_all_data to current_user', never: 'grant' },
  { name: 'CREATE ROLE', sql: 'create role intruder superuser', never: 'intruder' },
  { name: 'ALTER ROLE', sql: 'alter role current_user superuser', never: 'alter role' },
  { name: 'ALTER DEFAULT PRIVILEGES', sql: 'alter default privileges grant all on tables to public', never: 'privileges' },
  { name: 'ALTER SYSTEM', sql: "alter system set log_statement = 'none'", never: 'alter system' },
  { name: 'REASSIGN OWNED', sql: 'reassign owned by gateway_rw to postgres', never: 'reassign' },
  { name: 'ALTER TABLE OWNER', sql: 'alter table victims owner to gateway_ro' },
  { name: 'CREATE EXTENSION', sql: 'create extension dblink', never: 'extension' },
  { name: 'a read-only mode that is asked for is granted', sql: 'set default_transaction_read_only = on', gives: [] },
]); // biome-ignore format: a table

test.each(['reset all', 'discard all', 'reset search_path', 'discard temp'])(
  'Q9 %s gives back nothing that was not there at login',
  async (sql) => {
    const client = await at.world().gateway.login('rob', 'crm');
    const state = async () =>
      cellsOf(
        await client.query(
          "select current_user, session_user, current_setting('search_path'), current_setting('standard_conforming_strings'), current_setting('default_transaction_read_only'), current_setting('client_encoding')",
        ),
      ).map(String);
    const before = await state();
    expect(errorOf(await client.query(sql))).toBeNull();
    expect(await state()).toEqual(before);
    at.world().tap.reset();
    expect(errorOf(await client.query('delete from victims'))?.C).toBe('42501');
    nothingOf(at.world(), { sql: 'delete from victims' }, sql);
    expect(leaks(taken(client), SSNS)).toEqual([]);
    await client.query('select ssn from customers');
    expect(leaks(taken(client), SSNS)).toEqual([]);
    client.end();
  },
);
