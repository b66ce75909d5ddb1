import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { LIMITS } from '../../../src/core/limits.ts';
import { createClassifier } from '../../../src/protocols/sql/classify.ts';
import { loadParser } from '../../../src/protocols/sql/parser.ts';
import { createSnapshot } from '../../../src/protocols/sql/snapshot.ts';
import type { SqlContext, Statement } from '../../../src/protocols/sql/statement.ts';
import { CLASSIFY, sampleRows, snapshot, TARGET, touches, type Understanding, understanding, uses } from './sample.ts';

let sql: Understanding;
beforeAll(async () => {
  await loadParser();
  sql = understanding();
});

/** Everything a statement says, comparable. */
function facts(statement: Statement): unknown {
  const { revealed, computedFrom, ...rest } = statement;
  return { ...rest, revealed: [...revealed].sort(), computedFrom: [...computedFrom].sort() };
}

describe('what was understood once is the same object again', () => {
  test('for the same text', () => {
    expect(sql.of('SELECT id FROM a')).toBe(sql.of('SELECT id FROM a'));
  });
  test.each([
    ["SELECT id FROM a WHERE x = 'p'", "SELECT id FROM a WHERE x = 'q; DROP TABLE t'"],
    ["SELECT id FROM a WHERE x = 'it''s'", "SELECT id FROM a WHERE x = '--'"],
    ['SELECT id FROM a WHERE id = 1', 'SELECT id FROM a WHERE id = 999999999'],
    ['SELECT id FROM a WHERE id = -1', 'SELECT id FROM a WHERE id = -22'],
    ['UPDATE a SET id = id + 1.5 WHERE y = $1', 'UPDATE a SET id = id + 22.75 WHERE y = $1'],
    ["INSERT INTO a VALUES (1, 'x'), (2, 'y')", "INSERT INTO a VALUES (3, 'p'), (4, 'q')"],
    ['SELECT lower(x) FROM a LIMIT 5', 'SELECT lower(x) FROM a LIMIT 6'],
    ['SELECT "a 1".id FROM a AS "a 1" WHERE id IN (1, 2)', 'SELECT "a 1".id FROM a AS "a 1" WHERE id IN (3, 4)'],
  ])('for the same shape: %s and %s', (one, other) => {
    expect(sql.of(other)).toBe(sql.of(one));
  });
  test.each([
    ["SELECT nextval('seq1')", "SELECT nextval('other')"],
    ["SELECT set_config('work_mem', '1', false)", "SELECT set_config('role', 'x', false)"],
    ["SET search_path = ''", "SET search_path = 'evil'"],
    ["SET sallyport.justification = 'one'", "SET sallyport.justification = 'two'"],
    ['SELECT ssn, id FROM customers ORDER BY 1', 'SELECT ssn, id FROM customers ORDER BY 2'],
    ['SELECT ssn, id FROM customers GROUP BY 1, 2', 'SELECT ssn, id FROM customers GROUP BY 2, 2'],
    ["SELECT 'a'::regclass", "SELECT 'b'::regclass"],
    ["SELECT f('1')", "SELECT f('2')"],
    ['DO $$BEGIN NULL; END$$', 'DO $$BEGIN DELETE FROM t; END$$'],
    ["EXPLAIN (ANALYZE 'off') DELETE FROM t", "EXPLAIN (ANALYZE 'on') DELETE FROM t"],
    ["SELECT E'a' FROM a", "SELECT E'b' FROM a"],
    ["COPY t TO STDOUT (DELIMITER ',')", "COPY t TO STDOUT (DELIMITER ';')"],
    ["SELECT id FROM a -- '1'\n WHERE id = 1", "SELECT id FROM a -- '2'\n WHERE id = 1"],
  ])('but not where the literal may matter: %s and %s', (one, other) => {
    expect(sql.of(other)).not.toBe(sql.of(one));
    expect(facts(sql.of(other))).toEqual(facts(understanding().of(other)));
  });
  test('not under another search path or catalogue', () => {
    const context: SqlContext = { ...sql.context, searchPath: ['private'] };
    const text = Buffer.from('SELECT 1 FROM users');
    expect(touches(sql.classifier.statement(text, sql.context))).toEqual(['read public.users']);
    expect(touches(sql.classifier.statement(text, context))).toEqual(['read private.users']);
    const renewed = { ...sql.context, catalogue: snapshot([]).catalogue };
    expect(sql.classifier.statement(text, renewed)).not.toBe(sql.classifier.statement(text, sql.context));
  });
  test('a path of two schemas is no schema with both names', () => {
    const text = Buffer.from('SELECT 1 FROM users');
    const two = sql.classifier.statement(text, { ...sql.context, searchPath: ['private', 'public'] });
    const one = sql.classifier.statement(text, { ...sql.context, searchPath: ['private,public'] });
    expect(one).not.toBe(two);
  });
  test('no more are kept than the limit says', () => {
    const classifier = createClassifier({ limits: { ...LIMITS, classifications_max: 2 } });
    const of = (text: string) => classifier.statement(Buffer.from(text), sql.context);
    const first = of('SELECT ssn FROM customers');
    of('SELECT id FROM a');
    of('SELECT x FROM a');
    of('SELECT y FROM a');
    expect(of('SELECT ssn FROM customers')).not.toBe(first);
  });
});

test('a hit by shape says what a fresh reading would say', () => {
  const literal = fc.oneof(
    fc.integer({ min: -1_000_000_000_000, max: 1_000_000_000_000 }).map(String),
    fc.double({ noNaN: true, noDefaultInfinity: true, min: 0, max: 1000 }).map((value) => value.toFixed(2)),
    fc.string({ maxLength: 12 }).map((value) => `'${value.replaceAll("'", "''").replaceAll('\0', '')}'`),
    fc.constantFrom(
      "'seq1'",
      "'public.seq1'",
      "'nowhere'",
      "'role'",
      "'work_mem'",
      "''",
      "'a\\'",
      "E'a\\''",
      "''''",
      '$1',
      'NULL',
      "U&'d\\0061'",
      '$$x$$',
      '1e5',
      '0x1F',
      "'customers'",
      "'1' '2'",
      "'a'\n'b'",
      '1',
      '2',
      '3',
    ),
  );
  const shape = fc.constantFrom(
    'SELECT id FROM a WHERE x = #',
    'SELECT * FROM customers WHERE ssn = # AND id > #',
    'SELECT nextval(#)',
    'SELECT set_config(#, #, false)',
    'SELECT ssn, name, id FROM customers ORDER BY #',
    'SELECT x, count(*) FROM a GROUP BY # HAVING count(*) > #',
    'INSERT INTO a VALUES (#, #), (#, #)',
    'UPDATE t SET x = #, pub = # WHERE id = -#',
    'SELECT f(#), lower(#), x FROM a LIMIT #',
    'SELECT #::regclass, #::text, # FROM a',
    'SELECT 1 FROM a WHERE x LIKE # OR y IN (#, #, upper(#))',
    'SET work_mem = #',
    "SELECT date '2024-01-01' + #",
    'WITH w AS (SELECT # AS q, ssn FROM customers) SELECT * FROM w WHERE q = #',
    'SELECT CASE WHEN x = # THEN # ELSE # END FROM a UNION SELECT # ORDER BY 1',
    'EXECUTE p(#)',
    'SELECT generate_series(#, #), x FROM a OFFSET #',
    'DELETE FROM t WHERE id = #; SELECT #',
    'PREPARE q AS SELECT id FROM a WHERE x = #',
  );
  const pairs = fc.tuple(
    shape,
    fc.array(literal, { minLength: 8, maxLength: 8 }),
    fc.array(literal, { minLength: 8, maxLength: 8 }),
  );
  const fill = (text: string, values: readonly string[]): string => {
    let at = 0;
    return text.replace(/#/g, () => values[at++ % values.length] ?? '0');
  };
  const cached = understanding();
  let hits = 0;
  fc.assert(
    fc.property(pairs, ([text, one, other]) => {
      cached.of(fill(text, one));
      const second = cached.of(fill(text, other));
      if (second === cached.of(fill(text, one)) && fill(text, one) !== fill(text, other)) hits += 1;
      const fresh = createClassifier({ limits: LIMITS }).statement(Buffer.from(fill(text, other)), cached.context);
      expect(facts(second)).toEqual(facts(fresh));
    }),
    { numRuns: 2_000 },
  );
  expect(hits).toBeGreaterThan(20);
});

test('whatever bytes come, there is a classification with a touch', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const { classification } = sql.classifier.statement(Buffer.from(bytes), sql.context);
      expect(classification.touches.length).toBeGreaterThan(0);
    }),
    { numRuns: 300 },
  );
});

describe('prepared statements and cursors', () => {
  const known = (text: string, names: Record<string, Statement>, path: readonly string[] = ['public']): Statement =>
    sql.classifier.statement(Buffer.from(text), {
      ...sql.context,
      searchPath: path,
      prepared: (name) => names[name] ?? null,
      cursor: (name) => names[name] ?? null,
    });
  test('EXECUTE is what was prepared', () => {
    const inner = sql.of('PREPARE p (int) AS DELETE FROM t WHERE id = $1').parts[0]?.inner;
    if (inner === null || inner === undefined) throw new Error('nothing was prepared');
    const execute = known('EXECUTE p(1)', { p: inner });
    expect(touches(execute)).toEqual(['write public.t', 'read public.t']);
    expect(execute.parts[0]).toMatchObject({ executes: 'p' });
    expect(known('EXECUTE p(1)', { p: inner })).toBe(execute);
  });
  test('and is looked at again when its names mean something else', () => {
    const inner = sql.of('PREPARE u AS SELECT * FROM users').parts[0]?.inner;
    if (inner === null || inner === undefined) throw new Error('nothing was prepared');
    expect(touches(known('EXECUTE u', { u: inner }, ['private']))).toEqual(['read private.users']);
    const protocol = sql.of('SELECT 1 FROM users');
    expect(touches(known('EXECUTE s', { s: protocol }, ['private']))).toEqual(['read private.users']);
  });
  test('another statement under the name is another statement', () => {
    const read = sql.of('SELECT x FROM a');
    const write = sql.of('DELETE FROM t');
    expect(known('EXECUTE p', { p: read }).classification.verb).toBe('read');
    expect(known('EXECUTE p', { p: write }).classification.verb).toBe('write');
    expect(known('EXECUTE p', {}).classification.clarity).toBe('opaque');
  });
  test('one that executes itself ends opaque', () => {
    const itself = sql.of('EXECUTE again');
    expect(known('EXECUTE again', { again: itself }).classification.clarity).toBe('opaque');
  });
  test('arguments run as well', () => {
    expect(known("EXECUTE p(pg_read_file('x'))", { p: sql.of('SELECT 1') }).classification.verb).toBe('administer');
  });
  test('FETCH is what was declared', () => {
    const declared = sql.of('DECLARE c CURSOR FOR SELECT ssn FROM customers').parts[0];
    expect(declared).toMatchObject({ declares: 'c' });
    if (declared?.inner === null || declared?.inner === undefined) throw new Error('nothing was declared');
    const fetch = known('FETCH 5 FROM c', { c: declared.inner });
    expect(touches(fetch)).toEqual(['read public.customers']);
    expect(fetch.parts[0]).toMatchObject({ fetches: 'c' });
  });
  test('DEALLOCATE and CLOSE say what they end', () => {
    expect(sql.of('DEALLOCATE p').parts[0]).toMatchObject({ deallocates: 'p' });
    expect(sql.of('DEALLOCATE ALL').parts[0]).toMatchObject({ deallocates: null });
    expect(sql.of('CLOSE ALL').parts[0]).toMatchObject({ closes: null });
    expect(sql.of('SELECT 1').parts[0]).toMatchObject({ deallocates: undefined, closes: undefined });
  });
});

describe('what touches what', () => {
  test.each([
    ['SELECT 1', ['read']],
    ['BEGIN', ['read']],
    ['SHOW ALL', ['read']],
    ['SET statement_timeout = 5', ['read']],
    ["SET search_path = ''", ['read']],
    ['RESET ALL', ['read']],
    ['DISCARD ALL', ['read']],
    ['DISCARD PLANS', ['read']],
    ['DISCARD SEQUENCES', ['read']],
    ['DISCARD TEMP', ['read']],
    ['CLOSE ALL', ['read']],
    ['DEALLOCATE ALL', ['read']],
    ['UNLISTEN *', ['read']],
    ['SELECT pg_advisory_unlock_all()', ['read']],
    ['SELECT pg_advisory_lock(1)', ['execute pg_catalog.pg_advisory_lock']],
    ['SELECT pg_try_advisory_lock(1)', ['execute pg_catalog.pg_try_advisory_lock']],
    ['SELECT relname FROM pg_class', ['read pg_catalog.pg_class']],
    ['INSERT INTO t SELECT id FROM a', ['write public.t', 'read public.a']],
    ['UPDATE t SET x = 1', ['write public.t']],
    ['UPDATE t SET x = 1 WHERE id = 2', ['write public.t', 'read public.t']],
    ['DELETE FROM t USING a WHERE a.id = t.id', ['write public.t', 'read public.a', 'read public.t']],
    ['SELECT * FROM deep_view', ['read public.deep_view', 'read public.customer_view', 'read public.customers']],
    ['SELECT * FROM events', ['read public.events', 'read public.events_2024']],
    ['DELETE FROM events', ['write public.events', 'write public.events_2024']],
    ['CREATE TABLE fresh AS SELECT x FROM a', ['define public.fresh', 'read public.a']],
    ['DROP TABLE t, private.secrets', ['define public.t', 'define private.secrets']],
    ['ALTER TABLE t ADD z int', ['define public.t']],
    ['GRANT SELECT ON t TO x', ['administer public.t', 'administer']],
    ['TRUNCATE t', ['write public.t']],
    ['LOCK TABLE t IN ACCESS SHARE MODE', ['read public.t']],
    ['SELECT f(1)', ['execute public.f']],
    ['SELECT lower(x) FROM a', ['read public.a']],
    ["SELECT x = 'y' FROM a", ['read public.a']],
    ["SELECT 'x'::mood", ['read']],
    ["SELECT 'x'::checked", ['execute public.is_ok']],
    ['COPY t FROM STDIN', ['write public.t']],
    ['DROP FUNCTION f(int)', ['define public.f']],
    ['CREATE SCHEMA fresh', ['define fresh']],
  ])('%s', (text, expected) => {
    expect(touches(sql.of(text))).toEqual(expected);
  });
  test('a function of another schema on the path may be the one that is called', () => {
    expect(touches(understanding(['evil']).of("SELECT lower('x')"))).toEqual(['execute evil.lower']);
    expect(touches(understanding(['public']).of("SELECT lower('x')"))).toEqual(['read']);
    expect(touches(understanding(['evil']).of("SELECT pg_catalog.lower('x')"))).toEqual(['read']);
    expect(touches(understanding(['evil']).of('SELECT 1 + 1'))).toEqual(['execute evil.plus']);
  });
  test('without a search path names are partly understood', () => {
    const { classification } = understanding(null).of('SELECT * FROM users');
    expect(classification.clarity).toBe('partial');
    expect(classification.touches.map(({ action }) => action)).toContain('sql.opaque');
    expect(understanding(null).of('SELECT * FROM public.users').classification.clarity).toBe('parsed');
  });
  test.each([
    "SELECT set_config('search_path', 'private', false); SELECT * FROM users",
    'RESET ALL; SELECT * FROM users',
    'ROLLBACK; SELECT * FROM users',
    'COMMIT; SELECT * FROM users',
    'SELECT f(1); SELECT * FROM users',
    'ALTER TABLE users RENAME TO old; SELECT * FROM public.users',
    'CREATE VIEW fresh AS SELECT 1; SELECT * FROM users',
  ])('names after a statement that may change them are partly understood: %s', (text) => {
    expect(sql.of(text).classification.clarity).toBe('partial');
  });
  test('a justification is for the gateway', () => {
    const statement = sql.of("SET sallyport.justification = 'INC-1: disk full'");
    expect(statement.justification).toBe('INC-1: disk full');
    expect(statement.changesState).toBe(false);
    expect(sql.of('RESET sallyport.justification').justification).toBe('');
    expect(sql.of('SELECT 1').justification).toBeNull();
  });
  test('facts name statements, tables and functions, never literals', () => {
    expect(sql.of("DELETE FROM t WHERE x = lower('secret')").classification.facts).toEqual({
      statement: ['delete'],
      hasWhere: true,
      functions: ['pg_catalog.lower'],
      tables: ['crm/public.t'],
    });
    expect(sql.of('DELETE FROM t').classification.facts).toMatchObject({ hasWhere: false });
  });
  test('sensitive relations of the catalogue are no part of the catalogue', () => {
    for (const name of ['pg_stats', 'pg_authid', 'pg_stat_activity', 'pg_largeobject', 'pg_prepared_statements']) {
      const [touch] = sql.of(`SELECT * FROM ${name}`).classification.touches;
      expect(touch?.resource.labels).toEqual(['sensitive-catalog']);
      expect(touch?.resource.parent?.id).toBe('crm/pg_catalog.sensitive');
    }
  });
});

describe('words that an older server reads differently', () => {
  const on = (serverVersion: number, text: string) => {
    const sample = sampleRows().call('public.json_scalar').call('public.merge_action');
    const rows = { ...sample.rows, serverVersion };
    const { catalogue } = createSnapshot({ rows, version: 1, target: TARGET, classify: CLASSIFY });
    return touches(sql.classifier.statement(Buffer.from(text), { ...sql.context, catalogue }));
  };
  test.each(['SELECT JSON_SCALAR(x) FROM a', 'SELECT json_scalar(x) FROM a'])('%s may call a function', (text) => {
    expect(on(150_020, text)).toContain('execute public.json_scalar');
    expect(on(180_004, text)).toEqual(['read public.a']);
  });
});

describe('what stands behind a name', () => {
  test('is not defined by defining what shows it', () => {
    expect(touches(sql.of('DROP VIEW deep_view'))).toEqual(['define public.deep_view']);
  });
  test('is read when a materialized view is filled', () => {
    expect(touches(sql.of('REFRESH MATERIALIZED VIEW deep_view'))).toEqual(
      expect.arrayContaining(['define public.deep_view', 'read public.customers']),
    );
  });
  test('runs when a trigger is made', () => {
    expect(touches(sql.of('CREATE TRIGGER z BEFORE INSERT ON t EXECUTE FUNCTION trg()'))).toContain(
      'execute public.trg',
    );
  });
  test('is not known for a view that is not understood', () => {
    expect(sql.of('SELECT 1 FROM unclear_view').classification.clarity).toBe('partial');
  });
  test('is known for a view of the system’s own relations', () => {
    const sample = sampleRows().view('public.peek', 'p', 'SELECT rolpassword AS p FROM pg_catalog.pg_authid', []);
    const { catalogue } = createSnapshot({ rows: sample.rows, version: 1, target: TARGET, classify: [] });
    const statement = sql.classifier.statement(Buffer.from('SELECT * FROM peek'), { ...sql.context, catalogue });
    expect(touches(statement)).toEqual(['read public.peek', 'read pg_catalog.pg_authid']);
  });
  test('what a prepared statement shows is stored by CREATE TABLE AS EXECUTE', () => {
    const statement = sql.of('PREPARE p AS SELECT ssn FROM customers; CREATE TABLE fresh AS EXECUTE p');
    expect(uses(statement)).toContain('assign customers.ssn');
  });
});

test('a statement that executes one that executes another is looked at again when the last one changes', () => {
  const first = sql.of('SELECT x FROM a');
  const second = sql.of('DELETE FROM t');
  const middle = sql.of('EXECUTE last');
  const names: Record<string, Statement> = { middle, last: first };
  const context: SqlContext = { ...sql.context, prepared: (name) => names[name] ?? null };
  const verb = () => sql.classifier.statement(Buffer.from('EXECUTE middle'), context).classification.verb;
  expect(verb()).toBe('read');
  names.last = second;
  expect(verb()).toBe('write');
});
