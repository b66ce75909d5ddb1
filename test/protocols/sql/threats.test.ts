import { beforeAll, describe, expect, test } from 'vitest';
import { VERBS, type Verb } from '../../../src/core/action.ts';
import { loadParser } from '../../../src/protocols/sql/parser.ts';
import { touches, type Understanding, understanding } from './sample.ts';

let sql: Understanding;
beforeAll(async () => {
  await loadParser();
  sql = understanding();
});

type Least = Exclude<Verb, 'open' | 'unknown'> | 'opaque';

function checkAll(cases: readonly (readonly [string, Least])[]): void {
  test.each(cases.map(([text, least]) => [text.slice(0, 90), least, text] as const))(
    '%s is at least %s',
    (_, least, text) => {
      const { classification } = sql.of(text);
      if (least === 'opaque') expect(classification.clarity).toBe('opaque');
      else expect(VERBS.indexOf(classification.verb)).toBeGreaterThanOrEqual(VERBS.indexOf(least));
      if (classification.clarity !== 'parsed') expect(touches(sql.of(text))).toContain('opaque');
      expect(classification.touches.length).toBeGreaterThan(0);
    },
  );
}

describe('multi-statement (Q1)', () => {
  checkAll([
    ['SELECT 1;DROP TABLE t', 'define'],
    ['DROP TABLE t;SELECT 1', 'define'],
    ["SELECT ';'; DELETE FROM t", 'write'],
    ['SELECT $$;$$; TRUNCATE t', 'write'],
    ['SELECT 1 /* ; */; UPDATE t SET x = 1', 'write'],
    ['SELECT 1;;; DROP TABLE t;;', 'define'],
    ['; ; DROP TABLE t', 'define'],
    ['SELECT 1 -- ;\n; DROP TABLE t', 'define'],
    ['BEGIN; SELECT 1; COMMIT; ALTER TABLE t ADD y int', 'define'],
    ["SELECT 1; COPY t TO PROGRAM 'sh'", 'administer'],
  ]);
  test('each statement is a part, empty ones none', () => {
    expect(sql.of('SELECT 1;; DELETE FROM t;').parts.map((part) => part.node)).toEqual(['select', 'delete']);
    expect(sql.of(' ;; -- nothing\n').parts).toEqual([]);
    expect(touches(sql.of(''))).toEqual(['read']);
  });
});

describe('comments and spaces (Q2)', () => {
  checkAll([
    ['/*/**/*/ DROP TABLE t', 'define'],
    ['/* /* */ SELECT 1 */ DELETE FROM t', 'write'],
    ['/*!50000 SELECT 1 */ DROP TABLE t', 'define'],
    ['/*+ hint */ DELETE FROM t', 'write'],
    ['SELECT 1--x\n; DROP TABLE t', 'define'],
    ['DROP\fTABLE\tt', 'define'],
    ['DROP\u00a0TABLE t', 'opaque'],
    ['DROP\u2028TABLE t', 'opaque'],
    ['# comment\nSELECT 1', 'opaque'],
    ['SELECT 1 /* open', 'opaque'],
  ]);
});

describe('lexer state (Q3)', () => {
  checkAll([
    ["SELECT 'a\\'; DROP TABLE t; --'", 'define'],
    ['SET standard_conforming_strings = off', 'administer'],
    ["SET standard_conforming_strings = 'off'; SELECT 1", 'administer'],
    ['SET LOCAL standard_conforming_strings TO off', 'administer'],
    ['SET backslash_quote = on', 'administer'],
    ['RESET standard_conforming_strings', 'administer'],
    ["SELECT set_config('standard_conforming_strings', 'off', false)", 'administer'],
    ["SELECT set_config('standard_' || 'conforming_strings', 'off', false)", 'administer'],
    ['ALTER ROLE me SET standard_conforming_strings = off', 'administer'],
    ['ALTER DATABASE d SET standard_conforming_strings = off', 'administer'],
    ['ALTER SYSTEM SET standard_conforming_strings = off', 'administer'],
  ]);
  test('strings that look like statements are strings', () => {
    expect(sql.of("SELECT E'a\\'; DROP TABLE t; --'").classification.verb).toBe('read');
    expect(sql.of('SELECT $x$; DROP TABLE t;$x$').classification.verb).toBe('read');
  });
});

describe('encoding (Q4)', () => {
  test.each([
    ['a lone lead byte', Buffer.from([...Buffer.from("SELECT '"), 0xbf, 0x27, ...Buffer.from("; DROP TABLE t--'")])],
    ['an overlong quote', Buffer.from([...Buffer.from("SELECT '"), 0xc0, 0xa7, 0x27])],
    ['a surrogate', Buffer.from([0x53, 0xed, 0xa0, 0x80])],
    ['a NUL', Buffer.from('SELECT 1\0; DROP TABLE t')],
  ])('%s is opaque', (_, bytes) => {
    const { classification } = sql.classifier.statement(bytes, sql.context);
    expect(classification).toMatchObject({ clarity: 'opaque', verb: 'unknown' });
  });
  checkAll([
    ["SET client_encoding = 'SJIS'", 'administer'],
    ["SET NAMES 'BIG5'", 'administer'],
    ["SELECT set_config('client_encoding', 'GBK', false)", 'administer'],
  ]);
  test('invalid bytes are not let through by a text of the same shape', () => {
    expect(sql.of("SELECT id FROM a WHERE x = 'one'").classification.clarity).toBe('parsed');
    const bytes = Buffer.from([...Buffer.from("SELECT id FROM a WHERE x = '"), 0xbf, ...Buffer.from("'")]);
    expect(sql.classifier.statement(bytes, sql.context).classification.clarity).toBe('opaque');
    const holdsNul = Buffer.from("SELECT id FROM a WHERE x = 'o\0e'");
    expect(sql.classifier.statement(holdsNul, sql.context).classification.clarity).toBe('opaque');
  });
});

describe('identifiers (Q5)', () => {
  test.each([
    ['SELECT 1 FROM users', 'read public.users'],
    ['SELECT 1 FROM USERS', 'read public.users'],
    ['SELECT 1 FROM "users"', 'read public.users'],
    ['SELECT 1 FROM "Users"', 'read public."Users"'],
    ['SELECT 1 FROM U&"us\\0065rs"', 'read public.users'],
    ['SELECT 1 FROM U&"us!0065rs" UESCAPE \'!\'', 'read public.users'],
    ['SELECT 1 FROM public . users', 'read public.users'],
    ['SELECT 1 FROM postgres.public.users', 'read public.users'],
    ['SELECT 1 FROM private.users', 'read private.users'],
    ['TABLE users', 'read public.users'],
    ['SELECT 1 FROM ONLY (users)', 'read public.users'],
    ['SELECT 1 FROM users *', 'read public.users'],
    ['SELECT 1 FROM pg_temp.users', 'read pg_temp.users'],
    ['SELECT 1 FROM nowhere', 'read pg_temp.nowhere'],
  ])('%s touches %s', (text, touched) => {
    expect(touches(sql.of(text))).toContain(touched);
  });
  test('the search path decides, and pg_catalog comes first unless it is named', () => {
    const first = (path: readonly string[], text: string) => touches(understanding(path).of(text))[0];
    expect(first(['private', 'public'], 'SELECT 1 FROM users')).toBe('read private.users');
    expect(first(['public'], 'SELECT 1 FROM pg_class')).toBe('read pg_catalog.pg_class');
  });
  test('a temporary relation that would hide another is opaque', () => {
    expect(sql.of('CREATE TEMP TABLE customers (id int)').classification.clarity).toBe('opaque');
    expect(sql.of('SELECT 1 AS id INTO TEMP users').classification.clarity).toBe('opaque');
    expect(sql.of('CREATE TABLE pg_temp.customers (id int)').classification.clarity).toBe('opaque');
    expect(sql.of('CREATE TEMP VIEW users AS SELECT 1').classification.clarity).toBe('opaque');
    expect(sql.of('CREATE TEMP TABLE scratch (id int)').classification.clarity).toBe('parsed');
  });
});

describe('dynamic SQL (Q6)', () => {
  checkAll([
    ["DO $$BEGIN EXECUTE 'DR'||'OP TABLE t'; END$$", 'opaque'],
    ["DO $$BEGIN EXECUTE format('drop table %I', 't'); END$$", 'opaque'],
    ['DO $$DECLARE r record; BEGIN FOR r IN EXECUTE $q$select 1$q$ LOOP NULL; END LOOP; END$$', 'opaque'],
    ['DO $$DECLARE c refcursor; BEGIN OPEN c FOR EXECUTE $q$select 1$q$; END$$', 'opaque'],
    ['DO $$BEGIN DELETE FROM t; END$$', 'execute'],
    ["DO $$BEGIN PERFORM pg_read_file('/etc/passwd'); END$$", 'administer'],
    ['DO LANGUAGE plpython3u $$import os$$', 'opaque'],
    ['DO $$ this is no plpgsql $$', 'opaque'],
    ['EXECUTE nobody', 'opaque'],
    ['FETCH ALL FROM nobody', 'opaque'],
    ['PREPARE p AS DELETE FROM t; EXECUTE p', 'write'],
    ['PREPARE p AS SELECT 1; DEALLOCATE p; EXECUTE p', 'opaque'],
    ['CALL do_it()', 'execute'],
    ['CALL nowhere()', 'execute'],
    ['SELECT f(1)', 'execute'],
    ['SELECT my_function()', 'execute'],
    ['SELECT public.count(1)', 'execute'],
    ['SELECT f(x) FROM a', 'execute'],
    ['SELECT c.fullname FROM customers c', 'execute'],
    ['SELECT (c).fullname FROM customers c', 'execute'],
    ['SELECT 1 OPERATOR(evil.+) 2', 'execute'],
    ['SELECT id FROM a ORDER BY x USING OPERATOR(evil.+)', 'execute'],
    ["SELECT 'x'::checked", 'execute'],
    ["SELECT CAST('x' AS nowhere.type)", 'execute'],
    ['INSERT INTO audited VALUES (1)', 'execute'],
    ['SELECT * FROM danger', 'execute'],
    ['CREATE TRIGGER z BEFORE INSERT ON t EXECUTE FUNCTION trg()', 'define'],
    ['CREATE RULE r AS ON SELECT TO t DO INSTEAD SELECT * FROM users', 'define'],
    ["CREATE FUNCTION g() RETURNS int LANGUAGE plpgsql AS 'BEGIN EXECUTE $q$drop table t$q$; END'", 'opaque'],
    ["CREATE FUNCTION g() RETURNS int LANGUAGE c AS 'x', 'y'", 'administer'],
    ["CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'DELETE FROM t; SELECT 1'", 'define'],
  ]);
});

describe('reads with effects (Q7)', () => {
  checkAll([
    ['WITH d AS (DELETE FROM users RETURNING *) SELECT * FROM d', 'write'],
    ['WITH u AS (UPDATE a SET x = 1 RETURNING *), i AS (INSERT INTO t SELECT id FROM u) SELECT 1', 'write'],
    ['WITH x AS (WITH y AS (DELETE FROM t RETURNING 1) SELECT * FROM y) SELECT * FROM x', 'write'],
    ['WITH m AS (MERGE INTO t USING a ON t.id = a.id WHEN MATCHED THEN DELETE RETURNING 1) SELECT 1', 'write'],
    ['SELECT * INTO fresh FROM users', 'define'],
    ['CREATE TABLE fresh AS SELECT 1', 'define'],
    ['SELECT * FROM users FOR UPDATE', 'write'],
    ['SELECT * FROM users FOR KEY SHARE', 'write'],
    ['SELECT * FROM (SELECT * FROM users FOR UPDATE) x', 'write'],
    ['EXPLAIN ANALYZE DELETE FROM users', 'write'],
    ['EXPLAIN (ANALYZE) DELETE FROM users', 'write'],
    ['EXPLAIN (ANALYZE on, BUFFERS) DELETE FROM users', 'write'],
    ['EXPLAIN (VERBOSE, ANALYZE 1) DELETE FROM users', 'write'],
    ['EXPLAIN ANALYZE CREATE TABLE z AS SELECT 1', 'define'],
    ['EXPLAIN SELECT f(1)', 'execute'],
    ["SELECT nextval('seq1')", 'write'],
    ["SELECT setval('public.seq1', 1)", 'write'],
    ["SELECT nextval('se' || 'q1')", 'execute'],
    ['SELECT lo_unlink(1)', 'execute'],
    ["SELECT lo_import('/etc/passwd')", 'administer'],
    ["SELECT lo_export(1, '/tmp/x')", 'administer'],
    ["SELECT pg_read_file('/etc/passwd')", 'administer'],
    ["SELECT pg_catalog.pg_read_binary_file('/etc/passwd')", 'administer'],
    ["SELECT * FROM pg_ls_dir('/')", 'administer'],
    ["SELECT dblink_exec('x', 'drop table t')", 'opaque'],
    ['SELECT pg_sleep(100)', 'execute'],
    ['SELECT pg_terminate_backend(1)', 'administer'],
    ['SELECT pg_advisory_lock(1)', 'execute'],
    ["SELECT pg_notify('x', 'y')", 'execute'],
    ["NOTIFY x, 'leak'", 'write'],
    ['LOCK TABLE users', 'write'],
    ['LOCK TABLE users IN SHARE MODE', 'write'],
    ["COPY users TO PROGRAM 'curl'", 'administer'],
    ["COPY users FROM '/etc/passwd'", 'administer'],
    ["COPY users TO '/tmp/x'", 'administer'],
    ['COPY (DELETE FROM users RETURNING *) TO STDOUT', 'write'],
    ['COPY users FROM STDIN', 'write'],
    ['DECLARE c CURSOR FOR SELECT * FROM users FOR UPDATE', 'write'],
    ["SELECT 1 WHERE (SELECT count(*) FROM pg_ls_dir('/')) > 1", 'administer'],
    ["VALUES ((SELECT pg_read_file('/x')))", 'administer'],
    ["INSERT INTO t VALUES ((SELECT pg_read_file('/etc/passwd')))", 'administer'],
    ['SELECT 1 FROM a TABLESAMPLE system (pg_sleep(1))', 'execute'],
    ['SELECT 1 LIMIT (SELECT 1 FROM pg_sleep(1))', 'execute'],
    ['SELECT count(*) FILTER (WHERE pg_sleep(1) IS NULL) FROM a', 'execute'],
    ['SELECT sum(id) OVER (PARTITION BY pg_sleep(1)) FROM a', 'execute'],
    ['SELECT sum(id) OVER w FROM a WINDOW w AS (ORDER BY pg_sleep(1))', 'execute'],
    ['SELECT CASE WHEN pg_sleep(1) IS NULL THEN 1 END', 'execute'],
    ['SELECT xmlelement(name x, pg_sleep(1))', 'execute'],
    ["SELECT JSON_OBJECT('a': pg_sleep(1))", 'execute'],
    ["SELECT * FROM JSON_TABLE(pg_read_file('x')::jsonb, '$' COLUMNS (a int PATH '$.a')) j", 'administer'],
    ['SELECT ARRAY[pg_sleep(1)]', 'execute'],
    ['SELECT a.x FROM a JOIN b ON pg_sleep(1) IS NULL', 'execute'],
    ["SELECT * FROM ROWS FROM (generate_series(1, 2), pg_ls_dir('/')) z", 'administer'],
    ['SELECT DISTINCT ON (pg_sleep(1)) x FROM a', 'execute'],
    ['SELECT x FROM a GROUP BY GROUPING SETS ((x), (x, pg_sleep(1)))', 'execute'],
  ]);
  test('EXPLAIN alone only looks', () => {
    expect(touches(sql.of('EXPLAIN DELETE FROM users'))).toEqual(['read public.users']);
    expect(touches(sql.of('EXPLAIN (ANALYZE false) DELETE FROM users'))).toEqual(['read public.users']);
  });
});

describe('functions that take SQL as text (Q8)', () => {
  checkAll(
    [
      "SELECT query_to_xml('select ssn from users', true, false, '')",
      "SELECT table_to_xml('users', true, false, '')",
      "SELECT schema_to_xml('public', true, false, '')",
      "SELECT database_to_xml(true, false, '')",
      "SELECT cursor_to_xml('c', 1, true, false, '')",
      "SELECT ts_stat('select ssn from users')",
      "SELECT ts_rewrite('a'::tsquery, 'select ssn, ssn from users')",
      "SELECT * FROM crosstab('select ssn from users') AS c(a text)",
      "SELECT * FROM tablefunc.connectby('users', 'id', 'ssn', '1', 0) AS c(a text)",
      "SELECT * FROM dblink('host=x', 'drop table y') AS d(a int)",
      "SELECT \"query_to_xml\"('select 1', true, false, '')",
      "SELECT pg_catalog.query_to_xml('select 1', true, false, '')",
    ].map((text) => [text, 'opaque'] as const),
  );
});

describe('read-only escape (Q9)', () => {
  checkAll([
    ['COMMIT; DROP TABLE t', 'define'],
    ['SET default_transaction_read_only = off', 'administer'],
    ['SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE', 'administer'],
    ["SELECT set_config('default_transaction_read_only', 'off', false)", 'administer'],
    ["SELECT set_config('role', 'postgres', false)", 'administer'],
    ['SET SESSION AUTHORIZATION postgres', 'administer'],
    ['SET ROLE postgres', 'administer'],
    ['SET LOCAL ROLE postgres', 'administer'],
    ['RESET ROLE', 'administer'],
    ["PREPARE TRANSACTION 'x'", 'administer'],
    ["COMMIT PREPARED 'x'", 'administer'],
    ["BEGIN; ROLLBACK PREPARED 'x'", 'administer'],
    ['SET SESSION AUTHORIZATION DEFAULT', 'administer'],
    ['RESET SESSION AUTHORIZATION', 'administer'],
    ['RESET default_transaction_read_only', 'administer'],
    ['RESET transaction_read_only', 'administer'],
    ['SET TRANSACTION READ WRITE', 'administer'],
    ['BEGIN READ WRITE', 'administer'],
    ['SET session_replication_role = replica', 'administer'],
    ['SET row_security = on', 'administer'],
    ['SET client_min_messages = debug5', 'administer'],
    ['SET debug_print_plan = on', 'administer'],
    ['SET log_statement = none', 'administer'],
    ['SET whatever.custom = 1', 'administer'],
  ]);
  test('each of them leaves the state to be asked for again', () => {
    for (const text of [
      'SET ROLE x',
      'RESET ALL',
      'DISCARD ALL',
      'ROLLBACK',
      'ROLLBACK TO s',
      'COMMIT AND CHAIN',
      'SELECT f(1)',
      'CALL do_it()',
    ]) {
      expect(sql.of(text).changesState, text).toBe(true);
    }
    for (const text of ['SELECT 1', 'BEGIN', 'COMMIT', 'SET statement_timeout = 1', 'SELECT lower(x) FROM a']) {
      expect(sql.of(text).changesState, text).toBe(false);
    }
  });
});

describe('what does not parse (Q10, Q12)', () => {
  checkAll([
    ['SELEC 1', 'opaque'],
    ['SELECT 1 FROM', 'opaque'],
    ["SELECT 'open", 'opaque'],
    ['MERGE INTO t USING a ON true WHEN MATCHED THEN DELETE RETURNING *', 'write'],
    ['UPDATE t SET x = 1 RETURNING old.*, new.x', 'write'],
    ["SELECT * FROM JSON_TABLE('{}', '$' COLUMNS (a int)) j", 'read'],
    [`SELECT ${'('.repeat(10_000)}1${')'.repeat(10_000)}`, 'opaque'],
    [`SELECT ${'1+'.repeat(10_000)}1`, 'opaque'],
    [`SELECT 1${' UNION SELECT 1'.repeat(10_000)}`, 'opaque'],
    [`SELECT 1${'::int'.repeat(10_000)}`, 'opaque'],
    [`${'EXPLAIN '.repeat(3)}SELECT 1`, 'opaque'],
    [`SELECT '${'x'.repeat(2 * 1024 * 1024)}'`, 'opaque'],
  ]);
  test('a long list of values is no deep tree', () => {
    const text = `SELECT id FROM a WHERE id IN (${Array.from({ length: 50_000 }, (_, at) => at).join(',')})`;
    expect(sql.of(text).classification.clarity).toBe('parsed');
  });
  test('texts that exhaust the parser leave it able to parse', () => {
    for (let round = 0; round < 50; round += 1)
      sql.of(`SELECT ${'(SELECT '.repeat(390 + round)}1${')'.repeat(390 + round)}`);
    expect(sql.of('SELECT 1 AS still_there').classification.clarity).toBe('parsed');
  });
});
