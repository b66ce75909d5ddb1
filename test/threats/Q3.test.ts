import { expect, test } from 'vitest';
import { house, tricks } from './tricks.ts';
import { errorOf } from './vault.ts';

const at = house();
const SLASH = "select '\\'; drop table victims; --'";

tricks('Q3', at, [
  { name: 'standard_conforming_strings off', sql: 'set standard_conforming_strings = off', never: 'conforming_strings =' },
  { name: 'standard_conforming_strings off, for the transaction', sql: 'set local standard_conforming_strings to off', never: 'conforming_strings to' },
  { name: 'standard_conforming_strings off and what it was for, in one text', sql: `set standard_conforming_strings = off; ${SLASH}`, notByPsql: true },
  { name: 'standard_conforming_strings by function', sql: "select set_config('standard_conforming_strings', 'off', false)", never: 'set_config' },
  { name: 'standard_conforming_strings by function, its name put together', sql: "select set_config('standard_conforming' || '_strings', 'off', false)", never: 'set_config' },
  { name: 'standard_conforming_strings by updating pg_settings', sql: "update pg_settings set setting = 'off' where name = 'standard_conforming_strings'", never: 'update pg_settings' },
  { name: 'standard_conforming_strings of the role', sql: 'alter role current_user set standard_conforming_strings = off', never: 'alter role' },
  { name: 'standard_conforming_strings of the database', sql: 'alter database crm set standard_conforming_strings = off', never: 'alter database' },
  { name: 'standard_conforming_strings of the system', sql: 'alter system set standard_conforming_strings = off', never: 'alter system' },
  { name: 'standard_conforming_strings of a function', sql: 'create function f() returns int language sql set standard_conforming_strings = off return 1', never: 'create function' },
  { name: 'standard_conforming_strings in a block', sql: "do $$ begin perform set_config('standard_conforming_strings', 'off', false); end $$", never: 'perform' },
  { name: 'backslash_quote', sql: "set backslash_quote = 'on'", never: 'backslash_quote' },
  { name: 'escape_string_warning', sql: 'set escape_string_warning = off', never: 'escape_string_warning' },
  { name: 'a quote after a backslash, as strings conform', sql: SLASH, notByPsql: true },
  { name: 'SET FROM CURRENT and RESET of it', sql: 'reset standard_conforming_strings', never: 'reset standard' },
  { name: 'search_path is followed', sql: 'set search_path = pg_temp, public', gives: [] },
  { name: 'search_path by SET SCHEMA is followed', sql: "set schema 'pg_temp'", gives: [] },
  { name: 'search_path by function is followed', sql: "select set_config('search_path', 'pg_temp', false)", gives: ['pg_temp'] },
  { name: 'session_replication_role', sql: 'set session_replication_role = replica', never: 'session_replication' },
  { name: 'row_security off is harmless: it makes filtered reads fail', sql: 'set row_security = off', gives: [] },
  { name: 'quote_all_identifiers is harmless', sql: 'set quote_all_identifiers = on', gives: [] },
]); // biome-ignore format: a table

const login = (parameters: Record<string, string>) => at.world().gateway.login('rob', 'crm', parameters);

test.each([
  ['a startup parameter', { standard_conforming_strings: 'off' }],
  ['a startup option', { options: '-c standard_conforming_strings=off' }],
  ['a startup option, another way to write it', { options: '--standard-conforming-strings=off' }],
  ['a startup option behind a harmless one', { options: '-c statement_timeout=1000 -cbackslash_quote=on' }],
  ['backslash_quote at startup', { backslash_quote: 'on' }],
  ['session_replication_role at startup', { options: '-c session_replication_role=replica' }],
  ['a role at startup', { options: '-c role=postgres' }],
])('Q3 %s is refused at login, and nothing is dialled', async (_, parameters) => {
  at.world().tap.reset();
  await expect(login(parameters)).rejects.toThrow(/FATAL/);
  expect(at.world().tap.sent().includes('conforming')).toBe(false);
});

test('Q3 a search path given at login shadows nothing unseen', async () => {
  const admin = await at.world().server.client('crm');
  await admin.query(
    'create schema evil; create table evil.notes (id int, secret_id int, note text); insert into evil.notes select 7, 7, ssn from customers; grant usage on schema evil to public; grant select on evil.notes to public',
  );
  await admin.end();
  const client = await login({ search_path: 'evil, public' });
  const answer = await client.query('select note from notes limit 1');
  // evil.notes is unclassified, so it is shown, but under its own name: the record says which table it was.
  expect(errorOf(answer)).toBeNull();
  const shown = await at.world().gateway.cli('sessions', 'ls', '--json');
  expect(shown).toContain('rob');
  client.end();
});
