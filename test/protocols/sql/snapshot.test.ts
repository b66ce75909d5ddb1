import { beforeAll, describe, expect, test } from 'vitest';
import { columnPattern } from '../../../src/protocols/sql/labels.ts';
import { loadParser } from '../../../src/protocols/sql/parser.ts';
import { createSnapshot, type Snapshot } from '../../../src/protocols/sql/snapshot.ts';
import { CLASSIFY, type SampleRows, sampleRows, snapshot, TARGET } from './sample.ts';

beforeAll(loadParser);

function labels({ catalogue }: Snapshot, name: string): readonly string[] {
  const [schema = '', relation = '', column = ''] = name.split('.');
  const found = catalogue.relation(schema, relation)?.columnByName(column);
  if (found === null || found === undefined) throw new Error(`no ${name}`);
  return found.resource.labels;
}

describe('classify lines', () => {
  test.each([
    ['public.customers.ssn', 'public', 'customers', 'ssn', true],
    ['PUBLIC.Customers.SSN', 'public', 'customers', 'ssn', true],
    ['public.customers.ssn', 'private', 'customers', 'ssn', false],
    ['customers.ssn', 'private', 'customers', 'ssn', true],
    ['*.email', 'app', 'people', 'email', true],
    ['*.*.email', 'app', 'people', 'email', true],
    ['*.email', 'app', 'people', 'Email', false],
    ['*."Email"', 'app', 'people', 'Email', true],
    ['app."a.b"."c""d"', 'app', 'a.b', 'c"d', true],
    ['app.*_log.*secret*', 'app', 'audit_log', 'my_secret_key', true],
    ['app.*_log.a*a', 'app', 'audit_log', 'a', false],
    ['*.ex*ple*e', 'app', 'people', 'example_e', true],
    ['*.*', 'app', 'people', 'anything', true],
  ])('%s on %s.%s.%s', (column, schema, table, name, expected) => {
    expect(columnPattern({ column, label: 'pii' }).matches(schema, table, name)).toBe(expected);
  });
  test.each(['', 'ssn', 'a.b.c.d', 'a..b', 'a b.c', '"open.b', '.a.b'])('%j is no column', (column) => {
    expect(() => columnPattern({ column, label: 'pii' })).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });
  test('one that matches nothing is reported', () => {
    const line = { column: 'public.customers.gone', label: 'pii' };
    expect(snapshot([...CLASSIFY, line]).unmatched).toEqual([line]);
  });
  test('the system’s own schemas are reached by lines that name them only', () => {
    expect(labels(snapshot([{ column: '*.relname', label: 'x' }]), 'pg_catalog.pg_class.relname')).toEqual([]);
    expect(labels(snapshot([{ column: 'pg_catalog.*.relname', label: 'x' }]), 'pg_catalog.pg_class.relname')).toEqual([
      'x',
    ]);
  });
});

describe('labels descend', () => {
  test('through views, to the columns that show them', () => {
    const made = snapshot();
    expect(labels(made, 'public.customer_view.tax')).toEqual(['pii']);
    expect(labels(made, 'public.customer_view.mail')).toEqual(['pii']);
    expect(labels(made, 'public.customer_view.id')).toEqual([]);
    expect(labels(made, 'public.deep_view.tax')).toEqual(['pii']);
    expect(labels(made, 'public.deep_view.id')).toEqual([]);
  });
  test('to every column of a view that is not understood', () => {
    expect(labels(snapshot(), 'public.unclear_view.id')).toEqual(['pii']);
  });
  test('between a table and its partitions, both ways', () => {
    const up = snapshot([{ column: 'public.events_2024.who', label: 'pii' }]);
    expect(labels(up, 'public.events.who')).toEqual(['pii']);
    const down = snapshot([{ column: 'public.events.who', label: 'pii' }]);
    expect(labels(down, 'public.events_2024.who')).toEqual(['pii']);
  });
  test('to generated columns and along foreign keys', () => {
    const { rows, ...sample } = sampleRows();
    const oid = (name: string): number => rows.relations.find((row) => row.name === name)?.oid ?? 0;
    rows.generatedFrom.push({ relation: oid('customers'), column: 6, from: 4 });
    rows.foreignKeys.push({
      relation: oid('orders'),
      columns: [4],
      referenced: oid('customers'),
      referencedColumns: [4],
    });
    const made = createSnapshot({ rows, version: 1, target: TARGET, classify: CLASSIFY });
    expect(labels(made, 'public.customers.note')).toEqual(['pii']);
    expect(labels(made, 'public.orders.status')).toEqual(['pii']);
    expect(sample).toBeDefined();
  });
  test('views that show each other end', () => {
    const sample = sampleRows()
      .view('public.one', 'q', 'SELECT q FROM public.two', [])
      .view('public.two', 'q', 'SELECT q FROM public.one', ['public.one']);
    sample.rows.ruleColumns.push({ relation: sample.oidOf('public.one'), from: sample.oidOf('public.two'), column: 1 });
    const { catalogue } = createSnapshot({ rows: sample.rows, version: 1, target: TARGET, classify: [] });
    expect(catalogue.relation('public', 'one')?.bases).toHaveLength(2);
  });
});

describe('a column is computed when it is not a base column as it is', () => {
  const computed = (sample: SampleRows, relation: string): readonly boolean[] => {
    const { catalogue } = createSnapshot({ rows: sample.rows, version: 1, target: TARGET, classify: [] });
    return [...(catalogue.relation('public', relation)?.columns.values() ?? [])].map((column) => column.computed);
  };
  test.each([
    ['SELECT id, ssn FROM public.customers', [false, false]],
    ['SELECT c.id, c.ssn AS tax FROM public.customers c JOIN public.a ON a.id = c.id', [false, false]],
    ['SELECT id, upper(ssn) FROM public.customers', [false, true]],
    ['SELECT id, ssn::varchar(4) FROM public.customers', [false, true]],
    ["SELECT id, '######' || ssn FROM public.customers", [false, true]],
    ['SELECT id, coalesce(ssn, name) FROM public.customers', [false, true]],
    ['SELECT id, (SELECT ssn) FROM public.customers', [false, true]],
    ['SELECT id, ssn FROM (SELECT id, ssn FROM public.customers) s', [true, true]],
    ['SELECT id, ssn FROM public.customers UNION ALL SELECT id, x FROM public.a', [true, true]],
    ['WITH w AS (SELECT id, ssn FROM public.customers) SELECT id, ssn FROM w', [true, true]],
    ['SELECT c.id, ssn FROM public.customers c FULL JOIN public.users u USING (ssn)', [false, true]],
    ['SELECT id, tax FROM public.customer_view', [false, false]],
    ['SELECT id, mail FROM public.customer_view', [false, true]],
    ['SELECT tax, id FROM public.deep_view', [false, false]],
    ['SELECT id, other FROM public.unclear_view', [true, true]],
    ['SELECT nothing that parses', [true, true]],
  ])('%s', (definition, expected) => {
    expect(computed(sampleRows().view('public.made', 'one two', definition, ['public.customers']), 'made')).toEqual(
      expected,
    );
  });
  test('tables: only what is generated', () => {
    const sample = sampleRows();
    sample.rows.generatedFrom.push({ relation: sample.oidOf('public.a'), column: 3, from: 2 });
    expect(computed(sample, 'a')).toEqual([false, false, true]);
    expect(computed(sample.view('public.over', 'y', 'SELECT y FROM public.a', ['public.a']), 'over')).toEqual([true]);
  });
});

describe('labels stick to columns, whatever they are called', () => {
  const renamed = (to: string): Snapshot => {
    const first = snapshot();
    const { rows } = sampleRows();
    const customers = rows.relations.find((row) => row.name === 'customers')?.oid;
    const columns = rows.columns.map((row) =>
      row.relation === customers && row.name === 'ssn' ? { ...row, name: to } : row,
    );
    return createSnapshot({
      rows: { ...rows, columns },
      version: 2,
      target: TARGET,
      classify: CLASSIFY,
      remembered: first.remembered,
    });
  };
  test('a renamed column stays what it was, and its line is reported', () => {
    const made = renamed('tax_id');
    expect(labels(made, 'public.customers.tax_id')).toEqual(['pii']);
    expect(made.unmatched).toEqual([{ column: 'public.customers.ssn', label: 'pii' }]);
  });
  test('a new column of a classified table is unclassified until somebody says what it is', () => {
    const first = snapshot();
    const { rows } = sampleRows();
    const customers = rows.relations.find((row) => row.name === 'customers')?.oid ?? 0;
    rows.columns.push({ relation: customers, number: 7, name: 'fresh', type: 25, modifier: -1 });
    const options = { rows, target: TARGET, remembered: first.remembered };
    const made = createSnapshot({ ...options, version: 2, classify: CLASSIFY });
    expect(labels(made, 'public.customers.fresh')).toEqual(['unclassified']);
    const later = createSnapshot({ ...options, version: 3, classify: CLASSIFY, remembered: made.remembered });
    expect(labels(later, 'public.customers.fresh')).toEqual(['unclassified']);
    const said = createSnapshot({
      ...options,
      version: 3,
      classify: [...CLASSIFY, { column: 'public.customers.fresh', label: 'public' }],
    });
    expect(labels(said, 'public.customers.fresh')).toEqual(['public']);
  });
});

describe('resources', () => {
  test('ids are quoted as quote_ident would', () => {
    const { catalogue } = snapshot();
    expect(catalogue.relation('public', 'Users')?.resource.id).toBe('crm/public."Users"');
    expect(catalogue.relation('public', 'users')?.columnByName('ssn')?.resource.id).toBe('crm/public.users.ssn');
  });
  test('every resource ends in the target, and is the same object however it is reached', () => {
    const { catalogue } = snapshot();
    const relation = catalogue.relation('public', 'customers');
    expect(relation?.columnByName('id')?.resource.parent).toBe(relation?.resource);
    expect(relation?.resource.parent).toBe(catalogue.schema('public'));
    expect(catalogue.schema('public')?.parent).toBe(TARGET);
    expect(catalogue.relationByOid(relation?.oid ?? 0)).toBe(relation);
  });
  test('functions that a view or trigger runs are those not known harmless', () => {
    const { catalogue } = snapshot();
    const names = (oids: readonly number[] | undefined) => oids?.map((oid) => catalogue.functionByOid(oid)?.name);
    expect(names(catalogue.relation('public', 'audited')?.functionsOnWrite)).toEqual(['trg']);
    expect(names(catalogue.relation('public', 'danger')?.functionsOnRead)).toEqual(['pg_read_file']);
    expect(names(catalogue.relation('public', 'customer_view')?.functionsOnRead)).toEqual([]);
  });
});
