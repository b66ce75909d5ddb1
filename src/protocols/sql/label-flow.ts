import { type Resource, UNCLASSIFIED } from '../../core/resource.ts';
import type { Column, ColumnSource, Relation } from './catalogue.ts';
import { type ClassifyLine, columnPattern } from './labels.ts';
import type { CatalogueRows } from './ports.ts';

/** A relation while the snapshot is made. */
export type Draft = Omit<Relation, 'columns' | 'functionsOnRead' | 'functionsOnWrite' | 'bases' | 'referencing'> & {
  readonly columns: Map<number, DraftColumn>;
  readonly columnsByName: Map<string, DraftColumn>;
  readonly functionsOnRead: number[];
  readonly functionsOnWrite: number[];
  bases: readonly number[];
  referencing: readonly number[];
};

export type DraftColumn = { -readonly [Field in keyof Column]: Column[Field] };

/** What one snapshot hands to the next: columns by `OID.NUMBER`, and the labels they were given. */
export interface Remembered {
  readonly columns: ReadonlyMap<string, readonly string[]>;
}

export interface Flowed {
  readonly remembered: Remembered;
  readonly unmatched: readonly ClassifyLine[];
}

/**
 * Gives columns their labels: by `classify` lines, by memory (a renamed column stays what it was), and by descent: from
 * what a view's or generated column comes from, what a foreign key points at, and between a table and its partitions.
 */
export function flowLabels(
  options: {
    readonly rows: CatalogueRows;
    readonly classify: readonly ClassifyLine[];
    readonly remembered?: Remembered;
  },
  drafts: ReadonlyMap<number, Draft>,
): Flowed {
  const labels = new Map<DraftColumn, Set<string>>();
  const unmatched = byLines(options.classify, drafts, labels);
  if (options.remembered !== undefined) byMemory(options.remembered, drafts, labels);
  const own = new Map([...labels].map(([column, given]) => [column, [...given]] as const));
  descend(edges(options.rows, drafts), labels);
  for (const [column, given] of labels) {
    const resource: Resource = {
      ...column.resource,
      labels: [...new Set([...column.resource.labels, ...given])].sort(),
    };
    column.resource = resource;
  }
  const columns = new Map<string, readonly string[]>();
  for (const draft of drafts.values()) {
    for (const column of draft.columns.values()) columns.set(`${draft.oid}.${column.number}`, own.get(column) ?? []);
  }
  return { remembered: { columns }, unmatched };
}

function byLines(
  classify: readonly ClassifyLine[],
  drafts: ReadonlyMap<number, Draft>,
  labels: Map<DraftColumn, Set<string>>,
): readonly ClassifyLine[] {
  const lines = classify.map((line) => ({ line, pattern: columnPattern(line), matched: false }));
  for (const draft of drafts.values()) {
    const system = draft.schema === 'pg_catalog' || draft.schema === 'information_schema';
    for (const column of draft.columns.values()) {
      for (const each of lines) {
        if (system && !each.pattern.namesSchema) continue;
        if (!each.pattern.matches(draft.schema, draft.name, column.name)) continue;
        each.matched = true;
        give(labels, column, each.pattern.label);
      }
    }
  }
  return lines.filter(({ matched }) => !matched).map(({ line }) => line);
}

function byMemory(
  remembered: Remembered,
  drafts: ReadonlyMap<number, Draft>,
  labels: Map<DraftColumn, Set<string>>,
): void {
  for (const draft of drafts.values()) {
    const columns = [...draft.columns.values()];
    const before = columns.map((column) => remembered.columns.get(`${draft.oid}.${column.number}`));
    const known = before.some((given) => given !== undefined);
    const classified = before.some((given) => given !== undefined && given.length > 0);
    columns.forEach((column, position) => {
      const given = before[position];
      for (const label of given ?? []) give(labels, column, label);
      // A column that a classified table did not have before: nobody has looked at it yet.
      if (known && classified && given === undefined && !labels.has(column)) give(labels, column, UNCLASSIFIED);
    });
  }
}

function give(labels: Map<DraftColumn, Set<string>>, column: DraftColumn, label: string): boolean {
  const given = labels.get(column);
  if (given === undefined) labels.set(column, new Set([label]));
  else if (given.has(label)) return false;
  else given.add(label);
  return true;
}

/** Which columns have the labels of which. */
function edges(
  rows: CatalogueRows,
  drafts: ReadonlyMap<number, Draft>,
): ReadonlyMap<DraftColumn, readonly DraftColumn[]> {
  const heirs = new Map<DraftColumn, DraftColumn[]>();
  const add = (from: DraftColumn | undefined, to: DraftColumn | undefined): void => {
    if (from === undefined || to === undefined || from === to) return;
    const list = heirs.get(from);
    if (list === undefined) heirs.set(from, [to]);
    else list.push(to);
  };
  const at = ({ relation, column }: ColumnSource) => drafts.get(relation)?.columns.get(column);
  for (const draft of drafts.values()) {
    for (const column of draft.columns.values()) for (const source of column.sources) add(at(source), column);
  }
  for (const key of rows.foreignKeys) {
    key.columns.forEach((column, position) => {
      const referenced = key.referencedColumns[position];
      if (referenced !== undefined) {
        add(at({ relation: key.referenced, column: referenced }), at({ relation: key.relation, column }));
      }
    });
  }
  for (const { child, parent } of rows.inheritance) {
    for (const [name, column] of drafts.get(parent)?.columnsByName ?? []) {
      const same = drafts.get(child)?.columnsByName.get(name);
      add(column, same);
      add(same, column);
    }
  }
  return heirs;
}

function descend(heirs: ReadonlyMap<DraftColumn, readonly DraftColumn[]>, labels: Map<DraftColumn, Set<string>>): void {
  const waiting = [...labels.keys()];
  for (let column = waiting.pop(); column !== undefined; column = waiting.pop()) {
    for (const heir of heirs.get(column) ?? []) {
      let changed = false;
      for (const label of labels.get(column) ?? []) changed = give(labels, heir, label) || changed;
      if (changed) waiting.push(heir);
    }
  }
}
