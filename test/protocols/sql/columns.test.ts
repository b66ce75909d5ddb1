import { beforeAll, describe, expect, test } from 'vitest';
import { loadParser } from '../../../src/protocols/sql/parser.ts';
import { createSnapshot } from '../../../src/protocols/sql/snapshot.ts';
import type { Statement } from '../../../src/protocols/sql/statement.ts';
import { sampleRows, TARGET, type Understanding, understanding, uses } from './sample.ts';

let sql: Understanding;
beforeAll(async () => {
  await loadParser();
  sql = understanding();
});

const SSN = 'crm/public.customers.ssn';

/** How a text uses customers.ssn. */
function ssn(text: string): readonly string[] {
  return uses(sql.of(text))
    .filter((use) => use.endsWith(' customers.ssn'))
    .map((use) => use.replace(' customers.ssn', ''))
    .sort();
}

describe('a bare column of a plain SELECT is revealed, and nothing else is said about it', () => {
  test.each([
    'SELECT ssn FROM customers',
    'SELECT c.ssn FROM customers c',
    'SELECT public.customers.ssn FROM public.customers',
    'SELECT ssn AS other FROM customers',
    'SELECT * FROM customers',
    'SELECT c.* FROM customers AS c',
    'TABLE customers',
    'SELECT ssn FROM customers WHERE id = 1 ORDER BY name LIMIT 3',
    'SELECT ssn, count(*) OVER () FROM customers',
    'SELECT c.ssn FROM customers c JOIN orders o ON o.customer_id = c.id',
    'SELECT c.ssn FROM orders o, customers c WHERE o.customer_id = c.id',
    'SELECT c.ssn FROM orders o LEFT JOIN customers c ON o.customer_id = c.id',
    'SELECT x.s FROM customers x (i, n, e, s)',
    'UPDATE customers SET name = $1 WHERE id = 1 RETURNING ssn',
    'DELETE FROM customers WHERE id = 1 RETURNING *',
    'UPDATE t SET x = $1 FROM customers c WHERE c.id = t.id RETURNING c.ssn',
  ])('%s', (text) => {
    expect(ssn(text)).toEqual(['reveal']);
    expect(sql.of(text).revealed).toContain(SSN);
    expect(sql.of(text).computedFrom).not.toContain(SSN);
  });
});

describe('anything computed from it is a comparison that goes into the output (M1, M2, M3)', () => {
  test.each([
    'SELECT upper(ssn) FROM customers',
    "SELECT ssn || 'x' FROM customers",
    'SELECT ssn::text FROM customers',
    'SELECT CAST(ssn AS varchar(4)) FROM customers',
    'SELECT ssn::bytea FROM customers',
    'SELECT md5(ssn), reverse(ssn), substr(ssn, 1, 1) FROM customers',
    "SELECT encode(ssn::bytea, 'hex') FROM customers",
    'SELECT coalesce(ssn, name) FROM customers',
    'SELECT CASE WHEN id = 1 THEN ssn END FROM customers',
    'SELECT CASE WHEN ssn IS NULL THEN 1 END FROM customers',
    "SELECT ssn = '1' FROM customers",
    'SELECT ARRAY[ssn] FROM customers',
    'SELECT ROW (ssn, id) FROM customers',
    'SELECT (ssn) COLLATE "C" FROM customers',
    'SELECT customers FROM customers',
    'SELECT customers::text FROM customers',
    'SELECT c FROM customers c',
    'SELECT (c).ssn FROM customers c',
    'SELECT (c).* FROM customers c',
    'SELECT ssn(c) FROM customers c',
    'SELECT row_to_json(c) FROM customers c',
    'SELECT to_jsonb(customers) FROM customers',
    'SELECT json_agg(c) FROM customers c',
    'SELECT array_agg(ssn) FROM customers',
    "SELECT string_agg(ssn, ',') FROM customers",
    'SELECT count(c) FROM customers c',
    'SELECT count(ssn) FROM customers',
    'SELECT min(ssn), max(ssn) FROM customers',
    'SELECT xmlforest(ssn) FROM customers',
    "SELECT JSON_OBJECT('a': ssn) FROM customers",
    'SELECT ssn FROM (SELECT ssn FROM customers) s',
    'SELECT q FROM (SELECT ssn FROM customers) s (q)',
    'SELECT * FROM (SELECT * FROM customers) s',
    'SELECT s FROM (SELECT ssn FROM customers) s',
    'WITH w AS (SELECT ssn FROM customers) SELECT ssn FROM w',
    'WITH w (q) AS (SELECT ssn FROM customers) SELECT q FROM w',
    'WITH w AS (SELECT * FROM customers) SELECT * FROM w',
    'WITH w AS (UPDATE customers SET name = $1 RETURNING ssn) SELECT ssn FROM w',
    'WITH RECURSIVE r (n, q) AS (SELECT 1, ssn FROM customers UNION ALL SELECT n + 1, q FROM r) SELECT q FROM r',
    'WITH RECURSIVE r (p, q) AS (SELECT name, ssn FROM customers UNION ALL SELECT q, p FROM r) SELECT p FROM r',
    'WITH RECURSIVE one AS (SELECT * FROM two), two AS (SELECT ssn FROM customers) SELECT * FROM one',
    'SELECT (SELECT ssn FROM customers LIMIT 1)',
    'SELECT (SELECT max(ssn) FROM customers)',
    'SELECT ARRAY(SELECT ssn FROM customers)',
    'SELECT name FROM a UNION SELECT ssn FROM customers',
    'SELECT ssn FROM customers UNION ALL SELECT $1',
    'SELECT ssn FROM customers EXCEPT SELECT $1',
    'SELECT l.q FROM customers c, LATERAL (SELECT c.ssn AS q) l',
    'SELECT v.q FROM customers c, LATERAL (VALUES (c.ssn)) v (q)',
    'SELECT u FROM customers c, unnest(ARRAY[c.ssn]) u',
    'SELECT q FROM customers c, LATERAL ROWS FROM (unnest(ARRAY[c.ssn])) AS f (q)',
    'SELECT first_value(ssn) OVER (ORDER BY id) FROM customers',
    'SELECT lag(ssn) OVER () FROM customers',
    'SELECT ssn FROM customers c FULL JOIN users u USING (ssn)',
    'SELECT j.q FROM (customers c JOIN users u ON c.id = u.id) AS j (a, b, c, q)',
    'VALUES ((SELECT ssn FROM customers LIMIT 1))',
    'INSERT INTO t (id) VALUES (1) RETURNING (SELECT ssn FROM customers LIMIT 1)',
    'UPDATE customers SET id = 1 RETURNING upper(ssn)',
    'UPDATE customers SET id = 1 RETURNING old.ssn',
    'UPDATE customers SET id = 1 RETURNING WITH (NEW AS n) n.ssn',
    'SELECT z.ssn FROM generate_series(1, 2) g, LATERAL (SELECT * FROM customers WHERE id = g) z',
  ])('%s', (text) => {
    expect(ssn(text)).not.toContain('reveal');
    expect(ssn(text).some((use) => use.startsWith('compare'))).toBe(true);
    expect([...sql.of(text).computedFrom]).toContain(SSN);
  });
});

describe('whatever decides is a comparison of its kind (M5)', () => {
  test.each([
    ["SELECT id FROM customers WHERE ssn = '1'", 'lookup'],
    ['SELECT id FROM customers WHERE ssn = $1', 'lookup'],
    ['SELECT id FROM customers WHERE $1::text = customers.ssn AND id > 3', 'lookup'],
    ["UPDATE customers SET name = 'x' WHERE ssn = '1'", 'lookup'],
    ["SELECT id FROM customers WHERE ssn = '1' OR ssn = '2'", 'range'],
    ["SELECT id FROM customers WHERE NOT ssn = '1'", 'range'],
    ["SELECT id FROM customers WHERE ssn IN ('1', '2')", 'range'],
    ['SELECT id FROM customers WHERE ssn = ANY ($1)', 'range'],
    ["SELECT id FROM customers WHERE ssn <> '1'", 'range'],
    ["SELECT id FROM customers WHERE ssn > '1'", 'range'],
    ["SELECT id FROM customers WHERE ssn BETWEEN '1' AND '2'", 'range'],
    ['SELECT id FROM customers WHERE ssn IS NULL', 'range'],
    ["SELECT id FROM customers WHERE ssn IS DISTINCT FROM '1'", 'range'],
    ["SELECT id FROM customers WHERE ssn = '1'; SELECT id FROM customers WHERE ssn = '2'", 'range'],
    ["SELECT (SELECT count(*) FROM customers WHERE ssn = '1')", 'range'],
    ["SELECT id FROM customers WHERE ssn LIKE '1%'", 'pattern'],
    ["SELECT id FROM customers WHERE ssn ~ '^1'", 'pattern'],
    ["SELECT id FROM customers WHERE ssn ^@ '1'", 'pattern'],
    ["SELECT id FROM customers WHERE ssn SIMILAR TO '1%'", 'pattern'],
    ['SELECT c.id FROM customers c JOIN users u ON c.ssn = u.ssn', 'join'],
    ['SELECT c.id FROM customers c, users u WHERE c.ssn = u.ssn', 'join'],
    ['SELECT c.id FROM customers c JOIN users u USING (ssn)', 'join'],
    ['SELECT c.card FROM customers c NATURAL JOIN users u', 'join'],
    ['SELECT 1 FROM a WHERE x IN (SELECT ssn FROM customers)', 'join'],
    ['SELECT id FROM customers WHERE ssn IN (SELECT x FROM a)', 'join'],
    ['SELECT id FROM customers ORDER BY ssn', 'order'],
    ['SELECT ssn AS q FROM customers ORDER BY q', 'order'],
    ['SELECT ssn FROM customers ORDER BY 1', 'order'],
    ['SELECT id, * FROM customers ORDER BY 5', 'order'],
    ['SELECT rank() OVER (ORDER BY ssn) FROM customers', 'order'],
    ['SELECT count(*) FROM customers GROUP BY ssn', 'group'],
    ['SELECT ssn FROM customers GROUP BY 1', 'group'],
    ['SELECT DISTINCT ssn FROM customers', 'group'],
    ['SELECT DISTINCT ON (ssn) id FROM customers', 'group'],
    ['SELECT rank() OVER (PARTITION BY ssn) FROM customers', 'group'],
    ['SELECT ssn FROM customers INTERSECT SELECT x FROM a', 'group'],
    ["SELECT id FROM customers WHERE substr(ssn, 1, 1) = '1'", 'function'],
    ["SELECT id FROM customers WHERE ssn::text = '1'", 'function'],
    ["SELECT id FROM customers WHERE ssn || '' = '1'", 'function'],
    ['SELECT count(*) FILTER (WHERE length(ssn) > 3) FROM customers', 'function'],
    ['SELECT count(*) FROM customers HAVING max(ssn) > $1', 'function'],
    ['SELECT id FROM customers LIMIT (SELECT length(ssn) FROM customers LIMIT 1)', 'function'],
    ['SELECT 1 FROM a WHERE x = (SELECT ssn FROM customers LIMIT 1)', 'function'],
    ['EXPLAIN SELECT ssn FROM customers', 'function'],
    ['EXPLAIN ANALYZE SELECT ssn FROM customers', 'function'],
    ['DECLARE c CURSOR FOR SELECT ssn FROM customers', 'function'],
    ['COPY customers TO STDOUT', 'function'],
    ['COPY customers (id, ssn) TO STDOUT', 'function'],
    ['COPY (SELECT ssn FROM customers) TO STDOUT', 'function'],
    ['INSERT INTO customers (id) VALUES (1) ON CONFLICT DO NOTHING', 'function'],
    ['DO $$BEGIN PERFORM ssn FROM customers; END$$', 'function'],
  ])('%s compares by %s', (text, comparison) => {
    expect(ssn(text)).toContain(`compare/${comparison}`);
  });
  test('columns of a derived table are compared for what the outer query does with them', () => {
    expect(ssn("SELECT 1 FROM (SELECT ssn AS q FROM customers) s WHERE q LIKE '1%'")).toContain('compare/pattern');
    expect(ssn('WITH w AS (SELECT ssn AS q FROM customers) SELECT 1 FROM w ORDER BY q')).toContain('compare/order');
    const recursive =
      "WITH RECURSIVE r (a) AS (SELECT 'x' UNION ALL SELECT ssn FROM customers, r WHERE r.a LIKE '1%') SELECT 1";
    expect(ssn(recursive)).toContain('compare/pattern');
  });
});

describe('what is written and what it is written from is assigned (M4)', () => {
  test.each([
    'INSERT INTO customers VALUES (1)',
    'INSERT INTO customers (ssn) VALUES ($1)',
    "UPDATE customers SET ssn = '1'",
    "UPDATE customers SET (id, ssn) = (1, '1')",
    'COPY customers FROM STDIN',
    'COPY customers (ssn) FROM STDIN',
    'MERGE INTO customers c USING a ON a.id = c.id WHEN MATCHED THEN UPDATE SET ssn = a.x',
    'MERGE INTO customers c USING a ON a.id = c.id WHEN NOT MATCHED THEN INSERT VALUES (1)',
    'INSERT INTO t (x) SELECT ssn FROM customers',
    'INSERT INTO t SELECT * FROM customers',
    'INSERT INTO t (x) SELECT upper(ssn) FROM customers',
    'INSERT INTO t (x) SELECT ssn FROM customers UNION SELECT $1',
    'INSERT INTO t (x) WITH w AS (SELECT ssn FROM customers) SELECT ssn FROM w',
    'INSERT INTO t (x) VALUES ((SELECT ssn FROM customers LIMIT 1))',
    'UPDATE t SET pub = c.ssn FROM customers c',
    'UPDATE t SET pub = (SELECT ssn FROM customers LIMIT 1)',
    'UPDATE customers SET note = ssn',
    'MERGE INTO t USING customers c ON t.id = c.id WHEN MATCHED THEN UPDATE SET pub = c.ssn',
    'INSERT INTO t (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET pub = (SELECT ssn FROM customers LIMIT 1)',
    'CREATE TABLE fresh AS SELECT ssn FROM customers',
    'SELECT ssn INTO fresh FROM customers',
    'CREATE VIEW fresh AS SELECT ssn AS x FROM customers',
    'CREATE MATERIALIZED VIEW fresh AS TABLE customers',
    'ALTER TABLE customers ADD copy text GENERATED ALWAYS AS (ssn) STORED',
    'ALTER TABLE customers ALTER note TYPE text USING ssn',
    'CREATE RULE r AS ON UPDATE TO customers DO ALSO INSERT INTO t (pub) VALUES (old.ssn)',
  ])('%s', (text) => {
    expect(ssn(text)).toContain('assign');
    expect(ssn(text)).not.toContain('reveal');
  });
});

describe('what EXISTS puts out decides nothing, unless rows are compared with one another (M5)', () => {
  test.each([
    "SELECT id FROM customers c WHERE EXISTS (SELECT c.ssn INTERSECT SELECT 'x')",
    "SELECT id FROM customers c WHERE EXISTS (SELECT c.ssn EXCEPT SELECT 'x')",
    "SELECT id FROM customers c WHERE EXISTS (SELECT c.ssn UNION SELECT 'x' ORDER BY 1 OFFSET 1)",
    "SELECT id FROM customers c WHERE NOT EXISTS (SELECT 'x' EXCEPT SELECT ssn)",
    "SELECT id FROM customers c WHERE EXISTS (SELECT 1 WHERE false UNION (SELECT c.ssn EXCEPT SELECT 'x'))",
    'SELECT id FROM customers c WHERE EXISTS (SELECT c INTERSECT SELECT q FROM customers q)',
    'SELECT id FROM customers WHERE EXISTS (SELECT customers INTERSECT SELECT q FROM customers q)',
    'SELECT id FROM customers c WHERE EXISTS (SELECT c.* INTERSECT TABLE customers)',
    "SELECT id FROM customers c WHERE EXISTS (VALUES (c.ssn) INTERSECT VALUES ('x'))",
    "SELECT id FROM customers c WHERE EXISTS (SELECT 1 FROM a WHERE EXISTS (SELECT c.ssn INTERSECT SELECT 'x'))",
    "SELECT id FROM customers c WHERE EXISTS (SELECT q FROM a, LATERAL (SELECT c.ssn AS q INTERSECT SELECT 'x') l)",
    "SELECT id FROM customers c, LATERAL (SELECT 1 WHERE EXISTS (SELECT c.ssn EXCEPT SELECT 'x')) l",
    "SELECT id FROM customers c WHERE EXISTS (WITH w AS (SELECT c.ssn) SELECT ssn FROM w INTERSECT SELECT 'x')",
    "SELECT id FROM customers c WHERE 1 IN (SELECT 1 WHERE EXISTS (SELECT c.ssn INTERSECT SELECT 'x'))",
    "SELECT id FROM customers c WHERE 'x' IN (SELECT c.ssn)",
    "SELECT id FROM customers c WHERE 'x' = ANY (SELECT c.ssn INTERSECT SELECT 'x')",
    "SELECT id FROM customers c WHERE 'x' >= ALL (SELECT c.ssn UNION SELECT 'x')",
    "SELECT id FROM customers c ORDER BY EXISTS (SELECT c.ssn INTERSECT SELECT 'x')",
    'SELECT id FROM customers c JOIN a ON EXISTS (SELECT c.ssn INTERSECT SELECT a.x)',
    'SELECT id FROM customers c WHERE EXISTS (SELECT c.ssn FROM a GROUP BY c.ssn)',
    'SELECT id FROM customers c WHERE EXISTS (SELECT DISTINCT c.ssn FROM a OFFSET 1)',
    'SELECT id FROM customers c WHERE EXISTS (SELECT DISTINCT ON (c.ssn) 1 FROM a OFFSET 1)',
    'SELECT id FROM customers c WHERE EXISTS (SELECT c.ssn FROM a ORDER BY 1 FETCH FIRST 1 ROW WITH TIES)',
    'SELECT id FROM deep_view d WHERE EXISTS (SELECT d.tax INTERSECT SELECT $1)',
  ])('%s', (text) => {
    expect(ssn(text).some((use) => use.startsWith('compare'))).toBe(true);
  });
  test('an outer column alone is not compared', () => {
    expect(ssn('SELECT id FROM customers c WHERE EXISTS (SELECT c.ssn FROM a WHERE a.id = c.id)')).toEqual([]);
  });
});

describe('a definition that copies it, or succeeds or fails by it, writes from it (M4, M5)', () => {
  test.each([
    'CREATE TRIGGER x AFTER UPDATE ON customers FOR EACH ROW EXECUTE FUNCTION trg()',
    'CREATE TRIGGER x INSTEAD OF UPDATE ON customer_view FOR EACH ROW EXECUTE FUNCTION trg()',
    'CREATE INDEX ON customers (ssn)',
    'CREATE UNIQUE INDEX ON customers (id) INCLUDE (ssn)',
    'CREATE UNIQUE INDEX ON customers (id) WHERE ssn > $$5$$',
    'CREATE INDEX ON customers (lower(ssn))',
    'CREATE STATISTICS s ON ssn, name FROM customers',
    "CREATE STATISTICS s ON (ssn || 'x') FROM customers",
    'ALTER TABLE customers ADD UNIQUE (ssn)',
    'ALTER TABLE customers ADD PRIMARY KEY (id, ssn)',
    'ALTER TABLE customers ADD FOREIGN KEY (ssn) REFERENCES a (x)',
    'ALTER TABLE customers ADD EXCLUDE USING gist (ssn WITH =)',
    "ALTER TABLE customers ADD CHECK (ssn > '5')",
    'ALTER TABLE customers VALIDATE CONSTRAINT c',
    'ALTER TABLE customers ALTER ssn TYPE int USING id',
    'ALTER TABLE customers ALTER ssn SET NOT NULL',
    'ALTER TABLE a ADD FOREIGN KEY (x) REFERENCES customers (ssn)',
    'CREATE TABLE fresh (guess text REFERENCES customers (ssn))',
    "ALTER TABLE events ATTACH PARTITION customers FOR VALUES FROM ('a') TO ('b')",
    'ALTER TABLE customers INHERIT a',
    'ALTER TABLE customers ADD copy text GENERATED ALWAYS AS (ssn) STORED',
  ])('%s', (text) => {
    expect(ssn(text)).toContain('assign');
  });
  test.each([
    'CREATE INDEX ON customers (name)',
    'ALTER TABLE customers ADD fresh int',
    'ALTER TABLE customers DROP note',
    "ALTER TABLE customers ALTER name SET DEFAULT 'x'",
    'ALTER TABLE customers ALTER name TYPE varchar(40)',
    'CREATE TABLE fresh (id int PRIMARY KEY, ssn text UNIQUE)',
  ])('what looks at something else does not: %s', (text) => {
    expect(ssn(text).filter((use) => use !== 'mention')).toEqual([]);
  });
  test('a check of a domain is made on every column of that type', () => {
    const sample = sampleRows();
    const domain = sample.rows.types.find((type) => type.name === 'checked');
    const ssnRow = sample.rows.columns.findIndex(
      (row) => row.relation === sample.oidOf('public.customers') && row.name === 'ssn',
    );
    const row = sample.rows.columns[ssnRow];
    if (row === undefined || domain === undefined) throw new Error('the sample has changed');
    sample.rows.columns[ssnRow] = { ...row, type: domain.oid };
    const { catalogue } = createSnapshot({ rows: sample.rows, version: 1, target: TARGET, classify: [] });
    const text = Buffer.from("ALTER DOMAIN checked ADD CHECK (VALUE > '5')");
    const context = { ...sql.context, catalogue };
    expect(uses(sql.classifier.statement(text, context))).toContain('assign customers.ssn');
  });
});

describe('what does not use it', () => {
  test.each([
    'SELECT count(*) FROM customers',
    'SELECT id, name FROM customers WHERE id = 1',
    'SELECT name FROM a JOIN customers c ON c.id = a.id',
    'SELECT 1 FROM a WHERE EXISTS (SELECT * FROM customers c WHERE c.id = a.id)',
    'SELECT ctid, tableoid FROM customers',
    'SELECT ssn FROM users',
    'SELECT u.ssn FROM customers c JOIN users u ON c.id = u.id',
    'SELECT x FROM (SELECT id AS x FROM customers) s',
  ])('%s', (text) => {
    expect(ssn(text)).toEqual([]);
  });
});

describe('through views', () => {
  test('a view column is itself and what it comes from', () => {
    expect(uses(sql.of('SELECT tax FROM deep_view'))).toEqual(
      expect.arrayContaining(['reveal deep_view.tax', 'reveal customers.ssn']),
    );
    expect(ssn('SELECT id FROM deep_view')).toEqual(['mention']);
    expect(ssn("SELECT id FROM customer_view WHERE tax LIKE '1%'")).toEqual(['compare/pattern']);
  });
  test('a view that is not understood may show everything it depends on', () => {
    expect(ssn('SELECT other FROM unclear_view')).toEqual(['reveal']);
  });
});

test('a name that no relation has is asked for again, and counts as unclassified until then', () => {
  const statement: Statement = sql.of('SELECT brand_new FROM customers');
  expect(statement.unknownNames).toEqual(['brand_new']);
  expect(statement.classification.uses.map((use) => use.column.labels)).toContainEqual(['unclassified']);
});
