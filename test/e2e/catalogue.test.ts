import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createCatalogueReader } from '../../src/adapters/catalogue-postgres/reader.ts';
import { LIMITS } from '../../src/core/limits.ts';
import { CATALOG } from '../../src/core/resource.ts';
import type { Catalogue } from '../../src/protocols/sql/catalogue.ts';
import { createClassifier } from '../../src/protocols/sql/classify.ts';
import { HARMLESS_FUNCTIONS, HARMLESS_VOLATILE } from '../../src/protocols/sql/harmless.ts';
import { loadParser } from '../../src/protocols/sql/parser.ts';
import { SENSITIVE_CATALOG } from '../../src/protocols/sql/sensitive.ts';
import { createSnapshot } from '../../src/protocols/sql/snapshot.ts';
import type { Classifier, SqlContext, Statement } from '../../src/protocols/sql/statement.ts';
import { parseOnly, type Server, startServer } from '../adapters/catalogue-postgres/server.ts';

const vector = (name: string): string => readFileSync(new URL(`../vectors/sql/${name}`, import.meta.url), 'utf8');

describe.each([15, 18] as const)('against PostgreSQL %s', (version) => {
  let server: Server;
  let catalogue: Catalogue;
  let classifier: Classifier;

  beforeAll(async () => {
    await loadParser();
    server = await startServer(version);
    server.psql('-v', 'ON_ERROR_STOP=1', '-c', vector('sample.sql'));
    catalogue = await snapshot();
    classifier = createClassifier({ limits: LIMITS });
  });
  afterAll(() => server?.stop());

  async function snapshot(): Promise<Catalogue> {
    const rows = await reader(server.port).read();
    const target = { kind: 'Target', id: 'crm', labels: [], parent: null } as const;
    const classify = [{ column: 'public.customers.ssn', label: 'pii' }];
    return createSnapshot({ rows, version: 1, target, classify }).catalogue;
  }

  function understand(text: string, context: Partial<SqlContext> = {}): Statement {
    return classifier.statement(Buffer.from(text), {
      catalogue,
      searchPath: ['public'],
      prepared: () => null,
      cursor: () => null,
      ...context,
    });
  }

  function problems(statement: Statement): readonly string[] {
    const { classification, unknownNames } = statement;
    const found = classification.touches
      .filter(({ action, resource }) => {
        const catalog = resource.parent?.labels.includes(CATALOG) ?? false;
        return action !== 'sql.read' || !(resource.kind === 'Target' || catalog);
      })
      .map(({ action, resource }) => `${action} ${resource.id}`);
    return [...found, ...classification.findings, ...unknownNames];
  }

  test('the snapshot knows relations, columns, sources and what runs', () => {
    const customers = catalogue.relation('public', 'customers');
    const view = catalogue.relation('public', 'view_of_view');
    expect(catalogue.serverVersion).toBeGreaterThanOrEqual(version * 10_000);
    expect(customers?.columnByName('ssn')?.resource.labels).toEqual(['pii']);
    expect(view?.columnByName('tax')?.resource.labels).toEqual(['pii']);
    expect(view?.columnByName('id')?.resource.labels).toEqual([]);
    expect(view?.bases).toContain(customers?.oid);
    expect(catalogue.relation('public', 'mat')?.columnByName('ssn')?.resource.labels).toEqual(['pii']);
    expect(catalogue.relation('public', 'gen')?.columnByName('b')?.sources).toHaveLength(2);
    const runs = catalogue.relation('public', 'audited')?.functionsOnWrite ?? [];
    expect(runs.map((oid) => catalogue.functionByOid(oid)?.name)).toEqual(['trg']);
    const danger = catalogue.relation('public', 'danger')?.functionsOnRead ?? [];
    expect(danger.map((oid) => catalogue.functionByOid(oid)?.name)).toContain('pg_read_file');
    expect(catalogue.relation('pg_catalog', 'pg_stats')?.resource.parent?.labels).toEqual([SENSITIVE_CATALOG]);
    expect(catalogue.relation('pg_catalog', 'pg_class')?.resource.parent?.labels).toEqual([CATALOG]);
    const checked = catalogue.type('public', 'checked')?.functions ?? [];
    expect(checked.map((oid) => catalogue.functionByOid(oid)?.name)).toEqual(['isok']);
  });

  test('every harmless function exists in 15 or 18 and is not volatile unless a reason says so', async () => {
    const rows = server.psql(
      '-At',
      '-c',
      `SELECT proname, string_agg(DISTINCT provolatile::text, ''), bool_or(prokind = 'p')
       FROM pg_catalog.pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace GROUP BY proname`,
    );
    const facts = new Map(
      rows
        .trim()
        .split('\n')
        .map((line) => [line.split('|')[0] ?? '', line.split('|')]),
    );
    const wrong = [...HARMLESS_FUNCTIONS].filter((name) => facts.get(name)?.[1]?.includes('v') ?? false);
    expect(wrong).toEqual([]);
    const procedures = [...HARMLESS_FUNCTIONS].filter((name) => facts.get(name)?.[2] === 't');
    expect(procedures).toEqual([]);
    for (const name of [...HARMLESS_FUNCTIONS, ...Object.keys(HARMLESS_VOLATILE)]) {
      const seen = found.get(name) ?? new Set();
      found.set(name, seen);
      if (facts.has(name)) seen.add(version);
    }
    if (version === 18) expect([...found].filter(([, versions]) => versions.size === 0)).toEqual([]);
  });

  test("psql's own queries read nothing but the catalogue", async () => {
    const queries = new Set<string>();
    for (const command of PSQL_COMMANDS) {
      let output = '';
      try {
        output = server.psql('-E', '-c', command);
      } catch (error) {
        // psql 15 asks a newer server for columns that are gone; what it printed before is judged all the same.
        output = error instanceof Error && 'stdout' in error ? String(error.stdout) : '';
      }
      for (const match of output.matchAll(/\*{6,} QUERY \*{6,}\/?\n([\s\S]*?)\n\/?\*{20,}/g))
        queries.add(match[1] ?? '');
    }
    expect(queries.size).toBeGreaterThan(60);
    const texts = [...queries];
    const accepted = await parseOnly(server, texts);
    const judged = texts
      .filter((_, position) => accepted[position] === null)
      .map((text) => ({ text, problems: problems(understand(text)) }));
    expect(judged.filter((each) => each.problems.length > 0)).toEqual([]);
    expect(judged.length).toBeGreaterThan(55);
  });

  test('statements that the server takes are not opaque', async () => {
    const texts = vector('statements.sql')
      .split('\n')
      .filter((line) => line !== '');
    const states = await parseOnly(server, texts);
    const accepted = texts.filter((_, position) => !['42601', '42P02'].includes(states[position] ?? ''));
    expect(accepted.length).toBeGreaterThan(300);
    const opaque = accepted.filter((text) => understand(text).classification.clarity === 'opaque');
    expect(opaque.length / accepted.length, opaque.join('\n')).toBeLessThanOrEqual(0.01);
  });

  test('every relation that a plan touches is among the touches', async () => {
    const client = new pg.Client({ host: '127.0.0.1', port: server.port, user: 'postgres', database: 'postgres' });
    await client.connect();
    try {
      for (const [path, text] of PLANNED) {
        await client.query(`SELECT pg_catalog.set_config('search_path', $1, false)`, [path.join(', ')]);
        const { rows } = await client.query(`EXPLAIN (VERBOSE, FORMAT JSON, COSTS off) ${text}`);
        const planned = [...relationsOf(rows[0]?.['QUERY PLAN'])].sort();
        const touched = understand(text, { searchPath: path }).classification.touches.map(
          ({ resource }) => resource.id,
        );
        for (const relation of planned) expect(touched, text).toContain(`crm/${relation}`);
        expect(planned.length, text).toBeGreaterThan(0);
      }
    } finally {
      await client.end();
    }
  });

  test('start-up queries of drivers read nothing but the catalogue', () => {
    for (const text of DRIVER_QUERIES) expect(problems(understand(text)), text.slice(0, 80)).toEqual([]);
  });

  // pg_dump refuses servers newer than itself.
  const dump = version === 15 ? test : undefined;
  dump?.('pg_dump --schema-only asks for nothing but the catalogue and its shared locks', () => {
    server.psql('-c', "ALTER SYSTEM SET log_statement = 'all'", '-c', 'SELECT pg_reload_conf()');
    const before = server.log().length;
    const address = ['-h', '127.0.0.1', '-p', String(server.port), '-U', 'postgres'];
    execFileSync('pg_dump', ['--schema-only', ...address, 'postgres'], { stdio: 'ignore' });
    const statements = server
      .log()
      .slice(before)
      .split(/^@@@/m)
      .flatMap((line) => /^LOG: {2}(?:statement|execute [^:]*): ([\s\S]*?)\s*$/.exec(line)?.[1] ?? []);
    expect(statements.length).toBeGreaterThan(80);
    const prepared = new Map<string, Statement | null>();
    let searchPath: readonly string[] = ['public'];
    for (const text of statements) {
      if (text.includes('pg_reload_conf')) continue;
      const statement = understand(text, { searchPath, prepared: (name) => prepared.get(name) ?? null });
      for (const part of statement.parts) if (part.prepares !== null) prepared.set(part.prepares, part.inner);
      if (text.includes("set_config('search_path', ''")) searchPath = [];
      expect(statement.classification, text.slice(0, 80)).toMatchObject({ verb: 'read', clarity: 'parsed' });
    }
  });
});

const found = new Map<string, Set<number>>();

function reader(port: number) {
  return createCatalogueReader({
    user: 'postgres',
    password: 'none',
    database: 'postgres',
    connect_ms: 5_000,
    statement_ms: 20_000,
    connect: () =>
      new Promise((resolve, reject) => {
        const socket = net.connect(port, '127.0.0.1', () => resolve(socket));
        socket.on('error', reject);
      }),
  });
}

/** `schema.relation` of every node of a plan. */
function* relationsOf(plan: unknown): Iterable<string> {
  if (Array.isArray(plan)) for (const each of plan) yield* relationsOf(each);
  else if (typeof plan === 'object' && plan !== null) {
    const node = new Map(Object.entries(plan));
    if (node.has('Relation Name')) yield `${node.get('Schema')}.${quoted(String(node.get('Relation Name')))}`;
    for (const value of node.values()) yield* relationsOf(value);
  }
}

function quoted(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name}"`;
}

const PSQL_COMMANDS =
  `\\d|\\dt|\\dt+|\\d+ customers|\\d+ customer_view|\\d events|\\d+ events_2024|\\d audited|\\d seq1|\\d mat
  |\\df|\\df+|\\du|\\du+|\\l|\\l+|\\dn|\\dn+|\\dv|\\dv+|\\di|\\di+|\\z|\\sf f|\\sf+ f|\\sv customer_view|\\dT|\\dT+|\\dC|\\do|\\dd|\\dm
  |\\ds|\\dS|\\dx|\\dp|\\dD|\\db|\\dconfig|\\da|\\dc|\\dO|\\dE|\\dF|\\dFd|\\dy|\\dRp|\\dX|\\des|\\dew|\\det|\\dL|\\dA|\\dAc|\\dAf|\\dP|\\ddp`
    .split('|')
    .map((command) => command.trim());

const PLANNED: readonly (readonly [readonly string[], string])[] = [
  [['public'], 'SELECT * FROM customers'],
  [['public'], 'SELECT * FROM view_of_view'],
  [['public'], 'SELECT * FROM joined WHERE ssn = $$1$$'],
  [['public'], 'SELECT * FROM events'],
  [['public'], 'SELECT * FROM ONLY parent_t'],
  [['public'], 'SELECT * FROM parent_t'],
  [['public'], 'UPDATE parent_t SET a = 1'],
  [['public'], 'DELETE FROM events WHERE id = 1'],
  [['public'], 'WITH users AS (SELECT * FROM users) SELECT * FROM users'],
  [['public'], 'WITH users AS (SELECT 1 AS id) SELECT * FROM public.users'],
  [['public'], 'WITH users AS (SELECT 1 AS id) SELECT * FROM a WHERE id IN (SELECT id FROM users)'],
  [['public'], 'WITH w AS (WITH users AS (SELECT * FROM a) SELECT * FROM users) SELECT * FROM w, users'],
  [['public'], 'WITH RECURSIVE users AS (SELECT id FROM b UNION SELECT id FROM users) SELECT * FROM users'],
  [['public'], 'WITH a AS (SELECT * FROM b), b AS (SELECT * FROM a) SELECT * FROM b'],
  [['public'], 'WITH a AS (SELECT * FROM b) INSERT INTO a SELECT * FROM a'],
  [['public'], 'WITH t AS (SELECT 1 AS id) DELETE FROM t USING a WHERE t.id = a.id'],
  [['private', 'public'], 'SELECT * FROM users'],
  [['public', 'private'], 'SELECT * FROM users, secrets'],
  [['evil', 'private'], 'SELECT * FROM users'],
  [['public'], 'SELECT * FROM "Users", users'],
  [['public'], 'SELECT * FROM U&"\\0075sers" u1'],
  [['public'], 'SELECT (SELECT max(id) FROM a) FROM b'],
  [['public'], 'SELECT * FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.id = a.id)'],
  [['public'], 'SELECT * FROM a JOIN LATERAL (SELECT * FROM b WHERE b.id = a.id) l ON true'],
  [['public'], 'SELECT id FROM a UNION SELECT id FROM b EXCEPT SELECT id FROM t'],
  [['public'], 'INSERT INTO t (id) SELECT id FROM customers ON CONFLICT DO NOTHING'],
  [['public'], 'UPDATE t SET x = (SELECT name FROM users WHERE users.id = t.id) FROM a WHERE a.id = t.id'],
  [['public'], 'MERGE INTO t USING customer_view c ON t.id = c.id WHEN MATCHED THEN DELETE'],
  [['public'], 'SELECT * FROM pg_class'],
  [['public', 'pg_catalog'], 'SELECT * FROM pg_class'],
  [['public'], 'SELECT * FROM mat'],
  [['public'], 'TABLE users'],
  [['public'], 'SELECT count(*) FROM (SELECT 1 FROM a TABLESAMPLE system (50)) s'],
  [['public'], 'SELECT 1 FROM a ORDER BY (SELECT id FROM b LIMIT 1)'],
  [['public'], 'SELECT 1 FROM a GROUP BY x HAVING count(*) > (SELECT count(*) FROM b)'],
  [['public'], 'SELECT 1 FROM a LIMIT (SELECT count(*) FROM b)'],
  [['public'], 'VALUES ((SELECT max(id) FROM a))'],
  [['public'], 'SELECT sum(id) OVER (PARTITION BY (SELECT 1 FROM b LIMIT 1)) FROM a'],
  [['public'], 'SELECT ARRAY(SELECT id FROM a)'],
  [['public'], 'SELECT CASE WHEN (SELECT true FROM a LIMIT 1) THEN 1 END'],
  [['public'], 'SELECT * FROM generate_series(1, (SELECT max(id) FROM a)) g'],
];

/** What drivers ask when they connect or meet a type they do not know; asyncpg 0.30 introspection, psycopg 3, JDBC. */
const DRIVER_QUERIES: readonly string[] = [
  vector('asyncpg-introspection.sql'),
  'SELECT t.oid, t.typname, t.typarray FROM pg_type t JOIN pg_namespace n ON t.typnamespace = n.oid',
  `SELECT typname AS name, oid, typarray AS array_oid, oid::regtype::text AS regtype, typdelim AS delimiter
   FROM pg_type t WHERE t.oid = to_regtype($1) ORDER BY t.oid`,
  'SELECT pg_catalog.version()',
  'SHOW transaction_read_only',
  'SHOW TRANSACTION ISOLATION LEVEL',
  'SET extra_float_digits = 3',
  "SET application_name = 'PostgreSQL JDBC Driver'",
  'SET client_encoding TO UTF8',
  "SET client_min_messages TO 'warning'; SET standard_conforming_strings = on; SET datestyle TO ISO",
  'SELECT current_schema(), session_user',
  'SELECT pg_catalog.pg_is_in_recovery()',
  'BEGIN ISOLATION LEVEL READ COMMITTED',
  'BEGIN READ ONLY',
  'SELECT pg_advisory_unlock_all(); CLOSE ALL; UNLISTEN *;',
  `SELECT NULL AS TABLE_CAT, n.nspname AS TABLE_SCHEM, c.relname AS TABLE_NAME,
     CASE n.nspname ~ '^pg_' OR n.nspname = 'information_schema' WHEN true THEN 'SYSTEM TABLE' ELSE 'TABLE' END,
     d.description AS REMARKS
   FROM pg_catalog.pg_namespace n, pg_catalog.pg_class c
   LEFT JOIN pg_catalog.pg_description d ON (c.oid = d.objoid AND d.objsubid = 0 AND d.classoid = 'pg_class'::regclass)
   LEFT JOIN pg_catalog.pg_class dc ON (d.classoid = dc.oid AND dc.relname = 'pg_class')
   WHERE c.relnamespace = n.oid AND (false OR (c.relkind = 'r')) ORDER BY TABLE_SCHEM, TABLE_NAME`,
  'SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = ANY ($1)',
];
