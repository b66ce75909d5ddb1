import type { PolicyAction } from '../../core/action.ts';
import type { Catalogue, Relation } from './catalogue.ts';
import { isSystemSchema } from './identifiers.ts';

/**
 * Relations whose values the server may quote when something is done to this one, whatever the statement shows.
 *
 * Writing, defining: "Failing row contains (…)", "Key (…)=(…) already exists", what a trigger raises, in the relation and
 * those behind a view, rule or partitioned table, and in those whose rows change along with it by a foreign key.
 * Reading: what a view computes, and what a function in a policy or generated column says, of columns that nobody selects.
 */
export function mentioned(catalogue: Catalogue, relation: Relation, action: PolicyAction): ReadonlySet<Relation> {
  if (isSystemSchema(relation.schema)) return NONE;
  const reads = action === 'sql.read';
  if (reads && relation.kind !== 'view' && relation.functionsOnRead.length === 0) return NONE;
  const found = new Set([relation]);
  const add = (oids: readonly number[]): void => {
    for (const oid of oids) {
      const other = catalogue.relationByOid(oid);
      if (other !== null && !isSystemSchema(other.schema)) found.add(other);
    }
  };
  add(relation.bases);
  // What was added meanwhile is looked at as well.
  if (!reads) for (const { bases, referencing } of found) add([...bases, ...referencing]);
  return found;
}

const NONE: ReadonlySet<Relation> = new Set();
