import { LIMITS } from '../../core/limits.ts';
import type { Resource } from '../../core/resource.ts';
import { Analysis } from './analysis.ts';
import type { Catalogue, Column, ColumnSource } from './catalogue.ts';
import type { Draft } from './label-flow.ts';
import type { OutputColumn } from './lineage.ts';
import { NotUnderstood } from './nodes.ts';
import { parse } from './parse.ts';
import type { CatalogueRows } from './ports.ts';

/**
 * Where the columns of views and generated columns come from, and which relations reading a relation reaches.
 * A view's definition is understood like any query; where it is not, each of its columns comes from every column its
 * rule depends on (pg_depend).
 */
export function resolveLineage(rows: CatalogueRows, drafts: ReadonlyMap<number, Draft>, catalogue: Catalogue): void {
  const direct = new Map<Column, ReadonlySet<Column>>();
  const exact = new Map<Column, Column>();
  const reached = reachedRelations(rows, drafts);
  const oids = new Map([...drafts.values()].map((draft) => [draft.resource, draft.oid]));
  const definitions = new Map(rows.views.map(({ relation, definition }) => [relation, definition]));
  for (const draft of drafts.values()) {
    if (draft.kind !== 'view' && draft.kind !== 'materialized-view') continue;
    // The system's own views are judged by the published list, not by what they are made of.
    if (draft.schema === 'pg_catalog' || draft.schema === 'information_schema') continue;
    viewColumns(draft, definitions.get(draft.oid), { reached, drafts, catalogue, direct, exact, oids });
  }
  for (const { relation, column, from } of rows.generatedFrom) {
    const columns = drafts.get(relation)?.columns;
    const generated = columns?.get(column);
    const source = columns?.get(from);
    if (generated !== undefined && source !== undefined) {
      direct.set(generated, new Set([...(direct.get(generated) ?? []), source]));
      generated.computed = true;
    }
  }
  for (const { child, parent } of rows.inheritance) {
    for (const [name, column] of drafts.get(parent)?.columnsByName ?? []) {
      const same = drafts.get(child)?.columnsByName.get(name);
      if (same !== undefined) direct.set(column, new Set([...(direct.get(column) ?? []), same]));
    }
  }
  setSources(drafts, direct);
  setComputed(drafts, exact);
  setBases(drafts, reached);
}

function viewColumns(
  draft: Draft,
  definition: string | undefined,
  { reached, drafts, catalogue, direct, exact, oids }: Resolving,
): void {
  const columns = [...draft.columns.values()].sort((one, other) => one.number - other.number);
  const understood = definition === undefined ? null : understand(definition, catalogue);
  const reaches = reached.get(draft.oid) ?? new Set<number>();
  reached.set(draft.oid, reaches);
  // pg_depend does not say which of the system's own relations a view reads; its text does.
  if (understood === null) reaches.add(UNKNOWN_RELATION);
  else {
    for (const resource of understood.reads) reaches.add(oids.get(resource) ?? UNKNOWN_RELATION);
    for (const resource of understood.runs) {
      for (const each of catalogue.functions(...namesOf(resource, catalogue))) {
        if (!each.harmless) draft.functionsOnRead.push(each.oid);
      }
    }
  }
  const output = understood?.columns ?? null;
  const everything = new Set<Column>();
  for (const oid of reaches) {
    for (const column of drafts.get(oid)?.columns.values() ?? []) everything.add(column);
  }
  columns.forEach((column, position) => {
    const found = output !== null && output.length === columns.length ? output[position] : undefined;
    direct.set(column, found?.from ?? everything);
    const [only, another] = found?.exact === true ? found.from : [];
    if (only !== undefined && another === undefined) exact.set(column, only);
  });
}

interface Resolving {
  readonly reached: Map<number, Set<number>>;
  readonly drafts: ReadonlyMap<number, Draft>;
  readonly catalogue: Catalogue;
  readonly direct: Map<Column, ReadonlySet<Column>>;
  /** Columns of views that are another relation's column as it is. */
  readonly exact: Map<Column, Column>;
  readonly oids: ReadonlyMap<Resource, number>;
}

/** No relation has it: whoever reads the view reads something unknown. */
const UNKNOWN_RELATION = 0;

interface Understood {
  /** `null`: the output could not be told column by column. */
  readonly columns: readonly OutputColumn[] | null;
  readonly runs: readonly Resource[];
  readonly reads: readonly Resource[];
}

function understand(definition: string, catalogue: Catalogue): Understood | null {
  const source = Buffer.from(definition, 'utf8');
  const none = () => null;
  try {
    const statements = parse(source, LIMITS);
    const [only] = statements;
    if (only === undefined || statements.length !== 1 || only.node.type !== 'SelectStmt') return null;
    const context = { catalogue, searchPath: [], prepared: none, cursor: none };
    const analysis = new Analysis(source, statements, { context, limits: LIMITS, prepared: none, cursor: none });
    const output = analysis.query(only.node, null, null, 'hidden');
    const touched = [...analysis.tally.touches.values()];
    const runs = touched.filter(({ action, resource }) => action !== 'sql.read' && resource.kind === 'Function');
    const clear = analysis.tally.clarity === 'parsed' && analysis.tally.unknownNames.size === 0 && !output.open;
    return {
      columns: clear ? output.columns : null,
      runs: runs.map(({ resource }) => resource),
      reads: touched.filter(({ resource }) => resource.kind === 'Table').map(({ resource }) => resource),
    };
  } catch (error) {
    if (error instanceof NotUnderstood) return null;
    throw error;
  }
}

/** A function resource's schema and name, from its parent and id. */
function namesOf(resource: Resource, catalogue: Catalogue): [string, string] {
  const schemaId = resource.parent?.id ?? catalogue.target.id;
  const bare = (name: string): string => (name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name);
  return [bare(schemaId.slice(catalogue.target.id.length + 1)), bare(resource.id.slice(schemaId.length + 1))];
}

/** Down to columns that come from nothing else. Cycles end; a column is always a source of itself in the middle. */
function setSources(drafts: ReadonlyMap<number, Draft>, direct: ReadonlyMap<Column, ReadonlySet<Column>>): void {
  const place = new Map<Column, ColumnSource>();
  for (const draft of drafts.values()) {
    for (const column of draft.columns.values()) place.set(column, { relation: draft.oid, column: column.number });
  }
  for (const draft of drafts.values()) {
    const view = draft.kind === 'view' || draft.kind === 'materialized-view';
    for (const column of draft.columnsByName.values()) {
      if (!direct.has(column)) continue;
      const found = new Set<Column>();
      const waiting: Column[] = [column];
      for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
        if (found.has(at)) continue;
        found.add(at);
        waiting.push(...(direct.get(at) ?? []));
      }
      if (view) found.delete(column);
      column.sources = [...found].flatMap((each) => place.get(each) ?? []);
    }
  }
}

/** A view's column that is a base column as it is, through however many views, is as computed as that one. */
function setComputed(drafts: ReadonlyMap<number, Draft>, exact: ReadonlyMap<Column, Column>): void {
  for (const { columns } of drafts.values()) {
    for (const column of columns.values()) {
      const seen = new Set<Column>();
      let at: Column | undefined = column;
      while (at !== undefined && exact.has(at) && !seen.has(at)) {
        seen.add(at);
        at = exact.get(at);
      }
      if (at !== undefined && at !== column && !seen.has(at)) column.computed = at.computed;
    }
  }
}

function reachedRelations(rows: CatalogueRows, drafts: ReadonlyMap<number, Draft>): Map<number, Set<number>> {
  const reached = new Map<number, Set<number>>();
  const add = (relation: number, other: number): void => {
    const schema = drafts.get(relation)?.schema;
    if (relation === other || schema === 'pg_catalog' || schema === 'information_schema') return;
    const list = reached.get(relation);
    if (list === undefined) reached.set(relation, new Set([other]));
    else list.add(other);
  };
  for (const { relation, from } of rows.ruleColumns) add(relation, from);
  for (const { child, parent } of rows.inheritance) add(parent, child);
  return reached;
}

function setBases(drafts: ReadonlyMap<number, Draft>, reached: ReadonlyMap<number, ReadonlySet<number>>): void {
  for (const draft of drafts.values()) {
    if (!reached.has(draft.oid)) continue;
    const found = new Set<number>();
    const waiting = [draft.oid];
    for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
      if (found.has(at)) continue;
      found.add(at);
      waiting.push(...(reached.get(at) ?? []));
    }
    draft.bases = [...found];
    // What runs when a base is read or written runs here as well.
    for (const oid of found) {
      if (oid === draft.oid) continue;
      draft.functionsOnRead.push(...(drafts.get(oid)?.functionsOnRead ?? []));
      draft.functionsOnWrite.push(...(drafts.get(oid)?.functionsOnWrite ?? []));
    }
  }
}
