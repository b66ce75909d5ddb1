import { relationName } from './from.ts';
import { type Lineage, NOTHING, relationItem, type Scope, union } from './lineage.ts';
import { type Fields, fieldsOf, listOf, nameParts, type Opened, opened, required, text } from './nodes.ts';
import type { Walk } from './walk.ts';

/**
 * Definitions that copy values of a table, or that succeed or fail by them: an index, statistics, keys, a type's change, a
 * partition's bounds; and triggers, whose functions see every row as it is. They write from the columns they look at.
 */
export function dataDefinition(walk: Walk, { type, fields }: Opened, scope: Scope): void {
  switch (type) {
    case 'IndexElem':
    case 'StatsElem':
      assignNamed(walk, scope, [text(fields.name) ?? '']);
      return;
    case 'Constraint':
      assignNamed(walk, scope, [...nameParts(fields.keys), ...nameParts(fields.fk_attrs)]);
      referenced(walk, fields);
      return;
    case 'AlterTableCmd':
      alteration(walk, fields, scope);
      return;
    case 'CreateTrigStmt':
      walk.tally.assign(everything(scope));
      return;
    case 'AlterDomainStmt':
      walk.tally.assign(ofType(walk, nameParts(fields.typeName)));
      return;
    default:
  }
}

function assignNamed(walk: Walk, scope: Scope, names: readonly string[]): void {
  for (const name of names) {
    walk.tally.assign(union(scope.items.flatMap((item) => item.columns.get(name) ?? [])));
  }
}

/** Whether a row may point there says which values are there. */
function referenced(walk: Walk, fields: Fields): void {
  const range = fieldsOf(fields.pktable);
  const relation = range === null ? null : walk.names.find(relationName(range));
  if (relation === null) return;
  const { columns } = relationItem(relation, null, []);
  for (const name of nameParts(fields.pk_attrs)) walk.tally.assign(columns.get(name) ?? NOTHING);
}

function alteration(walk: Walk, fields: Fields, scope: Scope): void {
  const subtype = text(fields.subtype) ?? '';
  if (LOOK_AT_ONE.has(subtype)) assignNamed(walk, scope, [text(fields.name) ?? '']);
  if (!LOOK_AT_ALL.has(subtype)) return;
  walk.tally.assign(everything(scope));
  const found = opened(fields.def);
  const range = found?.type === 'PartitionCmd' ? fieldsOf(found.fields.name) : (found?.fields ?? null);
  const other = range === null ? null : walk.names.find(relationName(range));
  if (other !== null) walk.tally.assign(relationItem(other, null, []).everything);
}

function everything(scope: Scope): Lineage {
  return union(scope.items.map((item) => item.everything));
}

/** A domain's checks are made on all that is stored already (manual, ALTER DOMAIN). */
function ofType(walk: Walk, parts: readonly string[]): Lineage {
  const type = walk.names.findType(parts);
  const found: Lineage[] = [];
  if (type === null) return NOTHING;
  for (const { columns } of walk.names.catalogue.relations()) {
    for (const column of columns.values()) if (column.typeOid === type.oid) found.push(new Set([column]));
  }
  return union(found);
}

/** The tables of CREATE STATISTICS stand in a list. */
export function tablesOf(fields: Fields): readonly Fields[] {
  const one = fieldsOf(fields.relation ?? fields.table);
  if (one !== null) return [one];
  return listOf(fields.relations).flatMap((each) => {
    const { type, fields: range } = required(each);
    return type === 'RangeVar' ? [range] : [];
  });
}

const LOOK_AT_ONE: ReadonlySet<string> = new Set(['AT_AlterColumnType', 'AT_SetNotNull', 'AT_SetExpression']);
const LOOK_AT_ALL: ReadonlySet<string> = new Set(['AT_ValidateConstraint', 'AT_AttachPartition', 'AT_AddInherit']);
