import { house, tricks } from './tricks.ts';

const on15 = house(15);

/** Newer than the server, or of no server: what the parser knows is understood by its worst effect, the rest is refused. */
tricks('Q10', on15, [
  { name: 'MERGE with RETURNING (17)', sql: 'merge into victims v using notes n on n.id = v.id when matched then delete returning v.*' },
  { name: 'MERGE with NOT MATCHED BY SOURCE (17)', sql: 'merge into victims v using notes n on n.id = v.id when not matched by source then delete' },
  { name: 'MERGE with merge_action() (17)', sql: 'merge into victims v using notes n on n.id = v.id when matched then update set body = n.note returning merge_action(), v.*' },
  { name: 'MERGE into ONLY with DO NOTHING (15)', sql: 'merge into only victims v using notes n on n.id = v.id when matched then do nothing when not matched then insert values (n.id, n.note)' },
  { name: 'RETURNING old and new (18)', sql: 'update victims set body = \'x\' returning old.body, new.body' },
  { name: 'RETURNING WITH (18)', sql: 'delete from victims returning with (old as o) o.*' },
  { name: 'COPY … ON_ERROR (17)', sql: "copy victims from '/tmp/x' (on_error ignore)" },
  { name: 'EXPLAIN (ANALYZE, SERIALIZE, MEMORY) (17)', sql: 'explain (analyze, serialize text, memory) delete from victims' },
  { name: 'SQL bodies with BEGIN ATOMIC (14)', sql: 'create procedure p() begin atomic delete from victims; end' },
  { name: 'ALTER … SPLIT PARTITION (of no release)', sql: 'alter table victims split partition a into (partition b for values in (1), partition c default)' },
  { name: 'a vendor\'s UPSERT (CockroachDB)', sql: "upsert into victims values (1, 'x')", never: 'upsert' },
  { name: 'a vendor\'s AS OF SYSTEM TIME (CockroachDB)', sql: "select * from victims as of system time '-1h'" },
  { name: 'a vendor\'s DISTRIBUTED BY (Greenplum)', sql: 'create table x (a int) distributed by (a)', never: 'distributed' },
  { name: 'a vendor\'s UNLOAD (Redshift)', sql: "unload ('select * from victims') to 's3://bucket'" },
  { name: 'a vendor\'s COPY (Redshift)', sql: "copy victims from 's3://bucket' iam_role 'x'" },
  { name: 'a vendor\'s QUALIFY (Redshift, Snowflake)', sql: 'select * from victims qualify row_number() over () = 1' },
  { name: 'a vendor\'s TOP (SQL Server)', sql: 'select top 1 * from victims' },
  { name: 'EXEC (SQL Server)', sql: "exec sp_executesql 'drop table victims'" },
  { name: 'a bracketed name (SQL Server)', sql: 'delete from [victims]' },
  { name: 'a back-quoted name (MySQL)', sql: 'delete from `victims`' },
  { name: 'REPLACE INTO (MySQL)', sql: "replace into victims values (1, 'x')" },
  { name: 'LOAD DATA (MySQL)', sql: "load data local infile '/etc/passwd' into table victims" },
  { name: 'INTO OUTFILE (MySQL)', sql: "select * from victims into outfile '/tmp/x'" },
  { name: 'MODEL clause (Oracle)', sql: 'select * from victims model dimension by (id) measures (body) rules ()' },
  { name: 'a block (Oracle)', sql: 'begin delete from victims; end;', notByPsql: true },
  { name: 'a psql command', sql: '\\! rm victims', notByPsql: true },
  { name: 'a cut-off statement', sql: 'delete from victims where' },
  { name: 'a cut-off string', sql: "delete from victims where body = 'x", notByPsql: true },
  { name: 'parentheses that do not match', sql: 'delete from victims where (id = 1', notByPsql: true },
  { name: 'garbage behind a statement', sql: 'select 1 from victims victims victims' },
]); // biome-ignore format: a table
