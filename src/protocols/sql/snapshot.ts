import type { Resource } from '../../core/resource.ts';
import { CATALOG } from '../../core/resource.ts';
import type { Catalogue, Relation, SqlFunction, SqlOperator, SqlType } from './catalogue.ts';
import { harmlessFunction } from './harmless.ts';
import { isSystemSchema, memberId, quoted, schemaId } from './identifiers.ts';
import { type Draft, type DraftColumn, flowLabels, type Remembered } from './label-flow.ts';
import type { ClassifyLine } from './labels.ts';
import type { CatalogueRows } from './ports.ts';
import { SENSITIVE_CATALOG, SENSITIVE_COLUMNS, SENSITIVE_RELATIONS } from './sensitive.ts';
import { resolveLineage } from './view-lineage.ts';

export interface SnapshotOptions {
  readonly rows: CatalogueRows;
  readonly version: number;
  /** `TARGET` or `TARGET@DATABASE`, with its labels. */
  readonly target: Resource;
  readonly classify: readonly ClassifyLine[];
  /** What the snapshot before this one knew: labels stick to columns, whatever they are called now. */
  readonly remembered?: Remembered;
}

export interface Snapshot {
  readonly catalogue: Catalogue;
  readonly remembered: Remembered;
  /** `classify` lines that no column matches: worth an alert. */
  readonly unmatched: readonly ClassifyLine[];
}

/** Turns rows into the catalogue that names are looked up in. Pure; the same rows give an equal catalogue. */
export function createSnapshot(options: SnapshotOptions): Snapshot {
  const index = new Index(options);
  index.addFunctions(options.rows);
  const drafts = index.addRelations(options.rows);
  resolveLineage(options.rows, drafts, index);
  const flowed = flowLabels(options, drafts);
  return { catalogue: index, ...flowed };
}

/** The catalogue itself; relations are filled in while it is made. */
class Index implements Catalogue {
  readonly version: number;
  readonly target: Resource;
  readonly serverVersion: number;
  readonly searchPath: readonly string[];
  private readonly schemas = new Map<string, Resource>();
  private readonly schemaNames = new Map<number, string>();
  private readonly sensitive: Resource;
  private readonly relationsByName = new Map<string, Draft>();
  private readonly relationsByOid = new Map<number, Draft>();
  private readonly functionsByName = new Map<string, SqlFunction[]>();
  private readonly functionsByOid = new Map<number, SqlFunction>();
  private readonly operatorsByName = new Map<string, SqlOperator[]>();
  private readonly typesByName = new Map<string, SqlType>();

  constructor({ rows, version, target }: SnapshotOptions) {
    this.version = version;
    this.target = target;
    this.serverVersion = rows.serverVersion;
    this.searchPath = rows.searchPath;
    for (const { oid, name } of rows.schemas) {
      const labels = isSystemSchema(name) ? [CATALOG] : [];
      this.schemaNames.set(oid, name);
      this.schemas.set(name, { kind: 'Schema', id: schemaId(target, name), labels, parent: target });
    }
    const id = `${schemaId(target, 'pg_catalog')}.sensitive`;
    this.sensitive = { kind: 'Schema', id, labels: [SENSITIVE_CATALOG], parent: target };
  }

  schema(name: string): Resource | null {
    return this.schemas.get(name) ?? null;
  }

  relation(schema: string, name: string): Relation | null {
    return this.relationsByName.get(`${schema}\0${name}`) ?? null;
  }

  relationByOid(oid: number): Relation | null {
    return this.relationsByOid.get(oid) ?? null;
  }

  relations(): Iterable<Relation> {
    return this.relationsByOid.values();
  }

  functions(schema: string, name: string): readonly SqlFunction[] {
    return this.functionsByName.get(`${schema}\0${name}`) ?? [];
  }

  functionByOid(oid: number): SqlFunction | null {
    return this.functionsByOid.get(oid) ?? null;
  }

  operators(schema: string, name: string): readonly SqlOperator[] {
    return this.operatorsByName.get(`${schema}\0${name}`) ?? [];
  }

  type(schema: string, name: string): SqlType | null {
    return this.typesByName.get(`${schema}\0${name}`) ?? null;
  }

  addFunctions(rows: CatalogueRows): void {
    for (const row of rows.functions) {
      const schema = this.schemaNames.get(row.schema);
      if (schema === undefined) continue;
      const found: SqlFunction = {
        oid: row.oid,
        schema,
        name: row.name,
        resource: this.functionResource(schema, row.name),
        kind: FUNCTION_KINDS[row.kind] ?? 'function',
        language: row.language,
        volatility: VOLATILITIES[row.volatility] ?? 'volatile',
        securityDefiner: row.securityDefiner,
        harmless: harmlessFunction(schema, row),
      };
      push(this.functionsByName, `${schema}\0${row.name}`, found);
      this.functionsByOid.set(row.oid, found);
    }
    for (const row of rows.operators) {
      const schema = this.schemaNames.get(row.schema);
      if (schema === undefined) continue;
      push(this.operatorsByName, `${schema}\0${row.name}`, { schema, name: row.name, functionOid: row.function });
    }
    const runs = new Map<number, number[]>();
    for (const { type, function: oid } of rows.typeFunctions) push(runs, type, oid);
    const bases = new Map(rows.types.filter((row) => row.kind === 'd').map((row) => [row.oid, row.of]));
    for (const row of rows.types) {
      const schema = this.schemaNames.get(row.schema);
      if (schema === undefined) continue;
      this.typesByName.set(`${schema}\0${row.name}`, {
        oid: row.oid,
        schema,
        name: row.name,
        kind: TYPE_KINDS[row.kind] ?? 'base',
        of: row.of === 0 ? null : row.of,
        functions: [...chain(row.oid, bases)].flatMap((oid) => runs.get(oid) ?? []),
      });
    }
  }

  addRelations(rows: CatalogueRows): ReadonlyMap<number, Draft> {
    for (const row of rows.relations) {
      const schema = this.schemaNames.get(row.schema);
      if (schema === undefined) continue;
      const draft = this.draft(schema, row.oid, row.name, RELATION_KINDS[row.kind] ?? 'table');
      this.relationsByName.set(`${schema}\0${row.name}`, draft);
      this.relationsByOid.set(row.oid, draft);
    }
    for (const row of rows.columns) {
      const relation = this.relationsByOid.get(row.relation);
      if (relation === undefined) continue;
      const column: DraftColumn = {
        number: row.number,
        name: row.name,
        typeOid: row.type,
        typeModifier: row.modifier,
        resource: {
          kind: 'Column',
          id: `${relation.resource.id}.${quoted(row.name)}`,
          labels: sensitiveColumn(relation, row.name) ? [SENSITIVE_CATALOG] : [],
          parent: relation.resource,
        },
        sources: [{ relation: row.relation, column: row.number }],
        computed: relation.kind === 'view' || relation.kind === 'materialized-view',
      };
      relation.columns.set(row.number, column);
      relation.columnsByName.set(row.name, column);
    }
    for (const { relation, function: oid, on } of rows.relationFunctions) {
      const draft = this.relationsByOid.get(relation);
      if (draft === undefined || (this.functionsByOid.get(oid)?.harmless ?? false)) continue;
      if (on !== 'write') draft.functionsOnRead.push(oid);
      if (on !== 'read') draft.functionsOnWrite.push(oid);
    }
    this.addReferencing(rows);
    return this.relationsByOid;
  }

  private addReferencing({ foreignKeys }: CatalogueRows): void {
    const direct = new Map<number, number[]>();
    for (const { relation, referenced } of foreignKeys) push(direct, referenced, relation);
    for (const referenced of direct.keys()) {
      const draft = this.relationsByOid.get(referenced);
      if (draft !== undefined) draft.referencing = [...reachable(referenced, direct)];
    }
  }

  private draft(schema: string, oid: number, name: string, kind: Relation['kind']): Draft {
    // An extension may lie in any schema, and its name tells what it shows.
    const sensitive = SENSITIVE_RELATIONS.has(`${schema}.${name}`) || /^pg_stat_statements(_info)?$/.test(name);
    const parent = sensitive ? this.sensitive : (this.schemas.get(schema) ?? this.target);
    const labels = sensitive ? [SENSITIVE_CATALOG] : [];
    const columnsByName = new Map<string, DraftColumn>();
    return {
      oid,
      schema,
      name,
      kind,
      resource: { kind: 'Table', id: memberId(this.target, schema, name), labels, parent },
      columns: new Map(),
      columnsByName,
      columnByName: (column) => columnsByName.get(column) ?? null,
      bases: [oid],
      referencing: [],
      functionsOnRead: [],
      functionsOnWrite: [],
    };
  }

  private functionResource(schema: string, name: string): Resource {
    const overload = this.functionsByName.get(`${schema}\0${name}`)?.[0];
    if (overload !== undefined) return overload.resource;
    const parent = this.schemas.get(schema) ?? this.target;
    return { kind: 'Function', id: memberId(this.target, schema, name), labels: [], parent };
  }
}

function sensitiveColumn(relation: Relation, column: string): boolean {
  return SENSITIVE_COLUMNS.has(`${relation.schema}.${relation.name}.${column}`);
}

/** Everything that can be come to from here, but here only where it leads back. */
function reachable(from: number, direct: ReadonlyMap<number, readonly number[]>): ReadonlySet<number> {
  const found = new Set<number>();
  const waiting = [...(direct.get(from) ?? [])];
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    if (found.has(at)) continue;
    found.add(at);
    waiting.push(...(direct.get(at) ?? []));
  }
  return found;
}

/** A domain and the domains it is based on. */
function* chain(oid: number, bases: ReadonlyMap<number, number>): Iterable<number> {
  const seen = new Set<number>();
  for (let at: number | undefined = oid; at !== undefined && !seen.has(at); at = bases.get(at)) {
    seen.add(at);
    yield at;
  }
}

function push<Key, Value>(into: Map<Key, Value[]>, key: Key, value: Value): void {
  const list = into.get(key);
  if (list === undefined) into.set(key, [value]);
  else list.push(value);
}

/** `relkind`, `prokind`, `provolatile`, `typtype` (manual, System Catalogs). */
const RELATION_KINDS: Readonly<Record<string, Relation['kind']>> = {
  r: 'table',
  p: 'partitioned-table',
  v: 'view',
  m: 'materialized-view',
  f: 'foreign-table',
  S: 'sequence',
  i: 'index',
  I: 'index',
  c: 'composite',
  t: 'toast',
};
const FUNCTION_KINDS: Readonly<Record<string, SqlFunction['kind']>> = {
  f: 'function',
  p: 'procedure',
  a: 'aggregate',
  w: 'window',
};
const VOLATILITIES: Readonly<Record<string, SqlFunction['volatility']>> = {
  i: 'immutable',
  s: 'stable',
  v: 'volatile',
};
const TYPE_KINDS: Readonly<Record<string, SqlType['kind']>> = {
  b: 'base',
  c: 'composite',
  d: 'domain',
  e: 'enum',
  p: 'pseudo',
  r: 'range',
  m: 'multirange',
};
