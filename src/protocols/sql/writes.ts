import { columnReference } from './expressions.ts';
import { aliasOf, fromItem, readRelation, relationName } from './from.ts';
import {
  type Ctes,
  type Item,
  type Lineage,
  NO_OUTPUT,
  newScope,
  type Output,
  outputItem,
  relationItem,
  type Scope,
  union,
} from './lineage.ts';
import { type Fields, fieldsOf, listOf, NotUnderstood, type Opened, opened, required, text } from './nodes.ts';
import { outputList, withClause } from './queries.ts';
import { CONDITION, JOIN, LOOKUP, type Role, VALUE, type Walk } from './walk.ts';

/** INSERT, UPDATE, DELETE, MERGE: what is written, what is read for it, and what RETURNING puts out. */
export function dataModification(
  walk: Walk,
  { type, fields }: Opened,
  outer: Scope | null,
  ctes: Ctes | null,
  role: Role,
): Output {
  const scope = newScope(outer, withClause(walk, fields, outer, ctes));
  const target = addTarget(walk, fields, scope);
  switch (type) {
    case 'InsertStmt':
      insert(walk, fields, scope, target);
      break;
    case 'UpdateStmt':
      for (const item of listOf(fields.fromClause)) fromItem(walk, item, scope);
      where(walk, fields, scope, role);
      assignments(walk, listOf(fields.targetList), scope, target);
      break;
    case 'DeleteStmt':
      for (const item of listOf(fields.usingClause)) fromItem(walk, item, scope);
      where(walk, fields, scope, role);
      break;
    case 'MergeStmt':
      merge(walk, fields, scope, target);
      break;
    default:
      throw new NotUnderstood(`${type} does not modify data`);
  }
  return returning(walk, fields, scope, target, role);
}

interface Target {
  readonly item: Item;
  readonly fields: Fields;
}

/** The target is always a relation: CTEs do not hide it (parse_clause.c, setTargetTable). */
function addTarget(walk: Walk, fields: Fields, scope: Scope): Target {
  const range = fieldsOf(fields.relation);
  if (range === null) throw new NotUnderstood('a data modification has no target');
  const name = relationName(range);
  const relation = walk.names.relation(name, 'sql.write');
  const { name: alias } = aliasOf(range);
  const item =
    relation === null
      ? outputItem({ columns: [], open: true }, alias ?? name.name, [])
      : relationItem(relation, alias, []);
  scope.items.push(item);
  return { item, fields: range };
}

/** Its rows are looked at, not only written: PostgreSQL asks for SELECT there as well. */
function alsoRead(walk: Walk, target: Target): void {
  readRelation(walk, relationName(target.fields), null, []);
}

function insert(walk: Walk, fields: Fields, scope: Scope, target: Target): void {
  const columns = listOf(fields.cols);
  if (columns.length === 0) walk.tally.assign(target.item.everything);
  assignTargets(walk, columns, target);
  const source = fields.selectStmt;
  // The target itself is not visible in the source.
  if (source !== undefined && source !== null) walk.query(required(source), scope.outer, scope.ctes, 'assign');
  const conflict = fieldsOf(fields.onConflictClause);
  if (conflict === null) return;
  scope.items.push({ ...target.item, name: 'excluded' });
  // Whether a row conflicts says whether its values are there already.
  walk.tally.compare(target.item.everything, 'function');
  const infer = fieldsOf(conflict.infer);
  if (infer !== null) inference(walk, infer, scope);
  assignments(walk, listOf(conflict.targetList), scope, target);
  walk.expression(conflict.whereClause, scope, CONDITION);
  alsoRead(walk, target);
}

function inference(walk: Walk, infer: Fields, scope: Scope): void {
  for (const element of listOf(infer.indexElems)) walk.expression(required(element).fields.expr, scope, VALUE);
  walk.expression(infer.whereClause, scope, CONDITION);
}

function assignTargets(walk: Walk, targets: readonly unknown[], target: Target): void {
  for (const each of targets) {
    const { fields } = required(each);
    const name = text(fields.name) ?? '';
    const column = target.item.columns.get(name);
    if (column !== undefined) walk.tally.assign(column);
    else if (target.item.relation !== null) walk.tally.unknownColumn(name);
  }
}

/** `SET a = x, (b, c) = (…)`: what the values come from is written. */
function assignments(walk: Walk, targets: readonly unknown[], scope: Scope, target: Target): void {
  assignTargets(walk, targets, target);
  for (const each of targets) {
    const { fields } = required(each);
    for (const index of listOf(fields.indirection).map(required)) {
      if (index.type === 'A_Indices') walk.expression({ A_Indices: index.fields }, scope, VALUE);
    }
    walk.tally.assign(assignedValue(walk, fields.val, scope));
  }
}

/** A bare column is written as it is; anything else computes first. */
function assignedValue(walk: Walk, value: unknown, scope: Scope): Lineage {
  const found = opened(value);
  return found?.type === 'ColumnRef'
    ? columnReference(walk, found.fields, scope)
    : walk.expression(value, scope, VALUE);
}

function where(walk: Walk, fields: Fields, scope: Scope, role: Role): void {
  const condition = fields.whereClause;
  if (condition === undefined) walk.tally.unfiltered = true;
  const lookup = role === 'reveal' && scope.outer === null && walk.alone;
  walk.expression(condition, scope, lookup ? LOOKUP : CONDITION);
  const target = fieldsOf(fields.relation);
  const others = scope.items.length > 1;
  if (target !== null && (condition !== undefined || others)) readRelation(walk, relationName(target), null, []);
}

function merge(walk: Walk, fields: Fields, scope: Scope, target: Target): void {
  fromItem(walk, fields.sourceRelation, scope);
  walk.expression(fields.joinCondition, scope, JOIN);
  alsoRead(walk, target);
  for (const clause of listOf(fields.mergeWhenClauses)) {
    const { fields: when } = required(clause);
    walk.expression(when.condition, scope, CONDITION);
    const command = text(when.commandType);
    const targets = listOf(when.targetList);
    if (command === 'CMD_INSERT') {
      if (targets.length === 0) walk.tally.assign(target.item.everything);
      assignTargets(walk, targets, target);
      walk.tally.assign(union(listOf(when.values).map((value) => assignedValue(walk, value, scope))));
    } else if (command === 'CMD_UPDATE') {
      assignments(walk, targets, scope, target);
    }
  }
}

function returning(walk: Walk, fields: Fields, scope: Scope, target: Target, role: Role): Output {
  const clause = fieldsOf(fields.returningClause);
  if (clause === null) return NO_OUTPUT;
  alsoRead(walk, target);
  // `old` and `new`, or what RETURNING WITH calls them, are the target's row (manual, 6.4). A star means the items of FROM,
  // so these stand one level out.
  const renamed = listOf(clause.options).map((option) => text(required(option).fields.value) ?? '');
  const rows = newScope(scope.outer, scope.ctes);
  for (const name of ['old', 'new', ...renamed])
    rows.items.push({ ...target.item, name, columns: target.item.columns });
  const items = scope.items.filter((item) => item.name !== 'excluded' || item === target.item);
  const inner: Scope = { ...newScope(rows, scope.ctes), items };
  return outputList(walk, listOf(clause.exprs), inner, role);
}
