import { beforeAll, describe, expect, test } from 'vitest';
import { LIMITS } from '../../../src/core/limits.ts';
import { createClassifier } from '../../../src/protocols/sql/classify.ts';
import { COLUMNS_MAX } from '../../../src/protocols/sql/everything.ts';
import { functionCallStatement } from '../../../src/protocols/sql/function-call.ts';
import { loadParser } from '../../../src/protocols/sql/parser.ts';
import { createSnapshot } from '../../../src/protocols/sql/snapshot.ts';
import type { Statement } from '../../../src/protocols/sql/statement.ts';
import {
  CLASSIFY,
  type SampleRows,
  sampleRows,
  TARGET,
  touches,
  type Understanding,
  understanding,
  uses,
} from './sample.ts';

let sql: Understanding;
beforeAll(async () => {
  await loadParser();
  sql = understanding();
});

function of(sample: SampleRows, text: string): Statement {
  const { catalogue } = createSnapshot({ rows: sample.rows, version: 1, target: TARGET, classify: CLASSIFY });
  const context = { ...sql.context, catalogue };
  return createClassifier({ limits: LIMITS }).statement(Buffer.from(text), context);
}

const mentions = (statement: Statement) => uses(statement).filter((use) => use.startsWith('mention '));

describe('errors and notices may quote every column of a row that is written (M6, M7)', () => {
  test.each([
    ['INSERT INTO customers (id) VALUES (1)', ['name', 'email', 'ssn', 'card', 'note']],
    ['INSERT INTO customers (id) VALUES (1) RETURNING id', ['name', 'email', 'ssn', 'card', 'note']],
    ["UPDATE customers SET name = 'x'", ['id', 'email', 'ssn', 'card', 'note']],
    ['DELETE FROM customers WHERE id = 1', ['name', 'email', 'ssn', 'card', 'note']],
    ['COPY customers (id, name) FROM STDIN', ['email', 'ssn', 'card', 'note']],
    [
      'MERGE INTO customers c USING a ON c.id = a.id WHEN MATCHED THEN DELETE',
      ['name', 'email', 'ssn', 'card', 'note'],
    ],
    ['WITH d AS (DELETE FROM customers) SELECT 1', ['id', 'name', 'email', 'ssn', 'card', 'note']],
    ['EXPLAIN ANALYZE DELETE FROM customers', ['id', 'name', 'email', 'ssn', 'card', 'note']],
    ['ALTER TABLE customers ALTER id TYPE text', ['name', 'email', 'ssn', 'card', 'note']],
    ['CREATE UNIQUE INDEX i ON customers (name)', ['id', 'email', 'ssn', 'card', 'note']],
    ['DO $$ BEGIN DELETE FROM customers; END $$', ['id', 'name', 'email', 'ssn', 'card', 'note']],
  ])('%s', (text, columns) => {
    expect(mentions(sql.of(text)).sort()).toEqual(columns.map((column) => `mention customers.${column}`).sort());
  });
  test('a use that says more takes its place', () => {
    const of = uses(sql.of("UPDATE customers SET ssn = 'x' WHERE email = 'y' RETURNING card"));
    expect(of).toEqual(expect.arrayContaining(['assign customers.ssn', 'compare/lookup customers.email']));
    expect(of.filter((use) => /ssn|email|card/.test(use)).some((use) => use.startsWith('mention'))).toBe(false);
  });
  test('nothing is mentioned by reading tables, or the system’s own relations', () => {
    for (const text of ['SELECT id FROM customers', 'SELECT * FROM events', 'SELECT rolname FROM pg_roles']) {
      expect(mentions(sql.of(text)), text).toEqual([]);
    }
  });
  test('a mention neither reveals nor computes', () => {
    const statement = sql.of("INSERT INTO customers (id, name) VALUES (1, 'x') RETURNING id");
    expect([...statement.revealed]).toEqual(['crm/public.customers.id']);
    expect([...statement.computedFrom]).toEqual([]);
  });
  test('what a COPY puts out is known as what goes into its output', () => {
    for (const text of ['COPY customers (ssn) TO STDOUT', 'COPY (SELECT ssn FROM customers) TO STDOUT']) {
      expect([...sql.of(text).computedFrom], text).toContain('crm/public.customers.ssn');
    }
    expect([...sql.of('COPY customers (id) FROM STDIN').computedFrom]).toEqual([]);
  });
});

test('what a cursor of the same text puts out is what its query looks at, not what it mentions', () => {
  const statement = sql.of('DECLARE c CURSOR FOR SELECT tax FROM deep_view; FETCH c');
  expect([...statement.computedFrom]).toEqual(expect.arrayContaining(['crm/public.customers.ssn']));
  expect([...statement.computedFrom]).not.toContain('crm/public.customers.card');
});

describe('as far as the catalogue knows', () => {
  test('views mention what they are made of, read or written', () => {
    for (const text of ['SELECT id FROM deep_view', "UPDATE deep_view SET id = '1'"]) {
      expect(mentions(sql.of(text)), text).toEqual(
        expect.arrayContaining(['mention customers.ssn', 'mention customer_view.tax', 'mention deep_view.tax']),
      );
    }
  });
  test('partitions and their parents', () => {
    expect(mentions(sql.of("INSERT INTO events (id) VALUES ('1')"))).toEqual(
      expect.arrayContaining(['mention events.who', 'mention events_2024.email']),
    );
  });
  test('rules: what they write is mentioned by what they stand on', () => {
    const sample = sampleRows();
    sample.rows.ruleColumns.push({ relation: sample.oidOf('public.t'), from: sample.oidOf('public.users'), column: 1 });
    expect(mentions(of(sample, 'DELETE FROM t'))).toContain('mention users.ssn');
    expect(mentions(of(sample, 'SELECT x FROM t'))).toEqual([]);
  });
  test('foreign keys: rows that point at a row change or go with it, all the way', () => {
    const sample = sampleRows();
    const key = (relation: string, referenced: string) =>
      sample.rows.foreignKeys.push({
        relation: sample.oidOf(relation),
        columns: [1],
        referenced: sample.oidOf(referenced),
        referencedColumns: [1],
      });
    key('public.customers', 'public.a');
    key('public.users', 'public.customers');
    key('public.a', 'public.a');
    expect(mentions(of(sample, 'DELETE FROM a'))).toEqual(
      expect.arrayContaining(['mention a.x', 'mention customers.ssn', 'mention users.ssn']),
    );
    expect(mentions(of(sample, 'DELETE FROM users'))).not.toContain('mention customers.ssn');
    expect(mentions(of(sample, 'SELECT x FROM a'))).toEqual([]);
  });
  test('a table whose reading runs a function mentions its columns when it is read', () => {
    const sample = sampleRows();
    const row = { relation: sample.oidOf('public.t'), function: sample.oidOf('public.f()'), on: 'read' as const };
    sample.rows.relationFunctions.push(row);
    expect(mentions(of(sample, 'SELECT x FROM t'))).toContain('mention t.ssn');
  });
});

describe('statistics and other people’s statements may hold any value (M8)', () => {
  test.each([
    'SELECT attname FROM pg_stats',
    'SELECT count(*) FROM pg_stat_activity',
    'SELECT 1 FROM a WHERE EXISTS (SELECT 1 FROM pg_catalog.pg_prepared_statements)',
    'COPY pg_stats TO STDOUT',
    'EXPLAIN SELECT * FROM pg_stats',
    'PREPARE p AS SELECT * FROM pg_authid',
    'SELECT 1; SELECT * FROM pg_largeobject',
    'SELECT * FROM pg_stat_get_activity(NULL)',
    'SELECT pg_stat_get_backend_activity(1)',
    'SELECT pg_catalog.pg_prepared_statement()',
    'SELECT 1 FROM a WHERE x = any_schema.pg_stat_statements(true)',
    'SELECT lo_get(1)',
  ])('%s compares every column, labelled or not', (text) => {
    const found = uses(sql.of(text));
    for (const column of ['customers.ssn', 'customers.id', 'secrets.token', 'events_2024.day', 'deep_view.tax']) {
      expect(found).toContain(`compare/function ${column}`);
    }
    expect(found.filter((use) => use.startsWith('compare')).some((use) => / pg_(class|roles)\./.test(use))).toBe(false);
    expect(sql.of(text).classification.findings.join()).toMatch(/shows values of any column/);
  });
  test('so does a view over them', () => {
    const sample = sampleRows().view('public.stats', 'v', 'SELECT most_common_vals AS v FROM pg_stats', []);
    expect(uses(of(sample, 'SELECT 1 FROM stats'))).toContain('compare/function customers.ssn');
  });
  test('and a function called by its number', () => {
    const sample = sampleRows();
    const { catalogue } = createSnapshot({ rows: sample.rows, version: 1, target: TARGET, classify: CLASSIFY });
    const call = (name: string) => functionCallStatement(catalogue, sample.oidOf(`pg_catalog.${name}()`));
    expect(uses(call('pg_stat_get_activity'))).toContain('compare/function customers.ssn');
    expect(call('pg_stat_get_activity').classification).toMatchObject({ verb: 'execute', clarity: 'parsed' });
    for (const name of ['query_to_xml', 'table_to_xml', 'nextval']) {
      expect(call(name).classification.clarity, name).toBe('opaque');
    }
    expect(touches(call('pg_read_file'))).toEqual([
      'execute pg_catalog.pg_read_file',
      'administer pg_catalog.pg_read_file',
    ]);
    expect(touches(call('lower'))).toEqual(['execute pg_catalog.lower']);
    expect(uses(call('lower'))).toEqual([]);
    const unknown = functionCallStatement(catalogue, 1);
    expect(unknown.classification.clarity).toBe('opaque');
    expect(touches(unknown)).toEqual(['execute', 'opaque']);
    expect(unknown.changesState).toBe(true);
  });
  test('reading the rest of the catalogue compares nothing', () => {
    expect(uses(sql.of('SELECT relname FROM pg_class, pg_roles'))).toEqual(['reveal pg_class.relname']);
  });
  test('more columns than can be asked about are not understood', () => {
    const sample = sampleRows();
    const names = Array.from({ length: 100 }, (_, position) => `c${position}`).join(' ');
    for (let made = 0; made * 100 < COLUMNS_MAX; made += 1) sample.relation(`app.wide_${made}`, names);
    expect(of(sample, 'SELECT 1 FROM pg_stats').classification.clarity).toBe('opaque');
    expect(of(sample, 'SELECT 1 FROM pg_class').classification.clarity).toBe('parsed');
  });
});
