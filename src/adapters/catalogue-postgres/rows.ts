import { GatewayError } from '../../core/errors.ts';
import type {
  CatalogueRows,
  ColumnRow,
  ForeignKeyRow,
  FunctionRow,
  RelationRow,
  TypeRow,
} from '../../protocols/sql/ports.ts';

/** Checks of single rows: what a target says is data, and may be anything. */

export function number(value: unknown, field: string): number {
  // int8 comes as text from the driver; OIDs fit a double.
  const found = typeof value === 'string' && /^-?\d{1,15}$/.test(value) ? Number(value) : value;
  if (typeof found !== 'number' || !Number.isSafeInteger(found)) throw broken(field);
  return found;
}

export function name(value: unknown, field: string): string {
  if (typeof value !== 'string' || Buffer.byteLength(value) > NAME_BYTES_MAX) throw broken(field);
  return value;
}

export function nameList(value: unknown, field: string): readonly string[] {
  if (!Array.isArray(value)) throw broken(field);
  return value.map((each) => name(each, field));
}

export function schema(raw: unknown): CatalogueRows['schemas'][number] {
  const row = fields(raw);
  return { oid: number(row.oid, 'oid'), name: name(row.name, 'name') };
}

export function relation(raw: unknown): RelationRow {
  const row = fields(raw);
  return {
    oid: number(row.oid, 'oid'),
    schema: number(row.schema, 'schema'),
    name: name(row.name, 'name'),
    kind: name(row.kind, 'kind'),
  };
}

export function column(raw: unknown): ColumnRow {
  const row = fields(raw);
  return {
    relation: number(row.relation, 'relation'),
    number: number(row.number, 'number'),
    name: name(row.name, 'name'),
    type: number(row.type, 'type'),
    modifier: number(row.modifier, 'modifier'),
  };
}

export function sqlFunction(raw: unknown): FunctionRow {
  const row = fields(raw);
  return {
    oid: number(row.oid, 'oid'),
    schema: number(row.schema, 'schema'),
    name: name(row.name, 'name'),
    kind: name(row.kind, 'kind'),
    volatility: name(row.volatility, 'volatility'),
    language: name(row.language, 'language'),
    securityDefiner: row.securityDefiner === true,
    extension: row.extension === null ? null : name(row.extension, 'extension'),
  };
}

export function operator(raw: unknown): CatalogueRows['operators'][number] {
  const row = fields(raw);
  return {
    schema: number(row.schema, 'schema'),
    name: name(row.name, 'name'),
    function: number(row.function, 'function'),
  };
}

export function type(raw: unknown): TypeRow {
  const row = fields(raw);
  return {
    oid: number(row.oid, 'oid'),
    schema: number(row.schema, 'schema'),
    name: name(row.name, 'name'),
    kind: name(row.kind, 'kind'),
    of: number(row.of, 'of'),
  };
}

export function inheritance(raw: unknown): CatalogueRows['inheritance'][number] {
  const row = fields(raw);
  return { child: number(row.child, 'child'), parent: number(row.parent, 'parent') };
}

export function foreignKey(raw: unknown): ForeignKeyRow {
  const row = fields(raw);
  return {
    relation: number(row.relation, 'relation'),
    columns: numberList(row.columns, 'columns'),
    referenced: number(row.referenced, 'referenced'),
    referencedColumns: numberList(row.referencedColumns, 'referencedColumns'),
  };
}

export function ruleColumn(raw: unknown): CatalogueRows['ruleColumns'][number] {
  const row = fields(raw);
  return {
    relation: number(row.relation, 'relation'),
    from: number(row.from, 'from'),
    column: number(row.column, 'column'),
  };
}

export function generatedFrom(raw: unknown): CatalogueRows['generatedFrom'][number] {
  return ruleColumn(raw);
}

export function relationFunction(raw: unknown): CatalogueRows['relationFunctions'][number] {
  const row = fields(raw);
  const on = row.on;
  if (on !== 'read' && on !== 'write' && on !== 'both') throw broken('on');
  return { relation: number(row.relation, 'relation'), function: number(row.function, 'function'), on };
}

export function typeFunction(raw: unknown): CatalogueRows['typeFunctions'][number] {
  const row = fields(raw);
  return { type: number(row.type, 'type'), function: number(row.function, 'function') };
}

export function view(raw: unknown): CatalogueRows['views'][number] {
  const row = fields(raw);
  if (typeof row.definition !== 'string') throw broken('definition');
  return { relation: number(row.relation, 'relation'), definition: row.definition };
}

function numberList(value: unknown, field: string): readonly number[] {
  if (!Array.isArray(value)) throw broken(field);
  return value.map((each) => number(each, field));
}

function fields(raw: unknown): Readonly<Record<string, unknown>> {
  if (typeof raw !== 'object' || raw === null) throw broken('row');
  // An object's fields are unknown values under names.
  return raw as Readonly<Record<string, unknown>>;
}

function broken(field: string): GatewayError {
  return new GatewayError('CATALOGUE_UNAVAILABLE', `the target's catalogue gave a wrong ${field}`, { field });
}

/** NAMEDATALEN - 1 characters of at most four bytes. */
const NAME_BYTES_MAX = 63 * 4;
