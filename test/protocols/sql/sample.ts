import { LIMITS } from '../../../src/core/limits.ts';
import type { Resource } from '../../../src/core/resource.ts';
import { createClassifier } from '../../../src/protocols/sql/classify.ts';
import { HARMLESS_FUNCTIONS, HARMLESS_VOLATILE } from '../../../src/protocols/sql/harmless.ts';
import type { ClassifyLine } from '../../../src/protocols/sql/labels.ts';
import type { CatalogueRows, ColumnRow, FunctionRow, RelationRow, TypeRow } from '../../../src/protocols/sql/ports.ts';
import { createSnapshot, type Snapshot } from '../../../src/protocols/sql/snapshot.ts';
import { ADMINISTERS, TAKES_SQL } from '../../../src/protocols/sql/special.ts';
import type { Classifier, SqlContext, Statement } from '../../../src/protocols/sql/statement.ts';

/** A catalogue without a server: the system's functions by name, and the tables that tests speak of. */

export const TARGET: Resource = { kind: 'Target', id: 'crm', labels: [], parent: null };
export const CLASSIFY: readonly ClassifyLine[] = [
  { column: 'public.customers.ssn', label: 'pii' },
  { column: '*.email', label: 'pii' },
];

type Mutable<Rows> = {
  -readonly [Field in keyof Rows]: Rows[Field] extends readonly (infer Row)[] ? Row[] : Rows[Field];
};

export class SampleRows {
  readonly rows: Mutable<CatalogueRows>;
  private oid = 16_384;
  private readonly schemas = new Map<string, number>();
  private readonly oids = new Map<string, number>();

  constructor() {
    this.rows = {
      serverVersion: 180_004,
      searchPath: ['public'],
      schemas: [],
      relations: [],
      columns: [],
      functions: [],
      operators: [],
      types: [],
      inheritance: [],
      foreignKeys: [],
      ruleColumns: [],
      generatedFrom: [],
      relationFunctions: [],
      typeFunctions: [],
      views: [],
    };
    for (const name of ['pg_catalog', 'information_schema', 'public', 'app', 'private', 'evil']) this.schema(name);
  }

  schema(name: string): number {
    const known = this.schemas.get(name);
    if (known !== undefined) return known;
    const oid = this.next();
    this.schemas.set(name, oid);
    this.rows.schemas.push({ oid, name });
    return oid;
  }

  oidOf(name: string): number {
    const oid = this.oids.get(name);
    if (oid === undefined) throw new Error(`the sample has no ${name}`);
    return oid;
  }

  relation(name: string, columns: string, kind = 'r'): this {
    const [schema = '', own = ''] = name.split('.');
    const oid = this.next();
    this.oids.set(name, oid);
    const row: RelationRow = { oid, schema: this.schema(schema), name: own, kind };
    this.rows.relations.push(row);
    columns.split(' ').forEach((column, position) => {
      const made: ColumnRow = { relation: oid, number: position + 1, name: column, type: 25, modifier: -1 };
      this.rows.columns.push(made);
    });
    return this;
  }

  view(name: string, columns: string, definition: string, reads: readonly string[], kind = 'v'): this {
    this.relation(name, columns, kind);
    const relation = this.oidOf(name);
    this.rows.views.push({ relation, definition });
    for (const read of reads) this.rows.ruleColumns.push({ relation, from: this.oidOf(read), column: 1 });
    return this;
  }

  call(name: string, facts: Partial<FunctionRow> = {}): this {
    const [schema = '', own = ''] = name.split('.');
    const oid = this.next();
    this.oids.set(`${name}()`, oid);
    this.rows.functions.push({
      oid,
      schema: this.schema(schema),
      name: own,
      kind: 'f',
      volatility: 'v',
      language: 'sql',
      securityDefiner: false,
      extension: null,
      ...facts,
    });
    return this;
  }

  operator(schema: string, name: string, calls: string): this {
    this.rows.operators.push({ schema: this.schema(schema), name, function: this.oidOf(`${calls}()`) });
    return this;
  }

  type(name: string, kind = 'b', runs: readonly string[] = []): this {
    const [schema = '', own = ''] = name.split('.');
    const oid = this.next();
    const row: TypeRow = { oid, schema: this.schema(schema), name: own, kind, of: 0 };
    this.rows.types.push(row);
    for (const each of runs) this.rows.typeFunctions.push({ type: oid, function: this.oidOf(`${each}()`) });
    return this;
  }

  private next(): number {
    this.oid += 1;
    return this.oid;
  }
}

const TYPES = `bool int2 int4 int8 float4 float8 numeric text varchar bpchar char name bytea date time timetz timestamp
  timestamptz interval uuid json jsonb xml oid regclass regtype regproc regrole regnamespace money inet point tsquery
  tsvector jsonpath bit varbit record void`;
const OPERATORS = `= <> < > <= >= + - * / % ^ || ~~ !~~ ~~* !~~* ~ !~ ~* !~* @> <@ && -> ->> #> #>> ? ?| ?& @@ | & # << >>
  -|- ^@`;

export function sampleRows(): SampleRows {
  const sample = new SampleRows();
  for (const name of [...HARMLESS_FUNCTIONS, ...Object.keys(HARMLESS_VOLATILE)]) sample.call(`pg_catalog.${name}`);
  for (const name of [
    ...ADMINISTERS,
    ...TAKES_SQL,
    ...'nextval setval currval pg_sleep pg_sleep_for lo_get lo_put lo_unlink lo_from_bytea lo_create loread pg_notify pg_advisory_lock pg_advisory_xact_lock pg_try_advisory_lock pg_stat_get_activity pg_prepared_statement pg_cursor'.split(
      ' ',
    ),
  ]) {
    sample.call(`pg_catalog.${name}`);
  }
  for (const name of OPERATORS.split(/\s+/)) sample.operator('pg_catalog', name, 'pg_catalog.lower');
  for (const name of TYPES.split(/\s+/)) sample.type(`pg_catalog.${name}`);
  sample
    .relation('public.customers', 'id name email ssn card note')
    .relation('public.orders', 'id customer_id amount status')
    .relation('public.users', 'id name ssn')
    .relation('public.Users', 'id')
    .relation('public.a', 'id x y')
    .relation('public.b', 'id x y')
    .relation('public.t', 'id x pub ssn')
    .relation('private.secrets', 'id token')
    .relation('private.users', 'id pw')
    .relation('public.seq1', 'last_value log_cnt is_called', 'S')
    .relation('public.audited', 'id')
    .relation('public.events', 'id day who', 'p')
    .relation('public.events_2024', 'id day who email')
    .relation('pg_catalog.pg_class', 'oid relname relnamespace relkind')
    .relation('pg_catalog.pg_roles', 'rolname rolsuper', 'v')
    .relation('pg_catalog.pg_authid', 'oid rolname rolpassword')
    .relation('pg_catalog.pg_stats', 'schemaname tablename attname most_common_vals', 'v')
    .relation('pg_catalog.pg_stat_activity', 'pid query', 'v')
    .relation('pg_catalog.pg_prepared_statements', 'name statement', 'v')
    .relation('pg_catalog.pg_largeobject', 'loid pageno data')
    .relation('information_schema.tables', 'table_name', 'v')
    .view('public.customer_view', 'id tax mail', 'SELECT id, ssn AS tax, upper(email) AS mail FROM public.customers', [
      'public.customers',
    ])
    .view('public.deep_view', 'id tax', 'SELECT id, tax FROM public.customer_view WHERE tax IS NOT NULL', [
      'public.customer_view',
    ])
    .view('public.unclear_view', 'id other', 'not to be parsed', ['public.customers'])
    .view('public.danger', 'x', "SELECT pg_read_file('/etc/passwd') AS x", [])
    .call('public.f')
    .call('public.fullname')
    .call('public.trg')
    .call('public.do_it', { kind: 'p' })
    .call('public.count')
    .call('evil.lower')
    .call('evil.plus')
    .call('public.is_ok')
    .call('public.citext_eq', { volatility: 'i', language: 'c', extension: 'citext' })
    .operator('evil', '+', 'evil.plus')
    .operator('public', '=', 'public.citext_eq')
    .type('public.mood', 'e')
    .type('public.checked', 'd', ['public.is_ok']);
  const { rows } = sample;
  rows.relationFunctions.push({
    relation: sample.oidOf('public.audited'),
    function: sample.oidOf('public.trg()'),
    on: 'write',
  });
  rows.inheritance.push({ child: sample.oidOf('public.events_2024'), parent: sample.oidOf('public.events') });
  return sample;
}

export function snapshot(classify: readonly ClassifyLine[] = CLASSIFY): Snapshot {
  return createSnapshot({ rows: sampleRows().rows, version: 1, target: TARGET, classify });
}

export interface Understanding {
  readonly classifier: Classifier;
  readonly context: SqlContext;
  of(text: string): Statement;
}

export function understanding(searchPath: readonly string[] | null = ['public']): Understanding {
  const classifier = createClassifier({ limits: LIMITS });
  const context: SqlContext = {
    catalogue: snapshot().catalogue,
    searchPath,
    prepared: () => null,
    cursor: () => null,
  };
  return { classifier, context, of: (text) => classifier.statement(Buffer.from(text), context) };
}

/** `write public.t`, `opaque`, `read` (the target itself), … in the order found. */
export function touches(statement: Statement): readonly string[] {
  return statement.classification.touches.map(({ action, resource }) =>
    `${action.replace('sql.', '')} ${resource.id.slice(TARGET.id.length + 1)}`.trim(),
  );
}

/** `reveal customers.ssn`, `compare/join a.id`, `assign t.pub`. */
export function uses(statement: Statement): readonly string[] {
  return statement.classification.uses.map((use) => {
    const column = use.column.id.split('.').slice(-2).join('.');
    return `${use.use}${use.use === 'compare' ? `/${use.comparison}` : ''} ${column}`;
  });
}
