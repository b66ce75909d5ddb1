import type { ColumnUse } from '../../core/action.ts';
import type { Catalogue, Relation } from './catalogue.ts';
import { isSystemSchema } from './identifiers.ts';

/**
 * What it means to show something that may hold any value of the database: statistics, other sessions' texts. Every column
 * of every relation goes through an expression, labelled or not, because rules may name tables and columns.
 * `null`: there are more columns than can be asked about.
 */
export function usesOfEverything(catalogue: Catalogue): ReadonlyMap<string, ColumnUse> | null {
  let uses = known.get(catalogue);
  if (uses === undefined) {
    uses = collect(catalogue);
    known.set(catalogue, uses);
  }
  return uses;
}

/** Two uses of one key are one use. */
export function useKey(use: ColumnUse): string {
  return `${use.use} ${use.use === 'compare' ? use.comparison : ''} ${use.column.id}`;
}

function collect(catalogue: Catalogue): ReadonlyMap<string, ColumnUse> | null {
  const uses = new Map<string, ColumnUse>();
  for (const { schema, kind, columns } of catalogue.relations()) {
    if (!HOLDS_ROWS.has(kind) || isSystemSchema(schema)) continue;
    for (const { resource } of columns.values()) {
      const use: ColumnUse = { use: 'compare', column: resource, comparison: 'function' };
      uses.set(useKey(use), use);
    }
    if (uses.size > COLUMNS_MAX) return null;
  }
  return uses;
}

const known = new WeakMap<Catalogue, ReadonlyMap<string, ColumnUse> | null>();
const HOLDS_ROWS: ReadonlySet<Relation['kind']> = new Set([
  'table',
  'partitioned-table',
  'view',
  'materialized-view',
  'foreign-table',
]);
export const COLUMNS_MAX = 20_000;
