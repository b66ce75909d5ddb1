import { expect, test } from 'vitest';
import { leaks } from './canary.ts';
import { house, tricks } from './tricks.ts';
import { ALL_CANARIES, ask, errorOf, MODES, taken } from './vault.ts';

const on18 = house(18);

tricks('Q10', on18, [
  { name: 'JSON_TABLE reads only its argument (17)', sql: "select a from json_table('[{\"a\": 1}]', '$[*]' columns (a int path '$.a'))", gives: ['1'] },
  { name: 'JSON_VALUE, JSON_QUERY, JSON_EXISTS (17)', sql: "select json_value('{\"a\": 1}', '$.a'), json_exists('{}', '$.a')", gives: ['1', 'f'] },
  { name: 'JSON constructors (16)', sql: "select json_array(1, 2), json_object('a': 1), '{}' is json", gives: ['[1, 2]', '{"a" : 1}', 't'] },
  { name: 'MERGE with RETURNING (17)', sql: 'merge into victims v using notes n on n.id = v.id when matched then delete returning merge_action(), v.*' },
  { name: 'MERGE in a CTE (17)', sql: 'with m as (merge into victims v using notes n on n.id = v.id when matched then delete returning v.*) select * from m' },
  { name: 'RETURNING old and new (18)', sql: "update victims set body = 'x' returning old.*, new.*" },
  { name: 'temporal keys (18)', sql: 'create table x (a int, p int4range, primary key (a, p without overlaps))', never: 'overlaps' },
  { name: 'virtual generated columns (18)', sql: 'alter table victims add column x text generated always as (body) virtual' },
  { name: 'NOT ENFORCED (18)', sql: 'alter table victims add constraint x check (id > 0) not enforced' },
]); // biome-ignore format: a table

test.each([
  'update secrets set pub = pub returning old.t, new.t', 'update secrets set pub = pub returning old.*',
  'update secrets set pub = pub returning with (old as was) was.t', 'update secrets set pub = pub returning old',
  'update secrets set pub = pub returning upper(old.t)', 'delete from secrets where false returning old.t',
  "select x from secrets s, json_table(to_jsonb(s), '$' columns (x text path '$.t'))",
  "select json_value(to_jsonb(s), '$.t') from secrets s", 'select json_serialize(to_jsonb(s)) from secrets s',
  'select json_array(t, v) from secrets', 'select json_object(\'a\': t) from secrets', 'select json_arrayagg(t) from secrets',
  "select json_objectagg(id: t) from secrets", 'select json_array(select t from secrets)', 'select any_value(t) from secrets',
  "merge into mine m using secrets s on m.a = s.id when not matched then insert (b) values (s.t) returning s.t",
  'select array_sample(array_agg(t), 1) from secrets', 'select casefold(t), crc32(t::bytea), reverse(t::bytea) from secrets',
])('Q10 what is newer shows no masked value either: %s', async (sql) => {
  for (const account of ['rob', 'wes']) {
    const client = await on18.world().gateway.login(account, 'crm');
    for (const mode of MODES) {
      taken(client);
      await ask(client, sql, mode);
      expect(leaks(taken(client), ALL_CANARIES), `${account}, ${mode}`).toEqual([]);
    }
    expect(errorOf(await client.query('select 1'))).toBeNull();
    client.end();
  }
}); // biome-ignore format: a table
